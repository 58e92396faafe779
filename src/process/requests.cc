// Requests: what users of /v2 and the environment manager may ask. Each is checked whole before anything
// changes.
#include <fmt/format.h>

#include <algorithm>

#include "process/manager.h"
#include "process/validation.h"

namespace headrace::process {
namespace {

bool is_chosen_by_us(const PortSpec& port) {
  return port.kind == PortKind::kFixed && !port.number;
}

bool same_wants(const AppSpec& a, const AppSpec& b) {
  return a.resources == b.resources && a.ports == b.ports;
}

Wall whole_millisecond_after(Wall time) {
  return time + 1ms;
}

}  // namespace

// ---- Checks --------------------------------------------------------------------------------------

Status Manager::check_owner(const AppId& app, const Owner& owner) const {
  if (owner.environment.empty()) return refuse_environment_path(app);
  const std::string environment = environment_of(app);
  if (owner.environment != environment) {
    return fail(Code::kConflict, fmt::format("environment \"{}\" may not change {}", owner.environment, app));
  }
  return {};
}

Status Manager::check_lock(const App& app, bool force) const {
  if (force || app.deployments.empty()) return {};
  return fail(
      Code::kConflict,
      fmt::format("App is locked by one or more deployments. Override with the option '?force=true'. View "
                  "details at '/v2/deployments/{}'.",
                  app.deployments.front()));
}

Status Manager::check_change(const AppSpec& spec, bool must_be_new, bool force) const {
  const App* app = find(spec.id);
  if (!app) return {};
  if (must_be_new) return fail(Code::kConflict, fmt::format("An app with id [{}] already exists.", spec.id));
  if (app->removing) {
    return fail(Code::kConflict, fmt::format("{} is being removed", spec.id), "wait until it is gone");
  }
  if (spec == *app->spec) return {};
  if (app->spec->kind.index() != spec.kind.index()) {
    return fail(Code::kConflict, fmt::format("{} is an app of another kind", spec.id), "remove it first");
  }
  if (app->is_run_once()) {
    return fail(Code::kConflict, fmt::format("{} runs once and cannot be changed", spec.id),
                "remove it, or choose another id");
  }
  if (app->is_ordinal() && spec.volumes != app->spec->volumes) {
    return fail(Code::kUnsupported,
                fmt::format("{}: the volumes of an app with slots cannot be changed", spec.id));
  }
  return check_lock(*app, force);
}

Status Manager::check_ports(const std::vector<Change>& changes) const {
  std::size_t needed = 0;
  for (const Change& change : changes) {
    for (const PortSpec& port : change.spec.ports) {
      if (is_chosen_by_us(port) && (!change.app || !change.app->ports.contains(port.name))) needed += 1;
      if (port.kind != PortKind::kPerSlot) continue;
      const std::size_t slots = std::get<Ordinal>(change.spec.kind).slots.size();
      std::size_t given = 0;
      if (change.app) {
        given = static_cast<std::size_t>(std::ranges::count_if(change.app->instances, [&](const auto& each) {
          return each->goal != Goal::kGone && each->slot_ports.contains(port.name);
        }));
      }
      needed += slots - std::min(slots, given);
    }
  }
  if (needed <= ports_.free_count()) return {};
  return fail(Code::kRefused,
              fmt::format("{} numbers for fixed ports are needed, {} of {}-{} are left", needed,
                          ports_.free_count(), options_.first_port, options_.last_port),
              "remove apps that are not needed");
}

Result<App*> Manager::find_owned(const AppId& id, const Owner& owner) {
  App* app = find(id);
  if (!app) return fail(Code::kNotFound, fmt::format("App '{}' does not exist", id));
  TRY_STATUS(check_owner(id, owner));
  return app;
}

// ---- Requests ------------------------------------------------------------------------------------

Result<Decision<Accepted>> Manager::put(std::vector<AppSpec> specs, const Owner& owner, bool must_be_new,
                                        bool force, Now now) {
  if (specs.empty()) return fail(Code::kInvalid, "no app is given");
  TRY_STATUS(validate(specs));
  std::vector<Change> changes;
  const AppId first = specs.front().id;
  for (AppSpec& spec : specs) {
    TRY_STATUS(check_owner(spec.id, owner));
    TRY_STATUS(check_change(spec, must_be_new, force));
    App* app = find(spec.id);
    if (!app || app->paused || spec != *app->spec) changes.push_back({app, std::move(spec)});
  }
  TRY_STATUS(check_ports(changes));
  if (changes.empty()) return Decision<Accepted>{{.version = find(first)->version}, {}};
  begin(now);
  Accepted accepted = carry_out(std::move(changes), {}, {}, cluster::Volumes::kKeep);
  return Decision<Accepted>{std::move(accepted), finish()};
}

Result<Decision<Accepted>> Manager::scale(const AppId& id, int instances, const Owner& owner, bool force,
                                          Now now) {
  TRY(App * app, find_owned(id, owner));
  if (!app->is_service()) {
    return fail(Code::kUnsupported,
                fmt::format("{} cannot be scaled: it is no service of equal instances", id));
  }
  AppSpec spec = *app->spec;
  std::get<Service>(spec.kind).instances = instances;
  return put({std::move(spec)}, owner, false, force, now);
}

Result<Decision<Accepted>> Manager::remove(const std::vector<AppId>& ids, cluster::Volumes volumes,
                                           const Owner& owner, Now now) {
  std::vector<App*> removals;
  std::string missing;
  for (const AppId& id : ids) {
    TRY_STATUS(check_owner(id, owner));
    App* app = find(id);
    if (!app) missing = id.str();
    if (app && std::ranges::find(removals, app) == removals.end()) removals.push_back(app);
  }
  // Removing again what is gone already is how a caller that crashed goes on.
  if (removals.empty()) return fail(Code::kNotFound, fmt::format("App '{}' does not exist", missing));
  begin(now);
  Accepted accepted = carry_out({}, {}, removals, volumes);
  return Decision<Accepted>{std::move(accepted), finish()};
}

Result<Decision<Accepted>> Manager::restart(const AppId& id, const Owner& owner, bool force, Now now) {
  TRY(App * app, find_owned(id, owner));
  if (!app->is_service()) {
    return fail(Code::kUnsupported,
                fmt::format("{} cannot be restarted as a whole: it is no service of equal instances", id));
  }
  if (app->removing) return fail(Code::kConflict, fmt::format("{} is being removed", id));
  TRY_STATUS(check_lock(*app, force));
  begin(now);
  Accepted accepted = carry_out({}, {app}, {}, cluster::Volumes::kKeep);
  return Decision<Accepted>{std::move(accepted), finish()};
}

Result<Decision<Killed>> Manager::kill(const std::vector<InstanceId>& ids, const Owner& owner,
                                       bool scale_down, bool force, Now now) {
  std::vector<Instance*> victims;
  std::map<AppId, AppSpec> smaller;
  for (const InstanceId& id : ids) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end() || std::ranges::find(victims, found->second) != victims.end()) continue;
    const App& app = *found->second->app;
    TRY_STATUS(check_owner(app.id, owner));
    victims.push_back(found->second);
    if (!scale_down || found->second->goal == Goal::kGone) continue;
    if (!app.is_service()) {
      return fail(Code::kUnsupported,
                  fmt::format("{} cannot be scaled: it is no service of equal instances", app.id));
    }
    TRY_STATUS(check_lock(app, force));
    auto& service = std::get<Service>(smaller.try_emplace(app.id, *app.spec).first->second.kind);
    service.instances = std::max(0, service.instances - 1);
  }
  if (victims.empty()) {
    return fail(Code::kNotFound,
                fmt::format("Instance '{}' does not exist", ids.empty() ? InstanceId() : ids[0]));
  }
  begin(now);
  Killed killed;
  for (Instance* victim : victims) {
    if (!scale_down && !victim->alive) continue;
    killed.tasks.push_back({victim->app->id, view_of(*victim)});
    if (scale_down) {
      if (victim->goal != Goal::kGone) dismiss(*victim);
    } else if (!victim->stopping) {
      if (victim->app->is_run_once() && victim->waits_for_claim()) {
        victim->message = "It was killed before it was placed.";
        record_outcome(*victim, {.state = cluster::TaskState::kKilled});
      }
      ask_stop(*victim, StopReason::kKilled);
    }
  }
  std::vector<Change> changes;
  for (auto& [id, spec] : smaller) changes.push_back({find(id), std::move(spec)});
  if (!changes.empty()) killed.accepted = carry_out(std::move(changes), {}, {}, cluster::Volumes::kKeep);
  return Decision<Killed>{std::move(killed), finish()};
}

