// Randomness is a value that is passed in: the same seed gives the same run.
#pragma once

#include <cstdint>
#include <string>

namespace headrace {

// SplitMix64 (Steele, Lea, Flood 2014): small, fast, good enough for ids and simulation; not for keys.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // True with the given probability in [0, 1].
  bool chance(double probability);
  // A random (version 4, variant 1) UUID in its usual text form.
  std::string uuid();

 private:
  std::uint64_t state_;
};

}  // namespace headrace
