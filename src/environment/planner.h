// Plans: a pure function of (current generation, wanted generation, observed state) to steps.
//
// Per component:   place -> start (each service, after those it names) -> launch steps -> ready
// place needs the `ready` of every provider; nothing else orders components, so independent ones start
// together.
#pragma once

#include <string>
#include <vector>

#include "environment/render.h"

namespace headrace::environment {

enum class StepKind {
  kPlace = 1,  // claim all slots of a component's ordinal services as one gang
  kStart = 2,  // run a service as the wanted generation says, until all its instances are ready
  kRun = 3,    // a run-once task
  kWait = 4,   // a run-once task repeated until it succeeds
  kReady = 5,  // nothing to do: the component serves
  kStop = 6,   // remove all apps of a component
  kScale = 7,  // a stateless service to a count given by a command's step
};

struct Change {
  std::vector<records::Step> steps;
  std::vector<records::Difference> differences;
  std::vector<Error> refusals;  // what this release does not do; then the plan must not run
};

// All steps that bring up the blueprint, or what is missing of it: services that are as wanted are left out.
Result<Change> plan_launch(const State& wanted);
// From one generation to another. Restarting or scaling an ordinal service is refused (kUnsupported).
Result<Change> plan_change(const State& current, const State& wanted);
// Stops in reverse order; needs no generation to be whole.
std::vector<records::Step> plan_destroy(const Blueprint& blueprint);
// The steps of a component's command. Needs known arguments; `for_each` is expanded here.
Result<std::vector<records::Step>> plan_command(const State& state, const Component& component,
                                                const Command& command,
                                                const std::map<std::string, expression::Value>& arguments);

// The step of the blueprint that a kRun, kWait or kScale step stands for, or null.
const Step* blueprint_step(const Component& component, const records::Step& step);
// Its `item`.
Local local_of(const records::Step& step);
// The task that a step of `launch` runs, under an id that is always the same; none where it runs none, or
// values are missing.
Result<std::optional<process::AppSpec>> launch_task(const State& state, const records::Step& step);
const Service* service_of(const Component& component, const std::string& name);

}  // namespace headrace::environment
