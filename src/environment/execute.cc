// Moving operations: which step may begin, what it asks of the process manager, when it has ended.
#include <fmt/format.h>

#include <algorithm>

#include "environment/manager.h"

namespace headrace::environment {
namespace {

StepState progress_of(const records::Step& step) {
  return static_cast<StepState>(step.state());
}
StepKind kind_of(const records::Step& step) {
  return static_cast<StepKind>(step.kind());
}
bool has_ended(const records::Step& step) {
  return progress_of(step) != StepState::kWaiting && progress_of(step) != StepState::kRunning;
}

// Done, or skipped because its condition did not hold: dependents may go on.
bool lets_go_on(const records::Step& step) {
  return progress_of(step) == StepState::kDone ||
         (progress_of(step) == StepState::kSkipped && !step.has_cause()) ||
         (progress_of(step) == StepState::kFailed && step.keep_going());
}

Local local_of(const records::Operation& operation, const records::Step& step) {
  Local local = environment::local_of(step);
  for (const auto& [name, text] : operation.arguments()) {
    if (auto node = document::read_json(text, name)) local.arguments[name] = expression::from_node(*node);
  }
  return local;
}

// "/env/demo/kafka/broker" -> "broker"
std::string service_of(const process::AppId& app) {
  return app.str().substr(app.str().rfind('/') + 1);
}

// The last line of a log, for a cause.
std::string last_line(std::string_view log) {
  while (!log.empty() && (log.back() == '\n' || log.back() == '\r')) log.remove_suffix(1);
  const size_t start = log.rfind('\n');
  return std::string(log.substr(start == std::string_view::npos ? 0 : start + 1).substr(0, 300));
}

}  // namespace

std::vector<process::AppId> apps_of(const Live& live, const std::string& component,
                                    const std::string& service) {
  const process::AppId first = app_id(live.record.name(), component, service);
  std::vector<process::AppId> apps;
  for (auto app = live.apps.lower_bound(first); app != live.apps.end(); ++app) {
    if (service.empty() ? !app->first.str().starts_with(first.str()) : app->first != first) break;
    apps.push_back(app->first);
  }
  return apps;
}

process::AppId Manager::run_id(const Running& operation, const records::Step& step) const {
  // Named by operation, step and attempt (design rule 8), within what Marathon's ids allow; the step's number
  // keeps apart what differs in other characters only.
  std::string name = step.id().substr(step.component().size() + 1);
  const auto& steps = operation.record.steps();
  const auto number = std::ranges::find(steps, step.id(), &records::Step::id) - steps.begin();
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain) c = '-';
  }
  while (name.ends_with('-')) name.pop_back();
  return process::AppId(fmt::format("/env/{}/{}/run-{}-{}-{}-{}", operation.record.environment(),
                                    step.component(), name, operation.record.id().substr(0, 8), number,
                                    step.attempt()));
}

process::Owner Manager::owner_of(const Running& operation, const records::Step& step) const {
  return {.environment = operation.record.environment(),
          .operation = operation.record.id(),
          .step = step.id(),
          .attempt = step.attempt()};
}

void Manager::set_cause(const Running& operation, records::Step& step, std::string code, std::string sentence,
                        std::string remedy, Now now) {
  if (step.has_cause() && step.cause().code() == code && step.cause().sentence() == sentence) return;
  const Wall deadline = now.wall + (operation.step_deadlines.at(step.id()) - now.mono);
  *step.mutable_cause() =
      to_record({std::move(code), std::move(sentence), now.wall, deadline, std::move(remedy)});
}

// Why a service is not yet what it should be: the first of its instances that says.
std::optional<Cause> Manager::cause_of(const Live& live, const std::string& component,
                                       const std::string& service) const {
  const auto found = live.apps.find(app_id(live.record.name(), component, service));
  if (found == live.apps.end()) return std::nullopt;
  for (const process::InstanceView& instance : found->second.instances) {
    if (!instance.cause || (instance.ready && instance.cause->code != "cluster-disconnected")) continue;
    Cause cause = *instance.cause;
    if (instance.restarts > 0 && found->second.last_failure) {
      cause.sentence +=
          fmt::format(" Restarted {}; the last end: {}",
                      instance.restarts == 1 ? "once" : fmt::format("{} times", instance.restarts),
                      found->second.last_failure->message);
      if (cause.remedy.empty())
        cause.remedy = fmt::format("headrace logs {} {}", live.record.name(), component);
    }
    return cause;
  }
  return std::nullopt;
}

