// The checks over a component and a blueprint that need more than one field: names that must exist, types and
// phases of expressions, where secrets may go, orders without cycles.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "environment/blueprint_files.h"
#include "environment/graph.h"

namespace headrace::environment {
namespace {

using document::suggestion;
using expression::Phase;
using expression::Scope;
using expression::Use;
using Expected = expression::Type;
using Members = std::map<std::string, Expected>;
using Path = std::vector<std::string>;

template <class Range>
bool has_name(const Range& things, const std::string& name) {
  return std::ranges::any_of(things, [&](const auto& thing) {
    if constexpr (requires { thing.first; }) {
      return thing.first == name;
    } else {
      return thing.name == name;
    }
  });
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

Path operator+(Path path, std::string step) {
  path.push_back(std::move(step));
  return path;
}

// ---- What names stand for ------------------------------------------------------------------------

template <class Parameters>
Expected parameters_type(const Parameters& parameters, const std::string& what) {
  Members members;
  for (const auto& each : parameters) {
    const Parameter& parameter = [&]() -> const Parameter& {
      if constexpr (requires { each.second; }) {
        return each.second;
      } else {
        return each;
      }
    }();
    const Expected type = type_of(parameter.type);
    members[parameter.name] = parameter.secret ? type.only(Use::kSecret) : type;
  }
  return Expected::object(what, std::move(members));
}

Expected environment_type() {
  return Expected::object("field of the environment", {{"name", Expected::string()}});
}

Expected interface_type(const Interface& interface, const std::string& what) {
  Members members;
  for (const auto& [name, type] : interface.attributes) {
    const Expected placed = type_of(type).at(Phase::kPlaced);
    members[name] = type == Type::kSecret ? placed.only(Use::kSecret) : placed;
  }
  return Expected::object(what, std::move(members));
}

Expected member_type(const Service& service) {
  Members ports;
  for (const Port& port : service.ports) ports[port.name] = Expected::integer();
  return Expected::object("field of a member", {{"slot", Expected::integer()},
                                                {"address", Expected::string()},
                                                {"agent", Expected::string()},
                                                {"ready", Expected::boolean()},
                                                {"ports", Expected::object("port", std::move(ports))}});
}

// `self`: with a slot its values are known after placement; without one the cluster fills them in at start.
Expected self_type(const Service& service) {
  Members ports, members;
  for (const Port& port : service.ports) {
    ports[port.name] =
        service.ordinal ? Expected::integer().at(Phase::kPlaced) : Expected::string().only(Use::kInsert);
  }
  members["ports"] = Expected::object("port", std::move(ports));
  members["address"] =
      service.ordinal ? Expected::string().at(Phase::kPlaced) : Expected::string().only(Use::kInsert);
  if (service.ordinal) {
    members["slot"] = Expected::integer();
    members["agent"] = Expected::string().at(Phase::kPlaced);
  }
  return Expected::object("field of self", std::move(members));
}

Scope component_scope(const Blueprint& blueprint, const Component& component) {
  Members generated, requirements, services;
  for (const Generated& each : component.generated) {
    const Expected type = Expected::string().at(Phase::kGenerated);
    generated[each.name] = each.is_secret() ? type.only(Use::kSecret)
                           : each.per_slot  ? Expected::list(Expected::string()).at(Phase::kGenerated)
                                            : type;
  }
  for (const auto& [name, required] : component.requires_) {
    const auto interface = blueprint.interfaces.find(required.interface);
    if (interface == blueprint.interfaces.end()) {
      requirements[name] = Expected::dyn().at(Phase::kPlaced);  // reported where it is declared
    } else {
      requirements[name] = interface_type(interface->second, "attribute of " + required.interface);
    }
  }
  for (const Service& service : component.services) {
    const Expected members = Expected::list(member_type(service)).at(Phase::kPlaced);
    services[service.name] =
        Expected::object("field of a service", {{"members", members}, {"ready", members}});
  }
  return {{"params", parameters_type(component.parameters, "parameter")},
          {"generated", Expected::object("generated value", std::move(generated))},
          {"requires", Expected::object("requirement", std::move(requirements))},
          {"services", Expected::object("service", std::move(services))},
          {"environment", environment_type()}};
}

// ---- One component -------------------------------------------------------------------------------

// What a field accepts.
struct Sink {
  std::string_view what = "text";
  std::vector<Expected> types;  // any of them; empty: all that has a text
  Phase phase = Phase::kPlaced;
  Use use = Use::kInsert;
};
const Sink kText{};
const Sink kCount{"an integer", {Expected::integer()}, Phase::kGenerated, Use::kFree};
const Sink kCpus{"a number", {Expected::number(), Expected::integer()}, Phase::kGenerated, Use::kFree};
const Sink kMemory{"a size", {Expected::string(), Expected::integer()}, Phase::kGenerated, Use::kFree};
const Sink kCondition{"a boolean", {Expected::boolean()}, Phase::kPlaced, Use::kFree};
const Sink kItems{"a list", {Expected::list(Expected::dyn())}, Phase::kGenerated, Use::kFree};

class ComponentChecker {
 public:
  ComponentChecker(const Blueprint& blueprint, Component& component, const Source& source)
      : blueprint_(blueprint),
        component_(component),
        source_(source),
        scope_(component_scope(blueprint, component)) {}

  void check() {
    for (auto& [name, parameter] : component_.parameters) {
      if (parameter.default_value) check_value(parameter, *parameter.default_value, source_.problems());
    }
    check_generated();
    check_interfaces();
    for (Service& service : component_.services) check_service(service);
    check_service_order();
    check_steps(component_.launch, {"launch"}, scope_);
    for (Command& command : component_.commands) check_command(command);
  }

 private:
  Expected check_template(const Path& path, const Template& value, const Scope& scope, const Sink& sink) {
    if (value.empty()) return Expected::dyn();
    document::Problems found;
    const Expected type = value.check(scope, found);
    const size_t errors = found.size();
    const auto refuse = [&](std::string message, std::string remedy = {}) {
      found.push_back(value.problem(0, std::move(message), std::move(remedy)));
    };
    using Kind = Expected::Kind;
    if (errors == 0 && type.use == Use::kSecret && sink.use != Use::kSecret) {
      refuse("a secret cannot go here", "only files under `secrets` show secrets");
    } else if (errors == 0 && sink.use == Use::kSecret && type.use != Use::kSecret) {
      refuse("this is not a secret", "give a parameter with `secret: true`, or a generated password");
    } else if (errors == 0 && type.use == Use::kInsert && sink.use == Use::kFree) {
      refuse("this value exists only inside the container");
    } else if (errors == 0 && type.phase > sink.phase) {
      refuse("this must be known before anything is placed",
             "let it depend on parameters and generated values");
    }
    const bool has_text = !type.is(Kind::kList) && !type.is(Kind::kMap) && !type.is(Kind::kObject) &&
                          !type.is(Kind::kNull) && !type.is(Kind::kType);
    const bool good =
        sink.types.empty()
            ? has_text
            : std::ranges::any_of(sink.types, [&](const Expected& wanted) { return fits(type, wanted); });
    if (errors == 0 && found.empty() && !good) {
      refuse(fmt::format("expected {}, found {}", sink.what, to_text(type)),
             sink.types.empty() ? "join(…) or json(…) makes text of it" : "");
    }
    for (Error& error : found) {
      error.message = fmt::format("{}: {}", fmt::join(path, "."), error.message);
      source_.problems().push_back(std::move(error));
    }
    return type;
  }

  void unknown(const Path& path, std::string_view what, const std::string& name,
               const std::vector<std::string>& known) {
    source_.report(path, fmt::format("there is no {} \"{}\"", what, name), suggestion(name, known));
  }

  void check_generated() {
    const bool has_slots = std::ranges::any_of(component_.services, &Service::ordinal);
    for (const Generated& generated : component_.generated) {
      if (!generated.per_slot || has_slots) continue;
      source_.report({"generated", generated.name, "per"}, "no service of this component has slots");
    }
  }

  // False, and reported, where there is no such interface; another version of it is named.
  bool check_interface(const Path& path, const std::string& name) {
    if (blueprint_.interfaces.contains(name)) return true;
    const std::string family = name.substr(0, name.find('/') + 1);
    for (const auto& [known, interface] : blueprint_.interfaces) {
      if (!known.starts_with(family)) continue;
      source_.report(path, fmt::format("there is no interface \"{}\", only \"{}\"", name, known));
      return false;
    }
    unknown(path, "interface", name, names_of(blueprint_.interfaces));
    return false;
  }

  void check_interfaces() {
    for (const auto& [name, required] : component_.requires_) {
      check_interface({"requires", name, "type"}, required.interface);
    }
    for (const auto& [name, provided] : component_.provides) {
      const Path path{"provides", name};
      if (!check_interface(path + "type", provided.interface)) continue;
      const Interface& interface = blueprint_.interfaces.at(provided.interface);
      for (const auto& [attribute, type] : interface.attributes) {
        if (!provided.attributes.contains(attribute)) {
          source_.report(path,
                         fmt::format("the attribute \"{}\" of {} is missing", attribute, provided.interface));
        }
      }
      for (const auto& [attribute, value] : provided.attributes) {
        const auto known = interface.attributes.find(attribute);
        if (known == interface.attributes.end()) {
          unknown(path + attribute, "attribute of " + provided.interface, attribute,
                  names_of(interface.attributes));
          continue;
        }
        const Use use = known->second == Type::kSecret ? Use::kSecret : Use::kFree;
        const Sink sink{word_of(known->second), {type_of(known->second)}, Phase::kPlaced, use};
        check_template(path + attribute, value, scope_, sink);
      }
    }
  }

  void check_image(const Path& path, const std::string& image) {
    if (!blueprint_.images.contains(image))
      unknown(path + "image", "image", image, names_of(blueprint_.images));
  }

  // What a service's container and a step's have in common.
  template <class Task>
  void check_task(const Path& path, Task& task, const Scope& scope) {
    check_image(path, task.image);
    for (const Template& each : task.entrypoint) check_template(path + "entrypoint", each, scope, kText);
    for (const Template& each : task.command) check_template(path + "command", each, scope, kText);
    for (const auto& [name, value] : task.env) check_template(path + "env" + name, value, scope, kText);
    static const Sink kSecret{"a secret", {Expected::string()}, Phase::kPlaced, Use::kSecret};
    for (const SecretMount& mount : task.secrets) {
      check_template(path + "secrets" + mount.name, mount.secret, scope, kSecret);
    }
  }

  void check_service(Service& service) {
    const Path path{"services", service.name};
    Scope scope = scope_;
    scope["self"] = self_type(service);
    check_template(path + "count", service.count, scope_, kCount);
    check_template(path + "resources" + "cpus", service.cpus_template, scope_, kCpus);
    check_template(path + "resources" + "memory", service.memory_template, scope_, kMemory);
    check_task(path, service, scope);
    if (service.ready) {
      for (const Template& each : service.ready->command) check_template(path + "ready", each, scope, kText);
      if (service.ready->kind != cluster::CheckKind::kCommand &&
          !has_name(service.ports, service.ready->port)) {
        unknown(path + "ready", "port", service.ready->port, names_of(service.ports));
      }
    }
    for (const std::string& other : service.after) {
      if (!has_name(component_.services, other)) {
        unknown(path + "after", "service", other, names_of(component_.services));
      }
    }
    add_implied_order(service);
  }

  // Whoever uses `services.x.ready`, or the members of a service without slots, starts after x. Whoever uses
  // any members of x stops before it: a broker says good-bye to its controllers.
  void add_implied_order(Service& service) {
    std::vector<const Template*> all;
    for (const auto* list : {&service.entrypoint, &service.command}) {
      for (const Template& each : *list) all.push_back(&each);
    }
    for (const auto& [name, value] : service.env) all.push_back(&value);
    service.stops_before = service.after;
    for (const Template* each : all) {
      for (const expression::Reference& reference : each->references()) {
        const std::vector<std::string>& path = reference.path;
        if (path.size() < 3 || path[0] != "services") continue;
        const auto other = std::ranges::find(component_.services, path[1], &Service::name);
        if (other == component_.services.end()) continue;
        const bool waits = path[2] == "ready" || (path[2] == "members" && !other->ordinal);
        if (other->name != service.name) {
          add_once(service.stops_before, other->name);
          if (waits) add_once(service.after, other->name);
        } else if (waits) {
          source_.problems().push_back(
              each->problem(reference.offset, fmt::format("{} would wait for itself", service.name),
                            "use self, or services.….members of a service with slots"));
        }
      }
    }
  }

  Order service_order(std::vector<std::string> Service::* others) const {
    Needs needs;
    for (const Service& service : component_.services) {
      std::set<std::string>& of = needs[service.name];
      for (const std::string& other : service.*others) {
        if (has_name(component_.services, other)) of.insert(other);
      }
    }
    return order_of(needs);
  }

  void check_service_order() {
    const Order start = service_order(&Service::after);
    if (!start.cycle.empty()) {
      source_.report({"services", start.cycle.front(), "after"},
                     fmt::format("services wait for each other: {}", fmt::join(start.cycle, " → ")));
      return;
    }
    Order stop = service_order(&Service::stops_before);
    if (!stop.cycle.empty()) {  // members may be used both ways: then only `after` orders the end
      for (Service& service : component_.services) service.stops_before = service.after;
      stop = start;
    }
    // What is used stands first, as the blueprint's components do.
    std::ranges::sort(component_.services, {}, [&](const Service& service) {
      return std::ranges::find(stop.names, service.name) - stop.names.begin();
    });
  }

  void check_command(Command& command) {
    const Path path{"commands", command.name};
    Scope scope = scope_;
    scope["args"] = parameters_type(command.arguments, "argument");
    for (const std::string& set : command.sets) {
      const auto parameter = component_.parameters.find(set);
      if (parameter == component_.parameters.end()) {
        unknown(path + "sets", "parameter", set, names_of(component_.parameters));
      } else if (parameter->second.secret) {
        source_.report(path + "sets", "a command cannot set a secret", "secrets are changed by `apply`");
      }
    }
    for (Parameter& argument : command.arguments) {
      if (argument.secret)
        source_.report(path + "arguments" + argument.name, "an argument cannot be a secret");
      if (argument.default_value) check_value(argument, *argument.default_value, source_.problems());
    }
    check_steps(command.steps, path + "steps", scope);
  }

  void check_steps(const std::vector<Step>& steps, const Path& path, const Scope& scope) {
    Needs needs;
    for (const Step& step : steps) {
      if (needs.contains(step.name)) {
        source_.report(path + step.name, fmt::format("there are two steps \"{}\"", step.name));
      }
      std::set<std::string>& of = needs[step.name];
      for (const std::string& need : step.needs) {
        if (has_name(steps, need)) {
          of.insert(need);
        } else {
          unknown(path + step.name + "needs", "step", need, names_of(steps));
        }
      }
      check_step(path + step.name, step, scope);
    }
    if (const Order order = order_of(needs); !order.cycle.empty()) {
      source_.report(path + order.cycle.front() + "needs",
                     fmt::format("steps need each other: {}", fmt::join(order.cycle, " → ")));
    }
  }

  void check_step(const Path& path, const Step& step, Scope scope) {
    const Expected items = check_template(path + "for_each", step.for_each, scope, kItems);
    if (!step.for_each.empty()) scope["item"] = items.of.empty() ? Expected::dyn() : items.of[0];
    check_template(path + "if", step.condition, scope, kCondition);
    if (step.kind != Step::Kind::kScale) return check_task(path, step, scope);
    const auto service = std::ranges::find(component_.services, step.service, &Service::name);
    if (service == component_.services.end()) {
      unknown(path + "scale", "service", step.service, names_of(component_.services));
    } else if (service->ordinal) {
      source_.report(Code::kUnsupported, path + "scale",
                     "not supported in this release: a step that scales an ordinal service", {});
    }
    check_template(path + "to", step.count, scope, kCount);
  }

  const Blueprint& blueprint_;
  Component& component_;
  const Source& source_;
  Scope scope_;
};

}  // namespace

void check_component(const Blueprint& blueprint, Component& component, const Source& source) {
  ComponentChecker(blueprint, component, source).check();
}

void check_settings(const Blueprint& blueprint, Component& component, const Source& source) {
  const Scope scope{{"params", parameters_type(blueprint.parameters, "parameter")},
                    {"environment", environment_type()}};
  const Path path{"components", component.name, "parameters"};
  for (auto& [name, value] : component.settings) {
    const auto parameter = component.parameters.find(name);
    if (parameter == component.parameters.end()) {
      source.report(path + name, fmt::format("{} has no parameter \"{}\"", component.kind, name),
                    suggestion(name, names_of(component.parameters)));
      continue;
    }
    if (value.is_constant()) {
      document::Node node = source.at(path + name);
      if (node.is(document::Kind::kString)) node.text = value.render({}).value_or("");  // without escapes
      if (check_value(parameter->second, node, source.problems())) {
        value = Template::constant(expression::from_node(node), node.place);
      }
      continue;
    }
    const size_t before = source.problems().size();
    const Expected type = value.check(scope, source.problems());
    if (source.problems().size() > before) continue;
    if (!fits(type, type_of(parameter->second.type))) {
      source.problems().push_back(value.problem(
          0, fmt::format("expected {}, found {}", word_of(parameter->second.type), to_text(type)),
          parameter->second.type == Type::kNumber ? "double(…) turns an integer into a number" : ""));
    } else if ((type.use == Use::kSecret) != parameter->second.secret) {
      source.problems().push_back(value.problem(
          0,
          parameter->second.secret ? fmt::format("the parameter \"{}\" takes a secret", name)
                                   : fmt::format("a secret cannot go to the parameter \"{}\"", name),
          "give both parameters `secret: true`"));
    }
  }
  for (const auto& [name, parameter] : component.parameters) {
    if (parameter.default_value || component.settings.contains(name)) continue;
    source.report(path, fmt::format("the parameter \"{}\" of {} has no default and must be given", name,
                                    component.kind));
  }
}

void check_blueprint(Blueprint& blueprint, const Source& source) {
  for (auto& [name, parameter] : blueprint.parameters) {
    if (parameter.default_value) check_value(parameter, *parameter.default_value, source.problems());
  }
  for (auto& [profile_name, profile] : blueprint.profiles) {
    for (auto& [name, value] : profile.parameters) {
      const auto parameter = blueprint.parameters.find(name);
      if (parameter == blueprint.parameters.end()) {
        source.report({"profiles", profile_name, "parameters", name},
                      fmt::format("there is no parameter \"{}\"", name),
                      suggestion(name, names_of(blueprint.parameters)));
      } else {
        check_value(parameter->second, value, source.problems());
      }
    }
  }
  Members components;
  for (const Component& component : blueprint.components) {
    Members provided;
    for (const auto& [name, each] : component.provides) {
      const auto interface = blueprint.interfaces.find(each.interface);
      if (interface != blueprint.interfaces.end()) {
        provided[name] = interface_type(interface->second, "attribute of " + each.interface);
      }
    }
    components[component.name] = Expected::object("interface of " + component.name, std::move(provided));
  }
  const Scope scope{{"params", parameters_type(blueprint.parameters, "parameter")},
                    {"environment", environment_type()},
                    {"components", Expected::object("component", std::move(components))}};
  for (const Output& output : blueprint.outputs) {
    const Expected type = output.value.check(scope, source.problems());
    if (type.use == Use::kSecret) {
      source.problems().push_back(output.value.problem(0, "a secret cannot be an output"));
    }
  }
}

}  // namespace headrace::environment
