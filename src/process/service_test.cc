// Services: scaling, rolling replacement, deployments, restarts, health.
#include <gmock/gmock.h>

#include "process/backoff.h"
#include "process/fake_cluster.h"

namespace headrace::process {
namespace {

using namespace testing;
using Verdict = DeploymentView::Verdict;

cluster::Check tcp_check() {
  return {.kind = cluster::CheckKind::kCommand, .command = {"/probe"}};
}

TEST(Service, ANewServiceRunsItsInstancesAndItsDeploymentSucceeds) {
  World world;
  const auto accepted = world.put({service("/web", 3)});
  ASSERT_TRUE(accepted && accepted->deployment);
  EXPECT_EQ(world.ready("/web"), 3);
  EXPECT_EQ(world.cluster.live("/web").size(), 3u);
  EXPECT_EQ(world.deployment(*accepted->deployment).verdict, Verdict::kSucceeded);
  EXPECT_TRUE(world.view("/web").deployments.empty());
  EXPECT_EQ(world.instance("/web").claim->address, "127.1.0.1");
}

TEST(Service, EveryStatusIsAcknowledgedOnceItIsStored) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 2)}));
  for (const auto& [id, task] : world.cluster.tasks) EXPECT_FALSE(task.unacknowledged) << id;
}

TEST(Service, AnEqualSpecIsNoChange) {
  World world;
  const auto first = world.put({service("/web", 2)});
  const int commits = world.commits;
  auto again = world.manager().put({service("/web", 2)}, {}, false, false, world.now());
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->answer.deployment);
  EXPECT_EQ(again->answer.version, first->version);
  EXPECT_TRUE(again->commit.empty());
  EXPECT_EQ(world.commits, commits);
}

TEST(Service, ScalingUpAndDownLeavesTheOthersAlone) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 2)}));
  const auto before = world.cluster.live();
  const std::string config = world.view("/web").config_version;
  ASSERT_TRUE(world.carry_out(world.manager().scale(AppId("/web"), 4, {}, false, world.now())));
  EXPECT_EQ(world.ready("/web"), 4);
  ASSERT_TRUE(world.carry_out(world.manager().scale(AppId("/web"), 2, {}, false, world.now())));
  EXPECT_EQ(world.cluster.live(), before) << "the youngest go first";
  EXPECT_EQ(world.view("/web").config_version, config);
  EXPECT_EQ(world.view("/web").instances.size(), 2u);
}

TEST(Service, AnotherWayOfReplacingRestartsNothing) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 2)}));
  const auto before = world.cluster.live();
  AppSpec spec = service("/web", 3);
  std::get<Service>(spec.kind).upgrade = {.minimum_health_capacity = 0.5, .maximum_over_capacity = 0};
  ASSERT_TRUE(world.put({spec}));
  EXPECT_EQ(world.ready("/web"), 3);
  EXPECT_TRUE(std::ranges::includes(world.cluster.live(), before)) << "none was replaced";
}

TEST(Service, ARollingReplacementNeverFallsBelowItsMinimum) {
  World world;
  AppSpec spec = service("/web", 4);
  std::get<Service>(spec.kind).upgrade = {.minimum_health_capacity = 0.75, .maximum_over_capacity = 0.25};
  settings_of(spec).task.check = tcp_check();
  ASSERT_TRUE(world.put({spec}));
  ASSERT_EQ(world.ready("/web"), 4);
  world.cluster.passes = false;
  settings_of(spec).task.image = "web:2";
  const auto accepted = world.put({spec});
  ASSERT_TRUE(accepted);
  std::size_t most = 0;
  for (int i = 0; i < 20; ++i) {
    EXPECT_GE(world.ready("/web"), 3);
    most = std::max(most, world.cluster.live("/web").size());
    for (const auto& id : world.cluster.live("/web")) {
      if (world.cluster.tasks.at(id).last.health != cluster::Health::kReady) {
        world.cluster.say(id, TaskState::kRunning, cluster::Health::kReady);
        break;
      }
    }
    world.settle();
  }
  EXPECT_LE(most, 5u);
  EXPECT_EQ(world.deployment(*accepted->deployment).verdict, Verdict::kSucceeded);
  for (const auto& id : world.cluster.live("/web")) {
    EXPECT_EQ(world.cluster.tasks.at(id).task.spec.image, "web:2");
  }
}

