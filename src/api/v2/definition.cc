#include "api/v2/definition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "process/validation.h"

namespace headrace::api::v2 {
namespace {

using process::AppSpec;
using process::PortKind;
using process::PortSpec;

// What GET adds to a definition: a client may send back what it was given.
constexpr auto kShownOnly = {"versionInfo",     "tasksStaged",          "tasksRunning", "tasksHealthy",
                             "tasksUnhealthy",  "deployments",          "tasks",        "tasksStats",
                             "lastTaskFailure", "readinessCheckResults"};

std::string feature(std::string_view name) {
  return fmt::format("\"{}\"", name);
}

// Texts of users are literal: `$(NAME)` is our own notation for variables, which Marathon does not have.
std::string literal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '(') out += '$';
    out += text[i];
  }
  return out;
}

Duration seconds(double value) {
  return Duration(static_cast<std::int64_t>(value * 1000 + 0.5));
}

std::optional<cluster::Protocol> protocol_from(const std::string& text, const std::string& path,
                                               Errors& errors) {
  if (text == "tcp") return cluster::Protocol::kTcp;
  if (text == "udp") return cluster::Protocol::kUdp;
  if (text == "udp,tcp" || text == "tcp,udp") {
    errors.add_unsupported(path, "one port for both udp and tcp");
  } else {
    errors.add(path, "must be \"tcp\" or \"udp\"");
  }
  return std::nullopt;
}

// Port names are how claims and checks name ports; Marathon's may be absent.
std::string port_name(Fields& fields, std::size_t index) {
  const std::string name = fields.text("name");
  return name.empty() ? fmt::format("port{}", index) : name;
}

void read_port_definitions(Fields& app, bool is_bridge, AppSpec& spec, Errors& errors) {
  const bool require = app.boolean("requirePorts", false);
  if (!app.has("portDefinitions")) {
    if (!is_bridge) spec.ports.push_back({.name = "default"});
    return;
  }
  if (is_bridge)
    return errors.add(app.at("portDefinitions"), "portDefinitions are only allowed with host-networking");
  app.each("portDefinitions", [&](const json::value& value, const std::string& path) {
    Fields fields(value, path, errors);
    PortSpec port{.name = port_name(fields, spec.ports.size())};
    const auto number = static_cast<std::uint16_t>(fields.integer("port", 0, 0, 65535));
    if (require && number != 0) {
      port.kind = PortKind::kFixed;
      port.number = number;
    }
    if (const auto protocol = protocol_from(fields.text("protocol", "tcp"), fields.at("protocol"), errors)) {
      port.protocol = *protocol;
    }
    port.labels = fields.text_map("labels");
    spec.ports.push_back(std::move(port));
  });
}

void read_port_mappings(Fields& container, bool is_bridge, AppSpec& spec, Errors& errors) {
  const json::value* given = container.find("portMappings");
  if (!given || (given->is_array() && given->get_array().empty())) return;
  if (!is_bridge) {
    return errors.add(container.at("portMappings"), "portMappings are not allowed with host-networking");
  }
  container.each("portMappings", [&](const json::value& value, const std::string& path) {
    Fields fields(value, path, errors);
    PortSpec port{.name = port_name(fields, spec.ports.size())};
    port.container_port = static_cast<std::uint16_t>(fields.integer("containerPort", 0, 0, 65535));
    if (*port.container_port == 0) errors.add_unsupported(fields.at("containerPort"), "containerPort 0");
    const auto number = static_cast<std::uint16_t>(fields.integer("hostPort", 0, 0, 65535));
    if (number != 0) {
      port.kind = PortKind::kFixed;
      port.number = number;
    }
    fields.integer("servicePort", 0, 0, 65535);
    fields.unsupported("networkNames", feature("networkNames"));
    if (const auto protocol = protocol_from(fields.text("protocol", "tcp"), fields.at("protocol"), errors)) {
      port.protocol = *protocol;
    }
    port.labels = fields.text_map("labels");
    spec.ports.push_back(std::move(port));
  });
}

