// From a service or step of a blueprint to what the process manager is asked for. Pure.
#pragma once

#include <optional>
#include <string>

#include "environment/scope.h"

namespace headrace::environment {

// Either a spec, or what it still waits for.
struct Rendered {
  std::optional<process::AppSpec> spec;
  std::string waits_for;
};

enum class SlotGoal { kClaimed, kRunning };

// goal kClaimed: only what claims need; the slots hold their claims and run nothing.
// count: instead of the service's own, where a step scales it.
Result<Rendered> render_service(const State& state, const Component& component, const Service& service,
                                SlotGoal goal, std::optional<int> count = std::nullopt);

// A run-once app of that id. arguments: of the command the step belongs to.
Result<Rendered> render_step(const State& state, const Component& component, const Step& step,
                             const Local& local, process::AppId id);

// How many instances the service wants. Needs no placed value; kInvalid otherwise.
Result<int> count_of(const State& state, const Component& component, const Service& service);

// Short and equal for equal settings: the version of a slot.
std::string fingerprint(const cluster::TaskSpec& task);

}  // namespace headrace::environment
