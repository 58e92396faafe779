/** What holds for the page wherever it runs. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Locator, Page } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Complaints of the browser, and requests that go elsewhere than to `origin`, since the page was opened. */
export function watch(page: Page, origin: string): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) complaints.push(`foreign request: ${request.url()}`);
  });
  return complaints;
}

export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const axe = (window as unknown as { axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } }).axe;
    const { violations } = await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] });
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 120)} ${n.failureSummary ?? ""}`).join(" | ")}`);
  });
}

/** The marks' contrast with the card, by WCAG's formula; the least one. */
export function leastMarkContrast(page: Page): Promise<number> {
  return page.evaluate(() => {
    const style = getComputedStyle(document.documentElement);
    const luminance = (name: string) => {
      const hex = style.getPropertyValue(name).trim().slice(1);
      const [r, g, b] = [0, 2, 4].map((i) => {
        const c = parseInt(hex.slice(i, i + 2), 16) / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const card = luminance("--card");
    const ratios = ["positive", "negative", "neutral"].flatMap((s) =>
      ["low", "middle", "high"].map((g) => {
        const mark = luminance(`--${s}-${g}`);
        return (Math.max(mark, card) + 0.05) / (Math.min(mark, card) + 0.05);
      }),
    );
    return Math.min(...ratios);
  });
}

export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

export async function until(what: string, condition: () => Promise<boolean>, ms: number): Promise<void> {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export interface Bar {
  count: number;
  x: number;
  y: number;
}

/** Points at the columns of a chart from below upwards, from `fromRight` columns before the last to the left, and gives
 *  what the tip says of the bar that the pointer is on. */
async function* bars(page: Page, chart: Locator, fromRight: number): AsyncGenerator<Bar & { sentiment: string; column: number }> {
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.boundingBox();
  if (!box) throw new Error("the chart is not on the page");
  const columns = Number(await chart.getAttribute("data-buckets"));
  const left = box.x + 50;
  const width = (box.width - 54) / columns;
  for (let column = columns - 1 - fromRight; column >= 0; column--) {
    const x = left + (column + 0.5) * width;
    for (let y = box.y + box.height - 40; y > box.y + 8; y -= 3) {
      await page.mouse.move(x, y);
      const on = await chart.evaluate((element) => {
        const cell = element.querySelector(".tip td.on");
        return cell && { count: cell.textContent ?? "", sentiment: cell.parentElement?.querySelector("th")?.textContent ?? "" };
      });
      if (on) yield { x, y, column, count: Number(on.count.replaceAll(",", "")), sentiment: on.sentiment.replace(/^\W+/, "") };
    }
  }
}

/** A bar with 1 to `most` tweets. */
export async function findBar(page: Page, chart: Locator, fromRight: number, most: number): Promise<Bar> {
  for await (const bar of bars(page, chart, fromRight)) if (bar.count >= 1 && bar.count <= most) return bar;
  throw new Error("found no bar with few enough tweets");
}

/** What is found from the foot to the top of the first column that holds something. */
export async function sentimentsOfColumn(page: Page, chart: Locator, fromRight: number): Promise<{ sentiment: string; y: number }[]> {
  const found: { sentiment: string; y: number; column: number }[] = [];
  for await (const bar of bars(page, chart, fromRight)) {
    if (found.length && found[0].column !== bar.column) break;
    found.push(bar);
  }
  return found;
}

export interface Picked {
  from: number;
  step: number;
  sentiment?: string;
  group?: string;
}

/** All tweets of the bucket panel, after paging to the end. */
export async function allOfBucket(page: Page): Promise<{ pick: Picked; tweets: { at: number; sentiment: string; group: string; id: string }[] }> {
  const feed = page.locator(".feed[data-picked]");
  await feed.locator(".end, .more, .empty").first().waitFor();
  for (;;) {
    const shown = await feed.locator(".tweet").count();
    const more = feed.locator(".more");
    if ((await more.count()) === 0) break;
    await more.click();
    await until("more tweets", async () => (await feed.locator(".tweet").count()) > shown, 10_000);
  }
  const pick = JSON.parse((await feed.getAttribute("data-picked")) ?? "[]")[1] as Picked;
  const tweets = await feed.locator(".tweet").evaluateAll((items) =>
    items.map((item) => {
      const { at, sentiment, group, id } = (item as HTMLElement).dataset;
      return { at: Number(at), sentiment: sentiment ?? "", group: group ?? "", id: id ?? "" };
    }),
  );
  return { pick, tweets };
}
