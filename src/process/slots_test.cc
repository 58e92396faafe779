// Slots: gangs, goals, versions, epochs, never two lives; fixed ports; run-once apps; requests that are
// refused.
#include <gmock/gmock.h>

#include "process/fake_cluster.h"
#include "process/ports.h"

namespace headrace::process {
namespace {

using namespace testing;
using ::testing::HasSubstr;

const std::string kBroker = "/env/demo/kafka/broker";
const std::string kController = "/env/demo/kafka/controller";

SlotSpec& slot(AppSpec& spec, int index) {
  return std::get<Ordinal>(spec.kind).slots.at(static_cast<std::size_t>(index));
}

TEST(Slots, AllNewSlotsOfOneCallAreOneGangThatRunsNothingYet) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 3), slots(kController, 1)}, kDemo));
  ASSERT_EQ(world.cluster.gangs.size(), 1u);
  EXPECT_EQ(world.cluster.gangs[0].wants.size(), 4u);
  EXPECT_TRUE(world.cluster.started.empty());
  for (const InstanceView& each : world.view(kBroker).instances) {
    EXPECT_EQ(each.claim->address, "127.1.0.1");
    EXPECT_FALSE(each.cause);
    EXPECT_EQ(each.goal, Goal::kStopped);
  }
}

TEST(Slots, AStartRaisesTheEpochDurablyAndTellsTheTask) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1)}, kDemo));
  auto decision = world.manager().put({slots(kBroker, 1, "v1")}, kDemo, false, false, world.now());
  ASSERT_TRUE(decision);
  ASSERT_EQ(decision->commit.calls.size(), 1u);
  const auto& start = std::get<cluster::StartTask>(decision->commit.calls[0]);
  EXPECT_EQ(start.task.spec.env.at("HEADRACE_EPOCH"), "1");
  EXPECT_EQ(start.task.spec.env.at("HEADRACE_SLOT"), "0");
  EXPECT_EQ(start.task.spec.env.at("MESOS_TASK_ID"), start.task.id.str());
  EXPECT_TRUE(std::ranges::any_of(decision->commit.writes, [](const Write& write) {
    return write.table == "process.instances";
  })) << "the epoch is written in the commit that starts";
  world.apply(std::move(decision->commit));
  world.settle();
  world.pass(5s);
  world.cluster.end(world.cluster.live()[0], 1);
  world.settle();
  EXPECT_EQ(world.instance(kBroker).epoch, 2);
  EXPECT_EQ(world.cluster.started.back().spec.env.at("HEADRACE_EPOCH"), "2");
  EXPECT_EQ(world.instance(kBroker).restarts, 1);
}

TEST(Slots, ANewVersionRestartsOnlyItsSlotAndOnlyAfterTheOldHasEnded) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 2, "v1")}, kDemo));
  ASSERT_EQ(world.cluster.started.size(), 2u);
  world.cluster.stops = false;
  AppSpec spec = slots(kBroker, 2, "v1");
  slot(spec, 1) = slot(*std::make_unique<AppSpec>(slots(kBroker, 2, "v2")), 1);
  ASSERT_TRUE(world.put({spec}, kDemo));
  EXPECT_EQ(world.cluster.started.size(), 2u);
  EXPECT_EQ(world.instance(kBroker, 1).cause->code, "stopping");
  EXPECT_TRUE(world.instance(kBroker, 0).ready);
  world.cluster.say(world.instance(kBroker, 1).task, TaskState::kKilled);
  world.settle();
  EXPECT_EQ(world.cluster.started.back().spec.image, "kafka:v2");
  EXPECT_EQ(world.instance(kBroker, 1).version, "v2");
  EXPECT_EQ(world.instance(kBroker, 0).version, "v1");
  EXPECT_EQ(world.instance(kBroker, 1).restarts, 0) << "not a restart of what died";
}

