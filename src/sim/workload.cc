#include "sim/workload.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::sim {
namespace {

using namespace process;

constexpr double kShares[] = {0, 0.5, 1};
const Owner kUser;

template <class T>
std::optional<Commit> commit_of(Result<Decision<T>> decision) {
  if (!decision) return std::nullopt;
  return std::move(decision->commit);
}

}  // namespace

Template Workload::settings() {
  Template made;
  made.task.image = "image";
  made.task.grace = between(random_, 100ms, 5s);
  made.task.env = {{"SIM_VERSION", fmt::format("v{}", next_version_++)},
                   {"SIM_READY", fmt::format("{}", random_.below(3000))}};
  if (random_.chance(0.5))
    made.task.check = cluster::Check{.kind = cluster::CheckKind::kCommand, .command = {"true"}};
  return made;
}

AppSpec Workload::service(const std::string& name) {
  AppSpec spec{.id = AppId(name)};
  Service kind{.instances = static_cast<int>(random_.below(5)), .settings = settings()};
  kind.upgrade = {kShares[random_.below(3)], kShares[random_.below(3)]};
  if (!only_steady && random_.chance(0.1)) {
    kind.settings.task.env["SIM_END"] = "fail";
    kind.settings.task.env["SIM_AFTER"] = "700";
  }
  spec.resources = {.cpus = 0.25, .memory = Bytes::mib(256), .disk = {}};
  spec.backoff = {.initial = 500ms, .factor = 1.5, .maximum = 20s};
  if (random_.chance(0.6)) spec.ports.push_back({.name = "http"});
  if (random_.chance(0.2)) {
    // One per machine: room for a new one beside each old one must be left.
    spec.ports.push_back({.name = "admin", .kind = PortKind::kFixed});
    kind.instances = std::min(kind.instances, 1);
    kind.upgrade.maximum_over_capacity = 1;
  }
  if (random_.chance(0.3)) spec.constraints = {{"rack", cluster::Operator::kUnique, "", /*preferred=*/true}};
  spec.kind = kind;
  return spec;
}

AppSpec Workload::ordinal(const std::string& name, int slots) {
  AppSpec spec{.id = AppId(name)};
  Ordinal kind;
  for (int slot = 0; slot < slots; ++slot) {
    SlotSpec each{.slot = slot};
    if (random_.chance(0.8)) {
      each.goal = SlotSpec::Goal::kRunning;
      each.settings = settings();
      each.version = each.settings->task.env.at("SIM_VERSION");
    }
    kind.slots.push_back(std::move(each));
  }
  spec.kind = kind;
  spec.resources = {.cpus = 0.5, .memory = Bytes::mib(512), .disk = {}};
  spec.backoff = {.initial = 500ms, .factor = 1.5, .maximum = 20s};
  spec.ports = {{.name = "client", .kind = random_.chance(0.5) ? PortKind::kDynamic : PortKind::kPerSlot}};
  if (random_.chance(0.6)) spec.volumes = {{"data", "/data", Bytes::gib(1)}};
  if (random_.chance(0.5))
    spec.constraints = {{"hostname", cluster::Operator::kUnique, "", /*preferred=*/true}};
  return spec;
}

