// Time, behind an interface: only the server's pump reads it, managers get it with every event.
#pragma once

#include "base/time.h"

namespace headrace {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now now() const = 0;
};

// The machine's clocks. The monotonic one goes on while the machine sleeps (CLOCK_BOOTTIME), so that a laptop
// that was closed does not stretch deadlines.
class SystemClock : public Clock {
 public:
  Now now() const override;
};

}  // namespace headrace
