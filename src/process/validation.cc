#include "process/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace headrace::process {
namespace {

constexpr int kMostInstances = 100'000;
constexpr int kMostSlots = 1'000;
constexpr std::size_t kMostPorts = 100;
constexpr std::string_view kEnvironments = "/env/";

// Collects what is wrong with one spec, each with its place in it.
class Errors {
 public:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    invalid_.push_back(prefix_ + fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void unsupported(fmt::format_string<Args...> format, Args&&... args) {
    unsupported_.push_back(prefix_ + fmt::format(format, std::forward<Args>(args)...));
  }
  void in(const AppId& app) { prefix_ = app.str() + ": "; }

  Status status() const {
    if (invalid_.empty() && unsupported_.empty()) return {};
    std::string text;
    for (const auto* list : {&invalid_, &unsupported_}) {
      for (const std::string& each : *list) text += (text.empty() ? "" : "; ") + each;
    }
    return fail(invalid_.empty() ? Code::kUnsupported : Code::kInvalid, std::move(text));
  }

 private:
  std::string prefix_;
  std::vector<std::string> invalid_, unsupported_;
};

void check_task(const cluster::TaskSpec& task, const AppSpec& spec, std::string_view where, Errors& errors) {
  if (task.image.empty()) errors.add("{}image: an image is needed", where);
  if (task.grace < 0ms) errors.add("{}grace: must not be negative", where);
  for (const auto& [name, value] : task.env) {
    if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos) {
      errors.add("{}env: \"{}\" is no name of a variable", where, name);
    }
  }
  for (const cluster::SecretFile& file : task.secrets) {
    if (!file.path.starts_with('/')) errors.add("{}secrets: path \"{}\" must be absolute", where, file.path);
  }
  if (!task.check) return;
  const cluster::Check& check = *task.check;
  if (check.kind == cluster::CheckKind::kCommand) {
    if (check.command.empty()) errors.add("{}check: a command is needed", where);
  } else if (std::ranges::none_of(spec.ports, [&](const PortSpec& p) { return p.name == check.port; })) {
    errors.add("{}check: there is no port \"{}\"", where, check.port);
  }
  if (check.interval <= 0ms || check.timeout <= 0ms) errors.add("{}check: times must be above zero", where);
  if (check.grace < 0ms || check.failures < 0) errors.add("{}check: must not be negative", where);
}

void check_kind(const Service& service, const AppSpec& spec, Errors& errors) {
  if (service.instances < 0 || service.instances > kMostInstances) {
    errors.add("instances: must be 0 to {}", kMostInstances);
  }
  const auto is_share = [](double value) { return value >= 0 && value <= 1; };
  if (!is_share(service.upgrade.minimum_health_capacity)) {
    errors.add("upgradeStrategy.minimumHealthCapacity: must be 0 to 1");
  }
  if (!is_share(service.upgrade.maximum_over_capacity)) {
    errors.add("upgradeStrategy.maximumOverCapacity: must be 0 to 1");
  }
  check_task(service.settings.task, spec, "", errors);
}

void check_kind(const Ordinal& ordinal, const AppSpec& spec, Errors& errors) {
  if (ordinal.slots.size() > kMostSlots) errors.add("slots: at most {}", kMostSlots);
  for (std::size_t i = 0; i < ordinal.slots.size(); ++i) {
    const SlotSpec& slot = ordinal.slots[i];
    const std::string where = fmt::format("slots({}).", i);
    if (slot.slot != static_cast<int>(i)) {
      errors.add("{}slot: is {}; slots are 0, 1, 2 … without a gap", where, slot.slot);
    }
    const bool runs = slot.goal == SlotSpec::Goal::kRunning;
    if (runs != slot.settings.has_value()) {
      errors.add("{}settings: are needed exactly when the goal is running", where);
    }
    if (runs && slot.version.empty()) errors.add("{}version: is needed to run", where);
    if (slot.settings) check_task(slot.settings->task, spec, where, errors);
  }
}

void check_kind(const RunOnce& run_once, const AppSpec& spec, Errors& errors) {
  if (run_once.timeout && *run_once.timeout <= 0ms) errors.add("timeout: must be above zero");
  check_task(run_once.settings.task, spec, "", errors);
}

void check_kind(const Daemon&, const AppSpec&, Errors& errors) {
  errors.unsupported("daemon: apps with one instance per agent are not in this release");
}
void check_kind(const Pod&, const AppSpec&, Errors& errors) {
  errors.unsupported("pod: several containers in one instance are not in this release");
}

bool is_bridged(const AppSpec& spec) {
  const auto bridged = [](const Template& settings) {
    return settings.task.network == cluster::Network::kBridge;
  };
  if (const auto* service = std::get_if<Service>(&spec.kind)) return bridged(service->settings);
  if (const auto* run_once = std::get_if<RunOnce>(&spec.kind)) return bridged(run_once->settings);
  if (const auto* ordinal = std::get_if<Ordinal>(&spec.kind)) {
    return std::ranges::any_of(
        ordinal->slots, [&](const SlotSpec& slot) { return slot.settings && bridged(*slot.settings); });
  }
  return false;
}

void check_ports(const AppSpec& spec, Errors& errors) {
  std::set<std::string> names;
  std::set<std::uint16_t> numbers;
  const bool ordinal = std::holds_alternative<Ordinal>(spec.kind);
  const bool claimed_only =
      ordinal && std::ranges::none_of(std::get<Ordinal>(spec.kind).slots,
                                      [](const SlotSpec& s) { return s.settings.has_value(); });
  if (spec.ports.size() > kMostPorts) errors.add("ports: at most {}", kMostPorts);
  for (const PortSpec& port : spec.ports) {
    if (port.name.empty()) errors.add("ports: a name is needed");
    if (!names.insert(port.name).second) errors.add("ports: Port names must be unique. (\"{}\")", port.name);
    if (port.number && port.kind != PortKind::kFixed) {
      errors.add("ports.{}: only a fixed port may have a number", port.name);
    }
    if (port.number && *port.number == 0) errors.add("ports.{}: number must be 1 to 65535", port.name);
    if (port.number && !numbers.insert(*port.number).second) errors.add("ports: Ports must be unique.");
    if (port.kind == PortKind::kPerSlot && !ordinal) {
      errors.add("ports.{}: only an app with slots may have a port per slot", port.name);
    }
    if (port.container_port && !claimed_only && !is_bridged(spec)) {
      errors.add("ports.{}: a container port needs bridge networking", port.name);
    }
  }
}

void check_volumes(const AppSpec& spec, Errors& errors) {
  std::set<std::string> names;
  for (const cluster::VolumeWant& volume : spec.volumes) {
    if (volume.name.empty() || !names.insert(volume.name).second)
      errors.add("volumes: Volume names must be unique");
    if (!volume.path.starts_with('/')) errors.add("volumes.{}: path must be absolute", volume.name);
    if (volume.size.count < 0) errors.add("volumes.{}: size must not be negative", volume.name);
  }
}

void check_constraints(const AppSpec& spec, Errors& errors) {
  for (const cluster::Constraint& constraint : spec.constraints) {
    if (constraint.field.empty()) errors.add("constraints: a field is needed");
    using enum cluster::Operator;
    switch (constraint.op) {
      case kLike:
      case kUnlike:
      case kIs:
        if (constraint.value.empty()) errors.add("constraints: \"{}\" needs a value", constraint.field);
        break;
      case kMaxPer: {
        int most = 0;
        const char* end = constraint.value.data() + constraint.value.size();
        const auto parsed = std::from_chars(constraint.value.data(), end, most);
        if (parsed.ec != std::errc{} || parsed.ptr != end || most < 1) {
          errors.add("constraints: MAX_PER needs a number of at least 1, not \"{}\"", constraint.value);
        }
        break;
      }
      case kUnique:
      case kCluster:
      case kGroupBy: break;
    }
  }
}

void check_rest(const AppSpec& spec, Errors& errors) {
  if (!(spec.resources.cpus >= 0) || !std::isfinite(spec.resources.cpus)) {
    errors.add("cpus: must not be negative");
  }
  if (spec.resources.memory.count < 0) errors.add("mem: must not be negative");
  if (spec.resources.disk.count < 0) errors.add("disk: must not be negative");
  if (spec.backoff.initial < 0ms) errors.add("backoffSeconds: must not be negative");
  if (!(spec.backoff.factor >= 1) || !std::isfinite(spec.backoff.factor)) {
    errors.add("backoffFactor: must be at least 1");
  }
  if (spec.backoff.maximum < spec.backoff.initial) {
    errors.add("maxLaunchDelaySeconds: must not be below backoffSeconds");
  }
}

}  // namespace

