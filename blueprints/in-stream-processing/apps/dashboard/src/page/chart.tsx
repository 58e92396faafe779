/** The stacked chart: positive up, negative down, neutral in a lane of its own; three shades by followers. Below it for
 *  everybody, and for those who see no canvas: keys move over it, Enter opens a bucket, and CountsTable says the same. */
import { BarController, BarElement, CategoryScale, Chart, LinearScale } from "chart.js";
import type { ChartData, Plugin } from "chart.js";
import { useCallback, useEffect, useId, useMemo, useRef, useState } from "react";
import type { KeyboardEvent, MouseEvent } from "react";
import { cellOf, ofSentiment, sumOf } from "../shared/buckets";
import { GROUPS, SENTIMENTS } from "../shared/model";
import type { Bucket, Group, Sentiment } from "../shared/model";
import { readColors } from "./chart_colors";
import type { ChartColors } from "./chart_colors";
import { clock, day, number, roundTimes, short, SIGN, span } from "./format";

Chart.register(BarController, BarElement, CategoryScale, LinearScale);

export interface Pick {
  from: number;
  step: number;
  sentiment?: Sentiment;
  group?: Group;
}

interface Props {
  name: string;
  buckets: Bucket[];
  step: number;
  height: number;
  neutral: boolean;
  theme: string;
  /** The last bucket is still being filled. */
  partial?: boolean;
  /** The lowest top of the axes, so that charts side by side share a scale. */
  atLeast?: { up: number; down: number };
  onPick?: (pick: Pick) => void;
  picked?: Pick | null;
}

/** From the top of a column to its foot; undefined is the whole bucket. */
const WALK: (readonly [Sentiment, Group] | undefined)[] = [
  undefined,
  ...[...GROUPS].reverse().map((g) => ["positive", g] as const),
  ...GROUPS.map((g) => ["negative", g] as const),
  ...GROUPS.map((g) => ["neutral", g] as const),
];

interface Drawing {
  buckets: Bucket[];
  step: number;
  partial: boolean;
  colors: ChartColors;
  active: number | null;
  cell: number | null;
  picked: Pick | null;
}

