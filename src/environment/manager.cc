#include "environment/manager.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::environment {
namespace {

constexpr const char* kSources = "env_sources";
constexpr const char* kEnvironments = "environments";
constexpr const char* kOperations = "env_operations";
constexpr const char* kPlans = "env_plans";
constexpr size_t kKeptOperations = 100, kKeptPlans = 100;
constexpr int kKeptGenerations = 20;
// TTL acts only after two readings an interval apart, and never in the first minute (design section 9).
constexpr Duration kExpiryInterval = 30s, kExpiryQuiet = 60s;
// Heals that follow each other within the calm time are kept apart, doubling.
constexpr Duration kFirstHealDistance = 5s, kCalmAfterHeal = 10min;

std::string base64url(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned buffer = 0;
  int bits = 0;
  for (const unsigned char byte : bytes) {
    buffer = (buffer << 8) | byte;
    for (bits += 8; bits >= 6; bits -= 6) text += kAlphabet[(buffer >> (bits - 6)) & 63];
  }
  if (bits > 0) text += kAlphabet[(buffer << (6 - bits)) & 63];
  return text;
}

std::string make_generated(const Generated& generated, Random& random) {
  const std::string uuid = random.uuid();
  if (generated.encoding == Generated::Encoding::kText) return uuid;
  std::string bytes;
  for (size_t i = 0; i < uuid.size(); i += 2) {
    if (uuid[i] == '-') ++i;
    bytes += static_cast<char>(std::stoi(uuid.substr(i, 2), nullptr, 16));
  }
  return base64url(bytes);
}

bool is_environment_name(const std::string& name) {
  if (name.empty() || name.size() > 40 || name.front() < 'a' || name.front() > 'z' || name.back() == '-')
    return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// Several errors as one: the first one's code and place, every sentence.
Error all_of(const std::vector<Error>& errors) {
  Error all = errors.front();
  for (const Error& error : std::span(errors).subspan(1)) all.message += "\n" + error.to_string();
  return all;
}

}  // namespace

Result<std::unique_ptr<EnvironmentManager>> EnvironmentManager::create(Options options, std::uint64_t seed,
                                                                       std::span<const Record> records,
                                                                       Now now) {
  auto manager = std::make_unique<Manager>(options, seed, now);
  TRY_STATUS(manager->load(records, now));
  return manager;
}

std::vector<std::string> EnvironmentManager::tables() {
  return {kSources, kEnvironments, kOperations, kPlans};
}

void Commit::append(Commit&& other) {
  std::ranges::move(other.writes, std::back_inserter(writes));
  std::ranges::move(other.calls, std::back_inserter(calls));
  std::ranges::move(other.events, std::back_inserter(events));
}

Status Manager::load(std::span<const Record> records, Now now) {
  const auto parse = [](auto& message, const Record& record) -> Status {
    if (message.ParseFromString(record.value)) return {};
    return fail(Code::kCorrupt,
                fmt::format("the record {} of table {} cannot be read", record.key, record.table),
                "restore the state folder from a backup");
  };
  for (const Record& record : records) {
    if (record.table == kSources) {
      records::Source source;
      TRY_STATUS(parse(source, record));
      BlueprintSource files;
      for (const auto& [path, text] : source.files()) files.files[path] = text;
      sources_[record.key] = std::make_shared<const BlueprintSource>(std::move(files));
    } else if (record.table == kOperations) {
      records::Operation operation;
      TRY_STATUS(parse(operation, record));
      if (static_cast<StepState>(operation.state()) != StepState::kRunning) {
        ended_[record.key] = std::move(operation);
        continue;
      }
      Running running{.record = operation, .deadline = now.mono + Duration(operation.remaining_ms())};
      for (const records::Step& step : operation.steps()) {
        if (static_cast<StepState>(step.state()) != StepState::kRunning) continue;
        running.step_deadlines[step.id()] =
            now.mono + Duration(step.remaining_ms() > 0 ? step.remaining_ms() : step.timeout_ms());
      }
      running_[record.key] = std::move(running);
    } else if (record.table == kPlans) {
      TRY_STATUS(parse(plans_[record.key], record));
    } else if (record.table == kEnvironments) {
      TRY_STATUS(parse(live_[record.key].record, record));
    }
  }
  for (auto& [name, live] : live_) {
    for (const records::Generation& generation : live.record.generations()) {
      if (generation.number() == live.record.current()) {
        TRY(live.current, load_generation(generation));
      }
      if (generation.number() == live.record.wanted() && live.record.wanted() != live.record.current()) {
        TRY(live.wanted, load_generation(generation));
      }
    }
    CHECK(live.current || live.wanted, "an environment has a generation");
  }
  return {};
}

Live* Manager::find(const std::string& environment) {
  const auto found = live_.find(environment);
  return found == live_.end() ? nullptr : &found->second;
}

Running* Manager::running(const Live& live) {
  const auto found = running_.find(live.record.operation());
  return found == running_.end() ? nullptr : &found->second;
}

Status Manager::check_free(const Live& live) const {
  if (live.record.operation().empty()) return {};
  const records::Operation& operation = running_.at(live.record.operation()).record;
  if (operation.kind() == "heal") return {};  // a user's operation replaces a heal
  return fail(
      Code::kConflict,
      fmt::format("the {} {} of {} is still running", operation.kind(), operation.id(), live.record.name()),
      fmt::format("wait for it, or end it: headrace cancel {}", operation.id()));
}

State Manager::state_of(const Live& live, const LoadedGeneration& generation) const {
  return {.environment = live.record.name(),
          .blueprint = *generation.blueprint,
          .generation = generation.record,
          .parameters = generation.parameters,
          .generated = live.record.generated(),
          .apps = live.apps};
}

Result<LoadedGeneration> Manager::load_generation(const records::Generation& record) const {
  std::shared_ptr<const Blueprint>& blueprint = blueprints_[record.source_digest()];
  if (!blueprint) {
    Loaded loaded = load_blueprint(*sources_.at(record.source_digest()));
    if (!loaded.errors.empty()) return fail(all_of(loaded.errors));
    blueprint = std::move(loaded.blueprint);
  }
  Values values =
      resolve_parameters(*blueprint, record.profile(), {record.given().begin(), record.given().end()});
  if (!values.errors.empty()) return fail(all_of(values.errors));
  return LoadedGeneration{record, blueprint, std::move(values.values)};
}

Result<LoadedGeneration> Manager::generation_of(const Wish& wish, int number, Now now, Commit& commit) {
  records::Generation record;
  record.set_number(number);
  record.set_source_digest(wish.blueprint->digest);
  record.set_profile(wish.profile);
  record.mutable_given()->insert(wish.parameters.begin(), wish.parameters.end());
  record.mutable_images()->insert(wish.images.begin(), wish.images.end());
  record.mutable_secrets()->insert(wish.secrets.begin(), wish.secrets.end());
  record.set_made(millis(now.wall));
  if (Live* live = find(wish.name.str())) *record.mutable_overrides() = live->latest().record.overrides();
  if (!sources_.contains(record.source_digest())) {
    records::Source source;
    source.mutable_files()->insert(wish.source.files.begin(), wish.source.files.end());
    sources_[record.source_digest()] = std::make_shared<const BlueprintSource>(wish.source);
    blueprints_[record.source_digest()] = wish.blueprint;
    commit.writes.push_back({kSources, record.source_digest(), source.SerializeAsString()});
  }
  return load_generation(record);
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
  if (!change.refusals.empty()) return fail(all_of(change.refusals));
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
  Commit commit;
  const Live* live = find(wish.name.str());
  const int number = live ? live->latest().record.number() + 1 : 1;
  TRY(const LoadedGeneration wanted, generation_of(wish, number, now, commit));
  TRY(records::Plan plan, make_plan(wish, wanted, now));
  commit.writes.push_back({kPlans, plan.id(), plan.SerializeAsString()});
  PlanView view = view_of(plan);
  plans_[plan.id()] = std::move(plan);
  forget_old(commit);
  return Decision<PlanView>{std::move(view), std::move(commit)};
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
  const auto task_of = [](const State& state, const records::Step& step) -> std::optional<process::AppSpec> {
    const Component* component = state.blueprint.find(step.component());
    const Step* source = component ? blueprint_step(*component, step) : nullptr;
    if (!source) return std::nullopt;
    Local local;
    if (auto node = document::read_json(step.item(), "item"); node && !step.item().empty())
      local.item = expression::from_node(*node);
    auto rendered = render_step(state, *component, *source, local, process::AppId("/same"));
    return rendered ? std::move(rendered->spec) : std::nullopt;
  };
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
      const auto task = task_of(after, step);
      if (task && task == task_of(before, step)) {
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
  if (!live)
    return fail(Code::kNotFound, fmt::format("there is no environment {}", environment), "headrace list");
  records::Plan plan;
  plan.set_id(random_.uuid());
  plan.set_environment(environment.str());
  plan.set_kind("destroy");
  plan.set_from_generation(live->record.current());
  plan.set_made(millis(now.wall));
  (*plan.mutable_revisions())[environment.str()] = live->record.revision();
  for (records::Step& step : destroy_steps(*live)) *plan.add_steps() = std::move(step);
  Commit commit;
  commit.writes.push_back({kPlans, plan.id(), plan.SerializeAsString()});
  PlanView view = view_of(plan);
  plans_[plan.id()] = std::move(plan);
  forget_old(commit);
  return Decision<PlanView>{std::move(view), std::move(commit)};
}

Running& Manager::begin(Live& live, records::Operation operation, Duration deadline, Now now,
                        Commit& commit) {
  if (Running* heal = running(live)) {  // check_free let only a heal be replaced
    heal->record.set_cancelled(true);
    for (records::Step& step : *heal->record.mutable_steps()) {
      if (static_cast<StepState>(step.state()) == StepState::kRunning) {
        end_step(*heal, step, StepState::kCancelled, std::nullopt, now);
      }
    }
    finish(live, *heal, now, commit);
  }
  operation.set_id(random_.uuid());
  operation.set_environment(live.record.name());
  operation.set_state(static_cast<int>(StepState::kRunning));
  operation.set_started(millis(now.wall));
  operation.set_deadline(millis(now.wall + deadline));
  operation.set_from_generation(live.record.current());
  operation.set_to_generation(live.latest().record.number());
  for (records::Step& step : *operation.mutable_steps())
    step.set_state(static_cast<int>(StepState::kWaiting));
  // Logs of the run-once apps of earlier operations go with the next operation.
  RemoveApps old{
      {}, cluster::Volumes::kDestroy, {.environment = live.record.name(), .operation = operation.id()}};
  for (const std::string& app : live.record.run_apps()) {
    if (live.apps.contains(process::AppId(app))) old.apps.push_back(process::AppId(app));
  }
  live.record.clear_run_apps();
  if (!old.apps.empty()) commit.calls.push_back(std::move(old));
  live.record.set_operation(operation.id());
  live.record.set_revision(live.record.revision() + 1);
  const std::string id = operation.id();
  commit.events.push_back(
      {EnvironmentId(live.record.name()), OperationId(id), "operation_started",
       document::to_json(document::Node::map(
           {{"operation", document::Node::of(id)}, {"kind", document::Node::of(operation.kind())}}))});
  Running& running = running_[id] = Running{.record = std::move(operation), .deadline = now.mono + deadline};
  save(running, now, commit);
  save(live, commit);
  return running;
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
  Running& running = begin(*live, std::move(operation), deadline, now, commit);
  const std::string id = running.record.id();
  advance(*live, now, commit);
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
  if (!live)
    return fail(Code::kNotFound, fmt::format("there is no environment {}", environment), "headrace list");
  TRY_STATUS(check_free(*live));
  if (!live->current || live->wanted) {
    return fail(Code::kConflict,
                fmt::format("{} is not whole: its last {} did not end well", environment,
                            live->current ? "change" : "launch"),
                fmt::format("bring it about first: headrace apply {}", environment));
  }
  const size_t dot = name.find('.');
  const Component* component = live->current->blueprint->find(name.substr(0, dot));
  const Command* command = nullptr;
  if (component && dot != std::string::npos) {
    const auto found = std::ranges::find(component->commands, name.substr(dot + 1), &Command::name);
    if (found != component->commands.end()) command = &*found;
  }
  if (!command) {
    return fail(Code::kNotFound, fmt::format("{} has no command {}", environment, name),
                fmt::format("headrace status {} lists them", environment));
  }
  // Arguments that the command `sets` become parameters of the next generation; the rest are its own.
  records::Generation wanted = live->current->record;
  if (!command->sets.empty()) {
    wanted.set_number(wanted.number() + 1);
    wanted.set_made(millis(now.wall));
  }
  std::map<std::string, expression::Value> values;
  for (const auto& [given, text] : arguments) {
    // `headrace scale` gives "count" for whatever the one parameter is called.
    const bool is_count = given == "count" && command->sets.size() == 1 && command->arguments.empty();
    const std::string& argument = is_count ? command->sets.front() : given;
    const bool sets = std::ranges::find(command->sets, argument) != command->sets.end();
    const bool takes =
        std::ranges::find(command->arguments, argument, &Parameter::name) != command->arguments.end();
    if (!sets && !takes) {
      return fail(Code::kInvalid, fmt::format("the command {} takes no \"{}\"", name, argument),
                  fmt::format("it takes {}", fmt::join(command->sets, ", ")));
    }
    TRY(const document::Node node, document::read_json(text, argument));
    values[argument] = expression::from_node(node);
    if (!sets) continue;
    // `${{ params.x }}` alone: the blueprint's own parameter is the one to change.
    const auto setting = component->settings.find(argument);
    std::vector<std::string> path;
    if (setting != component->settings.end() && setting->second.is_expression()) {
      const auto references = setting->second.references();
      if (references.size() == 1 && references.front().path.size() == 2) path = references.front().path;
    }
    if (path.size() == 2 && path.front() == "params") {
      (*wanted.mutable_given())[path.back()] = text;
    } else {
      (*wanted.mutable_overrides())[fmt::format("{}.{}", component->name, argument)] = text;
    }
  }
  for (const std::string& set : command->sets) {
    if (!values.contains(set)) {
      return fail(Code::kInvalid, fmt::format("the command {} needs \"{}\"", name, set));
    }
  }
  records::Plan plan;
  plan.set_environment(environment.str());
  plan.set_kind("command");
  plan.set_command(name);
  for (const auto& [argument, value] : values) {
    (*plan.mutable_arguments())[argument] = document::to_json(expression::to_node(value));
  }
  *plan.mutable_wanted() = wanted;
  TRY(const LoadedGeneration loaded, load_generation(wanted));
  TRY(Change change, plan_change(state_of(*live, *live->current), state_of(*live, loaded)));
  if (!change.refusals.empty()) return fail(all_of(change.refusals));
  TRY(const std::vector<records::Step> steps,
      plan_command(state_of(*live, loaded), *component, *command, values));
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
  if (!live)
    return fail(Code::kNotFound, fmt::format("there is no environment {}", environment), "headrace list");
  TRY_STATUS(check_free(*live));
  records::Operation operation;
  operation.set_kind("destroy");
  operation.set_requested_by(by);
  operation.set_keep_volumes(keep_volumes);
  for (records::Step& step : destroy_steps(*live)) *operation.add_steps() = std::move(step);
  Commit commit;
  const std::string id =
      begin(*live, std::move(operation), options_.operation_deadline, now, commit).record.id();
  advance(*live, now, commit);
  const auto still = running_.find(id);
  return Decision<OperationView>{view_of(still != running_.end() ? still->second.record : ended_.at(id)),
                                 std::move(commit)};
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
  const Cause reason{"cancelled", "cancelled by " + by, now.wall, std::nullopt, {}};
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

namespace {

// "/env/demo/kafka/broker" -> "demo"
std::string environment_of(const process::AppId& app) {
  const std::string& path = app.str();
  const size_t start = std::string_view("/env/").size();
  return path.substr(start, path.find('/', start) - start);
}

std::vector<const cluster::Claim*> claims_of(const process::AppView& app) {
  std::vector<const cluster::Claim*> claims;
  for (const process::InstanceView& instance : app.instances) {
    if (instance.claim) claims.push_back(&*instance.claim);
  }
  return claims;
}

bool same_claims(const process::AppView& a, const process::AppView& b) {
  return std::ranges::equal(claims_of(a), claims_of(b),
                            [](const auto* x, const auto* y) { return *x == *y; });
}

}  // namespace

Commit Manager::on_app_changed(const process::AppView& app, Now now) {
  Commit commit;
  Live* live = find(environment_of(app.id));
  if (!live) return commit;
  const auto known = live->apps.find(app.id);
  const bool moved = known == live->apps.end() || !same_claims(known->second, app);
  live->apps[app.id] = app;
  live->moved = live->moved || moved;
  if (live->moved && live->record.operation().empty())
    heal(*live, now, commit);
  else
    advance(*live, now, commit);
  return commit;
}

// Of this life of the environment: its name may have been used before.
const records::Operation* Manager::last_ended(const Live& live) const {
  const records::Operation* last = nullptr;
  for (const auto& [id, ended] : ended_) {
    if (ended.environment() == live.record.name() && ended.started() >= live.record.created() &&
        (!last || ended.started() > last->started()))
      last = &ended;
  }
  return last;
}

// A placed value changed while nothing runs: what was rendered from it is rendered again, true dependents
// only.
void Manager::heal(Live& live, Now now, Commit& commit) {
  if (live.last_heal && now.mono < *live.last_heal + live.heal_distance) return tell(live, now, commit);
  live.moved = false;
  const records::Operation* last = last_ended(live);
  const bool half_destroyed = last && last->kind() == "destroy";
  if (!live.current || live.wanted || half_destroyed) return tell(live, now, commit);
  const State state = state_of(live, *live.current);
  auto change = plan_change(state, state);
  // Refusals: an ordinal service, whose address stays its claim's.
  if (!change || change->steps.empty()) return tell(live, now, commit);
  const bool again = live.last_heal && now.mono < *live.last_heal + kCalmAfterHeal;
  live.heal_distance =
      again ? std::clamp(live.heal_distance * 2, kFirstHealDistance, kCalmAfterHeal / 2) : Duration(0);
  live.last_heal = now.mono;
  records::Operation operation;
  operation.set_kind("heal");
  operation.set_requested_by("Headrace: an address changed");
  for (records::Step& step : change->steps) *operation.add_steps() = std::move(step);
  begin(live, std::move(operation), options_.operation_deadline, now, commit);
  advance(live, now, commit);
}

Commit Manager::on_app_removed(const process::AppId& app, Now now) {
  Commit commit;
  if (Live* live = find(environment_of(app))) {
    live->apps.erase(app);
    advance(*live, now, commit);
  }
  return commit;
}

Commit Manager::on_refused(const process::Owner& owner, const Error& error, Now now) {
  Commit commit;
  Live* live = find(owner.environment);
  const auto found = running_.find(owner.operation);
  if (!live || found == running_.end()) return commit;
  for (records::Step& step : *found->second.record.mutable_steps()) {
    if (step.id() != owner.step || static_cast<StepState>(step.state()) != StepState::kRunning) continue;
    end_step(found->second, step, StepState::kFailed,
             Cause{std::string(word_of(error.code)), error.to_string(), now.wall, std::nullopt, error.remedy},
             now);
  }
  advance(*live, now, commit);
  return commit;
}

Commit Manager::on_start(std::span<const process::AppView> apps, Now now) {
  Commit commit;
  for (const process::AppView& app : apps) {
    if (!process::ProcessManager::is_environment_path(app.id)) continue;
    const std::string name = environment_of(app.id);
    if (Live* live = find(name)) {
      live->apps[app.id] = app;
    } else {
      // A crash between two commits of a destroy: the environment is gone, its app is not.
      commit.calls.push_back(RemoveApps{{app.id}, cluster::Volumes::kDestroy, {.environment = name}});
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, live] : live_) names.push_back(name);
  for (const std::string& name : names) on_start(live_.at(name), now, commit);
  return commit;
}

void Manager::on_start(Live& live, Now now, Commit& commit) {
  // Removals that were decided and perhaps not asked for: tasks' apps that are no longer kept, claims of what
  // the last operation never started.
  RemoveApps forgotten{{}, cluster::Volumes::kDestroy, {.environment = live.record.name()}};
  const auto& kept = live.record.run_apps();
  for (const auto& [id, app] : live.apps) {
    if (std::holds_alternative<process::RunOnce>(app.spec->kind) && !app.removing &&
        std::ranges::find(kept, id.str()) == kept.end())
      forgotten.apps.push_back(id);
  }
  const Running* operation = running(live);
  const records::Operation* last = last_ended(live);
  if (!operation && last && last->cancelled()) {
    for (const auto& [id, app] : live.apps) {
      const auto* run_once = std::get_if<process::RunOnce>(&app.spec->kind);
      if (run_once && !app.outcome && !app.removing) forgotten.apps.push_back(id);
    }
  }
  if (!forgotten.apps.empty()) commit.calls.push_back(std::move(forgotten));
  if (!operation && last && static_cast<StepState>(last->state()) != StepState::kDone)
    release_unstarted(live, *last, commit);
  live.moved = true;  // an address may have changed while nobody listened
  if (operation)
    advance(live, now, commit);
  else
    heal(live, now, commit);
}

Commit Manager::on_time(Now now) {
  Commit commit;
  expiry_reading_ = now.mono;
  std::vector<std::string> names;
  for (const auto& [name, live] : live_) names.push_back(name);
  for (const std::string& name : names) {
    expire(live_.at(name), now, commit);
    const auto still = live_.find(name);  // an expired one with nothing left to stop is gone at once
    if (still == live_.end()) continue;
    Live& live = still->second;
    Running* operation = running(live);
    if (!operation) {
      if (live.moved) heal(live, now, commit);
      continue;
    }
    const bool over = operation->deadline <= now.mono;
    for (records::Step& step : *operation->record.mutable_steps()) {
      const auto again = operation->next_attempt.find(step.id());
      if (again != operation->next_attempt.end() && again->second <= now.mono)
        operation->next_attempt.erase(again);
      const auto deadline = operation->step_deadlines.find(step.id());
      if (deadline == operation->step_deadlines.end() || (!over && deadline->second > now.mono)) continue;
      Cause cause{"deadline", "did not end in time", now.wall, std::nullopt, {}};
      if (step.has_cause()) cause = from_record(step.cause());
      cause.sentence = fmt::format("not done within {}: {}",
                                   over ? "the operation's deadline" : to_text(Duration(step.timeout_ms())),
                                   cause.sentence);
      // Its task would go on beside the one of the next try.
      const auto kind = static_cast<StepKind>(step.kind());
      if (const process::AppId task = run_id(*operation, step);
          (kind == StepKind::kRun || kind == StepKind::kWait) && live.apps.contains(task)) {
        commit.calls.push_back(RemoveApps{{task}, cluster::Volumes::kDestroy, owner_of(*operation, step)});
      }
      end_step(*operation, step, StepState::kFailed, cause, now);
    }
    advance(live, now, commit);
  }
  return commit;
}

void Manager::expire(Live& live, Now now, Commit& commit) {
  if (!live.record.has_expires() || now.wall < wall_of(live.record.expires())) {
    live.expiry_seen.reset();
    return;
  }
  if (!live.expiry_seen) live.expiry_seen = now.mono;
  if (now.mono < *live.expiry_seen + kExpiryInterval || now.mono < started_ + kExpiryQuiet) return;
  if (!check_free(live)) return;
  auto destroyed =
      destroy(EnvironmentId(live.record.name()), false, "Headrace: its time to live has passed", now);
  if (destroyed) commit.append(std::move(destroyed->commit));
}

std::optional<Monotonic> Manager::next_deadline() const {
  std::optional<Monotonic> next;
  const auto consider = [&](Monotonic deadline) { next = next ? std::min(*next, deadline) : deadline; };
  for (const auto& [id, operation] : running_) {
    consider(operation.deadline);
    for (const auto& [step, deadline] : operation.step_deadlines) consider(deadline);
    for (const auto& [step, deadline] : operation.next_attempt) consider(deadline);
  }
  for (const auto& [name, live] : live_) {
    if (live.record.has_expires()) consider(expiry_reading_ + kExpiryInterval);
    if (live.moved && live.record.operation().empty() && live.last_heal)
      consider(*live.last_heal + live.heal_distance);
  }
  return next;
}

void Manager::save(const Live& live, Commit& commit) const {
  commit.writes.push_back({kEnvironments, live.record.name(), live.record.SerializeAsString()});
}

void Manager::save(Running& operation, Now now, Commit& commit) const {
  const auto remaining = [&](Monotonic deadline) {
    return std::max<std::int64_t>(1, (deadline - now.mono).count());
  };
  operation.record.set_remaining_ms(remaining(operation.deadline));
  for (records::Step& step : *operation.record.mutable_steps()) {
    const auto deadline = operation.step_deadlines.find(step.id());
    step.set_remaining_ms(deadline == operation.step_deadlines.end() ? 0 : remaining(deadline->second));
  }
  commit.writes.push_back({kOperations, operation.record.id(), operation.record.SerializeAsString()});
}

void Manager::forget_old(Commit& commit) {
  const auto oldest = [](const auto& records, auto time_of) {
    return std::ranges::min_element(records, {}, [&](const auto& each) { return time_of(each.second); });
  };
  while (ended_.size() > kKeptOperations) {
    const auto old = oldest(ended_, [](const records::Operation& operation) { return operation.ended(); });
    commit.writes.push_back({kOperations, old->first, std::nullopt});
    ended_.erase(old);
  }
  while (plans_.size() > kKeptPlans) {
    const auto old = oldest(plans_, [](const records::Plan& plan) { return plan.made(); });
    commit.writes.push_back({kPlans, old->first, std::nullopt});
    plans_.erase(old);
  }
}

}  // namespace headrace::environment
