#include "cluster/local/container_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>

namespace headrace::cluster {
namespace {

namespace json = boost::json;

constexpr std::int64_t kSharesPerCpu = 1024, kShareFloor = 512;

std::string docker_name(std::string text) {
  for (char& c : text) {
    const bool allowed = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
    if (!allowed) c = '-';
  }
  return text;
}

std::string variable_name(const std::string& port) {
  std::string name = "PORT_" + port;
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return std::isalnum(c) ? std::toupper(c) : '_'; });
  return name;
}

json::object to_json(const Check& check) {
  return {{"kind", static_cast<int>(check.kind)},
          {"command", json::value_from(check.command)},
          {"path", check.path},
          {"port", check.port},
          {"interval", check.interval.count()},
          {"timeout", check.timeout.count()},
          {"grace", check.grace.count()},
          {"failures", check.failures}};
}

Check check_from(const json::object& object) {
  Check check{.kind = static_cast<CheckKind>(object.at("kind").to_number<int>()),
              .path = std::string(object.at("path").as_string()),
              .port = std::string(object.at("port").as_string()),
              .interval = Duration(object.at("interval").to_number<std::int64_t>()),
              .timeout = Duration(object.at("timeout").to_number<std::int64_t>()),
              .grace = Duration(object.at("grace").to_number<std::int64_t>()),
              .failures = object.at("failures").to_number<int>()};
  for (const json::value& part : object.at("command").as_array())
    check.command.emplace_back(part.as_string());
  return check;
}

std::string run_label(const Launch& launch) {
  json::object ports;
  for (const auto& [name, number] : launch.claim.ports) ports[name] = number;
  json::object run{{"address", launch.claim.address}, {"ports", std::move(ports)}};
  if (launch.task.spec.check) run["check"] = to_json(*launch.task.spec.check);
  return json::serialize(run);
}

}  // namespace

std::string container_name(const TaskId& task) {
  return docker_name("hr-" + task.str());
}

std::string volume_name(const std::string& server, const ClaimId& claim, const std::string& volume) {
  return docker_name(fmt::format("hr-{}-{}-{}", server, claim.str(), volume));
}

std::map<std::string, std::string> task_environment(const Launch& launch) {
  std::map<std::string, std::string> variables = launch.task.spec.env;
  const bool bridged = launch.task.spec.network == Network::kBridge;
  variables.emplace("HOST", launch.claim.address);
  variables.emplace("BIND_ADDRESS", bridged ? "0.0.0.0" : launch.claim.address);
  std::string all;
  for (size_t i = 0; i < launch.ports.size(); ++i) {
    const auto number = launch.claim.ports.find(launch.ports[i].name);
    if (number == launch.claim.ports.end()) continue;
    const std::string text = std::to_string(number->second);
    if (i == 0) variables.emplace("PORT", text);
    variables.emplace(fmt::format("PORT{}", i), text);
    if (!launch.ports[i].name.empty()) variables.emplace(variable_name(launch.ports[i].name), text);
    all += (all.empty() ? "" : ",") + text;
  }
  if (!all.empty()) variables.emplace("PORTS", all);
  return variables;
}

std::string expand(const std::string& text, const std::map<std::string, std::string>& variables) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && text.compare(i, 3, "$$(") == 0) {
      out += "$(";
      i += 2;
      continue;
    }
    const size_t end = text.compare(i, 2, "$(") == 0 ? text.find(')', i) : std::string::npos;
    const auto found =
        end == std::string::npos ? variables.end() : variables.find(text.substr(i + 2, end - i - 2));
    if (found == variables.end()) {
      out += text[i];
    } else {
      out += found->second;
      i = end;
    }
  }
  return out;
}