TEST(Service, WhereBothBoundsLeaveNoRoomOneMoreMayExist) {
  World world;
  AppSpec spec = service("/web", 2);
  std::get<Service>(spec.kind).upgrade = {.minimum_health_capacity = 1, .maximum_over_capacity = 0};
  ASSERT_TRUE(world.put({spec}));
  settings_of(spec).task.image = "web:2";
  world.cluster.runs = false;
  const auto accepted = world.put({spec});
  EXPECT_EQ(world.cluster.live().size(), 3u);
  EXPECT_EQ(world.ready("/web"), 2);
  world.cluster.run_all();
  world.settle();
  EXPECT_EQ(world.deployment(*accepted->deployment).verdict, Verdict::kSucceeded);
  EXPECT_EQ(world.cluster.live().size(), 2u);
}

TEST(Service, WithoutMinimumAndOverCapacityTheOldEndsBeforeTheNewBegins) {
  World world;
  AppSpec spec = service("/web", 1);
  std::get<Service>(spec.kind).upgrade = {.minimum_health_capacity = 0, .maximum_over_capacity = 0};
  ASSERT_TRUE(world.put({spec}));
  world.cluster.stops = false;
  settings_of(spec).task.image = "web:2";
  ASSERT_TRUE(world.put({spec}));
  EXPECT_EQ(world.cluster.started.size(), 1u);
  world.cluster.say(world.cluster.started[0].id, TaskState::kKilled);
  world.settle();
  EXPECT_EQ(world.ready("/web"), 1);
  EXPECT_EQ(world.cluster.started.size(), 2u);
}

TEST(Service, ADeploymentWhoseInstancesKeepFailingEndsAtItsDeadlineWithTheCause) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 2)}));
  world.cluster.fails_at_once.insert("/web");
  const auto accepted = world.put({service("/web", 2, "web:broken")});
  world.pass(9min);
  EXPECT_EQ(world.deployment(*accepted->deployment).verdict, Verdict::kRunning);
  EXPECT_EQ(world.deployment(*accepted->deployment).cause->code, "converging");
  world.pass(2min);
  const DeploymentView ended = world.deployment(*accepted->deployment);
  EXPECT_EQ(ended.verdict, Verdict::kFailed);
  ASSERT_TRUE(ended.cause);
  EXPECT_THAT(ended.cause->sentence, ::testing::HasSubstr("exit code 1"));
  EXPECT_EQ(world.ready("/web"), 2) << "what ran before goes on";
  EXPECT_TRUE(world.view("/web").last_failure);
  // The cause mended, it converges all the same.
  world.cluster.fails_at_once.clear();
  world.pass(10min);
  EXPECT_EQ(world.ready("/web"), 2);
  EXPECT_EQ(world.cluster.live().size(), 2u);
}

TEST(Service, ASecondChangeIsRefusedWhileADeploymentRunsUnlessForced) {
  World world;
  world.cluster.grants = false;
  const auto first = world.put({service("/web", 1)});
  const auto refused = world.put({service("/web", 2)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr(first->deployment->str()));
  const auto forced = world.put({service("/web", 2)}, {}, true);
  ASSERT_TRUE(forced);
  EXPECT_EQ(world.deployment(*first->deployment).verdict, Verdict::kCancelled);
  world.cluster.grant_all();
  world.settle();
  EXPECT_EQ(world.ready("/web"), 2);
}

TEST(Service, CancellingADeploymentGoesBackToTheSpecBefore) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 2)}));
  world.cluster.runs = false;
  const auto change = world.put({service("/web", 3, "web:2")});
  ASSERT_TRUE(
      world.carry_out(world.manager().cancel_deployment(*change->deployment, {}, false, world.now())));
  world.cluster.run_all();
  world.settle();
  EXPECT_EQ(std::get<Service>(world.view("/web").spec->kind).settings.task.image, "web:1");
  EXPECT_EQ(world.ready("/web"), 2);
  EXPECT_EQ(world.cluster.live().size(), 2u);
}

