/** Server-sent events. One hub for all clients; an event goes to the viewers of one movie or to everybody.
 *
 *  The last minute of events is kept, so that a client that comes back with Last-Event-ID gets what it missed, and
 *  one that was away longer (or talked to an earlier process) a fresh snapshot. */
import type { ServerResponse } from "node:http";
import type { LiveEvent, LiveEvents } from "../shared/model";
import type { Metrics } from "./metrics";

const KEPT_MS = 60_000;
const KEPT_EVENTS = 400;
/** A client that leaves more than this unread is cut off; it comes back for a snapshot. */
const UNREAD_BYTES = 1 << 20;
export const CLIENTS_MAX = 500;

interface Kept {
  seq: number;
  at: number;
  movie: string | null;
  frame: string;
}
interface Viewer {
  movie: string;
  response: ServerResponse;
}

export class Hub {
  private readonly viewers = new Set<Viewer>();
  private kept: Kept[] = [];
  private seq = 0;

  constructor(
    private readonly metrics: Metrics,
    private readonly boot: string,
    private readonly clock: () => number = Date.now,
  ) {}

  get size(): number {
    return this.viewers.size;
  }

  /** Takes the response over until the client goes. `lastEventId` is what the client has of this movie already;
   *  undefined also when the movie has not been followed without a gap since. */
  attach(
    response: ServerResponse,
    movie: string,
    lastEventId: string | undefined,
    snapshot: () => LiveEvents["snapshot"],
    onGone: () => void,
  ): void {
    const missed = this.missedSince(lastEventId, movie);
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no",
    });
    response.write("retry: 1000\n\n");
    if (missed) for (const event of missed) response.write(event.frame);
    else response.write(this.frame(this.seq, "snapshot", snapshot()));
    const viewer = { movie, response };
    this.viewers.add(viewer);
    this.metrics.viewers.set(this.viewers.size);
    response.on("close", () => {
      this.viewers.delete(viewer);
      this.metrics.viewers.set(this.viewers.size);
      onGone();
    });
  }

  /** To the viewers of `movie`, or to all when it is null. */
  publish<E extends LiveEvent>(movie: string | null, event: E, data: LiveEvents[E]): void {
    const frame = this.frame(++this.seq, event, data);
    const now = this.clock();
    this.kept.push({ seq: this.seq, at: now, movie, frame });
    let old = Math.max(0, this.kept.length - KEPT_EVENTS);
    while (old < this.kept.length && this.kept[old].at < now - KEPT_MS) old++;
    if (old > 0) this.kept = this.kept.slice(old);
    for (const viewer of this.viewers) {
      if (movie !== null && viewer.movie !== movie) continue;
      if (viewer.response.writableLength > UNREAD_BYTES) {
        this.metrics.dropped.add();
        viewer.response.destroy();
        continue;
      }
      viewer.response.write(frame);
      this.metrics.events.add(1, { event });
    }
  }

  closeAll(): void {
    for (const viewer of this.viewers) viewer.response.end();
    this.viewers.clear(); // a poll under way may still publish
  }

  private missedSince(lastEventId: string | undefined, movie: string): Kept[] | undefined {
    const parts = /^([0-9a-z]+)-(\d+)$/.exec(lastEventId ?? "");
    if (!parts || parts[1] !== this.boot) return undefined;
    const seen = Number(parts[2]);
    const covered = seen === this.seq || (this.kept.length > 0 && this.kept[0].seq <= seen + 1);
    if (seen > this.seq || !covered) return undefined;
    return this.kept.filter((k) => k.seq > seen && (k.movie === null || k.movie === movie));
  }

  private frame(seq: number, event: string, data: unknown): string {
    return `id: ${this.boot}-${seq}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  }
}
