/** The page: movies on top, charts on the left, tweets on the right. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { MINUTE, SECOND, addInto, floorTo, noCounts, ofSentiment, sumOf } from "../shared/buckets";
import { GROUPS, RANGES } from "../shared/model";
import type { Bucket, Counts, MovieOverview, Range } from "../shared/model";
import { StackChart } from "./chart";
import { FOLLOWERS, number, rate, share, short, SIGN } from "./format";
import { HistoryCard } from "./history";
import type { BucketPick } from "./history";
import type { LiveState } from "./live_state";
import { Movies } from "./movies";
import { Balance, Card, CountsTable, Empty, Legend, Skeleton } from "./parts";
import { Banner, StatusPill } from "./status";
import { ThemeButton, useTheme } from "./theme";
import { BucketTweets, LiveTweets } from "./tweets";
import { useClock, useNarrow, useQuery, useStored } from "./use";
import { useLive } from "./use_live";

const SOURCE_NOTE = document.querySelector<HTMLMetaElement>('meta[name="source-note"]')?.content ?? "";
const MINUTES_SHOWN = 15;
const SECONDS_SHOWN = 120;

export function App() {
  const [query, setQuery] = useQuery();
  const [neutral, setNeutral] = useStored("neutral", "on");
  const { theme, toggle } = useTheme();
  const movie = query.movie ?? "";
  const live = useLive(movie);
  // Decided once: what is shown must not change by itself while somebody looks.
  const usual = useRef<Range | undefined>(undefined);
  if (live.movies?.length) usual.current ??= live.movies.every(isYoung) ? "1h" : "24h";
  const range = RANGES.find((r) => r === query.range) ?? usual.current ?? "24h";
  const now = useClock(live.offset, live.lostSince === null);
  const [picked, setPicked] = useState<BucketPick | null>(null);

  const choose = useCallback((slug: string) => {
    setPicked(null);
    setQuery({ movie: slug });
  }, []);
  const known = live.movies?.some((m) => m.slug === movie) ?? false;
  useEffect(() => {
    if (!live.movies?.length || known) return;
    const busiest = [...live.movies].sort((a, b) => sumOf(b.day) - sumOf(a.day))[0];
    choose(busiest.slug);
  }, [live.movies, known]);
  useEffect(() => {
    if (live.unknown && !live.movies) setQuery({ movie: undefined });
  }, [live.unknown]);

  const title = live.movies?.find((m) => m.slug === movie)?.title ?? "";
  useEffect(() => {
    document.title = title ? `${title} · Social analytics` : "Social analytics";
  }, [title]);
  const showNeutral = neutral === "on";

  return (
    <>
      <a className="skip" href="#tweets">
        Skip to the tweets
      </a>
      <header className="top">
        <img src="/icon.svg" alt="" width="32" height="32" />
        <div>
          <h1>Social analytics</h1>
          <p>In-stream processing</p>
        </div>
        <div className="tools">
          {SOURCE_NOTE && <span className="source">{SOURCE_NOTE}</span>}
          <StatusPill live={live} />
          <ThemeButton theme={theme} toggle={toggle} />
        </div>
      </header>
      <Banner live={live} />
      {live.movies === null ? (
        <Skeleton height={108} />
      ) : live.movies.length === 0 ? (
        <Empty>No movies are followed yet. As soon as the platform has one, it appears here.</Empty>
      ) : (
        <Movies movies={live.movies} chosen={movie} onChoose={choose} />
      )}
      <main className={live.lostSince !== null || !live.status.up ? "stale" : undefined}>
        <div className="charts">
          <Figures live={live} now={now} neutral={showNeutral} onNeutral={() => setNeutral(showNeutral ? "off" : "on")} />
          <LiveCards
            live={live}
            now={now}
            title={title}
            theme={theme}
            neutral={showNeutral}
            picked={picked}
            onPick={setPicked}
          />
          {known && (
            <HistoryCard
              key={movie}
              movie={movie}
              movies={live.movies ?? []}
              range={range}
              onRange={(r) => setQuery({ range: r })}
              neutral={showNeutral}
              theme={theme}
              picked={picked}
              onPick={setPicked}
            />
          )}
        </div>
        <aside className={picked ? "card tweets open" : "card tweets"} id="tweets" tabIndex={-1} aria-label="Tweets" onKeyDown={(e) => e.key === "Escape" && setPicked(null)}>
          {picked ? (
            <BucketTweets
              movie={picked.movie}
              title={live.movies?.find((m) => m.slug === picked.movie)?.title ?? picked.movie}
              pick={picked}
              onClose={() => setPicked(null)}
            />
          ) : (
            <LiveTweets movie={movie} tweets={live.tweets} loaded={live.loaded} sampled={live.sampled} offset={live.offset} />
          )}
        </aside>
      </main>
      <Announcer live={live} title={title} />
    </>
  );
}

/** Whether all that was ever said of a movie was said within the last hour. */
function isYoung({ day, up, down }: MovieOverview): boolean {
  return ofSentiment(day, "positive") + ofSentiment(day, "negative") === sumOf(up) + sumOf(down);
}

/** A dense series out of what is known; what is not known is zero. */
function dense(known: ReadonlyMap<number, Counts>, from: number, count: number, step: number): Bucket[] {
  return Array.from({ length: count }, (_, i) => ({ t: from + i * step, n: known.get(from + i * step) ?? noCounts() }));
}

interface LiveCardsProps {
  live: LiveState;
  now: number;
  title: string;
  theme: string;
  neutral: boolean;
  picked: BucketPick | null;
  onPick: (pick: BucketPick) => void;
}