TEST(Service, CancellingWithLeaveStopsReplacingUntilTheNextChange) {
  World world;
  AppSpec spec = service("/web", 2);
  ASSERT_TRUE(world.put({spec}));
  world.cluster.runs = false;
  settings_of(spec).task.image = "web:2";
  const auto change = world.put({spec});
  ASSERT_TRUE(world.carry_out(world.manager().cancel_deployment(*change->deployment, {}, true, world.now())));
  world.cluster.run_all();
  world.settle();
  EXPECT_EQ(world.cluster.live().size(), 4u);
  ASSERT_TRUE(world.put({spec}));
  EXPECT_EQ(world.cluster.live().size(), 2u);
}

TEST(Service, CancellingItsFirstDeploymentRemovesTheApp) {
  World world;
  world.cluster.grants = false;
  const auto first = world.put({service("/web", 2)});
  ASSERT_TRUE(world.carry_out(world.manager().cancel_deployment(*first->deployment, {}, false, world.now())));
  EXPECT_TRUE(world.views.empty());
  EXPECT_TRUE(world.cluster.pending.empty());
}

TEST(Service, RemovingStopsAllAndForgetsTheApp) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 2)}));
  world.cluster.stops = false;
  const auto removed = world.remove("/web");
  ASSERT_TRUE(removed && removed->deployment);
  EXPECT_TRUE(world.view("/web").removing);
  EXPECT_EQ(world.deployment(*removed->deployment).verdict, Verdict::kRunning);
  EXPECT_FALSE(world.put({service("/web", 1)})) << "not while it is being removed";
  for (const auto& id : world.cluster.live()) world.cluster.say(id, TaskState::kKilled);
  world.settle();
  EXPECT_TRUE(world.views.empty());
  EXPECT_EQ(world.deployment(*removed->deployment).verdict, Verdict::kSucceeded);
  EXPECT_EQ(world.remove("/web").error().code, Code::kNotFound);
}

TEST(Service, ARestartReplacesEveryInstance) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 2)}));
  const auto before = world.cluster.live();
  ASSERT_TRUE(world.carry_out(world.manager().restart(AppId("/web"), {}, false, world.now())));
  EXPECT_EQ(world.ready("/web"), 2);
  for (const auto& id : before) EXPECT_FALSE(world.cluster.tasks.at(id).live);
}

TEST(Service, AStopThatIsNotAnsweredIsAskedAgain) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  world.cluster.stops = false;
  ASSERT_TRUE(world.remove("/web"));
  world.cluster.stops = true;
  world.pass(41s);
  EXPECT_TRUE(world.views.empty());
}

// ---- Restarts ------------------------------------------------------------------------------------

TEST(Restart, AKilledContainerIsReplacedAtOnceAfterALongRun) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  world.pass(10s);
  world.cluster.end(world.cluster.live()[0], 137);
  world.settle();
  EXPECT_EQ(world.ready("/web"), 1) << "no time has passed";
  EXPECT_EQ(world.instance("/web").restarts, 1);
  EXPECT_EQ(world.instance("/web").task.str(), world.instance("/web").id.str() + "._app.2");
}

