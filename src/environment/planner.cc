#include "environment/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>

namespace headrace::environment {
namespace {

constexpr Duration kStartTimeout = std::chrono::minutes(5);
constexpr Duration kStopTimeout = std::chrono::minutes(2);

records::Step make_step(StepKind kind, const std::string& component, const std::string& target,
                        std::string id, std::string action, Duration timeout) {
  records::Step step;
  step.set_id(std::move(id));
  step.set_kind(static_cast<int>(kind));
  step.set_component(component);
  step.set_target(target);
  step.set_action(std::move(action));
  step.set_timeout_ms(timeout.count());
  return step;
}

void add_needs(records::Step& step, const std::set<std::string>& needs) {
  for (const std::string& need : needs) step.add_needs(need);
}

std::string ready_id(const std::string& component) {
  return component + ": ready";
}
std::string start_id(const Component& component, const Service& service) {
  return fmt::format("{}/{}: start", component.name, service.name);
}

std::string instances_text(int count) {
  return fmt::format("{} instance{}", count, count == 1 ? "" : "s");
}

StepKind kind_of(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kTask: return StepKind::kRun;
    case Step::Kind::kWaitUntil: return StepKind::kWait;
    case Step::Kind::kScale: return StepKind::kScale;
  }
  return StepKind::kRun;
}

// The task steps of a list in their order, with `needs` (default: the step before) and `for_each` expanded.
// `first_needs` are what steps without predecessors wait for.
Result<std::vector<records::Step>> expand_steps(const State& state, const Component& component,
                                                const std::vector<Step>& steps, const std::string& prefix,
                                                const std::set<std::string>& first_needs,
                                                const Local& local) {
  std::vector<records::Step> out;
  std::map<std::string, std::vector<std::string>> ids_of;  // blueprint step -> ids
  std::string before;
  for (const Step& step : steps) {
    std::set<std::string> needs;
    std::vector<std::string> named = step.needs;
    if (named.empty() && !before.empty()) named.push_back(before);
    for (const std::string& need : named) needs.insert(ids_of[need].begin(), ids_of[need].end());
    if (needs.empty()) needs = first_needs;

    std::vector<std::optional<std::string>> items{std::nullopt};
    if (!step.for_each.empty()) {
      TRY(const expression::Bindings bindings, bindings_of(state, component, local));
      TRY(const expression::Value list, step.for_each.evaluate(bindings));
      if (!list.items()) {
        return fail(step.for_each.problem(0, "for_each needs a list that is known when planned"));
      }
      items.clear();
      for (const expression::Value& item : *list.items()) {
        items.push_back(document::to_json(expression::to_node(item)));
      }
    }
    const StepKind kind = kind_of(step);
    int number = 0;
    for (const auto& item : items) {
      std::string id = fmt::format("{}/{}{}", component.name, prefix, step.name);
      if (item) id += fmt::format("[{}]", number++);
      const std::string_view verb = kind == StepKind::kWait    ? "wait until"
                                    : kind == StepKind::kScale ? "scale"
                                                               : "run";
      std::string action = fmt::format("{} {}", verb, kind == StepKind::kScale ? step.service : step.name);
      if (item) action += fmt::format(" for {}", *item);
      records::Step made = make_step(kind, component.name, prefix + step.name, id, action, step.timeout);
      if (item) made.set_item(*item);
      made.set_retries(step.retry);
      made.set_keep_going(step.on_failure == Step::OnFailure::kContinue);
      add_needs(made, needs);
      ids_of[step.name].push_back(made.id());
      out.push_back(std::move(made));
    }
    if (items.empty()) ids_of[step.name].assign(needs.begin(), needs.end());
    before = step.name;
  }
  return out;
}

// What nothing in the list needs: the ends of the graph.
std::set<std::string> ends_of(const std::vector<records::Step>& steps) {
  std::set<std::string> ends;
  for (const records::Step& step : steps) ends.insert(step.id());
  for (const records::Step& step : steps) {
    for (const std::string& need : step.needs()) ends.erase(need);
  }
  return ends;
}

bool is_running_as_wanted(const State& state, const Component& component, const Service& service) {
  const auto found = state.apps.find(app_id(state.environment, component.name, service.name));
  if (found == state.apps.end() || found->second.removing) return false;
  const auto rendered = render_service(state, component, service, SlotGoal::kRunning);
  return rendered && rendered->spec && *found->second.spec == *rendered->spec &&
         is_ready(found->second, wanted_instances(*rendered->spec));
}

Result<std::vector<records::Step>> component_steps(const State& wanted, const Component& component,
                                                   bool with_launch_steps) {
  std::vector<records::Step> steps;
  std::set<std::string> providers;
  for (const auto& [name, binding] : component.bindings) providers.insert(ready_id(binding.first));
  const bool has_slots = std::ranges::any_of(component.services, &Service::ordinal);
  std::set<std::string> first = providers;
  if (has_slots) {
    records::Step place = make_step(StepKind::kPlace, component.name, "", component.name + ": place",
                                    "claim agents, addresses and volumes", kStartTimeout);
    add_needs(place, providers);
    first = {place.id()};
    steps.push_back(std::move(place));
  }
  std::set<std::string> started;
  for (const Service& service : component.services) {
    TRY(const int count, count_of(wanted, component, service));
    records::Step start =
        make_step(StepKind::kStart, component.name, service.name, start_id(component, service),
                  "start " + instances_text(count), kStartTimeout);
    std::set<std::string> needs = first;
    for (const std::string& other : service.after)
      needs.insert(fmt::format("{}/{}: start", component.name, other));
    add_needs(start, needs);
    started.insert(start.id());
    steps.push_back(std::move(start));
  }
  if (started.empty()) started = first;
  std::set<std::string> ends = started;
  if (with_launch_steps && !component.launch.empty()) {
    TRY(std::vector<records::Step> launch,
        expand_steps(wanted, component, component.launch, "", started, {}));
    const std::set<std::string> launch_ends = ends_of(launch);
    ends.insert(launch_ends.begin(), launch_ends.end());
    std::ranges::move(launch, std::back_inserter(steps));
  }
  records::Step ready =
      make_step(StepKind::kReady, component.name, "", ready_id(component.name), "serves", kStartTimeout);
  add_needs(ready, ends);
  steps.push_back(std::move(ready));
  return steps;
}

// Needs that name no step of the plan are met already.
void drop_met_needs(std::vector<records::Step>& steps) {
  std::set<std::string> ids;
  for (const records::Step& step : steps) ids.insert(step.id());
  for (records::Step& step : steps) {
    std::vector<std::string> kept;
    for (const std::string& need : step.needs()) {
      if (ids.contains(need)) kept.push_back(need);
    }
    step.clear_needs();
    for (std::string& need : kept) step.add_needs(std::move(need));
  }
}

records::Difference difference(std::string place, std::string before, std::string after, std::string effect) {
  records::Difference made;
  made.set_place(std::move(place));
  made.set_before(std::move(before));
  made.set_after(std::move(after));
  made.set_effect(std::move(effect));
  return made;
}

// What differs between two specs, for people; the effect is what the whole service takes.
void describe(const process::AppSpec& before, const process::AppSpec& after, const std::string& place,
              const std::string& effect, Change& change) {
  const auto add = [&](const std::string& where, const std::string& from, const std::string& to) {
    if (from != to) change.differences.push_back(difference(place + "." + where, from, to, effect));
  };
  add("count", std::to_string(wanted_instances(before)), std::to_string(wanted_instances(after)));
  add("resources.cpus", fmt::format("{:g}", before.resources.cpus),
      fmt::format("{:g}", after.resources.cpus));
  add("resources.memory", to_text(before.resources.memory), to_text(after.resources.memory));
  const auto task_of = [](const process::AppSpec& spec) -> const cluster::TaskSpec* {
    if (const auto* service = std::get_if<process::Service>(&spec.kind)) return &service->settings.task;
    const auto* ordinal = std::get_if<process::Ordinal>(&spec.kind);
    if (!ordinal || ordinal->slots.empty() || !ordinal->slots.front().settings) return nullptr;
    return &ordinal->slots.front().settings->task;
  };
  const cluster::TaskSpec* from = task_of(before);
  const cluster::TaskSpec* to = task_of(after);
  if (!from || !to) return;
  add("image", from->image, to->image);
  add("command", fmt::format("{}", fmt::join(from->args, " ")), fmt::format("{}", fmt::join(to->args, " ")));
  std::set<std::string> names;
  for (const auto* env : {&from->env, &to->env}) {
    for (const auto& [name, value] : *env) names.insert(name);
  }
  const auto value_of = [](const cluster::TaskSpec& task, const std::string& name) {
    const auto found = task.env.find(name);
    return found == task.env.end() ? std::string("(none)") : found->second;
  };
  for (const std::string& name : names) add("env." + name, value_of(*from, name), value_of(*to, name));
  for (const cluster::SecretFile& secret : to->secrets) {
    const auto old = std::ranges::find(from->secrets, secret.path, &cluster::SecretFile::path);
    const auto text = [](const SecretRef& ref) {
      return fmt::format("{} version {}", ref.name, ref.version);
    };
    add("secrets." + secret.path, old == from->secrets.end() ? "(none)" : text(old->secret),
        text(secret.secret));
  }
}

// Compares one service under both generations, with the same placed values; adds its step where it changes.
Status compare_service(const State& current, const State& wanted, const Component& before,
                       const Component& after, const Service& service, Change& change,
                       std::vector<records::Step>& steps) {
  const Service* old = service_of(before, service.name);
  const std::string place = fmt::format("components.{}.services.{}", after.name, service.name);
  TRY(const Rendered to, render_service(wanted, after, service, SlotGoal::kRunning));
  const auto start = [&](std::string action) {
    steps.push_back(make_step(StepKind::kStart, after.name, service.name, start_id(after, service),
                              std::move(action), kStartTimeout));
  };
  if (!old) {
    TRY(const int count, count_of(wanted, after, service));
    change.differences.push_back(difference(place, "(none)", instances_text(count), "start"));
    if (service.ordinal) {
      change.refusals.push_back(
          {Code::kUnsupported,
           fmt::format("adding the ordinal service {}/{} to a running component is not built yet", after.name,
                       service.name),
           "launch the new blueprint as another environment"});
    }
    start("start " + instances_text(count));
    return {};
  }
  // What runs is what is compared: a change that failed half-way is continued from where it stands.
  const auto found = current.apps.find(app_id(current.environment, after.name, service.name));
  if (found == current.apps.end() || found->second.removing) {
    start("start");
    return {};
  }
  const process::AppSpec& from = found->second.spec;
  if (!to.spec || *to.spec == from) return {};
  const int count = wanted_instances(*to.spec);
  if (service.ordinal || old->ordinal) {
    describe(from, *to.spec, place, "restart", change);
    const bool scales = wanted_instances(from) != count;
    change.refusals.push_back(
        {Code::kUnsupported,
         fmt::format(
             "this would {} the ordinal service {}/{}: {} of ordinal services is not built yet (day two)",
             scales ? "scale" : "restart", after.name, service.name, scales ? "scaling" : "rolling restart"),
         "change only parameters of stateless services, or launch a new environment"});
    return {};
  }
  const bool scales = process::runs_the_same(from, *to.spec);
  describe(from, *to.spec, place, scales ? "scale" : "replace", change);
  start(scales ? fmt::format("scale from {} to {}", wanted_instances(from), count)
               : fmt::format("replace {}, rolling", instances_text(count)));
  return {};
}

// Launch steps whose task would be another one now.
Status compare_launch(const State& current, const State& wanted, const Component& before,
                      const Component& after, Change& change, std::vector<records::Step>& steps) {
  TRY(std::vector<records::Step> expanded, expand_steps(wanted, after, after.launch, "", {}, {}));
  TRY(const std::vector<records::Step> old_steps, expand_steps(current, before, before.launch, "", {}, {}));
  for (records::Step& step : expanded) {
    TRY(const auto now, launch_task(wanted, step));
    const auto old_step = std::ranges::find(old_steps, step.id(), &records::Step::id);
    const bool is_new = old_step == old_steps.end();
    if (!is_new) {
      TRY(const auto then, launch_task(current, *old_step));
      if (!now || !then || *now == *then) continue;
    }
    change.differences.push_back(difference(fmt::format("components.{}.launch.{}", after.name, step.target()),
                                            is_new ? "(none)" : "ran", "runs again with new values", "run"));
    steps.push_back(std::move(step));
  }
  return {};
}

Status compare_component(const State& current, const State& wanted, const Component& before,
                         const Component& after, Change& change) {
  std::vector<records::Step> steps;
  for (const Service& service : after.services) {
    TRY_STATUS(compare_service(current, wanted, before, after, service, change, steps));
  }
  for (const Service& service : before.services) {
    if (service_of(after, service.name)) continue;
    change.refusals.push_back({Code::kUnsupported,
                               fmt::format("removing the service {}/{} from a component is not built yet",
                                           after.name, service.name),
                               "remove the whole component, or launch a new environment"});
  }
  std::vector<records::Step> launch;
  TRY_STATUS(compare_launch(current, wanted, before, after, change, launch));
  for (records::Step& step : launch) {
    for (const records::Step& start : steps) step.add_needs(start.id());
  }
  std::ranges::move(launch, std::back_inserter(steps));
  if (steps.empty()) return {};
  std::set<std::string> providers;
  for (const auto& [name, binding] : after.bindings) providers.insert(ready_id(binding.first));
  for (records::Step& step : steps) {
    if (static_cast<StepKind>(step.kind()) == StepKind::kStart) add_needs(step, providers);
  }
  records::Step ready =
      make_step(StepKind::kReady, after.name, "", ready_id(after.name), "serves", kStartTimeout);
  for (const records::Step& step : steps) ready.add_needs(step.id());
  steps.push_back(std::move(ready));
  std::ranges::move(steps, std::back_inserter(change.steps));
  return {};
}

std::string stop_id(const std::string& component) {
  return component + ": stop";
}

// Adds the steps that stop a component. A service that must go before another one has a step of its own; the
// component's last step ends all that is left.
void add_stop(const Component& component, const std::set<std::string>& needs,
              std::vector<records::Step>& steps) {
  records::Step last = make_step(StepKind::kStop, component.name, "", stop_id(component.name),
                                 "stop and release", kStopTimeout);
  add_needs(last, needs);
  std::map<std::string, std::string> ids;  // service -> its step; the others end with the component
  for (const Service& service : component.services) {
    if (!service.stops_before.empty())
      ids[service.name] = fmt::format("{}/{}: stop", component.name, service.name);
  }
  for (const Service& service : std::views::reverse(component.services)) {  // what is used stands first
    if (!ids.contains(service.name)) continue;
    records::Step step = make_step(StepKind::kStop, component.name, service.name, ids[service.name],
                                   "stop and release", kStopTimeout);
    add_needs(step, needs);
    for (const Service& other : component.services) {
      if (std::ranges::find(other.stops_before, service.name) != other.stops_before.end())
        step.add_needs(ids[other.name]);
    }
    last.add_needs(step.id());
    steps.push_back(std::move(step));
  }
  steps.push_back(std::move(last));
}

bool is_bound_to(const Component& component, const Component& provider) {
  return std::ranges::any_of(component.bindings,
                             [&](const auto& binding) { return binding.second.first == provider.name; });
}

void describe_parameters(const State& current, const State& wanted, Change& change) {
  for (const auto& [name, value] : wanted.parameters) {
    const auto old = current.parameters.find(name);
    const auto parameter = wanted.blueprint.parameters.find(name);
    const bool secret = parameter != wanted.blueprint.parameters.end() && parameter->second.secret;
    const std::string before = old == current.parameters.end() ? "(none)" : document::to_json(old->second);
    const std::string after = document::to_json(value);
    if (before == after) continue;
    change.differences.push_back(difference("parameters." + name, secret ? "(secret)" : before,
                                            secret ? "(another secret)" : after, ""));
  }
  for (const auto& [key, value] : wanted.generation.overrides()) {
    const auto old = current.generation.overrides().find(key);
    const std::string before =
        old == current.generation.overrides().end() ? "(as the blueprint says)" : old->second;
    if (before != value) change.differences.push_back(difference("components." + key, before, value, ""));
  }
}

}  // namespace

