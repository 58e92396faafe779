// Scenarios of whole environments against a fake of the process manager, and each of them again with a crash
// before, after and just after the calls of every single commit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "environment/fake_processes.h"

namespace headrace::environment {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::map<std::string, std::string> kShop{{"blueprint.yaml", R"(blueprint: shop
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
  mail: {}
  web:
    parameters: { webs: "${{ params.webs }}", greeting: "${{ params.greeting }}" }
)"},
                                               {"components/db.yaml", R"(component: db
version: 1.0.0
provides:
  db: { type: db/v1, address: "${{ services.server.members.map(m, m.address).join(',') }}" }
services:
  server:
    identity: ordinal
    image: db
    ports: [sql]
    volumes: { data: { path: /data, size: 1GiB } }
commands:
  check:
    description: It answers
    steps:
      - answers: { image: db, command: [ping], timeout: 1m }
  ask:
    arguments: { depth: { type: integer, default: 7 } }
    steps:
      - ask: { image: db, command: [ask, "${{ string(args.depth) }}"], timeout: 1m }
)"},
                                               {"components/tables.yaml", R"(component: tables
version: 1.0.0
requires:
  db: { type: db/v1 }
provides:
  tables: { type: tables/v1, address: "${{ requires.db.address }}" }
launch:
  - create: { image: db, command: [create], env: { DB: "${{ requires.db.address }}" }, timeout: 1m }
  - fill: { image: db, command: [fill], idempotent: true, retry: 1, timeout: 1m }
  - fill-: { image: db, command: [fill-], needs: [create], timeout: 1m }
  - settle: { image: db, command: [settle], every: 2s, timeout: 1m, idempotent: true }
)"},
                                               {"components/mail.yaml", R"(component: mail
version: 1.0.0
services:
  mail: { image: web }
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
    env: { DB: "${{ requires.tables.address }}", GREETING: "${{ params.greeting }}" }
commands:
  scale:
    description: More or fewer
    sets: [webs]
)"}};

struct Crash {
  enum When { kBeforeStored, kStored, kCallsMade };
  int commit = 0;  // which one
  When when = kStored;
};

class World {
 public:
  explicit World(std::optional<Crash> crash = std::nullopt) : crash_(crash) { restart(); }

  FakeProcesses fake;
  int commits = 0;
  Now now{Monotonic(1h), Wall(std::chrono::hours(24 * 365 * 50))};
  std::vector<Error> refusals;

  static Wish wish(std::map<std::string, std::string> parameters = {}) {
    const Loaded loaded = load_blueprint({kShop});
    EXPECT_THAT(loaded.errors, IsEmpty());
    return {.name = EnvironmentId("demo"),
            .blueprint = loaded.blueprint,
            .source = {kShop},
            .parameters = std::move(parameters),
            .images = {{"db", "sha256:db"}, {"web", "sha256:web"}},
            .owner = "ann"};
  }

  EnvironmentManager& manager() { return *manager_; }

  void launch(const Wish& wanted = wish()) { absorb(manager_->launch(wanted, later())); }
  void apply(const Wish& wanted) {
    auto planned = manager_->plan(wanted, later());
    ASSERT_TRUE(planned) << planned.error().to_string();
    const PlanId plan = planned->answer.id;
    absorb(std::move(planned));
    absorb(manager_->apply(plan, "ann", later()));
  }
  void command(const std::string& name, const std::map<std::string, std::string>& arguments = {}) {
    absorb(manager_->command(EnvironmentId("demo"), name, arguments, "ann", later()));
  }
  void destroy() { absorb(manager_->destroy(EnvironmentId("demo"), false, "ann", later())); }
  void cancel() { absorb(manager_->cancel(operation().id, "ann", later())); }

