#include "kafka.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <thread>

namespace headrace::probe {

namespace {
constexpr int kMetadata = 3, kCreateTopics = 19, kCreatePartitions = 37, kAlterConfigs = 44,
              kDescribeCluster = 60;
constexpr int kUnknownTopic = 3, kTopicExists = 36, kInvalidReplication = 38, kNotController = 41,
              kRequestTimedOut = 7;
constexpr int kTopicResource = 2, kSet = 0;
constexpr int kServerMillis = 5000;
constexpr auto kPause = std::chrono::milliseconds(200);

std::vector<int> integers(Reader& reader) {
  std::vector<int> values(static_cast<size_t>(reader.count()));
  for (int& value : values) value = reader.i32();
  return values;
}

std::string said(const Kafka::Verdict& verdict) {
  return "error " + std::to_string(verdict.code) +
         (verdict.message.empty() ? "" : " (" + verdict.message + ")");
}
}  // namespace

Outcome<TopicWish> parse_topic(std::string_view text, int default_replication) {
  TopicWish wish{.replication = default_replication};
  auto number = [&](std::string_view word, int& value) {
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    return error == std::errc() && end == word.data() + word.size() && value > 0;
  };
  auto wrong = [&] {
    return trouble("topic \"" + std::string(text) +
                   "\": expected NAME:PARTITIONS[:REPLICATION][:key=value]…");
  };
  std::string_view rest = text;
  for (int place = 0; !rest.empty(); ++place) {
    size_t colon = std::min(rest.find(':'), rest.size());
    std::string_view word = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    size_t equals = word.find('=');
    if (place == 0) {
      wish.name = word;
    } else if (place > 1 && equals != std::string_view::npos) {
      wish.config[std::string(word.substr(0, equals))] = word.substr(equals + 1);
    } else if (place > 2 || !number(word, place == 1 ? wish.partitions : wish.replication)) {
      return wrong();
    }
  }
  if (wish.name.empty() || wish.name.find('=') != std::string::npos) return wrong();
  if (wish.replication < 1)
    return trouble("topic \"" + wish.name + "\": no replication given, neither here nor in REPLICATION");
  return wish;
}

Outcome<Kafka> Kafka::open(const Server& server, Deadline deadline) {
  GET(Connection connection, Connection::open(server, deadline));
  return Kafka(std::move(connection));
}

Outcome<Reader> Kafka::call(int api, int version, const Writer& body, bool flexible) {
  Writer request;
  request.i16(api).i16(version).i32(++correlation_).string("headrace-probe");
  if (flexible) request.i8(0);  // no tagged fields
  request.raw(body.bytes());
  DO(connection_.send(Writer().long_string(request.bytes()).bytes()));
  GET(std::string head, connection_.read(4));
  int32_t size = Reader(head).i32();
  if (size < 4 || size > 64 << 20)
    return trouble(connection_.server().text() + ": does not speak Kafka's protocol");
  GET(std::string answer, connection_.read(static_cast<size_t>(size)));
  Reader reader(std::move(answer));
  if (reader.i32() != correlation_)
    return trouble(connection_.server().text() + ": answered another request");
  if (flexible) reader.varint();
  return reader;
}

Outcome<KafkaMetadata> Kafka::metadata() {
  GET(Reader reader, call(kMetadata, 4, Writer().i32(-1).i8(0)));
  KafkaMetadata found;
  reader.i32();  // throttle
  for (int left = reader.count(); left > 0; --left) {
    found.brokers.push_back(reader.i32());
    reader.string();  // host
    reader.i32();     // port
    reader.string();  // rack
  }
  reader.string();  // cluster id
  found.controller = reader.i32();
  for (int left = reader.count(); left > 0; --left) {
    KafkaMetadata::Topic topic{.error = reader.i16(), .name = reader.string()};
    reader.i8();  // internal
    for (int parts = reader.count(); parts > 0; --parts) {
      KafkaPartition partition{.error = reader.i16()};
      reader.i32();  // index
      partition.leader = reader.i32();
      partition.replicas = integers(reader);
      partition.in_sync = integers(reader);
      topic.partitions.push_back(std::move(partition));
    }
    found.topics.push_back(std::move(topic));
  }
  if (!reader.ok()) return trouble(connection_.server().text() + ": its metadata answer is cut short");
  return found;
}

Outcome<int> Kafka::quorum_leader() {
  constexpr int kControllers = 2;
  GET(Reader reader, call(kDescribeCluster, 1, Writer().i8(0).i8(kControllers).i8(0), true));
  reader.i32();  // throttle
  int error = reader.i16();
  std::string message = reader.compact();
  reader.i8();       // kind of endpoint
  reader.compact();  // cluster id
  int leader = reader.i32();
  if (error != 0)
    return trouble(connection_.server().text() + ": error " + std::to_string(error) + " " + message);
  if (!reader.ok()) return trouble(connection_.server().text() + ": its answer is cut short");
  return leader;
}

Outcome<Kafka::Verdict> Kafka::create_topic(const TopicWish& wish) {
  Writer body;
  body.i32(1).string(wish.name).i32(wish.partitions).i16(wish.replication).i32(0);
  body.i32(static_cast<int64_t>(wish.config.size()));
  for (const auto& [key, value] : wish.config) body.string(key).string(value);
  GET(Reader reader, call(kCreateTopics, 4, body.i32(kServerMillis).i8(0)));
  reader.i32();  // throttle
  reader.count();
  reader.string();  // name
  int code = reader.i16();
  return Verdict{code, reader.string()};
}

Outcome<Kafka::Verdict> Kafka::set_partitions(const std::string& topic, int partitions) {
  GET(Reader reader, call(kCreatePartitions, 1,
                          Writer().i32(1).string(topic).i32(partitions).i32(-1).i32(kServerMillis).i8(0)));
  reader.i32();  // throttle
  reader.count();
  reader.string();  // name
  int code = reader.i16();
  return Verdict{code, reader.string()};
}

Outcome<Kafka::Verdict> Kafka::set_config(const std::string& topic,
                                          const std::map<std::string, std::string>& config) {
  Writer body;
  body.i32(1).i8(kTopicResource).string(topic).i32(static_cast<int64_t>(config.size()));
  for (const auto& [key, value] : config) body.string(key).i8(kSet).string(value);
  GET(Reader reader, call(kAlterConfigs, 0, body.i8(0)));
  reader.i32();  // throttle
  reader.count();
  int code = reader.i16();
  return Verdict{code, reader.string()};
}

Outcome<void> check_broker(const Server& server, int node, Deadline deadline) {
  GET(Kafka kafka, Kafka::open(server, deadline));
  GET(KafkaMetadata metadata, kafka.metadata());
  if (metadata.controller < 0) return trouble("broker " + std::to_string(node) + " knows no controller yet");
  if (std::ranges::find(metadata.brokers, node) == metadata.brokers.end()) {
    return trouble("broker " + std::to_string(node) + " answers, but is not registered or still fenced");
  }
  return {};
}

Outcome<void> check_controller(const Server& server, Deadline deadline) {
  GET(Kafka kafka, Kafka::open(server, deadline));
  GET(int leader, kafka.quorum_leader());
  if (leader < 0) return trouble("the controller answers, but its quorum has no leader yet");
  return {};
}

namespace {

// The first server that answers; servers are tried in turn.
Outcome<Kafka> open_any(const std::vector<Server>& servers, Deadline deadline) {
  std::string reasons;
  for (const Server& server : servers) {
    auto kafka =
        Kafka::open(server, std::min(deadline, std::chrono::steady_clock::now() + std::chrono::seconds(5)));
    if (kafka) return kafka;
    reasons += (reasons.empty() ? "" : "; ") + kafka.error();
  }
  return trouble(reasons);
}

const KafkaMetadata::Topic* find_topic(const KafkaMetadata& metadata, const std::string& name) {
  auto found = std::ranges::find(metadata.topics, name, &KafkaMetadata::Topic::name);
  return found == metadata.topics.end() ? nullptr : &*found;
}

// Whether to ask again soon: the cluster is still gathering.
bool passes_by_itself(int code) {
  return code == kInvalidReplication || code == kNotController || code == kRequestTimedOut ||
         code == kUnknownTopic;
}

// One try at one topic: the JSON of its result; or an error. An error counts as "ask again" unless `fatal` is
// set.
Outcome<std::string> settle_topic(const std::vector<Server>& servers, const TopicWish& wish,
                                  Deadline deadline, bool& created, bool& fatal) {
  GET(Kafka kafka, open_any(servers, deadline));
  kafka.connection().deadline = deadline;
  GET(KafkaMetadata metadata, kafka.metadata());
  auto refused = [&](const Kafka::Verdict& verdict) {
    fatal = !passes_by_itself(verdict.code);
    return trouble("topic " + wish.name + ": " + said(verdict));
  };
  const auto* topic = find_topic(metadata, wish.name);
  if (topic == nullptr) {
    GET(auto verdict, kafka.create_topic(wish));
    if (verdict.code != 0 && verdict.code != kTopicExists) return refused(verdict);
    created |= verdict.code == 0;
    return trouble("topic " + wish.name + " is being created");
  }
  int partitions = static_cast<int>(topic->partitions.size());
  if (partitions < wish.partitions) {
    GET(auto verdict, kafka.set_partitions(wish.name, wish.partitions));
    if (verdict.code != 0) return refused(verdict);
    return trouble("topic " + wish.name + " grows to " + std::to_string(wish.partitions) + " partitions");
  }
  if (!std::ranges::all_of(topic->partitions,
                           [](const auto& each) { return each.error == 0 && each.leader >= 0; })) {
    return trouble("topic " + wish.name + " has partitions without a leader");
  }
  if (!created && !wish.config.empty()) {
    GET(auto verdict, kafka.set_config(wish.name, wish.config));
    if (verdict.code != 0) return refused(verdict);
  }
  return json_string(wish.name) + ":{\"partitions\":" + std::to_string(partitions) + ",\"replication\":" +
         std::to_string(topic->partitions.empty() ? 0 : topic->partitions[0].replicas.size()) +
         ",\"created\":" + (created ? "true" : "false") + "}";
}

}  // namespace

Outcome<void> check_replicated(const std::vector<Server>& servers, Deadline deadline) {
  GET(Kafka kafka, open_any(servers, deadline));
  GET(KafkaMetadata metadata, kafka.metadata());
  for (const auto& topic : metadata.topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.leader < 0) return trouble("topic " + topic.name + " has a partition without a leader");
      if (partition.in_sync.size() < partition.replicas.size()) {
        return trouble("topic " + topic.name + " has a partition with " +
                       std::to_string(partition.in_sync.size()) + " of " +
                       std::to_string(partition.replicas.size()) + " replicas in sync");
      }
    }
  }
  return {};
}

Outcome<std::string> create_topics(const std::vector<Server>& servers, const std::vector<TopicWish>& wishes,
                                   Deadline deadline) {
  std::string result;
  for (const TopicWish& wish : wishes) {
    bool created = false, fatal = false;
    for (std::string shown;;) {
      auto settled = settle_topic(servers, wish, deadline, created, fatal);
      if (settled) {
        result += (result.empty() ? "" : ",") + *settled;
        break;
      }
      if (fatal) return settled;
      if (std::chrono::steady_clock::now() + kPause > deadline)
        return trouble("time is over: " + settled.error());
      if (shown != settled.error())
        std::fprintf(stderr, "create-topics: %s\n", (shown = settled.error()).c_str());
      std::this_thread::sleep_for(kPause);
    }
  }
  return "{\"topics\":{" + result + "}}";
}

}  // namespace headrace::probe
