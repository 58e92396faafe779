"""The truth test: messages in, drivers and executors killed on the way, every table compared with the truth."""

import json
import threading
import time
import urllib.request

from confluent_kafka import Producer

import tables
from corpus import Corpus


class Failure(Exception):
    pass


def metrics(http):
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {name.removeprefix("sentiment_"): float(value)
            for name, value in (line.split() for line in lines if not line.startswith("#"))}


def until(what, holds, seconds, alive=lambda: True):
    """Waits until holds() is true; connection errors count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        if not alive():
            raise Failure(f"the process ended while waiting for: {what}")
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def healthy(http):
    return urllib.request.urlopen(f"http://{http}/health", timeout=5).status == 200


class Sender:
    """Sends messages in order at a steady rate, in the background, up to a number that is raised as a test goes on."""

    def __init__(self, servers, topic, messages, rate):
        self.producer = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True, "linger.ms": 5})
        self.topic, self.messages, self.rate, self.sent, self.failed = topic, messages, rate, 0, []
        self.thread = None

    def up_to(self, number):
        self.finish()
        self.thread = threading.Thread(target=self.send, args=(number,), daemon=True)
        self.thread.start()

    def send(self, number):
        begin, first = time.monotonic(), self.sent
        while self.sent < number:
            while time.monotonic() < begin + (self.sent - first) / self.rate:
                self.producer.poll(0.001)
            key, value = self.messages[self.sent]
            self.producer.produce(self.topic, value, key, on_delivery=lambda error, _: error and self.failed.append(error))
            self.producer.poll(0)
            self.sent += 1

    def finish(self):
        """Returns when all is acknowledged that was to be sent."""
        if self.thread:
            self.thread.join()
        if self.producer.flush(60) or self.failed:
            raise Failure(f"Kafka refused messages: {self.failed[:3]}")


def run(stack, count=20_000, seed=1, rate=700, say=print):
    """stack: a started Kafka, Cassandra, Redis, Spark with topic and tables (see stack.py)."""
    corpus = Corpus(seed, count, int(time.time() * 1000))
    settings = {"MAX_OFFSETS": "1000", "SETTLE_MS": "1000"}
    sender = Sender(stack.kafka, "tweets", corpus.messages, rate)
    quarter = count // 4
    alive = lambda: driver.poll() is None
    rows = lambda: metrics(stack.http)["rows_total"]  # of the present driver

    driver = stack.driver(**settings)
    until("the job is ready", lambda: healthy(stack.http), 240, alive)
    sender.up_to(quarter)
    until("tweets flow", lambda: rows() > quarter / 3, 120, alive)
    driver.kill()
    driver.wait()
    say("driver killed (SIGKILL) in the stream")

    driver = stack.driver(**settings)
    until("the job is ready again", lambda: healthy(stack.http), 240, alive)
    sender.up_to(2 * quarter)
    until("tweets flow again", lambda: rows() > quarter, 120, alive)
    driver.kill()
    driver.wait()
    say(f"driver killed again; batch {stack.replay_whole_batch()} will be replayed whole")

    driver = stack.driver(**settings)
    until("the job is ready a third time", lambda: healthy(stack.http), 240, alive)
    sender.up_to(3 * quarter)
    until("tweets flow a third time", lambda: metrics(stack.http)["batches_total"] > 2, 120, alive)
    stack.kill_executors()
    say("executors killed (SIGKILL)")
    sender.up_to(count)
    until("tweets flow in new executors", lambda: rows() > 3 * quarter / 4, 120, alive)
    stack.cache.die_and_return("redis")
    stack.node.die_and_return("cassandra")
    say("Redis and Cassandra killed (SIGKILL) and back")
    sender.finish()
    until("the topic is read", lambda: metrics(stack.http)["behind"] == 0 and metrics(stack.http)["last_finished"] < time.time() - 2, 180, alive)

    session = tables.connect(stack.cassandra, "social")
    found = tables.wait_until_true(session, corpus.truth, 60)
    if found:
        tables.report(found)
        raise Failure("the tables do not hold the truth")
    say(f"every table holds the truth: {corpus.truth['tweets']} tweets, {corpus.truth['duplicates']} duplicates, {corpus.truth['malformed']} malformed")
    check_folding(session, len(corpus.truth["minutes"]), say)
    check_new_model(stack, session, say)
    if metrics(stack.http)["lost_total"]:
        raise Failure("offsets count as lost although none was")
    driver.terminate()
    driver.wait()


def check_folding(session, minutes, say):
    """Rows of all batches but the last are folded: about one row a minute and group, and one of job_stats."""
    deadline = time.monotonic() + 30
    while True:
        rows = session.execute("SELECT query_id, batch_id FROM minute_counts").all()
        stats = session.execute("SELECT batch_id FROM job_stats").all()
        unfolded = {row for row in rows if row[0] != "folded"}
        closed = len(unfolded) <= 1 + 3 and len(stats) <= 3  # the open minute's batches may be more than the last one
        if closed:
            break
        if time.monotonic() > deadline + 90:
            raise Failure(f"not folded: rows of batches {sorted(unfolded)[:9]}, {len(stats)} rows of job_stats")
        time.sleep(1)
    say(f"folded: {len(rows)} rows for {minutes} minutes and groups, {len(stats)} rows of job_stats")


def check_new_model(stack, session, say):
    """A new version in Cassandra is used without a restart."""
    session.execute("INSERT INTO model (name, version, word, weight) VALUES ('sentiment', 1000, 'weirword', 5)")
    session.execute("INSERT INTO model_current (name, version, threshold) VALUES ('sentiment', 1000, 1)")
    begin = time.monotonic()
    sender = Sender(stack.kafka, "tweets", [], 100)
    for number in range(60):
        now = int(time.time() * 1000)
        tweet = {"id": str(77_000_000 + number), "movie": "model test", "text": "weirword", "created_ms": now, "user": "u",
                 "followers": 1, "place": "", "lang": "en", "received_ms": now}
        sender.messages.append((tweet["id"].encode(), json.dumps(tweet).encode()))
        sender.up_to(number + 1)
        sender.finish()
        time.sleep(0.5)
        held = [row[0] for row in session.execute("SELECT sentiment FROM tweets WHERE movie = 'model test'")]
        if "positive" in held:
            say(f"new model in use {time.monotonic() - begin:.1f} s after it was stored")
            return
    raise Failure("the new model is not used")
