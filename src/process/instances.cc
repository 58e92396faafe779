// One instance: what its next step is, and what the cluster's words about its task mean.
#include <fmt/format.h>

#include <algorithm>

#include "process/manager.h"
#include "process/task_env.h"

namespace headrace::process {
namespace {

// A stop that is not answered is asked again so long after its grace (Marathon's kill_retry_timeout).
constexpr Duration kStopPatience = 30s;

// Only what stands in front of a person; the cluster bounds its own texts.
constexpr std::size_t kLongestMessage = 10'000;

std::string shortened(std::string text) {
  if (text.size() > kLongestMessage) text.resize(kLongestMessage);
  return text;
}

}  // namespace

// ---- The next step -------------------------------------------------------------------------------

// Level-triggered: compares what is wanted with the facts and moves one safe step. Never asks for a task
// while another one of this instance, or of its slot, may live.
void Manager::advance(Instance& instance) {
  if (instance.alive) {
    const StopReason reason = reason_to_stop(instance);
    if (reason != StopReason::kNone && !instance.stopping) ask_stop(instance, reason);
    return;
  }
  if (instance.goal == Goal::kGone) return let_go(instance);
  if (instance.slot) {
    if (instance.claim_state == ClaimState::kNone) {
      // An earlier holder of this slot first gives everything back, its volumes included.
      if (has_predecessor(instance)) return touch(instance);
      if (std::ranges::find(to_claim_, &instance) == to_claim_.end()) to_claim_.push_back(&instance);
    } else if (instance.claim_state == ClaimState::kHeld && instance.goal == Goal::kRunning) {
      start_in_slot(instance);
    }
  } else if (instance.goal == Goal::kRunning && !instance.app->outcome) {
    ask_task(instance);
  }
}

StopReason Manager::reason_to_stop(const Instance& instance) const {
  if (instance.goal != Goal::kRunning) return StopReason::kUnwanted;
  if (instance.slot) {
    const SlotSpec* wanted = slot_of(*instance.app->spec, *instance.slot);
    if (wanted && wanted->version != instance.version) return StopReason::kVersion;
  }
  return StopReason::kNone;
}

void Manager::ask_stop(Instance& instance, StopReason reason) {
  if (!instance.slot && instance.waits_for_claim()) {
    // Nothing was placed, so nothing is to be stopped. Should the grant cross the withdrawal, the task's
    // first status finds no instance and is answered by a stop.
    return withdraw(instance.gang);
  }
  instance.stopping = true;
  instance.stop_reason = reason;
  instance.stop_again = now_.mono + instance.grace + kStopPatience;
  emit(cluster::StopTask{instance.task, instance.grace});
  store(instance);
  unsettle(*instance.app);
}

// Nothing of it lives: gives back what it holds, then forgets it.
void Manager::let_go(Instance& instance) {
  switch (instance.claim_state) {
    case ClaimState::kPending: withdraw(instance.gang); return erase(instance);
    case ClaimState::kLost:  // the cluster kept it until it was heard of
      emit(cluster::ReleaseClaim{instance.claim, cluster::Volumes::kDestroy});
      return erase(instance);
    case ClaimState::kNone: return erase(instance);
    case ClaimState::kHeld:
    case ClaimState::kChanging:
      instance.claim_state = ClaimState::kReleasing;
      instance.since = now_.wall;
      release(instance);
      return store(instance);
    case ClaimState::kReleasing: return;
  }
}

bool Manager::is_delayed(const Instance& instance) const {
  return (instance.slot ? instance.delay : instance.app->delay).blocks(now_.mono);
}

// Equal instances and run-once tasks: a claim that lasts as long as its task.
void Manager::ask_task(Instance& instance) {
  if (is_delayed(instance)) return touch(instance);
  begin_task(instance);
  instance.claims += 1;
  instance.claim = cluster::ClaimId(fmt::format("{}.claim-{}", instance.id.str(), instance.claims));
  instance.gang = cluster::GangId("run-" + instance.claim.str());
  instance.claim_state = ClaimState::kPending;
  instance.granted.reset();
  by_claim_[instance.claim] = &instance;
  by_gang_[instance.gang] = {&instance};
  send_start(instance);
}

bool Manager::has_predecessor(const Instance& instance) const {
  return std::ranges::any_of(instance.app->instances, [&](const auto& other) {
    return other->slot == instance.slot && other->order < instance.order;
  });
}

void Manager::start_in_slot(Instance& instance) {
  if (instance.claim_version != instance.app->want_version) {
    instance.claim_state = ClaimState::kChanging;
    instance.claim_version = instance.app->want_version;
    instance.since = now_.wall;
    give_slot_ports(instance);  // the change may have brought new ones
    emit(cluster::ChangeClaim{instance.claim, want_of(instance)});
    return store(instance);
  }
  if (is_delayed(instance)) return touch(instance);
  begin_task(instance);
  send_start(instance);
}

// The record with the new task's id (and a slot's raised epoch) is written in the commit that asks for it.
void Manager::begin_task(Instance& instance) {
  const Template* settings = template_of(*instance.app->spec, instance.slot);
  CHECK(settings != nullptr && !instance.alive);
  instance.tasks += 1;
  instance.task = cluster::TaskId(fmt::format("{}._app.{}", instance.id.str(), instance.tasks));
  instance.version =
      instance.slot ? slot_of(*instance.app->spec, *instance.slot)->version : instance.app->config_version;
  instance.grace = settings->task.grace;
  instance.checked = settings->task.check.has_value();
  instance.alive = true;
  instance.answered = instance.stopping = instance.passed = instance.given_up = false;
  instance.stop_reason = StopReason::kNone;
  instance.state.reset();
  instance.health = cluster::Health::kUnknown;
  instance.exit_code.reset();
  instance.message.clear();
  instance.since = instance.staged = now_.wall;
  instance.started.reset();
  instance.ready_since.reset();
  instance.unreachable_until.reset();
  instance.times_out.reset();
  instance.running_from.reset();
  instance.waiting.reset();
  instance.asked = now_.mono;
  instance.heard = true;
  by_task_[instance.task] = &instance;
  store(instance);
  unsettle(*instance.app);
  commit_.events.push_back(instance_changed(instance, now_));
}

void Manager::send_start(Instance& instance) {
  if (!template_of(*instance.app->spec, instance.slot)) {
    // An owed start of a slot that is not to run any more: whether it was ever started or not, its end is the
    // answer.
    emit(cluster::StopTask{instance.task, instance.grace});
  } else if (instance.slot) {
    emit(cluster::StartTask{instance.claim, task_of(*instance.app, instance)});
  } else {
    emit(cluster::ClaimGang{{.id = instance.gang, .wants = {want_of(instance)}}});
  }
}

// Something that it waited for has come of time.
void Manager::elapse(Instance& instance) {
  if (!instance.alive) return;
  const auto is_due = [&](std::optional<Monotonic> time) { return time && *time <= now_.mono; };
  if (instance.stopping && is_due(instance.stop_again)) {
    instance.stop_again = now_.mono + instance.grace + kStopPatience;
    emit(cluster::StopTask{instance.task, instance.grace});
  }
  if (!instance.stopping && is_due(instance.times_out)) ask_stop(instance, StopReason::kTimeout);
  if (!instance.given_up && is_due(instance.unreachable_until)) {
    instance.given_up = true;
    // A slot's next life must wait for proof that this one ended; equals are replaced, this one is stopped
    // should it return.
    if (instance.app->is_service()) dismiss(instance);
    if (instance.app->is_run_once()) {
      instance.message = "The agent has not answered for too long.";
      record_outcome(instance, {.state = cluster::TaskState::kUnreachable});
      ask_stop(instance, StopReason::kUnreachable);
    }
  }
  store(instance);
}

// ---- Statuses ------------------------------------------------------------------------------------

void Manager::on_status(const cluster::TaskStatus& status) {
  if (!status.id.empty()) acknowledgements_.push_back({status.task, status.id});
  const auto found = by_task_.find(status.task);
  if (found == by_task_.end()) {
    // Ended, withdrawn or never ours: it must not live.
    if (!cluster::is_terminal(status.state) && status.state != cluster::TaskState::kUnreachable) {
      emit(cluster::StopTask{status.task, cluster::TaskSpec{}.grace});
    }
    return;
  }
  Instance& instance = *found->second;
  instance.heard = true;
  if (status.granted && !instance.slot && instance.claim_state == ClaimState::kPending) {
    hold(instance, *status.granted);
  }
  if (cluster::is_terminal(status.state)) {
    on_ended(instance, status);
  } else {
    on_alive(instance, status);
  }
}

void Manager::on_alive(Instance& instance, const cluster::TaskStatus& status) {
  using cluster::TaskState;
  const bool says_health = status.health != cluster::Health::kUnknown && status.health != instance.health;
  const bool is_late = status.state == TaskState::kStarting && instance.state == TaskState::kRunning;
  if (is_late || (instance.answered && status.state == instance.state && !says_health)) return;
  const bool was_ready = instance.is_ready();
  if (status.state != instance.state) {
    const bool returned = instance.state == TaskState::kUnreachable;
    if (status.state == TaskState::kUnreachable) {
      become_unreachable(instance);
    } else {
      instance.unreachable_until.reset();
      instance.state = status.state;
      instance.since = now_.wall;
    }
    if (returned && instance.stopping) emit(cluster::StopTask{instance.task, instance.grace});
    if (returned && instance.slot) instance.given_up = false;
    instance.message = shortened(status.message);
  }
  if (!instance.slot) instance.claim_state = ClaimState::kHeld;
  instance.answered = true;
  instance.waiting.reset();
  if (status.state == TaskState::kRunning) {
    if (!instance.started) instance.started = now_.wall;
    if (!instance.running_from) instance.running_from = now_.mono;
  }
  if (const auto* run_once = std::get_if<RunOnce>(&instance.app->spec->kind)) {
    if (run_once->timeout && !instance.times_out) instance.times_out = now_.mono + *run_once->timeout;
  }
  commit_.events.push_back(status_update(instance, now_));
  commit_.events.push_back(instance_changed(instance, now_));
  if (says_health) on_health(instance, status.health);
  if (!was_ready && instance.is_ready() && !instance.ready_since) instance.ready_since = now_.wall;
  store(instance);
  stir(instance);
}

void Manager::on_health(Instance& instance, cluster::Health health) {
  instance.health = health;
  instance.passed = instance.passed || health == cluster::Health::kReady;
  commit_.events.push_back(instance_health_changed(instance, now_));
  commit_.events.push_back(health_status_changed(instance, now_));
  if (health != cluster::Health::kUnhealthy || instance.stopping) return;
  instance.message = "Its check failed too often.";
  commit_.events.push_back(unhealthy_kill(instance, now_));
  ask_stop(instance, StopReason::kUnhealthy);
}

void Manager::become_unreachable(Instance& instance) {
  instance.state = cluster::TaskState::kUnreachable;
  instance.since = now_.wall;
  if (!instance.given_up) instance.unreachable_until = now_.mono + options_.unreachable_deadline;
  store(instance);
  stir(instance);
}

void Manager::on_ended(Instance& instance, const cluster::TaskStatus& status) {
  App& app = *instance.app;
  const StopReason reason = instance.stopping ? instance.stop_reason : StopReason::kNone;
  by_task_.erase(instance.task);
  instance.alive = instance.stopping = false;
  instance.answered = true;
  instance.state = status.state;
  instance.exit_code = status.exit_code;
  if (reason != StopReason::kUnhealthy) instance.message = shortened(status.message);
  instance.since = now_.wall;
  instance.stop_reason = StopReason::kNone;
  instance.unreachable_until.reset();
  instance.times_out.reset();
  instance.stop_again.reset();
  instance.waiting.reset();
  if (reason == StopReason::kTimeout) instance.message = "It did not end within its time limit.";
  if (!instance.slot) forget_claim(instance);
  if (app.is_run_once()) {
    record_outcome(instance, status);
  } else {
    count_failure(instance, status, reason);
    if (instance.goal == Goal::kRunning && reason != StopReason::kVersion) instance.restarts += 1;
  }
  commit_.events.push_back(status_update(instance, now_));
  commit_.events.push_back(instance_changed(instance, now_));
  if (app.is_service()) instance.granted.reset();
  store(instance);
  stir(instance);
}

void Manager::count_failure(Instance& instance, const cluster::TaskStatus& status, StopReason reason) {
  using cluster::TaskState;
  App& app = *instance.app;
  const bool by_itself = reason == StopReason::kNone &&
                         (status.state == TaskState::kFailed || status.state == TaskState::kFinished);
  if (!by_itself && reason != StopReason::kUnhealthy) return;
  if (status.state != TaskState::kFinished) {
    app.failure = TaskFailure{
        .task = instance.task,
        .agent = instance.granted ? instance.granted->agent.value_or(cluster::AgentId()) : status.agent,
        .host = instance.granted ? instance.granted->address : "",
        .message = instance.message,
        .state = status.state,
        .version = instance.version,
        .at = now_.wall};
    app.delay_dirty = true;
  }
  const Duration ran = instance.running_from ? now_.mono - *instance.running_from : Duration::zero();
  const Monotonic asked = instance.asked.value_or(now_.mono);
  if (instance.slot) {
    instance.delay.count_failure(app.spec->backoff, asked, ran, now_.mono);
  } else if (instance.version == app.config_version) {
    app.delay.count_failure(app.spec->backoff, asked, ran, now_.mono);
    app.delay_dirty = true;
  }
}

void Manager::record_outcome(Instance& instance, const cluster::TaskStatus& status) {
  App& app = *instance.app;
  if (app.outcome) return;
  using cluster::TaskState;
  app.outcome =
      Outcome{.succeeded = status.state == TaskState::kFinished,
              .unknown = status.state == TaskState::kGone || status.state == TaskState::kUnreachable,
              .exit_code = status.exit_code,
              .message = instance.message,
              .result = status.result,
              .log_tail = status.log_tail};
  app.outcome_dirty = true;
  touch(app);
}

}  // namespace headrace::process
