#include "process/manager.h"

#include <algorithm>
#include <iterator>

#include "process/codec.h"
#include "process/validation.h"

namespace headrace::process {
namespace {

// Steps that one change of an app may cause before something must be wrong.
constexpr int kMostRounds = 10'000;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

template <class T>
void move_to(std::vector<T>& from, std::vector<T>& to) {
  std::ranges::move(from, std::back_inserter(to));
  from.clear();
}

}  // namespace

void Commit::append(Commit&& other) {
  move_to(other.writes, writes);
  move_to(other.calls, calls);
  move_to(other.changed, changed);
  move_to(other.removed, removed);
  move_to(other.events, events);
  deployments_changed |= other.deployments_changed;
}

bool Commit::empty() const {
  return writes.empty() && calls.empty() && changed.empty() && removed.empty() && events.empty();
}

const SlotSpec* slot_of(const AppSpec& spec, int slot) {
  const auto* ordinal = std::get_if<Ordinal>(&spec.kind);
  if (!ordinal || slot < 0 || static_cast<std::size_t>(slot) >= ordinal->slots.size()) return nullptr;
  return &ordinal->slots[static_cast<std::size_t>(slot)];
}

const Template* template_of(const AppSpec& spec, std::optional<int> slot) {
  if (slot) {
    const SlotSpec* wanted = slot_of(spec, *slot);
    return wanted && wanted->settings ? &*wanted->settings : nullptr;
  }
  if (const auto* service = std::get_if<Service>(&spec.kind)) return &service->settings;
  if (const auto* run_once = std::get_if<RunOnce>(&spec.kind)) return &run_once->settings;
  return nullptr;
}

bool ProcessManager::is_environment_path(const AppId& app) {
  return app.str() == "/env" || !environment_of(app).empty();
}

std::vector<std::string> ProcessManager::tables() {
  return {kMeta, kApps, kInstances, kDelays, kOutcomes, kDeployments};
}

Result<std::unique_ptr<ProcessManager>> ProcessManager::create(Options options, std::uint64_t seed,
                                                               std::span<const Record> records, Now now) {
  auto manager = std::make_unique<Manager>(options, seed);
  TRY_STATUS(manager->load(records, now));
  return manager;
}

// ---- Loading -------------------------------------------------------------------------------------

Status Manager::load(std::span<const Record> records, Now now) {
  now_ = now;
  for (const Record& record : records) {
    if (record.table == kMeta) {
      TRY_STATUS(decode_format(record.value));
      format_stored_ = true;
    } else if (record.table == kApps) {
      TRY(App app, decode_app(record.value));
      auto loaded = std::make_unique<App>(std::move(app));
      apps_[loaded->id] = std::move(loaded);
    }
  }
  for (const Record& record : records) {
    App* app = record.table == kDelays || record.table == kOutcomes ? find(AppId(record.key)) : nullptr;
    if (record.table == kDelays && app) {
      TRY_STATUS(decode_delay(record.value, *app, now));
    } else if (record.table == kOutcomes && app) {
      TRY(app->outcome, decode_outcome(record.value));
    } else if (record.table == kInstances) {
      TRY(auto decoded, decode_instance(InstanceId(record.key), record.value, now));
      App* owner = find(decoded.first);
      if (!owner) {
        return fail(Code::kCorrupt, fmt::format("the stored instance {} belongs to no app", record.key));
      }
      decoded.second->app = owner;
      owner->instances.push_back(std::move(decoded.second));
    } else if (record.table == kDeployments) {
      TRY(Deployment deployment, decode_deployment(DeploymentId(record.key), record.value, now));
      deployments_.emplace(deployment.id, std::move(deployment));
    }
  }
  for (auto& [id, app] : apps_) {
    std::ranges::sort(app->instances, {},
                      [](const auto& each) { return std::pair(each->slot.value_or(0), each->order); });
    for (const auto& [name, number] : app->ports) ports_.use(number);
    for (const Parked& parked : app->parked) parked_[parked.claim] = app.get();
    for (const auto& each : app->instances) {
      for (const auto& [name, number] : each->slot_ports) ports_.use(number);
      instances_[each->order] = each.get();
      by_id_[each->id] = each.get();
      if (each->alive) by_task_[each->task] = each.get();
      if (!each->claim.empty()) by_claim_[each->claim] = each.get();
      if (!each->gang.empty()) by_gang_[each->gang].push_back(each.get());
      next_order_ = std::max(next_order_, each->order + 1);
      each->touched = each->stirred = false;
      each->view = view_of(*each);
      arm(*each);
    }
    judge(*app);
  }
  std::map<std::uint64_t, const Deployment*> by_order;
  for (const auto& [id, deployment] : deployments_) by_order[deployment.order] = &deployment;
  for (const auto& [order, deployment] : by_order) {
    next_order_ = std::max(next_order_, order + 1);
    if (deployment->verdict != DeploymentView::Verdict::kRunning) {
      ended_.push_back(deployment->id);
      continue;
    }
    deployment_timer_of_[deployment->id] = now.mono;
    deployment_timers_.emplace(now.mono, deployment->id);
    for (const Deployment::Action& action : deployment->actions) {
      if (App* app = find(action.what.app)) app->deployments.push_back(deployment->id);
    }
  }
  return {};
}

// ---- Turns ---------------------------------------------------------------------------------------

void Manager::begin(Now now) {
  now_ = now;
  CHECK(touched_.empty() && to_claim_.empty() && acknowledgements_.empty());
  commit_ = {};
}

void Manager::touch(App& app) {
  if (app.touched) return;
  app.touched = true;
  touched_.push_back(&app);
}

void Manager::store(App& app) {
  app.dirty = true;
  touch(app);
}

void Manager::touch(Instance& instance) {
  instance.touched = true;
  touch(*instance.app);
}

void Manager::store(Instance& instance) {
  instance.dirty = true;
  touch(instance);
}

void Manager::stir(Instance& instance) {
  instance.stirred = true;
  unsettle(*instance.app);
  touch(instance);
}

void Manager::unsettle(App& app) {
  app.unsettled = true;
  touch(app);
}

Commit Manager::finish() {
  // Settling one app may touch others (a gang spans apps), which are then appended.
  std::size_t next = 0;
  for (;;) {
    for (; next < touched_.size(); ++next) {
      if (touched_[next]) settle(*touched_[next]);
    }
    if (!to_claim_.empty()) {
      claim_slots(std::exchange(to_claim_, {}));
    } else if (std::ranges::none_of(touched_, [](const App* app) { return app && app->unsettled; })) {
      break;
    }
    next = 0;
  }
  for (App* app : touched_) {
    if (app) judge(*app);
  }
  // The end of a deployment touches its other apps, which are then appended.
  for (next = 0; next < touched_.size(); ++next) {
    if (!touched_[next]) continue;
    for (const DeploymentId& id : std::vector(touched_[next]->deployments)) check_deployment(id);
  }
  for (App* app : touched_) {
    if (!app) continue;
    collect(*app);
    app->touched = false;
    commit_.changed.push_back(view_of(*app));
  }
  touched_.clear();
  // Calls leave after the writes: a status is acknowledged only when what it said is durable. And before the
  // other calls: a claim takes its next task only once the end of the last is acknowledged.
  commit_.calls.insert(commit_.calls.begin(), acknowledgements_.begin(), acknowledgements_.end());
  acknowledgements_.clear();
  return std::exchange(commit_, {});
}

void Manager::settle(App& app) {
  for (int round = 0; app.unsettled; ++round) {
    CHECK(round < kMostRounds, "an app does not settle");
    app.unsettled = false;
    if (app.is_service() && !app.removing) converge_service(app);
    // An instance may erase itself.
    std::vector<Instance*> stirred;
    for (const auto& each : app.instances) {
      if (each->stirred) stirred.push_back(each.get());
    }
    for (Instance* instance : stirred) {
      instance->stirred = false;
      advance(*instance);
    }
  }
  if (app.removing && app.instances.empty() && app.parked.empty()) erase_app(app);
}

void Manager::collect(App& app) {
  if (app.dirty) commit_.writes.push_back({kApps, app.id.str(), encode_app(app)});
  if (app.delay_dirty) commit_.writes.push_back({kDelays, app.id.str(), encode_delay(app, now_)});
  if (app.outcome_dirty && app.outcome) {
    commit_.writes.push_back({kOutcomes, app.id.str(), encode_outcome(*app.outcome)});
  }
  app.dirty = app.delay_dirty = app.outcome_dirty = false;
  for (const auto& each : app.instances) {
    if (each->dirty) commit_.writes.push_back({kInstances, each->id.str(), encode_instance(*each, now_)});
    each->dirty = false;
    if (!std::exchange(each->touched, false)) continue;
    arm(*each);
    each->view = view_of(*each);
  }
}

void Manager::emit(cluster::Call call) {
  // What makes something hold or run waits until it is known what lives (design section 3, "Reconcile"); the
  // records say that it is owed, resume() sends it.
  const bool held_back = std::holds_alternative<cluster::ClaimGang>(call) ||
                         std::holds_alternative<cluster::StartTask>(call) ||
                         std::holds_alternative<cluster::ChangeClaim>(call) ||
                         std::holds_alternative<cluster::ReleaseClaim>(call);
  if (connected_ || !held_back) commit_.calls.push_back(std::move(call));
}

Instance& Manager::add_instance(App& app, std::optional<int> slot) {
  auto made = std::make_unique<Instance>();
  Instance& instance = *made;
  std::string path = app.id.str().substr(1);
  std::ranges::replace(path, '/', '_');
  do {
    instance.id = InstanceId(path + ".instance-" + random_.uuid());
  } while (by_id_.contains(instance.id));
  instance.app = &app;
  instance.order = next_order_++;
  instance.slot = slot;
  instance.version = app.config_version;
  instance.since = instance.staged = now_.wall;
  instance.claim_version = app.want_version;
  instances_[instance.order] = &instance;
  by_id_[instance.id] = &instance;
  const auto place = slot ? std::ranges::upper_bound(app.instances, *slot, {},
                                                     [](const auto& each) { return each->slot.value_or(0); })
                          : app.instances.end();
  app.instances.insert(place, std::move(made));
  stir(instance);
  return instance;
}

void Manager::erase(Instance& instance) {
  App& app = *instance.app;
  forget_claim(instance);
  for (const auto& [name, number] : instance.slot_ports) ports_.give_back(number);
  by_task_.erase(instance.task);
  by_id_.erase(instance.id);
  instances_.erase(instance.order);
  if (instance.timer) timers_.erase({*instance.timer, instance.order});
  std::erase(to_claim_, &instance);
  commit_.writes.push_back({kInstances, instance.id.str(), std::nullopt});
  // A new life in the same slot waits for this one's end.
  for (const auto& other : app.instances) {
    if (other->slot && other->slot == instance.slot) stir(*other);
  }
  std::erase_if(app.instances, [&](const auto& each) { return each.get() == &instance; });
  unsettle(app);
}

void Manager::erase_app(App& app) {
  for (const auto& [name, number] : app.ports) ports_.give_back(number);
  commit_.writes.push_back({kApps, app.id.str(), std::nullopt});
  commit_.writes.push_back({kDelays, app.id.str(), std::nullopt});
  commit_.writes.push_back({kOutcomes, app.id.str(), std::nullopt});
  commit_.removed.push_back(app.id);
  commit_.events.push_back(app_terminated(app.id, now_));
  std::ranges::replace(touched_, &app, nullptr);
  const std::vector<DeploymentId> deployments = app.deployments;
  apps_.erase(AppId(app.id));
  for (const DeploymentId& id : deployments) check_deployment(id);
}

App* Manager::find(const AppId& id) {
  const auto found = apps_.find(id);
  return found == apps_.end() ? nullptr : found->second.get();
}
const App* Manager::find(const AppId& id) const {
  const auto found = apps_.find(id);
  return found == apps_.end() ? nullptr : found->second.get();
}

// ---- Time ----------------------------------------------------------------------------------------

void Manager::arm(Instance& instance) {
  std::optional<Monotonic> next;
  const auto consider = [&](std::optional<Monotonic> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  if (instance.alive) {
    // What remains of a long wait is stored now and then, so that a restart does not begin it anew.
    const Monotonic refresh = now_.mono + options_.refresh;
    if (instance.unreachable_until && !instance.given_up)
      consider(std::min(*instance.unreachable_until, refresh));
    if (instance.times_out && !instance.stopping) consider(std::min(*instance.times_out, refresh));
    if (instance.stopping) consider(instance.stop_again);
  } else if (instance.goal == Goal::kRunning) {
    const Delay& delay = instance.slot ? instance.delay : instance.app->delay;
    if (delay.blocks(now_.mono)) consider(delay.until);
  }
  if (next == instance.timer) return;
  if (instance.timer) timers_.erase({*instance.timer, instance.order});
  instance.timer = next;
  if (next) timers_.emplace(*next, instance.order);
}

std::optional<Monotonic> Manager::next_deadline() const {
  std::optional<Monotonic> next;
  if (!timers_.empty()) next = timers_.begin()->first;
  if (!deployment_timers_.empty() && (!next || deployment_timers_.begin()->first < *next)) {
    next = deployment_timers_.begin()->first;
  }
  return next;
}

Commit Manager::on_time(Now now) {
  begin(now);
  while (!timers_.empty() && timers_.begin()->first <= now.mono) {
    Instance& instance = *instances_.at(timers_.begin()->second);
    timers_.erase(timers_.begin());
    instance.timer.reset();
    elapse(instance);
    stir(instance);
  }
  Commit commit = finish();
  begin(now);
  while (!deployment_timers_.empty() && deployment_timers_.begin()->first <= now.mono) {
    const DeploymentId id = deployment_timers_.begin()->second;
    deployment_timers_.erase(deployment_timers_.begin());
    deployment_timer_of_.erase(id);
    check_deployment(id);
  }
  commit.append(finish());
  return commit;
}

// ---- The cluster ---------------------------------------------------------------------------------

Commit Manager::on_start(Now now) {
  begin(now);
  if (!format_stored_) commit_.writes.push_back({kMeta, "format", encode_format()});
  format_stored_ = true;
  connected_ = false;
  ask_what_lives();
  return finish();
}

void Manager::ask_what_lives() {
  cluster::Reconcile reconcile;
  for (const auto& [id, app] : apps_) {
    for (const auto& each : app->instances) {
      each->heard = false;
      if (each->alive && each->answered) reconcile.tasks.push_back(each->task);
      const bool holds = each->claim_state == ClaimState::kHeld ||
                         each->claim_state == ClaimState::kChanging ||
                         each->claim_state == ClaimState::kReleasing;
      if (each->slot && holds) reconcile.claims.push_back(each->claim);
    }
  }
  emit(std::move(reconcile));
}

Commit Manager::on_cluster(const cluster::Event& event, Now now) {
  begin(now);
  std::visit(Overloaded{
                 [&](const cluster::Granted& granted) { on_granted(granted); },
                 [&](const cluster::Waiting& waiting) { on_waiting(waiting); },
                 [&](const cluster::Changed& changed) { on_changed(changed); },
                 [&](const cluster::Released& released) { on_released(released); },
                 [&](const cluster::ClaimLost& lost) { on_claim_lost(lost); },
                 [&](const cluster::TaskStatus& status) { on_status(status); },
                 [&](const cluster::AgentChanged& changed) { agents_[changed.agent.id] = changed.agent; },
                 [&](const cluster::Disconnected& disconnected) {
                   connected_ = false;
                   disconnected_cause_ = disconnected.cause;
                   disconnected_since_ = now_.wall;
                   ask_what_lives();
                   for (const auto& [id, app] : apps_) {
                     for (const auto& each : app->instances) touch(*each);
                   }
                 },
                 [&](const cluster::Ready&) { resume(); },
             },
             event);
  return finish();
}

void Manager::resume() {
  connected_ = true;
  std::set<cluster::GangId> gangs;
  for (const auto& [id, app] : apps_) {
    for (const auto& each : app->instances) {
      Instance& instance = *each;
      stir(instance);
      touch(instance);  // what it waits for may have been this
      if (instance.alive) {
        // A start that is not wanted any more is not owed: the answer to its stop is its end.
        if (!instance.answered) {
          if (!instance.stopping) send_start(instance);
        } else if (!instance.heard && !instance.is_unreachable()) {
          become_unreachable(instance);
        }
        if (instance.stopping) emit(cluster::StopTask{instance.task, instance.grace});
      }
      if (!instance.slot) continue;
      switch (instance.claim_state) {
        case ClaimState::kPending:
          if (gangs.insert(instance.gang).second) send_gang(instance.gang);
          break;
        case ClaimState::kChanging: emit(cluster::ChangeClaim{instance.claim, want_of(instance)}); break;
        case ClaimState::kReleasing: release(instance); break;
        case ClaimState::kNone:
        case ClaimState::kHeld:
        case ClaimState::kLost: break;
      }
    }
    if (!app->removing) continue;
    for (const Parked& parked : app->parked) {
      emit(cluster::ReleaseClaim{parked.claim, cluster::Volumes::kDestroy});
    }
  }
}

}  // namespace headrace::process
