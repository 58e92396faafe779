// What readers see: immutable, at a durable commit. Built by the pump, read by I/O threads.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "environment/environment_manager.h"
#include "process/process_manager.h"

namespace headrace::server {

struct AgentView {
  process::Shared<cluster::Agent> agent;
  cluster::Resources granted;
};

struct Snapshot {
  // Ascending by id. Copied for every change: a list of pointers costs a tenth of what a tree does.
  using Apps = std::vector<std::shared_ptr<const process::AppView>>;
  static Apps::const_iterator place(const Apps& apps, const process::AppId& id) {
    return std::ranges::lower_bound(apps, id, {}, [](const auto& app) -> const auto& { return app->id; });
  }
  std::uint64_t sequence = 0;
  std::shared_ptr<const Apps> apps = std::make_shared<const Apps>();
  std::shared_ptr<const std::vector<process::DeploymentView>> deployments =
      std::make_shared<const std::vector<process::DeploymentView>>();
  std::shared_ptr<const std::vector<environment::EnvironmentView>> environments =
      std::make_shared<const std::vector<environment::EnvironmentView>>();
  std::shared_ptr<const std::vector<environment::OperationView>> operations =
      std::make_shared<const std::vector<environment::OperationView>>();
  std::shared_ptr<const std::vector<AgentView>> agents = std::make_shared<const std::vector<AgentView>>();

  std::shared_ptr<const process::AppView> app(const process::AppId& id) const {
    const auto found = place(*apps, id);
    return found == apps->end() || (*found)->id != id ? nullptr : *found;
  }
};

}  // namespace headrace::server
