#include "docker/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace headrace::docker {
namespace {

namespace json = boost::json;

// Of a container's log, which the engine keeps as JSON and rotates.
constexpr Bytes kLogSize = Bytes::mib(16);
constexpr int kLogFiles = 3;

json::string text(std::string_view value) {
  return json::string(value.data(), value.size());
}

json::array array_of(const std::vector<std::string>& items) {
  json::array out;
  for (const std::string& item : items) out.emplace_back(text(item));
  return out;
}

json::object object_of(const Labels& labels) {
  json::object out;
  for (const auto& [key, value] : labels) out[key] = text(value);
  return out;
}

// "80/tcp"
std::string port_key(const PortBinding& port) {
  return fmt::format("{}/{}", port.container_port, port.protocol == Protocol::kUdp ? "udp" : "tcp");
}

json::array mounts_of(const ContainerSpec& spec) {
  json::array out;
  for (const Mount& mount : spec.mounts) {
    out.push_back(json::object{{"Type", mount.kind == Mount::Kind::kVolume ? "volume" : "bind"},
                               {"Target", mount.target},
                               {"Source", mount.source},
                               {"ReadOnly", mount.read_only}});
  }
  return out;
}

json::object host_config_of(const ContainerSpec& spec) {
  json::object bindings;
  for (const PortBinding& port : spec.ports) {
    json::value& list = bindings[port_key(port)];
    if (!list.is_array()) list.emplace_array();
    list.get_array().push_back(
        json::object{{"HostIp", port.host_ip},
                     {"HostPort", port.host_port ? std::to_string(port.host_port) : std::string()}});
  }
  json::object tmpfs;
  for (const auto& [path, options] : spec.tmpfs) tmpfs[path] = options;
  json::object host{
      {"NetworkMode", spec.network},
      {"Mounts", mounts_of(spec)},
      {"Tmpfs", std::move(tmpfs)},
      {"LogConfig", json::object{{"Type", "json-file"},
                                 {"Config", json::object{{"max-size", std::to_string(kLogSize.count)},
                                                         {"max-file", std::to_string(kLogFiles)}}}}},
      {"SecurityOpt", json::array{"no-new-privileges"}},
      {"ReadonlyRootfs", spec.read_only_root},
      {"Privileged", spec.privileged},
      {"CapDrop", array_of(spec.drop_capabilities)},
      {"PortBindings", std::move(bindings)},
  };
  if (spec.cpu_shares > 0) host["CpuShares"] = spec.cpu_shares;
  if (spec.memory.count > 0) {
    host["Memory"] = spec.memory.count;
    host["MemorySwap"] = spec.memory.count;  // memory and swap together: so no swap
  }
  return host;
}

ContainerState state_from(std::string_view word) {
  static constexpr std::pair<std::string_view, ContainerState> kStates[] = {
      {"created", ContainerState::kCreated},   {"running", ContainerState::kRunning},
      {"paused", ContainerState::kPaused},     {"restarting", ContainerState::kRestarting},
      {"removing", ContainerState::kRemoving}, {"exited", ContainerState::kExited}};
  for (const auto& [each, state] : kStates)
    if (each == word) return state;
  return ContainerState::kDead;
}

std::string without_slash(std::string name) {
  if (name.starts_with('/')) name.erase(0, 1);
  return name;
}

}  // namespace

std::string create_body(const ContainerSpec& spec) {
  json::object exposed;
  for (const PortBinding& port : spec.ports) exposed[port_key(port)] = json::object{};
  json::object body{
      {"Image", spec.image},
      {"Env", array_of(spec.env)},
      {"Labels", object_of(spec.labels)},
      {"User", spec.user},
      {"WorkingDir", spec.working_folder},
      {"ExposedPorts", std::move(exposed)},
      {"HostConfig", host_config_of(spec)},
  };
  if (!spec.command.empty()) body["Cmd"] = array_of(spec.command);
  if (!spec.entrypoint.empty()) body["Entrypoint"] = array_of(spec.entrypoint);
  if (spec.stop_grace)
    body["StopTimeout"] = std::chrono::ceil<std::chrono::seconds>(*spec.stop_grace).count();
  return json::serialize(body);
}

std::string exec_body(const std::vector<std::string>& command) {
  return json::serialize(
      json::object{{"AttachStdout", true}, {"AttachStderr", true}, {"Cmd", array_of(command)}});
}

std::string volume_body(std::string_view name, const Labels& labels) {
  return json::serialize(json::object{{"Name", text(name)}, {"Labels", object_of(labels)}});
}

std::string filters(const LabelFilters& labels) {
  return json::serialize(json::object{{"label", array_of(labels)}});
}

std::string filters(const EventQuery& query) {
  return json::serialize(json::object{{"type", json::array{"container"}},
                                      {"label", array_of(query.labels)},
                                      {"event", array_of(query.actions)}});
}

Image image_from(JsonView json) {
  return {.id = json["Id"].text(), .user = json["Config"]["User"].text()};
}

Container container_from_inspect(JsonView json) {
  const JsonView state = json["State"];
  return {.id = json["Id"].text(),
          .name = without_slash(json["Name"].text()),
          .state = state_from(state["Status"].text()),
          .labels = json["Config"]["Labels"].labels(),
          .exit_code = static_cast<int>(state["ExitCode"].number()),
          .out_of_memory = state["OOMKilled"].flag(),
          .error = state["Error"].text()};
}

Container container_from_list(JsonView json) {
  const auto names = json["Names"].items();
  return {.id = json["Id"].text(),
          .name = names.empty() ? std::string() : without_slash(names.front().text()),
          .state = state_from(json["State"].text()),
          .labels = json["Labels"].labels()};
}

Usage usage_from(JsonView json) {
  const JsonView memory = json["memory_stats"];
  // cgroup v1 and v2 name the reclaimable page cache differently.
  const std::int64_t cache =
      std::max(memory["stats"]["total_inactive_file"].number(), memory["stats"]["inactive_file"].number());
  return {.cpu = std::chrono::nanoseconds(json["cpu_stats"]["cpu_usage"]["total_usage"].number()),
          .memory = Bytes{std::max<std::int64_t>(0, memory["usage"].number() - cache)}};
}

Event event_from(JsonView json) {
  const std::string action = json["Action"].text();
  Event event{.action = action.substr(0, action.find(": ")),  // "exec_start: sh -c ..."
              .labels = json["Actor"]["Attributes"].labels(),
              .time = EngineTime(std::chrono::nanoseconds(json["timeNano"].number()))};
  // Docker mixes its own attributes with the container's labels.
  for (const char* attribute : {"name", "image", "exitCode"}) event.labels.erase(attribute);
  return event;
}

Error error_from(int status, std::string_view message, std::string_view doing) {
  Error error{.message = fmt::format("cannot {}: {}", doing, message)};
  const auto says = [&](std::string_view words) { return message.find(words) != std::string_view::npos; };
  if (says("no space left on device")) {
    error.code = Code::kUnavailable;
    error.remedy = "free space on the disk of the Docker Engine: docker system df";
  } else if (says("port is already allocated") || says("address already in use")) {
    error.code = Code::kRefused;
    error.remedy = "choose another port, or stop what listens there";
  } else if (status == 404) {
    error.code = Code::kNotFound;
  } else if (status == 409) {
    error.code = Code::kConflict;
  } else if (status >= 400 && status < 500) {
    error.code = Code::kInvalid;
  } else {
    error.code = Code::kUnavailable;
  }
  return error;
}

}  // namespace headrace::docker