void read_volume(const json::value& value, const std::string& path, Errors& errors) {
  Fields fields(value, path, errors);
  fields.accept({"containerPath", "mode"});
  if (fields.has("persistent")) return errors.add_unsupported(path, "a persistent volume");
  if (fields.has("external")) return errors.add_unsupported(path, "an external volume");
  if (fields.has("secret")) return errors.add_unsupported(path, "a secret volume");
  fields.accept({"hostPath"});
  errors.add(path, "host paths are refused: this server's policy names none");
}

void read_docker(const json::value& value, const std::string& path, cluster::TaskSpec& task, Errors& errors) {
  Fields docker(value, path, errors);
  task.image = docker.text("image");
  if (task.image.empty()) errors.add(docker.at("image"), "must not be empty");
  if (docker.boolean("privileged", false)) {
    errors.add(docker.at("privileged"), "privileged containers are refused: this server's policy names none");
  }
  docker.unsupported("forcePullImage", feature("forcePullImage"));
  docker.unsupported("parameters", feature("parameters"));
  docker.unsupported("pullConfig", feature("pullConfig"));
  docker.unsupported("network", "the legacy form \"docker.network\" (write \"networks\")");
  docker.unsupported("portMappings",
                     "the legacy form \"docker.portMappings\" (write \"container.portMappings\")");
}

// True for a container network of its own.
bool read_networks(Fields& app, Errors& errors) {
  bool is_bridge = false, is_host = false;
  app.each("networks", [&](const json::value& value, const std::string& path) {
    Fields network(value, path, errors);
    const std::string mode = network.text("mode", "container");
    network.unsupported("labels", "network labels");
    if (mode == "host") {
      is_host = true;
    } else if (mode == "container/bridge") {
      is_bridge = true;
    } else if (mode == "container") {
      errors.add_unsupported(path, "a named container network");
    } else {
      errors.add(network.at("mode"), "must be \"host\", \"container\" or \"container/bridge\"");
    }
    network.unsupported("name", "a named container network");
  });
  if (is_bridge && is_host)
    errors.add(app.at("networks"), "Host networking and container networking cannot be mixed");
  return is_bridge;
}

void read_container(Fields& app, bool is_bridge, AppSpec& spec, cluster::TaskSpec& task, Errors& errors) {
  const json::value* found = app.find("container");
  if (!found) {
    const bool runs = !task.args.empty();
    return errors.add(
        app.at("container"),
        runs ? "a container with docker.image is needed: tasks without an image are not in this release"
             : "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.");
  }
  Fields container(*found, app.at("container"), errors);
  const std::string type = container.text("type", "DOCKER");
  if (type != "DOCKER" && type != "MESOS")
    errors.add(container.at("type"), "must be \"DOCKER\" or \"MESOS\"");
  if (const json::value* docker = container.find("docker")) {
    read_docker(*docker, container.at("docker"), task, errors);
  } else {
    errors.add(container.at("docker"), "an image is needed");
  }
  container.each("volumes",
                 [&](const json::value& v, const std::string& path) { read_volume(v, path, errors); });
  read_port_mappings(container, is_bridge, spec, errors);
  container.unsupported("linuxInfo", feature("linuxInfo"));
  container.unsupported("appc", "AppC images");
}

void read_command(Fields& app, cluster::TaskSpec& task, Errors& errors) {
  const std::string cmd = app.text("cmd");
  std::vector<std::string> args = app.texts("args");
  if (app.has("cmd") && app.has("args")) {
    errors.add("/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.");
  }
  if (app.has("cmd") && cmd.empty()) errors.add(app.at("cmd"), "must not be an empty string");
  if (!cmd.empty()) {
    // As Marathon runs it: by the shell of the image, whatever its entry point.
    task.entrypoint = {"/bin/sh"};
    task.args = {"-c", literal(cmd)};
  }
  for (const std::string& word : args) task.args.push_back(literal(word));
}

void read_check_port(Fields& fields, const AppSpec& spec, cluster::Check& check, Errors& errors) {
  fields.unsupported("port", "a health check of a port number (write \"portIndex\")");
  const auto index = static_cast<std::size_t>(fields.integer("portIndex", 0));
  if (index < spec.ports.size()) {
    check.port = spec.ports[index].name;
  } else {
    errors.add(
        fields.at("portIndex"),
        "Health check port indices must address an element of the ports array or container port mappings.");
  }
}

