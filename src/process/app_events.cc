#include "process/app_events.h"

#include <boost/json.hpp>

namespace headrace::process {
namespace {

namespace json = boost::json;

AppEvent event(std::string type, const AppId& app, Now now, const json::object& fields) {
  json::object object{{"eventType", type}, {"timestamp", to_rfc3339(now.wall)}};
  for (const auto& [key, value] : fields) object[key] = value;
  return {.type = std::move(type), .app = app, .json = json::serialize(object)};
}

std::string agent_of(const Instance& instance) {
  return instance.granted && instance.granted->agent ? instance.granted->agent->str() : "";
}
std::string host_of(const Instance& instance) {
  return instance.granted ? instance.granted->address : "";
}

std::string_view condition_of(const Instance& instance) {
  using cluster::TaskState;
  if (instance.alive && instance.stopping && instance.state == TaskState::kRunning) return "Killing";
  if (!instance.state) return instance.alive ? "Provisioned" : "Scheduled";
  switch (*instance.state) {
    case TaskState::kStarting: return "Starting";
    case TaskState::kRunning: return "Running";
    case TaskState::kFinished: return "Finished";
    case TaskState::kFailed: return "Failed";
    case TaskState::kKilled: return "Killed";
    case TaskState::kGone: return "Gone";
    case TaskState::kUnreachable: return instance.given_up ? "UnreachableInactive" : "Unreachable";
  }
  return "Unknown";
}

}  // namespace

std::string_view marathon_state(std::optional<cluster::TaskState> state) {
  using cluster::TaskState;
  if (!state) return "TASK_STAGING";
  switch (*state) {
    case TaskState::kStarting: return "TASK_STARTING";
    case TaskState::kRunning: return "TASK_RUNNING";
    case TaskState::kFinished: return "TASK_FINISHED";
    case TaskState::kFailed: return "TASK_FAILED";
    case TaskState::kKilled: return "TASK_KILLED";
    case TaskState::kGone: return "TASK_GONE";
    case TaskState::kUnreachable: return "TASK_UNREACHABLE";
  }
  return "TASK_UNKNOWN";
}

AppEvent status_update(const Instance& instance, Now now) {
  json::array ports;
  for (const PortSpec& port : instance.granted ? instance.app->spec->ports : std::vector<PortSpec>()) {
    const auto found = instance.granted->ports.find(port.name);
    ports.push_back(found == instance.granted->ports.end() ? 0 : found->second);
  }
  return event(
      "status_update_event", instance.app->id, now,
      {{"slaveId", agent_of(instance)},
       {"taskId", instance.task.str()},
       {"taskStatus", marathon_state(instance.state)},
       {"message", instance.message},
       {"appId", instance.app->id.str()},
       {"host", host_of(instance)},
       {"ipAddresses", json::array{json::object{{"ipAddress", host_of(instance)}, {"protocol", "IPv4"}}}},
       {"ports", std::move(ports)},
       {"version", instance.version}});
}

AppEvent instance_changed(const Instance& instance, Now now) {
  return event("instance_changed_event", instance.app->id, now,
               {{"instanceId", instance.id.str()},
                {"condition", condition_of(instance)},
                {"runSpecId", instance.app->id.str()},
                {"agentId", agent_of(instance)},
                {"host", host_of(instance)},
                {"runSpecVersion", instance.version}});
}

AppEvent instance_health_changed(const Instance& instance, Now now) {
  json::value healthy;  // null until a check has said something
  if (instance.health != cluster::Health::kUnknown) healthy = instance.health == cluster::Health::kReady;
  return event("instance_health_changed_event", instance.app->id, now,
               {{"instanceId", instance.id.str()},
                {"runSpecId", instance.app->id.str()},
                {"runSpecVersion", instance.version},
                {"healthy", healthy}});
}

AppEvent health_status_changed(const Instance& instance, Now now) {
  return event("health_status_changed_event", instance.app->id, now,
               {{"appId", instance.app->id.str()},
                {"instanceId", instance.id.str()},
                {"taskId", instance.task.str()},
                {"version", instance.version},
                {"alive", instance.health == cluster::Health::kReady}});
}

AppEvent unhealthy_kill(const Instance& instance, Now now) {
  return event("unhealthy_instance_kill_event", instance.app->id, now,
               {{"appId", instance.app->id.str()},
                {"taskId", instance.task.str()},
                {"instanceId", instance.id.str()},
                {"version", instance.version},
                {"reason", instance.message},
                {"host", host_of(instance)},
                {"slaveId", agent_of(instance)}});
}

AppEvent app_posted(const App& app, Now now) {
  json::error_code error;
  json::value definition = json::parse(app.spec->v2_definition, error);
  if (error) definition = json::object{{"id", app.id.str()}, {"version", app.version}};  // it has none
  return event("api_post_event", app.id, now,
               {{"clientIp", ""}, {"uri", "/v2/apps" + app.id.str()}, {"appDefinition", definition}});
}

AppEvent app_terminated(const AppId& app, Now now) {
  return event("app_terminated_event", app, now, {{"appId", app.str()}});
}

AppEvent deployment_event(std::string type, const Deployment& deployment, Now now) {
  json::array actions, apps;
  for (const Deployment::Action& action : deployment.actions) {
    actions.push_back(json::object{{"action", action.what.action}, {"app", action.what.app.str()}});
    apps.push_back(json::string(action.what.app.str()));
  }
  const json::object step{{"actions", std::move(actions)}};
  json::object fields{{"id", deployment.id.str()},
                      {"plan",
                       {{"id", deployment.id.str()},
                        {"version", deployment.version},
                        {"affectedApps", std::move(apps)},
                        {"steps", json::array{step}}}}};
  if (type.starts_with("deployment_step") || type == "deployment_info") fields["currentStep"] = step;
  if (deployment.cause) fields["reason"] = deployment.cause->sentence;
  const AppId app = deployment.actions.empty() ? AppId() : deployment.actions.front().what.app;
  return event(std::move(type), app, now, fields);
}

}  // namespace headrace::process