TEST(Slots, AnInstanceThatDiesMidwayIsRestartedInItsSlotsVersion) {
  World world;
  AppSpec spec = slots(kBroker, 2, "v1");
  slot(spec, 0).version = "v2";
  slot(spec, 0).settings->task.image = "kafka:v2";
  ASSERT_TRUE(world.put({spec}, kDemo));
  world.pass(5s);
  for (const auto& id : world.cluster.live()) world.cluster.end(id, 1);
  world.settle();
  ASSERT_EQ(world.cluster.started.size(), 4u);
  EXPECT_EQ(world.instance(kBroker, 0).version, "v2");
  EXPECT_EQ(world.instance(kBroker, 1).version, "v1");
}

TEST(Slots, AStoppedSlotKeepsItsClaim) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  AppSpec spec = slots(kBroker, 1);
  slot(spec, 0).goal = SlotSpec::Goal::kStopped;
  ASSERT_TRUE(world.put({spec}, kDemo));
  EXPECT_TRUE(world.cluster.live().empty());
  EXPECT_EQ(world.cluster.claims.size(), 1u);
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  EXPECT_EQ(world.cluster.live().size(), 1u);
  EXPECT_EQ(world.cluster.gangs.size(), 1u);
}

TEST(Slots, ScalingDownRemovesTheHighestAndScalingUpFindsItsVolumesAgain) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 2, "v1")}, kDemo));
  const cluster::ClaimId claim = world.instance(kBroker, 1).claim->id;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  EXPECT_EQ(world.view(kBroker).instances.size(), 1u);
  EXPECT_TRUE(world.cluster.parked.contains(claim));
  ASSERT_TRUE(world.put({slots(kBroker, 2, "v1")}, kDemo));
  EXPECT_EQ(world.instance(kBroker, 1).claim->id, claim);
  EXPECT_EQ(world.instance(kBroker, 1).epoch, 2) << "the volume has seen epoch 1";
}

TEST(Slots, RemovingWithVolumesDestroysParkedOnesToo) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 2, "v1")}, kDemo));
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  ASSERT_TRUE(world.remove(kBroker, cluster::Volumes::kDestroy, kDemo));
  EXPECT_TRUE(world.views.empty());
  EXPECT_EQ(world.cluster.destroyed.size(), 2u);
  EXPECT_TRUE(world.cluster.parked.empty());
  EXPECT_EQ(world.records().size(), 1u) << "only the format is left";
}

TEST(Slots, RemovingWithKeepLeavesTheVolumes) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 2, "v1")}, kDemo));
  ASSERT_TRUE(world.remove(kBroker, cluster::Volumes::kKeep, kDemo));
  EXPECT_TRUE(world.views.empty());
  EXPECT_EQ(world.cluster.parked.size(), 2u);
}

TEST(Slots, APendingGangIsWithdrawnWhenAMemberGoesAndTheOthersAskAnew) {
  World world;
  world.cluster.grants = false;
  ASSERT_TRUE(world.put({slots(kBroker, 2), slots(kController, 1)}, kDemo));
  ASSERT_TRUE(world.remove(kController, cluster::Volumes::kDestroy, kDemo));
  EXPECT_FALSE(world.views.contains(AppId(kController)));
  ASSERT_EQ(world.cluster.pending.size(), 1u);
  EXPECT_EQ(world.cluster.pending.begin()->second.wants.size(), 2u);
  EXPECT_NE(world.cluster.gangs[0].id, world.cluster.gangs[1].id);
  world.cluster.grant_all();
  world.settle();
  EXPECT_TRUE(world.instance(kBroker).claim);
}

TEST(Slots, AGrantThatCrossesItsWithdrawalIsGivenBack) {
  World world;
  world.settle();
  auto commit = world.manager().on_cluster(
      cluster::Granted{cluster::GangId("slots-old"), {{.id = cluster::ClaimId("old")}}}, world.now());
  ASSERT_EQ(commit.calls.size(), 1u);
  EXPECT_EQ(std::get<cluster::ReleaseClaim>(commit.calls[0]).claim.str(), "old");
}

