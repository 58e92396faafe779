/** The page in a browser against a server whose repository is memory: what a whole platform cannot be made to do on
 *  demand. Needs `npm run build` before: npm run test:page */
import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadFiles } from "../src/server/files";
import { Health } from "../src/server/health";
import { Histories } from "../src/server/history";
import { makeServer } from "../src/server/http";
import { Hub } from "../src/server/hub";
import { MemoryRepository } from "../src/server/memory";
import { Metrics } from "../src/server/metrics";
import { Poller } from "../src/server/poller";
import type { Tweet } from "../src/shared/model";
import { launch } from "./browser";
import { accessibilityFaults, overflow, until, watch } from "./checks";

let browser: Browser;
let page: Page;
let repository: MemoryRepository;
let running: { server: Server; poller: Poller; sockets: Set<Socket>; liveRequests: (string | undefined)[] };
let port = 0;
let root: string;
let complaints: string[];
let serial = 0;

async function start(): Promise<void> {
  const metrics = new Metrics();
  const hub = new Hub(metrics, `boot${++serial}`);
  const poller = new Poller(repository, hub.publish.bind(hub), metrics);
  const files = loadFiles(fileURLToPath(new URL("../dist/page", import.meta.url)), 'synthetic "tweets" <b>from x-replay</b>');
  const server = makeServer({ repository, poller, hub, histories: new Histories(repository), health: new Health(repository), metrics, files, clock: Date.now });
  const liveRequests: (string | undefined)[] = [];
  server.on("request", (request) => request.url?.startsWith("/api/live") && liveRequests.push(request.headers["last-event-id"] as string | undefined));
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  root = `http://127.0.0.1:${port}`;
  poller.start();
  running = { server, poller, sockets, liveRequests };
}
async function stop(): Promise<void> {
  running.poller.stop();
  const closed = new Promise((resolve) => running.server.close(resolve));
  for (const socket of running.sockets) socket.destroy();
  await closed;
}
const post = (movie: string, over: Partial<Tweet> = {}) =>
  repository.add(movie, { id: String(++serial), at: Date.now(), user: "ada", followers: 10, group: "low", sentiment: "positive", text: "good", ...over });
const addMovie = (slug: string) => repository.shelf.push({ slug, title: `Movie ${slug}`, released: null });
const live = () => page.locator(".pill.live").waitFor({ timeout: 15_000 });
const says = (text: string | RegExp) => page.getByText(text).first().waitFor({ timeout: 15_000 });

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  repository = new MemoryRepository();
  port = 0;
  await start();
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  complaints = watch(page, root);
});
afterEach(async () => {
  await page.close();
  await stop();
  expect(complaints).toEqual([]);
});