  // Everything that moves without the clock.
  void settle() {
    for (int i = 0; i < 10'000; ++i) {
      const auto tick = fake.tick();
      if (!tick) return;
      absorb(tick->changed ? manager_->on_app_changed(*tick->changed, later())
                           : manager_->on_app_removed(*tick->gone, later()));
    }
    FAIL() << "it never comes to rest";
  }
  void pass(Duration time) {
    now.mono += time;
    now.wall += time;
    absorb(manager_->on_time(now));
    settle();
  }
  // Until no operation runs, with the clock jumping from deadline to deadline.
  void finish() {
    settle();
    for (int i = 0; i < 1000 && environment() && environment()->operation; ++i) {
      const auto next = manager_->next_deadline();
      ASSERT_TRUE(next) << "an operation runs that nothing will ever end";
      pass(std::max(*next - now.mono, Duration(1)));
    }
    EXPECT_FALSE(environment() && environment()->operation);
  }

  std::optional<EnvironmentView> environment() const {
    const auto all = manager_->environments();
    return all.empty() ? std::nullopt : std::optional(all.front());
  }
  OperationView operation() const {
    const auto all = manager_->operations();
    EXPECT_THAT(all, Not(IsEmpty()));
    return all.empty() ? OperationView{} : all.back();
  }
  StepView step(const std::string& id) const {
    for (StepView& step : operation().steps) {
      if (step.id == id) return step;
    }
    ADD_FAILURE() << "no step " << id;
    return {};
  }
  std::string steps() const {
    std::string text;
    for (const StepView& step : operation().steps)
      text += fmt::format("{} {}\n", step.id, word_of(step.state));
    return text;
  }
  ComponentView component(const std::string& name) const {
    for (ComponentView& component : environment()->components) {
      if (component.name == name) return component;
    }
    ADD_FAILURE() << "no component " << name;
    return {};
  }
  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const OperationView& each : manager_->operations()) kinds.push_back(each.kind);
    return kinds;
  }
  // What an observer compares after a crash and without one.
  std::string ending() const {
    std::string text;
    for (const OperationView& each : manager_->operations()) {
      text +=
          fmt::format("{} {} {}\n", each.kind, word_of(each.state), each.cause ? each.cause->sentence : "");
      for (const StepView& step : each.steps) text += fmt::format("  {} {}\n", step.id, word_of(step.state));
    }
    if (environment()) text += environment()->status + fmt::format(" {}\n", environment()->generation);
    for (const process::AppView& app : fake.apps()) {
      if (std::holds_alternative<process::RunOnce>(app.spec->kind)) continue;
      text += fmt::format("{} {}\n", app.id, app.instances.size());
    }
    for (const auto& [task, times] : fake.tasks) text += fmt::format("{} x{}\n", task, times);
    for (const std::string& each : fake.started) text += each + "\n";
    return text;
  }

  template <class T>
  void absorb(Result<Decision<T>> decision) {
    if (!decision) return refusals.push_back(decision.error());
    requested_ = true;
    absorb(std::move(decision->commit));
    requested_ = false;
  }
  void absorb(Commit commit) {
    if (commit.writes.empty() && commit.calls.empty()) return;
    const bool crashes = ++commits == (crash_ ? crash_->commit : 0);
    // A request whose commit is lost was never answered: nothing to compare.
    if (crashes && crash_->when == Crash::kBeforeStored && !requested_) return restart();
    for (const Write& write : commit.writes) {
      const std::pair key(write.table, write.key);
      if (write.value)
        records_[key] = *write.value;
      else
        records_.erase(key);
    }
    if (crashes && crash_->when != Crash::kCallsMade) return restart();
    std::vector<std::pair<process::Owner, Error>> refused;
    for (const ProcessCall& call : commit.calls) {
      if (const auto* put = std::get_if<PutApps>(&call)) {
        if (Status done = fake.put(*put); !done) refused.emplace_back(put->owner, done.error());
      } else {
        fake.remove(std::get<RemoveApps>(call));
      }
    }
    if (crashes) return restart();
    for (const auto& [owner, error] : refused) absorb(manager_->on_refused(owner, error, now));
  }
  std::vector<Record> records_without(const std::string& table) const {
    std::vector<Record> records;
    for (const auto& [key, value] : records_) {
      if (key.first != table) records.push_back({key.first, key.second, value});
    }
    return records;
  }
  std::ptrdiff_t stored(const std::string& table) const {
    return std::ranges::count_if(records_, [&](const auto& each) { return each.first.first == table; });
  }
  void restart() {
    auto made = EnvironmentManager::create({}, ++seed_, records_without(""), now);
    ASSERT_TRUE(made) << made.error().to_string();
    manager_ = std::move(*made);
    absorb(manager_->on_start(fake.apps(), now));
  }
  Now later() {
    now.mono += 1ms;
    now.wall += 1ms;
    return now;
  }

