#include "environment/scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace headrace::environment {
namespace {

using expression::Value;
using Members = std::map<std::string, Value>;

Value ports_of(const std::map<std::string, std::uint16_t>& ports) {
  Members members;
  for (const auto& [name, number] : ports) members[name] = Value(std::int64_t{number});
  return Value::object(std::move(members));
}

Value member_of(const process::InstanceView& instance) {
  return Value::object({{"slot", Value(std::int64_t{instance.slot.value_or(0)})},
                        {"address", Value(instance.claim->address)},
                        {"agent", Value(instance.claim->agent ? instance.claim->agent->str() : "")},
                        {"ports", ports_of(instance.claim->ports)},
                        {"ready", Value(instance.ready)}});
}

// What others see of a service: `count`, `members` (known when all hold claims), `ready` (when all are
// ready).
Value service_value(const State& state, const Component& component, const Service& service) {
  const std::string path = fmt::format("services.{}.", service.name);
  Members object{{"members", Value::unknown(path + "members")}, {"ready", Value::unknown(path + "ready")}};
  const auto found = state.apps.find(app_id(state.environment, component.name, service.name));
  if (found != state.apps.end()) {
    const process::AppView& app = found->second;
    const int wanted = wanted_instances(app.spec);
    std::vector<Value> members;
    for (const process::InstanceView& instance : app.instances) {
      if (instance.claim && instance.goal != process::Goal::kGone) members.push_back(member_of(instance));
    }
    if (is_placed(app, wanted)) object["members"] = Value::list(members);
    if (is_placed(app, wanted) && is_ready(app, wanted)) object["ready"] = Value::list(std::move(members));
  }
  return Value::object(std::move(object));
}

Value services_value(const State& state, const Component& component) {
  Members services;
  for (const Service& service : component.services) {
    services[service.name] = service_value(state, component, service);
  }
  return Value::object(std::move(services));
}

// `per: slot` values are lists by slot number; secrets are references to the vault.
Value generated_value(const State& state, const Component& component) {
  Members values;
  for (const Generated& generated : component.generated) {
    const std::string key = fmt::format("{}/{}", component.name, generated.name);
    const auto value_at = [&](const std::string& place) {
      if (generated.is_secret()) {
        const std::string name = fmt::format("env/{}/{}", state.environment, place);
        const auto& secrets = state.generation.secrets();
        return Value(SecretRef{name, secrets.contains(name) ? secrets.at(name) : 1});
      }
      return state.generated.contains(place) ? Value(state.generated.at(place))
                                             : Value::unknown("generated." + generated.name);
    };
    if (!generated.per_slot) {
      values[generated.name] = value_at(key);
      continue;
    }
    std::vector<Value> by_slot;
    for (int slot = 0; state.generated.contains(fmt::format("{}/{}", key, slot)); ++slot) {
      by_slot.push_back(value_at(fmt::format("{}/{}", key, slot)));
    }
    values[generated.name] = Value::list(std::move(by_slot));
  }
  return Value::object(std::move(values));
}

// Outside a slot `self` may only be put into text: the cluster replaces it when it starts the container.
Value self_value(const State& state, const Component& component, const Local& local) {
  Members self, ports;
  if (!local.slot) {
    for (const Port& port : local.service->ports) {
      std::string name = "PORT_" + port.name;
      std::ranges::transform(name, name.begin(),
                             [](unsigned char c) { return c == '-' ? '_' : std::toupper(c); });
      ports[port.name] = Value(fmt::format("$({})", name));
    }
    return Value::object({{"address", Value("$(HOST)")}, {"ports", Value::object(std::move(ports))}});
  }
  self["slot"] = Value(std::int64_t{*local.slot});
  self["address"] = Value::unknown("self.address");
  self["agent"] = Value::unknown("self.agent");
  self["ports"] = Value::unknown("self.ports");
  const auto found = state.apps.find(app_id(state.environment, component.name, local.service->name));
  if (found == state.apps.end()) return Value::object(std::move(self));
  for (const process::InstanceView& instance : found->second.instances) {
    if (instance.slot != local.slot || !instance.claim) continue;
    self["address"] = Value(instance.claim->address);
    self["agent"] = Value(instance.claim->agent ? instance.claim->agent->str() : "");
    self["ports"] = ports_of(instance.claim->ports);
  }
  return Value::object(std::move(self));
}

Result<Value> provided_value(const State& state, const Component& provider, const Provided& provided) {
  const std::pair key(provider.name, provided.name);
  if (const auto known = state.provided->find(key); known != state.provided->end()) return known->second;
  TRY(const expression::Bindings bindings, bindings_of(state, provider));
  Members attributes;
  for (const auto& [name, text] : provided.attributes) {
    TRY(attributes[name], text.evaluate(bindings));
  }
  return state.provided->insert_or_assign(key, Value::object(std::move(attributes))).first->second;
}

Result<Value> requirements_value(const State& state, const Component& component) {
  Members requirements;
  for (const auto& [name, binding] : component.bindings) {
    const Component* provider = state.blueprint.find(binding.first);
    CHECK(provider != nullptr, "the loader checked bindings");
    TRY(requirements[name], provided_value(state, *provider, provider->provides.at(binding.second)));
  }
  return Value::object(std::move(requirements));
}

// A secret parameter's value is the secret's name; what flows is a reference with the version of this
// generation.
Value parameter_value(const State& state, const Parameter& parameter, const document::Node& value) {
  if (!parameter.secret || !value.is(document::Kind::kString)) return expression::from_node(value);
  const auto& secrets = state.generation.secrets();
  const auto found = secrets.find(value.text);
  return found == secrets.end() ? Value() : Value(SecretRef{value.text, found->second});
}

Value blueprint_parameters(const State& state) {
  Members values;
  for (const auto& [name, parameter] : state.blueprint.parameters) {
    const auto found = state.parameters.find(name);
    values[name] =
        found == state.parameters.end() ? Value() : parameter_value(state, parameter, found->second);
  }
  return Value::object(std::move(values));
}

Value environment_value(const State& state) {
  return Value::object({{"name", Value(state.environment)}});
}

}  // namespace