bool is_well_formed(const AppId& id) {
  const std::string& path = id.str();
  if (path.size() < 2 || path.size() > 500 || path.front() != '/' || path.back() == '/') return false;
  char before = '\0';
  for (const char c : path) {
    const bool inner = c == '-' || c == '.';
    if (c == '/' ? before == '/' || before == '-' || before == '.'
                 : !(std::islower(static_cast<unsigned char>(c)) ||
                     std::isdigit(static_cast<unsigned char>(c)) || (inner && before != '/'))) {
      return false;
    }
    before = c;
  }
  return before != '-' && before != '.';
}

std::string environment_of(const AppId& id) {
  if (!id.str().starts_with(kEnvironments)) return {};
  const std::string rest = id.str().substr(kEnvironments.size());
  return rest.substr(0, rest.find('/'));
}

Status refuse_environment_path(const AppId& id) {
  const std::string environment = environment_of(id);
  if (!environment.empty()) {
    return fail(Code::kConflict, fmt::format("{} belongs to environment \"{}\"", id, environment),
                fmt::format("change the environment instead: headrace plan {}", environment));
  }
  if (id.str() == "/env") {
    return fail(Code::kConflict, fmt::format("{} is where the apps of environments live", id),
                "choose another id");
  }
  return {};
}

Status validate(std::span<const AppSpec> specs) {
  Errors errors;
  std::set<AppId> ids;
  for (const AppSpec& spec : specs) {
    errors.in(spec.id);
    if (!is_well_formed(spec.id)) {
      errors.add(
          "id: must be a path of segments of lower-case letters, digits, '-' and '.', such as /shop/web");
    }
    if (!ids.insert(spec.id).second) errors.add("id: stands twice in one request");
    check_rest(spec, errors);
    check_ports(spec, errors);
    check_volumes(spec, errors);
    check_constraints(spec, errors);
    std::visit([&](const auto& kind) { check_kind(kind, spec, errors); }, spec.kind);
  }
  return errors.status();
}

}  // namespace headrace::process
