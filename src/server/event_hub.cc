#include "server/event_hub.h"

#include <utility>

namespace headrace::server {

void EventHub::publish(HubEvent event) {
  const std::scoped_lock lock(mutex_);
  event.id = next_id_++;
  for (const auto& [handle, watcher] : watchers_) watcher(event);
  ring_.push_back(std::move(event));
  if (ring_.size() > kept_) ring_.pop_front();
}

std::uint64_t EventHub::watch(std::uint64_t after, Watcher watcher) {
  const std::scoped_lock lock(mutex_);
  if (after > 0) {
    for (const HubEvent& event : ring_) {
      if (event.id > after) watcher(event);
    }
  }
  watchers_.emplace(next_handle_, std::move(watcher));
  return next_handle_++;
}

void EventHub::unwatch(std::uint64_t handle) {
  const std::scoped_lock lock(mutex_);
  watchers_.erase(handle);
}

}  // namespace headrace::server
