#include "producer.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <vector>

#include "base/log.h"

namespace headrace::source {
namespace {

constexpr std::int64_t kTail = 500;  // records per partition that newest_id() looks at

using Settings = std::map<std::string, std::string>;

Result<rd_kafka_conf_t*> make_conf(const Settings& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char reason[512];
  for (const auto& [name, value] : settings)
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) != RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return fail(Code::kInvalid, fmt::format("Kafka setting {}: {}.", name, reason));
    }
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int level, const char*, const char* text) {
    if (level <= 3)
      log::warn("kafka: {}", text);
    else
      log::debug("kafka: {}", text);
  });
  return conf;
}

rd_kafka_t* as_kafka(void* handle) {
  return static_cast<rd_kafka_t*>(handle);
}

}  // namespace

struct Callbacks {
  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
    auto& producer = *static_cast<Producer*>(self);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++producer.acknowledged_;
      producer.connected_ = true;
    } else if (!producer.closing_) {
      producer.on_fatal_(fmt::format("a record was not delivered: {}", rd_kafka_err2str(message->err)));
    }
  }
  static void error(rd_kafka_t* kafka, int code, const char* reason, void* self) {
    auto& producer = *static_cast<Producer*>(self);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) producer.connected_ = false;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
      char text[512];
      rd_kafka_fatal_error(kafka, text, sizeof text);
      producer.on_fatal_(text);
    }
    log::warn("kafka: {}", reason);
  }
};

void Producer::Closed::operator()(void* handle) const {
  rd_kafka_destroy(static_cast<rd_kafka_t*>(handle));
}

Result<std::unique_ptr<Producer>> Producer::open(const KafkaOptions& options,
                                                 std::function<void(std::string)> on_fatal) {
  Settings settings = {{"bootstrap.servers", options.servers},
                       {"client.id", "tweet-source"},
                       {"enable.idempotence", "true"},
                       {"acks", "all"},
                       {"message.timeout.ms", "0"},  // keep trying for ever
                       {"queue.buffering.max.messages", std::to_string(options.max_queued)},
                       {"queue.buffering.max.kbytes", "32768"},
                       {"linger.ms", "5"},
                       {"compression.type", "lz4"},
                       {"partitioner", "murmur2_random"},  // as the Java clients place keys
                       {"reconnect.backoff.max.ms", "2000"},
                       {"topic.metadata.refresh.interval.ms", "30000"}};
  for (const auto& [name, value] : options.more) settings[name] = value;
  TRY(rd_kafka_conf_t * conf, make_conf(settings));
  std::unique_ptr<Producer> producer(new Producer);
  producer->topic_ = options.topic;
  producer->on_fatal_ = std::move(on_fatal);
  rd_kafka_conf_set_dr_msg_cb(conf, &Callbacks::delivered);
  rd_kafka_conf_set_error_cb(conf, &Callbacks::error);
  rd_kafka_conf_set_opaque(conf, producer.get());
  char reason[512];
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  if (!handle) {
    rd_kafka_conf_destroy(conf);
    return fail(Code::kInvalid, fmt::format("Kafka: {}.", reason));
  }
  producer->handle_.reset(handle);
  producer->thread_ = std::thread([p = producer.get()] { p->serve(); });
  return producer;
}

