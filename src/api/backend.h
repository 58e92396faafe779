// What the API's edge works with: everything it may read or ask, gathered by the server's wiring.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "base/result.h"
#include "cluster/task_access.h"
#include "server/event_hub.h"
#include "server/pump.h"
#include "server/vault.h"

namespace headrace::api {

struct ServerFacts {
  std::string id;
  std::string version;
  std::string cluster;  // "local"
  std::string address;  // "host:port" of TCP, or empty
  Wall started;
};

// Threads that read logs for callers: at most 64, and all gone before what they read from goes.
class LogReaders {
 public:
  bool enter() {
    const std::scoped_lock lock(mutex_);
    return count_ < 64 && ++count_ > 0;
  }
  void leave() {
    const std::scoped_lock lock(mutex_);
    --count_;
    left_.notify_all();
  }
  void wait_until_none() {
    std::unique_lock lock(mutex_);
    left_.wait(lock, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  int count_ = 0;
};

struct Backend {
  server::Pump& pump;
  server::EventHub& events;
  server::Vault& vault;
  cluster::TaskAccess& tasks;
  const Clock& clock;
  Entropy& entropy;
  ServerFacts facts;
  // An image name's id where tasks run, or kNotFound with a remedy. May block: not on the pump's thread.
  std::function<Result<std::string>(const std::string& name)> resolve_image;
  // kUnsupported where the cluster has no such notion.
  std::function<Status(const cluster::AgentId&, bool plugged)> plug_agent;
  std::function<std::string()> metrics;  // Prometheus text
  LogReaders log_readers = {};
};

}  // namespace headrace::api
