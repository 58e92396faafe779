#include "process/backoff.h"

#include <algorithm>
#include <cmath>

namespace headrace::process {

Duration delay_after(const Backoff& backoff, int failures) {
  const double wanted =
      static_cast<double>(backoff.initial.count()) * std::pow(backoff.factor, std::max(0, failures - 1));
  const double longest = static_cast<double>(backoff.maximum.count());
  return wanted < longest ? Duration(std::llround(wanted)) : backoff.maximum;
}

void Delay::count_failure(const Backoff& backoff, Monotonic asked, Duration ran, Monotonic now) {
  if (ran >= backoff.maximum) failures = 0;
  // A machine that dies takes many tasks of one start with it: that is one failure, not many.
  const bool same_wave = failures > 0 && counted && asked < *counted;
  if (!same_wave) {
    failures += 1;
    counted = now;
  }
  const Monotonic next = asked + delay_after(backoff, failures);
  until = until ? std::max(*until, next) : next;
}

}  // namespace headrace::process