Producer::~Producer() {
  stopping_ = closing_ = true;
  if (thread_.joinable()) thread_.join();
  if (handle_) rd_kafka_purge(as_kafka(handle_.get()), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

void Producer::serve() {
  using std::chrono::steady_clock;
  auto next_look = steady_clock::now();
  while (!closing_) {
    rd_kafka_poll(as_kafka(handle_.get()), 100);
    if (connected_ || steady_clock::now() < next_look) continue;
    look_for_topic();
    next_look = steady_clock::now() + std::chrono::milliseconds(500);
  }
}

// Connected means that the topic has a leader for every partition.
void Producer::look_for_topic() {
  rd_kafka_topic_t* topic = rd_kafka_topic_new(as_kafka(handle_.get()), topic_.c_str(), nullptr);
  const rd_kafka_metadata_t* found = nullptr;
  if (rd_kafka_metadata(as_kafka(handle_.get()), 0, topic, &found, 1000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const rd_kafka_metadata_topic_t& metadata = found->topics[0];
    bool led = metadata.err == RD_KAFKA_RESP_ERR_NO_ERROR && metadata.partition_cnt > 0;
    for (int i = 0; led && i < metadata.partition_cnt; ++i) led = metadata.partitions[i].leader >= 0;
    connected_ = led;
    rd_kafka_metadata_destroy(found);
  }
  rd_kafka_topic_destroy(topic);
}

bool Producer::put(const Record& record) {
  while (true) {
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        as_kafka(handle_.get()), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(record.key.data(), record.key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(record.value.data()), record.value.size()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
      // Only a malformed line can be that long: its beginning is malformed too.
      return put({record.key, record.value.substr(0, 1000)});
    }
    if (stopping_) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

int Producer::flush(std::chrono::milliseconds longest) {
  rd_kafka_flush(as_kafka(handle_.get()), static_cast<int>(longest.count()));
  return queued();
}

int Producer::queued() const {
  return rd_kafka_outq_len(as_kafka(handle_.get()));
}

Result<std::uint64_t> newest_id(const KafkaOptions& options, std::chrono::milliseconds longest) {
  Settings settings = {{"bootstrap.servers", options.servers},
                       {"client.id", "tweet-source"},
                       {"group.id", "tweet-source"},  // required by name only: nothing is committed
                       {"enable.auto.commit", "false"},
                       {"enable.partition.eof", "true"}};
  for (const auto& [name, value] : options.more) settings[name] = value;
  TRY(rd_kafka_conf_t * conf, make_conf(settings));
  char reason[512];
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
  if (!handle) {
    rd_kafka_conf_destroy(conf);
    return fail(Code::kInvalid, fmt::format("Kafka: {}.", reason));
  }
  const std::unique_ptr<void, void (*)(void*)> owner(
      handle, [](void* k) { rd_kafka_destroy(static_cast<rd_kafka_t*>(k)); });
  rd_kafka_poll_set_consumer(handle);
  const int wait = static_cast<int>(longest.count());
  const auto give_up = std::chrono::steady_clock::now() + longest;

  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle, options.topic.c_str(), nullptr);
  const rd_kafka_metadata_t* found = nullptr;
  const auto error = rd_kafka_metadata(handle, 0, topic, &found, wait);
  rd_kafka_topic_destroy(topic);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return fail(Code::kUnavailable,
                fmt::format("Kafka does not tell its topics: {}.", rd_kafka_err2str(error)));
  std::vector<int> partitions;
  for (int i = 0; i < found->topics[0].partition_cnt; ++i)
    partitions.push_back(found->topics[0].partitions[i].id);
  rd_kafka_metadata_destroy(found);

  std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)> tails(
      rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())),
      &rd_kafka_topic_partition_list_destroy);
  for (const int partition : partitions) {
    std::int64_t low = 0, high = 0;
    const auto asked =
        rd_kafka_query_watermark_offsets(handle, options.topic.c_str(), partition, &low, &high, wait);
    if (asked != RD_KAFKA_RESP_ERR_NO_ERROR)
      return fail(Code::kUnavailable, fmt::format("Kafka does not tell the end of {}-{}: {}.", options.topic,
                                                  partition, rd_kafka_err2str(asked)));
    if (high > low)
      rd_kafka_topic_partition_list_add(tails.get(), options.topic.c_str(), partition)->offset =
          std::max(low, high - kTail);
  }
  std::uint64_t newest = 0;
  if (tails->cnt == 0) return newest;
  rd_kafka_assign(handle, tails.get());
  for (int ended = 0; ended < tails->cnt;) {
    if (std::chrono::steady_clock::now() > give_up)
      return fail(Code::kTimeout, "Kafka does not give the last records in time.");
    rd_kafka_message_t* message = rd_kafka_consumer_poll(handle, 100);
    if (!message) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ++ended;
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      boost::system::error_code ec;
      const auto value = boost::json::parse({static_cast<const char*>(message->payload), message->len}, ec);
      const auto* object = ec ? nullptr : value.if_object();
      const auto* id = object ? object->if_contains("id") : nullptr;
      if (id && id->is_string()) {
        std::uint64_t number = 0;
        const auto& text = id->get_string();
        std::from_chars(text.data(), text.data() + text.size(), number);
        newest = std::max(newest, number);
      }
    }
    rd_kafka_message_destroy(message);
  }
  return newest;
}

}  // namespace headrace::source
