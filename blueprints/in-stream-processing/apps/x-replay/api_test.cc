#include "api.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <future>
#include <set>

#include "http/client.h"
#include "test_corpus.h"
#include "truth.h"

namespace headrace::replay {
namespace {

namespace js = boost::json;
using namespace std::chrono_literals;
using http::Call;
using http::Headers;
using http::Response;

class ApiTest : public testing::Test {
 protected:
  void serve(CorpusOptions corpus, ReplayOptions replay, ApiOptions api = {}) {
    if (!replay.start_ms) replay.start_ms = 1'795'000'000'000;
    replay_ = std::make_unique<Replay>(Corpus::make(corpus).value(), replay);
    server_ = std::make_unique<http::Server>(make_api(*replay_, std::move(api)));
    port_ = server_->listen_tcp("127.0.0.1", 0).value();
    server_->start();
  }
  ~ApiTest() override {
    if (server_) server_->stop();
  }
  http::Client client() const {
    return http::Client::to("http://127.0.0.1:" + std::to_string(port_)).value();
  }
  Response ask(std::string method, std::string target, std::string body = {}) const {
    return client()
        .request(std::move(method), std::move(target), {{"Authorization", "Bearer t"}}, std::move(body))
        .value();
  }
  js::object ask_json(std::string method, std::string target, std::string body = {}) const {
    return js::parse(ask(std::move(method), std::move(target), std::move(body)).body).as_object();
  }
  void add_movie_rules() {
    js::array add;
    for (const Movie& movie : real_options().movies)
      add.push_back({{"value", movie.query}, {"tag", movie.slug}});
    EXPECT_EQ(ask("POST", kRules, js::serialize(js::object{{"add", add}})).status, 201);
  }
  // Reads lines until `enough` of them hold something.
  std::vector<std::string> read_stream(std::string query, size_t enough) const {
    std::vector<std::string> lines;
    const auto done = client().stream_lines({.target = kStream + std::move(query),
                                             .headers = {{"Authorization", "Bearer t"}},
                                             .idle_timeout = 20s},
                                            [&](std::string_view line) {
                                              if (!line.empty()) lines.emplace_back(line);
                                              return lines.size() < enough;
                                            });
    EXPECT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done->status, 200) << done->body;
    return lines;
  }

