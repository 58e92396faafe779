// Test only: a process manager as the environment manager sees it. Apps move one stage at each tick (asked
// for, claimed, running and ready, ended); a test may hold, refuse or fail them.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "environment/environment_manager.h"

namespace headrace::environment {

class FakeProcesses {
 public:
  // Any part of an app's path: apps that stay unclaimed, claimed but not ready, or running for ever.
  std::set<std::string> unplaced, unready, endless;
  std::map<std::string, Error> refused;                      // part of a path -> answer to every put
  std::map<std::string, std::deque<process::Outcome>> ends;  // part of a path -> how its tasks end, in turn
  std::map<std::string, int> tasks;                          // component and command -> how often begun
  std::vector<std::string> started;                          // services, each time one was new
  std::vector<std::string> removed;                          // in the order asked for
  std::set<std::string> lingering;                           // removed, and not gone yet

  Status put(const PutApps& call) {
    for (const process::AppSpec& spec : call.specs) {
      for (const auto& [part, error] : refused) {
        if (spec.id.str().find(part) != std::string::npos) return fail(error);
      }
      const auto found = apps_.find(spec.id);
      if (found != apps_.end() && found->second.removing)
        return fail(Code::kConflict, fmt::format("{} is being removed", spec.id));
    }
    for (const process::AppSpec& spec : call.specs) put(spec);
    return {};
  }
  void remove(const RemoveApps& call) {
    for (const process::AppId& id : call.apps) {
      const auto found = apps_.find(id);
      if (found == apps_.end() || found->second.removing) continue;
      found->second.removing = true;
      dirty_.insert(id);
      removed.push_back(id.str());
    }
  }
  // Another address for what this app's instances hold.
  process::AppView move(const std::string& path) {
    process::AppView& app = apps_.at(process::AppId(path));
    for (auto& shared : app.instances) {
      process::InstanceView instance = *shared;
      instance.claim = claim(*app.spec);
      shared = instance;
    }
    return app;
  }
  struct Tick {
    std::optional<process::AppView> changed;
    std::optional<process::AppId> gone;
  };
  std::optional<Tick> tick() {
    for (auto it = apps_.begin(); it != apps_.end(); ++it) {
      if (it->second.removing && any_of(lingering, it->first)) {
        if (dirty_.erase(it->first) > 0) return Tick{it->second, std::nullopt};
        continue;
      }
      if (it->second.removing) {
        const process::AppId id = it->first;
        apps_.erase(it);
        return Tick{std::nullopt, id};
      }
      if (progress(it->second)) return Tick{it->second, std::nullopt};
    }
    return std::nullopt;
  }
  std::vector<process::AppView> apps() const {
    std::vector<process::AppView> views;
    for (const auto& [id, app] : apps_) views.push_back(app);
    return views;
  }
  const process::AppView* app(const std::string& path) const {
    const auto found = apps_.find(process::AppId(path));
    return found == apps_.end() ? nullptr : &found->second;
  }

 private:
  static bool any_of(const std::set<std::string>& parts, const process::AppId& id) {
    for (const std::string& part : parts) {
      if (id.str().find(part) != std::string::npos) return true;
    }
    return false;
  }
  process::InstanceView fresh(const process::AppSpec& spec, std::optional<int> slot) {
    process::InstanceView instance;
    instance.id = process::InstanceId(fmt::format("{}.instance-{}", spec.id, ++counter_));
    instance.slot = slot;
    return instance;
  }
  cluster::Claim claim(const process::AppSpec& spec) {
    cluster::Claim claim{.id = cluster::ClaimId(fmt::format("claim-{}", ++counter_)),
                         .agent = cluster::AgentId("agent-1"),
                         .address = fmt::format("10.0.0.{}", counter_)};
    for (const process::PortSpec& port : spec.ports) claim.ports[port.name] = 20000 + ++counter_ % 10000;
    return claim;
  }
  void put(const process::AppSpec& spec) {
    const auto found = apps_.find(spec.id);
    if (found != apps_.end() && *found->second.spec == spec) return;
    process::AppView& app = apps_[spec.id];
    const process::AppView before = app;
    app = {.id = spec.id, .spec = spec};
    dirty_.insert(spec.id);
    if (const auto* service = std::get_if<process::Service>(&spec.kind)) {
      const auto* old = found == apps_.end() ? nullptr : std::get_if<process::Service>(&before.spec->kind);
      if (old && old->settings == service->settings) app.instances = before.instances;
      if (app.instances.empty()) started.push_back(spec.id.str());
      while (static_cast<int>(app.instances.size()) < service->instances)
        app.instances.push_back(fresh(spec, std::nullopt));
      app.instances.resize(static_cast<size_t>(service->instances));
    } else if (const auto* ordinal = std::get_if<process::Ordinal>(&spec.kind)) {
      for (const process::SlotSpec& slot : ordinal->slots) {
        const auto index = static_cast<size_t>(slot.slot);
        process::InstanceView instance =
            index < before.instances.size() ? *before.instances[index] : fresh(spec, slot.slot);
        if (instance.version != slot.version) {
          instance.ready = false;
          instance.version = slot.version;
          if (slot.slot == 0) started.push_back(spec.id.str());
        }
        app.instances.push_back(instance);
      }
    } else {
      const auto& task = std::get<process::RunOnce>(spec.kind).settings.task;
      ++tasks[fmt::format("{} {}", spec.labels.at("headrace.component"), fmt::join(task.args, " "))];
      app.instances = {fresh(spec, std::nullopt)};
    }
  }
  bool progress(process::AppView& app) {
    bool moved = dirty_.erase(app.id) > 0;
    if (moved || any_of(unplaced, app.id)) return moved;
    if (app.outcome) return false;
    for (size_t i = 0; i < app.instances.size(); ++i) {
      process::InstanceView instance = *app.instances[i];
      const auto* ordinal = std::get_if<process::Ordinal>(&app.spec->kind);
      const bool wanted = !ordinal || ordinal->slots[i].goal == process::SlotSpec::Goal::kRunning;
      if (!instance.claim) {
        instance.claim = claim(*app.spec);
      } else if (wanted && !instance.ready && !any_of(unready, app.id)) {
        instance.state = cluster::TaskState::kRunning;
        instance.ready = true;
      } else {
        continue;
      }
      app.instances[i] = instance;
      moved = true;
    }
    if (moved || !std::holds_alternative<process::RunOnce>(app.spec->kind) || any_of(endless, app.id))
      return moved;
    app.outcome = process::Outcome{.succeeded = true, .exit_code = 0};
    for (auto& [part, outcomes] : ends) {
      if (app.id.str().find(part) == std::string::npos || outcomes.empty()) continue;
      app.outcome = outcomes.front();
      outcomes.pop_front();
    }
    return true;
  }

  std::map<process::AppId, process::AppView> apps_;
  std::set<process::AppId> dirty_;  // asked for, not yet told
  int counter_ = 0;
};

}  // namespace headrace::environment
