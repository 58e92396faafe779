// Time as managers see it: passed in with every event, never read.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace headrace {

using Duration = std::chrono::milliseconds;
using namespace std::chrono_literals;

// Time since an arbitrary start; never goes back. Deadlines and intervals use it while running.
struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
  static constexpr bool is_steady = true;
};
using Monotonic = MonotonicClock::time_point;

// Calendar time, UTC; may jump. Only shown and stored, never compared for deadlines.
using Wall = std::chrono::sys_time<Duration>;

// The moment of an event, as its sender read it.
struct Now {
  Monotonic mono;
  Wall wall;
};

// "2026-11-23T09:04:05.123Z"
std::string to_rfc3339(Wall time);
Result<Wall> parse_rfc3339(std::string_view text);
// "2h", "90s", "1m30s", "250ms" and back ("1m30s").
Result<Duration> parse_duration(std::string_view text);
std::string to_text(Duration duration);

}  // namespace headrace
