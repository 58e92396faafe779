/** The panel of tweets: live, or those of one bucket. */
import { memo, useEffect, useRef, useState } from "react";
import { MINUTE } from "../shared/buckets";
import { GROUPS, SENTIMENTS } from "../shared/model";
import type { Group, Sentiment, Tweet } from "../shared/model";
import { askTweets } from "./api";
import type { Pick } from "./chart";
import { ago, clock, dayClock, FOLLOWERS, number, short, SIGN, span } from "./format";
import { mergeTweets } from "./live_state";
import { Choice, Empty, Skeleton } from "./parts";

const SHOWN = 60;
const PAGE = 25;
const DRIP_MS = 350;
const DRIP_MOST = 4;

type Wanted<T> = T | "all";

const SENTIMENT_OPTIONS = [
  { value: "all" as const, text: "All" },
  ...SENTIMENTS.map((s) => ({ value: s, text: <i className={`sign ${s}`}>{SIGN[s]}<span className="hidden">{s}</span></i>, title: s })),
];
const GROUP_OPTIONS = [
  { value: "all" as const, text: "All" },
  ...GROUPS.map((g) => ({ value: g, text: g, title: `${FOLLOWERS[g]} followers` })),
];

export function LiveTweets(props: { movie: string; tweets: Tweet[]; loaded: boolean; sampled: boolean; offset: number }) {
  const { movie, tweets, loaded, sampled, offset } = props;
  const [sentiment, setSentiment] = useState<Wanted<Sentiment>>("all");
  const [group, setGroup] = useState<Wanted<Group>>("all");
  const [stopped, setStopped] = useState(false);
  const [over, setOver] = useState(false);
  const found = useFound(movie, sentiment, group);
  const fits = (t: Tweet) => (sentiment === "all" || t.sentiment === sentiment) && (group === "all" || t.group === group);
  const wanted = mergeTweets(found, tweets.filter(fits), 200);
  const paused = stopped || over;
  const { shown, waiting } = useDrip(wanted, `${movie} ${sentiment} ${group}`, paused);

  return (
    <>
      <header>
        <h2>Live tweets</h2>
        <div className="tools">
          <button type="button" className="quiet" aria-pressed={stopped} onClick={() => setStopped(!stopped)}>
            {stopped ? "▶ Resume" : "❚❚ Pause"}
          </button>
        </div>
      </header>
      <div className="filters">
        <Choice label="Sentiment" options={SENTIMENT_OPTIONS} value={sentiment} onChange={setSentiment} />
        <Choice label="Followers" options={GROUP_OPTIONS} value={group} onChange={setGroup} />
      </div>
      <p className="note" role="status">
        {paused
          ? `Paused; ${waiting === 1 ? "1 new tweet waits" : `${waiting} new tweets wait`}.`
          : sampled
            ? "Newest first, a sample: more arrive than can be read."
            : "Newest first; stops while you point at it."}
      </p>
      <div
        className="feed"
        tabIndex={0}
        role="region"
        aria-label="Live tweets"
        onMouseEnter={() => setOver(true)}
        onMouseLeave={() => setOver(false)}
        onFocus={(event) => setOver(event.target.matches(":focus-visible"))}
        onBlur={() => setOver(false)}
      >
        {!loaded && !shown.length ? (
          <Skeleton height={320} />
        ) : shown.length ? (
          <ol>
            {shown.slice(0, SHOWN).map((tweet) => (
              <TweetItem key={tweet.id} tweet={tweet} when={`${ago(Date.now() + offset - tweet.at)} ago`} />
            ))}
          </ol>
        ) : (
          <Empty>No tweets {sentiment === "all" && group === "all" ? "yet" : "of this kind yet"}. New ones appear here.</Empty>
        )}
      </div>
    </>
  );
}

/** A filter starts with what fits of the last quarter of an hour instead of an empty list. */
function useFound(movie: string, sentiment: Wanted<Sentiment>, group: Wanted<Group>): Tweet[] {
  const [found, setFound] = useState<{ key: string; tweets: Tweet[] }>({ key: "", tweets: [] });
  const key = `${movie} ${sentiment} ${group}`;
  const filtered = sentiment !== "all" || group !== "all";
  useEffect(() => {
    if (!filtered) return;
    const stop = new AbortController();
    const now = Date.now();
    askTweets(
      {
        movie,
        from: now - 15 * MINUTE,
        to: now + MINUTE,
        sentiment: sentiment === "all" ? undefined : sentiment,
        group: group === "all" ? undefined : group,
        limit: 40,
      },
      stop.signal,
    ).then(
      ({ tweets }) => setFound({ key, tweets }),
      () => undefined, // the live ones go on; the banner tells of trouble
    );
    return () => stop.abort();
  }, [key]);
  return filtered && found.key === key ? found.tweets : [];
}

/** Lets tweets that arrive in batches drop in one after another, no faster than people read, and none while paused. Of
 *  more than that a sample is shown. */