void Manager::end_step(Running& operation, records::Step& step, StepState state, std::optional<Cause> cause,
                       Now now) {
  step.set_state(static_cast<int>(state));
  step.set_ended(millis(now.wall));
  step.clear_cause();
  if (cause) *step.mutable_cause() = to_record(*cause);
  operation.step_deadlines.erase(step.id());
  operation.next_attempt.erase(step.id());
}

void Manager::advance(Live& live, Now now, Commit& commit) {
  Running* operation = running(live);
  if (!operation) return tell(live, now, commit);
  const std::string name = live.record.name();
  const std::string before = operation->record.SerializeAsString();
  bool moved = true;
  while (moved) {
    moved = false;
    for (records::Step& step : *operation->record.mutable_steps()) {
      moved = move_step(live, *operation, step, now, commit) || moved;
    }
  }
  const auto& steps = operation->record.steps();
  const bool any_running = std::ranges::any_of(
      steps, [](const records::Step& step) { return progress_of(step) == StepState::kRunning; });
  const bool all_ended = std::ranges::all_of(steps, has_ended);
  if (!any_running || all_ended) {
    finish(live, *operation, now, commit);  // what still waits can never begin
  } else if (operation->record.SerializeAsString() != before) {
    save(*operation, now, commit);
  }
  Live* still = find(name);  // finish() may have erased it
  if (!still) return;
  if (still->moved && still->record.operation().empty()) return heal(*still, now, commit);
  tell(*still, now, commit);
}

bool Manager::move_step(Live& live, Running& operation, records::Step& step, Now now, Commit& commit) {
  if (has_ended(step)) return false;
  if (progress_of(step) == StepState::kRunning) return check_step(live, operation, step, now, commit);
  if (operation.record.cancelled()) return false;
  for (const std::string& need : step.needs()) {
    const auto& steps = operation.record.steps();
    const auto found = std::ranges::find(steps, need, &records::Step::id);
    if (found != steps.end() && !lets_go_on(*found)) return false;
  }
  start_step(live, operation, step, now, commit);
  return true;
}

void Manager::start_step(Live& live, Running& operation, records::Step& step, Now now, Commit& commit) {
  step.set_state(static_cast<int>(StepState::kRunning));
  step.set_started(millis(now.wall));
  step.set_attempt(step.attempt() + 1);
  operation.step_deadlines[step.id()] = now.mono + Duration(step.timeout_ms());
  for (records::Component& component : *live.record.mutable_components()) {
    if (component.name() == step.component() && !component.has_provider_ready()) {
      component.set_provider_ready(millis(now.wall));
    }
  }
  const Component* component = live.latest().blueprint->find(step.component());
  const Step* source = component ? blueprint_step(*component, step) : nullptr;
  if (source && !source->condition.empty()) {
    const State state = state_of(live, live.latest());
    const auto bindings = bindings_of(state, *component, local_of(operation.record, step));
    const auto holds = bindings ? source->condition.evaluate(*bindings) : std::unexpected(bindings.error());
    if (!holds) {
      return end_step(operation, step, StepState::kFailed,
                      Cause{"condition", holds.error().to_string(), now.wall}, now);
    }
    if (const bool* yes = holds->get_if<bool>(); yes && !*yes) {
      return end_step(operation, step, StepState::kSkipped, std::nullopt, now);
    }
  }
  issue(live, operation, step, now, commit);
}

