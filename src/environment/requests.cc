// Requests: plans, and the operations that people ask for.
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "environment/manager.h"

namespace headrace::environment {
namespace {

std::string make_generated(const Generated& generated, Random& random) {
  const std::string uuid = random.uuid();
  if (generated.encoding == Generated::Encoding::kText) return uuid;
  std::string bytes;
  for (size_t i = 0; i < uuid.size(); i += 2) {
    if (uuid[i] == '-') ++i;
    bytes += static_cast<char>(std::stoi(uuid.substr(i, 2), nullptr, 16));
  }
  std::array<unsigned char, 32> text{};  // base64 of 16 bytes, two of them padding
  EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  std::string url(text.begin(), text.begin() + 22);
  std::ranges::replace(url, '+', '-');
  std::ranges::replace(url, '/', '_');
  return url;
}

bool is_environment_name(const std::string& name) {
  if (name.empty() || name.size() > 40 || name.front() < 'a' || name.front() > 'z' || name.back() == '-')
    return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::unexpected<Error> no_environment(const EnvironmentId& name) {
  return fail(Code::kNotFound, fmt::format("there is no environment {}", name), "headrace list");
}

// "kafka.scale" -> both, or nothing.
std::pair<const Component*, const Command*> find_command(const Blueprint& blueprint,
                                                         const std::string& name) {
  const size_t dot = name.find('.');
  const Component* component = blueprint.find(name.substr(0, dot));
  if (!component || dot == std::string::npos) return {};
  const auto command = std::ranges::find(component->commands, name.substr(dot + 1), &Command::name);
  if (command == component->commands.end()) return {};
  return {component, &*command};
}

using Arguments = std::map<std::string, document::Node>;

// Values for what a command sets and for its arguments: as given, else by default; all errors at once.
Result<Arguments> arguments_of(const Component& component, const Command& command,
                               const std::map<std::string, std::string>& given) {
  std::map<std::string, Parameter> wanted;
  for (const Parameter& argument : command.arguments) wanted[argument.name] = argument;
  for (const std::string& set : command.sets) {
    wanted[set] = component.parameters.at(set);
    wanted[set].default_value.reset();  // what is to be set has to be said
  }
  std::map<std::string, std::string> texts = given;
  // `headrace scale` gives "count" for whatever the one parameter is called.
  if (wanted.size() == 1 && command.sets.size() == 1 && texts.contains("count")) {
    auto count = texts.extract("count");
    count.key() = command.sets.front();
    texts.insert(std::move(count));
  }
  Values values = resolve_values(fmt::format("the command {}.{}", component.name, command.name), "argument",
                                 wanted, texts);
  if (!values.errors.empty()) return fail(document::combined(values.errors));
  return std::move(values.values);
}

}  // namespace

Result<LoadedGeneration> Manager::generation_of(const Wish& wish, int number, Now now) {
  records::Generation record;
  record.set_number(number);
  record.set_source_digest(wish.blueprint->digest);
  record.set_profile(wish.profile);
  record.mutable_given()->insert(wish.parameters.begin(), wish.parameters.end());
  record.mutable_images()->insert(wish.images.begin(), wish.images.end());
  record.mutable_secrets()->insert(wish.secrets.begin(), wish.secrets.end());
  record.set_made(millis(now.wall));
  if (Live* live = find(wish.name.str())) *record.mutable_overrides() = live->latest().record.overrides();
  Values values = resolve_parameters(*wish.blueprint, wish.profile, wish.parameters);
  if (!values.errors.empty()) return fail(document::combined(values.errors));
  return LoadedGeneration{std::move(record), wish.blueprint, std::move(values.values)};
}

Result<records::Plan> Manager::make_plan(const Wish& wish, const LoadedGeneration& wanted, Now now) {
  static const Apps kNoApps;
  static const google::protobuf::Map<std::string, std::string> kNothingGenerated;
  const Live* live = find(wish.name.str());
  records::Plan plan;
  plan.set_id(random_.uuid());
  plan.set_environment(wish.name.str());
  plan.set_from_generation(live ? live->record.current() : 0);
  *plan.mutable_wanted() = wanted.record;
  plan.set_made(millis(now.wall));
  plan.set_owner(wish.owner);
  plan.set_ttl_ms(wish.ttl ? wish.ttl->count() : 0);
  plan.set_atomic(wish.atomic);
  (*plan.mutable_revisions())[wish.name.str()] = live ? live->record.revision() : 0;
  const State after{.environment = wish.name.str(),
                    .blueprint = *wanted.blueprint,
                    .generation = wanted.record,
                    .parameters = wanted.parameters,
                    .generated = live ? live->record.generated() : kNothingGenerated,
                    .apps = live ? live->apps : kNoApps};
  const bool is_change = live && live->current;
  plan.set_kind(is_change ? "change" : "launch");
  TRY(Change change, is_change ? plan_change(state_of(*live, *live->current), after) : plan_launch(after));
  if (!change.refusals.empty()) return fail(document::combined(change.refusals));
  for (records::Step& step : change.steps) *plan.add_steps() = std::move(step);
  for (records::Difference& each : change.differences) *plan.add_differences() = std::move(each);
  if (live) drop_done_tasks(*live, wanted, plan);
  return plan;
}

Result<Decision<PlanView>> Manager::plan(const Wish& wish, Now now) {
  if (!is_environment_name(wish.name.str())) {
    return fail(Code::kInvalid, fmt::format("\"{}\" is no name for an environment", wish.name),
                "use at most 40 of a-z 0-9 -, a letter first");
  }
  const Live* live = find(wish.name.str());
  const int number = live ? live->latest().record.number() + 1 : 1;
  TRY(const LoadedGeneration wanted, generation_of(wish, number, now));
  TRY(records::Plan plan, make_plan(wish, wanted, now));
  Commit commit;
  const std::string& digest = wish.blueprint->digest;
  if (!sources_.contains(digest)) {
    records::Source source;
    source.mutable_files()->insert(wish.source.files.begin(), wish.source.files.end());
    sources_[digest] = std::make_shared<const BlueprintSource>(wish.source);
    blueprints_[digest] = wish.blueprint;
    commit.writes.push_back({kSources, digest, source.SerializeAsString()});
  }
  return Decision<PlanView>{keep_plan(std::move(plan), commit), std::move(commit)};
}

PlanView Manager::keep_plan(records::Plan plan, Commit& commit) {
  commit.writes.push_back({kPlans, plan.id(), plan.SerializeAsString()});
  PlanView view = view_of(plan);
  plans_[plan.id()] = std::move(plan);
  forget_old(commit);
  return view;
}

// A change that failed half-way may have left components that only the current generation knows: they go
// last, since nothing of the wanted one is bound to them.
std::vector<records::Step> Manager::destroy_steps(const Live& live) const {
  std::vector<records::Step> steps = environment::plan_destroy(*live.latest().blueprint);
  if (!live.current || !live.wanted) return steps;
  const size_t wanted = steps.size();
  for (records::Step& step : environment::plan_destroy(*live.current->blueprint)) {
    if (live.wanted->blueprint->find(step.component())) continue;
    for (size_t i = 0; i < wanted; ++i) step.add_needs(steps[i].id());
    steps.push_back(std::move(step));
  }
  return steps;
}

// Tasks that an operation which did not end well has done already, and would do again with the same values,
// are left out when it is continued: not every task may run twice.
void Manager::drop_done_tasks(const Live& live, const LoadedGeneration& wanted, records::Plan& plan) const {
  if (!live.wanted) return;
  std::set<std::string> done;
  for (const auto& [id, operation] : ended_) {
    if (operation.environment() != live.record.name() || operation.started() < live.record.created() ||
        operation.to_generation() <= live.record.current()) {
      continue;
    }
    for (const records::Step& step : operation.steps()) {
      const auto kind = static_cast<StepKind>(step.kind());
      if (kind == StepKind::kRun && static_cast<StepState>(step.state()) == StepState::kDone &&
          step.target().find('/') == std::string::npos)
        done.insert(step.id());
    }
  }
  const State before = state_of(live, *live.wanted), after = state_of(live, wanted);
  std::map<std::string, std::vector<std::string>> needs_of_dropped;
  std::vector<records::Step> kept;
  for (records::Step& step : *plan.mutable_steps()) {
    std::set<std::string> needs;
    for (const std::string& need : step.needs()) {
      const auto dropped = needs_of_dropped.find(need);
      if (dropped == needs_of_dropped.end())
        needs.insert(need);
      else
        needs.insert(dropped->second.begin(), dropped->second.end());
    }
    step.clear_needs();
    for (const std::string& need : needs) step.add_needs(need);
    if (done.contains(step.id())) {
      const auto task = launch_task(after, step), ran = launch_task(before, step);
      if (task && *task && ran && *task == *ran) {
        needs_of_dropped[step.id()] = {needs.begin(), needs.end()};
        continue;
      }
    }
    kept.push_back(std::move(step));
  }
  plan.clear_steps();
  for (records::Step& step : kept) *plan.add_steps() = std::move(step);
}

Result<Decision<PlanView>> Manager::plan_destroy(const EnvironmentId& environment, Now now) {
  const Live* live = find(environment.str());
  if (!live) return no_environment(environment);
  records::Plan plan;
  plan.set_id(random_.uuid());
  plan.set_environment(environment.str());
  plan.set_kind("destroy");
  plan.set_from_generation(live->record.current());
  plan.set_made(millis(now.wall));
  (*plan.mutable_revisions())[environment.str()] = live->record.revision();
  for (records::Step& step : destroy_steps(*live)) *plan.add_steps() = std::move(step);
  Commit commit;
  return Decision<PlanView>{keep_plan(std::move(plan), commit), std::move(commit)};
}

void Manager::generate_values(Live& live) {
  const LoadedGeneration& generation = live.latest();
  const State state = state_of(live, generation);
  for (const Component& component : generation.blueprint->components) {
    int slots = 0;
    for (const Service& service : component.services) {
      if (const auto count = count_of(state, component, service); count && service.ordinal) {
        slots = std::max(slots, *count);
      }
    }
    for (const Generated& generated : component.generated) {
      if (generated.is_secret()) continue;
      std::string key = fmt::format("{}/{}", component.name, generated.name);
      for (int slot = 0; slot < (generated.per_slot ? slots : 1); ++slot) {
        const std::string place = generated.per_slot ? fmt::format("{}/{}", key, slot) : key;
        auto& values = *live.record.mutable_generated();
        if (!values.contains(place)) values[place] = make_generated(generated, random_);
      }
    }
  }
}

Result<OperationView> Manager::begin_plan(const records::Plan& plan, const std::string& by, Now now,
                                          Commit& commit) {
  Live* live = find(plan.environment());
  records::Operation operation;
  operation.set_requested_by(by);
  *operation.mutable_steps() = plan.steps();
  operation.set_atomic(plan.atomic());
  operation.set_command(plan.command());
  *operation.mutable_arguments() = plan.arguments();
  operation.set_kind(plan.kind() == "change" ? "apply" : plan.kind());
  // A command that sets nothing (a check) makes no generation.
  const bool same =
      plan.kind() == "command" && live->current && plan.wanted().number() == live->current->record.number();
  if (plan.kind() != "destroy" && !same) {
    TRY(LoadedGeneration wanted, load_generation(plan.wanted()));
    if (!live) {
      live = &live_[plan.environment()];
      live->record.set_name(plan.environment());
      live->record.set_owner(plan.owner());
      live->record.set_created(millis(now.wall));
      if (plan.ttl_ms() > 0) live->record.set_expires(millis(now.wall + Duration(plan.ttl_ms())));
    }
    auto& generations = *live->record.mutable_generations();
    // A generation that never became current is replaced by the next wish.
    while (!generations.empty() && generations.rbegin()->number() >= plan.wanted().number())
      generations.RemoveLast();
    *generations.Add() = plan.wanted();
    while (generations.size() > kKeptGenerations) generations.DeleteSubrange(0, 1);
    live->record.set_wanted(plan.wanted().number());
    live->wanted = std::move(wanted);
    for (const Component& component : live->wanted->blueprint->components) {
      const auto& known = live->record.components();
      if (std::ranges::none_of(known, [&](const auto& each) { return each.name() == component.name; })) {
        live->record.add_components()->set_name(component.name);
      }
    }
    generate_values(*live);
  }
  const Duration deadline = plan.kind() == "launch" ? options_.launch_deadline : options_.operation_deadline;
  return run(*live, std::move(operation), deadline, now, commit);
}

// Begins the operation and moves what can move at once.
OperationView Manager::run(Live& live, records::Operation operation, Duration deadline, Now now,
                           Commit& commit) {
  const std::string id = begin(live, std::move(operation), deadline, now, commit).record.id();
  advance(live, now, commit);
  const auto still = running_.find(id);
  return view_of(still != running_.end() ? still->second.record : ended_.at(id));
}

Result<Decision<OperationView>> Manager::launch(const Wish& wish, Now now) {
  if (Live* live = find(wish.name.str())) {
    TRY_STATUS(check_free(*live));
    return fail(Code::kConflict, fmt::format("the environment {} exists already", wish.name),
                live->current
                    ? fmt::format("change it: headrace plan {0}, then headrace apply {0}", wish.name)
                    : fmt::format("continue its launch: headrace apply {}", wish.name));
  }
  TRY(Decision<PlanView> planned, plan(wish, now));
  TRY(Decision<OperationView> applied, apply(planned.answer.id, wish.owner, now));
  planned.commit.append(std::move(applied.commit));
  return Decision<OperationView>{std::move(applied.answer), std::move(planned.commit)};
}

Result<Decision<OperationView>> Manager::apply(const PlanId& id, const std::string& by, Now now) {
  const auto found = plans_.find(id.str());
  if (found == plans_.end())
    return fail(Code::kNotFound, fmt::format("there is no plan {}", id), "headrace plan");
  const records::Plan plan = found->second;
  const Live* live = find(plan.environment());
  if (live) TRY_STATUS(check_free(*live));
  for (const auto& [name, revision] : plan.revisions()) {
    const std::int64_t present = live ? live->record.revision() : 0;
    if (present != revision) {
      return fail(Code::kConflict,
                  fmt::format("{} has moved from revision {} to {} since this plan was made", name, revision,
                              present),
                  "make a new plan");
    }
  }
  Commit commit;
  TRY(OperationView view, begin_plan(plan, by, now, commit));
  return Decision<OperationView>{std::move(view), std::move(commit)};
}

Result<Decision<OperationView>> Manager::command(const EnvironmentId& environment, const std::string& name,
                                                 const std::map<std::string, std::string>& arguments,
                                                 const std::string& by, Now now) {
  Live* live = find(environment.str());
  if (!live) return no_environment(environment);
  TRY_STATUS(check_free(*live));
  if (!live->current || live->wanted) {
    return fail(Code::kConflict,
                fmt::format("{} is not whole: its last {} did not end well", environment,
                            live->current ? "change" : "launch"),
                fmt::format("bring it about first: headrace apply {}", environment));
  }
  const auto [component, command] = find_command(*live->current->blueprint, name);
  if (!command) {
    return fail(Code::kNotFound, fmt::format("{} has no command {}", environment, name),
                fmt::format("headrace status {} lists them", environment));
  }
  TRY(const Arguments values, arguments_of(*component, *command, arguments));
  // Arguments that the command `sets` become parameters of the next generation; the rest are its own.
  records::Generation wanted = live->current->record;
  if (!command->sets.empty()) {
    wanted.set_number(wanted.number() + 1);
    wanted.set_made(millis(now.wall));
  }
  for (const std::string& set : command->sets) {
    const std::string text = document::to_json(values.at(set));
    // `${{ params.x }}` alone: the blueprint's own parameter is the one to change.
    const auto setting = component->settings.find(set);
    std::vector<std::string> path;
    if (setting != component->settings.end() && setting->second.is_expression()) {
      const auto references = setting->second.references();
      if (references.size() == 1 && references.front().path.size() == 2) path = references.front().path;
    }
    if (path.size() == 2 && path.front() == "params") {
      (*wanted.mutable_given())[path.back()] = text;
    } else {
      (*wanted.mutable_overrides())[fmt::format("{}.{}", component->name, set)] = text;
    }
  }
  records::Plan plan;
  plan.set_environment(environment.str());
  plan.set_kind("command");
  plan.set_command(name);
  std::map<std::string, expression::Value> known;
  for (const auto& [argument, value] : values) {
    (*plan.mutable_arguments())[argument] = document::to_json(value);
    known[argument] = expression::from_node(value);
  }
  *plan.mutable_wanted() = wanted;
  TRY(const LoadedGeneration loaded, load_generation(wanted));
  TRY(Change change, plan_change(state_of(*live, *live->current), state_of(*live, loaded)));
  if (!change.refusals.empty()) return fail(document::combined(change.refusals));
  TRY(const std::vector<records::Step> steps,
      plan_command(state_of(*live, loaded), *component, *command, known));
  for (const records::Step& step : steps) *plan.add_steps() = step;
  for (records::Step& step : change.steps) {
    for (const records::Step& own : steps)
      step.add_needs(own.id());  // the command first, then what its values change
    *plan.add_steps() = std::move(step);
  }
  Commit commit;
  TRY(OperationView view, begin_plan(plan, by, now, commit));
  return Decision<OperationView>{std::move(view), std::move(commit)};
}

Result<Decision<OperationView>> Manager::destroy(const EnvironmentId& environment, bool keep_volumes,
                                                 const std::string& by, Now now) {
  Live* live = find(environment.str());
  if (!live) return no_environment(environment);
  TRY_STATUS(check_free(*live));
  records::Operation operation;
  operation.set_kind("destroy");
  operation.set_requested_by(by);
  operation.set_keep_volumes(keep_volumes);
  for (records::Step& step : destroy_steps(*live)) *operation.add_steps() = std::move(step);
  Commit commit;
  OperationView view = run(*live, std::move(operation), options_.operation_deadline, now, commit);
  return Decision<OperationView>{std::move(view), std::move(commit)};
}

Result<Decision<OperationView>> Manager::cancel(const OperationId& id, const std::string& by, Now now) {
  const auto found = running_.find(id.str());
  if (found == running_.end()) {
    return fail(ended_.contains(id.str()) ? Code::kConflict : Code::kNotFound,
                fmt::format("no operation {} is running", id));
  }
  Running& operation = found->second;
  Live& live = live_.at(operation.record.environment());
  operation.record.set_cancelled(true);
  const Cause reason{"cancelled", "cancelled by " + by, now.wall};
  *operation.record.mutable_cause() = to_record(reason);
  Commit commit;
  RemoveApps tasks{
      {}, cluster::Volumes::kDestroy, {.environment = live.record.name(), .operation = id.str()}};
  for (records::Step& step : *operation.record.mutable_steps()) {
    if (static_cast<StepState>(step.state()) != StepState::kRunning) continue;
    if (const process::AppId task = run_id(operation, step); live.apps.contains(task))
      tasks.apps.push_back(task);
    end_step(operation, step, StepState::kCancelled, reason, now);
  }
  if (!tasks.apps.empty()) commit.calls.push_back(std::move(tasks));
  advance(live, now, commit);
  return Decision<OperationView>{view_of(ended_.at(id.str())), std::move(commit)};
}

}  // namespace headrace::environment