TEST(Restart, WhatFailsAtOnceWaitsLongerEachTime) {
  World world;
  world.cluster.fails_at_once.insert("/web");
  AppSpec spec = service("/web", 1);
  spec.backoff = {.initial = 1s, .factor = 2, .maximum = 60s};
  ASSERT_TRUE(world.put({spec}));
  EXPECT_EQ(world.cluster.started.size(), 1u);
  ASSERT_TRUE(world.instance("/web").cause);
  EXPECT_EQ(world.instance("/web").cause->code, "backoff");
  EXPECT_EQ(*world.instance("/web").cause->deadline, world.now().wall + 1s);
  EXPECT_TRUE(world.view("/web").delayed_until);
  world.pass(1s);
  EXPECT_EQ(world.cluster.started.size(), 2u);
  world.pass(1900ms);
  EXPECT_EQ(world.cluster.started.size(), 2u);
  world.pass(100ms);
  EXPECT_EQ(world.cluster.started.size(), 3u);
  world.pass(10min);
  EXPECT_LE(world.cluster.started.size(), 3u + 4 + 11) << "1, 2, 4 … 60, then one a minute";
}

TEST(Restart, ResettingTheDelayStartsAtOnce) {
  World world;
  world.cluster.fails_at_once.insert("/web");
  ASSERT_TRUE(world.put({service("/web", 1)}));
  world.cluster.fails_at_once.clear();
  auto commit = world.manager().reset_delay(AppId("/web"), {}, world.now());
  ASSERT_TRUE(commit);
  world.apply(std::move(*commit));
  world.settle();
  EXPECT_EQ(world.ready("/web"), 1);
}

TEST(Restart, ManyEndingsOfOneStartCountAsOneFailure) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 50)}));
  world.pass(2s);
  for (const auto& id : world.cluster.live()) world.cluster.end(id, 1);
  world.settle();
  EXPECT_EQ(world.ready("/web"), 50);
}

TEST(Restart, DelaysGrowByTheFactorUpToTheMaximum) {
  const Backoff backoff{.initial = 1s, .factor = 2, .maximum = 10s};
  EXPECT_EQ(delay_after(backoff, 1), 1s);
  EXPECT_EQ(delay_after(backoff, 4), 8s);
  EXPECT_EQ(delay_after(backoff, 5), 10s);
  EXPECT_EQ(delay_after(backoff, 100'000), 10s);
  Delay delay;
  const Monotonic start(1h);
  delay.count_failure(backoff, start, 0s, start);
  delay.count_failure(backoff, start + 1s, 0s, start + 1s);
  EXPECT_EQ(delay.failures, 2);
  EXPECT_TRUE(delay.blocks(start + 2900ms));
  delay.count_failure(backoff, start + 3s, 10s, start + 13s);
  EXPECT_EQ(delay.failures, 1) << "it ran longer than the longest delay";
  EXPECT_FALSE(delay.blocks(start + 13s));
}

TEST(Restart, AKilledInstanceIsReplacedWithoutDelay) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  const InstanceId id = world.instance("/web").id;
  ASSERT_TRUE(world.carry_out(world.manager().kill(id, {}, false, world.now())));
  EXPECT_EQ(world.ready("/web"), 1);
  EXPECT_EQ(world.cluster.started.size(), 2u);
  ASSERT_TRUE(world.carry_out(world.manager().kill(id, {}, true, world.now())));
  EXPECT_EQ(std::get<Service>(world.view("/web").spec->kind).instances, 0);
  EXPECT_TRUE(world.cluster.live().empty());
}

// ---- Health --------------------------------------------------------------------------------------

TEST(Health, AnInstanceIsReadyFromTheFirstPassOfItsCheck) {
  World world;
  world.cluster.passes = false;
  AppSpec spec = service("/web", 1);
  settings_of(spec).task.check = tcp_check();
  const auto accepted = world.put({spec});
  EXPECT_FALSE(world.instance("/web").ready);
  EXPECT_EQ(world.instance("/web").cause->code, "not-ready");
  world.pass(5s);
  world.cluster.say(world.cluster.live()[0], TaskState::kRunning, cluster::Health::kReady);
  world.settle();
  EXPECT_TRUE(world.instance("/web").ready);
  EXPECT_EQ(*world.instance("/web").ready_since, world.now().wall);
  EXPECT_EQ(world.deployment(*accepted->deployment).verdict, Verdict::kSucceeded);
  // A status that says nothing of health takes nothing back.
  world.cluster.say(world.cluster.live()[0], TaskState::kRunning);
  world.settle();
  EXPECT_TRUE(world.instance("/web").ready);
}

TEST(Health, AnUnhealthyInstanceIsKilledByUsAndReplaced) {
  World world;
  AppSpec spec = service("/web", 1);
  settings_of(spec).task.check = tcp_check();
  ASSERT_TRUE(world.put({spec}));
  world.pass(5s);
  const auto first = world.cluster.live()[0];
  world.cluster.say(first, TaskState::kRunning, cluster::Health::kUnhealthy);
  world.settle();
  EXPECT_FALSE(world.cluster.tasks.at(first).live);
  EXPECT_EQ(world.ready("/web"), 1);
  EXPECT_TRUE(std::ranges::any_of(
      world.events, [](const AppEvent& e) { return e.type == "unhealthy_instance_kill_event"; }));
}

TEST(Health, LateAndRepeatedStatusesChangeNothingAndAreAcknowledged) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  const auto id = world.cluster.live()[0];
  const auto records = world.records();
  const int acknowledged = world.cluster.acknowledged;
  cluster::TaskStatus again = world.cluster.tasks.at(id).last;
  world.cluster.events.push_back(again);
  again.state = TaskState::kStarting;
  again.id = cluster::StatusId("late");
  world.cluster.events.push_back(again);
  world.settle();
  EXPECT_EQ(world.records(), records);
  EXPECT_EQ(world.cluster.acknowledged, acknowledged + 2);
  EXPECT_TRUE(world.instance("/web").ready);
}

