// Everything that may go wrong, as probabilities and counts; all zero is a world without faults.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "base/time.h"

namespace headrace::sim {

struct Faults {
  // Of each message between server and agents.
  double lose = 0;
  double duplicate = 0;
  double late = 0;  // by up to `latest` instead of some milliseconds
  Duration latest = std::chrono::seconds(20);
  // Of each start of a container.
  double start_fails = 0;
  // Of each call to the engine: the server dies right before it.
  double midway = 0;
  // Mean time between two of a kind; zero: never.
  Duration server_crash{}, agent_dies{}, agent_gone{}, partition{}, task_fails{}, store_fails{}, wall_jump{};
};

struct Counts {
  std::uint64_t crashes = 0, agent_deaths = 0, agents_gone = 0, partitions = 0, task_failures = 0,
                store_failures = 0, wall_jumps = 0;
  std::uint64_t lost = 0, duplicated = 0, late = 0, messages = 0;
  std::uint64_t starts = 0, ends = 0, kills = 0, requests = 0, refused = 0, commits = 0, effects = 0;
};

inline Duration between(Random& random, Duration least, Duration most) {
  return least + Duration(static_cast<Duration::rep>(
                     random.below(static_cast<std::uint64_t>((most - least).count()) + 1)));
}

}  // namespace headrace::sim
