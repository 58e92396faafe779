// The way into Kafka: idempotent, acks=all, and never giving up on a record. Its queue is bounded: put()
// waits while it is full, which stops the reading of X. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "x_post.h"

namespace headrace::source {

struct KafkaOptions {
  std::string servers;
  std::string topic = "tweets";
  int max_queued = 50'000;                  // records; 32 MiB of text is the other bound
  std::map<std::string, std::string> more;  // further settings of librdkafka, for tests
};

class Producer {
 public:
  // kInvalid when librdkafka refuses the settings. on_fatal: the producer can go on no more (its identity is
  // lost); what it held must be read from X again. Called from its own thread.
  static Result<std::unique_ptr<Producer>> open(const KafkaOptions& options,
                                                std::function<void(std::string)> on_fatal);
  ~Producer();

  // Waits while the queue is full. False: stop() was called meanwhile and the record is not in the queue.
  bool put(const Record& record);
  // Ends waiting in put().
  void stop() { stopping_ = true; }
  // Records that are still not acknowledged after that time: 0 is success.
  int flush(std::chrono::milliseconds longest);

  bool is_connected() const { return connected_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  int queued() const;

 private:
  struct Closed {
    void operator()(void* handle) const;
  };
  Producer() = default;
  void serve();
  void look_for_topic();

  std::string topic_;
  std::unique_ptr<void, Closed> handle_;  // rd_kafka_t
  std::function<void(std::string)> on_fatal_;
  std::atomic<bool> stopping_ = false, closing_ = false, connected_ = false;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::thread thread_;

  friend struct Callbacks;
};

// The newest post id among the last records of each partition: where an earlier run got to. 0 for a topic
// without records.
Result<std::uint64_t> newest_id(const KafkaOptions& options, std::chrono::milliseconds longest);

}  // namespace headrace::source