// Asks for what the step needs; where values are still missing it says so and is asked again at the next
// event.
void Manager::issue(Live& live, Running& operation, records::Step& step, Now now, Commit& commit) {
  const LoadedGeneration& generation = live.latest();
  const Component* component = generation.blueprint->find(step.component());
  const State state = state_of(live, generation);
  const process::Owner owner = owner_of(operation, step);
  const auto put = [&](Result<Rendered> rendered) {
    if (!rendered) {
      end_step(operation, step, StepState::kFailed,
               Cause{"cannot-render", rendered.error().to_string(), now.wall, std::nullopt,
                     rendered.error().remedy},
               now);
    } else if (!rendered->spec) {
      set_cause(operation, step, "not-placed", "waits for " + rendered->waits_for, {}, now);
    } else {
      operation.issued[step.id()] = *rendered->spec;
      commit.calls.push_back(PutApps{{std::move(*rendered->spec)}, owner});
    }
  };
  // What a cancelled destroy left on its way out is gone before anything takes its place.
  for (const Service& service : component->services) {
    const auto app = live.apps.find(app_id(live.record.name(), component->name, service.name));
    if (app == live.apps.end() || !app->second.removing) continue;
    const auto cause = cause_of(live, component->name, service.name);
    return set_cause(
        operation, step, cause ? cause->code : "being-removed",
        fmt::format("{} is being removed{}{}", app->first, cause ? ": " : "", cause ? cause->sentence : ""),
        cause ? cause->remedy : "", now);
  }
  switch (kind_of(step)) {
    case StepKind::kPlace: {
      PutApps gang{{}, owner};
      for (const Service& service : component->services) {
        // What runs already (a continued launch) keeps its goals.
        if (!service.ordinal || live.apps.contains(app_id(live.record.name(), component->name, service.name)))
          continue;
        auto rendered = render_service(state, *component, service, SlotGoal::kClaimed);
        if (!rendered || !rendered->spec) return put(std::move(rendered));
        gang.specs.push_back(std::move(*rendered->spec));
      }
      operation.issued[step.id()];
      if (!gang.specs.empty()) commit.calls.push_back(std::move(gang));
      return;
    }
    case StepKind::kStart:
      return put(
          render_service(state, *component, *service_of(*component, step.target()), SlotGoal::kRunning));
    case StepKind::kScale: {
      const Step* source = blueprint_step(*component, step);
      const auto bindings = bindings_of(state, *component, local_of(operation.record, step));
      const auto count = bindings ? source->count.evaluate(*bindings) : std::unexpected(bindings.error());
      const std::int64_t* number = count ? count->get_if<std::int64_t>() : nullptr;
      if (!number) {
        return put(count ? fail(source->count.problem(0, "the count of a scale step has to be an integer"))
                         : std::unexpected(count.error()));
      }
      return put(render_service(state, *component, *service_of(*component, source->service),
                                SlotGoal::kRunning, static_cast<int>(*number)));
    }
    case StepKind::kRun:
    case StepKind::kWait: {
      const process::AppId id = run_id(operation, step);
      if (live.apps.contains(id)) {  // begun before a restart: it is never asked for a second time
        operation.issued[step.id()];
        return;
      }
      if (std::ranges::find(live.record.run_apps(), id.str()) == live.record.run_apps().end()) {
        live.record.add_run_apps(id.str());
        save(live, commit);
      }
      return put(render_step(state, *component, *blueprint_step(*component, step),
                             local_of(operation.record, step), id));
    }
    case StepKind::kStop: {
      RemoveApps remove{
          {}, operation.record.keep_volumes() ? cluster::Volumes::kKeep : cluster::Volumes::kDestroy, owner};
      remove.apps = apps_of(live, step.component(), step.target());
      operation.issued[step.id()];
      if (!remove.apps.empty()) commit.calls.push_back(std::move(remove));
      return;
    }
    case StepKind::kReady: return;
  }
}