function LiveCards({ live, now, title, theme, neutral, picked, onPick }: LiveCardsProps) {
  const [asTable, setAsTable] = useState(false);
  const narrow = useNarrow();
  const secondsShown = narrow ? SECONDS_SHOWN / 2 : SECONDS_SHOWN;
  const end = floorTo(now - live.delay, SECOND) + SECOND;
  const seconds = useMemo(() => dense(live.seconds, end - secondsShown * SECOND, secondsShown, SECOND), [live.seconds, end, secondsShown]);
  const last = floorTo(now, MINUTE);
  const minutes = useMemo(() => dense(live.minutes, last - (MINUTES_SHOWN - 1) * MINUTE, MINUTES_SHOWN, MINUTE), [live.minutes, last]);
  const quiet = live.loaded && ![...live.minutes.values()].some((n) => sumOf(n) > 0);
  const pick = (p: Omit<BucketPick, "movie">) => onPick({ ...p, movie: live.movie });

  return (
    <div className="two">
      <Card
        title="This moment"
        note={`Tweets per second as they are counted, ${live.delay / SECOND} s behind the clock`}
      >
        {!live.loaded ? (
          <Skeleton height={230} />
        ) : quiet ? (
          <Empty>
            No tweets about “{title}” in the last 15 minutes. The chart starts with the next one; <a href="#history">history</a> has older ones.
          </Empty>
        ) : (
          <StackChart name={`Tweets about ${title} per second`} buckets={seconds} step={SECOND} height={230} neutral={neutral} theme={theme} />
        )}
      </Card>
      <Card
        title="Last 15 minutes"
        note="By minute; choose a bar for its tweets"
        tools={
          <button type="button" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            Table
          </button>
        }
      >
        {!live.loaded ? (
          <Skeleton height={230} />
        ) : asTable ? (
          <CountsTable name="Last 15 minutes" buckets={minutes} step={MINUTE} onPick={pick} />
        ) : quiet ? (
          <Empty>Nothing yet.</Empty>
        ) : (
          <StackChart
            name={`Tweets about ${title} by minute, last 15 minutes`}
            buckets={minutes}
            step={MINUTE}
            height={230}
            neutral={neutral}
            theme={theme}
            partial
            onPick={pick}
            picked={picked?.movie === live.movie ? picked : null}
          />
        )}
      </Card>
    </div>
  );
}

/** What a glance should tell. */
function Figures({ live, now, neutral, onNeutral }: { live: LiveState; now: number; neutral: boolean; onNeutral: () => void }) {
  const recent = useMemo(() => {
    const total = noCounts();
    const from = floorTo(now, MINUTE) - (MINUTES_SHOWN - 1) * MINUTE;
    for (const [t, n] of live.minutes) if (t >= from) addInto(total, n);
    return total;
  }, [live.minutes, floorTo(now, MINUTE)]);
  const peak = useMemo(() => {
    const recently = [...live.seconds].filter(([t]) => t >= now - SECONDS_SHOWN * SECOND);
    return Math.max(0, ...recently.map(([, n]) => sumOf(n)));
  }, [live.seconds, now]);
  const day = live.movies?.find((m) => m.slug === live.movie)?.day ?? noCounts();
  const positive = ofSentiment(recent, "positive");
  const negative = ofSentiment(recent, "negative");
  const all = sumOf(recent);
  return (
    <section className="figures" aria-label="At a glance">
    <dl>
      <div>
        <dt>Now</dt>
        <dd>
          <b className="rate">{live.loaded ? rate(live.rate) : "–"}</b> <small>tweets per second</small>
        </dd>
        <dd className="extra">{live.loaded && `peak ${number(peak)} in one second`}</dd>
      </div>
      <div>
        <dt>Mood, 15 minutes</dt>
        <dd>
          <b>{share(positive, positive + negative)}</b> <small>of opinions positive</small>
        </dd>
        <dd className="extra">
          <Balance counts={recent} />
          <span>
            <i className="sign positive">{SIGN.positive}</i> {short(positive)} <i className="sign negative">{SIGN.negative}</i> {short(negative)}
          </span>
        </dd>
      </div>
      <div>
        <dt>Who talks, 15 minutes</dt>
        {GROUPS.map((group, g) => {
          const n = recent[g] + recent[3 + g] + recent[6 + g];
          return (
            <dd key={group} className="bar" title={`${number(n)} tweets by authors with ${FOLLOWERS[group]} followers`}>
              <span>{FOLLOWERS[group]}</span>
              <span className="meter" aria-hidden="true">
                <i style={{ width: `${all ? (100 * n) / all : 0}%` }} />
              </span>
              <span>{share(n, all)}</span>
            </dd>
          );
        })}
      </div>
      <div>
        <dt>24 hours</dt>
        <dd>
          <b className="total">{live.movies ? number(sumOf(day)) : "–"}</b> <small>tweets</small>
        </dd>
        <dd className="extra">
          <Balance counts={day} />
          <span>
            <i className="sign positive">{SIGN.positive}</i> {short(ofSentiment(day, "positive"))} <i className="sign negative">{SIGN.negative}</i>{" "}
            {short(ofSentiment(day, "negative"))}
          </span>
        </dd>
      </div>
    </dl>
      <div className="key">
        <Legend neutral={neutral} />
        <button type="button" aria-pressed={neutral} onClick={onNeutral}>
          Neutral
        </button>
      </div>
    </section>
  );
}

/** Tells those who do not see the page how it goes, twice a minute and no more. */
function Announcer({ live, title }: { live: LiveState; title: string }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = window.setInterval(() => {
      setText(title && live.loaded ? `${title}: ${rate(live.rate)} tweets per second` : "");
    }, 30 * SECOND);
    return () => window.clearInterval(timer);
  }, [title, live.loaded, Math.round(live.rate)]);
  return (
    <p className="hidden" role="status">
      {text}
    </p>
  );
}
