// The JSON forms of /v1: how environments, operations, plans, apps and agents look to clients.
#pragma once

#include "api/json.h"
#include "environment/environment_manager.h"
#include "process/process_manager.h"
#include "server/snapshot.h"

namespace headrace::api::v1 {

json::object to_json(const environment::StepView& step);
json::object to_json(const environment::PlanView& plan);
json::object to_json(const environment::OperationView& operation);
// With `snapshot`, each component carries its services and their instances.
json::object to_json(const environment::EnvironmentView& environment,
                     const server::Snapshot* snapshot = nullptr);
json::object to_json(const process::InstanceView& instance);
json::object to_json(const process::AppView& app);
json::object to_json(const server::AgentView& agent);

}  // namespace headrace::api::v1