TEST(Slots, ASlotWhoseClaimIsLostWaitsWithItsCauseAndStartsNowhereElse) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  world.cluster.say(world.cluster.live()[0], TaskState::kGone);
  world.cluster.lose(world.instance(kBroker).claim->id);
  world.pass(1h);
  EXPECT_EQ(world.instance(kBroker).cause->code, "claim-lost");
  EXPECT_THAT(world.instance(kBroker).cause->sentence, HasSubstr("gone for good"));
  EXPECT_FALSE(world.instance(kBroker).cause->remedy.empty());
  EXPECT_EQ(world.cluster.gangs.size(), 1u);
  ASSERT_TRUE(world.put({slots(kBroker, 0)}, kDemo));
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  EXPECT_EQ(world.ready(kBroker), 1) << "a person removed the slot and added it again";
}

TEST(Slots, VolumesThatAreBeingKeptWhenTheirAppIsRemovedAreDestroyedWithIt) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  const cluster::ClaimId claim = world.instance(kBroker).claim->id;
  world.cluster.withholds = true;
  ASSERT_TRUE(world.put({slots(kBroker, 0)}, kDemo));
  world.settle();
  ASSERT_TRUE(world.remove(kBroker, cluster::Volumes::kDestroy, kDemo));
  world.cluster.withholds = false;
  world.cluster.events.push_back(world.cluster.withheld.front());
  world.settle();
  EXPECT_TRUE(world.cluster.destroyed.contains(claim));
  EXPECT_FALSE(world.manager().app(AppId(kBroker)));
}

TEST(Slots, AClaimThatIsLostIsReleasedWithItsSlotSoThatNothingIsLeftOfIt) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  const cluster::ClaimId claim = world.instance(kBroker).claim->id;
  world.cluster.say(world.cluster.live()[0], TaskState::kGone);
  world.cluster.lose(claim);
  world.settle();
  ASSERT_TRUE(world.put({slots(kBroker, 0)}, kDemo));
  EXPECT_TRUE(world.cluster.destroyed.contains(claim));
}

TEST(Slots, AnUnreachableSlotIsNeverStartedElsewhere) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  world.cluster.say(world.cluster.live()[0], TaskState::kUnreachable);
  world.pass(24h);
  EXPECT_EQ(world.cluster.started.size(), 1u);
  EXPECT_EQ(world.instance(kBroker).cause->code, "agent-unreachable");
  EXPECT_FALSE(world.instance(kBroker).cause->deadline);
  EXPECT_THAT(world.instance(kBroker).cause->remedy, HasSubstr("replace the member"));
  world.cluster.say(world.cluster.live()[0], TaskState::kRunning);
  world.settle();
  EXPECT_TRUE(world.instance(kBroker).ready);
  EXPECT_EQ(world.cluster.started.size(), 1u);
}

TEST(Slots, OtherResourcesChangeTheClaimBeforeTheNextStart) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  AppSpec spec = slots(kBroker, 1, "v1");
  spec.resources.cpus = 2;
  ASSERT_TRUE(world.put({spec}, kDemo));
  EXPECT_EQ(world.cluster.changes, 0) << "the version did not change: nothing restarts";
  spec = slots(kBroker, 1, "v2");
  spec.resources.cpus = 2;
  ASSERT_TRUE(world.put({spec}, kDemo));
  EXPECT_EQ(world.cluster.changes, 1);
  EXPECT_EQ(world.ready(kBroker), 1);
  EXPECT_EQ(world.cluster.gangs.size(), 1u);
}

TEST(Slots, ReAddingASlotThatIsStillLeavingWaitsForIt) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  world.cluster.stops = false;
  ASSERT_TRUE(world.put({slots(kBroker, 0)}, kDemo));
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1")}, kDemo));
  EXPECT_EQ(world.cluster.started.size(), 1u);
  EXPECT_EQ(world.view(kBroker).instances.size(), 2u);
  EXPECT_EQ(world.instance(kBroker, 1).cause->code, "predecessor-lives");
  world.cluster.say(world.cluster.live()[0], TaskState::kKilled);
  world.settle();
  EXPECT_EQ(world.ready(kBroker), 1);
  EXPECT_EQ(world.instance(kBroker).epoch, 2);
}

// ---- Fixed ports ---------------------------------------------------------------------------------