 private:
  std::optional<Crash> crash_;
  bool requested_ = false;
  std::uint64_t seed_ = 0;
  std::map<std::pair<std::string, std::string>, std::string> records_;
  std::unique_ptr<EnvironmentManager> manager_;
};

process::Outcome failure(int code) {
  return {.succeeded = false, .exit_code = code, .message = "ended", .log_tail = "first\nno such table\n"};
}
process::Outcome lost() {
  return {.succeeded = false, .unknown = true, .message = "lost"};
}

TEST(Launch, EndsDoneWithEveryComponentReady) {
  World world;
  world.launch();
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kDone) << world.steps();
  EXPECT_EQ(world.environment()->status, "running");
  EXPECT_EQ(world.environment()->generation, 1);
  for (const ComponentView& component : world.environment()->components) EXPECT_EQ(component.state, "ready");
  EXPECT_THAT(world.fake.tasks, SizeIs(4));
  EXPECT_THAT(world.kinds(), ElementsAre("launch"));
}

TEST(Launch, ADependentWaitsForWhatItNamesAndOthersDoNot) {
  World world;
  world.fake.unready = {"/db/"};
  world.launch();
  world.settle();
  EXPECT_EQ(world.component("mail").state, "ready");
  EXPECT_EQ(world.component("db").state, "starting");
  EXPECT_EQ(world.component("tables").state, "waiting");
  EXPECT_THAT(world.component("tables").cause->sentence, HasSubstr("waits for db"));
  EXPECT_THAT(world.component("web").cause->sentence, HasSubstr("waits for tables"));
  EXPECT_EQ(world.fake.app("/env/demo/web/web"), nullptr);
}

TEST(Launch, AFailingTaskEndsItWithItsCauseAndKeepsWhatIsReady) {
  World world;
  world.fake.ends["run-create"] = {failure(3)};
  world.launch();
  world.finish();
  const OperationView operation = world.operation();
  EXPECT_EQ(operation.state, StepState::kFailed);
  EXPECT_EQ(operation.cause->sentence, "tables/create: exit code 3: no such table");
  EXPECT_EQ(world.step("web/web: start").state, StepState::kCancelled);
  EXPECT_THAT(world.step("web/web: start").cause->sentence, HasSubstr("because tables/create"));
  EXPECT_EQ(world.environment()->status, "failed");
  EXPECT_EQ(world.component("db").state, "ready");
  EXPECT_NE(world.fake.app("/env/demo/db/server"), nullptr);
}

TEST(Launch, ClaimsOfWhatNeverStartedAreReleased) {
  World world;
  world.fake.unplaced = {"/db/"};
  world.launch();
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kFailed);
  EXPECT_EQ(world.fake.app("/env/demo/db/server"), nullptr);
  EXPECT_NE(world.fake.app("/env/demo/mail/mail"), nullptr);
}

TEST(Launch, ApplyContinuesAFailedOneAndRepeatsNoTaskThatIsDone) {
  World world;
  world.fake.ends["run-fill-"] = {failure(3), failure(3), failure(3)};
  world.launch();
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kFailed);
  world.fake.ends.clear();
  world.apply(World::wish());
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kDone) << world.steps();
  EXPECT_EQ(world.environment()->status, "running");
  EXPECT_EQ(world.fake.tasks.at("tables create"), 1);
  EXPECT_THAT(world.fake.started,
              ElementsAre("/env/demo/mail/mail", "/env/demo/db/server", "/env/demo/web/web"));
}

