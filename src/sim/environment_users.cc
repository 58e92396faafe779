#include "sim/environment_users.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::sim {
namespace {

using namespace environment;

// What a server may be late by after a deadline: it was down, or its disk was full.
constexpr Duration kLate = 3min;

const BlueprintSource kShop{{{"blueprint.yaml", R"(blueprint: shop
version: 1.0.0
description: A shop.
parameters:
  webs: { type: integer, default: 1, maximum: 9 }
  greeting: { default: Hello }
images: { db: x/db, web: x/web }
interfaces:
  db/v1: { address: string }
  tables/v1: { address: string }
components:
  db: {}
  tables: {}
  web:
    parameters: { webs: "${{ params.webs }}", greeting: "${{ params.greeting }}" }
)"},
                             {"components/db.yaml", R"(component: db
version: 1.0.0
provides:
  db: { type: db/v1, address: "${{ services.server.members.map(m, m.address).join(',') }}" }
services:
  server:
    count: 2
    identity: ordinal
    image: db
    ports: [sql]
    volumes: { data: { path: /data, size: 1GiB } }
commands:
  check:
    description: It answers
    steps:
      - answers: { image: db, command: [ping], timeout: 1m, env: { SIM_END: finish, SIM_AFTER: "300" } }
)"},
                             {"components/tables.yaml", R"(component: tables
version: 1.0.0
requires:
  db: { type: db/v1 }
provides:
  tables: { type: tables/v1, address: "${{ requires.db.address }}" }
launch:
  - create:
      image: db
      command: [create]
      idempotent: true
      retry: 2
      timeout: 2m
      env: { DB: "${{ requires.db.address }}", SIM_END: finish, SIM_AFTER: "700" }
  - fill:
      image: db
      command: [fill]
      timeout: 2m
      env: { SIM_END: finish, SIM_AFTER: "200" }
)"},
                             {"components/web.yaml", R"(component: web
version: 1.0.0
parameters:
  webs: { type: integer, default: 1 }
  greeting: { default: Hello }
requires:
  tables: { type: tables/v1 }
services:
  web:
    count: "${{ params.webs }}"
    image: web
    env: { DB: "${{ requires.tables.address }}", SIM_VERSION: "${{ params.greeting }}" }
commands:
  scale:
    description: More or fewer
    sets: [webs]
)"}}};

bool has_ended(const OperationView& operation) {
  return operation.state == StepState::kDone || operation.state == StepState::kFailed ||
         operation.state == StepState::kCancelled;
}

// Everything that a plan must leave as it is.
std::string present(const EnvironmentManager& manager) {
  std::string text;
  for (const EnvironmentView& each : manager.environments()) {
    text += fmt::format("{} {} {};", each.name, each.status, each.generation);
  }
  for (const OperationView& each : manager.operations()) {
    text += fmt::format("{} {};", each.id, word_of(each.state));
  }
  return text;
}

}  // namespace

EnvironmentUsers::EnvironmentUsers(World& world) : world_(world), random_(world.random()) {
  Loaded loaded = load_blueprint(kShop);
  if (!loaded.errors.empty())
    throw Violation("the blueprint is refused: " + loaded.errors.front().to_string());
  blueprint_ = std::move(loaded.blueprint);
  world.watch({.booted = [this] { check_kept(); },
               .every_second = [this] { check_deadlines(); },
               .unsettled = [this] { return unsettled(); }});
}

std::optional<EnvironmentView> EnvironmentUsers::view(const EnvironmentId& name) const {
  for (EnvironmentView& each : world_.environments().environments()) {
    if (each.name == name) return std::move(each);
  }
  return std::nullopt;
}

Wish EnvironmentUsers::wish(const EnvironmentId& name) {
  return {.name = name,
          .blueprint = blueprint_,
          .source = kShop,
          .parameters = {{"webs", fmt::format("{}", 1 + random_.below(3))},
                         {"greeting", fmt::format("\"hello{}\"", random_.below(3))}},
          .images = {{"db", "sha256:db"}, {"web", "sha256:web"}},
          .owner = "ann"};
}

// ---- Requests ------------------------------------------------------------------------------------

template <class T>
std::optional<Commit> EnvironmentUsers::begun(Result<Decision<T>> decision) {
  if (!decision) return std::nullopt;
  return std::move(decision->commit);
}

void EnvironmentUsers::launch(const EnvironmentId& name) {
  const Wish wanted = wish(name);
  const bool accepted = world_.request_environment(
      [&](EnvironmentManager& manager, Now now) { return begun(manager.launch(wanted, now)); },
      [this, name] { known_[name].launched = true; });
  if (accepted) known_[name] = {};
}

void EnvironmentUsers::plan_and_apply(const EnvironmentId& name) {
  const Wish wanted = wish(name);
  std::optional<PlanView> plan;
  world_.request_environment(
      [&](EnvironmentManager& manager, Now now) -> std::optional<Commit> {
        const std::string before = present(manager);
        auto decision = manager.plan(wanted, now);
        if (!decision) return std::nullopt;
        // Promise 5, first half.
        if (!decision->commit.calls.empty() || present(manager) != before)
          throw Violation("a plan changed something");
        plan = decision->answer;
        return std::move(decision->commit);
      },
      [] {});
  if (!plan) return;
  world_.queue().after(between(random_, 0ms, 5s), [this, plan = *plan] {
    auto operation = std::make_shared<OperationId>();
    world_.request_environment(
        [&](EnvironmentManager& manager, Now now) -> std::optional<Commit> {
          auto decision = manager.apply(plan.id, "ann", now);
          if (!decision) return std::nullopt;
          // Promise 5, second half: what runs is what was shown.
          const auto same = [](const StepView& a, const StepView& b) {
            return a.id == b.id && a.action == b.action;
          };
          if (!std::ranges::equal(plan.steps, decision->answer.steps, same)) {
            throw Violation("apply does other steps than its plan");
          }
          *operation = decision->answer.id;
          return std::move(decision->commit);
        },
        [this, operation] { acknowledged_.insert(*operation); });
  });
}

void EnvironmentUsers::run_command(const EnvironmentId& name) {
  const bool scales = random_.chance(0.6);
  const std::map<std::string, std::string> arguments =
      scales ? std::map<std::string, std::string>{{"webs", fmt::format("{}", 1 + random_.below(3))}}
             : std::map<std::string, std::string>{};
  world_.request_environment(
      [&](EnvironmentManager& manager, Now now) {
        return begun(manager.command(name, scales ? "web.scale" : "db.check", arguments, "ann", now));
      },
      [] {});
}

void EnvironmentUsers::destroy(const EnvironmentId& name) {
  const bool accepted = world_.request_environment(
      [&](EnvironmentManager& manager, Now now) {
        return begun(manager.destroy(name, /*keep_volumes=*/false, "ann", now));
      },
      [] {});
  if (accepted) known_[name].destroying = true;
}

void EnvironmentUsers::cancel_some_operation() {
  for (const OperationView& each : world_.environments().operations()) {
    if (has_ended(each)) continue;
    world_.request_environment(
        [&](EnvironmentManager& manager, Now now) { return begun(manager.cancel(each.id, "ann", now)); },
        [] {});
    return;
  }
}

void EnvironmentUsers::act() {
  if (!world_.server().is_up()) return;
  const EnvironmentId name(fmt::format("e{}", random_.below(3)));
  if (!view(name)) return launch(name);
  switch (random_.below(8)) {
    case 0: return destroy(name);
    case 1: return cancel_some_operation();
    case 2:
    case 3: return run_command(name);
    default: return plan_and_apply(name);
  }
}

void EnvironmentUsers::act_for(Duration time) {
  const Monotonic end = world_.queue().time() + time;
  world_.queue().after(between(random_, 1s, 40s), [this, end] {
    if (world_.queue().time() > end) return;
    act();
    act_for(end - world_.queue().time());
  });
}

// ---- Promises ------------------------------------------------------------------------------------

void EnvironmentUsers::check_kept() {
  for (const auto& [name, known] : known_) {
    if (known.launched && !known.destroying && !view(name)) {
      throw Violation(fmt::format("environment {} was launched and did not survive a crash", name));
    }
  }
  const auto operations = world_.environments().operations();
  for (const OperationId& id : acknowledged_) {
    const bool found = std::ranges::find(operations, id, &OperationView::id) != operations.end();
    if (!found && operations.size() < 100)
      throw Violation(fmt::format("operation {} was acknowledged and is lost", id));
  }
}

// Promise 7.
void EnvironmentUsers::check_deadlines() {
  const Wall now = world_.queue().now().wall;
  for (const OperationView& each : world_.environments().operations()) {
    if (has_ended(each)) {
      if (each.state != StepState::kDone && !each.cause)
        throw Violation(fmt::format("{} of {} ended {} without a cause", each.kind, each.environment,
                                    word_of(each.state)));
    } else if (!each.deadline) {
      throw Violation(fmt::format("operation {} has no deadline", each.id));
    } else if (now > *each.deadline + kLate) {
      throw Violation(fmt::format("operation {} runs past its deadline", each.id));
    }
  }
}

std::optional<std::string> EnvironmentUsers::unsettled() const {
  for (const OperationView& each : world_.environments().operations()) {
    if (!has_ended(each))
      return fmt::format("operation {} ({} {}) still runs", each.id, each.kind, each.environment);
  }
  for (const EnvironmentView& each : world_.environments().environments()) {
    if (each.status != "running") {
      if (!each.cause) return fmt::format("environment {} is {} without a cause", each.name, each.status);
      continue;
    }
    std::size_t webs = 0;
    std::size_t servers = 0;
    for (const auto& [id, life] : world_.ledger().living()) {
      webs += life.app == fmt::format("/env/{}/web/web", each.name) ? 1 : 0;
      servers += life.app == fmt::format("/env/{}/db/server", each.name) ? 1 : 0;
    }
    const std::string& wanted = each.parameters.at("webs");
    if (fmt::format("{}", webs) != wanted || servers != 2) {
      return fmt::format("environment {} runs {} webs of {} and {} servers of 2", each.name, webs, wanted,
                         servers);
    }
  }
  return std::nullopt;
}

void EnvironmentUsers::mend() {
  for (int attempt = 0; attempt < 5; ++attempt) {
    bool all_well = true;
    for (const EnvironmentView& each : world_.environments().environments()) {
      if (each.status == "running") continue;
      all_well = false;
      plan_and_apply(each.name);
    }
    if (all_well) return;
    world_.run_for(10s);
    world_.settle();
  }
  std::string states;
  for (const EnvironmentView& each : world_.environments().environments()) {
    states += fmt::format("\n  {}: {} {}", each.name, each.status, each.cause ? each.cause->sentence : "");
  }
  throw Violation("promise 2: plan and apply do not mend an environment" + states);
}

void EnvironmentUsers::destroy_everything() {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const auto all = world_.environments().environments();
    if (all.empty()) break;
    for (const EnvironmentView& each : all) destroy(each.name);
    world_.run_for(20s);
    world_.settle();
  }
  if (!world_.environments().environments().empty()) throw Violation("an environment cannot be destroyed");
  world_.expect_nothing_left();
}

}  // namespace headrace::sim