AppSpec with_ports(AppSpec spec) {
  spec.ports = {{.name = "client", .kind = PortKind::kFixed}};
  if (std::holds_alternative<Ordinal>(spec.kind))
    spec.ports.push_back({.name = "jmx", .kind = PortKind::kPerSlot});
  return spec;
}

TEST(Ports, FixedNumbersAreUniqueAmongAppsAndKnownAtOnce) {
  World world;
  world.cluster.grants = false;
  ASSERT_TRUE(world.put({with_ports(slots(kBroker, 2)), with_ports(slots(kController, 1))}, kDemo));
  const auto broker = world.view(kBroker).fixed_ports.at("client");
  const auto controller = world.view(kController).fixed_ports.at("client");
  EXPECT_NE(broker, controller);
  EXPECT_GE(broker, 20000);
  EXPECT_LE(broker, 31999);
  world.cluster.grant_all();
  world.settle();
  EXPECT_EQ(world.instance(kBroker, 0).claim->ports.at("client"), broker);
  EXPECT_EQ(world.instance(kBroker, 1).claim->ports.at("client"), broker);
  EXPECT_NE(world.instance(kBroker, 0).claim->ports.at("jmx"),
            world.instance(kBroker, 1).claim->ports.at("jmx"));
}

TEST(Ports, ATakenNumberIsReplacedUntilTheFirstGrant) {
  World world;
  for (std::uint16_t port = 20000; port < 20005; ++port) world.cluster.taken_ports.insert(port);
  ASSERT_TRUE(world.put({with_ports(slots(kBroker, 1, "v1"))}, kDemo));
  EXPECT_EQ(world.ready(kBroker), 1);
  const auto number = world.view(kBroker).fixed_ports.at("client");
  EXPECT_GE(number, 20005);
  EXPECT_TRUE(world.cluster.pending.empty());
  world.restart();
  world.settle();
  EXPECT_EQ(world.view(kBroker).fixed_ports.at("client"), number);
}

TEST(Ports, AServicesNumberIsReplacedForAllItsInstances) {
  World world;
  world.cluster.taken_ports = {20000, 20001};
  ASSERT_TRUE(world.put({with_ports(service("/web", 3))}));
  EXPECT_EQ(world.ready("/web"), 3);
  for (const InstanceView& each : world.view("/web").instances) {
    EXPECT_EQ(each.claim->ports.at("client"), world.view("/web").fixed_ports.at("client"));
  }
}

TEST(Ports, ANumberThatAUserChoseIsNotReplaced) {
  World world;
  world.cluster.taken_ports = {8080};
  AppSpec spec = service("/web", 1);
  spec.ports = {{.name = "http", .kind = PortKind::kFixed, .number = 8080}};
  ASSERT_TRUE(world.put({spec}));
  EXPECT_EQ(world.instance("/web").cause->code, "port-taken");
  EXPECT_EQ(world.view("/web").fixed_ports.at("http"), 8080);
}

TEST(Ports, AnEndIsPutToTryingOtherNumbers) {
  World world;
  for (int port = 20000; port < 32000; ++port)
    world.cluster.taken_ports.insert(static_cast<std::uint16_t>(port));
  ASSERT_TRUE(world.put({with_ports(slots(kBroker, 1))}, kDemo));
  EXPECT_EQ(world.instance(kBroker).cause->code, "port-taken");
  EXPECT_LE(world.cluster.gangs.size(), 101u);
}

TEST(Ports, ARangeThatIsUsedUpRefusesTheWholeCall) {
  World world(Options{.first_port = 20000, .last_port = 20001});
  AppSpec two = service("/two", 1), one = service("/one", 1);
  two.ports = {{.name = "a", .kind = PortKind::kFixed}, {.name = "b", .kind = PortKind::kFixed}};
  one.ports = {{.name = "a", .kind = PortKind::kFixed}};
  const auto refused = world.put({one, two});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);
  EXPECT_TRUE(world.views.empty());
  ASSERT_TRUE(world.put({two}));
  ASSERT_TRUE(world.remove("/two"));
  EXPECT_TRUE(world.put({one})) << "numbers come back";
}

