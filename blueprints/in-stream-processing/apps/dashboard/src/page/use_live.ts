/** The live stream of one movie. EventSource reconnects by itself with Last-Event-ID; what it gives up on (an error
 *  status), or what falls silent, is opened anew. */
import { useEffect, useReducer } from "react";
import { SECOND } from "../shared/buckets";
import type { LiveEvent } from "../shared/model";
import { reduce, startState } from "./live_state";
import type { LiveAction, LiveState } from "./live_state";

const EVENTS: LiveEvent[] = ["snapshot", "tick", "tweets", "overview", "status"];
/** The server sends something at least every second. */
const SILENCE_MS = 4 * SECOND;
const RETRY_MS = 2 * SECOND;

export function useLive(movie: string): LiveState {
  const [state, dispatch] = useReducer(reduce, movie, startState);

  useEffect(() => {
    dispatch({ event: "choose", movie });
    const address = `/api/live?movie=${encodeURIComponent(movie)}`;
    let source: EventSource | undefined;
    let heardAt = Date.now();
    let over = false;
    let retry: number | undefined;

    const open = () => {
      source?.close();
      if (over) return;
      heardAt = Date.now();
      source = new EventSource(address);
      for (const event of EVENTS) {
        source.addEventListener(event, (message) => {
          heardAt = Date.now();
          const data = JSON.parse((message as MessageEvent<string>).data);
          dispatch({ event, data, at: heardAt } as LiveAction);
        });
      }
      source.onerror = () => {
        dispatch({ event: "lost", at: Date.now(), cause: "" });
        if (source?.readyState === EventSource.CLOSED) void askWhy();
      };
    };
    /** EventSource does not tell the status of a refusal. */
    const askWhy = async () => {
      const stop = new AbortController();
      try {
        const answer = await fetch(address, { signal: stop.signal });
        if (answer.status === 404) return dispatch({ event: "unknown" });
        if (!answer.ok) {
          const { error } = await answer.json();
          dispatch({ event: "lost", at: Date.now(), cause: error?.message ?? "" });
        }
      } catch {
        // Not reachable: the banner says so already.
      } finally {
        stop.abort();
      }
      window.clearTimeout(retry);
      retry = window.setTimeout(open, RETRY_MS);
    };
    const watchdog = window.setInterval(() => {
      if (Date.now() - heardAt < SILENCE_MS) return;
      dispatch({ event: "lost", at: Date.now(), cause: "" });
      open();
    }, SECOND);
    open();
    return () => {
      over = true;
      window.clearInterval(watchdog);
      window.clearTimeout(retry);
      source?.close();
    };
  }, [movie]);

  return state.movie === movie ? state : { ...startState(movie), movies: state.movies, status: state.status };
}
