#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/trace.h"

namespace headrace::sim {
namespace {

using namespace cluster;
using process::AppId;
using process::AppSpec;
using process::AppView;
using process::InstanceView;

const process::Owner kUser;

}  // namespace

World::World(WorldOptions options)
    : options_(options),
      random_(options.seed),
      ledger_(counts_),
      store_(counts_),
      source_(queue_, random_, ledger_, faults_, counts_, options.source),
      server_(queue_, random_, store_, counts_,
              {.book = options.kind == WorldOptions::Kind::kKubernetes ? std::nullopt
                                                                       : std::optional(options.source.traits),
               .process = options.process,
               .source =
                   [this](const SourceCall& call) {
                     trace("-> ", call);
                     local_ ? local_->call(call) : source_.call(call);
                   },
               .cluster =
                   [this](const Call& call) {
                     trace("-> ", call);
                     kubernetes_->call(call);
                   },
               .booted =
                   [this] {
                     trace("", std::string("server up"));
                     check_promises_kept();
                     if (watch_) watch_->booted();
                     if (kubernetes_) {
                       kubernetes_->connect([this](const Event& event) {
                         trace("<- ", event);
                         server_.deliver(event);
                       });
                     } else {
                       const auto up = [this](const SourceEvent& event) {
                         trace("<- ", event);
                         server_.deliver(event);
                       };
                       local_ ? local_->connect(up) : source_.connect(up);
                     }
                   },
               .crashed =
                   [this] {
                     trace("", std::string("server down"));
                     kubernetes_ ? kubernetes_->disconnect()
                     : local_    ? local_->disconnect()
                                 : source_.disconnect();
                     queue_.after(between(random_, 10ms, 3s), [this] { be_up(); });
                   },
               .observed = [this](const server::Managers& managers,
                                  const server::Touched& touched) { observe(managers, touched); }}) {
  if (options.kind == WorldOptions::Kind::kKubernetes) {
    kubernetes_ = std::make_unique<SimKubernetes>(queue_, random_, source_);
  } else if (options.kind == WorldOptions::Kind::kLocal) {
    const auto& [agents, each, traits] = options.source;
    const auto survives = [this] {
      if (!server_.survives_step()) return false;
      if (!random_.chance(faults_.midway)) return true;
      server_.crash();
      return false;
    };
    local_ = std::make_unique<SimLocal>(queue_, random_, ledger_, faults_, counts_,
                                        VirtualAgents::Options{.agents = agents,
                                                               .run = {},
                                                               .attributes = {},
                                                               .cpus = each.cpus * agents,
                                                               .memory = {each.memory.count * agents},
                                                               .disk = {each.disk.count * agents},
                                                               .unplugged = {}},
                                        survives);
  }
}

template <class T>
void World::trace(std::string_view arrow, const T& what) const {
  if (!options_.trace) return;
  std::string line;
  if constexpr (std::is_same_v<T, std::string>) {
    line = what;
  } else {
    line = line_of(what);
  }
  fmt::print("{:>10} {}{}\n", queue_.time().time_since_epoch().count(), arrow, line);
}

// ---- Users ---------------------------------------------------------------------------------------

bool World::request(const std::vector<AppId>& apps, const Decide& decide) {
  ++counts_.requests;
  const std::uint64_t number = next_request_++;
  const auto promise = [&](server::Managers& managers, Now now) -> SimServer::Decided {
    auto commit = decide(managers.process(), now);
    if (!commit) return std::nullopt;
    for (const AppId& id : apps) {
      const auto view = managers.process().app(id);
      if (!view || view->removing) removing_.insert(id);
      promises_[id].unanswered[number] = removing_.contains(id) ? Wish() : Wish(*view->spec);
    }
    return std::move(*commit);
  };
  const bool accepted = server_.ask(promise, [this, number, apps] {
    for (const AppId& id : apps) {
      Promise& each = promises_[id];
      const auto answered = each.unanswered.find(number);
      if (answered == each.unanswered.end()) continue;
      each.acknowledged = answered->second;
      each.unanswered.erase(each.unanswered.begin(), std::next(answered));
    }
  });
  if (!accepted) ++counts_.refused;
  for (const AppId& id : apps) {
    trace("user: ", fmt::format("request {} about {}{}", number, id, accepted ? "" : " refused"));
  }
  return accepted;
}

bool World::request_environment(const DecideEnvironment& decide, std::function<void()> answered) {
  ++counts_.requests;
  const auto decided = [&](server::Managers& managers, Now now) -> SimServer::Decided {
    auto commit = decide(managers.environment(), now);
    if (!commit) return std::nullopt;
    return std::move(*commit);
  };
  const bool accepted = server_.ask(decided, std::move(answered));
  if (!accepted) ++counts_.refused;
  return accepted;
}

bool World::put(std::vector<AppSpec> specs) {
  std::vector<AppId> ids;
  for (const AppSpec& spec : specs) ids.push_back(spec.id);
  return request(ids, [&](process::ProcessManager& manager, Now now) -> std::optional<process::Commit> {
    auto decision = manager.put(specs, kUser, /*must_be_new=*/false, /*force=*/true, now);
    if (!decision) return std::nullopt;
    for (const AppId& id : ids) {
      removing_.erase(id);
      perhaps_removing_.erase(id);
    }
    return std::move(decision->commit);
  });
}

bool World::remove(std::vector<AppId> apps, Volumes volumes) {
  return request(apps, [&](process::ProcessManager& manager, Now now) -> std::optional<process::Commit> {
    auto decision = manager.remove(apps, volumes, kUser, now);
    if (!decision) return std::nullopt;
    removing_.insert(apps.begin(), apps.end());
    return std::move(decision->commit);
  });
}

std::vector<AppId> World::wished() const {
  std::vector<AppId> apps;
  for (const auto& [id, promise] : promises_) {
    if (promise.acknowledged) apps.push_back(id);
  }
  return apps;
}

// Promise 1, after every start of the server: what was acknowledged is there, or what was asked after it.
void World::check_promises_kept() {
  for (auto& [id, promise] : promises_) {
    const auto view = process().app(id);
    std::vector<Wish> possible{promise.acknowledged};
    for (const auto& [number, wish] : promise.unanswered) possible.push_back(wish);
    // A removal takes time: until all is gone the app is still seen.
    const bool may_be_gone = std::ranges::find(possible, Wish()) != possible.end();
    const auto kept = std::ranges::find_if(
        possible, [&](const Wish& wish) { return wish ? view && *view->spec == *wish : !view; });
    if (perhaps_removing_.contains(id) && !view) continue;
    if (kept == possible.end() && !(may_be_gone && view)) {
      throw Violation(fmt::format("{}: an acknowledged change did not survive a crash", id));
    }
    if (promise.unanswered.empty()) continue;
    promise.acknowledged = kept != possible.end() && view && !view->removing ? *kept : Wish();
    promise.unanswered.clear();
    if (promise.acknowledged) {
      removing_.erase(id);
      // A removal that has just begun cannot be told from one that was never stored.
      if (may_be_gone) perhaps_removing_.insert(id);
    } else {
      removing_.insert(id);
    }
  }
}

// ---- Time and faults -----------------------------------------------------------------------------

void World::run_for(Duration time) {
  if (watch_ && time > 1s) {
    for (Duration passed{}; passed < time; passed += 1s) {
      run_for(std::min<Duration>(1s, time - passed));
      if (server_.is_up()) watch_->every_second();
    }
    return;
  }
  const Monotonic end = queue_.time() + time;
  while (queue_.step(end)) {
    if (frozen_ && *frozen_ != std::pair(counts_.starts, counts_.ends)) {
      throw Violation("a task was started or ended though nobody asked for it");
    }
  }
}

void World::forbid_changes(bool forbid) {
  frozen_ = forbid ? std::optional(std::pair(counts_.starts, counts_.ends)) : std::nullopt;
}

void World::be_up() {
  if (!server_.is_up()) server_.boot();
}

void World::fault_now_and_then(Duration mean, std::function<void()> happen) {
  if (mean == Duration::zero()) return;
  queue_.after(between(random_, mean / 4, mean * 7 / 4),
               [this, mean, happen = std::move(happen), season = season_] {
                 if (season != season_) return;
                 happen();
                 fault_now_and_then(mean, happen);
               });
}

std::optional<int> World::some_agent(bool reachable) {
  const int first = static_cast<int>(random_.below(static_cast<std::uint64_t>(source_.agents())));
  for (int each = 0; each < source_.agents(); ++each) {
    const int agent = (first + each) % source_.agents();
    if (!source_.is_gone(agent) && source_.is_reachable(agent) == reachable) return agent;
  }
  return std::nullopt;
}

void World::begin_faults() {
  ++season_;
  faults_ = options_.faults;
  fault_now_and_then(faults_.server_crash, [this] {
    if (server_.is_up()) server_.crash();
  });
  fault_now_and_then(faults_.task_fails, [this] {
    if (fail_some_task()) ++counts_.task_failures;
  });
  fault_now_and_then(faults_.agent_dies, [this] {
    if (local_) {
      ++counts_.agent_deaths;
      return local_->unplug_some_agent(between(random_, 1s, 90s));
    }
    const auto agent = some_agent(true);
    if (!agent) return;
    ++counts_.agent_deaths;
    source_.power_off(*agent);
    queue_.after(between(random_, 1s, 90s), [this, agent] { source_.power_on(*agent); });
  });
  fault_now_and_then(faults_.partition, [this] {
    if (local_) {
      ++counts_.partitions;
      const bool restarts = faults_.task_fails > 0ms && random_.chance(0.5);
      return local_->lose_engine(between(random_, 100ms, 1min), restarts);
    }
    const auto agent = some_agent(true);
    if (!agent) return;
    ++counts_.partitions;
    source_.cut_off(*agent);
    queue_.after(between(random_, 100ms, 8min), [this, agent] { source_.reconnect(*agent); });
  });
  fault_now_and_then(faults_.agent_gone, [this] {
    const auto agent = some_agent(true);
    if (!agent || counts_.agents_gone > 0) return;
    ++counts_.agents_gone;
    source_.lose_for_good(*agent);
  });
  fault_now_and_then(faults_.store_fails, [this] {
    store_.set_failing(true);
    queue_.after(between(random_, 100ms, 20s), [this] { store_.set_failing(false); });
  });
  fault_now_and_then(faults_.wall_jump, [this] {
    ++counts_.wall_jumps;
    queue_.jump_wall(between(random_, -2h, 2h));
  });
}

void World::suffer(Duration time) {
  be_up();
  begin_faults();
  run_for(time);
  calm_down();
}

void World::calm_down() {
  ++season_;
  faults_ = {};
  store_.set_failing(false);
  if (local_) local_->calm_down();
  for (int agent = 0; agent < source_.agents(); ++agent) {
    if (source_.is_gone(agent)) continue;
    source_.power_on(agent);
    source_.reconnect(agent);
  }
  be_up();
}

// ---- What must hold at every turn ----------------------------------------------------------------

void World::observe(const server::Managers& managers, const server::Touched& touched) {
  if (touched.environments && options_.trace) {
    for (const auto& each : managers.environment().environments()) trace("   ", each);
    for (const auto& each : managers.environment().operations()) {
      if (each.state == environment::StepState::kRunning || each.ended == queue_.now().wall)
        trace("   ", each);
    }
  }
  for (const AppId& id : touched.apps) {
    if (const auto view = managers.process().app(id)) {
      trace("   ", *view);
      check_minimum(*view);
    } else {
      seen_.erase(id);
    }
  }
}

// Promise 3, second half: no ready instance of a service is given up by our own action where that leaves
// fewer than the declared minimum.
void World::check_minimum(const AppView& app) {
  std::set<process::InstanceId> ready;
  std::set<process::InstanceId> given_up;
  for (const InstanceView& each : app.instances) {
    if (each.goal == process::Goal::kRunning && each.ready) ready.insert(each.id);
    // What a fault has taken away or made unhealthy is no longer ours to keep.
    const bool well = each.state == TaskState::kRunning && each.health != Health::kUnhealthy;
    if (each.goal == process::Goal::kGone && well) given_up.insert(each.id);
  }
  const auto* service = std::get_if<process::Service>(&app.spec->kind);
  if (service != nullptr && !app.removing) {
    const auto least = static_cast<std::size_t>(
        std::ceil(service->instances * service->upgrade.minimum_health_capacity - 1e-9));
    for (const process::InstanceId& id : seen_[app.id].ready) {
      if (!given_up.contains(id) || user_killed_.contains(id) || ready.size() >= least) continue;
      throw Violation(fmt::format("{}: {} was given up with {} of at least {} ready left", app.id, id,
                                  ready.size(), least));
    }
  }
  seen_[app.id].ready = std::move(ready);
}

// ---- What must hold when faults have stopped -----------------------------------------------------

std::optional<std::string> World::unsettled_app(const AppSpec& spec, const AppView& app) const {
  if (*app.spec != spec) return "has another spec than wished";
  std::map<std::string, std::vector<const Life*>> lives;  // by slot, or all under ""
  for (const auto& [id, life] : ledger_.living()) {
    if (life.app == spec.id.str()) lives[life.slot].push_back(&life);
  }
  // A wait that only a person can end is allowed to stay, with its cause.
  const auto needs_person = [&](const InstanceView& each) {
    return each.cause && counts_.agents_gone > 0 && each.slot;
  };
  if (const auto* service = std::get_if<process::Service>(&spec.kind)) {
    const TaskSpec& wanted = service->settings.task;
    if (variable(wanted, "SIM_END") == "fail") {
      for (const InstanceView& each : app.instances) {
        if (!each.ready && !each.state && !each.cause) return "does not say why it waits";
      }
      return std::nullopt;
    }
    const auto& running = lives[""];
    if (running.size() != static_cast<std::size_t>(service->instances)) {
      return fmt::format("runs {} times, {} wanted", running.size(), service->instances);
    }
    for (const Life* life : running) {
      if (life->version != variable(wanted, "SIM_VERSION")) return "runs an earlier version";
    }
    if (app.instances.size() != running.size()) return "has instances that do not run";
    for (const InstanceView& each : app.instances) {
      if (!each.ready) return fmt::format("{} is not ready", each.id);
    }
  } else if (const auto* ordinal = std::get_if<process::Ordinal>(&spec.kind)) {
    for (const InstanceView& each : app.instances) {
      const auto wanted = std::ranges::find(ordinal->slots, each.slot, &process::SlotSpec::slot);
      if (wanted == ordinal->slots.end()) return fmt::format("slot {} is still there", *each.slot);
      const auto& mine = lives[fmt::format("{}#{}", spec.id, *each.slot)];
      if (wanted->goal == process::SlotSpec::Goal::kRunning) {
        if (needs_person(each)) continue;
        if (mine.size() != 1 || !each.ready) return fmt::format("slot {} does not run", *each.slot);
        if (mine.front()->version != variable(wanted->settings->task, "SIM_VERSION")) {
          return fmt::format("slot {} runs an earlier version", *each.slot);
        }
      } else {
        if (!mine.empty()) return fmt::format("slot {} still runs", *each.slot);
        if (!each.claim && !needs_person(each)) return fmt::format("slot {} holds no claim", *each.slot);
      }
    }
    if (app.instances.size() != ordinal->slots.size()) return "lacks slots";
  } else {
    if (!app.outcome) return "has no outcome";
    if (!lives[""].empty()) return "still runs";
  }
  return std::nullopt;
}

std::optional<std::string> World::unsettled() const {
  if (!server_.is_up()) return "the server is down";
  if (!server_.is_quiet()) return "something is not stored yet";
  std::set<TaskId> known;
  for (const AppView& app : process().apps()) {
    for (const InstanceView& each : app.instances) known.insert(each.task);
    if (process::ProcessManager::is_environment_path(app.id)) continue;
    const auto promise = promises_.find(app.id);
    if (promise == promises_.end() || !promise->second.acknowledged) {
      return fmt::format("{} is still there", app.id);
    }
  }
  for (const auto& [id, life] : ledger_.living()) {
    if (!known.contains(id)) return fmt::format("{} on {} is an orphan", id, life.agent);
  }
  for (const auto& [id, promise] : promises_) {
    if (!promise.unanswered.empty()) return fmt::format("{} has requests that are not answered", id);
    if (!promise.acknowledged) continue;
    const auto app = process().app(id);
    if (!app && perhaps_removing_.contains(id)) continue;
    if (!app) throw Violation(fmt::format("{} was wished and is not there", id));
    if (auto why = unsettled_app(*promise.acknowledged, *app)) return fmt::format("{} {}", id, *why);
  }
  return watch_ ? watch_->unsettled() : std::nullopt;
}

void World::settle(Duration limit) {
  const Monotonic end = queue_.time() + limit;
  std::optional<std::string> why;
  while (queue_.time() < end) {
    run_for(1s);
    why = unsettled();
    if (!why) return;
  }
  std::string waits;
  for (const AppView& app : process().apps()) {
    for (const InstanceView& each : app.instances) {
      if (!each.cause) continue;
      waits += fmt::format("\n  {}: {} ({})", each.id, each.cause->sentence, each.cause->code);
    }
  }
  throw Violation(
      fmt::format("promise 2: after {} without faults {}{}", to_text(limit), why.value_or(""), waits));
}

void World::remove_everything() {
  // A request whose answer a crash has swallowed is made again.
  for (int attempt = 0; attempt < 10 && !wished().empty(); ++attempt) {
    for (const AppId& id : wished()) remove({id}, Volumes::kDestroy);
    run_for(10s);
  }
  settle();
  expect_nothing_left();
}

void World::expect_nothing_left() {
  run_for(2min);  // acknowledgements and repetitions under way
  for (const char* table : {"gangs", "claims", "tasks", "process.instances", "process.apps"}) {
    for (const Entry& entry : *store_.scan(table)) {
      throw Violation(fmt::format("after the removal of everything {} {} is left", table, entry.key));
    }
  }
  if (kubernetes_ && kubernetes_->some_object()) {
    throw Violation(fmt::format("after the removal of everything {} is left", *kubernetes_->some_object()));
  }
  if (local_) local_->expect_nothing_left();
  for (const auto& [claim, agent] : ledger_.volumes()) {
    throw Violation(
        fmt::format("after the removal of everything volumes of {} are left on {}", claim, agent));
  }
}

}  // namespace headrace::sim