export function StackChart(props: Props) {
  const { name, buckets, step, height, neutral, theme, partial = false, atLeast, onPick, picked = null } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<Chart<"bar", number[], number> | null>(null);
  const drawing = useRef<Drawing | null>(null);
  const [active, setActive] = useState<{ t: number; cell: number | null; x: number } | null>(null);
  const hint = useId();

  const index = active ? buckets.findIndex((b) => b.t === active.t) : -1;
  const colors = useMemo(readColors, [theme]);
  drawing.current = { buckets, step, partial, colors, active: index >= 0 ? index : null, cell: active?.cell ?? null, picked };

  useEffect(() => {
    if (!canvas.current) return;
    const made = makeChart(canvas.current, () => drawing.current as Drawing, neutral);
    chart.current = made;
    return () => {
      made.destroy();
      chart.current = null;
    };
  }, [neutral, step]);

  useEffect(() => {
    const present = chart.current;
    if (!present) return;
    setData(present, buckets);
    const y = present.options.scales?.y;
    if (y) Object.assign(y, { suggestedMax: atLeast?.up ?? 1, suggestedMin: atLeast ? -atLeast.down : 0 });
    const still = document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
    present.update(still ? "none" : undefined);
  }, [buckets, atLeast?.up, atLeast?.down, theme, neutral, step]);

  useEffect(() => chart.current?.draw(), [active, picked]);

  const point = useCallback(
    (event: MouseEvent) => {
      const present = chart.current;
      if (!present || !canvas.current) return null;
      const box = canvas.current.getBoundingClientRect();
      const place = present.scales.x.getValueForPixel(event.clientX - box.left);
      if (place === undefined || place < 0 || place >= buckets.length) return null;
      const hit = present.getElementsAtEventForMode(event.nativeEvent, "nearest", { intersect: true }, false)[0];
      return { t: buckets[place].t, cell: hit ? hit.datasetIndex : null, x: present.scales.x.getPixelForValue(place) };
    },
    [buckets],
  );

  const open = (at: { t: number; cell: number | null } | null) => {
    if (!at || !onPick) return;
    if (at.cell === null) return onPick({ from: at.t, step });
    onPick({ from: at.t, step, sentiment: SENTIMENTS[Math.floor(at.cell / 3)], group: GROUPS[at.cell % 3] });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const last = buckets.length - 1;
    const here = index >= 0 ? index : last;
    const go = (to: number) => {
      const place = Math.min(Math.max(to, 0), last);
      const x = chart.current?.scales.x.getPixelForValue(place) ?? 0;
      setActive({ t: buckets[place].t, cell: active?.cell ?? null, x });
    };
    const climb = (by: number) => {
      const n = buckets[here].n;
      const stops = WALK.filter((w) => !w || (n[cellOf(...w)] > 0 && (neutral || w[0] !== "neutral")));
      const cells = stops.map((w) => (w ? cellOf(...w) : null));
      const at = Math.max(0, cells.indexOf(active?.cell ?? null));
      const cell = cells[Math.min(Math.max(at + by, 0), cells.length - 1)];
      setActive({ t: buckets[here].t, cell, x: chart.current?.scales.x.getPixelForValue(here) ?? 0 });
    };
    const moves: Record<string, () => void> = {
      ArrowLeft: () => go(index < 0 ? last : here - 1),
      ArrowRight: () => go(index < 0 ? last : here + 1),
      Home: () => go(0),
      End: () => go(last),
      PageUp: () => go(here - 10),
      PageDown: () => go(here + 10),
      ArrowUp: () => climb(-1),
      ArrowDown: () => climb(1),
      Enter: () => open(active),
      " ": () => open(active),
      Escape: () => setActive(null),
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move();
  };

  const shown = index >= 0 ? buckets[index] : null;
  return (
    <div
      className="chart"
      style={{ height }}
      tabIndex={0}
      role="application"
      aria-roledescription="chart"
      aria-label={name}
      aria-describedby={hint}
      onKeyDown={onKeyDown}
      onBlur={() => setActive(null)}
      data-buckets={buckets.length}
      data-total={buckets.reduce((sum, b) => sum + sumOf(b.n), 0)}
    >
      <canvas
        ref={canvas}
        aria-hidden="true"
        className={onPick ? "pickable" : undefined}
        onMouseMove={(event) => setActive(point(event))}
        onMouseLeave={() => setActive(null)}
        onClick={(event) => open(point(event))}
      />
      <span id={hint} className="hidden">
        Arrow left and right move in time{onPick ? ", up and down between groups, Enter shows the tweets" : ""}.
      </span>
      <span className="hidden" aria-live="polite">
        {shown ? sayBucket(shown, step, active?.cell ?? null) : ""}
      </span>
      {shown && active && <Tip bucket={shown} step={step} cell={active.cell} x={active.x} width={canvas.current?.clientWidth ?? 0} />}
    </div>
  );
}

function sayBucket(bucket: Bucket, step: number, cell: number | null): string {
  const when = span(bucket.t, step);
  if (cell !== null) {
    return `${when}: ${bucket.n[cell]} ${SENTIMENTS[Math.floor(cell / 3)]}, ${GROUPS[cell % 3]} followers`;
  }
  return `${when}: ${SENTIMENTS.map((s) => `${ofSentiment(bucket.n, s)} ${s}`).join(", ")}`;
}

function Tip(props: { bucket: Bucket; step: number; cell: number | null; x: number; width: number }) {
  const { bucket, step, cell, x, width } = props;
  const right = x > width / 2;
  return (
    <div className="tip" aria-hidden="true" style={right ? { right: width - x + 12 } : { left: x + 12 }}>
      <b>{span(bucket.t, step)}</b>
      <table>
        <thead>
          <tr>
            <th />
            {GROUPS.map((group) => (
              <th key={group}>{group}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {SENTIMENTS.map((sentiment) => (
            <tr key={sentiment}>
              <th>
                <i className={`sign ${sentiment}`}>{SIGN[sentiment]}</i> {sentiment}
              </th>
              {GROUPS.map((group) => {
                const c = cellOf(sentiment, group);
                return (
                  <td key={group} className={c === cell ? "on" : undefined}>
                    {number(bucket.n[c])}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function makeChart(canvas: HTMLCanvasElement, now: () => Drawing, neutral: boolean): Chart<"bar", number[], number> {
  const datasets = SENTIMENTS.flatMap((sentiment, s) =>
    GROUPS.map((group, g) => ({
      label: `${sentiment}, ${group}`,
      data: [] as number[],
      hidden: sentiment === "neutral" && !neutral,
      grouped: false,
      stack: sentiment === "neutral" ? "lane" : "y",
      yAxisID: sentiment === "neutral" ? "lane" : "y",
      backgroundColor: (context: { dataIndex: number }) => {
        const { colors, partial, buckets } = now();
        const color = colors.cells[s * 3 + g];
        return partial && context.dataIndex === buckets.length - 1 ? `${color}b0` : color;
      },
      borderColor: () => now().colors.card,
      borderWidth: { top: 0.5, bottom: 0.5 },
      borderSkipped: false as const,
      categoryPercentage: 1,
      barPercentage: 0.86,
      maxBarThickness: 44,
    })),
  );
  const axis = {
    border: { display: false },
    ticks: { color: () => now().colors.text, font: { size: 11 }, padding: 6, precision: 0, autoSkip: false },
  };
  const data: ChartData<"bar", number[], number> = { labels: [], datasets };
  return new Chart<"bar", number[], number>(canvas, {
    type: "bar",
    data,
    plugins: [marks(now)],
    options: {
      responsive: true,
      maintainAspectRatio: false,
      animation: { duration: 350, easing: "easeOutCubic" },
      events: [],
      font: { family: getComputedStyle(document.body).fontFamily },
      scales: {
        x: {
          stacked: true,
          grid: { display: false },
          border: { display: false },
          ticks: {
            color: () => now().colors.text,
            font: { size: 11 },
            autoSkip: false,
            maxRotation: 0,
            callback: (value) => timeLabel(now(), Number(value), canvas.clientWidth),
          },
        },
        ...(neutral && {
          lane: {
            ...axis,
            stacked: true,
            stack: "areas",
            stackWeight: 1,
            beginAtZero: true,
            suggestedMax: 1,
            grace: "50%",
            grid: { drawOnChartArea: false, drawTicks: false },
            ticks: { ...axis.ticks, callback: (value) => short(Number(value)) },
            afterBuildTicks: (scale: { max: number; ticks: { value: number }[] }) => {
              scale.ticks = [{ value: roundDown(scale.max * 0.6) }]; // one, clear of the axis above
            },
            afterFit: (scale: { width: number }) => void (scale.width = 46),
          },
        }),
        y: {
          ...axis,
          stacked: true,
          stack: "areas",
          stackWeight: 5,
          grace: "4%",
          grid: {
            color: (context) => (context.tick?.value === 0 ? now().colors.axis : now().colors.grid),
            drawTicks: false,
          },
          ticks: { ...axis.ticks, callback: (value) => short(Math.abs(Number(value))) },
          afterBuildTicks: (scale) => {
            // Multiples of a round step, so that zero is one of them; none so low that it touches the lane's.
            const span = scale.max - scale.min;
            const step = roundDown((span / 6) * 1.9, [1, 2, 5]);
            const least = Math.ceil((scale.min + (neutral ? span * 0.06 : 0)) / step);
            const count = Math.floor(scale.max / step) - least + 1;
            scale.ticks = Array.from({ length: count }, (_, i) => ({ value: (least + i) * step }));
          },
          afterFit: (scale) => void (scale.width = 46),
        },
      },
    },
  });
}

/** The greatest number not above `n` that is one of `digits` with zeros behind it; at least 1. */
function roundDown(n: number, digits = [1, 2, 3, 4, 5, 6, 7, 8, 9]): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return Math.max(1, ...digits.map((digit) => digit * power).filter((round) => round <= n));
}

/** What is drawn behind and around the bars: the column pointed at and the bucket that is opened. */
function marks(now: () => Drawing): Plugin<"bar"> {
  const column = (chart: Chart, place: number, color: string) => {
    const { ctx, chartArea, scales } = chart;
    const width = chartArea.width / now().buckets.length;
    ctx.save();
    ctx.fillStyle = color;
    ctx.fillRect(scales.x.getPixelForValue(place) - width / 2, chartArea.top, width, chartArea.height);
    ctx.restore();
  };
  return {
    id: "marks",
    beforeDatasetsDraw(chart) {
      const { active, picked, step, buckets, colors } = now();
      if (active !== null) column(chart, active, colors.hover);
      const opened = picked && picked.step === step ? buckets.findIndex((b) => b.t === picked.from) : -1;
      if (opened >= 0) column(chart, opened, colors.hover);
    },
    afterDatasetsDraw(chart) {
      const { active, cell, picked, step, buckets, colors } = now();
      const frame = (place: number, of: number | null) => {
        const bar = of === null ? undefined : chart.getDatasetMeta(of).data[place];
        if (!bar) return;
        const { x, y, base, width } = bar.getProps(["x", "y", "base", "width"], true) as Record<string, number>;
        const { ctx } = chart;
        ctx.save();
        ctx.strokeStyle = colors.text;
        ctx.lineWidth = 1.5;
        ctx.strokeRect(x - width / 2 - 1, Math.min(y, base) - 0.5, width + 2, Math.abs(base - y) + 1);
        ctx.restore();
      };
      if (active !== null) frame(active, cell);
      if (picked && picked.step === step && picked.sentiment && picked.group) {
        frame(buckets.findIndex((b) => b.t === picked.from), cellOf(picked.sentiment, picked.group));
      }
    },
  };
}

function timeLabel({ buckets, step }: Drawing, place: number, width: number): string | null {
  const bucket = buckets[place];
  if (!bucket) return null;
  const round = roundTimes(buckets[0].t, buckets[buckets.length - 1].t + step, Math.max(2, width / 84));
  // A round local time can fall inside a bucket where the zone's offset is no multiple of the step.
  const time = round.times.find((t) => t >= bucket.t && t < bucket.t + step);
  if (time === undefined) return null;
  return round.step >= 86_400_000 || (round.step >= 3_600_000 && clock(time) === "00:00") ? day(time) : clock(time, round.step);
}

/** Moves old bars along when time has passed instead of morphing each into its neighbour. */
function setData(chart: Chart<"bar", number[], number>, buckets: Bucket[]): void {
  const labels = chart.data.labels as number[];
  const passed = labels.length === buckets.length ? labels.indexOf(buckets[0]?.t) : -1;
  const inStep = passed >= 0 && passed < 15;
  if (inStep) {
    labels.splice(0, passed);
    labels.push(...buckets.slice(buckets.length - passed).map((b) => b.t));
  } else {
    chart.data.labels = buckets.map((b) => b.t);
  }
  chart.data.datasets.forEach((dataset, cell) => {
    const values = buckets.map((b) => (cell >= 3 && cell < 6 ? -b.n[cell] : b.n[cell]));
    if (!inStep) {
      dataset.data = values;
      return;
    }
    for (let i = 0; i < passed; i++) dataset.data.shift();
    dataset.data.push(...values.slice(values.length - passed));
    values.forEach((value, i) => {
      if (dataset.data[i] !== value) dataset.data[i] = value;
    });
  });
}
