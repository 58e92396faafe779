// Users of environments: launch, plan, apply, commands, destroy; and what they were promised (design section
// 12: 1, 2, 5 and 7).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "environment/environment_manager.h"
#include "sim/world.h"

namespace headrace::sim {

class EnvironmentUsers {
 public:
  explicit EnvironmentUsers(World& world);

  void act();
  void act_for(Duration time);
  void launch(const environment::EnvironmentId& name);
  void plan_and_apply(const environment::EnvironmentId& name);
  void run_command(const environment::EnvironmentId& name);
  void destroy(const environment::EnvironmentId& name);
  // After faults: brings what failed to its wish by plan and apply, as a user would.
  void mend();
  void destroy_everything();

 private:
  struct Known {
    bool launched = false;    // acknowledged
    bool destroying = false;  // asked for, acknowledged or not
  };

  environment::Wish wish(const environment::EnvironmentId& name);
  void cancel_some_operation();
  template <class T>
  std::optional<environment::Commit> begun(Result<environment::Decision<T>> decision);

  void check_kept();
  void check_deadlines();
  std::optional<std::string> unsettled() const;
  std::optional<environment::EnvironmentView> view(const environment::EnvironmentId& name) const;

  World& world_;
  Random& random_;
  std::shared_ptr<const environment::Blueprint> blueprint_;
  std::map<environment::EnvironmentId, Known> known_;
  std::set<environment::OperationId> acknowledged_;
};

}  // namespace headrace::sim
