/** Light or dark: the system's preference until the person chooses. The choice is applied by /theme.js before the first
 *  paint of the next visit. */
import { useEffect, useState } from "react";

type Theme = "light" | "dark";
const dark = matchMedia("(prefers-color-scheme: dark)");

export function useTheme(): { theme: Theme; toggle: () => void } {
  const [chosen, setChosen] = useState<Theme | undefined>(() => document.documentElement.dataset.theme as Theme | undefined);
  const [system, setSystem] = useState<Theme>(dark.matches ? "dark" : "light");
  useEffect(() => {
    const follow = () => setSystem(dark.matches ? "dark" : "light");
    dark.addEventListener("change", follow);
    return () => dark.removeEventListener("change", follow);
  }, []);
  const theme = chosen ?? system;
  const toggle = () => {
    const next = theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // Then the choice holds for this visit.
    }
    setChosen(next);
  };
  return { theme, toggle };
}

export function ThemeButton({ theme, toggle }: { theme: Theme; toggle: () => void }) {
  const next = theme === "dark" ? "light" : "dark";
  return (
    <button type="button" className="icon" id="theme" onClick={toggle} aria-label={`Switch to ${next} colours`} title={`Switch to ${next} colours`}>
      <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round">
        {theme === "dark" ? (
          <>
            <circle cx="12" cy="12" r="4.500" />
            <path d="M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600 19 19M5 19l1.400-1.400M17.600 6.400 19 5" />
          </>
        ) : (
          <path d="M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500Z" />
        )}
      </svg>
    </button>
  );
}
