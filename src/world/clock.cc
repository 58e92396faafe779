#include "world/clock.h"

#include <ctime>

#include "base/result.h"

namespace headrace {
namespace {

Duration read(clockid_t clock) {
  timespec time{};
  CHECK(clock_gettime(clock, &time) == 0);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(time.tv_sec) +
                                              std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

Now SystemClock::now() const {
  return {.mono = Monotonic(read(CLOCK_BOOTTIME)), .wall = Wall(read(CLOCK_REALTIME))};
}

}  // namespace headrace