AppSpec Workload::run_once(const std::string& name) {
  AppSpec spec{.id = AppId(name)};
  RunOnce kind{.settings = settings()};
  kind.settings.task.check.reset();
  kind.settings.task.env["SIM_END"] = random_.chance(0.8) ? "finish" : "fail";
  kind.settings.task.env["SIM_AFTER"] = fmt::format("{}", random_.below(20'000));
  kind.settings.task.env["SIM_RESULT"] = R"({"rows":1})";
  if (random_.chance(0.2)) kind.timeout = 10s;
  spec.kind = kind;
  spec.resources = {.cpus = 0.25, .memory = Bytes::mib(128), .disk = {}};
  return spec;
}

// Moves one slot, as the environment manager does: another version, another goal, one more or one less.
void Workload::change_slots(const AppSpec& before) {
  AppSpec spec = before;
  auto& slots = std::get<Ordinal>(spec.kind).slots;
  const std::uint64_t what = random_.below(6);
  if (what == 0 && slots.size() < 4) {
    AppSpec larger = ordinal(spec.id.str(), static_cast<int>(slots.size()) + 1);
    slots.push_back(std::get<Ordinal>(larger.kind).slots.back());
  } else if (what == 1 && slots.size() > 1) {
    slots.pop_back();
  } else if (!slots.empty()) {
    SlotSpec& slot = slots[random_.below(slots.size())];
    if (random_.chance(0.75)) {
      slot.goal = SlotSpec::Goal::kRunning;
      slot.settings = settings();
      slot.version = slot.settings->task.env.at("SIM_VERSION");
    } else {
      slot = {.slot = slot.slot, .goal = SlotSpec::Goal::kStopped};
    }
  }
  world_.put({spec});
}

void Workload::act() {
  if (!world_.server().is_up()) return;
  const auto apps = world_.process().apps();
  const std::uint64_t what = random_.below(12);
  if (apps.size() < 3 || what == 0) {
    switch (random_.below(4)) {
      case 0:
        world_.put({ordinal(fmt::format("/o{}", random_.below(3)), 1 + static_cast<int>(random_.below(3)))});
        return;
      case 1:
        if (!only_steady) world_.put({run_once(fmt::format("/r{}", next_run_++))});
        return;
      case 2:
        world_.put(
            {service(fmt::format("/s{}", random_.below(4))), service(fmt::format("/t{}", random_.below(2)))});
        return;
      default: world_.put({service(fmt::format("/s{}", random_.below(4)))}); return;
    }
  }
  const AppView& app = apps[random_.below(apps.size())];
  const AppId id = app.id;
  const AppSpec& spec = *app.spec;
  const bool force = random_.chance(0.7);
  if (what <= 2 && may_remove) {
    // Volumes that outlive their app are out of everyone's reach: at the end nothing is to be left.
    const bool destroy = !spec.volumes.empty() || random_.chance(0.5);
    world_.remove({id}, destroy ? cluster::Volumes::kDestroy : cluster::Volumes::kKeep);
  } else if (std::holds_alternative<Ordinal>(spec.kind)) {
    change_slots(spec);
  } else if (!std::holds_alternative<Service>(spec.kind)) {
    return;
  } else if (what <= 5) {
    const int instances = static_cast<int>(random_.below(5));
    const bool has_fixed =
        std::ranges::any_of(spec.ports, [](const PortSpec& port) { return port.kind == PortKind::kFixed; });
    world_.request({id}, [&](ProcessManager& manager, Now now) {
      return commit_of(manager.scale(id, has_fixed ? std::min(instances, 1) : instances, kUser, force, now));
    });
  } else if (what <= 7) {
    AppSpec next = spec;
    std::get<Service>(next.kind).settings = settings();
    world_.put({next});
  } else if (what == 8) {
    world_.request({id}, [&](ProcessManager& manager, Now now) {
      return commit_of(manager.restart(id, kUser, force, now));
    });
  } else if (what == 9 && !app.deployments.empty()) {
    std::vector<AppId> concerned;
    for (const DeploymentView& each : world_.process().deployments()) {
      if (each.id != app.deployments.front()) continue;
      for (const DeploymentAction& action : each.actions) concerned.push_back(action.app);
    }
    world_.request(concerned, [&](ProcessManager& manager, Now now) {
      return commit_of(manager.cancel_deployment(app.deployments.front(), kUser, /*leave=*/false, now));
    });
  } else if (!app.instances.empty()) {
    const InstanceView& victim = *app.instances[random_.below(app.instances.size())];
    world_.request({id}, [&](ProcessManager& manager, Now now) {
      world_.user_killed(victim.id);
      return commit_of(manager.kill(victim.id, kUser, /*scale_down=*/random_.chance(0.3), now));
    });
  }
}

void Workload::act_for(Duration time) {
  act_until(world_.queue().time() + time);
}

void Workload::act_until(Monotonic end) {
  world_.queue().after(between(random_, 100ms, 12s), [this, end] {
    if (world_.queue().time() > end) return;
    act();
    act_until(end);
  });
}

}  // namespace headrace::sim