Result<Decision<Accepted>> Manager::cancel_deployment(const DeploymentId& id, const Owner& owner, bool leave,
                                                      Now now) {
  const auto found = deployments_.find(id);
  if (found == deployments_.end() || found->second.verdict != DeploymentView::Verdict::kRunning) {
    return fail(Code::kNotFound, fmt::format("DeploymentPlan {} does not exist", id));
  }
  std::vector<Change> changes;
  std::vector<App*> removals;
  for (const Deployment::Action& action : found->second.actions) {
    TRY_STATUS(check_owner(action.what.app, owner));
    App* app = find(action.what.app);
    if (!app) continue;
    if (app->removing) {
      return fail(Code::kConflict, fmt::format("{} is being removed; this cannot be taken back", app->id));
    }
    if (action.before) {
      changes.push_back({app, **action.before});
    } else {
      removals.push_back(app);
    }
  }
  begin(now);
  end(found->second, DeploymentView::Verdict::kCancelled,
      Cause{.code = "cancelled", .sentence = "It was cancelled by a request.", .since = now.wall});
  Accepted accepted{.version = to_rfc3339(now.wall)};
  if (leave) {
    removals.clear();
    for (const Deployment::Action& action : found->second.actions) {
      App* app = find(action.what.app);
      if (!app) continue;
      app->paused = true;
      store(*app);
    }
  } else {
    accepted = carry_out(std::move(changes), {}, removals, cluster::Volumes::kKeep);
  }
  return Decision<Accepted>{std::move(accepted), finish()};
}