Result<std::map<std::string, Value>> component_parameters(const State& state, const Component& component) {
  const expression::Bindings root{{"params", blueprint_parameters(state)},
                                  {"environment", environment_value(state)}};
  std::map<std::string, Value> values;
  for (const auto& [name, parameter] : component.parameters) {
    const auto& overrides = state.generation.overrides();
    const auto override_ = overrides.find(fmt::format("{}.{}", component.name, name));
    if (override_ != overrides.end()) {
      TRY(const document::Node node, document::read_json(override_->second, "override of " + name));
      values[name] = expression::from_node(node);
    } else if (const auto setting = component.settings.find(name); setting != component.settings.end()) {
      TRY(values[name], setting->second.evaluate(root));
    } else if (parameter.default_value) {
      values[name] = parameter_value(state, parameter, *parameter.default_value);
    } else {
      values[name] = Value();
    }
  }
  return values;
}

Result<expression::Bindings> bindings_of(const State& state, const Component& component, const Local& local) {
  expression::Bindings bindings;
  TRY(auto parameters, component_parameters(state, component));
  bindings["params"] = Value::object(std::move(parameters));
  bindings["generated"] = generated_value(state, component);
  bindings["services"] = services_value(state, component);
  bindings["environment"] = environment_value(state);
  TRY(bindings["requires"], requirements_value(state, component));
  if (local.service) bindings["self"] = self_value(state, component, local);
  if (local.item) bindings["item"] = *local.item;
  bindings["args"] = Value::object(local.arguments);
  return bindings;
}

Result<Value> output_value(const State& state, const Output& output) {
  Members components;
  for (const Component& component : state.blueprint.components) {
    Members provided;
    for (const auto& [name, each] : component.provides) {
      TRY(provided[name], provided_value(state, component, each));
    }
    components[component.name] = Value::object(std::move(provided));
  }
  return output.value.evaluate({{"params", blueprint_parameters(state)},
                                {"environment", environment_value(state)},
                                {"components", Value::object(std::move(components))}});
}

std::string waits_for(const Value& value, const Component& component) {
  std::vector<std::string> references;
  value.collect_unknown(references);
  return references.empty() ? "" : fmt::format("{} of {}", references.front(), component.name);
}

std::string text_of(const Value& value) {
  if (auto text = expression::to_text(value)) return *text;
  return document::to_json(expression::to_node(value));
}

}  // namespace headrace::environment
