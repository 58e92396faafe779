// cluster/local by scenarios: its decisions and deeds, unchanged, on a Docker Engine in memory and a clock
// that the test turns.
#include "cluster/local/virtual_agents.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <deque>

#include "cluster/local/local_source.h"
#include "sim/sim_engine.h"

namespace headrace::cluster {
namespace {

using docker::ContainerState;
using sim::SimEngine;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const AgentId kAgent("agent-1");

std::string text_of(const SourceEvent& event) {
  if (const auto* each = std::get_if<SourceStatus>(&event)) {
    constexpr std::string_view kHealth[] = {"", " ready", " unhealthy"};
    const TaskStatus& status = each->status;
    return fmt::format("{} {}{}{}{}", status.task, word_of(status.state),
                       kHealth[static_cast<int>(status.health)], status.message.empty() ? "" : ": ",
                       status.message);
  }
  if (std::holds_alternative<SourceConnected>(event)) return "connected";
  if (std::holds_alternative<SourceDisconnected>(event)) return "disconnected";
  if (const auto* each = std::get_if<SourceAgent>(&event))
    return fmt::format("{} {}", each->agent.id, each->agent.up ? "up" : "down");
  if (const auto* each = std::get_if<VolumesDestroyed>(&event))
    return fmt::format("destroyed {}", each->claim);
  if (const auto* each = std::get_if<Reconciled>(&event))
    return fmt::format("reconciled, {} unknown", each->unknown.size());
  return "offer";
}

Launch launch_of(const std::string& task, const std::string& claim = "c1", const AgentId& agent = kAgent) {
  return {.offer = OfferId("o1"),
          .agent = agent,
          .claim = {ClaimId(claim), agent, "127.0.0.1", {{"web", 20001}}},
          .volumes = {{"data", "/data", Bytes::gib(1)}},
          .ports = {{.name = "web"}},
          .resources = {.cpus = 1, .memory = Bytes::mib(64), .disk = {}},
          .task = {TaskId(task), {.image = "image:1", .check = std::nullopt}}};
}

class Local : public ::testing::Test {
 protected:
  void SetUp() override {
    engine.add_image("image:1", {.id = "sha256:1"});
    engine.set_hooks(hooks());
    boot();
  }

  SimEngine::Hooks hooks() {
    return {.mishap =
                [this](std::string_view call, std::string_view) {
                  calls.emplace_back(call);
                  const auto found = mishaps.find(std::string(call));
                  if (found == mishaps.end()) return SimEngine::Mishap::kNone;
                  const auto mishap = found->second;
                  mishaps.erase(found);
                  return mishap;
                },
            .later = [this](std::function<void()> act) { late.push_back(std::move(act)); },
            .started = {},
            .ended = {},
            .volume_removed = {},
            .exec =
                [this](const docker::Container&) {
                  return docker::ExecResult{.exit_code = passes ? 0 : 1, .err = "not yet"};
                }};
  }

  // A server starts; what the one before it had in memory is lost.
  void boot() {
    deeds.clear();
    agents.emplace(VirtualAgents::Options{
        .agents = 2, .run = fmt::format("run{}", ++runs), .attributes = {}, .unplugged = unplugged});
    take(agents->on_start(now));
    work();
  }
  void take(VirtualAgents::Turn turn) {
    for (const SourceEvent& event : turn.events) {
      if (text_of(event) != "offer") events.push_back(text_of(event));
      if (const auto* status = std::get_if<SourceStatus>(&event)) latest = status->status;
    }
    for (Deed& deed : turn.deeds) deeds.push_back(std::move(deed));
  }
  void work() {
    while (!deeds.empty()) {
      Deed deed = std::move(deeds.front());
      deeds.pop_front();
      take(agents->on_done(perform(std::move(deed), engine, around), now));
    }
  }
  void call(SourceCall each) {
    take(agents->on_call(each, now));
    work();
  }
  void pass(Duration time) {
    const Monotonic end = now.mono + time;
    while (agents->next_deadline() && *agents->next_deadline() <= end) {
      now.wall += *agents->next_deadline() - now.mono;
      now.mono = *agents->next_deadline();
      take(agents->on_time(now));
      work();
    }
    now.wall += end - now.mono;
    now.mono = end;
  }
  void plug(const AgentId& agent, bool plugged) {
    unplugged = *agents->unplugged_with(agent, plugged);
    take(agents->on_plug(agent, plugged, now));
    work();
  }
  void acknowledge() { call(AcknowledgeSource{latest.task, latest.agent, latest.id}); }
  std::vector<std::string> happened() { return std::exchange(events, {}); }
  std::optional<ContainerState> state_of(const std::string& container) {
    const auto found = engine.inspect(container);
    return found ? std::optional(found->state) : std::nullopt;
  }

