#include "process/app_events.h"

#include <fmt/format.h>

namespace headrace::process {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out += '"';
}

// One JSON object, fields in the order they are added.
class Object {
 public:
  Object& text(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
  Object& boolean(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  Object& raw(std::string_view key, std::string_view json) {
    json_ += fmt::format("{}{}:{}", json_.empty() ? "" : ",", quoted(key), json);
    return *this;
  }
  std::string str() const { return "{" + json_ + "}"; }

 private:
  std::string json_;
};

template <class Range, class Render>
std::string list(const Range& range, Render render) {
  std::string json;
  for (const auto& each : range) json += (json.empty() ? "" : ",") + render(each);
  return "[" + json + "]";
}

Object begin(std::string_view type, Now now) {
  Object object;
  object.text("eventType", type).text("timestamp", to_rfc3339(now.wall));
  return object;
}

AppEvent event(std::string type, const AppId& app, const Object& object) {
  return {.type = std::move(type), .app = app, .json = object.str()};
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

// null until a check has said something.
std::string_view healthy(const Instance& instance) {
  if (instance.health == cluster::Health::kUnknown) return "null";
  return instance.health == cluster::Health::kReady ? "true" : "false";
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
  std::string ports = "[]";
  if (instance.granted) {
    ports = list(instance.app->spec->ports, [&](const PortSpec& port) {
      const auto found = instance.granted->ports.find(port.name);
      return std::to_string(found == instance.granted->ports.end() ? 0 : found->second);
    });
  }
  Object object = begin("status_update_event", now);
  object.text("slaveId", agent_of(instance))
      .text("taskId", instance.task.str())
      .text("taskStatus", marathon_state(instance.state))
      .text("message", instance.message)
      .text("appId", instance.app->id.str())
      .text("host", host_of(instance))
      .raw("ipAddresses",
           fmt::format("[{{\"ipAddress\":{},\"protocol\":\"IPv4\"}}]", quoted(host_of(instance))))
      .raw("ports", ports)
      .text("version", instance.version);
  return event("status_update_event", instance.app->id, object);
}

AppEvent instance_changed(const Instance& instance, Now now) {
  Object object = begin("instance_changed_event", now);
  object.text("instanceId", instance.id.str())
      .text("condition", condition_of(instance))
      .text("runSpecId", instance.app->id.str())
      .text("agentId", agent_of(instance))
      .text("host", host_of(instance))
      .text("runSpecVersion", instance.version);
  return event("instance_changed_event", instance.app->id, object);
}

AppEvent instance_health_changed(const Instance& instance, Now now) {
  Object object = begin("instance_health_changed_event", now);
  object.text("instanceId", instance.id.str())
      .text("runSpecId", instance.app->id.str())
      .text("runSpecVersion", instance.version)
      .raw("healthy", healthy(instance));
  return event("instance_health_changed_event", instance.app->id, object);
}

AppEvent health_status_changed(const Instance& instance, Now now) {
  Object object = begin("health_status_changed_event", now);
  object.text("appId", instance.app->id.str())
      .text("instanceId", instance.id.str())
      .text("taskId", instance.task.str())
      .text("version", instance.version)
      .boolean("alive", instance.health == cluster::Health::kReady);
  return event("health_status_changed_event", instance.app->id, object);
}

AppEvent unhealthy_kill(const Instance& instance, Now now) {
  Object object = begin("unhealthy_instance_kill_event", now);
  object.text("appId", instance.app->id.str())
      .text("taskId", instance.task.str())
      .text("instanceId", instance.id.str())
      .text("version", instance.version)
      .text("reason", instance.message)
      .text("host", host_of(instance))
      .text("slaveId", agent_of(instance));
  return event("unhealthy_instance_kill_event", instance.app->id, object);
}

AppEvent app_posted(const App& app, Now now) {
  Object object = begin("api_post_event", now);
  object.text("clientIp", "").text("uri", "/v2/apps" + app.id.str());
  object.raw("appDefinition", app.spec->v2_definition.empty()
                                  ? Object().text("id", app.id.str()).text("version", app.version).str()
                                  : app.spec->v2_definition);
  return event("api_post_event", app.id, object);
}

AppEvent app_terminated(const AppId& app, Now now) {
  Object object = begin("app_terminated_event", now);
  return event("app_terminated_event", app, object.text("appId", app.str()));
}

AppEvent deployment_event(std::string type, const Deployment& deployment, Now now) {
  const std::string actions = list(deployment.actions, [](const Deployment::Action& action) {
    return Object().text("action", action.what.action).text("app", action.what.app.str()).str();
  });
  const std::string apps = list(
      deployment.actions, [](const Deployment::Action& action) { return quoted(action.what.app.str()); });
  const std::string step = Object().raw("actions", actions).str();
  Object plan;
  plan.text("id", deployment.id.str()).text("version", deployment.version);
  plan.raw("affectedApps", apps).raw("steps", "[" + step + "]");
  Object object = begin(type, now);
  object.text("id", deployment.id.str()).raw("plan", plan.str());
  if (type.starts_with("deployment_step") || type == "deployment_info") object.raw("currentStep", step);
  if (deployment.cause) object.text("reason", deployment.cause->sentence);
  const AppId app = deployment.actions.empty() ? AppId() : deployment.actions.front().what.app;
  return event(std::move(type), app, object);
}

}  // namespace headrace::process
