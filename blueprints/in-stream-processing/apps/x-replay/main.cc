// x-replay: a server that speaks the X API v2 and streams synthetic posts, and `x-replay truth`.
#include <fmt/format.h>
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "api.h"
#include "base/log.h"
#include "base/time.h"
#include "corpus.h"
#include "http/server.h"
#include "replay.h"
#include "truth.h"

namespace headrace::replay {
namespace {

Result<std::string> contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return fail(Code::kNotFound, fmt::format("Cannot read {}.", path));
  return text.str();
}

struct Options {
  CorpusOptions corpus;
  ReplayOptions replay;
  ApiOptions api;
  std::string movies, movies_file, words_file, threshold_file, token_file, start = "now", begin = "connect";
  std::string address = "127.0.0.1";
  int port = 0;
  std::int64_t keep_alive_ms = 20'000;

  void declare(CLI::App& app) {
    app.add_option("--seed", corpus.seed, "the corpus is a function of it")->envname("SEED");
    app.add_option("--movies", movies, "JSON array of {slug, title, query}")->envname("MOVIES");
    app.add_option("--movies-file", movies_file, "the same, in a file")->envname("MOVIES_FILE");
    app.add_option("--words", words_file, "the classifier's model, CSV")->envname("WORDS_FILE");
    app.add_option("--threshold", threshold_file, "file with its threshold")->envname("THRESHOLD_FILE");
    app.add_option("--rate", corpus.rate, "posts a second")->envname("RATE")->check(CLI::PositiveNumber);
    app.add_option("--burst", replay.burst, "posts at a time")->envname("BURST")->check(CLI::PositiveNumber);
    app.add_option("--duplicates", corpus.duplicates, "share of lines that repeat an earlier post")
        ->envname("DUPLICATES")
        ->check(CLI::Range(0.0, 0.9));
    app.add_option("--malformed", corpus.malformed, "share of lines that are broken")
        ->envname("MALFORMED")
        ->check(CLI::Range(0.0, 0.9));
    app.add_option("--history", corpus.history, "posts before the start, for the search")->envname("HISTORY");
    app.add_option("--limit", replay.limit, "lines, history included, then idle; 0: without end")
        ->envname("LIMIT");
    app.add_option("--start", start, "creation time of the first streamed post: `now` or RFC 3339")
        ->envname("START");
    app.add_option("--begin", begin, "when streaming begins")
        ->envname("BEGIN")
        ->check(CLI::IsMember({"now", "connect", "request"}));
  }

  Result<Corpus> make_corpus() {
    if (replay.limit == 0) replay.limit = UINT64_MAX;
    if (movies.empty()) {
      TRY(movies, contents_of(movies_file));
    }
    TRY(corpus.movies, parse_movies(movies));
    TRY(const std::string words, contents_of(words_file));
    TRY(corpus.words, parse_words(words));
    if (!threshold_file.empty()) {
      TRY(const std::string text, contents_of(threshold_file));
      corpus.threshold = std::atof(text.c_str());
    }
    if (start != "now") {
      TRY(const Wall time, parse_rfc3339(start));
      replay.start_ms = time.time_since_epoch().count();
    }
    return Corpus::make(corpus);
  }
};

Status serve(Options& options) {
  using Begin = ReplayOptions::Begin;
  options.replay.begin = options.begin == "now"       ? Begin::kAtOnce
                         : options.begin == "connect" ? Begin::kOnConnect
                                                      : Begin::kOnRequest;
  if (!options.token_file.empty()) {
    TRY(options.api.token, contents_of(options.token_file));
    while (options.api.token.ends_with('\n')) options.api.token.pop_back();
    if (options.api.token.empty()) return fail(Code::kInvalid, options.token_file + " is empty.");
  }
  options.api.keep_alive = std::chrono::milliseconds(options.keep_alive_ms);
  TRY(Corpus corpus, options.make_corpus());

  // Before any thread starts, so that all of them leave the signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Replay replay(std::move(corpus), options.replay);
  http::Server server(make_api(replay, options.api),
                      {.max_body_bytes = 1 << 20, .headers = {{"X-Synthetic", "x-replay"}}});
  TRY(const std::uint16_t port, server.listen_tcp(options.address, static_cast<std::uint16_t>(options.port)));
  server.start();
  log::info("x-replay serves synthetic posts at http://{}:{}", options.address, port);
  int signal = 0;
  sigwait(&signals, &signal);
  log::info("x-replay stops");
  server.stop();
  return {};
}

Status print_truth(Options& options) {
  if (options.start == "now") return fail(Code::kInvalid, "The truth needs --start with a time.");
  TRY(Corpus corpus, options.make_corpus());
  if (options.replay.limit == UINT64_MAX) return fail(Code::kInvalid, "The truth needs --limit.");
  corpus.start_at(*options.replay.start_ms);
  TRY(const std::string truth, truth_of(corpus, options.replay.limit));
  std::cout << truth << "\n";
  return {};
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Speaks the X API v2 and streams synthetic posts; deterministic from a seed.", "x-replay");
  options.declare(app);
  app.add_option("--address", options.address)->envname("BIND_ADDRESS");
  app.add_option("--port", options.port, "0: any free one")
      ->envname("PORT_HTTP")
      ->check(CLI::Range(0, 65535));
  app.add_option("--token-file", options.token_file, "the one bearer token; without it any is taken")
      ->envname("TOKEN_FILE");
  app.add_option("--max-streams", options.api.max_streams, "connections at a time, 0: any")
      ->envname("MAX_STREAMS");
  app.add_option("--keep-alive-ms", options.keep_alive_ms)
      ->envname("KEEP_ALIVE_MS")
      ->check(CLI::PositiveNumber);
  app.add_option("--search-limit", options.api.search_limit, "searches per 15 minutes, 0: any")
      ->envname("SEARCH_LIMIT");
  app.add_option("--stream-limit", options.api.stream_limit, "stream connects per 15 minutes, 0: any")
      ->envname("STREAM_LIMIT");
  Options truth_options;
  CLI::App* truth =
      app.add_subcommand("truth", "prints what the tables must hold after --limit lines, as JSON");
  truth_options.declare(*truth);
  CLI11_PARSE(app, argc, argv);
  const Status done = truth->parsed() ? print_truth(truth_options) : serve(options);
  if (done) return 0;
  log::error("{}", done.error().to_string());
  return 1;
}

}  // namespace
}  // namespace headrace::replay

int main(int argc, char** argv) {
  return headrace::replay::run(argc, argv);
}
