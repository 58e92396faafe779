// Runs of the world by name: what users do, what goes wrong, what must hold. Each throws Violation when it
// does not.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/world.h"

namespace headrace::sim {

struct Scenario {
  std::string_view name;
  std::string_view what;
  Counts (*run)(std::uint64_t seed, bool trace);
};

const std::vector<Scenario>& scenarios();

// Runs a fixed story of users, without other faults, with the server killed right after its step number
// `step` (commit made durable, effect let out, answer given), once; 0: never. Returns how many steps the
// story has. Two seeds are two stories.
std::uint64_t run_story_with_crash(std::uint64_t seed, std::uint64_t step, WorldOptions::Kind kind,
                                   bool trace);
// The same of an environment: launch, apply, a command, destroy.
std::uint64_t run_environment_story_with_crash(std::uint64_t seed, std::uint64_t step,
                                               WorldOptions::Kind kind, bool trace);

}  // namespace headrace::sim
