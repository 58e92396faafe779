#include "environment/manager.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::environment {
namespace {

constexpr const char* kRestore = "restore the state folder from a backup";
constexpr size_t kKeptOperations = 100, kKeptPlans = 100;
// TTL acts only after two readings an interval apart, and never in the first minute (design section 9).
constexpr Duration kExpiryInterval = 30s, kExpiryQuiet = 60s;
// Heals that follow each other within the calm time are kept apart, doubling.
constexpr Duration kFirstHealDistance = 5s, kCalmAfterHeal = 10min;

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
                fmt::format("the record {} of table {} cannot be read", record.key, record.table), kRestore);
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
    const std::string& operation = live.record.operation();
    if (live.record.name() != name || (!live.current && !live.wanted) ||
        (!operation.empty() && !running_.contains(operation))) {
      return fail(Code::kCorrupt, fmt::format("the records of the environment {} do not fit together", name),
                  kRestore);
    }
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
    const auto source = sources_.find(record.source_digest());
    if (source == sources_.end()) {
      return fail(Code::kCorrupt, fmt::format("the blueprint {} is not stored", record.source_digest()),
                  kRestore);
    }
    Loaded loaded = load_blueprint(*source->second);
    if (!loaded.errors.empty()) return fail(document::combined(loaded.errors));
    blueprint = std::move(loaded.blueprint);
  }
  Values values =
      resolve_parameters(*blueprint, record.profile(), {record.given().begin(), record.given().end()});
  if (!values.errors.empty()) return fail(document::combined(values.errors));
  return LoadedGeneration{record, blueprint, std::move(values.values)};
}

Running& Manager::begin(Live& live, records::Operation operation, Duration deadline, Now now,
                        Commit& commit) {
  if (Running* heal = running(live)) {  // check_free let only a heal be replaced
    const Cause cause{"replaced", fmt::format("a user's {} took its place", operation.kind()), now.wall};
    heal->record.set_cancelled(true);
    *heal->record.mutable_cause() = to_record(cause);
    for (records::Step& step : *heal->record.mutable_steps()) {
      if (static_cast<StepState>(step.state()) == StepState::kRunning)
        end_step(*heal, step, StepState::kCancelled, cause, now);
    }
    finish(live, *heal, now, commit);
    live.record.clear_failure();  // what it left is looked at again after this operation
    live.moved = true;
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
      Cause cause{"deadline", "did not end in time", now.wall};
      if (step.has_cause()) cause = from_record(step.cause());
      cause.deadline.reset();  // it has passed
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
  std::set<std::string> used;
  for (const auto& [id, plan] : plans_) used.insert(plan.wanted().source_digest());
  for (const auto& [name, live] : live_) {
    for (const records::Generation& generation : live.record.generations())
      used.insert(generation.source_digest());
  }
  std::erase_if(sources_, [&](const auto& source) {
    if (used.contains(source.first)) return false;
    commit.writes.push_back({kSources, source.first, std::nullopt});
    blueprints_.erase(source.first);
    return true;
  });
}

// An environment that is gone, and the plans for it: its name may be used again.
void Manager::forget(Live& live, Commit& commit) {
  const std::string name = live.record.name();
  std::erase_if(plans_, [&](const auto& plan) {
    if (plan.second.environment() != name) return false;
    commit.writes.push_back({kPlans, plan.first, std::nullopt});
    return true;
  });
  commit.writes.push_back({kEnvironments, name, std::nullopt});
  live_.erase(name);
}

}  // namespace headrace::environment
