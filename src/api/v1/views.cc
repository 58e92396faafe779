#include "api/v1/views.h"

#include "environment/state.h"

namespace headrace::api::v1 {
namespace {

using v1::to_json;  // beside this file's own overloads

// Parameters and outputs are kept as JSON texts; a text that is none is shown as a string.
json::value embedded(const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value(text) : value;
}

json::object embedded(const std::map<std::string, std::string>& texts) {
  json::object object;
  for (const auto& [name, text] : texts) object[name] = embedded(text);
  return object;
}

json::object to_json(const environment::Difference& difference) {
  return {{"place", difference.place},
          {"before", difference.before},
          {"after", difference.after},
          {"effect", difference.effect}};
}

json::object to_json(const process::Shared<process::InstanceView>& instance) {
  return v1::to_json(*instance);
}

template <class List>
json::array list_of(const List& items) {
  json::array array;
  for (const auto& item : items) array.push_back(to_json(item));
  return array;
}

template <class List>
json::array names_of(const List& items) {
  json::array array;
  for (const auto& item : items) array.push_back(json::string(item.str()));
  return array;
}

std::string_view word_of(cluster::Health health) {
  switch (health) {
    case cluster::Health::kUnknown: return "unknown";
    case cluster::Health::kReady: return "ready";
    case cluster::Health::kUnhealthy: return "unhealthy";
  }
  return "unknown";
}

std::string_view word_of(process::Goal goal) {
  switch (goal) {
    case process::Goal::kRunning: return "running";
    case process::Goal::kStopped: return "stopped";
    case process::Goal::kGone: return "gone";
  }
  return "gone";
}

json::object resources_to_json(const cluster::Resources& resources) {
  return {{"cpus", resources.cpus}, {"memory", resources.memory.count}, {"disk", resources.disk.count}};
}

}  // namespace

json::object to_json(const environment::StepView& step) {
  json::object object{{"id", step.id},
                      {"component", step.component},
                      {"action", step.action},
                      {"needs", json::value_from(step.needs)},
                      {"state", environment::word_of(step.state)},
                      {"attempt", step.attempt},
                      {"cause", api::to_json(step.cause)},
                      {"started", api::to_json(step.started)},
                      {"ended", api::to_json(step.ended)}};
  if (!step.result.empty()) object["result"] = embedded(step.result);
  return object;
}

json::object to_json(const environment::PlanView& plan) {
  json::object revisions;
  for (const auto& [name, revision] : plan.revisions) revisions[name] = revision;
  return {{"id", plan.id.str()},
          {"environment", plan.environment.str()},
          {"kind", plan.kind},
          {"from_generation", plan.from_generation},
          {"to_generation", plan.to_generation},
          {"differences", list_of(plan.differences)},
          {"steps", list_of(plan.steps)},
          {"revisions", std::move(revisions)},
          {"made", api::to_json(plan.made)}};
}

json::object to_json(const environment::OperationView& operation) {
  return {{"id", operation.id.str()},
          {"environment", operation.environment.str()},
          {"kind", operation.kind},
          {"state", environment::word_of(operation.state)},
          {"steps", list_of(operation.steps)},
          {"cause", api::to_json(operation.cause)},
          {"requested_by", operation.requested_by},
          {"started", api::to_json(operation.started)},
          {"deadline", api::to_json(operation.deadline)},
          {"ended", api::to_json(operation.ended)}};
}

json::object to_json(const process::InstanceView& instance) {
  json::object object{
      {"id", instance.id.str()},
      {"version", instance.version},
      {"goal", word_of(instance.goal)},
      {"state", instance.state ? json::value(cluster::word_of(*instance.state)) : json::value(nullptr)},
      {"health", word_of(instance.health)},
      {"ready", instance.ready},
      {"task", instance.task.str()},
      {"epoch", instance.epoch},
      {"restarts", instance.restarts},
      {"since", api::to_json(instance.since)},
      {"started", api::to_json(instance.started)},
      {"ready_since", api::to_json(instance.ready_since)},
      {"message", instance.message},
      {"cause", api::to_json(instance.cause)}};
  if (instance.slot) object["slot"] = *instance.slot;
  if (instance.exit_code) object["exit_code"] = *instance.exit_code;
  if (instance.claim) {
    json::object ports;
    for (const auto& [name, number] : instance.claim->ports) ports[name] = number;
    object["address"] = instance.claim->address;
    object["agent"] =
        instance.claim->agent ? json::value(instance.claim->agent->str()) : json::value(nullptr);
    object["ports"] = std::move(ports);
  }
  return object;
}

json::object to_json(const process::AppView& app) {
  json::object ports;
  for (const auto& [name, number] : app.fixed_ports) ports[name] = number;
  json::object object{{"id", app.id.str()},
                      {"version", app.version},
                      {"wanted", environment::wanted_instances(app.spec)},
                      {"instances", list_of(app.instances)},
                      {"fixed_ports", std::move(ports)},
                      {"deployments", names_of(app.deployments)}};
  if (app.outcome) {
    object["outcome"] = {
        {"succeeded", app.outcome->succeeded},
        {"unknown", app.outcome->unknown},
        {"exit_code", app.outcome->exit_code ? json::value(*app.outcome->exit_code) : nullptr},
        {"message", app.outcome->message},
        {"result", embedded(app.outcome->result)},
        {"log_tail", app.outcome->log_tail}};
  }
  return object;
}

json::object to_json(const environment::EnvironmentView& environment, const server::Snapshot* snapshot) {
  json::array components;
  for (const environment::ComponentView& component : environment.components) {
    json::object object{{"name", component.name},
                        {"state", component.state},
                        {"cause", api::to_json(component.cause)},
                        {"since", api::to_json(component.since)},
                        {"provider_ready", api::to_json(component.provider_ready)},
                        {"ready", api::to_json(component.ready)},
                        {"apps", names_of(component.apps)}};
    if (snapshot) {
      json::array services;
      for (const process::AppId& id : component.apps) {
        if (const auto app = snapshot->app(id)) services.push_back(to_json(*app));
      }
      object["services"] = std::move(services);
    }
    components.push_back(std::move(object));
  }
  return {
      {"name", environment.name.str()},
      {"blueprint", environment.blueprint},
      {"blueprint_version", environment.blueprint_version},
      {"profile", environment.profile},
      {"owner", environment.owner},
      {"status", environment.status},
      {"generation", environment.generation},
      {"cause", api::to_json(environment.cause)},
      {"components", std::move(components)},
      {"parameters", embedded(environment.parameters)},
      {"outputs", embedded(environment.outputs)},
      {"images", json::value_from(environment.images)},
      {"commands", json::value_from(environment.commands)},
      {"operation", environment.operation ? json::value(environment.operation->str()) : json::value(nullptr)},
      {"created", api::to_json(environment.created)},
      {"expires", api::to_json(environment.expires)}};
}

json::object to_json(const server::AgentView& view) {
  return {{"id", view.agent->id.str()},
          {"hostname", view.agent->hostname},
          {"address", view.agent->address},
          {"attributes", json::value_from(view.agent->attributes)},
          {"total", resources_to_json(view.agent->total)},
          {"granted", resources_to_json(view.granted)},
          {"up", view.agent->up},
          {"cause", view.agent->cause}};
}

}  // namespace headrace::api::v1