TEST(Launch, AnAtomicOneThatFailsDestroysWhatItMade) {
  World world;
  world.fake.ends["run-create"] = {failure(3)};
  Wish wish = World::wish();
  wish.atomic = true;
  world.launch(wish);
  world.finish();
  EXPECT_THAT(world.kinds(), ElementsAre("launch", "destroy"));
  EXPECT_FALSE(world.environment());
  EXPECT_THAT(world.fake.apps(), IsEmpty());
}

TEST(Launch, ARefusedCallFailsItsStep) {
  World world;
  world.fake.refused["/web/"] = {Code::kConflict, "the port is taken", "", {}, {}};
  world.launch();
  world.finish();
  EXPECT_THAT(world.operation().cause->sentence, HasSubstr("web/web: start: the port is taken"));
}

TEST(Operation, ASecondOneIsRefusedWithTheFirstsId) {
  World world;
  world.fake.unready = {"/db/"};
  world.launch();
  const std::string id = world.operation().id.str();
  world.destroy();
  world.launch();
  ASSERT_THAT(world.refusals, SizeIs(2));
  for (const Error& error : world.refusals) {
    EXPECT_EQ(error.code, Code::kConflict);
    EXPECT_THAT(error.message, HasSubstr(id));
  }
}

TEST(Operation, AStalePlanIsRefusedNamingTheRevision) {
  World world;
  world.launch();
  world.finish();
  auto planned = world.manager().plan(World::wish({{"webs", "2"}}), world.later());
  ASSERT_TRUE(planned);
  world.apply(World::wish({{"webs", "3"}}));
  world.finish();
  const auto applied = world.manager().apply(planned->answer.id, "ann", world.later());
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Code::kConflict);
  EXPECT_THAT(applied.error().message, HasSubstr("has moved from revision"));
}

TEST(Operation, AStepPastItsTimeoutFailsWithTheLastCause) {
  World world;
  world.fake.unready = {"/web/web"};
  world.launch();
  const Monotonic begun = world.now.mono;
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kFailed);
  EXPECT_THAT(world.operation().cause->sentence,
              HasSubstr("web/web: start: not done within 5m: starts; its check has not passed yet"));
  EXPECT_LE(world.now.mono - begun, Duration(15min));
}

// Promise 7, whatever is stuck.
TEST(Operation, EveryOneEndsByItsDeadlineWithAReason) {
  for (const char* stuck : {"/db/server", "run-create", "run-settle", "/web/web", "/mail/mail"}) {
    for (const int how : {0, 1, 2}) {
      World world;
      (how == 0 ? world.fake.unplaced : how == 1 ? world.fake.unready : world.fake.endless) = {stuck};
      world.launch();
      const Monotonic begun = world.now.mono;
      world.finish();
      EXPECT_LE(world.now.mono - begun, Duration(15min) + 1s) << stuck;
      if (world.operation().state == StepState::kFailed) EXPECT_TRUE(world.operation().cause) << stuck;
    }
  }
}

TEST(Operation, CancellingOneRemovesItsTasksAndBeginsNothingMore) {
  World world;
  world.fake.endless = {"run-create"};
  world.launch();
  world.settle();
  world.cancel();
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kCancelled);
  EXPECT_THAT(world.fake.removed, Contains(HasSubstr("run-create")));
  EXPECT_EQ(world.fake.app("/env/demo/web/web"), nullptr);
}

TEST(Operation, APlanOfAnEarlierLifeIsGone) {
  World world;
  world.launch();
  world.finish();
  auto planned = world.manager().plan(World::wish({{"webs", "2"}}), world.later());
  ASSERT_TRUE(planned);
  world.destroy();
  world.finish();
  world.launch();
  world.finish();
  const auto applied = world.manager().apply(planned->answer.id, "ann", world.later());
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Code::kNotFound);
}

