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

/** Points at the oldest bar of few followers and positive opinion, and gives the count that the tip names for it. Found by
 *  its colour: pointing at every place would take a minute where a platform is young and most columns are empty. */
export async function pointAtOldestBar(page: Page, chart: Locator): Promise<Bar> {
  await chart.scrollIntoViewIfNeeded();
  for (let attempt = 0; attempt < 20; attempt++) {
    const place = await chart.locator("canvas").evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const color = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--positive-low").trim().slice(1), 16);
      const { data, width, height } = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, canvas.width, canvas.height);
      const is = (x: number, y: number) => {
        const i = 4 * (y * width + x);
        return data[i + 3] === 255 && ((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]) === color;
      };
      for (let x = 0; x < width; x++) {
        const rows = Array.from({ length: height }, (_, y) => y).filter((y) => is(x, y));
        if (rows.length < 4) continue;
        const y = rows[Math.floor(rows.length / 2)];
        let end = x;
        while (end + 1 < width && is(end + 1, y)) end++;
        const box = canvas.getBoundingClientRect();
        return { x: box.left + ((x + end) / 2) * (box.width / width), y: box.top + y * (box.height / height) };
      }
      return null;
    });
    if (place) {
      await page.mouse.move(place.x, place.y);
      const on = chart.locator(".tip td.on");
      if (await on.waitFor({ timeout: 1000 }).then(() => true, () => false)) return { ...place, count: Number((await on.innerText()).replaceAll(",", "")) };
    }
    await page.waitForTimeout(250); // bars move when the chart is drawn anew
  }
  throw new Error("found no bar to point at");
}

/** The highest and the lowest row of a chart's picture that has one of the colours of a sentiment; null if none has. */
export function rowsOf(chart: Locator, sentiment: string): Promise<[number, number] | null> {
  return chart.locator("canvas").evaluate((element, sentiment) => {
    const canvas = element as HTMLCanvasElement;
    const style = getComputedStyle(document.documentElement);
    const colors = ["low", "middle", "high"].map((group) => parseInt(style.getPropertyValue(`--${sentiment}-${group}`).trim().slice(1), 16));
    const { data } = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, canvas.width, canvas.height);
    const rows = new Set<number>();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 255 && colors.includes((data[i] << 16) | (data[i + 1] << 8) | data[i + 2])) rows.add(Math.floor(i / 4 / canvas.width));
    }
    return rows.size ? [Math.min(...rows), Math.max(...rows)] : null;
  }, sentiment);
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
