// Virtual time: what is to happen, in order. Nothing in the simulated world waits, so an hour of it takes
// milliseconds; equal times run in the order in which they were planned.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/time.h"

namespace headrace::sim {

class EventQueue {
 public:
  using Action = std::function<void()>;

  Now now() const { return {time_, Wall(time_.time_since_epoch()) + wall_ahead_}; }
  Monotonic time() const { return time_; }

  void at(Monotonic when, Action action) {
    events_.emplace(std::pair(std::max(when, time_), next_++), std::move(action));
  }
  void after(Duration delay, Action action) { at(time_ + delay, std::move(action)); }
  // The calendar jumps; monotonic time does not.
  void jump_wall(Duration by) { wall_ahead_ += by; }

  // Runs the next event; false when there is none until `limit`, and time is there then.
  bool step(Monotonic limit) {
    if (events_.empty() || events_.begin()->first.first > limit) {
      time_ = std::max(time_, limit);
      return false;
    }
    auto event = events_.extract(events_.begin());
    time_ = event.key().first;
    event.mapped()();
    return true;
  }

 private:
  std::map<std::pair<Monotonic, std::uint64_t>, Action> events_;
  std::uint64_t next_ = 0;
  Monotonic time_{std::chrono::hours(1)};
  Duration wall_ahead_ = std::chrono::hours(24 * 365 * 56);
};

}  // namespace headrace::sim
