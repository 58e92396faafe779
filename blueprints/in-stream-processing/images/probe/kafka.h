// A Kafka client for readiness, gates and topics: Metadata, DescribeCluster, CreateTopics, CreatePartitions
// and IncrementalAlterConfigs of Kafka's protocol, in the oldest forms that Kafka 4 accepts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "wire.h"

namespace headrace::probe {

struct KafkaPartition {
  int error = 0;
  int leader = -1;
  std::vector<int> replicas;
  std::vector<int> in_sync;
};

struct KafkaMetadata {
  std::vector<int> brokers;  // ids of those that are registered and not fenced
  int controller = -1;       // -1: the broker knows no live controller
  struct Topic {
    int error = 0;
    std::string name;
    std::vector<KafkaPartition> partitions;
  };
  std::vector<Topic> topics;
};

struct TopicWish {
  std::string name;
  int partitions = 1;
  int replication = 1;
  std::map<std::string, std::string> config;
};

// "tweets:6:3:retention.ms=1000:cleanup.policy=delete"; replication may be left out where a default is given.
Outcome<TopicWish> parse_topic(std::string_view text, int default_replication);

class Kafka {
 public:
  static Outcome<Kafka> open(const Server& server, Deadline deadline);
  Outcome<KafkaMetadata> metadata();  // of the whole cluster
  // The id of the controller that leads the quorum, as the controller on the other end knows it; -1: none.
  Outcome<int> quorum_leader();
  // Kafka's error code (0: done) with its sentence.
  struct Verdict {
    int code = 0;
    std::string message;
  };
  Outcome<Verdict> create_topic(const TopicWish& wish);
  Outcome<Verdict> set_partitions(const std::string& topic, int partitions);
  Outcome<Verdict> set_config(const std::string& topic, const std::map<std::string, std::string>& config);
  Connection& connection() { return connection_; }

 private:
  explicit Kafka(Connection connection) : connection_(std::move(connection)) {}
  Outcome<Reader> call(int api, int version, const Writer& body, bool flexible = false);
  Connection connection_;
  int correlation_ = 0;
};

// The three checks. Each error says what is missing.
Outcome<void> check_broker(const Server& server, int node, Deadline deadline);
Outcome<void> check_controller(const Server& server, Deadline deadline);
Outcome<void> check_replicated(const std::vector<Server>& servers, Deadline deadline);

// Makes every topic exist with at least the wished partitions and exactly the wished settings, and waits
// until each partition has a leader. Asks again until the deadline while brokers are too few or cannot be
// reached. Gives the JSON of a step's result.
Outcome<std::string> create_topics(const std::vector<Server>& servers, const std::vector<TopicWish>& wishes,
                                   Deadline deadline);

}  // namespace headrace::probe