TEST(Operation, AWaitSaysUntilWhen) {
  World world;
  world.fake.unready = {"/db/"};
  world.launch();
  world.settle();
  EXPECT_LE(*world.component("db").cause->deadline, world.now.wall + Duration(5min));
  EXPECT_LE(*world.component("web").cause->deadline, world.now.wall + Duration(15min));
}

// A blueprint that was first seen in a refused plan has to be stored with the next one.
TEST(Record, ABlueprintOfARefusedPlanIsStoredWhenItIsUsed) {
  World world;
  world.launch();
  world.finish();
  auto files = kShop;
  files["components/db.yaml"].replace(files["components/db.yaml"].find("    ports: [sql]"), 0,
                                      "    count: \"${{ params.size }}\"\n");
  files["components/db.yaml"] += "parameters: { size: { type: integer, default: 1 } }\n";
  const size_t at = files["blueprint.yaml"].find("  db: {}");
  files["blueprint.yaml"].replace(at, 8, "  db: { parameters: { size: \"${{ params.size }}\" } }");
  const size_t parameters = files["blueprint.yaml"].find("  webs:");
  files["blueprint.yaml"].insert(parameters, "  size: { type: integer, default: 1 }\n");
  Wish wish = World::wish({{"size", "2"}});
  const Loaded loaded = load_blueprint({files});
  ASSERT_THAT(loaded.errors, IsEmpty());
  wish.blueprint = loaded.blueprint;
  wish.source = {files};
  const auto refused = world.manager().plan(wish, world.later());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  wish.parameters = {{"size", "1"}, {"webs", "2"}};
  world.apply(wish);
  world.finish();
  EXPECT_EQ(world.environment()->generation, 2);
  world.restart();
  EXPECT_EQ(world.environment()->status, "running");
}

TEST(Record, BlueprintsThatNothingUsesAreForgotten) {
  World world;
  world.launch();
  world.finish();
  world.destroy();
  world.finish();
  EXPECT_EQ(world.stored("env_sources"), 0);
  EXPECT_EQ(world.stored("env_plans"), 0);
  EXPECT_EQ(world.stored("environments"), 0);
}

TEST(Record, OnesThatDoNotFitTogetherAreRefused) {
  for (const std::string table : {"env_sources", "env_operations"}) {
    World half;
    half.fake.unready = {"/db/"};
    half.launch();
    const auto made = EnvironmentManager::create({}, 1, half.records_without(table), half.now);
    ASSERT_FALSE(made) << table;
    EXPECT_EQ(made.error().code, Code::kCorrupt);
    EXPECT_THAT(made.error().remedy, HasSubstr("backup"));
  }
}

TEST(Operation, WhatACancelledDestroyIsStillRemovingIsStartedAgainOnceItIsGone) {
  World world;
  world.launch();
  world.finish();
  world.fake.lingering = {"/web/web"};
  world.destroy();
  world.settle();
  world.cancel();
  world.settle();
  world.apply(World::wish());
  world.settle();
  EXPECT_EQ(world.step("web/web: start").state, StepState::kRunning);
  EXPECT_THAT(world.step("web/web: start").cause->sentence, HasSubstr("/env/demo/web/web is being removed"));
  world.fake.lingering.clear();
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kDone);
  EXPECT_FALSE(world.fake.app("/env/demo/web/web")->removing);
}

TEST(Task, AnUnknownOutcomeFailsUnlessItMayRunTwice) {
  World world;
  world.fake.ends["run-create"] = {lost()};
  world.launch();
  world.finish();
  EXPECT_EQ(world.operation().cause->code, "outcome-unknown");
  EXPECT_EQ(world.fake.tasks.at("tables create"), 1);

  World other;
  other.fake.ends["run-settle"] = {lost()};
  other.launch();
  other.finish();
  EXPECT_EQ(other.operation().state, StepState::kDone);
  EXPECT_EQ(other.fake.tasks.at("tables settle"), 2);
}

