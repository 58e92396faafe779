#include "docker/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>

namespace headrace::docker {
namespace {

namespace json = boost::json;

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

std::string_view word_of(Mount::Kind kind) {
  switch (kind) {
    case Mount::Kind::kVolume: return "volume";
    case Mount::Kind::kBind: return "bind";
    case Mount::Kind::kTmpfs: return "tmpfs";
  }
  return "";
}

// "80/tcp"
std::string port_key(const PortBinding& port) {
  return fmt::format("{}/{}", port.container_port, port.protocol == Protocol::kUdp ? "udp" : "tcp");
}

json::array mounts_of(const ContainerSpec& spec) {
  json::array out;
  for (const Mount& mount : spec.mounts) {
    json::object entry{{"Type", text(word_of(mount.kind))}, {"Target", mount.target}};
    if (mount.kind != Mount::Kind::kTmpfs) entry["Source"] = mount.source;
    if (mount.read_only) entry["ReadOnly"] = true;
    if (mount.tmpfs_size.count > 0)
      entry["TmpfsOptions"] = json::object{{"SizeBytes", mount.tmpfs_size.count}};
    out.push_back(std::move(entry));
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
  json::array ulimits;
  for (const Ulimit& limit : spec.ulimits)
    ulimits.push_back(json::object{{"Name", limit.name}, {"Soft", limit.soft}, {"Hard", limit.hard}});

  json::object host{
      {"NetworkMode", spec.network},
      {"Mounts", mounts_of(spec)},
      {"Tmpfs", std::move(tmpfs)},
      {"LogConfig",
       json::object{{"Type", "json-file"},
                    {"Config", json::object{{"max-size", std::to_string(spec.log_max_size.count)},
                                            {"max-file", std::to_string(spec.log_max_files)}}}}},
      {"Init", spec.init},
      {"ReadonlyRootfs", spec.read_only_root},
      {"Privileged", spec.privileged},
      {"CapAdd", array_of(spec.add_capabilities)},
      {"CapDrop", array_of(spec.drop_capabilities)},
      {"ExtraHosts", array_of(spec.extra_hosts)},
      {"PortBindings", std::move(bindings)},
      {"Ulimits", std::move(ulimits)},
  };
  if (spec.no_new_privileges) host["SecurityOpt"] = json::array{"no-new-privileges"};
  if (spec.cpus > 0) host["NanoCpus"] = std::llround(spec.cpus * 1e9);
  if (spec.cpu_shares > 0) host["CpuShares"] = spec.cpu_shares;
  if (spec.memory.count > 0) {
    host["Memory"] = spec.memory.count;
    host["MemorySwap"] = spec.memory.count;  // memory and swap together: so no swap
    if (!spec.kill_on_out_of_memory) host["OomKillDisable"] = true;
  }
  if (spec.pids > 0) host["PidsLimit"] = spec.pids;
  return host;
}

ContainerState state_from(std::string_view word) {
  for (const auto state : {ContainerState::kCreated, ContainerState::kRunning, ContainerState::kPaused,
                           ContainerState::kRestarting, ContainerState::kRemoving, ContainerState::kExited})
    if (docker::word_of(state) == word) return state;
  return ContainerState::kDead;
}

// Docker writes "0001-01-01T00:00:00Z" for never.
std::optional<Wall> time_from(const std::string& text) {
  const auto time = parse_rfc3339(text);
  return time && *time > Wall{} ? std::optional(*time) : std::nullopt;
}

std::vector<Mount> mounts_from(JsonView json) {
  std::vector<Mount> out;
  for (const JsonView& item : json.items()) {
    const std::string type = item["Type"].text();
    const bool is_volume = type == "volume";
    out.push_back({.kind = is_volume         ? Mount::Kind::kVolume
                           : type == "tmpfs" ? Mount::Kind::kTmpfs
                                             : Mount::Kind::kBind,
                   .source = item[is_volume ? "Name" : "Source"].text(),
                   .target = item["Destination"].text(),
                   .read_only = !item["RW"].flag()});
  }
  return out;
}

Protocol protocol_from(std::string_view word) {
  return word == "udp" ? Protocol::kUdp : Protocol::kTcp;
}

std::string address_from(JsonView network_settings) {
  for (const auto& [name, network] : network_settings["Networks"].members())
    if (std::string address = network["IPAddress"].text(); !address.empty()) return address;
  return {};
}

std::string without_slash(std::string name) {
  if (name.starts_with('/')) name.erase(0, 1);
  return name;
}

EngineTime engine_time(std::int64_t nanoseconds) {
  return EngineTime(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

std::string_view word_of(ContainerState state) {
  switch (state) {
    case ContainerState::kCreated: return "created";
    case ContainerState::kRunning: return "running";
    case ContainerState::kPaused: return "paused";
    case ContainerState::kRestarting: return "restarting";
    case ContainerState::kRemoving: return "removing";
    case ContainerState::kExited: return "exited";
    case ContainerState::kDead: return "dead";
  }
  return "";
}

std::string create_body(const ContainerSpec& spec) {
  json::object exposed;
  for (const PortBinding& port : spec.ports) exposed[port_key(port)] = json::object{};
  json::object body{
      {"Image", spec.image},
      {"Env", array_of(spec.env)},
      {"Labels", object_of(spec.labels)},
      {"User", spec.user},
      {"WorkingDir", spec.working_folder},
      {"Hostname", spec.host_name},
      {"ExposedPorts", std::move(exposed)},
      {"HostConfig", host_config_of(spec)},
  };
  if (!spec.command.empty()) body["Cmd"] = array_of(spec.command);
  if (spec.entrypoint) {
    // [""] is how Docker's API says "none": an empty list means the image's.
    body["Entrypoint"] = spec.entrypoint->empty() ? json::array{""} : array_of(*spec.entrypoint);
  }
  if (!spec.stop_signal.empty()) body["StopSignal"] = spec.stop_signal;
  if (spec.stop_grace)
    body["StopTimeout"] = std::chrono::ceil<std::chrono::seconds>(*spec.stop_grace).count();
  return json::serialize(body);
}

std::string exec_body(const ExecSpec& spec, bool with_input) {
  return json::serialize(json::object{{"AttachStdin", with_input},
                                      {"AttachStdout", true},
                                      {"AttachStderr", true},
                                      {"Tty", spec.terminal},
                                      {"Cmd", array_of(spec.command)},
                                      {"Env", array_of(spec.env)},
                                      {"User", spec.user},
                                      {"WorkingDir", spec.working_folder}});
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
  const JsonView config = json["Config"];
  return {.id = json["Id"].text(),
          .tags = json["RepoTags"].texts(),
          .env = config["Env"].texts(),
          .entrypoint = config["Entrypoint"].texts(),
          .command = config["Cmd"].texts(),
          .user = config["User"].text(),
          .working_folder = config["WorkingDir"].text(),
          .labels = config["Labels"].labels(),
          .size = Bytes{json["Size"].number()}};
}

Container container_from_inspect(JsonView json) {
  const JsonView state = json["State"];
  Container out{.id = json["Id"].text(),
                .name = without_slash(json["Name"].text()),
                .image = json["Image"].text(),
                .state = state_from(state["Status"].text()),
                .labels = json["Config"]["Labels"].labels(),
                .address = address_from(json["NetworkSettings"]),
                .exit_code = static_cast<int>(state["ExitCode"].number()),
                .out_of_memory = state["OOMKilled"].flag(),
                .error = state["Error"].text(),
                .pid = state["Pid"].number(),
                .created_at = time_from(json["Created"].text()).value_or(Wall{}),
                .started_at = time_from(state["StartedAt"].text()),
                .finished_at = time_from(state["FinishedAt"].text()),
                .mounts = mounts_from(json["Mounts"])};
  for (const auto& [key, bindings] : json["NetworkSettings"]["Ports"].members()) {
    const auto slash = key.find('/');
    for (const JsonView& binding : bindings.items())
      out.ports.push_back(
          {.container_port = std::atoi(key.c_str()),
           .host_port = std::atoi(binding["HostPort"].text().c_str()),
           .host_ip = binding["HostIp"].text(),
           .protocol = protocol_from(std::string_view(key).substr(std::min(slash, key.size() - 1) + 1))});
  }
  return out;
}

Container container_from_list(JsonView json) {
  const auto names = json["Names"].texts();
  Container out{.id = json["Id"].text(),
                .name = names.empty() ? std::string() : without_slash(names.front()),
                .image = json["ImageID"].text(),
                .state = state_from(json["State"].text()),
                .labels = json["Labels"].labels(),
                .address = address_from(json["NetworkSettings"]),
                .created_at = Wall(std::chrono::seconds(json["Created"].number())),
                .mounts = mounts_from(json["Mounts"])};
  for (const JsonView& port : json["Ports"].items())
    if (port["PublicPort"])
      out.ports.push_back({.container_port = static_cast<int>(port["PrivatePort"].number()),
                           .host_port = static_cast<int>(port["PublicPort"].number()),
                           .host_ip = port["IP"].text(),
                           .protocol = protocol_from(port["Type"].text())});
  return out;
}

Usage usage_from(JsonView json) {
  const JsonView memory = json["memory_stats"];
  // cgroup v1 and v2 name the reclaimable page cache differently.
  const std::int64_t cache =
      std::max(memory["stats"]["total_inactive_file"].number(), memory["stats"]["inactive_file"].number());
  Usage out{.cpu = std::chrono::nanoseconds(json["cpu_stats"]["cpu_usage"]["total_usage"].number()),
            .memory = Bytes{std::max<std::int64_t>(0, memory["usage"].number() - cache)},
            .memory_limit = Bytes{memory["limit"].number()},
            .pids = json["pids_stats"]["current"].number()};
  for (const auto& [name, network] : json["networks"].members()) {
    out.received.count += network["rx_bytes"].number();
    out.sent.count += network["tx_bytes"].number();
  }
  for (const JsonView& entry : json["blkio_stats"]["io_service_bytes_recursive"].items()) {
    const std::string what = entry["op"].text();
    if (what == "Read" || what == "read") out.read.count += entry["value"].number();
    if (what == "Write" || what == "write") out.written.count += entry["value"].number();
  }
  return out;
}

Volume volume_from(JsonView json) {
  return {.name = json["Name"].text(),
          .labels = json["Labels"].labels(),
          .mount_point = json["Mountpoint"].text()};
}

Event event_from(JsonView json) {
  const std::string action = json["Action"].text();
  Event event{.action = action.substr(0, action.find(": ")),  // "exec_start: sh -c ..."
              .container = json["Actor"]["ID"].text(),
              .labels = json["Actor"]["Attributes"].labels(),
              .time = engine_time(json["timeNano"].number())};
  // Docker mixes its own attributes with the container's labels.
  if (const auto name = event.labels.extract("name")) event.name = name.mapped();
  if (const auto code = event.labels.extract("exitCode")) event.exit_code = std::atoi(code.mapped().c_str());
  event.labels.erase("image");
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