void read_health_checks(Fields& app, const AppSpec& spec, cluster::TaskSpec& task, Errors& errors) {
  app.each("healthChecks", [&](const json::value& value, const std::string& path) {
    if (task.check) return errors.add_unsupported(path, "more than one health check");
    Fields fields(value, path, errors);
    cluster::Check check;
    const std::string protocol = fields.text("protocol", "HTTP");
    check.grace = seconds(fields.number("gracePeriodSeconds", 300));
    check.interval = seconds(fields.number("intervalSeconds", 60));
    check.timeout = seconds(fields.number("timeoutSeconds", 20));
    check.failures = static_cast<int>(fields.integer("maxConsecutiveFailures", 3, 0, 1'000'000));
    fields.number("delaySeconds", 15);
    fields.unsupported("ignoreHttp1xx", feature("ignoreHttp1xx"));
    if (fields.text("ipProtocol", "IPv4") != "IPv4") errors.add_unsupported(fields.at("ipProtocol"), "IPv6");
    check.path = fields.text("path", "/");
    const json::value* command = fields.find("command");
    if (protocol == "COMMAND") {
      check.kind = cluster::CheckKind::kCommand;
      fields.accept({"port", "portIndex"});
      if (command) {
        Fields words(*command, fields.at("command"), errors);
        check.command = {"/bin/sh", "-c", words.text("value")};
        if (check.command[2].empty()) errors.add(words.at("value"), "must not be empty");
      } else {
        errors.add(fields.at("command"), "must be defined");
      }
    } else if (protocol == "HTTP" || protocol == "MESOS_HTTP" || protocol == "TCP" ||
               protocol == "MESOS_TCP") {
      check.kind = protocol.ends_with("HTTP") ? cluster::CheckKind::kHttp : cluster::CheckKind::kTcp;
      read_check_port(fields, spec, check, errors);
    } else if (protocol == "HTTPS" || protocol == "MESOS_HTTPS") {
      fields.accept({"port", "portIndex"});
      return errors.add_unsupported(fields.at("protocol"), fmt::format("a health check by {}", protocol));
    } else {
      fields.accept({"port", "portIndex"});
      return errors.add(fields.at("protocol"), "must be HTTP, TCP, COMMAND, MESOS_HTTP or MESOS_TCP");
    }
    task.check = std::move(check);
  });
}

void read_constraints(Fields& app, AppSpec& spec, Errors& errors) {
  using enum cluster::Operator;
  static constexpr std::array<std::pair<std::string_view, cluster::Operator>, 7> kOperators{
      {{"UNIQUE", kUnique},
       {"LIKE", kLike},
       {"UNLIKE", kUnlike},
       {"IS", kIs},
       {"CLUSTER", kCluster},
       {"GROUP_BY", kGroupBy},
       {"MAX_PER", kMaxPer}}};
  app.each("constraints", [&](const json::value& value, const std::string& path) {
    std::vector<std::string> words;
    if (value.is_array()) {
      for (const json::value& word : value.get_array()) {
        if (word.is_string()) words.emplace_back(word.get_string());
      }
    }
    if (!value.is_array() || words.size() != value.get_array().size())
      return errors.add_type(path, "jsarray");
    if (words.size() < 2 || words.size() > 3) {
      return errors.add(path, "must be [field, operator] or [field, operator, value]");
    }
    const auto found = std::ranges::find(kOperators, words[1], [](const auto& each) { return each.first; });
    if (found == kOperators.end()) return errors.add(path, fmt::format("\"{}\" is no operator", words[1]));
    if (words[0] == "@region" || words[0] == "@zone") return errors.add_unsupported(path, feature(words[0]));
    const bool needs_value = found->second == kLike || found->second == kUnlike || found->second == kIs ||
                             found->second == kMaxPer;
    if (needs_value && words.size() < 3) return errors.add(path, fmt::format("{} needs a value", words[1]));
    spec.constraints.push_back({.field = words[0] == "@hostname" ? "hostname" : words[0],
                                .op = found->second,
                                .value = words.size() == 3 ? words[2] : ""});
  });
}