docker::ContainerSpec container_spec(const std::string& server, const Launch& launch,
                                     const std::vector<docker::Mount>& secret_mounts) {
  const TaskSpec& task = launch.task.spec;
  const std::map<std::string, std::string> variables = task_environment(launch);
  docker::ContainerSpec spec;
  spec.name = container_name(launch.task.id);
  spec.image = task.image;
  for (const std::string& part : task.entrypoint) spec.entrypoint.push_back(expand(part, variables));
  for (const std::string& part : task.args) spec.command.push_back(expand(part, variables));
  for (const auto& [name, value] : variables) spec.env.push_back(name + "=" + expand(value, variables));
  spec.labels = task.labels;
  spec.labels["headrace.server"] = server;
  spec.labels["headrace.task"] = launch.task.id.str();
  spec.labels["headrace.claim"] = launch.claim.id.str();
  spec.labels["headrace.agent"] = launch.agent.str();
  spec.labels["headrace.run"] = run_label(launch);
  spec.user = task.user;
  spec.working_folder = task.working_dir;
  spec.network = task.network == Network::kHost ? "host" : "bridge";
  if (task.network == Network::kBridge) {
    for (const PortWant& port : launch.ports) {
      const auto number = launch.claim.ports.find(port.name);
      if (number == launch.claim.ports.end()) continue;
      // Marathon: container port 0 is the host port.
      const int inside = port.container_port.value_or(0) ? *port.container_port : number->second;
      spec.ports.push_back(
          {.container_port = inside,
           .host_port = number->second,
           .host_ip = launch.claim.address,
           .protocol = port.protocol == Protocol::kUdp ? docker::Protocol::kUdp : docker::Protocol::kTcp});
    }
  }
  // CPUs are a share under contention, as Mesos gives them; memory is a limit. The floor keeps a small
  // service from starving while all of an application start at once.
  spec.cpu_shares = kShareFloor + static_cast<std::int64_t>(launch.resources.cpus * kSharesPerCpu);
  spec.memory = launch.resources.memory;
  for (const VolumeWant& volume : launch.volumes) {
    spec.mounts.push_back({.kind = docker::Mount::Kind::kVolume,
                           .source = volume_name(server, launch.claim.id, volume.name),
                           .target = volume.path});
  }
  spec.tmpfs = task.tmpfs;
  for (const std::string& mount : task.host_mounts) {
    const size_t first = mount.find(':'), last = mount.rfind(':');
    if (first == std::string::npos || first == last) continue;
    spec.mounts.push_back({.kind = docker::Mount::Kind::kBind,
                           .source = mount.substr(0, first),
                           .target = mount.substr(first + 1, last - first - 1),
                           .read_only = mount.substr(last + 1) == "ro"});
  }
  spec.mounts.insert(spec.mounts.end(), secret_mounts.begin(), secret_mounts.end());
  spec.read_only_root = task.read_only;
  spec.privileged = task.privileged;
  if (!task.privileged) spec.drop_capabilities = {"NET_RAW", "MKNOD", "AUDIT_WRITE", "SETFCAP"};
  spec.stop_grace = task.grace;
  return spec;
}

Result<Adopted> adopted_from(const docker::Labels& labels) {
  const auto label = [&](const char* name) {
    const auto found = labels.find(name);
    return found == labels.end() ? std::string() : found->second;
  };
  Adopted adopted{.task = TaskId(label("headrace.task")),
                  .claim = {.id = ClaimId(label("headrace.claim"))},
                  .agent = AgentId(label("headrace.agent"))};
  json::error_code error;
  const json::value run = json::parse(label("headrace.run"), error);
  if (adopted.task.empty() || error || !run.is_object()) {
    return fail(Code::kCorrupt, "a container has labels of this server that cannot be read",
                "remove it by hand: docker ps -a --filter label=headrace.server");
  }
  adopted.claim.agent = adopted.agent;
  try {
    adopted.claim.address = std::string(run.at("address").as_string());
    for (const auto& [name, number] : run.at("ports").as_object()) {
      adopted.claim.ports[std::string(name)] = number.to_number<std::uint16_t>();
    }
    if (const json::value* check = run.as_object().if_contains("check")) {
      adopted.check = check_from(check->as_object());
    }
  } catch (const std::exception& problem) {
    return fail(Code::kCorrupt,
                fmt::format("the labels of task {} cannot be read: {}", adopted.task, problem.what()));
  }
  return adopted;
}

}  // namespace headrace::cluster