TEST(Ports, ANumberGivenBackIsTheLastToBeGivenOutAgain) {
  PortBook ports(10, 12);
  EXPECT_EQ(ports.take_free(), 10);
  ports.give_back(10);
  EXPECT_EQ(ports.take_free(), 11);
  ports.use(12);
  EXPECT_EQ(ports.take_free(), 10);
  EXPECT_EQ(ports.take_free(), std::nullopt);
  EXPECT_EQ(ports.free_count(), 0u);
}

// ---- Run once ------------------------------------------------------------------------------------

TEST(RunOnce, TheOutcomeIsStoredBeforeItsStatusIsAcknowledged) {
  World world;
  ASSERT_TRUE(world.put({run_once("/job")}));
  world.cluster.end(world.cluster.live()[0], 0, R"({"topics":3})", "created\n");
  const cluster::Event event = world.cluster.events.front();
  world.cluster.events.clear();
  Commit commit = world.manager().on_cluster(event, world.now());
  EXPECT_TRUE(
      std::ranges::any_of(commit.writes, [](const Write& w) { return w.table == "process.outcomes"; }));
  ASSERT_EQ(commit.calls.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<cluster::AcknowledgeStatus>(commit.calls[0]));
  world.apply(std::move(commit));
  world.restart();
  world.pass(1h);
  const Outcome& outcome = *world.view("/job").outcome;
  EXPECT_TRUE(outcome.succeeded);
  EXPECT_EQ(outcome.result, R"({"topics":3})");
  EXPECT_EQ(outcome.log_tail, "created\n");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(world.cluster.started.size(), 1u) << "never restarted";
  ASSERT_TRUE(world.remove("/job"));
  EXPECT_EQ(world.records().size(), 1u);
}

TEST(RunOnce, AFailureIsItsOutcome) {
  World world;
  ASSERT_TRUE(world.put({run_once("/job")}));
  world.cluster.end(world.cluster.live()[0], 3, "", "boom\n");
  world.pass(1h);
  EXPECT_FALSE(world.view("/job").outcome->succeeded);
  EXPECT_EQ(world.view("/job").outcome->exit_code, 3);
  EXPECT_EQ(world.view("/job").outcome->log_tail, "boom\n");
  EXPECT_EQ(world.cluster.started.size(), 1u);
}

TEST(RunOnce, ItsTimeLimitKillsIt) {
  World world;
  ASSERT_TRUE(world.put({run_once("/job", 30s)}));
  world.pass(29s);
  EXPECT_EQ(world.cluster.live().size(), 1u);
  world.pass(1s);
  EXPECT_TRUE(world.cluster.live().empty());
  EXPECT_FALSE(world.view("/job").outcome->succeeded);
  EXPECT_THAT(world.view("/job").outcome->message, HasSubstr("time limit"));
}

TEST(RunOnce, ARestartOfTheServerDoesNotBeginItsTimeLimitAnew) {
  World world;
  ASSERT_TRUE(world.put({run_once("/job", 10min)}));
  for (int i = 0; i < 12; ++i) {
    world.pass(50s);
    world.restart();
  }
  world.pass(5min);
  EXPECT_TRUE(world.view("/job").outcome.has_value());
}

TEST(RunOnce, ATaskThatIsLostSightOfHasAnUnknownOutcome) {
  World world;
  ASSERT_TRUE(world.put({run_once("/gone"), run_once("/silent")}));
  world.cluster.say(world.cluster.live("/gone")[0], TaskState::kGone);
  world.cluster.say(world.cluster.live("/silent")[0], TaskState::kUnreachable);
  world.pass(6min);
  EXPECT_TRUE(world.view("/gone").outcome->unknown);
  EXPECT_TRUE(world.view("/silent").outcome->unknown);
  world.cluster.say(world.cluster.live("/silent")[0], TaskState::kRunning);
  world.settle();
  EXPECT_TRUE(world.cluster.live().empty()) << "stopped when it returns";
}

