// How long failing tasks wait for their next start.
#pragma once

#include <optional>

#include "process/app.h"

namespace headrace::process {

// Marathon's launch delay, kept per version of a service and per slot. Starts are spaced by the delay,
// counted from the start of the task that failed: what ran longer than the delay is replaced at once, what
// fails at once waits the whole of it. A task that ran longer than the longest delay begins anew.
struct Delay {
  int failures = 0;
  std::optional<Monotonic> until;    // no start before
  std::optional<Monotonic> counted;  // when a failure last made the delay longer

  // A task asked for at `asked`, which ran for `ran` (zero: never), has failed now.
  void count_failure(const Backoff& backoff, Monotonic asked, Duration ran, Monotonic now);
  bool blocks(Monotonic now) const { return until && now < *until; }
  void reset() { *this = {}; }
};

// The wait after so many failures in a row (≥ 1).
Duration delay_after(const Backoff& backoff, int failures);

}  // namespace headrace::process
