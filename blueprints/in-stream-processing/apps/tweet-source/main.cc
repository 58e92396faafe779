// tweet-source: the X API v2's filtered stream and recent search → Kafka's topic of DATA.md.
//
// Settings come from the environment:
//   MOVIES (JSON) or MOVIES_FILE   X_BASE_URL   X_TOKEN_FILE   KAFKA_SERVERS   TOPIC (tweets)
//   SEARCH_SINCE ("", all, 2h, 2026-11-01T00:00:00Z)   SEARCH_LAG (30s; 0s for x-replay)   BACKFILL_MINUTES
//   (0) BIND_ADDRESS (127.0.0.1)   PORT_HTTP   FLUSH_TIMEOUT (10s)
// HTTP: /health (503 until connected to X and Kafka for the first time), /metrics (Prometheus).
// Ends with 0 on SIGTERM once Kafka has everything, with 1 when it has not, or when it can go on no more.
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/log.h"
#include "base/time.h"
#include "http/server.h"
#include "producer.h"
#include "source.h"

namespace headrace::source {
namespace {

std::string env(const char* name, std::string otherwise = "") {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

Result<std::string> needed(const char* name) {
  std::string value = env(name);
  if (value.empty())
    return fail(Code::kInvalid, fmt::format("The environment variable {} is not set.", name));
  return value;
}

Result<int> number(const char* name, const char* otherwise) {
  const std::string text = env(name, otherwise);
  int value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ptr != text.data() + text.size() ||
      value < 0)
    return fail(Code::kInvalid, fmt::format("{} is `{}`, which is no number.", name, text));
  return value;
}

Result<std::string> movies_text() {
  if (std::string text = env("MOVIES"); !text.empty()) return text;
  TRY(const std::string path, needed("MOVIES_FILE"));
  std::ifstream file(path);
  if (!file) return fail(Code::kNotFound, fmt::format("Cannot read {}.", path));
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

http::Response health_of(const Source::Health& health) {
  const bool ready = health.was_ready;
  return http::Response::json(
      ready ? 200 : 503,
      fmt::format(R"({{"status":"{}","x":{},"kafka":{},"cause":{},"searches_open":{}}})",
                  health.x && health.kafka ? "up"
                  : ready                  ? "degraded"
                                           : "starting",
                  health.x, health.kafka, http::json_quote(health.x_cause), health.searches_open));
}

std::string metrics_of(const Source& source, const Producer& producer) {
  std::string text;
  const auto add = [&](const char* kind, const char* name, const char* help, auto value) {
    fmt::format_to(std::back_inserter(text),
                   "# HELP tweet_source_{0} {1}\n# TYPE tweet_source_{0} {2}\ntweet_source_{0} {3}\n", name,
                   help, kind, value);
  };
  const Source::Metrics& m = source.metrics();
  const Source::Health health = source.health();
  add("counter", "lines_total", "Lines of the stream, keep-alives excepted.", m.lines.load());
  add("counter", "posts_total", "Posts of the stream.", m.posts.load());
  add("counter", "records_total", "Records given to Kafka's queue.", m.records.load());
  add("counter", "acknowledged_total", "Records that Kafka has acknowledged.", producer.acknowledged());
  add("counter", "malformed_total", "Malformed records, passed on under the key `malformed`.",
      m.malformed.load());
  add("counter", "notices_total", "Messages of X about the stream itself.", m.notices.load());
  add("counter", "connects_total", "Streams opened.", m.connects.load());
  add("counter", "failed_connects_total", "Attempts that opened no stream.", m.failed_connects.load());
  add("counter", "search_pages_total", "Pages of the recent search read.", m.search_pages.load());
  add("counter", "failed_searches_total", "Searches that had to be tried again.", m.failed_searches.load());
  add("gauge", "searches_open", "Gaps still to be searched.", health.searches_open);
  add("gauge", "queued_records", "Records that Kafka has not acknowledged.", producer.queued());
  add("gauge", "x_connected", "1 while the stream is open.", health.x ? 1 : 0);
  add("gauge", "kafka_connected", "1 while Kafka takes records.", health.kafka ? 1 : 0);
  add("gauge", "read_delay_seconds", "From the newest post's creation to its reading.",
      static_cast<double>(m.read_delay_ms.load()) / 1000);
  return text;
}

Status run() {
  SourceOptions options;
  TRY(const std::string movies, movies_text());
  TRY(options.movies, parse_movies(movies));
  TRY(options.kafka.servers, needed("KAFKA_SERVERS"));
  options.kafka.topic = env("TOPIC", "tweets");
  options.search_since = env("SEARCH_SINCE");
  if (!options.search_since.empty() && options.search_since != "all" &&
      !parse_duration(options.search_since) && !parse_rfc3339(options.search_since))
    return fail(Code::kInvalid, "SEARCH_SINCE is neither `all`, a duration nor a time.");
  TRY(options.search_lag, parse_duration(env("SEARCH_LAG", "30s")));
  TRY(options.backfill_minutes, number("BACKFILL_MINUTES", "0"));
  TRY(const Duration flush_timeout, parse_duration(env("FLUSH_TIMEOUT", "10s")));
  TRY(const int port, number("PORT_HTTP", "0"));
  TRY(const std::string base_url, needed("X_BASE_URL"));
  TRY(const std::string token_file, needed("X_TOKEN_FILE"));
  TRY(XClient x, XClient::make(base_url, token_file));

  // Before any thread starts, so that all of them leave the signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  std::atomic<bool> fatal = false;
  const auto on_fatal = [&fatal](const std::string& cause) {
    if (fatal.exchange(true)) return;
    log::error("Kafka's producer can go on no more: {}", cause);
    ::kill(::getpid(), SIGTERM);
  };
  TRY(auto producer, Producer::open(options.kafka, on_fatal));
  Source source(std::move(options), std::move(x), *producer);
  http::Router router;
  router.get("/health", [&](const http::Request&, const http::Responder& responder) {
    responder.respond(health_of(source.health()));
  });
  router.get("/metrics", [&](const http::Request&, const http::Responder& responder) {
    responder.respond({200, {{"Content-Type", "text/plain; version=0.0.4"}}, metrics_of(source, *producer)});
  });
  http::Server server(std::move(router), {.threads = 1, .max_connections = 64});
  TRY(const std::uint16_t taken,
      server.listen_tcp(env("BIND_ADDRESS", "127.0.0.1"), static_cast<std::uint16_t>(port)));
  server.start();
  log::info("tweet-source tells its health at http://{}:{}/health", env("BIND_ADDRESS", "127.0.0.1"), taken);
  source.start();

  int signal = 0;
  sigwait(&signals, &signal);
  log::info("tweet-source stops");
  source.stop();
  const int left = fatal ? 0 : producer->flush(flush_timeout);
  server.stop();
  if (fatal)
    return fail(Code::kUnavailable,
                "Kafka's producer could go on no more; a restart reads on from the topic's end.");
  if (left > 0)
    return fail(Code::kUnavailable,
                fmt::format("{} records were not acknowledged; a restart reads them again.", left));
  return {};
}

}  // namespace
}  // namespace headrace::source

int main() {
  const auto done = headrace::source::run();
  if (done) return 0;
  headrace::log::error("{}", done.error().to_string());
  return 1;
}
