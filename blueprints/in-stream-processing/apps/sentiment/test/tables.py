"""Compares every table that `sentiment` writes with a truth (`x-replay truth`, or corpus.py).

Command line, for a platform that has stopped receiving:
  tables.py --cassandra host:port[,host:port] [--keyspace social] --truth truth.json [--wait SECONDS]
Ends with 0 and one line if all agrees within the time, else with 1 and the first differences of each table.
"""

import argparse
import collections
import json
import sys
import time

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy
from cassandra.query import tuple_factory

HOUR = 3_600_000


def connect(contacts, keyspace):
    hosts = [contact.rsplit(":", 1) for contact in contacts.split(",")]
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), consistency_level=ConsistencyLevel.LOCAL_QUORUM,
                               row_factory=tuple_factory, request_timeout=60)
    cluster = Cluster([host for host, _ in hosts], port=int(hosts[0][1]), execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    return cluster.connect(keyspace)


def ms(moment):
    return round((moment - type(moment)(1970, 1, 1)).total_seconds() * 1000)


def sums(rows):
    total = collections.defaultdict(lambda: [0, 0, 0])
    for *key, positive, negative, neutral in rows:
        total[tuple(key)] = [a + b for a, b in zip(total[tuple(key)], (positive, negative, neutral))]
    return dict(total)


def differences(session, truth):
    """{table: [difference, …]}: empty if all tables hold the truth."""
    found = {}

    def compare(table, wanted, held):
        lines = [f"missing {key}: {wanted[key]}" for key in sorted(wanted.keys() - held.keys())]
        lines += [f"not true {key}: {held[key]}" for key in sorted(held.keys() - wanted.keys())]
        lines += [f"{key}: {held[key]} instead of {wanted[key]}" for key in sorted(wanted.keys() & held.keys()) if wanted[key] != held[key]]
        if lines:
            found[table] = lines

    posts = truth["posts"].values()
    rows = session.execute("SELECT movie, id, created, user, followers, grp, sentiment, score, text, place FROM tweets")
    compare("tweets",
            {(p["movie"], p["id"]): (p["created_ms"], p["user"], p["followers"], p["group"], p["sentiment"], p["score"], p["text"], p["place"])
             for p in posts},
            {(r[0], r[1]): (ms(r[2]), *r[3:]) for r in rows})
    rows = session.execute("SELECT movie, day, created, id, sentiment, grp, user, followers, text FROM timeline")
    compare("timeline",
            {(p["movie"], p["created_ms"] // (24 * HOUR), p["created_ms"], p["id"]): (p["sentiment"], p["group"], p["user"], p["followers"], p["text"])
             for p in posts},
            {(r[0], r[1], ms(r[2]), r[3]): tuple(r[4:]) for r in rows})
    minutes = [(m["movie"], m["minute"], m["group"], m["positive"], m["negative"], m["neutral"]) for m in truth["minutes"]]
    rows = session.execute("SELECT movie, day, minute, grp, positive, negative, neutral FROM minute_counts")
    compare("minute_counts",
            sums((movie, minute // (24 * HOUR), minute, *rest) for movie, minute, *rest in minutes),
            sums((r[0], r[1], ms(r[2]), *r[3:]) for r in rows))
    rows = session.execute("SELECT movie, year, hour, grp, positive, negative, neutral FROM hour_counts")
    compare("hour_counts",
            sums((movie, time.gmtime(minute / 1000).tm_year, minute // HOUR * HOUR, *rest) for movie, minute, *rest in minutes),
            sums((r[0], r[1], ms(r[2]), *r[3:]) for r in rows))
    stats = [sum(column) for column in zip(*session.execute("SELECT rows, duplicates, malformed FROM job_stats"))] or [0, 0, 0]
    names = ("messages", "duplicates", "malformed")
    compare("job_stats",
            dict(zip(names, (truth["tweets"] + truth["duplicates"] + truth["malformed"], truth["duplicates"], truth["malformed"]))),
            dict(zip(names, stats)))
    return found


def wait_until_true(session, truth, seconds):
    """The last differences; empty as soon as there are none. Hours follow the minutes by some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = differences(session, truth)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(1)


def report(found, out=sys.stdout):
    for table, lines in found.items():
        print(f"{table}: {len(lines)} differences", file=out)
        for line in lines[:5]:
            print("  " + line, file=out)


def main():
    parser = argparse.ArgumentParser(description="Compares the tables with the truth.")
    parser.add_argument("--cassandra", required=True)
    parser.add_argument("--keyspace", default="social")
    parser.add_argument("--truth", required=True, type=argparse.FileType())
    parser.add_argument("--wait", type=float, default=60)
    options = parser.parse_args()
    truth = json.load(options.truth)
    found = wait_until_true(connect(options.cassandra, options.keyspace), truth, options.wait)
    report(found)
    if not found:
        print(f"all tables hold the truth of {truth['tweets']} tweets, {truth['duplicates']} duplicates, {truth['malformed']} malformed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
