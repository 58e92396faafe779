/** Past counts of a movie, and of a second one beside it. */
import { useEffect, useState } from "react";
import { SECOND, addInto, noCounts, ofSentiment, sumOf } from "../shared/buckets";
import { RANGES } from "../shared/model";
import type { Bucket, Counts, History, MovieOverview, Range } from "../shared/model";
import { askHistory } from "./api";
import { StackChart } from "./chart";
import type { Pick } from "./chart";
import { dayClock, number, share, stepName } from "./format";
import { Balance, Card, Choice, CountsTable, Empty, Skeleton } from "./parts";

const NAMES: Record<Range, string> = { "1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days" };

export interface BucketPick extends Pick {
  movie: string;
}

interface Props {
  movie: string;
  movies: MovieOverview[];
  range: Range;
  onRange: (range: Range) => void;
  neutral: boolean;
  theme: string;
  picked: BucketPick | null;
  onPick: (pick: BucketPick) => void;
}

export function HistoryCard(props: Props) {
  const { movie, movies, range, onRange, neutral, theme, picked, onPick } = props;
  const [end, setEnd] = useState<number | undefined>(undefined);
  const [other, setOther] = useState("");
  const [asTable, setAsTable] = useState(false);
  const first = useHistory(movie, range, end);
  const second = useHistory(other === movie ? "" : other, range, end);
  const titleOf = (slug: string) => movies.find((m) => m.slug === slug)?.title ?? slug;
  const both = [first, ...(other && other !== movie ? [second] : [])];
  const histories = both.map((b) => b.history).filter((h): h is History => h !== null);
  const tops = histories.map((h) => topOf(h.buckets));
  const atLeast = { up: Math.max(1, ...tops.map((t) => t.up)), down: Math.max(0, ...tops.map((t) => t.down)) };
  const shown = first.history;

  const earlier = () => shown && setEnd(shown.from - 1);
  const later = () => {
    if (!shown) return;
    const next = shown.to + (shown.to - shown.from) - 1;
    setEnd(next >= Date.now() ? undefined : next);
  };

  return (
    <Card
      id="history"
      title="History"
      note={
        shown
          ? `${dayClock(shown.from)} – ${dayClock(shown.to)}, by ${stepName(shown.step)}; choose a bar for its tweets`
          : "Choose a range"
      }
      tools={
        <>
          <Choice label="Range" options={RANGES.map((r) => ({ value: r, text: NAMES[r] }))} value={range} onChange={(r) => { setEnd(undefined); onRange(r); }} />
          <span className="pair">
            <button type="button" onClick={earlier} disabled={!shown} aria-label="Earlier" title="Earlier">
              ◀
            </button>
            <button type="button" onClick={later} disabled={end === undefined} aria-label="Later" title="Later">
              ▶
            </button>
          </span>
          <label className="select">
            <span>Compare with</span>
            <select value={other === movie ? "" : other} onChange={(event) => setOther(event.target.value)}>
              <option value="">nothing</option>
              {movies
                .filter((m) => m.slug !== movie)
                .map((m) => (
                  <option key={m.slug} value={m.slug}>
                    {m.title}
                  </option>
                ))}
            </select>
          </label>
          <button type="button" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            Table
          </button>
        </>
      }
    >
      <div className={both.length > 1 ? "compare" : undefined}>
        {both.map(({ history, trouble, slug }) => (
          <div key={slug} className={trouble && history ? "stale" : undefined}>
            {both.length > 1 && <h3>{titleOf(slug)}</h3>}
            {history && <Sums counts={totalOf(history.buckets)} />}
            {trouble && <p className="note trouble" role="status">{trouble} Trying again.</p>}
            {!history ? (
              <Skeleton height={250} />
            ) : asTable ? (
              <CountsTable name={`History of ${titleOf(slug)}`} buckets={history.buckets} step={history.step} onPick={(p) => onPick({ ...p, movie: slug })} />
            ) : sumOf(totalOf(history.buckets)) === 0 ? (
              <Empty>
                No tweets from {dayClock(history.from)} to {dayClock(history.to)}. Choose a longer range, or go back with ◀.
              </Empty>
            ) : (
              <StackChart
                name={`Tweets about ${titleOf(slug)} by ${stepName(history.step)}`}
                buckets={history.buckets}
                step={history.step}
                height={250}
                neutral={neutral}
                theme={theme}
                partial={end === undefined}
                atLeast={both.length > 1 ? atLeast : undefined}
                onPick={(p) => onPick({ ...p, movie: slug })}
                picked={picked?.movie === slug ? picked : null}
              />
            )}
          </div>
        ))}
      </div>
    </Card>
  );
}

function Sums({ counts }: { counts: Counts }) {
  const positive = ofSentiment(counts, "positive");
  const negative = ofSentiment(counts, "negative");
  return (
    <p className="sums">
      <b>{number(sumOf(counts))}</b> tweets <Balance counts={counts} />
      <span>
        {share(positive, positive + negative)} of opinions positive
      </span>
    </p>
  );
}

/** Asks, and asks again as time goes on while the range ends now; keeps what it has while Cassandra is silent. */
function useHistory(slug: string, range: Range, end: number | undefined) {
  const [state, setState] = useState<{ key: string; history: History | null; trouble: string }>({ key: "", history: null, trouble: "" });
  const key = JSON.stringify([slug, range, end]);
  useEffect(() => {
    if (!slug) return;
    const stop = new AbortController();
    let timer: number | undefined;
    const go = () =>
      askHistory({ movie: slug, range, end }, stop.signal).then(
        (history) => {
          setState({ key, history, trouble: "" });
          if (end === undefined) timer = window.setTimeout(go, range === "1h" ? 3 * SECOND : 15 * SECOND);
        },
        (error: Error) => {
          if (stop.signal.aborted) return;
          setState((old) => ({ key, history: old.key === key ? old.history : null, trouble: error.message }));
          timer = window.setTimeout(go, 2 * SECOND);
        },
      );
    void go();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [key]);
  return state.key === key ? { ...state, slug } : { key, history: null, trouble: "", slug };
}

function totalOf(buckets: Bucket[]): Counts {
  const total = noCounts();
  for (const { n } of buckets) addInto(total, n);
  return total;
}

function topOf(buckets: Bucket[]): { up: number; down: number } {
  return {
    up: Math.max(0, ...buckets.map((b) => ofSentiment(b.n, "positive"))),
    down: Math.max(0, ...buckets.map((b) => ofSentiment(b.n, "negative"))),
  };
}