TEST(Task, OnesWhoseNamesDifferInPunctuationOnlyAreTwo) {
  World world;
  world.launch();
  world.finish();
  EXPECT_EQ(world.fake.tasks.at("tables fill"), 1);
  EXPECT_EQ(world.fake.tasks.at("tables fill-"), 1);
}

TEST(Task, ALateOneFailsAndIsRemoved) {
  World world;
  world.fake.endless = {"run-create"};
  world.launch();
  world.finish();
  EXPECT_THAT(world.operation().cause->sentence,
              HasSubstr("tables/create: not done within 1m: its task runs"));
  EXPECT_THAT(world.fake.removed, Contains(HasSubstr("run-create")));
}

TEST(Task, IsTriedAgainAsOftenAsItsStepSays) {
  World world;
  world.fake.ends["run-fill"] = {failure(1)};
  world.launch();
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kDone) << world.steps();
  EXPECT_EQ(world.fake.tasks.at("tables fill"), 2);
  EXPECT_EQ(world.step("tables/fill").attempt, 2);
}

TEST(Task, AConditionIsAskedUntilItHoldsAndItsTriesAreRemoved) {
  World world;
  world.fake.ends["run-settle"] = {failure(1), failure(1), failure(1)};
  world.launch();
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kDone);
  EXPECT_EQ(world.fake.tasks.at("tables settle"), 4);
  EXPECT_EQ(std::ranges::count_if(
                world.fake.apps(),
                [](const auto& app) { return app.id.str().find("run-settle") != std::string::npos; }),
            1);
}

TEST(Command, OneThatSetsMakesTheGenerationThatApplyOfTheParameterMakes) {
  World commanded, applied;
  for (World* world : {&commanded, &applied}) {
    world->launch();
    world->finish();
  }
  commanded.command("web.scale", {{"count", "3"}});
  applied.apply(World::wish({{"webs", "3"}}));
  for (World* world : {&commanded, &applied}) {
    world->finish();
    EXPECT_EQ(world->operation().state, StepState::kDone);
    EXPECT_EQ(world->environment()->generation, 2);
    EXPECT_EQ(world->environment()->parameters.at("webs"), "3");
    EXPECT_THAT(world->fake.app("/env/demo/web/web")->instances, SizeIs(3));
  }
  EXPECT_EQ(commanded.steps(), applied.steps());
}

TEST(Command, ArgumentsAreCheckedAndHaveDefaults) {
  World world;
  world.launch();
  world.finish();
  world.command("db.ask");
  world.finish();
  EXPECT_EQ(world.fake.tasks.at("db ask 7"), 1);
  world.command("db.ask", {{"depth", "3"}});
  world.finish();
  EXPECT_EQ(world.fake.tasks.at("db ask 3"), 1);
  world.command("db.ask", {{"depth", "\"deep\""}, {"depht", "1"}});
  world.command("web.scale");
  world.command("web.scale", {{"count", "\"many\""}});
  ASSERT_THAT(world.refusals, SizeIs(3));
  EXPECT_THAT(world.refusals[0].message, HasSubstr("expected an integer, found the string \"deep\""));
  EXPECT_THAT(world.refusals[0].message,
              HasSubstr("db.ask has no argument \"depht\"; did you mean \"depth\""));
  EXPECT_THAT(world.refusals[1].message, HasSubstr("the argument \"webs\" must be given"));
  EXPECT_THAT(world.refusals[2].message, HasSubstr("expected an integer, found the string \"many\""));
}

TEST(Command, ACheckThatFailsChangesNothingAboutTheEnvironment) {
  World world;
  world.launch();
  world.finish();
  world.fake.ends["run-check"] = {failure(1)};
  world.command("db.check");
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kFailed);
  EXPECT_EQ(world.environment()->status, "running");
  EXPECT_EQ(world.environment()->generation, 1);
  world.command("db.check");
  world.finish();
  EXPECT_EQ(world.operation().state, StepState::kDone);
}

