// Events for watchers: a bounded ring with ids, so that a watcher who comes back after a short break misses
// none, and one who is too slow costs only itself.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace headrace::server {

struct HubEvent {
  std::uint64_t id = 0;
  enum class Source { kProcess, kEnvironment } source = Source::kProcess;
  std::string type;
  std::string subject;    // app id or environment name
  std::string operation;  // of environment events
  std::string json;
};

class EventHub {
 public:
  using Watcher = std::function<void(const HubEvent&)>;  // must not block

  explicit EventHub(std::size_t kept = 4096) : kept_(kept) {}
  // Numbers the event, keeps it and calls every watcher in the caller's thread.
  void publish(HubEvent event);
  // Replays what is kept after `after` (0: nothing), then gives what comes. Returns a handle for unwatch.
  std::uint64_t watch(std::uint64_t after, Watcher watcher);
  void unwatch(std::uint64_t handle);

 private:
  mutable std::mutex mutex_;
  std::size_t kept_;
  std::uint64_t next_id_ = 1, next_handle_ = 1;
  std::deque<HubEvent> ring_;
  std::map<std::uint64_t, Watcher> watchers_;
};

}  // namespace headrace::server
