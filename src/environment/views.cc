// What is shown of environments, and the events that tell what changed.
#include <fmt/format.h>

#include <algorithm>

#include "environment/manager.h"

namespace headrace::environment {

std::string_view word_of(StepState state) {
  switch (state) {
    case StepState::kWaiting: return "waiting";
    case StepState::kRunning: return "running";
    case StepState::kDone: return "done";
    case StepState::kFailed: return "failed";
    case StepState::kCancelled: return "cancelled";
    case StepState::kSkipped: return "skipped";
  }
  return "waiting";
}

std::int64_t millis(Wall wall) {
  return wall.time_since_epoch().count();
}
Wall wall_of(std::int64_t millis) {
  return Wall(Duration(millis));
}

Cause from_record(const records::Cause& cause) {
  Cause made{cause.code(), cause.sentence(), wall_of(cause.since()), std::nullopt, cause.remedy()};
  if (cause.has_deadline()) made.deadline = wall_of(cause.deadline());
  return made;
}

records::Cause to_record(const Cause& cause) {
  records::Cause record;
  record.set_code(cause.code);
  record.set_sentence(cause.sentence);
  record.set_since(millis(cause.since));
  if (cause.deadline) record.set_deadline(millis(*cause.deadline));
  record.set_remedy(cause.remedy);
  return record;
}

StepView view_of(const records::Step& step) {
  StepView view{.id = step.id(),
                .component = step.component(),
                .action = step.action(),
                .needs = {step.needs().begin(), step.needs().end()},
                .state = static_cast<StepState>(step.state()),
                .attempt = step.attempt(),
                .result = step.result()};
  if (step.has_cause()) view.cause = from_record(step.cause());
  if (step.has_started()) view.started = wall_of(step.started());
  if (step.has_ended()) view.ended = wall_of(step.ended());
  return view;
}

OperationView view_of(const records::Operation& operation) {
  OperationView view{.id = OperationId(operation.id()),
                     .environment = EnvironmentId(operation.environment()),
                     .kind = operation.kind(),
                     .state = static_cast<StepState>(operation.state()),
                     .started = wall_of(operation.started()),
                     .deadline = wall_of(operation.deadline()),
                     .requested_by = operation.requested_by()};
  for (const records::Step& step : operation.steps()) view.steps.push_back(view_of(step));
  if (operation.has_cause()) view.cause = from_record(operation.cause());
  if (operation.has_ended()) view.ended = wall_of(operation.ended());
  return view;
}

PlanView view_of(const records::Plan& plan) {
  PlanView view{.id = PlanId(plan.id()),
                .environment = EnvironmentId(plan.environment()),
                .kind = plan.kind(),
                .from_generation = plan.from_generation(),
                .to_generation = plan.wanted().number(),
                .revisions = {plan.revisions().begin(), plan.revisions().end()},
                .made = wall_of(plan.made())};
  for (const records::Difference& each : plan.differences()) {
    view.differences.push_back({each.place(), each.before(), each.after(), each.effect()});
  }
  for (const records::Step& step : plan.steps()) view.steps.push_back(view_of(step));
  return view;
}

std::pair<std::string, std::optional<Cause>> Manager::component_state(const Live& live,
                                                                      const std::string& name) const {
  const auto operation = running_.find(live.record.operation());
  const records::Operation* last = operation == running_.end() ? nullptr : &operation->second.record;
  if (last) {
    std::string state;
    std::optional<Cause> cause;
    bool any = false, all_done = true, any_begun = false;
    for (const records::Step& step : last->steps()) {
      if (step.component() != name) continue;
      any = true;
      const auto step_state = static_cast<StepState>(step.state());
      all_done = all_done && (step_state == StepState::kDone || step_state == StepState::kSkipped);
      any_begun = any_begun || step_state != StepState::kWaiting;
      if (step_state == StepState::kFailed) return {"failed", from_record(step.cause())};
      if (step_state != StepState::kRunning) continue;
      switch (static_cast<StepKind>(step.kind())) {
        case StepKind::kPlace: state = "placing"; break;
        case StepKind::kStop: state = "stopping"; break;
        case StepKind::kRun:
        case StepKind::kWait: state = "launching"; break;
        default: state = "starting";
      }
      if (step.has_cause()) cause = from_record(step.cause());
    }
    if (any && !all_done) {
      if (!state.empty()) return {state, cause};
      if (any_begun) return {"starting", cause};
      // Not begun: it waits for what its first step needs.
      for (const records::Step& step : last->steps()) {
        if (step.component() != name) continue;
        std::vector<std::string> waits;
        for (const records::Step& other : last->steps()) {
          if (std::ranges::find(step.needs(), other.id()) != step.needs().end() && !other.has_ended())
            waits.push_back(other.id().substr(0, other.id().find(": ")));
        }
        const std::string_view end = last->kind() == "destroy" ? " to stop" : "";
        return {"waiting", Cause{"requirement-not-ready",
                                 fmt::format("waits for {}{}", fmt::join(waits, ", "), end),
                                 wall_of(last->started()),
                                 wall_of(last->deadline()),
                                 {}}};
      }
    }
    if (any && last->kind() == "destroy") return {"gone", std::nullopt};
  }
  const Component* component = live.latest().blueprint->find(name);
  if (!component) return {"gone", std::nullopt};
  bool seen = component->services.empty();
  for (const Service& service : component->services) {
    const auto app = live.apps.find(app_id(live.record.name(), name, service.name));
    if (app == live.apps.end()) continue;
    seen = true;
    auto cause = cause_of(live, name, service.name);
    if (cause || !is_ready(app->second, wanted_instances(app->second.spec))) {
      if (!cause) {
        cause =
            Cause{"not-ready", fmt::format("not all instances of {} are ready", service.name), wall_of(0)};
      }
      return {"degraded", cause};
    }
  }
  const auto& known = live.record.components();
  const auto record = std::ranges::find(known, name, &records::Component::name);
  if (seen && record != known.end() && record->ready_once()) return {"ready", std::nullopt};
  return {live.record.has_failure() ? "failed" : "waiting",
          live.record.has_failure() ? std::optional(from_record(live.record.failure())) : std::nullopt};
}

ComponentView Manager::component_view(const Live& live, const Component& component) const {
  auto [state, cause] = component_state(live, component.name);
  ComponentView view{.name = component.name, .state = std::move(state), .cause = std::move(cause)};
  view.since = wall_of(live.record.created());
  if (const auto since = live.shown_since.find(component.name); since != live.shown_since.end()) {
    view.since = since->second;
  }
  for (const records::Component& record : live.record.components()) {
    if (record.name() != component.name) continue;
    if (record.has_provider_ready()) view.provider_ready = wall_of(record.provider_ready());
    if (record.has_ready()) view.ready = wall_of(record.ready());
  }
  view.apps = apps_of(live, component.name);
  return view;
}

EnvironmentView Manager::environment_view(const Live& live) const {
  const LoadedGeneration& generation = live.latest();
  EnvironmentView view{.name = EnvironmentId(live.record.name()),
                       .blueprint = generation.blueprint->name,
                       .blueprint_version = generation.blueprint->version,
                       .profile = generation.record.profile(),
                       .owner = live.record.owner(),
                       .generation = live.record.current(),
                       .given = {generation.record.given().begin(), generation.record.given().end()},
                       .source = sources_.at(generation.record.source_digest()),
                       .images = {generation.record.images().begin(), generation.record.images().end()},
                       .created = wall_of(live.record.created())};
  bool degraded = false;
  for (const Component& component : generation.blueprint->components) {
    view.components.push_back(component_view(live, component));
    degraded = degraded || view.components.back().state == "degraded";
    if (degraded && !view.cause) view.cause = view.components.back().cause;
    for (const Command& command : component.commands)
      view.commands.push_back(component.name + "." + command.name);
  }
  for (const auto& [name, value] : generation.parameters) {
    const auto parameter = generation.blueprint->parameters.find(name);
    const bool secret = parameter != generation.blueprint->parameters.end() && parameter->second.secret;
    view.parameters[name] = secret ? "\"(secret)\"" : document::to_json(value);
  }
  for (const Output& output : generation.blueprint->outputs) {
    const auto value = output_value(state_of(live, generation), output);
    if (value && !value->has_unknown())
      view.outputs[output.name] = document::to_json(expression::to_node(*value));
  }
  const auto operation = running_.find(live.record.operation());
  if (operation != running_.end()) {
    view.operation = OperationId(operation->first);
    const std::string& kind = operation->second.record.kind();
    view.status = kind == "launch" ? "launching" : kind == "destroy" ? "destroying" : "changing";
  } else if (!live.current || live.record.has_failure()) {
    view.status = "failed";
    if (live.record.has_failure()) view.cause = from_record(live.record.failure());
  } else {
    view.status = degraded ? "degraded" : "running";
  }
  if (live.record.has_expires()) view.expires = wall_of(live.record.expires());
  return view;
}

void Manager::tell(Live& live, Now now, Commit& commit) {
  using document::Node;
  for (const Component& component : live.latest().blueprint->components) {
    auto state = component_state(live, component.name);
    const auto known = live.shown.find(component.name);
    const bool same = known != live.shown.end() && known->second.first == state.first &&
                      (known->second.second ? known->second.second->sentence : "") ==
                          (state.second ? state.second->sentence : "");
    if (same) continue;
    if (known == live.shown.end() || known->second.first != state.first)
      live.shown_since[component.name] = now.wall;
    Node json = Node::map({{"component", Node::of(component.name)},
                           {"state", Node::of(state.first)},
                           {"since", Node::of(to_rfc3339(live.shown_since[component.name]))}});
    if (state.second) {
      json.set("cause", Node::of(state.second->sentence));
      json.set("code", Node::of(state.second->code));
      if (!state.second->remedy.empty()) json.set("remedy", Node::of(state.second->remedy));
    }
    commit.events.push_back({EnvironmentId(live.record.name()), OperationId(live.record.operation()),
                             "component_changed", document::to_json(json)});
    live.shown[component.name] = std::move(state);
  }
}

std::vector<EnvironmentView> Manager::environments() const {
  std::vector<EnvironmentView> views;
  for (const auto& [name, live] : live_) views.push_back(environment_view(live));
  return views;
}

std::vector<OperationView> Manager::operations() const {
  std::vector<OperationView> views;
  for (const auto& [id, operation] : running_) views.push_back(view_of(operation.record));
  for (const auto& [id, operation] : ended_) views.push_back(view_of(operation));
  std::ranges::sort(views, {}, &OperationView::started);
  return views;
}

std::optional<PlanView> Manager::plan_of(const PlanId& plan) const {
  const auto found = plans_.find(plan.str());
  if (found == plans_.end()) return std::nullopt;
  return view_of(found->second);
}

}  // namespace headrace::environment