  const std::string kRules = "/2/tweets/search/stream/rules";
  const std::string kStream = "/2/tweets/search/stream";
  const std::string kSearch = "/2/tweets/search/recent";
  std::unique_ptr<Replay> replay_;
  std::unique_ptr<http::Server> server_;
  std::uint16_t port_ = 0;
};

CorpusOptions fast(std::uint64_t history = 0) {
  auto options = real_options();
  options.rate = 5000;
  options.history = history;
  return options;
}

TEST_F(ApiTest, WithoutTheTokenEveryEndpointIs401AsAProblem) {
  serve(fast(), {}, {.token = "t"});
  for (const char* target :
       {"/2/tweets/search/recent", "/2/tweets/search/stream", "/2/tweets/search/stream/rules", "/replay"})
    for (const char* credentials : {"", "Bearer other", "Basic t"}) {
      const auto answer = client().request("GET", target, {{"Authorization", credentials}});
      EXPECT_EQ(answer->status, 401);
      EXPECT_EQ(answer->body,
                R"({"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"})");
      EXPECT_EQ(answer->headers.get("content-type"), "application/problem+json");
    }
  EXPECT_EQ(client().request("GET", "/health")->status, 200);
  EXPECT_NE(client().request("GET", "/")->body.find("synthetic"), std::string::npos);
}

TEST_F(ApiTest, RulesAreAddedListedAndDeleted) {
  serve(fast(), {});
  const auto added =
      ask_json("POST", kRules, R"({"add":[{"value":"orbit","tag":"a"},{"value":"tide -is:retweet"}]})");
  EXPECT_EQ(added.at("meta").at("summary"),
            js::parse(R"({"created":2,"not_created":0,"valid":2,"invalid":0})"));
  const auto listed = ask_json("GET", kRules);
  EXPECT_EQ(listed.at("meta").at("result_count"), 2);
  EXPECT_EQ(listed.at("data").at(0).at("tag"), "a");
  EXPECT_FALSE(listed.at("data").at(1).as_object().contains("tag"));
  const std::string id(listed.at("data").at(0).at("id").as_string());
  const auto deleted = ask_json("POST", kRules, R"({"delete":{"ids":[")" + id + R"(","77"]}})");
  EXPECT_EQ(deleted.at("meta").at("summary"), js::parse(R"({"deleted":1,"not_deleted":1})"));
  EXPECT_EQ(deleted.at("errors").as_array().size(), 1U);
  ask("POST", kRules, R"({"delete":{"values":["tide -is:retweet"]}})");
  EXPECT_FALSE(ask_json("GET", kRules).contains("data"));
}

TEST_F(ApiTest, InvalidAndDuplicateRulesAreReportedInXsForm) {
  serve(fast(), {});
  ask("POST", kRules, R"({"add":[{"value":"orbit"}]})");
  const auto answer =
      ask_json("POST", kRules, R"({"add":[{"value":"orbit"},{"value":"lang:en"},{"value":"tide"}]})");
  EXPECT_EQ(answer.at("meta").at("summary"),
            js::parse(R"({"created":1,"not_created":2,"valid":1,"invalid":2})"));
  EXPECT_EQ(answer.at("errors").at(0).at("title"), "DuplicateRule");
  EXPECT_EQ(answer.at("errors").at(1).at("type"), "https://api.twitter.com/2/problems/invalid-rules");
  EXPECT_EQ(ask("POST", kRules, "{").status, 400);
  EXPECT_EQ(ask("POST", kRules, "{}").status, 400);
  ask("POST", kRules + "?dry_run=true", R"({"add":[{"value":"dry"}]})");
  EXPECT_EQ(ask_json("GET", kRules).at("meta").at("result_count"), 2);
}

TEST_F(ApiTest, TheStreamNeedsRulesAndAllowsOneConnection) {
  serve(fast(), {.begin = ReplayOptions::Begin::kOnRequest});
  EXPECT_EQ(ask("GET", kStream).status, 409);
  EXPECT_NE(ask("GET", kStream).body.find("RuleConfigurationIssue"), std::string::npos);
  add_movie_rules();
  std::stop_source stop;
  auto first = std::async([&] {
    return client().stream(
        {.target = kStream, .headers = {{"Authorization", "Bearer t"}}, .stop = stop.get_token()},
        [](std::string_view) { return true; });
  });
  while (ask_json("GET", "/replay").at("streams") != 1) std::this_thread::yield();
  const Response second = ask("GET", kStream);
  EXPECT_EQ(second.status, 429);
  EXPECT_NE(second.body.find("TooManyConnections"), std::string::npos);
  stop.request_stop();
  EXPECT_FALSE(first.get());
  while (replay_->streams() != 0) std::this_thread::yield();
}

TEST_F(ApiTest, TheStreamSendsExactlyTheCorpusOnce) {
  auto corpus = fast();
  corpus.malformed = 0.02;
  serve(corpus, {.limit = 2000});
  add_movie_rules();
  Corpus expected = Corpus::make(corpus).value();
  expected.start_at(1'795'000'000'000);
  std::vector<std::string> ids;
  size_t broken = 0;
  for (const std::string& line : read_stream(
           "?tweet.fields=created_at,lang,geo&expansions=author_id,geo.place_id&user.fields=public_metrics",
           2000)) {
    boost::system::error_code ec;
    const js::value post = js::parse(line, ec);
    if (ec || !post.as_object().contains("matching_rules")) {
      ++broken;
      continue;
    }
    ids.emplace_back(post.at("data").at("id").as_string());
  }
  std::vector<std::string> wanted;
  size_t malformed = 0;
  for (std::uint64_t position = 0; position < 2000; ++position)
    if (expected.kind(position) == Corpus::Kind::kMalformed)
      ++malformed;
    else
      wanted.push_back(std::to_string(expected.id(expected.original(position))));
  EXPECT_EQ(ids, wanted);
  EXPECT_EQ(broken, malformed);
}

TEST_F(ApiTest, AStreamLineHasDataIncludesAndMatchingRules) {
  auto corpus = fast();
  corpus.malformed = 0;
  serve(corpus, {.limit = 50});
  add_movie_rules();
  const auto lines = read_stream(
      "?tweet.fields=created_at,lang&expansions=author_id&user.fields=public_metrics,description", 1);
  const auto post = js::parse(lines.at(0)).as_object();
  EXPECT_EQ(post.at("data").at("created_at"), "2026-11-18T11:06:40.000Z");
  EXPECT_EQ(post.at("data").at("lang"), "en");
  EXPECT_EQ(post.at("data").at("edit_history_tweet_ids").at(0), post.at("data").at("id"));
  const auto& user = post.at("includes").at("users").at(0);
  EXPECT_EQ(user.at("id"), post.at("data").at("author_id"));
  EXPECT_TRUE(user.at("public_metrics").at("followers_count").is_int64());
  EXPECT_NE(user.at("description").as_string().find("Synthetic"), std::string::npos);
  EXPECT_NE(post.at("matching_rules").at(0).at("tag").as_string(), "");
}

TEST_F(ApiTest, AQuietStreamSendsKeepAlives) {
  serve(fast(), {.begin = ReplayOptions::Begin::kOnRequest}, {.keep_alive = 20ms});
  add_movie_rules();
  std::string got;
  EXPECT_TRUE(
      client().stream({.target = kStream, .headers = {{"Authorization", "Bearer t"}}, .idle_timeout = 5s},
                      [&](std::string_view piece) {
                        got += piece;
                        return got.size() < 4;
                      }));
  EXPECT_EQ(got, "\r\n\r\n");
}

TEST_F(ApiTest, SearchPagesThroughTheHistoryNewestFirstWithoutGapOrRepeat) {
  serve(fast(1000), {});
  std::vector<std::uint64_t> ids;
  std::string token;
  for (int page = 0; page < 100; ++page) {
    const auto answer = ask_json("GET", kSearch + "?query=%22Silver%20Tide%22&max_results=20" +
                                            (token.empty() ? "" : "&next_token=" + token));
    if (const auto* data = answer.if_contains("data"))
      for (const auto& post : data->as_array())
        ids.push_back(std::stoull(std::string(post.at("id").as_string())));
    const auto* next = answer.at("meta").as_object().if_contains("next_token");
    if (!next) break;
    EXPECT_EQ(answer.at("meta").at("result_count"), 20);
    token = next->as_string();
  }
  EXPECT_TRUE(std::ranges::is_sorted(ids, std::greater()));
  const Corpus corpus = replay_->published().first;
  std::set<std::uint64_t> wanted;
  for (std::uint64_t position = 0; position < 1000; ++position)
    if (corpus.kind(position) == Corpus::Kind::kFresh && corpus.post(position).movie == 0)
      wanted.insert(corpus.id(position));
  EXPECT_EQ(std::set<std::uint64_t>(ids.begin(), ids.end()), wanted);
  EXPECT_EQ(ids.size(), wanted.size());
  // since_id and until_id are exclusive.
  const auto between = ask_json("GET", kSearch + "?query=tide&since_id=" + std::to_string(ids[5]) +
                                           "&until_id=" + std::to_string(ids[2]));
  EXPECT_EQ(between.at("meta").at("result_count"), 2);
  EXPECT_EQ(between.at("meta").at("newest_id").as_string(), std::to_string(ids[3]));
}

TEST_F(ApiTest, WrongParametersAreNamedWithTheirValues) {
  serve(fast(10), {});
  const Response answer =
      ask("GET", kSearch + "?query=lang:en&max_results=5&tweet.fields=id,wrong&start_time=monday&x=1");
  EXPECT_EQ(answer.status, 400);
  const auto body = js::parse(answer.body).as_object();
  EXPECT_EQ(body.at("title"), "Invalid Request");
  EXPECT_EQ(body.at("errors").as_array().size(), 5U);
  EXPECT_NE(answer.body.find("The `max_results` query parameter value [5] is not between 10 and 100"),
            std::string::npos);
  EXPECT_EQ(ask("GET", kSearch).status, 400);
  EXPECT_EQ(ask("GET", kSearch + "?query=tide&start_time=2026-10-01T00:00:00Z").status, 400);
  EXPECT_EQ(ask("GET", kStream + "?backfill_minutes=9").status, 400);
  EXPECT_EQ(ask("GET", "/2/nothing").status, 404);
}

TEST_F(ApiTest, RateLimitsAreCountedInHeadersAndEndIn429) {
  serve(fast(10), {}, {.search_limit = 2});
  const Response first = ask("GET", kSearch + "?query=tide");
  EXPECT_EQ(first.headers.get("x-rate-limit-limit"), "2");
  EXPECT_EQ(first.headers.get("x-rate-limit-remaining"), "1");
  EXPECT_EQ(ask("GET", kSearch + "?query=").status, 400);
  const Response third = ask("GET", kSearch + "?query=tide");
  EXPECT_EQ(third.status, 429);
  EXPECT_EQ(third.headers.get("x-rate-limit-remaining"), "0");
  EXPECT_FALSE(third.headers.get("x-rate-limit-reset").empty());
}

TEST_F(ApiTest, BackfillBringsWhatWasPublishedInTheLastMinutes) {
  auto corpus = fast(400);
  corpus.rate = 1;  // 400 s of history
  corpus.malformed = 0;
  serve(corpus, {.begin = ReplayOptions::Begin::kOnRequest});
  add_movie_rules();
  const Corpus published = replay_->published().first;
  size_t wanted = 0;
  for (std::uint64_t position = 400 - 121; position < 400; ++position)
    wanted += published.kind(position) == Corpus::Kind::kFresh;
  const auto lines = read_stream("?backfill_minutes=2&tweet.fields=created_at", wanted);
  EXPECT_EQ(js::parse(lines.front()).at("data").at("id").as_string(),
            std::to_string(published.id(published.kind(279) == Corpus::Kind::kFresh ? 279 : 280)));
}

TEST_F(ApiTest, AnOperationalDisconnectIsAnnouncedAndFailuresCanBeAskedFor) {
  serve(fast(), {.begin = ReplayOptions::Begin::kOnRequest});
  add_movie_rules();
  auto stream = std::async([&] { return read_stream("", 99); });
  while (ask_json("GET", "/replay").at("streams") != 1) std::this_thread::yield();
  ask("POST", "/replay/disconnect");
  EXPECT_NE(stream.get().at(0).find("operational-disconnect"), std::string::npos);
  ask("POST", "/replay/fail?status=503&times=1");
  EXPECT_EQ(ask("GET", kStream).status, 503);
  ask("POST", "/replay/start?limit=10");
  EXPECT_EQ(replay_->state().limit, 10U);
}

}  // namespace
}  // namespace headrace::replay