  SimEngine engine;
  Surroundings around{.server_id = "me",
                      .show_secrets = [](const Launch&) { return std::vector<docker::Mount>{}; },
                      .hide_secrets = [](const TaskId&) {},
                      .listening = [](const std::string&) { return std::set<std::uint16_t>{}; },
                      .probe = [this](const Claim&, std::uint16_t port, const Check& check) -> Status {
                        probed =
                            fmt::format("{} {}", check.kind == CheckKind::kTcp ? "tcp" : check.path, port);
                        if (passes) return {};
                        return fail(Code::kUnavailable, "not yet");
                      }};
  Now now{Monotonic(1h), Wall(24h * 365)};
  int runs = 0;
  std::set<AgentId> unplugged;
  std::optional<VirtualAgents> agents;
  std::deque<Deed> deeds;
  std::map<std::string, SimEngine::Mishap> mishaps;  // of the next such call
  std::vector<std::function<void()>> late;
  std::vector<std::string> calls;  // changing ones
  std::vector<std::string> events;
  TaskStatus latest;
  bool passes = true;
  std::string probed;
};

TEST_F(Local, ATaskIsStartedOnceHoweverOftenItIsLaunched) {
  call(launch_of("t1"));
  EXPECT_THAT(happened(), ElementsAre("connected", "t1 running"));
  call(launch_of("t1"));
  EXPECT_THAT(happened(), ElementsAre("t1 running"));
  EXPECT_EQ(engine.creations(), 1);
}

TEST_F(Local, AStatusIsRepeatedUntilItIsAcknowledged) {
  call(launch_of("t1"));
  happened();
  pass(20s);
  EXPECT_THAT(happened(), AllOf(Contains("t1 running"), Not(Contains("t1 failed"))));
  acknowledge();
  pass(20s);
  EXPECT_THAT(happened(), IsEmpty());
}

TEST_F(Local, AnEndedContainerIsKeptUntilItsEndIsAcknowledged) {
  call(launch_of("t1"));
  engine.end("hr-t1", 0, {"::result:: {\"rows\":3}"});
  take(agents->on_died(TaskId("t1"), now));
  work();
  EXPECT_EQ(latest.state, TaskState::kFinished);
  EXPECT_EQ(latest.result, "{\"rows\":3}");
  boot();  // told again by a server that does not remember it
  EXPECT_EQ(latest.state, TaskState::kFinished);
  EXPECT_EQ(latest.result, "{\"rows\":3}");
  acknowledge();
  EXPECT_EQ(state_of("hr-t1"), std::nullopt);
  happened();
  call(ReconcileTasks{{{TaskId("t1"), kAgent}}, 1});
  EXPECT_THAT(happened(), ElementsAre("reconciled, 1 unknown"));
}

TEST_F(Local, ARestartedServerAdoptsItsContainersByTheirLabelsAndRestartsNone) {
  for (const char* each : {"1", "2", "3"})
    call(launch_of(fmt::format("t{}", each), fmt::format("c{}", each)));
  const std::vector<std::string> before = calls;
  happened();
  boot();
  EXPECT_THAT(happened(), ElementsAre("t1 running", "t2 running", "t3 running", "connected"));
  pass(1min);
  EXPECT_EQ(calls, before);
  call(ReconcileTasks{{{TaskId("t2"), kAgent}, {TaskId("t9"), kAgent}}, 1});
  EXPECT_THAT(happened(), AllOf(Contains("t2 running"), Contains("reconciled, 1 unknown")));
}

TEST_F(Local, WhatItDidNotStartItNeverTouches) {
  const auto own = [](const char* name, docker::Labels labels) {
    return docker::ContainerSpec{.name = name, .image = "image:1", .labels = std::move(labels)};
  };
  // Somebody's without labels, one of another server, and one that took a name that we shall want.
  (void)engine.create(own("postgres", {}));
  (void)engine.create(own("hr-t7", {{"headrace.server", "other"}, {"headrace.task", "t7"}}));
  (void)engine.create(own("hr-t8", {}));
  (void)engine.start("postgres");
  (void)engine.create_volume("data", {});
  calls.clear();
  boot();
  for (const char* task : {"t7", "t8"}) {
    call(launch_of(task, "c8"));
    EXPECT_EQ(latest.state, TaskState::kFailed);
    EXPECT_THAT(latest.message, HasSubstr("already in use"));
    acknowledge();
  }
  call(Kill{TaskId("t7"), kAgent, 1s});
  call(DestroyVolumes{ClaimId("c8"), kAgent, {}});
  plug(kAgent, false);
  plug(kAgent, true);
  pass(1min);
  EXPECT_EQ(state_of("postgres"), ContainerState::kRunning);
  EXPECT_EQ(state_of("hr-t7"), ContainerState::kCreated);
  EXPECT_EQ(state_of("hr-t8"), ContainerState::kCreated);
  EXPECT_EQ(engine.list_volumes({})->front().name, "data");
  EXPECT_THAT(calls, ElementsAre("create_volume", "create", "create_volume", "create", "remove_volume"));
}

TEST_F(Local, AStartWhoseAnswerWasLostIsLookedAt) {
  mishaps = {{"start", SimEngine::Mishap::kAnswerLost}};
  call(launch_of("t1"));
  EXPECT_THAT(happened(), ElementsAre("connected", "t1 running"));
  EXPECT_EQ(std::ranges::count(calls, "start"), 1);
}

TEST_F(Local, AStartThatMayHaveRunKeepsItsEndUntilItIsAcknowledged) {
  mishaps = {{"start", SimEngine::Mishap::kAnswerLost}};
  take(agents->on_call(launch_of("t1"), now));
  take(agents->on_done(perform(deeds.front(), engine, around), now));
  deeds.pop_front();
  engine.end("hr-t1", 1);
  work();
  EXPECT_EQ(latest.state, TaskState::kFailed);
  boot();  // it died before that was stored: the task is not started a second time
  call(ReconcileTasks{{{TaskId("t1"), kAgent}}, 1});
  EXPECT_EQ(latest.state, TaskState::kFailed);
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kExited);
}

TEST_F(Local, AStartThatHappensLateIsNotAskedForTwice) {
  mishaps = {{"start", SimEngine::Mishap::kActsLate}};
  call(launch_of("t1"));
  EXPECT_THAT(happened(), ElementsAre("connected", "t1 running"));
  EXPECT_EQ(std::ranges::count(calls, "start"), 1);
  EXPECT_EQ(engine.creations(), 1);
}

TEST_F(Local, ACreateThatHappensLateIsFollowedByOneStart) {
  mishaps = {{"create", SimEngine::Mishap::kActsLate}};
  call(launch_of("t1"));
  EXPECT_THAT(happened(), ElementsAre("connected"));
  late.front()();
  pass(3s);
  EXPECT_THAT(happened(), ElementsAre("t1 running"));
  EXPECT_EQ(std::ranges::count(calls, "start"), 1);
  EXPECT_EQ(engine.creations(), 1);
}

TEST_F(Local, AStartThatIsRefusedFailsWhenItsContainerIsGone) {
  mishaps = {{"start", SimEngine::Mishap::kFails}, {"remove", SimEngine::Mishap::kFails}};
  call(launch_of("t1"));
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kCreated);
  EXPECT_THAT(happened(), ElementsAre("connected"));
  pass(3s);
  EXPECT_EQ(state_of("hr-t1"), std::nullopt);
  EXPECT_THAT(happened(), ElementsAre("t1 failed: could not be started: no space left on device"));
}