TEST(Destroy, StopsInReverseOrderAndLeavesNothing) {
  World world;
  world.launch();
  world.finish();
  world.fake.removed.clear();
  world.destroy();
  world.finish();
  EXPECT_FALSE(world.environment());
  EXPECT_THAT(world.fake.apps(), IsEmpty());
  const auto place_of = [&](const std::string& part) {
    return std::ranges::find_if(world.fake.removed,
                                [&](const std::string& id) { return id.find(part) != std::string::npos; }) -
           world.fake.removed.begin();
  };
  EXPECT_LT(place_of("/web/web"), place_of("/db/server"));
  EXPECT_LT(place_of("/db/server"), std::ssize(world.fake.removed));
}

TEST(TimeToLive, ActsOnlyAfterTwoReadingsAndNotInTheFirstMinute) {
  World world;
  Wish wish = World::wish();
  wish.ttl = 10min;
  world.launch(wish);
  world.finish();
  world.pass(9min);
  EXPECT_TRUE(world.environment());
  world.pass(2min);
  EXPECT_THAT(world.kinds(), ElementsAre("launch"));  // one reading
  ASSERT_TRUE(world.manager().next_deadline());
  EXPECT_LE(*world.manager().next_deadline() - world.now.mono, Duration(30s));
  world.restart();
  world.pass(20s);
  world.pass(35s);
  EXPECT_THAT(world.kinds(), ElementsAre("launch"));  // two, in the first minute
  world.pass(30s);
  EXPECT_FALSE(world.environment());
  EXPECT_THAT(world.fake.apps(), IsEmpty());
}

TEST(TimeToLive, AClockThatJumpsForwardAndBackEndsNothing) {
  World world;
  Wish wish = World::wish();
  wish.ttl = 10min;
  world.launch(wish);
  world.finish();
  world.pass(2min);
  world.now.wall += 1h;
  world.pass(1s);
  world.now.wall -= 1h;
  world.pass(31s);
  world.pass(31s);
  EXPECT_TRUE(world.environment());
}

TEST(Heal, AChangedAddressReachesTrueDependentsOnly) {
  World world;
  world.launch();
  world.finish();
  world.fake.started.clear();
  const process::AppView moved = world.fake.move("/env/demo/db/server");
  world.absorb(world.manager().on_app_changed(moved, world.later()));
  world.finish();
  EXPECT_THAT(world.kinds(), ElementsAre("launch", "heal"));
  EXPECT_EQ(world.operation().state, StepState::kDone) << world.steps();
  const auto& web = std::get<process::Service>(world.fake.app("/env/demo/web/web")->spec->kind);
  EXPECT_EQ(web.settings.task.env.at("DB"), moved.instances.front()->claim->address);
  EXPECT_EQ(world.steps().find("mail"), std::string::npos);
}

TEST(Heal, AUsersOperationReplacesIt) {
  World world;
  world.launch();
  world.finish();
  world.fake.unready = {"/web/web"};
  world.absorb(world.manager().on_app_changed(world.fake.move("/env/demo/db/server"), world.later()));
  EXPECT_EQ(world.operation().kind, "heal");
  world.destroy();
  world.finish();
  EXPECT_THAT(world.refusals, IsEmpty());
  EXPECT_FALSE(world.environment());
}

// What the heal left is done after it, and the check's end leaves no failure behind.
TEST(Heal, ACheckThatReplacesItOnlyPutsItOff) {
  World world;
  world.launch();
  world.finish();
  world.fake.unready = {"/web/web"};
  world.absorb(world.manager().on_app_changed(world.fake.move("/env/demo/db/server"), world.later()));
  ASSERT_EQ(world.operation().kind, "heal");
  world.fake.unready = {};
  world.command("db.check");
  EXPECT_THAT(world.refusals, IsEmpty());
  world.finish();
  EXPECT_EQ(world.operation().kind, "command");
  EXPECT_EQ(world.environment()->status, "running");
  const auto& web = std::get<process::Service>(world.fake.app("/env/demo/web/web")->spec->kind);
  EXPECT_EQ(web.settings.task.env.at("DB"),
            world.fake.app("/env/demo/db/server")->instances.front()->claim->address);
  for (const OperationView& each : world.manager().operations())
    EXPECT_TRUE(each.state == StepState::kDone || each.cause) << each.kind;
}

