/** Debian's Chromium, without the calls home that fail where there is no network. */
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

export const DASHBOARD_URL = process.env.DASHBOARD_URL || "http://127.0.0.1:8080";

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--font-render-hinting=none",
    ],
  });
}