describe("the page", () => {
  it("says that no movie is followed, and shows the first one as soon as there is one", async () => {
    await page.goto(root);
    await says("No movies are followed yet");
    addMovie("a");
    post("a");
    await page.locator(".movie.on").waitFor({ timeout: 15_000 });
    await live();
  });

  it("says that a movie is quiet, and starts with its first tweet", async () => {
    addMovie("a");
    await page.goto(root);
    await says(/No tweets about “Movie a” in the last 15 minutes/);
    post("a");
    await page.locator("#tweets .tweet").waitFor({ timeout: 5000 });
    await page.locator(".chart").first().waitFor({ timeout: 5000 });
  });

  it("names Cassandra's silence from the start, and comes to life when it answers", async () => {
    repository.failure = "no Cassandra node answers (127.0.0.1:9042: refused)";
    addMovie("a");
    post("a");
    await page.goto(root);
    await says(/Cassandra does not answer since \d+ s; retrying/);
    await says("no Cassandra node answers (127.0.0.1:9042: refused)");
    repository.failure = "";
    await live();
    expect(await page.locator(".banner").count()).toBe(0);
  });

  it("keeps the last picture while Cassandra is silent and counts the seconds", async () => {
    addMovie("a");
    post("a");
    await page.goto(root);
    await live();
    await page.locator("#tweets .tweet").waitFor();
    repository.failure = "gone";
    await says(/Cassandra does not answer since [3-9] s; retrying. What you see is from before/);
    expect(await page.locator("#tweets .tweet").count()).toBe(1);
    repository.failure = "";
    await live();
  });

  it("says that the server is gone, and finds it again with what happened meanwhile", async () => {
    addMovie("a");
    post("a");
    await page.goto(root);
    await live();
    await stop();
    await says(/The dashboard’s server does not answer since \d+ s; retrying/);
    post("a", { text: "while you were away" });
    await start();
    await live();
    await says("while you were away");
  });

  it("reconnects after a broken connection with the id of the last event", async () => {
    addMovie("a");
    await page.goto(root);
    await live();
    for (const socket of running.sockets) socket.destroy();
    post("a", { text: "in between" });
    await says("in between");
    expect(running.liveRequests.at(-1)).toMatch(/^boot\d+-\d+$/);
  });

  it("shows texts as texts, and what the source is", async () => {
    addMovie("a");
    post("a", { text: "<img src=x onerror=alert(1)> & <b>bold</b>", user: "<i>eve</i>" });
    await page.goto(root);
    await says("<img src=x onerror=alert(1)> & <b>bold</b>");
    expect(await page.locator(".source").innerText()).toBe('synthetic "tweets" <b>from x-replay</b>');
  });

  it("turns to a movie it has when the address names one it does not have", async () => {
    addMovie("a");
    post("a");
    await page.goto(`${root}/?movie=no-such`);
    await page.locator(".movie.on[data-slug='a']").waitFor({ timeout: 15_000 });
    await live();
    expect(page.url()).toContain("movie=a");
  });

  it("changes the movie by arrow keys", async () => {
    addMovie("a");
    addMovie("b");
    for (const movie of ["a", "a", "b"]) post(movie, { text: `about ${movie}` });
    await page.goto(root);
    await says("about a");
    await page.locator(".movie.on input").focus();
    await page.keyboard.press("ArrowRight");
    await says("about b");
    expect(page.url()).toContain("movie=b");
  });

  it("compares two movies on one scale", async () => {
    addMovie("a");
    addMovie("b");
    for (let i = 0; i < 30; i++) post("a");
    post("b");
    await page.goto(`${root}/?movie=a&range=1h`);
    await page.locator("#history select").selectOption("b");
    await page.locator("#history .compare .chart").nth(1).waitFor({ timeout: 10_000 });
    expect(await page.locator("#history .compare h3").allInnerTexts()).toEqual(["Movie a", "Movie b"]);
  });

  it("follows the system's colours until one is chosen", async () => {
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.goto(root);
    const dark = await back();
    await page.emulateMedia({ colorScheme: "light" });
    expect(await back()).not.toBe(dark);
    await page.locator("#theme").click();
    expect(await back()).toBe(dark);
  });

  it("opens a bar's tweets as a sheet on a telephone, and closes it", async () => {
    addMovie("a");
    for (let i = 0; i < 30; i++) post("a");
    await page.setViewportSize({ width: 375, height: 812 });
    await page.goto(`${root}/?range=1h`);
    await page.locator("#history .chart").waitFor({ timeout: 15_000 });
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await page.locator("#history .chart").focus();
    for (const key of ["End", "ArrowDown", "Enter"]) await page.keyboard.press(key);
    await page.locator(".tweets.open .more").waitFor();
    await page.locator(".more").click();
    await page.locator(".tweets.open .end").waitFor();
    expect(await page.locator(".tweets.open .tweet").count()).toBe(30);
    await page.locator(".tweets.open header button").click();
    expect(await page.locator(".tweets.open").count()).toBe(0);
  });

  it("offers another try when a bucket cannot be read", async () => {
    addMovie("a");
    post("a");
    await page.goto(`${root}/?range=1h`);
    await page.locator("#history .chart").focus();
    const asked = repository.tweets.bind(repository);
    repository.tweets = () => Promise.reject(new Error("broken"));
    for (const key of ["End", "Enter"]) await page.keyboard.press(key);
    await says(/The server made a mistake/);
    repository.tweets = asked;
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(".feed[data-picked] .tweet").waitFor();
  });

  it("is watched by a checker that finds a planted fault", async () => {
    await page.goto(root);
    await says("No movies are followed yet");
    await page.evaluate(() => document.body.append(document.createElement("button")));
    await until("the fault", async () => (await accessibilityFaults(page)).some((f) => f.startsWith("button-name")), 5000);
  });
});
