// The source between x-replay and Kafka: three mock brokers that librdkafka brings along, or the real ones
// that TEST_KAFKA_SERVERS names (./kafka-test starts them), where each test makes a topic of its own.
#include "source.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <future>

#include "../x-replay/test_corpus.h"
#include "api.h"
#include "http/server.h"
#include "replay.h"
#include "truth.h"

namespace headrace::source {
namespace {

namespace js = boost::json;
using namespace std::chrono_literals;
using replay::Corpus;

constexpr int kPartitions = 3;

// Waits for a condition that other threads bring about.
template <class Condition>
bool eventually(Condition holds, std::chrono::milliseconds longest = 30s) {
  const auto end = std::chrono::steady_clock::now() + longest;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

class TestKafka {
 public:
  TestKafka() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    const char* real = std::getenv("TEST_KAFKA_SERVERS");
    if (real) rd_kafka_conf_set(conf, "bootstrap.servers", real, nullptr, 0);
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    if (real) {
      servers_ = real;
      topic_ = "tweets-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
      create_topic();
    } else {
      cluster_ = rd_kafka_mock_cluster_new(handle_, 3);
      rd_kafka_mock_topic_create(cluster_, topic_.c_str(), kPartitions, 3);
      servers_ = rd_kafka_mock_cluster_bootstraps(cluster_);
    }
  }
  ~TestKafka() {
    if (cluster_) rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }
  const std::string& servers() const { return servers_; }
  const std::string& topic() const { return topic_; }
  bool is_real() const { return cluster_ == nullptr; }
  void set_down(bool down) {
    for (int broker = 1; broker <= 3; ++broker)
      down ? rd_kafka_mock_broker_set_down(cluster_, broker) : rd_kafka_mock_broker_set_up(cluster_, broker);
  }
  // Everything in the topic now: key and value.
  std::vector<Record> read() const {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", servers_.c_str(), nullptr, 0);
    rd_kafka_conf_set(conf, "group.id", "test", nullptr, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", nullptr, 0);
    rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    rd_kafka_poll_set_consumer(consumer);
    auto* all = rd_kafka_topic_partition_list_new(kPartitions);
    for (int p = 0; p < kPartitions; ++p)
      rd_kafka_topic_partition_list_add(all, topic_.c_str(), p)->offset = 0;
    rd_kafka_assign(consumer, all);
    rd_kafka_topic_partition_list_destroy(all);
    std::vector<Record> records;
    for (int ended = 0; ended < kPartitions;) {
      rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
      if (!message) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        ++ended;
      else if (!message->err)
        records.push_back({std::string(static_cast<const char*>(message->key), message->key_len),
                           std::string(static_cast<const char*>(message->payload), message->len)});
      rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return records;
  }

 private:
  void create_topic() {
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(topic_.c_str(), kPartitions, -1, nullptr, 0);
    rd_kafka_queue_t* queue = rd_kafka_queue_new(handle_);
    rd_kafka_CreateTopics(handle_, &topic, 1, nullptr, queue);
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
    EXPECT_TRUE(event && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR);
    if (event) rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
  }

  std::string servers_, topic_ = "tweets";
  rd_kafka_t* handle_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

class SourceTest : public testing::Test {
 protected:
  void serve_x(replay::CorpusOptions corpus, replay::ReplayOptions options, replay::ApiOptions api = {}) {
    options.start_ms = 1'795'000'000'000;
    limit_ = options.limit;
    corpus_.emplace(Corpus::make(corpus).value());
    corpus_->start_at(*options.start_ms);
    replay_ = std::make_unique<replay::Replay>(*corpus_, options);
    api.token = "secret";
    server_ = std::make_unique<http::Server>(replay::make_api(*replay_, api));
    port_ = server_->listen_tcp("127.0.0.1", 0).value();
    server_->start();
  }
  void start(SourceOptions options = {}) {
    for (const auto& movie : replay::real_options().movies)
      options.movies.push_back({movie.slug, movie.title, movie.query});
    options.kafka.servers = kafka_.servers();
    options.kafka.topic = kafka_.topic();
    options.kafka.more["reconnect.backoff.max.ms"] = "100";
    options.search_lag = 0ms;
    options.backoff_scale = 0.002;
    const std::string token_file = testing::TempDir() + "tweet-source-token-" + std::to_string(port_);
    std::ofstream(token_file) << "secret\n";
    auto x = XClient::make("http://127.0.0.1:" + std::to_string(port_), token_file).value();
    producer_ = Producer::open(options.kafka, [this](const std::string& cause) {
                  ++fatal_;
                  ADD_FAILURE() << cause;
                }).value();
    source_ = std::make_unique<Source>(std::move(options), std::move(x), *producer_);
    source_->start();
  }
  void stop() {
    source_->stop();
    EXPECT_EQ(producer_->flush(20s), 0);
    source_.reset();
    producer_.reset();
  }
  ~SourceTest() override {
    if (source_) source_->stop();
    if (server_) server_->stop();
  }
  void wait_for_everything() {
    EXPECT_TRUE(eventually([&] { return replay_->state().published >= limit_; }));
    EXPECT_TRUE(eventually([&] { return source_->health().searches_open == 0; }));
    // The stream is drained when a search for it all would bring nothing new, that is when the last post is
    // there.
    EXPECT_TRUE(eventually([&] { return ids_in_kafka().size() >= ids_in_corpus().size(); }, 20s));
  }
  std::set<std::string> ids_in_kafka() {
    std::set<std::string> ids;
    for (const Record& record : kafka_.read())
      if (record.key != "malformed") ids.insert(record.key);
    return ids;
  }
  std::set<std::string> ids_in_corpus() {
    std::set<std::string> ids;
    for (std::uint64_t position = 0; position < limit_; ++position)
      if (corpus_->kind(position) == Corpus::Kind::kFresh) ids.insert(std::to_string(corpus_->id(position)));
    return ids;
  }

  TestKafka kafka_;
  std::optional<Corpus> corpus_;
  std::uint64_t limit_ = 0;
  std::unique_ptr<replay::Replay> replay_;
  std::unique_ptr<http::Server> server_;
  std::uint16_t port_ = 0;
  std::atomic<int> fatal_ = 0;
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<Source> source_;
};

replay::CorpusOptions at_rate(double rate) {
  auto options = replay::real_options();
  options.rate = rate;
  options.malformed = 0.02;
  return options;
}

TEST_F(SourceTest, EveryLineOfTheStreamReachesKafkaOnce) {
  serve_x(at_rate(3000), {.limit = 2000});
  start();
  wait_for_everything();
  EXPECT_TRUE(eventually([&] { return source_->metrics().lines == 2000; }));
  stop();
  const auto truth = js::parse(replay::truth_of(*corpus_, 2000).value()).as_object();
  std::map<std::string, int> keys;
  int records = 0;
  for (const Record& record : kafka_.read()) {
    ++keys[record.key];
    if (record.key == "malformed") continue;
    ++records;
    const auto value = js::parse(record.value).as_object();
    const std::string movie(value.at("movie").as_string());
    const auto& post = truth.at("posts").at(movie + "/" + record.key).as_object();
    for (const char* field : {"id", "movie", "text", "created_ms", "user", "followers", "place"})
      EXPECT_EQ(value.at(field), post.at(field)) << field;
    EXPECT_EQ(value.at("lang"), "en");
  }
  EXPECT_EQ(keys["malformed"], truth.at("malformed").as_int64());
  EXPECT_EQ(records, truth.at("tweets").as_int64() + truth.at("duplicates").as_int64());
  EXPECT_EQ(static_cast<std::int64_t>(keys.size()) - 1, truth.at("tweets").as_int64());
}

TEST_F(SourceTest, HistoryIsReadBySearchPageByPage) {
  auto corpus = at_rate(1000);
  corpus.history = 1500;
  serve_x(corpus, {.limit = 2000});
  start({.search_since = "all"});
  wait_for_everything();
  EXPECT_EQ(ids_in_kafka(), ids_in_corpus());
  EXPECT_GE(source_->metrics().search_pages.load(), 15U);
}

TEST_F(SourceTest, NothingIsMissedWhenTheStreamDropsAgainAndAgain) {
  serve_x(at_rate(1000), {.limit = 4000});
  start();
  for (unsigned i = 0; i < 5; ++i) {
    EXPECT_TRUE(
        eventually([&] { return replay_->state().published > 600 * (i + 1) && replay_->streams() == 1; }));
    const auto connects = source_->metrics().connects.load();
    replay_->disconnect(i % 2 == 0);
    EXPECT_TRUE(eventually([&] { return source_->metrics().connects > connects; }));
  }
  wait_for_everything();
  EXPECT_EQ(ids_in_kafka(), ids_in_corpus());
  EXPECT_GE(source_->metrics().connects.load(), 6U);
}

TEST_F(SourceTest, ReadingPausesWhileKafkaIsAwayAndNothingIsLost) {
  if (kafka_.is_real()) GTEST_SKIP() << "takes brokers down";
  serve_x(at_rate(2000), {.limit = 5000});
  SourceOptions options;
  options.kafka.max_queued = 200;
  start(options);
  EXPECT_TRUE(eventually([&] { return producer_->acknowledged() > 500; }));
  kafka_.set_down(true);
  EXPECT_TRUE(eventually([&] { return replay_->state().published >= limit_; }));
  EXPECT_LE(producer_->queued(), 210);
  EXPECT_LT(source_->metrics().records, 5000U);
  EXPECT_FALSE(source_->health().kafka);
  EXPECT_TRUE(source_->health().was_ready);
  kafka_.set_down(false);
  wait_for_everything();
  EXPECT_EQ(ids_in_kafka(), ids_in_corpus());
}

TEST_F(SourceTest, ARestartGoesOnWhereTheTopicEnds) {
  serve_x(at_rate(1000), {.limit = 3000});
  start();
  EXPECT_TRUE(eventually([&] { return replay_->state().published > 1000; }));
  stop();
  EXPECT_TRUE(eventually([&] { return replay_->state().published > 1500; }));
  start();
  wait_for_everything();
  EXPECT_EQ(ids_in_kafka(), ids_in_corpus());
}

TEST_F(SourceTest, RulesAreMadeThoseOfTheMovies) {
  serve_x(at_rate(100), {.limit = 10});
  const auto rule = [](const char* id, const char* value, const char* tag) {
    return replay::StreamRule{
        .id = id, .value = value, .tag = tag, .rule = replay::Rule::parse(value).value()};
  };
  replay_->set_rules({rule("1", "\"Silver Tide\"", "other-tag"), rule("2", "unwanted", "x"),
                      rule("3", "\"Great Northern\"", "great-northern")});
  start();
  EXPECT_TRUE(eventually([&] { return source_->health().x; }));
  std::map<std::string, std::string> rules;
  for (const auto& present : replay_->rules()) rules[present.tag] = present.value;
  EXPECT_EQ(rules.size(), 5U);
  EXPECT_EQ(rules["silver-tide"], "\"Silver Tide\"");
  EXPECT_EQ(replay_->rules()[0].id, "3");  // kept, not made anew
}

TEST_F(SourceTest, FailedConnectsAreTriedAgain) {
  serve_x(at_rate(1000), {.limit = 500});
  ASSERT_EQ(http::Client::to("http://127.0.0.1:" + std::to_string(port_))
                ->request("POST", "/replay/fail?status=503&times=3", {{"Authorization", "Bearer secret"}})
                ->status,
            200);
  start();
  wait_for_everything();
  EXPECT_EQ(source_->metrics().failed_connects.load(), 3U);
  EXPECT_EQ(ids_in_kafka(), ids_in_corpus());
}

TEST_F(SourceTest, ASilentStreamIsTakenForDead) {
  serve_x(at_rate(1000), {.begin = replay::ReplayOptions::Begin::kOnRequest}, {.keep_alive = 1h});
  start({.dead_after = 100ms});
  EXPECT_TRUE(eventually([&] { return source_->metrics().connects >= 3; }));
}

TEST_F(SourceTest, ASearchWaitsForTheRateLimitToEnd) {
  auto corpus = at_rate(1000);
  corpus.history = 1500;
  serve_x(corpus, {.limit = 1600}, {.search_limit = 6, .window = 1s});
  start({.search_since = "all"});
  wait_for_everything();
  EXPECT_EQ(ids_in_kafka(), ids_in_corpus());
}

TEST_F(SourceTest, GapsDoNotPileUpWhileSearchesAreRefused) {
  serve_x(at_rate(1000), {.limit = 3000}, {.search_limit = 1, .stream_limit = 0, .window = 1h});
  start({.search_since = "all"});
  for (unsigned drop = 0; drop < 10; ++drop) {
    EXPECT_TRUE(eventually([&] { return source_->metrics().connects == drop + 1; }));
    replay_->disconnect(true);
  }
  EXPECT_TRUE(eventually([&] { return source_->metrics().search_pages == 1; }));
  // For each of five movies one that is begun and one for all that was missed since.
  EXPECT_LE(source_->health().searches_open, 10U);
}

// An X whose search fails for one movie, and finds one post for each of the others.
// Its open streams are kept in `open`.
http::Router one_search_fails(const std::string& broken, std::vector<http::BodyStream>& open) {
  http::Router router;
  router.get("/2/tweets/search/stream/rules", [](const http::Request&, const http::Responder& responder) {
    responder.respond(http::Response::json(200, R"({"meta":{}})"));
  });
  router.add("POST", "/2/tweets/search/stream/rules",
             [](const http::Request&, const http::Responder& responder) {
               responder.respond(http::Response::json(201, R"({"meta":{}})"));
             });
  router.get("/2/tweets/search/stream", [&open](const http::Request&, const http::Responder& responder) {
    open.push_back(responder.stream({.heartbeat = "\r\n"}));
  });
  router.get("/2/tweets/search/recent",
             [broken](const http::Request& request, const http::Responder& responder) {
               const std::string query = request.query.get("query");
               if (query.find(broken) != std::string::npos)
                 responder.respond(http::Response::json(503, "{}"));
               else
                 responder.respond(http::Response::json(
                     200, R"({"meta":{"result_count":1},"data":[{"id":")" + std::to_string(query.size()) +
                              R"(","text":"t","created_at":"2026-11-20T12:00:00Z"}]})"));
             });
  return router;
}

TEST_F(SourceTest, AMovieWhoseSearchFailsHoldsUpNoOther) {
  std::vector<http::BodyStream> open;
  server_ = std::make_unique<http::Server>(one_search_fails("Silver Tide", open));
  port_ = server_->listen_tcp("127.0.0.1", 0).value();
  server_->start();
  start({.search_since = "all"});
  EXPECT_TRUE(eventually([&] { return source_->metrics().failed_searches > 3; }));
  EXPECT_TRUE(eventually([&] { return source_->metrics().search_pages == 4; }));
  EXPECT_EQ(source_->health().searches_open, 1U);
  source_.reset();
  server_.reset();  // it uses `open`
}

TEST_F(SourceTest, HealthNamesTheCauseWhileXRefuses) {
  serve_x(at_rate(1000), {.limit = 10});
  server_->stop();
  start();
  EXPECT_TRUE(eventually([&] { return source_->metrics().failed_connects > 2; }));
  EXPECT_FALSE(source_->health().was_ready);
  EXPECT_NE(source_->health().x_cause.find("connect"), std::string::npos) << source_->health().x_cause;
}

}  // namespace
}  // namespace headrace::source