// True when the step has ended or changed so that others may move.
bool Manager::check_step(Live& live, Running& operation, records::Step& step, Now now, Commit& commit) {
  const StepKind kind = kind_of(step);
  if (kind == StepKind::kReady) {
    for (records::Component& component : *live.record.mutable_components()) {
      if (component.name() != step.component()) continue;
      component.set_ready_once(true);
      component.set_ready(millis(now.wall));
    }
    save(live, commit);
    end_step(operation, step, StepState::kDone, std::nullopt, now);
    return true;
  }
  if (!operation.issued.contains(step.id())) {
    if (operation.next_attempt.contains(step.id())) return false;
    issue(live, operation, step, now, commit);
    if (has_ended(step)) return true;
    // After a restart what is asked for may be there already, and then no view would follow.
    if (!operation.issued.contains(step.id())) return false;
  }
  const LoadedGeneration& generation = live.latest();
  const Component* component = generation.blueprint->find(step.component());
  const auto app_of = [&](const std::string& service) -> const process::AppView* {
    const auto found = live.apps.find(app_id(live.record.name(), step.component(), service));
    return found == live.apps.end() ? nullptr : &found->second;
  };
  const auto end_when = [&](bool done, const std::optional<Cause>& cause, std::string_view otherwise) {
    if (done) {
      end_step(operation, step, StepState::kDone, std::nullopt, now);
      return true;
    }
    if (cause && cause->code == "too-large") {  // no agent could ever take it: waiting cannot help
      end_step(operation, step, StepState::kFailed, cause, now);
      return true;
    }
    set_cause(operation, step, cause ? cause->code : "not-ready",
              cause ? cause->sentence : std::string(otherwise), cause ? cause->remedy : "", now);
    return false;
  };
  switch (kind) {
    case StepKind::kPlace: {
      for (const Service& service : component->services) {
        if (!service.ordinal) continue;
        const process::AppView* app = app_of(service.name);
        if (app && is_placed(*app, wanted_instances(app->spec))) continue;
        return end_when(false, cause_of(live, component->name, service.name),
                        "waits for the cluster's claims");
      }
      return end_when(true, std::nullopt, {});
    }
    case StepKind::kStart:
    case StepKind::kScale: {
      const std::string service =
          kind == StepKind::kStart ? step.target() : blueprint_step(*component, step)->service;
      const process::AppView* app = app_of(service);
      // An older view of the app says nothing about what was asked for.
      const bool current = app && *app->spec == operation.issued.at(step.id());
      const bool ready = current && is_ready(*app, wanted_instances(app->spec)) && app->deployments.empty();
      return end_when(ready, cause_of(live, step.component(), service),
                      "starts; its check has not passed yet");
    }
    case StepKind::kRun:
    case StepKind::kWait: return check_run(live, operation, step, now, commit);
    case StepKind::kStop: {
      const auto left = apps_of(live, step.component(), step.target());
      return end_when(left.empty(), std::nullopt,
                      left.empty() ? "" : fmt::format("waits for {} to end", service_of(left.front())));
    }
    case StepKind::kReady: break;
  }
  return false;
}

bool Manager::check_run(Live& live, Running& operation, records::Step& step, Now now, Commit& commit) {
  const auto found = live.apps.find(run_id(operation, step));
  if (found == live.apps.end() || !found->second.outcome) {
    std::optional<Cause> cause;
    if (found != live.apps.end()) {
      for (const process::InstanceView& instance : found->second.instances) cause = instance.cause;
    }
    set_cause(operation, step, cause ? cause->code : "task-runs", cause ? cause->sentence : "its task runs",
              cause ? cause->remedy : "", now);
    return false;
  }
  const process::Outcome& outcome = *found->second.outcome;
  if (outcome.succeeded) {
    step.set_result(outcome.result);
    end_step(operation, step, StepState::kDone, std::nullopt, now);
    return true;
  }
  const Component* component = live.latest().blueprint->find(step.component());
  const Step* source = component ? blueprint_step(*component, step) : nullptr;
  const bool may_rerun = source && (!outcome.unknown || source->idempotent);
  const std::string why =
      outcome.unknown ? "its outcome is unknown: the task was lost sight of"
      : outcome.exit_code
          ? fmt::format("exit code {}: {}", *outcome.exit_code,
                        outcome.log_tail.empty() ? outcome.message : last_line(outcome.log_tail))
          : outcome.message;
  if (kind_of(step) == StepKind::kWait && may_rerun) {
    operation.next_attempt[step.id()] = now.mono + source->interval;
    operation.issued.erase(step.id());
    commit.calls.push_back(RemoveApps{{found->first}, cluster::Volumes::kDestroy, owner_of(operation, step)});
    auto& kept = *live.record.mutable_run_apps();
    kept.erase(std::remove(kept.begin(), kept.end(), found->first.str()), kept.end());
    save(live, commit);
    set_cause(operation, step, "condition-not-met", fmt::format("{} is not met yet: {}", source->name, why),
              {}, now);
    step.set_attempt(step.attempt() + 1);
    return false;
  }
  if (may_rerun && step.attempt() <= step.retries()) {
    step.set_attempt(step.attempt() + 1);
    operation.issued.erase(step.id());
    operation.next_attempt[step.id()] = now.mono + 1s;
    set_cause(operation, step, "retrying",
              fmt::format("attempt {} failed ({}); trying again", step.attempt() - 1, why), {}, now);
    return false;
  }
  const std::string remedy =
      outcome.unknown && source && !source->idempotent
          ? "look whether it took effect; mark the step `idempotent: true` if it may run twice"
          : fmt::format("see `headrace logs {} {}`", live.record.name(), step.component());
  end_step(operation, step, StepState::kFailed,
           Cause{outcome.unknown ? "outcome-unknown" : "task-failed", why, now.wall, std::nullopt, remedy},
           now);
  return true;
}

