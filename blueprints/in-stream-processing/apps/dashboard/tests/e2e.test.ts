/** The dashboard as a person uses it, against a running one with tweets coming in: DASHBOARD_URL=… npm run e2e
 *  DASHBOARD_NOTE: what the page must say of its source. DASHBOARD_KILL: a command that ends its server, which something
 *  starts again (without it that test is left out). */
import { execSync } from "node:child_process";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DASHBOARD_URL, launch } from "./browser";
import { accessibilityFaults, allOfBucket, leastMarkContrast, overflow, pointAtOldestBar, rowsOf, until, watch } from "./checks";

let browser: Browser;
let page: Page;
let complaints: string[];
const chart = (n: number) => page.locator(".chart").nth(n);
const total = async (n: number) => Number(await chart(n).getAttribute("data-total"));

beforeAll(async () => {
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, colorScheme: "light" });
  complaints = watch(page, DASHBOARD_URL);
  await page.goto(DASHBOARD_URL);
});
afterAll(() => browser.close());

describe("the dashboard", () => {
  it("offers the movies with their totals and follows the one that is picked", async () => {
    await page.locator(".movie").first().waitFor({ timeout: 15_000 });
    const busiest = await page.locator(".movie").evaluateAll((cards) => {
      const totals = cards.map((c) => Number(c.querySelector(".total b")?.textContent?.replaceAll(",", "")));
      return totals.indexOf(Math.max(...totals));
    });
    await page.locator(".movie").nth(busiest).click();
    await page.locator(".pill.live").waitFor({ timeout: 15_000 });
    expect(new URL(page.url()).searchParams.get("movie")).toBe(await page.locator(".movie.on").getAttribute("data-slug"));
  });

  it("says where its tweets come from", async () => {
    expect(await page.locator(".source").allInnerTexts()).toEqual(process.env.DASHBOARD_NOTE ? [process.env.DASHBOARD_NOTE] : expect.anything());
  });

  it("draws positive tweets up and negative ones down", async () => {
    const minutes = chart(1);
    await minutes.waitFor({ timeout: 15_000 });
    await until("both colours", async () => Boolean((await rowsOf(minutes, "positive")) && (await rowsOf(minutes, "negative"))), 15_000);
    const [up, down] = [await rowsOf(minutes, "positive"), await rowsOf(minutes, "negative")];
    expect(up?.[1]).toBeLessThanOrEqual(down?.[0] ?? -1);
  });

  it("moves within ten seconds: new pixels, and more tweets in the minutes", async () => {
    await chart(1).waitFor({ timeout: 15_000 });
    const picture = () => chart(0).locator("canvas").evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const [before, counted] = [await picture(), await total(1)];
    await until("another picture", async () => (await picture()) !== before, 10_000);
    await until("more tweets counted", async () => (await total(1)) > counted, 10_000);
  });

  it("shows new tweets as they come, and holds still while pointed at", async () => {
    const first = () => page.locator("#tweets .tweet").first().getAttribute("data-id");
    await page.mouse.move(5, 5);
    const before = await first();
    await until("a new tweet", async () => (await first()) !== before, 10_000);
    await page.locator("#tweets .feed").hover();
    await page.locator("#tweets .note", { hasText: "Paused" }).waitFor();
    const held = await first();
    await page.waitForTimeout(3000); // that nothing happens takes time to see
    expect(await first()).toBe(held);
    await page.mouse.move(5, 5);
    await until("the list going on", async () => (await first()) !== held, 10_000);
  });

  it("filters the live tweets by sentiment", async () => {
    await page.locator("#tweets .filters label", { hasText: "positive" }).click();
    await until(
      "only positive tweets",
      async () => {
        const kinds = await page.locator("#tweets .tweet").evaluateAll((items) => items.map((i) => (i as HTMLElement).dataset.sentiment));
        return kinds.length > 0 && kinds.every((k) => k === "positive");
      },
      10_000,
    );
    await page.locator("#tweets .filters label", { hasText: "All" }).first().click();
  });

  it("has no accessibility faults and enough contrast in light and dark, and remembers the choice", async () => {
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(await leastMarkContrast(page)).toBeGreaterThanOrEqual(3);
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await back();
    await page.locator("#theme").click();
    expect(await back()).not.toBe(light);
    await page.reload();
    await page.locator(".pill.live").waitFor({ timeout: 15_000 });
    expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
    expect(await leastMarkContrast(page)).toBeGreaterThanOrEqual(3);
    await page.locator(".tweet").first().waitFor({ timeout: 10_000 });
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it("shows exactly the tweets of the bar that is clicked", async () => {
    await page.locator("#history label", { hasText: "1 hour" }).click();
    const history = page.locator("#history .chart[data-buckets='60']");
    await history.waitFor({ timeout: 15_000 });
    let bar = await pointAtOldestBar(page, history);
    await page.mouse.click(bar.x, bar.y);
    const { pick: first } = await allOfBucket(page);
    const settled = first.from + first.step + 10_000; // nothing comes late to this minute any more
    if (Date.now() < settled) {
      await page.locator("#tweets header button").click(); // so that it is read anew
      await page.waitForTimeout(settled - Date.now());
      bar = await pointAtOldestBar(page, history);
      await page.mouse.click(bar.x, bar.y);
    }
    const { pick, tweets } = await allOfBucket(page);
    expect(pick.sentiment).toBeTruthy();
    expect(tweets.map((t) => t.sentiment)).toEqual(tweets.map(() => pick.sentiment));
    expect(tweets.map((t) => t.group)).toEqual(tweets.map(() => pick.group));
    expect(tweets.every((t) => t.at >= pick.from && t.at < pick.from + pick.step)).toBe(true);
    expect(new Set(tweets.map((t) => t.id)).size).toBe(tweets.length);
    expect(tweets).toHaveLength(bar.count);
    await page.locator("#tweets header button").click();
    await page.getByRole("heading", { name: "Live tweets" }).waitFor();
  }, 120_000);

  it("opens a bucket by keys alone and says the same as a table", async () => {
    const history = page.locator("#history .chart");
    await history.focus();
    for (const key of ["End", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowDown", "Enter"]) await page.keyboard.press(key);
    await page.locator(".feed[data-picked]").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#history button", { hasText: "Table" }).click();
    await page.locator("#history table tbody tr").first().waitFor();
    await page.locator("#history table button").first().click();
    await page.locator(".feed[data-picked]").waitFor();
    await page.locator("#history button", { hasText: "Table" }).click();
    await page.locator("#tweets header button").click();
  });

  it("has every range, and goes back in time and forth again", async () => {
    for (const [name, buckets] of [["24 hours", 144], ["7 days", 168], ["30 days", 120]] as const) {
      await page.locator("#history label", { hasText: name }).click();
      await page.locator(`#history .chart[data-buckets='${buckets}']`).waitFor({ timeout: 15_000 });
    }
    const note = page.locator("#history .note").first();
    const before = await note.innerText();
    await page.getByRole("button", { name: "Earlier" }).click();
    await until("an earlier range", async () => (await note.innerText()) !== before, 10_000);
    await page.getByRole("button", { name: "Later" }).click();
    await page.locator("#history .chart[data-buckets='120']").waitFor({ timeout: 15_000 });
  });

  it("fits a telephone", async () => {
    await page.setViewportSize({ width: 375, height: 812 });
    await until("everything within 375 pixels", async () => (await overflow(page)) <= 0, 5000);
    await page.setViewportSize({ width: 1440, height: 1000 });
  });

  it.skipIf(!process.env.DASHBOARD_KILL)("says that its server is gone, and goes on with the next one", async () => {
    execSync(process.env.DASHBOARD_KILL as string, { stdio: "ignore" });
    await page.locator(".pill.lost").waitFor({ timeout: 10_000 });
    await page.locator(".pill.live").waitFor({ timeout: 30_000 });
    const counted = await total(1);
    await until("more tweets counted", async () => (await total(1)) > counted, 10_000);
  });

  it("caused no error and asked no other host", () => {
    expect(complaints).toEqual([]);
  });
});