TEST(RunOnce, KillingItBeforeItIsPlacedEndsIt) {
  World world;
  world.cluster.grants = false;
  ASSERT_TRUE(world.put({run_once("/job")}));
  ASSERT_TRUE(world.carry_out(world.manager().kill(world.instance("/job").id, {}, false, world.now())));
  EXPECT_FALSE(world.view("/job").outcome->succeeded);
  EXPECT_TRUE(world.cluster.pending.empty());
}

// ---- Refusals ------------------------------------------------------------------------------------

TEST(Refusal, AppsOfEnvironmentsBelongToThemAlone) {
  World world;
  ASSERT_TRUE(world.put({slots(kBroker, 1, "v1"), service("/env/demo/web/web", 1)}, kDemo));
  const Owner other{.environment = "other"};
  for (const Owner& owner : {Owner{}, other}) {
    const auto put = world.put({service("/env/demo/web/web", 2)}, owner, true);
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, Code::kConflict);
    EXPECT_FALSE(world.remove(kBroker, cluster::Volumes::kKeep, owner));
    auto& manager = world.manager();
    EXPECT_FALSE(manager.restart(AppId("/env/demo/web/web"), owner, true, world.now()));
    EXPECT_FALSE(manager.kill(world.instance(kBroker).id, owner, false, world.now()));
    EXPECT_FALSE(manager.reset_delay(AppId(kBroker), owner, world.now()));
    EXPECT_FALSE(manager.scale(AppId("/env/demo/web/web"), 2, owner, true, world.now()));
  }
  EXPECT_THAT(world.put({service("/env/demo/new", 1)}).error().message, HasSubstr("environment \"demo\""));
  EXPECT_FALSE(world.put({service("/mine", 1)}, kDemo));
}

TEST(Refusal, EveryErrorOfEverySpecIsNamed) {
  World world;
  AppSpec bad = service("/Bad_Id", -1);
  bad.backoff.factor = 0.5;
  bad.ports = {{.name = "a"}, {.name = "a"}, {.name = "b", .number = 80}};
  AppSpec worse = slots("/worse", 2);
  slot(worse, 1).slot = 4;
  slot(worse, 0).goal = SlotSpec::Goal::kRunning;
  worse.volumes.push_back({.name = "data", .path = "relative"});
  const auto refused = world.put({bad, worse});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  for (const char* each : {"/Bad_Id: id", "instances", "backoffFactor", "Port names must be unique",
                           "ports.b", "/worse: slots(1).slot", "slots(0).settings", "slots(0).version",
                           "Volume names", "volumes.data: path"}) {
    EXPECT_THAT(refused.error().message, HasSubstr(each));
  }
}

TEST(Refusal, KindsOfLaterReleasesAreNamed) {
  World world;
  const auto daemon = world.put({AppSpec{.id = AppId("/a"), .kind = Daemon{}}});
  EXPECT_EQ(daemon.error().code, Code::kUnsupported);
  EXPECT_THAT(daemon.error().message, HasSubstr("daemon"));
  const auto pod = world.put({AppSpec{.id = AppId("/a"), .kind = Pod{}}});
  EXPECT_EQ(pod.error().code, Code::kUnsupported);
  EXPECT_THAT(pod.error().message, HasSubstr("pod"));
}

TEST(Refusal, ChangesThatAnAppCannotTakeAreRefused) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1), run_once("/job"), slots("/db", 1)}));
  EXPECT_EQ(world.put({slots("/web", 1)}).error().code, Code::kConflict);
  EXPECT_EQ(world.put({run_once("/job", 5s)}).error().code, Code::kConflict);
  EXPECT_TRUE(world.put({run_once("/job")})) << "the same is no change";
  AppSpec spec = slots("/db", 1);
  spec.volumes[0].size = Bytes::gib(2);
  EXPECT_EQ(world.put({spec}).error().code, Code::kUnsupported);
  const auto again = world.manager().put({service("/web", 1)}, {}, true, false, world.now());
  EXPECT_EQ(again.error().message, "An app with id [/web] already exists.");
  EXPECT_EQ(world.manager().scale(AppId("/db"), 2, {}, false, world.now()).error().code, Code::kUnsupported);
  EXPECT_EQ(world.manager().kill(InstanceId("none"), {}, false, world.now()).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace headrace::process