TEST_F(Local, AContainerThatNobodyAsksForIsRemovedAndNeverStarted) {
  (void)engine.create(
      container_spec("me", launch_of("t1"), {}));  // by a create that acted after it was given up
  calls.clear();
  pass(2min);
  EXPECT_EQ(state_of("hr-t1"), std::nullopt);
  EXPECT_THAT(calls, ElementsAre("remove"));
}

TEST_F(Local, AContainerFoundCreatedIsStartedWhenItIsAskedForThoughTheFirstStartMayStillCome) {
  (void)engine.create(container_spec("me", launch_of("t1"), {}));
  calls.clear();
  boot();
  EXPECT_THAT(calls, IsEmpty());
  call(ReconcileTasks{{{TaskId("t1"), kAgent}}, 1});
  EXPECT_THAT(happened(),
              ElementsAre("connected", "connected", "t1 starting", "reconciled, 0 unknown", "t1 running"));
  EXPECT_THAT(calls, ElementsAre("start"));
}

TEST_F(Local, AContainerFoundCreatedIsStoppedOnlyByItsRemoval) {
  (void)engine.create(container_spec("me", launch_of("t1"), {}));
  boot();
  call(Kill{TaskId("t1"), kAgent, 1s});
  EXPECT_EQ(latest.state, TaskState::kKilled);
  EXPECT_EQ(state_of("hr-t1"), std::nullopt);  // a start that is still on its way finds nothing
}

