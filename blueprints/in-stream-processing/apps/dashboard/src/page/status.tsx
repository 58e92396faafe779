/** How it stands with the stream and with Cassandra: a pill when well, a banner when not. */
import { useEffect, useState } from "react";
import { SECOND } from "../shared/buckets";
import { ago, rate } from "./format";
import type { LiveState } from "./live_state";

export function StatusPill({ live }: { live: LiveState }) {
  const state =
    live.lostSince !== null ? "lost" : !live.status.up ? "down" : live.loaded ? "live" : "waiting";
  const text = { lost: "Connection lost", down: "Cassandra is silent", live: `Live · ${rate(live.rate)}/s`, waiting: "Connecting…" }[state];
  return (
    <span className={`pill ${state}`} data-state={state}>
      {text}
    </span>
  );
}

export function Banner({ live }: { live: LiveState }) {
  const trouble = live.lostSince !== null || !live.status.up;
  const now = useSeconds(trouble);
  if (!trouble) return null;
  const lost = live.lostSince !== null;
  const since = lost ? now - (live.lostSince ?? now) : now + live.offset - live.status.since;
  const who = lost ? "The dashboard’s server does not answer" : "Cassandra does not answer";
  const cause = lost ? live.lostCause : live.status.cause;
  return (
    <div className="banner">
      <p role="alert">
        <b>{who}</b>
        <span aria-hidden="true"> since {ago(since)}</span>; retrying. {live.loaded && "What you see is from before."}
      </p>
      {cause && <p className="note">{cause}</p>}
    </div>
  );
}

function useSeconds(running: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = window.setInterval(() => setNow(Date.now()), SECOND);
    return () => window.clearInterval(timer);
  }, [running]);
  return now;
}
