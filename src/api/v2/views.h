// How apps, tasks, deployments and waiting instances look to clients of Marathon.
#pragma once

#include <boost/json.hpp>
#include <vector>

#include "process/app.h"
#include "process/process_manager.h"

namespace headrace::api::v2 {

namespace json = boost::json;

// The definition with counts and deployments; `whole` adds tasks and the last failure, as GET of one app
// does.
json::object to_json(const process::AppView& app, bool whole);
json::object to_json(const process::AppView& app, const process::InstanceView& instance);
json::object to_json(const process::DeploymentView& deployment);
// The queue's item of an app some of whose instances wait to run; null where none does. Beside Marathon's
// fields "instances" says of each what it waits for.
json::value queue_item(const process::AppView& app, Wall now);

// Instances that have a task where Marathon would show one.
std::vector<const process::InstanceView*> tasks_of(const process::AppView& app);

}  // namespace headrace::api::v2