TEST_F(Local, ANameInUseByItsOwnContainerMeansThatItIsThere) {
  (void)engine.create(container_spec("me", launch_of("t1"), {}));
  call(launch_of("t1"));
  EXPECT_EQ(latest.state, TaskState::kRunning);
  EXPECT_EQ(engine.creations(), 1);
}

TEST_F(Local, AStopEndsATaskAsKilled) {
  call(launch_of("t1"));
  call(Kill{TaskId("t1"), kAgent, 1s});
  EXPECT_EQ(latest.state, TaskState::kKilled);
  EXPECT_EQ(latest.message, "stopped");
}

TEST_F(Local, AStopThatTheEngineDidNotHearIsRepeated) {
  call(launch_of("t1"));
  mishaps = {{"stop", SimEngine::Mishap::kFails}};
  call(Kill{TaskId("t1"), kAgent, 1s});
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kRunning);
  EXPECT_EQ(latest.state, TaskState::kRunning);
  pass(3s);
  EXPECT_EQ(latest.state, TaskState::kKilled);
}

TEST_F(Local, AnEndThatTheEngineDidNotTellIsFoundByCounting) {
  call(launch_of("t1"));
  engine.end("hr-t1", 3);
  pass(11s);
  EXPECT_EQ(latest.state, TaskState::kFailed);
  EXPECT_EQ(latest.message, "ended with exit code 3");
}

TEST_F(Local, AFailureTellsWhatTheContainerSaidLast) {
  call(launch_of("t1"));
  engine.end("hr-t1", 1, {"starting", "port 20000 is taken: caf\xe9"});
  pass(11s);
  EXPECT_EQ(latest.message, "ended with exit code 1: port 20000 is taken: caf?");
}

TEST_F(Local, AContainerThatSomebodyRemovedHasFailed) {
  call(launch_of("t1"));
  (void)engine.remove("hr-t1", /*force=*/true);
  take(agents->on_died(TaskId("t1"), now));
  work();
  EXPECT_EQ(latest.state, TaskState::kFailed);
  EXPECT_THAT(latest.message, HasSubstr("removed by somebody else"));
}

