import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { describe, expect, it, vi } from "vitest";
import type { LiveEvents } from "../shared/model";
import { Hub } from "./hub";
import { Metrics } from "./metrics";

class Response extends EventEmitter {
  text = "";
  writableLength = 0;
  destroyed = false;
  writeHead() {}
  write(text: string) {
    if (this.ended) throw new Error("write after end");
    this.text += text;
  }
  ended = false;
  end() {
    this.ended = true;
  }
  destroy() {
    this.destroyed = true;
    this.emit("close");
  }
  get events() {
    return [...this.text.matchAll(/^event: (.*)$/gm)].map((m) => m[1]);
  }
  get lastId() {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1];
  }
}
let now = 1_000_000;
const makeHub = (boot = "boot1") => new Hub(new Metrics(), boot, () => now);
const tick = (n: number): LiveEvents["tick"] => ({ now: n, seconds: [], minutes: [], rate: 0 });
const join = (hub: Hub, movie: string, lastId?: string, gone = () => {}) => {
  const response = new Response();
  hub.attach(response as unknown as ServerResponse, movie, lastId, () => ({ movie }) as LiveEvents["snapshot"], gone);
  return response;
};

describe("Hub", () => {
  it("greets with a snapshot and sends on what concerns the viewer's movie", () => {
    const hub = makeHub();
    const a = join(hub, "a");
    hub.publish("a", "tick", tick(1));
    hub.publish("b", "tick", tick(2));
    hub.publish(null, "status", { up: true, since: 0, cause: "" });
    expect(a.events).toEqual(["snapshot", "tick", "status"]);
  });

  it("gives one who comes back what was missed and nothing else", () => {
    const hub = makeHub();
    const first = join(hub, "a");
    hub.publish("a", "tick", tick(1));
    first.destroy();
    hub.publish("a", "tick", tick(2));
    hub.publish("b", "tick", tick(3));
    const again = join(hub, "a", first.lastId);
    expect(again.events).toEqual(["tick"]);
    expect(again.text).toContain('"now":2');
  });

  it("gives a snapshot to one who was away for too long or knew another process", () => {
    const hub = makeHub();
    const first = join(hub, "a");
    hub.publish("a", "tick", tick(1));
    const id = first.lastId;
    hub.publish("a", "tick", tick(2));
    now += 120_000;
    hub.publish("a", "tick", tick(3));
    expect(join(hub, "a", id).events).toEqual(["snapshot"]);
    expect(join(makeHub("boot2"), "a", id).events).toEqual(["snapshot"]);
    expect(join(hub, "a", "boot1-99999").events).toEqual(["snapshot"]);
    expect(join(hub, "a", "nonsense").events).toEqual(["snapshot"]);
  });

  it("cuts off one who does not read instead of hoarding for them", () => {
    const hub = makeHub();
    const gone = vi.fn();
    const slow = join(hub, "a", undefined, gone);
    slow.writableLength = 2 << 20;
    hub.publish("a", "tick", tick(1));
    expect(slow.destroyed).toBe(true);
    expect(gone).toHaveBeenCalledOnce();
    expect(hub.size).toBe(0);
  });

  it("writes nothing more once all streams are closed", () => {
    const hub = makeHub();
    const a = join(hub, "a");
    hub.closeAll();
    hub.publish("a", "tick", tick(1));
    expect(a.events).toEqual(["snapshot"]);
  });

  it("keeps a line break in a text from ending the event", () => {
    const hub = makeHub();
    const a = join(hub, "a");
    hub.publish(null, "status", { up: false, since: 0, cause: "one\n\nevent: evil" });
    expect(a.events).toEqual(["snapshot", "status"]);
  });
});
