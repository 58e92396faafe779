/** Numbers and times as people read them; times are in the browser's zone. */
import { DAY, HOUR, MINUTE, SECOND } from "../shared/buckets";
import type { Group, Sentiment } from "../shared/model";

const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (n: number): string => whole.format(n);
export const short = (n: number): string => (Math.abs(n) < 10_000 ? whole.format(n) : compact.format(n));
export const rate = (n: number): string => (n >= 100 ? whole.format(Math.round(n)) : n.toFixed(1));
export const share = (part: number, of: number): string => (of > 0 ? `${Math.round((100 * part) / of)} %` : "–");

const pad = (n: number): string => String(n).padStart(2, "0");
export function clock(t: number, step = MINUTE): string {
  const d = new Date(t);
  const minutes = `${pad(d.getHours())}:${pad(d.getMinutes())}`;
  return step < MINUTE ? `${minutes}:${pad(d.getSeconds())}` : minutes;
}
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
export const day = (t: number): string => dayFormat.format(t);
export const dayClock = (t: number): string => `${day(t)}, ${clock(t)}`;

/** "10:02 – 10:03", with the day where it is not today's. */
export function span(from: number, step: number, now = Date.now()): string {
  const to = from + step;
  const times = `${clock(from, step)} – ${clock(to, step)}`;
  return day(from) === day(now) ? times : `${day(from)}, ${times}`;
}

export function ago(ms: number): string {
  const s = Math.max(0, Math.round(ms / SECOND));
  if (s < 60) return `${s} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

export function stepName(step: number): string {
  if (step === SECOND) return "second";
  if (step === MINUTE) return "minute";
  if (step === HOUR) return "hour";
  return step < HOUR ? `${step / MINUTE} minutes` : `${step / HOUR} hours`;
}

export const SIGN: Record<Sentiment, string> = { positive: "▲", negative: "▼", neutral: "●" };
export const FOLLOWERS: Record<Group, string> = { low: "up to 500", middle: "501 – 5,000", high: "over 5,000" };

/** The places of a time axis's labels: times of `step` apart that stand on round local times, at most `most`. */
export function roundTimes(from: number, to: number, most: number): { times: number[]; step: number } {
  const steps = [
    ...[5, 10, 15, 30].map((n) => n * SECOND),
    ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
    ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
    ...[1, 2, 5, 7, 10].map((n) => n * DAY),
  ];
  const step = steps.find((s) => (to - from) / s <= most) ?? 10 * DAY;
  const shift = new Date(from).getTimezoneOffset() * MINUTE;
  const times: number[] = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t < to; t += step) times.push(t);
  return { times, step };
}