Result<Commit> Manager::reset_delay(const AppId& id, const Owner& owner, Now now) {
  TRY(App * app, find_owned(id, owner));
  begin(now);
  app->delay.reset();
  app->delay_dirty = true;
  touch(*app);
  for (const auto& each : app->instances) {
    each->delay.reset();
    store(*each);
    stir(*each);
  }
  return finish();
}

// ---- Carrying out --------------------------------------------------------------------------------

Wall Manager::next_version(const std::vector<Change>& changes, const std::vector<App*>& others) const {
  Wall version = now_.wall;
  for (const Change& change : changes) {
    if (change.app) version = std::max(version, whole_millisecond_after(change.app->version_at));
  }
  for (const App* app : others) version = std::max(version, whole_millisecond_after(app->version_at));
  return version;
}

Accepted Manager::carry_out(std::vector<Change> changes, const std::vector<App*>& restarts,
                            const std::vector<App*>& removals, cluster::Volumes volumes) {
  const Wall version_at = next_version(changes, restarts);
  const std::string version = to_rfc3339(version_at);
  std::vector<Deployment::Action> actions;
  std::optional<DeploymentId> removal;  // of an app that is being removed already
  const auto replaces = [&](App& app) { cancel_deployments_of(app, "Another change took its place."); };
  for (Change& change : changes) {
    if (!change.app) {
      const AppId id = change.spec.id;
      create(std::move(change.spec), version_at);
      if (find(id)->is_service()) actions.push_back({{id, "StartApplication"}, std::nullopt});
      continue;
    }
    App& app = *change.app;
    const Shared<AppSpec> before = app.spec;
    replaces(app);
    const std::string action = this->change(app, std::move(change.spec), version_at);
    if (app.is_service()) actions.push_back({{app.id, action}, before});
  }
  for (App* app : restarts) {
    replaces(*app);
    app->version_at = version_at;
    app->version = app->config_version = version;
    app->last_config_change = version_at;
    app->delay.reset();
    app->delay_dirty = true;
    app->paused = false;
    unsettle(*app);
    store(*app);
    actions.push_back({{app->id, "RestartApplication"}, app->spec});
  }
  for (App* app : removals) {
    if (app->removing && !app->deployments.empty()) removal = app->deployments.front();
    const bool is_new = !app->removing;
    if (is_new) replaces(*app);
    begin_removal(*app, volumes);
    if (is_new && app->is_service()) actions.push_back({{app->id, "StopApplication"}, app->spec});
  }
  Accepted accepted{.version = version, .deployment = removal};
  if (!actions.empty()) accepted.deployment = open_deployment(std::move(actions), version);
  return accepted;
}