TEST_F(Local, ARestartOfTheEngineIsNoticedAndOnlyWhatItEndedHasFailed) {
  call(launch_of("t1"));
  acknowledge();
  call(launch_of("t2", "c2"));
  acknowledge();
  happened();
  engine.go_away(true);
  engine.end("hr-t2", 137);
  pass(5s);
  EXPECT_THAT(happened(), ElementsAre("disconnected"));
  engine.go_away(false);
  pass(5s);
  EXPECT_THAT(happened(), ElementsAre("connected", "t2 failed: ended with exit code 137"));
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kRunning);
  EXPECT_EQ(engine.creations(), 2);
}

TEST_F(Local, UnplugEndsAllThatRunsOnTheAgentAndKeepsItsVolumes) {
  call(launch_of("t1"));
  call(launch_of("t2", "c2", AgentId("agent-2")));
  happened();
  plug(kAgent, false);
  EXPECT_THAT(happened(), ElementsAre("agent-1 down"));
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kExited);
  EXPECT_EQ(state_of("hr-t2"), ContainerState::kRunning);
  EXPECT_EQ(engine.list_volumes({"headrace.claim=c1"})->size(), 1u);
  call(launch_of("t3", "c3"));  // nobody there to hear it
  pass(1min);
  EXPECT_EQ(engine.creations(), 2);
  EXPECT_THAT(happened(), Not(Contains(HasSubstr("t1 failed"))));
  plug(kAgent, true);
  EXPECT_THAT(happened(), ElementsAre("agent-1 up", "t1 failed: ended with exit code 137"));
}

TEST_F(Local, AnAgentThatWasUnpluggedWhenItsServerDiedRunsNothingAfterwards) {
  call(launch_of("t1"));
  unplugged = {kAgent};  // stored; then it died, before anything was ended
  boot();
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kExited);
  plug(kAgent, true);
  EXPECT_EQ(latest.state, TaskState::kFailed);
}

TEST_F(Local, WhatIsFoundOnAnAgentThatComesBackIsNotUnknownBeforeItWasLookedAt) {
  call(launch_of("t1"));
  unplugged = {kAgent};
  mishaps = {{"kill", SimEngine::Mishap::kFails}};
  boot();
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kRunning);
  happened();
  take(agents->on_plug(kAgent, true, now));
  take(agents->on_call(ReconcileTasks{{{TaskId("t1"), kAgent}}, 1}, now));
  EXPECT_THAT(happened(), ElementsAre("agent-1 up", "reconciled, 0 unknown"));
  pass(3s);
  EXPECT_EQ(latest.state, TaskState::kFailed);
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kExited);
}

TEST_F(Local, AnAgentUnpluggedWhileTheEngineIsAwayIsEndedWhenItComesBack) {
  call(launch_of("t1"));
  engine.go_away(true);
  plug(kAgent, false);
  pass(5s);
  engine.go_away(false);
  pass(5s);
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kExited);
}

TEST_F(Local, AnUnknownAgentIsRefusedWithTheNamesOfThoseThereAre) {
  const auto refused = agents->unplugged_with(AgentId("agent-7"), false);
  EXPECT_EQ(refused.error().code, Code::kNotFound);
  EXPECT_EQ(refused.error().remedy, "agents: agent-1, agent-2");
}

TEST_F(Local, VolumesGoWhenNoContainerOfTheirClaimIsLeft) {
  call(launch_of("t1"));
  engine.end("hr-t1", 0);
  take(agents->on_died(TaskId("t1"), now));
  work();
  call(DestroyVolumes{ClaimId("c1"), kAgent, {"data"}});
  EXPECT_EQ(engine.list_volumes({"headrace.claim=c1"})->size(), 1u);
  acknowledge();
  EXPECT_EQ(engine.list_volumes({"headrace.claim=c1"})->size(), 0u);
  EXPECT_EQ(happened().back(), "destroyed c1");
}

TEST_F(Local, AVolumeThatTheEngineIsAboutToMakeGoesToo) {
  mishaps = {{"create_volume", SimEngine::Mishap::kActsLate}};
  call(launch_of("t1"));
  call(Kill{TaskId("t1"), kAgent, 1s});
  pass(3s);
  acknowledge();
  call(DestroyVolumes{ClaimId("c1"), kAgent, {"data"}});
  for (const auto& act : late) act();
  EXPECT_EQ(happened().back(), "destroyed c1");
  EXPECT_EQ(engine.list_volumes({"headrace.claim=c1"})->size(), 0u);
}

