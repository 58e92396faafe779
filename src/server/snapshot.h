// What readers see: immutable, at a durable commit. Built by the pump, read by I/O threads.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "environment/environment_manager.h"
#include "process/process_manager.h"

namespace headrace::server {

struct AgentView {
  cluster::Agent agent;
  cluster::Resources granted;
};

struct Snapshot {
  using Apps = std::map<process::AppId, std::shared_ptr<const process::AppView>>;
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
    const auto found = apps->find(id);
    return found == apps->end() ? nullptr : found->second;
  }
};

}  // namespace headrace::server