void Manager::create(AppSpec spec, Wall version_at) {
  auto made = std::make_unique<App>();
  App& app = *made;
  app.id = spec.id;
  app.spec = std::move(spec);
  app.version_at = app.last_scaling = app.last_config_change = version_at;
  app.version = app.config_version = app.want_version = to_rfc3339(version_at);
  apps_[app.id] = std::move(made);
  allot_ports(app);
  store(app);
  unsettle(app);
  if (app.is_ordinal()) change_slots(app);
  if (app.is_run_once()) add_instance(app, std::nullopt);
}

// Returns Marathon's word for what has to be done.
std::string Manager::change(App& app, AppSpec spec, Wall version_at) {
  const bool scales = runs_the_same(*app.spec, spec);
  const bool new_wants = !same_wants(*app.spec, spec);
  const bool new_claims = new_wants || spec.constraints != app.spec->constraints;
  app.spec = std::move(spec);
  app.version_at = version_at;
  app.version = to_rfc3339(version_at);
  app.paused = false;
  if (new_wants) app.want_version = app.version;
  if (scales) {
    app.last_scaling = version_at;
  } else {
    app.config_version = app.version;
    app.last_config_change = version_at;
    app.delay.reset();
    app.delay_dirty = true;
  }
  allot_ports(app);
  store(app);
  unsettle(app);
  if (app.is_ordinal()) {
    std::set<cluster::GangId> outdated;
    for (const auto& each : app.instances) {
      if (new_claims && each->claim_state == ClaimState::kPending) outdated.insert(each->gang);
    }
    for (const cluster::GangId& gang : outdated) withdraw(gang);
    change_slots(app);
  }
  for (const auto& each : app.instances) {
    if (app.is_service() && !each->alive) each->version = app.config_version;
  }
  return scales ? "ScaleApplication" : "RestartApplication";
}

void Manager::change_slots(App& app) {
  const auto& slots = std::get<Ordinal>(app.spec->kind).slots;
  std::set<int> present;
  for (const auto& each : app.instances) {
    if (each->goal == Goal::kGone) continue;
    if (slot_of(*app.spec, *each->slot)) {
      present.insert(*each->slot);
    } else {
      dismiss(*each);
    }
  }
  for (const SlotSpec& slot : slots) {
    if (!present.contains(slot.slot)) add_instance(app, slot.slot);
  }
  for (const auto& each : app.instances) {
    const SlotSpec* wanted = slot_of(*app.spec, *each->slot);
    if (each->goal == Goal::kGone || !wanted) continue;
    const Goal goal = wanted->goal == SlotSpec::Goal::kRunning ? Goal::kRunning : Goal::kStopped;
    const bool is_news = goal != each->goal || wanted->version != each->version;
    if (wanted->version != each->version) each->delay.reset();
    if (!each->alive) each->version = wanted->version;
    each->goal = goal;
    if (is_news) store(*each);
    stir(*each);
  }
}

// A name keeps its number for as long as the app has it.
void Manager::allot_ports(App& app) {
  std::map<std::string, std::uint16_t> ports;
  for (const PortSpec& port : app.spec->ports) {
    if (port.kind != PortKind::kFixed) continue;
    const auto before = app.ports.find(port.name);
    if (before != app.ports.end() && port.number.value_or(before->second) == before->second) {
      ports.insert(app.ports.extract(before));
    } else if (port.number) {
      ports_.use(*port.number);
      ports[port.name] = *port.number;
    } else {
      const auto number = ports_.take_free();
      CHECK(number.has_value(), "check_ports counted them");
      ports[port.name] = *number;
    }
  }
  for (const auto& [name, number] : app.ports) ports_.give_back(number);
  app.ports = std::move(ports);
}

void Manager::begin_removal(App& app, cluster::Volumes volumes) {
  const bool destroy = volumes == cluster::Volumes::kDestroy;
  app.removing = true;
  app.paused = false;
  app.destroy_volumes = app.destroy_volumes || destroy;
  for (const auto& each : app.instances) {
    each->destroy_volumes = each->destroy_volumes || destroy;
    dismiss(*each);
  }
  if (app.destroy_volumes) {
    for (const Parked& parked : app.parked) {
      emit(cluster::ReleaseClaim{parked.claim, cluster::Volumes::kDestroy});
    }
  } else {
    for (const Parked& parked : std::exchange(app.parked, {})) parked_.erase(parked.claim);
  }
  store(app);
  unsettle(app);
}

}  // namespace headrace::process