TEST(Health, AStrangersTaskIsStopped) {
  World world;
  world.settle();
  auto commit = world.manager().on_cluster(
      cluster::TaskStatus{
          .id = cluster::StatusId("x"), .task = cluster::TaskId("stranger"), .state = TaskState::kRunning},
      world.now());
  ASSERT_EQ(commit.calls.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<cluster::AcknowledgeStatus>(commit.calls[0]));
  EXPECT_EQ(std::get<cluster::StopTask>(commit.calls[1]).task.str(), "stranger");
}

// ---- Agents that do not answer -------------------------------------------------------------------

TEST(Unreachable, AnInstanceIsReplacedAfterItsDeadlineAndStoppedWhenItReturns) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  const auto first = world.cluster.live()[0];
  world.cluster.say(first, TaskState::kUnreachable);
  world.settle();
  ASSERT_TRUE(world.instance("/web").cause);
  EXPECT_EQ(world.instance("/web").cause->code, "agent-unreachable");
  EXPECT_EQ(*world.instance("/web").cause->deadline, world.now().wall + 5min);
  world.pass(4min);
  EXPECT_EQ(world.cluster.started.size(), 1u);
  world.pass(1min);
  EXPECT_EQ(world.cluster.started.size(), 2u);
  EXPECT_EQ(world.ready("/web"), 1);
  EXPECT_EQ(world.view("/web").instances.size(), 2u);
  world.cluster.say(first, TaskState::kRunning);
  world.settle();
  EXPECT_FALSE(world.cluster.tasks.at(first).live);
  EXPECT_EQ(world.view("/web").instances.size(), 1u);
}

TEST(Unreachable, ATaskThatReturnsInTimeGoesOn) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  world.cluster.say(world.cluster.live()[0], TaskState::kUnreachable);
  world.pass(4min);
  world.cluster.say(world.cluster.live()[0], TaskState::kRunning);
  world.pass(10min);
  EXPECT_EQ(world.cluster.started.size(), 1u);
  EXPECT_EQ(world.ready("/web"), 1);
}

