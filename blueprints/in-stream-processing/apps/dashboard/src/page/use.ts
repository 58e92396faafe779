/** Small hooks. */
import { useCallback, useEffect, useState } from "react";
import { SECOND } from "../shared/buckets";

/** The server's time, moving at its full seconds; stands still while `running` is false. */
export function useClock(offset: number, running: boolean): number {
  const [now, setNow] = useState(() => Date.now() + offset);
  const coarse = Math.round(offset / 100) * 100; // the network's jitter is no change of clock
  useEffect(() => {
    if (!running) return;
    let timer: number;
    const tick = () => {
      const time = Date.now() + coarse;
      setNow(time);
      timer = window.setTimeout(tick, SECOND - (time % SECOND) + 5);
    };
    tick();
    return () => window.clearTimeout(timer);
  }, [coarse, running]);
  return now;
}

type Query = { movie?: string; range?: string };

/** What is looked at stands in the address, so that it can be shared. */
export function useQuery(): [Query, (change: Query) => void] {
  const read = (): Query => {
    const search = new URLSearchParams(location.search);
    return { movie: search.get("movie") ?? undefined, range: search.get("range") ?? undefined };
  };
  const [query, setQuery] = useState(read);
  const change = useCallback((part: Query) => {
    const next = { ...read(), ...part };
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(next)) if (value) search.set(key, value);
    history.replaceState(null, "", search.size ? `?${search}` : location.pathname);
    setQuery(next);
  }, []);
  return [query, change];
}

export function useStored(key: string, fallback: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => {
    try {
      return localStorage.getItem(key) ?? fallback;
    } catch {
      return fallback;
    }
  });
  const store = (next: string) => {
    setValue(next);
    try {
      localStorage.setItem(key, next);
    } catch {
      // Then it holds for this visit.
    }
  };
  return [value, store];
}

export function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia("(max-width: 640px)").matches);
  useEffect(() => {
    const media = matchMedia("(max-width: 640px)");
    const follow = () => setNarrow(media.matches);
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);
  return narrow;
}