TEST_F(Local, ATaskIsKnownFromItsLaunchOn) {
  take(agents->on_call(launch_of("t1"), now));  // nothing of it is done yet
  take(agents->on_call(ReconcileTasks{{{TaskId("t1"), kAgent}}, 1}, now));
  EXPECT_THAT(happened(), ElementsAre("connected", "t1 starting", "reconciled, 0 unknown"));
}

TEST_F(Local, AMissingImageFailsTheStartWithItsName) {
  Launch launch = launch_of("t1");
  launch.task.spec.image = "image:2";
  call(launch);
  EXPECT_EQ(latest.state, TaskState::kFailed);
  EXPECT_THAT(latest.message, HasSubstr("No such image: image:2"));
}

class Checked : public Local, public ::testing::WithParamInterface<CheckKind> {
 protected:
  void run() {
    Launch launch = launch_of("t1");
    launch.task.spec.check = Check{.kind = GetParam(),
                                   .command = {"check"},
                                   .path = "/health",
                                   .port = "web",
                                   .interval = 10s,
                                   .grace = 5s,
                                   .failures = 3};
    call(launch);
    happened();
  }
};

TEST_P(Checked, ACheckTellsItsFirstPassThenNFailuresThenThatItPassesAgain) {
  passes = false;
  run();
  pass(20s);
  EXPECT_EQ(latest.health, Health::kUnknown);
  passes = true;
  pass(1s);
  EXPECT_EQ(latest.health, Health::kReady);
  acknowledge();
  happened();
  passes = false;
  pass(29s);  // two failures
  EXPECT_THAT(happened(), IsEmpty());
  pass(2s);
  EXPECT_EQ(latest.health, Health::kUnhealthy);
  EXPECT_THAT(latest.message, HasSubstr("not yet"));
  EXPECT_EQ(state_of("hr-t1"), ContainerState::kRunning);  // it only reports
  passes = true;
  pass(1s);
  EXPECT_EQ(latest.health, Health::kReady);
}

TEST_P(Checked, ATaskThatNeverPassesIsUnhealthyAfterItsGraceAndNIntervals) {
  passes = false;
  run();
  pass(34s);
  EXPECT_EQ(latest.health, Health::kUnknown);
  pass(2s);
  EXPECT_EQ(latest.health, Health::kUnhealthy);
}

TEST_P(Checked, AnEngineThatIsAwaySaysNothingOfATask) {
  run();
  pass(1s);
  engine.go_away(true);
  pass(5min);
  EXPECT_EQ(latest.health, Health::kReady);
}

TEST_P(Checked, ACheckGoesOnAfterARestartAndEndsWithItsTask) {
  run();
  pass(1s);
  boot();
  pass(1s);
  EXPECT_EQ(latest.health, Health::kReady);
  call(Kill{TaskId("t1"), kAgent, 1s});
  acknowledge();
  passes = false;
  probed.clear();
  pass(1min);
  EXPECT_EQ(probed, "");
  EXPECT_EQ(latest.state, TaskState::kKilled);
}

TEST_P(Checked, TcpAndHttpAskThePortThatTheCheckNames) {
  run();
  pass(1s);
  EXPECT_EQ(probed, GetParam() == CheckKind::kCommand ? ""
                    : GetParam() == CheckKind::kTcp   ? "tcp 20001"
                                                      : "/health 20001");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Checked,
                         ::testing::Values(CheckKind::kCommand, CheckKind::kHttp, CheckKind::kTcp),
                         [](const auto& each) {
                           return each.param == CheckKind::kCommand ? "Command"
                                  : each.param == CheckKind::kHttp  ? "Http"
                                                                    : "Tcp";
                         });

}  // namespace
}  // namespace headrace::cluster