process::UpgradeStrategy read_upgrade(Fields& app, Errors& errors) {
  process::UpgradeStrategy upgrade;
  if (const json::value* found = app.find("upgradeStrategy")) {
    Fields fields(*found, app.at("upgradeStrategy"), errors);
    upgrade.minimum_health_capacity = fields.number("minimumHealthCapacity", 1);
    upgrade.maximum_over_capacity = fields.number("maximumOverCapacity", 1);
    for (const auto& [name, value] : {std::pair("minimumHealthCapacity", upgrade.minimum_health_capacity),
                                      std::pair("maximumOverCapacity", upgrade.maximum_over_capacity)}) {
      if (value > 1) errors.add(fields.at(name), "must be at most 1");
    }
  }
  return upgrade;
}

// What Marathon can do and this release cannot: each is named rather than ignored.
void read_unsupported(Fields& app, Errors& errors) {
  for (const char* name : {"fetch", "gpus", "readinessChecks", "check", "dependencies", "secrets", "tty",
                           "resourceLimits", "executorResources"}) {
    app.unsupported(name, feature(name));
  }
  for (const auto& [name, instead] :
       {std::pair("uris", "fetch"), std::pair("ports", "portDefinitions"), std::pair("ipAddress", "networks"),
        std::pair("residency", "container.volumes"), std::pair("storeUrls", "fetch")}) {
    app.unsupported(name, fmt::format("the legacy form \"{}\" (write \"{}\")", name, instead));
  }
  const auto only = [&](const char* name, const json::value& allowed) {
    const json::value* found = app.find(name);
    if (found && canonical(*found) != allowed) {
      errors.add_unsupported(app.at(name),
                             fmt::format("\"{}\" other than {}", name, json::serialize(allowed)));
    }
  };
  only("executor", "");
  only("role", "*");
  only("acceptedResourceRoles", json::array{"*"});
  only("killSelection", "YOUNGEST_FIRST");
  only("unreachableStrategy", json::object{{"expungeAfterSeconds", 300}, {"inactiveAfterSeconds", 300}});
}

// What GET shows: the definition as given, in canonical order, with Marathon's defaults.
std::string definition_text(const json::object& given, const AppSpec& spec) {
  json::object normal{{"backoffFactor", 1.15},
                      {"backoffSeconds", 1},
                      {"cpus", 1},
                      {"disk", 0},
                      {"env", json::object{}},
                      {"executor", ""},
                      {"gpus", 0},
                      {"killSelection", "YOUNGEST_FIRST"},
                      {"labels", json::object{}},
                      {"maxLaunchDelaySeconds", 300},
                      {"mem", 128},
                      {"networks", json::array{json::object{{"mode", "host"}}}},
                      {"requirePorts", false},
                      {"role", "*"},
                      {"unreachableStrategy", {{"expungeAfterSeconds", 300}, {"inactiveAfterSeconds", 300}}},
                      {"upgradeStrategy", {{"maximumOverCapacity", 1}, {"minimumHealthCapacity", 1}}}};
  for (const auto& [key, value] : given) {
    const bool shown_only = std::ranges::find(kShownOnly, std::string_view(key)) != std::end(kShownOnly);
    if (key != "id" && key != "instances" && key != "version" && !shown_only && !value.is_null()) {
      normal[key] = value;
    }
  }
  const bool is_bridge =
      std::get<process::Service>(spec.kind).settings.task.network == cluster::Network::kBridge;
  if (!is_bridge && !normal.contains("portDefinitions")) {
    normal["portDefinitions"] = json::array{
        json::object{{"name", "default"}, {"port", 0}, {"protocol", "tcp"}, {"labels", json::object{}}}};
  }
  return json::serialize(canonical(normal));
}

Refusal invalid_json(std::string_view message, std::string details) {
  return {.status = 400, .message = std::string(message), .extra = {{"details", std::move(details)}}};
}

Parsed<json::object> parse_object(std::string_view body) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 64;
  json::value value = json::parse(body, error, {}, options);
  if (error) return std::unexpected(invalid_json("Invalid JSON", error.message()));
  if (!value.is_object()) {
    return std::unexpected(invalid_json("Please specify data in JSON format", "an object is expected"));
  }
  return std::move(value.get_object());
}