const Service* service_of(const Component& component, const std::string& name) {
  const auto found = std::ranges::find(component.services, name, &Service::name);
  return found == component.services.end() ? nullptr : &*found;
}

const Step* blueprint_step(const Component& component, const records::Step& step) {
  // Targets: "create-topics" of launch, "scale/drain" of the command scale.
  const size_t slash = step.target().find('/');
  const std::vector<Step>* steps = &component.launch;
  std::string name = step.target();
  if (slash != std::string::npos) {
    const auto command = std::ranges::find(component.commands, name.substr(0, slash), &Command::name);
    if (command == component.commands.end()) return nullptr;
    steps = &command->steps;
    name = name.substr(slash + 1);
  }
  const auto found = std::ranges::find(*steps, name, &Step::name);
  return found == steps->end() ? nullptr : &*found;
}

Local local_of(const records::Step& step) {
  Local local;
  if (step.item().empty()) return local;
  if (auto node = document::read_json(step.item(), "item")) local.item = expression::from_node(*node);
  return local;
}

Result<std::optional<process::AppSpec>> launch_task(const State& state, const records::Step& step) {
  const Component* component = state.blueprint.find(step.component());
  const Step* source = component ? blueprint_step(*component, step) : nullptr;
  if (!source || source->kind == Step::Kind::kScale) return std::nullopt;
  TRY(Rendered rendered, render_step(state, *component, *source, local_of(step), process::AppId("/same")));
  return std::move(rendered.spec);
}