// Claims of components whose services never began to start: nothing of theirs is worth keeping.
void Manager::release_unstarted(const Live& live, const records::Operation& operation, Commit& commit) const {
  const auto never_ran = [](const process::AppView& app) {
    return std::ranges::none_of(app.instances,
                                [](const auto& instance) { return instance->state.has_value(); });
  };
  for (const records::Step& step : operation.steps()) {
    if (kind_of(step) != StepKind::kPlace || !step.has_started()) continue;
    const bool started = std::ranges::any_of(operation.steps(), [&](const records::Step& other) {
      return other.component() == step.component() && kind_of(other) == StepKind::kStart &&
             other.has_started();
    });
    if (started) continue;
    RemoveApps remove{
        {}, cluster::Volumes::kDestroy, {live.record.name(), operation.id(), step.id(), step.attempt()}};
    for (process::AppId& id : apps_of(live, step.component())) {
      const process::AppView& app = live.apps.at(id);
      if (!app.removing && never_ran(app)) remove.apps.push_back(std::move(id));
    }
    if (!remove.apps.empty()) commit.calls.push_back(std::move(remove));
  }
}

void Manager::finish(Live& live, Running& operation, Now now, Commit& commit) {
  records::Operation& record = operation.record;
  if (record.cancelled() || std::ranges::any_of(record.steps(), [](const records::Step& step) {
        return progress_of(step) == StepState::kFailed && !step.keep_going();
      })) {
    release_unstarted(live, record, commit);
  }
  std::optional<Cause> failure;
  for (records::Step& step : *record.mutable_steps()) {
    if (progress_of(step) == StepState::kFailed && !step.keep_going() && !failure) {
      failure = from_record(step.cause());
      failure->sentence = fmt::format("{}: {}", step.id(), failure->sentence);
    }
  }
  for (records::Step& step : *record.mutable_steps()) {
    if (progress_of(step) != StepState::kWaiting) continue;
    const std::string why = failure ? "not begun, because " + failure->sentence : "not begun";
    end_step(operation, step, StepState::kCancelled, Cause{"not-begun", why, now.wall}, now);
  }
  const StepState verdict = failure              ? StepState::kFailed
                            : record.cancelled() ? StepState::kCancelled
                                                 : StepState::kDone;
  record.set_state(static_cast<int>(verdict));
  record.set_ended(millis(now.wall));
  if (failure) *record.mutable_cause() = to_record(*failure);
  live.record.set_operation("");
  live.record.set_revision(live.record.revision() + 1);
  // A command that changes nothing (a check) says nothing about the environment.
  const bool is_inspection = record.kind() == "command" && !live.wanted;
  if (!is_inspection) live.record.clear_failure();
  if (failure && !is_inspection) *live.record.mutable_failure() = to_record(*failure);
  // What it had begun stays half done: the environment does not run as wished until the next change.
  if (verdict == StepState::kCancelled && !is_inspection) *live.record.mutable_failure() = record.cause();
  if (verdict == StepState::kDone && live.wanted) {
    live.current = std::move(live.wanted);
    live.wanted.reset();
    live.record.set_current(live.current->record.number());
  }
  commit.events.push_back(
      {EnvironmentId(live.record.name()), OperationId(record.id()), "operation_ended",
       document::to_json(document::Node::map(
           {{"operation", document::Node::of(record.id())},
            {"kind", document::Node::of(record.kind())},
            {"state", document::Node::of(word_of(verdict))},
            {"cause", document::Node::of(failure ? failure->sentence : std::string())}}))});
  const bool destroyed = record.kind() == "destroy" && verdict == StepState::kDone;
  const bool undo = record.atomic() && record.kind() == "launch" && verdict != StepState::kDone;
  save(operation, now, commit);
  const std::string name = live.record.name();
  const std::string id = record.id();
  ended_[id] = record;
  running_.erase(id);
  if (destroyed) {
    forget(live, commit);
    commit.events.push_back({EnvironmentId(name), OperationId(id), "environment_gone", "{}"});
    return forget_old(commit);
  }
  forget_old(commit);
  save(live, commit);
  if (undo) {
    records::Operation destroy;
    destroy.set_kind("destroy");
    destroy.set_requested_by("the failed atomic launch " + id);
    for (records::Step& step : destroy_steps(live)) *destroy.add_steps() = std::move(step);
    begin(live, std::move(destroy), options_.operation_deadline, now, commit);
    advance(live, now, commit);
  }
}

}  // namespace headrace::environment