Parsed<AppSpec> parse_object_as_app(const json::object& given, std::string_view id_of_path) {
  Errors errors;
  AppSpec spec;
  {
    const json::value value(given);
    Fields app(value, "", errors);
    app.accept(kShownOnly);
    if (app.has("version")) {
      const bool alone = given.size() == 1 || (given.size() == 2 && given.contains("id"));
      alone ? errors.add_unsupported(app.at("version"), "going back to a version (\"versions\")")
            : errors.add(app.at("version"), "The 'version' field may only be combined with the 'id' field.");
      if (alone) return std::unexpected(errors.refusal());
    }
    const std::string id = app.text("id", id_of_path);
    spec.id = absolute_id(id);
    if (!process::is_well_formed(spec.id)) {
      errors.add(app.at("id"), id.empty()
                                   ? "must not be empty"
                                   : "must be a path of segments of lower-case letters, digits, '-' and '.'");
    } else if (const std::string last = spec.id.str().substr(spec.id.str().rfind('/') + 1);
               last == "restart" || last == "tasks" || last == "versions") {
      errors.add(app.at("id"), fmt::format("must not end with \"{}\"", last));
    }
    if (!id_of_path.empty() && spec.id != absolute_id(id_of_path)) {
      errors.add(app.at("id"), "must be the id of the path");
    }
    process::Service service;
    cluster::TaskSpec& task = service.settings.task;
    service.instances = static_cast<int>(app.integer("instances", 1, 0, 100'000));
    spec.resources = {.cpus = app.number("cpus", 1),
                      .memory = {static_cast<std::int64_t>(app.number("mem", 128) * 1024 * 1024)},
                      .disk = {static_cast<std::int64_t>(app.number("disk", 0) * 1024 * 1024)}};
    spec.backoff = {.initial = seconds(app.number("backoffSeconds", 1)),
                    .factor = app.number("backoffFactor", 1.15, 1),
                    .maximum = seconds(app.number("maxLaunchDelaySeconds", 300))};
    spec.labels = app.text_map("labels");
    const bool is_bridge = read_networks(app, errors);
    task.network = is_bridge ? cluster::Network::kBridge : cluster::Network::kHost;
    task.user = app.text("user");
    for (const auto& [name, text] : app.text_map("env")) task.env[name] = literal(text);
    task.grace = seconds(app.number("taskKillGracePeriodSeconds", 10));
    read_command(app, task, errors);
    read_container(app, is_bridge, spec, task, errors);
    read_port_definitions(app, is_bridge, spec, errors);
    read_health_checks(app, spec, task, errors);
    read_constraints(app, spec, errors);
    service.upgrade = read_upgrade(app, errors);
    read_unsupported(app, errors);
    std::set<std::string> names;
    for (const PortSpec& port : spec.ports) {
      if (!names.insert(port.name).second) errors.add("/portDefinitions", "Port names must be unique.");
    }
    spec.kind = std::move(service);
  }
  if (!errors.empty()) return std::unexpected(errors.refusal());
  spec.v2_definition = definition_text(given, spec);
  return spec;
}

}  // namespace

process::AppId absolute_id(std::string_view id) {
  while (id.size() > 1 && id.ends_with('/')) id.remove_suffix(1);
  return process::AppId(id.empty() || id.starts_with('/') ? std::string(id) : "/" + std::string(id));
}

Parsed<AppSpec> parse_app(std::string_view body, std::string_view id_of_path) {
  auto given = parse_object(body);
  if (!given) return std::unexpected(std::move(given).error());
  return parse_object_as_app(*given, id_of_path);
}

Parsed<AppSpec> parse_update(std::string_view body, const process::AppView& present, bool partial) {
  auto given = parse_object(body);
  if (!given) return std::unexpected(std::move(given).error());
  if (!partial || given->contains("version")) return parse_object_as_app(*given, present.id.str());
  json::error_code error;
  json::value merged = json::parse(present.spec->v2_definition, error);
  if (error || !merged.is_object()) {
    return std::unexpected(
        Refusal{.status = 409, .message = fmt::format("{} was not made by /v2", present.id)});
  }
  json::object& all = merged.get_object();
  if (const auto* service = std::get_if<process::Service>(&present.spec->kind)) {
    all["instances"] = service->instances;
  }
  for (const auto& [key, value] : *given) all[key] = value;
  return parse_object_as_app(all, present.id.str());
}

}  // namespace headrace::api::v2
