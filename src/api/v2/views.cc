#include "api/v2/views.h"

#include <algorithm>
#include <map>

#include "api/v2/fields.h"
#include "process/app_events.h"

namespace headrace::api::v2 {
namespace {

using cluster::TaskState;
using process::AppView;
using process::InstanceView;

double mebibytes(Bytes size) {
  return static_cast<double>(size.count) / static_cast<double>(Bytes::mib(1).count);
}
double seconds(Duration time) {
  return static_cast<double>(time.count()) / 1000;
}
json::object map_of(const std::map<std::string, std::string>& map) {
  json::object object;
  for (const auto& [key, value] : map) object[key] = value;
  return object;
}

// What the tasks of an app are made from; of an app with slots those of the first that runs.
const cluster::TaskSpec* task_spec(const process::AppSpec& spec) {
  if (const auto* service = std::get_if<process::Service>(&spec.kind)) return &service->settings.task;
  if (const auto* run_once = std::get_if<process::RunOnce>(&spec.kind)) return &run_once->settings.task;
  if (const auto* ordinal = std::get_if<process::Ordinal>(&spec.kind)) {
    for (const process::SlotSpec& slot : ordinal->slots) {
      if (slot.settings) return &slot.settings->task;
    }
  }
  return nullptr;
}

int wanted_instances(const process::AppSpec& spec) {
  if (const auto* service = std::get_if<process::Service>(&spec.kind)) return service->instances;
  if (const auto* ordinal = std::get_if<process::Ordinal>(&spec.kind))
    return static_cast<int>(ordinal->slots.size());
  return 1;
}

json::array ports_of(const AppView& app, bool is_bridge) {
  json::array ports;
  for (const process::PortSpec& port : app.spec->ports) {
    const auto fixed = app.fixed_ports.find(port.name);
    const int number = fixed == app.fixed_ports.end() ? 0 : fixed->second;
    json::object entry{{"name", port.name},
                       {"protocol", port.protocol == cluster::Protocol::kTcp ? "tcp" : "udp"},
                       {"labels", map_of(port.labels)},
                       {is_bridge ? "hostPort" : "port", number}};
    if (is_bridge) entry["containerPort"] = port.container_port.value_or(0);
    ports.push_back(std::move(entry));
  }
  return ports;
}

json::object health_check(const AppView& app, const cluster::Check& check) {
  json::object object{{"gracePeriodSeconds", seconds(check.grace)},
                      {"intervalSeconds", seconds(check.interval)},
                      {"timeoutSeconds", seconds(check.timeout)},
                      {"maxConsecutiveFailures", check.failures}};
  if (check.kind == cluster::CheckKind::kCommand) {
    std::string command;
    for (const std::string& word : check.command) command += (command.empty() ? "" : " ") + word;
    object["protocol"] = "COMMAND";
    object["command"] = {{"value", command}};
    return object;
  }
  object["protocol"] = check.kind == cluster::CheckKind::kHttp ? "MESOS_HTTP" : "MESOS_TCP";
  if (check.kind == cluster::CheckKind::kHttp) object["path"] = check.path;
  const auto port = std::ranges::find(app.spec->ports, check.port, &process::PortSpec::name);
  object["portIndex"] = port - app.spec->ports.begin();
  return object;
}

// An app of an environment has no definition by /v2: it is shown in the same form.
json::object rendered(const AppView& app) {
  const process::AppSpec& spec = *app.spec;
  const cluster::TaskSpec none;
  const cluster::TaskSpec* task = task_spec(spec);
  if (!task) task = &none;
  const bool is_bridge = task->network == cluster::Network::kBridge;
  json::object container{
      {"type", "DOCKER"},
      {"docker", {{"image", task->image}, {"forcePullImage", false}, {"privileged", task->privileged}}},
      {"volumes", json::array{}}};
  json::object object{
      {"backoffFactor", spec.backoff.factor},
      {"backoffSeconds", seconds(spec.backoff.initial)},
      {"cpus", spec.resources.cpus},
      {"disk", mebibytes(spec.resources.disk)},
      {"env", map_of(task->env)},
      {"gpus", 0},
      {"labels", map_of(spec.labels)},
      {"maxLaunchDelaySeconds", seconds(spec.backoff.maximum)},
      {"mem", mebibytes(spec.resources.memory)},
      {"networks", json::array{json::object{{"mode", is_bridge ? "container/bridge" : "host"}}}},
      {"role", "*"},
      {"taskKillGracePeriodSeconds", seconds(task->grace)}};
  if (!task->args.empty()) object["args"] = json::value_from(task->args);
  if (!task->user.empty()) object["user"] = task->user;
  if (task->check) object["healthChecks"] = json::array{health_check(app, *task->check)};
  if (is_bridge) {
    container["portMappings"] = ports_of(app, true);
  } else {
    object["portDefinitions"] = ports_of(app, false);
  }
  object["container"] = std::move(container);
  return canonical(object).get_object();
}

json::value time_or_null(const std::optional<Wall>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::object failure(const AppView& app) {
  const process::TaskFailure& last = *app.last_failure;
  return {{"appId", app.id.str()},     {"host", last.host},
          {"message", last.message},   {"state", process::marathon_state(last.state)},
          {"taskId", last.task.str()}, {"timestamp", to_rfc3339(last.at)},
          {"version", last.version},   {"slaveId", last.agent.str()}};
}

bool waits_to_run(const AppView& app, const InstanceView& instance) {
  return instance.goal == process::Goal::kRunning && !app.outcome && instance.cause &&
         (!instance.state || cluster::is_terminal(*instance.state));
}

// Marathon's funnel word for our reason.
std::string_view reject_reason(std::string_view code) {
  if (code == "no-cpus") return "InsufficientCpus";
  if (code == "no-memory") return "InsufficientMemory";
  if (code == "no-disk") return "InsufficientDisk";
  if (code == "port-taken") return "InsufficientPorts";
  if (code == "constraint") return "UnfulfilledConstraint";
  if (code == "agent-down") return "AgentMaintenance";
  return {};
}

}  // namespace

std::vector<const InstanceView*> tasks_of(const AppView& app) {
  std::vector<const InstanceView*> tasks;
  for (const InstanceView& each : app.instances) {
    if (each.state && !cluster::is_terminal(*each.state)) tasks.push_back(&each);
  }
  return tasks;
}

json::object to_json(const AppView& app, const InstanceView& instance) {
  json::array ports, service_ports;
  std::string address;
  if (instance.claim) {
    address = instance.claim->address;
    for (const process::PortSpec& port : app.spec->ports) {
      const auto found = instance.claim->ports.find(port.name);
      if (found != instance.claim->ports.end()) ports.push_back(found->second);
      service_ports.push_back(port.number.value_or(0));
    }
  }
  json::array results;
  const cluster::TaskSpec* task = task_spec(*app.spec);
  if (task && task->check && instance.health != cluster::Health::kUnknown) {
    results.push_back(json::object{
        {"alive", instance.health == cluster::Health::kReady},
        {"consecutiveFailures", instance.health == cluster::Health::kReady ? 0 : task->check->failures},
        {"firstSuccess", time_or_null(instance.ready_since)},
        {"instanceId", instance.id.str()}});
  }
  return {{"id", instance.task.str()},
          {"appId", app.id.str()},
          {"host", address},
          {"ports", std::move(ports)},
          {"servicePorts", std::move(service_ports)},
          {"ipAddresses", json::array{json::object{{"ipAddress", address}, {"protocol", "IPv4"}}}},
          {"slaveId", instance.claim && instance.claim->agent ? instance.claim->agent->str() : ""},
          {"state", process::marathon_state(instance.state)},
          {"stagedAt", to_rfc3339(instance.staged)},
          {"startedAt", time_or_null(instance.started)},
          {"version", instance.version},
          {"healthCheckResults", std::move(results)},
          {"localVolumes", json::array{}},
          {"role", "*"}};
}

json::object to_json(const AppView& app, bool whole) {
  json::error_code error;
  json::value definition = app.spec->v2_definition.empty() ? json::value(rendered(app))
                                                           : json::parse(app.spec->v2_definition, error);
  json::object object = definition.is_object() ? std::move(definition.get_object()) : json::object{};
  int staged = 0, running = 0, healthy = 0, unhealthy = 0;
  json::array tasks, deployments;
  for (const InstanceView* each : tasks_of(app)) {
    (each->state == TaskState::kStarting ? staged : running) +=
        each->state != TaskState::kUnreachable ? 1 : 0;
    healthy += each->health == cluster::Health::kReady ? 1 : 0;
    unhealthy += each->health == cluster::Health::kUnhealthy ? 1 : 0;
    if (whole) tasks.push_back(to_json(app, *each));
  }
  for (const process::DeploymentId& id : app.deployments)
    deployments.push_back(json::object{{"id", id.str()}});
  object["id"] = app.id.str();
  object["instances"] = wanted_instances(*app.spec);
  object["version"] = app.version;
  object["versionInfo"] = {{"lastScalingAt", to_rfc3339(app.last_scaling)},
                           {"lastConfigChangeAt", to_rfc3339(app.last_config_change)}};
  object["tasksStaged"] = staged;
  object["tasksRunning"] = running;
  object["tasksHealthy"] = healthy;
  object["tasksUnhealthy"] = unhealthy;
  object["deployments"] = std::move(deployments);
  if (whole) object["tasks"] = std::move(tasks);
  if (whole && app.last_failure) object["lastTaskFailure"] = failure(app);
  return object;
}

json::object to_json(const process::DeploymentView& deployment) {
  json::array actions, current, apps;
  for (const process::DeploymentAction& action : deployment.actions) {
    json::object entry{{"action", action.action}, {"app", action.app.str()}};
    actions.push_back(entry);
    entry["readinessCheckResults"] = json::array{};
    current.push_back(std::move(entry));
    apps.push_back(json::string(action.app.str()));
  }
  json::object object{{"id", deployment.id.str()},
                      {"version", deployment.version},
                      {"affectedApps", std::move(apps)},
                      {"affectedPods", json::array{}},
                      {"steps", json::array{json::object{{"actions", std::move(actions)}}}},
                      {"currentActions", std::move(current)},
                      {"currentStep", 1},
                      {"totalSteps", 1}};
  // Beyond Marathon: it ends, and says what it waits for.
  object["deadline"] = time_or_null(deployment.deadline);
  if (deployment.cause) object["cause"] = deployment.cause->sentence;
  return object;
}

json::value queue_item(const AppView& app, Wall now) {
  json::array instances;
  std::map<std::string, int> reasons;
  std::optional<Wall> since;
  for (const InstanceView& each : app.instances) {
    if (!waits_to_run(app, each)) continue;
    const Cause& cause = *each.cause;
    json::object why{{"id", each.id.str()},
                     {"code", cause.code},
                     {"sentence", cause.sentence},
                     {"since", to_rfc3339(cause.since)},
                     {"deadline", time_or_null(cause.deadline)}};
    if (!cause.remedy.empty()) why["remedy"] = cause.remedy;
    instances.push_back(std::move(why));
    if (const auto reason = reject_reason(cause.code); !reason.empty()) reasons[std::string(reason)] += 1;
    since = since ? std::min(*since, cause.since) : cause.since;
  }
  if (instances.empty()) return nullptr;
  const bool delayed = app.delayed_until && *app.delayed_until > now;
  const auto left = delayed ? std::chrono::ceil<std::chrono::seconds>(*app.delayed_until - now).count() : 0;
  json::array summary;
  for (const auto& [reason, count] : reasons) {
    summary.push_back(json::object{{"reason", reason}, {"declined", count}, {"processed", count}});
  }
  return json::object{{"count", instances.size()},
                      {"role", "*"},
                      {"since", to_rfc3339(*since)},
                      {"delay", {{"timeLeftSeconds", left}, {"overdue", !delayed}}},
                      {"processedOffersSummary",
                       {{"processedOffersCount", 0},
                        {"unusedOffersCount", 0},
                        {"rejectSummaryLastOffers", std::move(summary)},
                        {"rejectSummaryLaunchAttempt", json::array{}}}},
                      {"instances", std::move(instances)},
                      {"app", to_json(app, /*whole=*/false)}};
}

}  // namespace headrace::api::v2
