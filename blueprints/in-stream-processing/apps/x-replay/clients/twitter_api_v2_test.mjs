// twitter-api-v2 (npm), unchanged, against x-replay.
//
// How it is pointed there: by its documented setting `httpAgent`. The library speaks HTTPS to api.x.com only, so the
// agent opens each connection to a TLS terminator of this script, which has a throw-away certificate for that name
// and passes the bytes on to x-replay.
import assert from "node:assert/strict";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { ApiResponseError, TwitterApi } from "twitter-api-v2";

const base = new URL(process.env.X_REPLAY_URL);
const token = process.env.X_REPLAY_TOKEN;
const certificate = fs.readFileSync(process.env.CERTIFICATE);
const movie = '"Paper Astronauts"';

const terminator = tls.createServer({ cert: certificate, key: fs.readFileSync(process.env.CERTIFICATE_KEY) }, (client) => {
  const replay = net.connect(Number(base.port), base.hostname);
  client.pipe(replay).pipe(client);
  client.on("error", () => replay.destroy());
  client.on("close", () => replay.destroy());
  replay.on("error", () => client.destroy());
});
await new Promise((listening) => terminator.listen(0, "127.0.0.1", listening));

class ToReplay extends https.Agent {
  createConnection() {
    return tls.connect({ port: terminator.address().port, host: "127.0.0.1", servername: "api.x.com", ca: certificate });
  }
}
const pointed = (bearer) => new TwitterApi(bearer, { httpAgent: new ToReplay() }).readOnly.v2;
const client = pointed(token);

async function clearRules() {
  const { data = [] } = await client.streamRules();
  if (data.length > 0) await client.updateStreamRules({ delete: { ids: data.map((rule) => rule.id) } });
}

const tests = {
  "a search pages through the history": async () => {
    const pages = await client.search(movie, { max_results: 20, "tweet.fields": ["created_at"] });
    await pages.fetchLast(1000);
    const ids = pages.tweets.map((post) => BigInt(post.id));
    assert(ids.length > 40);
    assert.equal(new Set(ids).size, ids.length);
    assert(ids.every((id, i) => i === 0 || id < ids[i - 1]));
    assert(pages.tweets.every((post) => post.text.includes("Paper Astronauts") && post.created_at));
    assert.equal(pages.rateLimit.limit, 450);
  },
  "a search expands authors": async () => {
    const page = await client.search(movie, { expansions: ["author_id"], "user.fields": ["public_metrics"] });
    for (const post of page.tweets) assert(page.includes.author(post).public_metrics.followers_count >= 0);
  },
  "errors arrive as the library knows them": async () => {
    await assert.rejects(client.search(movie, { max_results: 5 }), (error) => error instanceof ApiResponseError && error.code === 400);
    await assert.rejects(pointed("wrong").search(movie), (error) => error instanceof ApiResponseError && error.isAuthError);
  },
  "rules are added, listed and deleted": async () => {
    await clearRules();
    const added = await client.updateStreamRules({ add: [{ value: movie, tag: "paper-astronauts" }, { value: "(" }] });
    assert.deepEqual(added.meta.summary, { created: 1, not_created: 1, valid: 1, invalid: 1 });
    const listed = await client.streamRules();
    assert.deepEqual(listed.data.map((rule) => [rule.value, rule.tag]), [[movie, "paper-astronauts"]]);
    const deleted = await client.updateStreamRules({ delete: { ids: [listed.data[0].id] } });
    assert.equal(deleted.meta.summary.deleted, 1);
  },
  "the stream brings matching posts with their authors": async () => {
    await clearRules();
    await client.updateStreamRules({ add: [{ value: movie, tag: "paper-astronauts" }] });
    const stream = await client.searchStream({ "tweet.fields": ["created_at"], expansions: ["author_id"], "user.fields": ["public_metrics"] });
    const seen = [];
    for await (const post of stream) {
      seen.push(post);
      if (seen.length >= 5) break;
    }
    stream.close();
    for (const post of seen) {
      assert(post.data.text.includes("Paper Astronauts") && post.data.created_at);
      assert.equal(post.includes.users[0].id, post.data.author_id);
      assert.equal(post.matching_rules[0].tag, "paper-astronauts");
    }
  },
};

let passed = 0, failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    ++passed;
    console.log("ok   twitter-api-v2:", name);
  } catch (error) {
    ++failed;
    console.log("FAIL twitter-api-v2:", name, "-", error);
  }
}
console.log(`result ${passed} ${failed}`);
process.exit(failed > 0 ? 1 : 0);