function useDrip(wanted: Tweet[], key: string, paused: boolean): { shown: Tweet[]; waiting: number } {
  const [shown, setShown] = useState<{ key: string; tweets: Tweet[] }>({ key: "", tweets: [] });
  const passed = useRef(new Set<string>());
  const latest = useRef({ wanted, key, paused, was: paused });
  latest.current = { wanted, key, paused, was: latest.current.was };
  const step = () => {
    const { wanted: all, key: now, paused: halt, was } = latest.current;
    const started = shown.key === now && shown.tweets.length > 0;
    const fresh = all.filter((t) => !passed.current.has(t.id));
    if (!started) {
      if (!all.length && shown.key === now) return;
      passed.current = new Set(all.map((t) => t.id));
      setShown({ key: now, tweets: all });
      return;
    }
    latest.current.was = halt;
    if (halt || !fresh.length) return;
    passed.current = new Set(all.map((t) => t.id));
    if (was) return setShown({ key: now, tweets: [...fresh, ...shown.tweets].slice(0, 200) });
    const few = fresh.length <= DRIP_MOST;
    // The rest of a few stays for the next steps; of many the newest stand for all.
    const take = few ? fresh.slice(-1) : fresh.slice(0, 2);
    if (few) for (const t of fresh.slice(0, -1)) passed.current.delete(t.id);
    setShown({ key: now, tweets: [...take, ...shown.tweets].slice(0, 200) });
  };
  const run = useRef(step);
  run.current = step;
  useEffect(() => run.current(), [key, wanted.length === 0]);
  useEffect(() => {
    const timer = window.setInterval(() => run.current(), DRIP_MS);
    return () => window.clearInterval(timer);
  }, []);
  const current = shown.key === key;
  return {
    shown: current ? shown.tweets : wanted,
    waiting: current ? wanted.filter((t) => !passed.current.has(t.id)).length : 0,
  };
}

export function BucketTweets(props: { movie: string; title: string; pick: Pick; onClose: () => void }) {
  const { movie, title, pick, onClose } = props;
  const [tweets, setTweets] = useState<Tweet[]>([]);
  const [next, setNext] = useState<string | null | undefined>(undefined);
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const [trouble, setTrouble] = useState("");
  const [attempt, setAttempt] = useState(0);
  const heading = useRef<HTMLHeadingElement>(null);
  const key = JSON.stringify([movie, pick]);
  const asked = useRef(key);

  useEffect(() => heading.current?.focus({ preventScroll: true }), [key]);
  useEffect(() => {
    const stop = new AbortController();
    const more = asked.current === key ? cursor : undefined;
    if (asked.current !== key) {
      asked.current = key;
      setTweets([]);
      setNext(undefined);
      setCursor(undefined);
    }
    setTrouble("");
    askTweets(
      { movie, from: pick.from, to: pick.from + pick.step, sentiment: pick.sentiment, group: pick.group, cursor: more, limit: PAGE },
      stop.signal,
    ).then(
      (page) => {
        setTweets((old) => (more ? [...old, ...page.tweets] : page.tweets));
        setNext(page.next);
      },
      (error: Error) => stop.signal.aborted || setTrouble(error.message),
    );
    return () => stop.abort();
  }, [key, cursor, attempt]);

  return (
    <>
      <header>
        <div>
          <h2 ref={heading} tabIndex={-1}>
            {span(pick.from, pick.step)}
          </h2>
          <p className="note">
            {pick.sentiment && <i className={`sign ${pick.sentiment}`}>{SIGN[pick.sentiment]} </i>}
            {pick.sentiment && pick.group ? `${pick.sentiment}, ${pick.group} followers` : "all tweets"} · {title}
          </p>
        </div>
        <div className="tools">
          <button type="button" className="quiet" onClick={onClose}>
            ✕ Back to live
          </button>
        </div>
      </header>
      <div className="feed" tabIndex={0} role="region" aria-label="Tweets of the chosen bar" data-picked={key}>
        {trouble ? (
          <Empty>
            {trouble}{" "}
            <button type="button" onClick={() => setAttempt(attempt + 1)}>
              Try again
            </button>
          </Empty>
        ) : next === undefined ? (
          <Skeleton height={320} />
        ) : tweets.length ? (
          <>
            <ol>
              {tweets.map((tweet) => (
                <TweetItem key={tweet.id} tweet={tweet} when={pick.step > MINUTE ? dayClock(tweet.at) : clock(tweet.at, 1000)} />
              ))}
            </ol>
            {next ? (
              <button type="button" className="more" onClick={() => setCursor(next)}>
                Show {PAGE} more
              </button>
            ) : (
              <p className="note end">{tweets.length === 1 ? "1 tweet" : `${number(tweets.length)} tweets`}, that is all of them.</p>
            )}
          </>
        ) : (
          <Empty>No tweets are stored for this bar (any more).</Empty>
        )}
      </div>
    </>
  );
}

const TweetItem = memo(function TweetItem({ tweet, when }: { tweet: Tweet; when: string }) {
  return (
    <li className={`tweet ${tweet.sentiment}`} data-id={tweet.id} data-sentiment={tweet.sentiment} data-group={tweet.group} data-at={tweet.at}>
      <p className="who">
        <i className={`sign ${tweet.sentiment}`} title={tweet.sentiment}>
          {SIGN[tweet.sentiment]}
          <span className="hidden">{tweet.sentiment}</span>
        </i>
        <b>@{tweet.user}</b>
        <span title={`${number(tweet.followers)} followers, group ${tweet.group}`}>
          <i className={`dots ${tweet.group}`} aria-hidden="true" /> {short(tweet.followers)} <span className="hidden">followers</span>
        </span>
        <time dateTime={new Date(tweet.at).toISOString()}>{when}</time>
      </p>
      <p className="text">{tweet.text}</p>
    </li>
  );
});
