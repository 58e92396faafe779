// What users do: random apps, changed at random, of the kinds that this release has.
#pragma once

#include "sim/world.h"

namespace headrace::sim {

class Workload {
 public:
  explicit Workload(World& world) : world_(world), random_(world.random()) {}

  // One request, chosen at random.
  void act();
  // Requests now and then, for so long; the world has to be run meanwhile.
  void act_for(Duration time);
  // Neither tasks that end by themselves nor changes.
  bool only_steady = false;
  bool may_remove = true;

  process::AppSpec service(const std::string& name);
  process::AppSpec ordinal(const std::string& name, int slots);
  process::AppSpec run_once(const std::string& name);

 private:
  process::Template settings();
  void change_slots(const process::AppSpec& before);
  void act_until(Monotonic end);

  World& world_;
  Random& random_;
  int next_version_ = 1;
  int next_run_ = 1;
};

}  // namespace headrace::sim