Result<Change> plan_launch(const State& wanted) {
  Change change;
  for (const Component& component : wanted.blueprint.components) {
    const bool runs = std::ranges::all_of(component.services, [&](const Service& service) {
      return is_running_as_wanted(wanted, component, service);
    });
    // A component whose launch steps may not have run is brought up whole; its running services count as
    // started.
    if (runs && !component.services.empty() && component.launch.empty()) continue;
    TRY(std::vector<records::Step> steps, component_steps(wanted, component, /*with_launch_steps=*/true));
    std::ranges::move(steps, std::back_inserter(change.steps));
    change.differences.push_back(
        difference("components." + component.name, "(none)", component.version, "start"));
  }
  drop_met_needs(change.steps);
  return change;
}

Result<Change> plan_change(const State& current, const State& wanted) {
  Change change;
  describe_parameters(current, wanted, change);
  for (const Component& component : wanted.blueprint.components) {
    const Component* before = current.blueprint.find(component.name);
    if (before) {
      TRY_STATUS(compare_component(current, wanted, *before, component, change));
      continue;
    }
    change.differences.push_back(
        difference("components." + component.name, "(none)", component.version, "start"));
    TRY(std::vector<records::Step> steps, component_steps(wanted, component, true));
    std::ranges::move(steps, std::back_inserter(change.steps));
  }
  for (const Component& component : std::views::reverse(current.blueprint.components)) {
    if (wanted.blueprint.find(component.name)) continue;
    change.differences.push_back(
        difference("components." + component.name, component.version, "(none)", "stop"));
    std::set<std::string> needs;
    for (const Component& other : current.blueprint.components) {
      if (!is_bound_to(other, component)) continue;
      needs.insert(wanted.blueprint.find(other.name) ? ready_id(other.name) : stop_id(other.name));
    }
    add_stop(component, needs, change.steps);
  }
  drop_met_needs(change.steps);
  return change;
}

std::vector<records::Step> plan_destroy(const Blueprint& blueprint) {
  std::vector<records::Step> steps;
  for (const Component& component : std::views::reverse(blueprint.components)) {
    std::set<std::string> needs;
    for (const Component& other : blueprint.components) {
      if (is_bound_to(other, component)) needs.insert(stop_id(other.name));
    }
    add_stop(component, needs, steps);
  }
  return steps;
}

Result<std::vector<records::Step>> plan_command(const State& state, const Component& component,
                                                const Command& command,
                                                const std::map<std::string, expression::Value>& arguments) {
  Local local;
  local.arguments = arguments;
  return expand_steps(state, component, command.steps, command.name + "/", {}, local);
}

}  // namespace headrace::environment
