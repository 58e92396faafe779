/** Small parts of the page. */
import { useId } from "react";
import type { ReactNode } from "react";
import { cellOf, ofSentiment } from "../shared/buckets";
import { GROUPS, SENTIMENTS } from "../shared/model";
import type { Bucket, Counts } from "../shared/model";
import type { Pick } from "./chart";
import { FOLLOWERS, number, SIGN, span, stepName } from "./format";

/** One choice out of a few: radio buttons that look like one control. */
export function Choice<T extends string>(props: {
  label: string;
  options: readonly { value: T; text: ReactNode; title?: string }[];
  value: T;
  onChange: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset className="choice">
      <legend className="hidden">{props.label}</legend>
      {props.options.map(({ value, text, title }) => (
        <label key={value} title={title} className={value === props.value ? "on" : undefined}>
          <input
            type="radio"
            name={name}
            value={value}
            checked={value === props.value}
            onChange={() => props.onChange(value)}
          />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

export function Card(props: { title: string; note?: ReactNode; tools?: ReactNode; children: ReactNode; id?: string }) {
  const heading = useId();
  return (
    <section className="card" aria-labelledby={heading} id={props.id}>
      <header>
        <div>
          <h2 id={heading}>{props.title}</h2>
          {props.note && <p className="note">{props.note}</p>}
        </div>
        {props.tools && <div className="tools">{props.tools}</div>}
      </header>
      {props.children}
    </section>
  );
}

export function Legend({ neutral }: { neutral: boolean }) {
  return (
    <ul className="legend" aria-label="Colours">
      {SENTIMENTS.filter((s) => neutral || s !== "neutral").map((sentiment) => (
        <li key={sentiment}>
          <i className={`sign ${sentiment}`}>{SIGN[sentiment]}</i> {sentiment}
          <span className="shades" aria-hidden="true">
            {GROUPS.map((group) => (
              <i key={group} className={`${sentiment}-${group}`} />
            ))}
          </span>
        </li>
      ))}
      <li className="followers">
        shade, light to strong: followers {GROUPS.map((g) => FOLLOWERS[g]).join(" · ")}
      </li>
    </ul>
  );
}

/** Positive against negative as one bar; neutral between them. */
export function Balance({ counts }: { counts: Counts }) {
  const parts = (["positive", "neutral", "negative"] as const).map((s) => [s, ofSentiment(counts, s)] as const);
  const all = parts.reduce((sum, [, n]) => sum + n, 0);
  return (
    <span className="balance" aria-hidden="true">
      {parts.map(([sentiment, n]) => (
        <i key={sentiment} className={sentiment} style={{ flexGrow: all ? n / all : 0 }} />
      ))}
    </span>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <div className="empty">{children}</div>;
}

export function Skeleton({ height }: { height: number }) {
  return <div className="skeleton" style={{ height }} role="status" aria-label="Loading" />;
}

/** The same as the chart, newest first; counts open their tweets. */
export function CountsTable(props: { name: string; buckets: Bucket[]; step: number; onPick?: (pick: Pick) => void }) {
  const { name, buckets, step, onPick } = props;
  const rows = [...buckets].reverse().filter((b) => b.n.some((n) => n > 0));
  if (!rows.length) return <Empty>No tweets in this time.</Empty>;
  return (
    <div className="table" tabIndex={0} role="region" aria-label={`${name}, as a table`}>
      <table>
        <thead>
          <tr>
            <th scope="col" rowSpan={2}>
              {stepName(step)}
            </th>
            {SENTIMENTS.map((sentiment) => (
              <th key={sentiment} scope="colgroup" colSpan={3}>
                <i className={`sign ${sentiment}`}>{SIGN[sentiment]}</i> {sentiment}
              </th>
            ))}
          </tr>
          <tr>
            {SENTIMENTS.flatMap((sentiment) => GROUPS.map((group) => <th key={sentiment + group} scope="col">{group}</th>))}
          </tr>
        </thead>
        <tbody>
          {rows.map((bucket) => (
            <tr key={bucket.t}>
              <th scope="row">{span(bucket.t, step)}</th>
              {SENTIMENTS.flatMap((sentiment) =>
                GROUPS.map((group) => {
                  const n = bucket.n[cellOf(sentiment, group)];
                  const label = `${n} ${sentiment}, ${group} followers, ${span(bucket.t, step)}: show the tweets`;
                  return (
                    <td key={sentiment + group}>
                      {n > 0 && onPick ? (
                        <button type="button" aria-label={label} onClick={() => onPick({ from: bucket.t, step, sentiment, group })}>
                          {number(n)}
                        </button>
                      ) : (
                        number(n)
                      )}
                    </td>
                  );
                }),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
