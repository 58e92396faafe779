// What is told on /v2/events, in Marathon's forms. No types of Marathon's own are kept back: a field it has
// and we know is there.
#pragma once

#include "process/model.h"

namespace headrace::process {

// "TASK_RUNNING"; "TASK_STAGING" where no state was seen yet.
std::string_view marathon_state(std::optional<cluster::TaskState> state);

AppEvent status_update(const Instance& instance, Now now);
// Marathon's condition word: "Scheduled", "Running", "Finished", …
AppEvent instance_changed(const Instance& instance, Now now);
AppEvent instance_health_changed(const Instance& instance, Now now);
AppEvent health_status_changed(const Instance& instance, Now now);
AppEvent unhealthy_kill(const Instance& instance, Now now);
AppEvent app_posted(const App& app, Now now);
AppEvent app_terminated(const AppId& app, Now now);
// type: "deployment_info", "deployment_success", "deployment_failed", "deployment_step_success", …
AppEvent deployment_event(std::string type, const Deployment& deployment, Now now);

}  // namespace headrace::process
