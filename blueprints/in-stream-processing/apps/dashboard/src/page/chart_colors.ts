/** The chart's colours come from the style sheet, so that the theme has one home. */
import { GROUPS, SENTIMENTS } from "../shared/model";

export interface ChartColors {
  /** By cell, as in Counts. */
  cells: string[];
  text: string;
  grid: string;
  axis: string;
  hover: string;
  card: string;
}

export function readColors(): ChartColors {
  const style = getComputedStyle(document.documentElement);
  const named = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    cells: SENTIMENTS.flatMap((sentiment) => GROUPS.map((group) => named(`${sentiment}-${group}`))),
    text: named("muted"),
    grid: named("grid"),
    axis: named("axis"),
    hover: named("hover"),
    card: named("card"),
  };
}
