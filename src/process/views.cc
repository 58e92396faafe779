// What others see of apps and instances. Every instance that waits says why.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "process/manager.h"

namespace headrace::process {
namespace {

std::string remedy_for(std::string_view code) {
  struct Remedy {
    std::string_view code, text;
  };
  static constexpr std::array<Remedy, 8> kRemedies{{
      {"no-cpus", "ask for less, stop something, or add an agent"},
      {"no-memory", "ask for less, stop something, or add an agent"},
      {"no-disk", "ask for less, free space, or add an agent"},
      {"too-large", "ask for less, or add a larger agent"},
      {"port-taken", "stop what holds the port, or choose another number"},
      {"constraint", "relax the constraints, or add an agent that fits them"},
      {"no-agents", "start an agent"},
      {"agent-down", "bring the agent back"},
  }};
  for (const Remedy& each : kRemedies) {
    if (each.code == code) return std::string(each.text);
  }
  return {};
}

std::string place_of(const Instance& instance) {
  return instance.granted && instance.granted->agent ? " on " + instance.granted->agent->str() : "";
}

}  // namespace

std::optional<Wall> Manager::wall_of(std::optional<Monotonic> time) const {
  if (!time) return std::nullopt;
  return now_.wall + (*time - now_.mono);
}

std::optional<Cause> Manager::cause_of(const Instance& instance) const {
  if (instance.alive) {
    if (!instance.slot && instance.waits_for_claim()) return cause_of_claim(instance);
    return cause_of_live(instance);
  }
  if (instance.app->is_run_once() && instance.app->outcome) return std::nullopt;
  if (instance.claim_state != ClaimState::kHeld && instance.slot) return cause_of_claim(instance);
  if (instance.goal != Goal::kRunning) return std::nullopt;
  const Delay& delay = instance.slot ? instance.delay : instance.app->delay;
  if (delay.blocks(now_.mono)) {
    return Cause{
        .code = "backoff",
        .sentence =
            instance.state
                ? fmt::format("Its task ended ({}{}); the next start waits, as {} failed in a row.",
                              instance.exit_code ? fmt::format("exit code {}; ", *instance.exit_code) : "",
                              instance.message.empty() ? "no message" : instance.message, delay.failures)
                : std::string("Tasks of this app fail; the next start waits."),
        .since = instance.since,
        .deadline = wall_of(delay.until),
        .remedy = "look at the logs of its last task"};
  }
  return std::nullopt;
}

std::optional<Cause> Manager::cause_of_live(const Instance& instance) const {
  using cluster::TaskState;
  Cause cause{.since = instance.since};
  if (instance.is_unreachable()) {
    cause.code = "agent-unreachable";
    cause.sentence = fmt::format("The agent does not answer{}; the task may still live.", place_of(instance));
    if (!instance.given_up) cause.deadline = wall_of(instance.unreachable_until);
    cause.remedy = instance.slot && instance.given_up ? "bring the agent back, or replace the member"
                                                      : "bring the agent back";
  } else if (instance.stopping) {
    cause.code = instance.stop_reason == StopReason::kUnhealthy ? "unhealthy" : "stopping";
    cause.sentence =
        instance.stop_reason == StopReason::kUnhealthy
            ? fmt::format("Its check failed too often{}; it is being stopped.", place_of(instance))
            : fmt::format("Its task is being stopped{}.", place_of(instance));
  } else if (!instance.answered && !connected_) {
    cause.code = "cluster-disconnected";
    cause.sentence = disconnected_cause_;
  } else if (instance.waiting && !instance.answered) {
    cause.code = instance.waiting->code;
    cause.sentence = instance.waiting->sentence;
    cause.remedy = remedy_for(cause.code);
  } else if (instance.state != TaskState::kRunning) {
    cause.code = "starting";
    cause.sentence = fmt::format("Its task is being started{}.{}{}", place_of(instance),
                                 instance.message.empty() ? "" : " ", instance.message);
  } else if (!connected_) {
    cause = {.code = "cluster-disconnected",
             .sentence = fmt::format("Whether it still runs{} is not known: {}", place_of(instance),
                                     disconnected_cause_),
             .since = disconnected_since_};
  } else if (!instance.is_ready()) {
    cause.code = "not-ready";
    cause.sentence = fmt::format("It runs{}; its check has not passed yet.", place_of(instance));
  } else {
    return std::nullopt;
  }
  return cause;
}

std::optional<Cause> Manager::cause_of_claim(const Instance& instance) const {
  Cause cause{.since = instance.since};
  if (instance.claim_state == ClaimState::kNone && has_predecessor(instance)) {
    cause.code = "predecessor-lives";
    cause.sentence = "An earlier instance of this slot has not given its place back yet.";
  } else if (instance.claim_state == ClaimState::kLost) {
    cause.code = "claim-lost";
    cause.sentence = fmt::format("Its place{} and its volumes are lost: {}", place_of(instance),
                                 instance.message.empty() ? "the agent is gone." : instance.message);
    cause.remedy = "replace the member, or remove its slot and add it again";
  } else if (!connected_) {
    cause.code = "cluster-disconnected";
    cause.sentence = disconnected_cause_;
  } else if (instance.claim_state == ClaimState::kReleasing) {
    cause.code = "releasing";
    cause.sentence = fmt::format("What it holds{} is being given back.", place_of(instance));
  } else if (instance.waiting) {
    cause.code = instance.waiting->code;
    cause.sentence = instance.waiting->sentence;
    cause.remedy = remedy_for(cause.code);
  } else {
    cause.code = instance.claim_state == ClaimState::kChanging ? "changing" : "claiming";
    cause.sentence = instance.claim_state == ClaimState::kChanging
                         ? "What it holds is being changed."
                         : "The cluster is looking for a place for it.";
  }
  return cause;
}

InstanceView Manager::view_of(const Instance& instance) const {
  InstanceView view{.id = instance.id,
                    .slot = instance.slot,
                    .epoch = instance.slot ? instance.tasks : 0,
                    .version = instance.version,
                    .goal = instance.goal,
                    .state = instance.state,
                    .health = instance.health,
                    .ready = instance.is_ready(),
                    .task = instance.task,
                    .claim = instance.granted,
                    .exit_code = instance.exit_code,
                    .message = instance.message,
                    .cause = cause_of(instance),
                    .since = instance.since,
                    .staged = instance.staged,
                    .started = instance.started,
                    .ready_since = instance.ready_since,
                    .restarts = instance.restarts};
  return view;
}

AppView Manager::view_of(const App& app) const {
  AppView view{.id = app.id,
               .spec = app.spec,
               .version = app.version,
               .config_version = app.config_version,
               .last_scaling = app.last_scaling,
               .last_config_change = app.last_config_change,
               .fixed_ports = app.ports,
               .outcome = app.outcome,
               .deployments = app.deployments,
               .removing = app.removing,
               .last_failure = app.failure};
  if (app.delay.blocks(now_.mono)) view.delayed_until = wall_of(app.delay.until);
  view.instances.reserve(app.instances.size());
  for (const auto& each : app.instances) view.instances.push_back(each->view);
  return view;
}

// Whether a service is as wanted, and if not what is missing.
void Manager::judge(App& app) const {
  app.settled = true;
  app.lack.clear();
  if (app.removing) {
    app.settled = false;
    app.lack = fmt::format("{} instances are not gone yet", app.instances.size());
  }
  const auto* service = std::get_if<Service>(&app.spec->kind);
  if (!service) return;
  int ready = 0, others = 0;
  const Instance* waits = nullptr;
  for (const auto& each : app.instances) {
    const bool is_present = each->goal == Goal::kRunning && each->version == app.config_version;
    ready += is_present && each->is_ready() ? 1 : 0;
    others += !is_present && each->alive && !each->is_unreachable() ? 1 : 0;
    const bool worse = !waits || (waits->goal == Goal::kGone && each->goal != Goal::kGone);
    if (!each->is_ready() && worse) waits = each.get();
  }
  if (ready == service->instances && others == 0 && !app.removing) return;
  app.settled = false;
  const std::optional<Cause> cause = waits ? cause_of(*waits) : std::nullopt;
  app.lack = fmt::format("{} of {} instances are ready{}{}{}", ready, service->instances,
                         others > 0 ? fmt::format(", {} earlier ones not gone", others) : "",
                         cause ? ". " : "", cause ? cause->sentence : "");
}

std::vector<AppView> Manager::apps() const {
  std::vector<AppView> views;
  views.reserve(apps_.size());
  for (const auto& [id, app] : apps_) views.push_back(view_of(*app));
  return views;
}

std::optional<AppView> Manager::app(const AppId& id) const {
  const App* found = find(id);
  return found ? std::optional(view_of(*found)) : std::nullopt;
}

std::vector<Shared<cluster::Agent>> Manager::agents() const {
  std::vector<Shared<cluster::Agent>> agents;
  for (const auto& [id, agent] : agents_) {
    if (connected_) {
      agents.push_back(agent);
      continue;
    }
    cluster::Agent away = *agent;
    away.up = false;
    away.cause = disconnected_cause_;
    agents.push_back(std::move(away));
  }
  return agents;
}

}  // namespace headrace::process