TEST(Heal, OneThatNeverConvergesDoesNotSpin) {
  World world;
  world.launch();
  world.finish();
  for (int second = 0; second < 600; ++second) {
    world.absorb(world.manager().on_app_changed(world.fake.move("/env/demo/db/server"), world.later()));
    world.pass(1s);
  }
  EXPECT_LE(std::ranges::count(world.kinds(), "heal"), 10);
  world.pass(10min);
  const auto& web = std::get<process::Service>(world.fake.app("/env/demo/web/web")->spec->kind);
  EXPECT_EQ(web.settings.task.env.at("DB"),
            world.fake.app("/env/demo/db/server")->instances.front()->claim->address);
}

TEST(Heal, AnAddressThatChangedWhileNobodyListenedIsSeenAtStart) {
  World world;
  world.launch();
  world.finish();
  world.fake.move("/env/demo/db/server");
  world.restart();
  world.finish();
  EXPECT_THAT(world.kinds(), ElementsAre("launch", "heal"));
}

// ---- Crashes -------------------------------------------------------------------------------------

struct Scenario {
  const char* name;
  std::function<void(World&)> run;
};

class Recovery : public testing::TestWithParam<Scenario> {};

TEST_P(Recovery, ACrashAtAnyCommitChangesNeitherTheEndNorHowOftenThingsRun) {
  World calm;
  GetParam().run(calm);
  ASSERT_GT(calm.commits, 2);
  for (int after = 1; after <= calm.commits; ++after) {
    for (const Crash::When when : {Crash::kBeforeStored, Crash::kStored, Crash::kCallsMade}) {
      World world(Crash{after, when});
      GetParam().run(world);
      EXPECT_EQ(world.ending(), calm.ending()) << "crash at commit " << after << ", " << when;
      if (testing::Test::HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Recovery,
                         testing::Values(Scenario{"ALaunch",
                                                  [](World& world) {
                                                    world.launch();
                                                    world.finish();
                                                  }},
                                         Scenario{"RetriesAndConditions",
                                                  [](World& world) {
                                                    world.fake.ends["run-fill"] = {failure(1)};
                                                    world.fake.ends["run-settle"] = {failure(1), lost()};
                                                    world.launch();
                                                    world.finish();
                                                  }},
                                         Scenario{"AFailedLaunchContinued",
                                                  [](World& world) {
                                                    world.fake.ends["run-create"] = {failure(3)};
                                                    world.launch();
                                                    world.finish();
                                                    world.apply(World::wish());
                                                    world.finish();
                                                  }},
                                         Scenario{"ALaunchThatCannotBePlaced",
                                                  [](World& world) {
                                                    world.fake.unplaced = {"/db/"};
                                                    world.launch();
                                                    world.finish();
                                                  }},
                                         Scenario{"ALostTask",
                                                  [](World& world) {
                                                    world.fake.ends["run-create"] = {lost()};
                                                    world.launch();
                                                    world.finish();
                                                  }},
                                         Scenario{"AnAtomicLaunchThatFails",
                                                  [](World& world) {
                                                    world.fake.ends["run-create"] = {failure(3)};
                                                    Wish wish = World::wish();
                                                    wish.atomic = true;
                                                    world.launch(wish);
                                                    world.finish();
                                                  }},
                                         Scenario{"ALifeOfChanges",
                                                  [](World& world) {
                                                    world.launch();
                                                    world.finish();
                                                    world.command("web.scale", {{"count", "3"}});
                                                    world.finish();
                                                    world.apply(World::wish({{"greeting", "\"Hi\""}}));
                                                    world.finish();
                                                    world.command("db.check");
                                                    world.finish();
                                                    world.destroy();
                                                    world.finish();
                                                  }}),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace headrace::environment
