/** DASHBOARD_URL=… npm run screenshot [-- FOLDER]: pictures of a running dashboard: light, dark, a bar's tweets, mobile.
 *  It waits until the live chart has filled, at most WARM_UP seconds (default 20). */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { DASHBOARD_URL, launch } from "../tests/browser";

const folder = process.argv[2] ?? "screenshots";
const warmUp = 1000 * Number(process.env.WARM_UP ?? 20);
mkdirSync(folder, { recursive: true });

const browser = await launch();
async function take(name: string, options: BrowserContextOptions, act?: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(`${name}: ${message.text()}`));
  page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
  await page.goto(`${DASHBOARD_URL}/${process.env.QUERY ?? ""}`);
  await page.locator(".pill.live").waitFor({ timeout: 20_000 });
  await page.locator("#history .chart").waitFor({ timeout: 20_000 });
  await page.waitForTimeout(name === "light" ? warmUp : 3000);
  await act?.(page);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  console.log(join(folder, `${name}.png`));
  await context.close();
}

const desktop = { width: 1440, height: 1080 };
const mobile = { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
try {
  await take("light", { viewport: desktop, colorScheme: "light" });
  await take("dark", { viewport: desktop, colorScheme: "dark" });
  await take("bucket", { viewport: desktop, colorScheme: "light" }, async (page) => {
    const chart = page.locator("#history .chart");
    await chart.focus();
    for (const key of ["End", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowDown", "Enter"]) await page.keyboard.press(key);
    await page.locator("[data-picked] .tweet").first().waitFor({ timeout: 10_000 });
    await page.waitForTimeout(500);
  });
  await take("compare", { viewport: desktop, colorScheme: "dark" }, async (page) => {
    await page.locator(".select select").selectOption({ index: 1 });
    await page.locator("#history .compare .chart").nth(1).waitFor({ timeout: 10_000 });
    await page.locator("#history").scrollIntoViewIfNeeded();
    await page.waitForTimeout(800);
  });
  await take("mobile", { ...mobile, colorScheme: "light" });
  await take("mobile-dark", { ...mobile, viewport: { width: 375, height: 2150 }, colorScheme: "dark" });
} finally {
  await browser.close();
}