TEST(Unreachable, AnAgentGoneForGoodIsNoFailureOfTheApp) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  world.cluster.say(world.cluster.live()[0], TaskState::kGone);
  world.settle();
  EXPECT_EQ(world.ready("/web"), 1);
  EXPECT_FALSE(world.view("/web").last_failure);
}

// ---- Waiting -------------------------------------------------------------------------------------

TEST(Waiting, EveryInstanceThatWaitsSaysWhy) {
  World world;
  world.cluster.refusal = cluster::Waiting{
      {}, "no-memory", "No agent has 2GiB free.", {{cluster::AgentId("agent-1"), "no-memory", "has 1GiB"}}};
  ASSERT_TRUE(world.put({service("/web", 2)}));
  for (const InstanceView& each : world.view("/web").instances) {
    ASSERT_TRUE(each.cause);
    EXPECT_EQ(each.cause->code, "no-memory");
    EXPECT_EQ(each.cause->sentence, "No agent has 2GiB free.");
    EXPECT_FALSE(each.cause->remedy.empty());
  }
  world.cluster.refusal.reset();
  world.cluster.grant_all();
  world.settle();
  for (const InstanceView& each : world.view("/web").instances) EXPECT_FALSE(each.cause);
}

TEST(Waiting, WhileTheClusterIsAwayNothingIsClaimedAndTheCauseIsNamed) {
  World world;
  world.settle();
  world.cluster.events.push_back(cluster::Disconnected{"The Docker Engine does not answer."});
  const cluster::Event event = world.cluster.events.front();
  world.cluster.events.clear();
  world.apply(world.manager().on_cluster(event, world.now()));
  auto decision = world.manager().put({service("/web", 1)}, {}, false, false, world.now());
  world.apply(std::move(decision->commit));
  EXPECT_TRUE(world.cluster.gangs.empty());
  EXPECT_EQ(world.instance("/web").cause->sentence, "The Docker Engine does not answer.");
  world.settle();
  EXPECT_EQ(world.ready("/web"), 1);
}

TEST(Waiting, WhileTheClusterIsAwayNobodyKnowsWhetherWhatRanStillRuns) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1)}));
  world.settle();
  world.apply(world.manager().on_cluster(cluster::Disconnected{"The engine does not answer."}, world.now()));
  EXPECT_EQ(world.instance("/web").cause->code, "cluster-disconnected");
  EXPECT_THAT(world.instance("/web").cause->sentence, ::testing::HasSubstr("is not known: The engine does not"));
  EXPECT_TRUE(world.instance("/web").ready);
  for (const cluster::Agent& agent : world.manager().agents()) {
    EXPECT_FALSE(agent.up);
    EXPECT_EQ(agent.cause, "The engine does not answer.");
  }
  world.settle();
  EXPECT_FALSE(world.instance("/web").cause);
}

TEST(Events, AStatusIsToldInMarathonsForm) {
  World world;
  AppSpec spec = service("/web", 1);
  spec.ports = {{.name = "http"}};
  ASSERT_TRUE(world.put({spec}));
  std::vector<std::string> types;
  std::string running;
  for (const AppEvent& event : world.events) {
    types.push_back(event.type);
    if (event.json.find("TASK_RUNNING") != std::string::npos) running = event.json;
  }
  EXPECT_THAT(types, ::testing::IsSupersetOf({"api_post_event", "deployment_info", "status_update_event",
                                              "instance_changed_event", "deployment_success"}));
  EXPECT_THAT(running, ::testing::HasSubstr(R"("appId":"/web","host":"127.1.0.1")"));
  EXPECT_THAT(running, ::testing::HasSubstr(R"("ports":[40000])"));
}

}  // namespace
}  // namespace headrace::process
