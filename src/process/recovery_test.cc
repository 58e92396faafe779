// A server that dies after any commit: every scenario is run again and again with one crash more to the
// right, once before and once after the commit's calls were handed over. And: what is stored is what comes
// back.
#include <gmock/gmock.h>

#include <chrono>

#include "base/log.h"
#include "process/codec.h"
#include "process/fake_cluster.h"
#include "process/spec_codec.h"

namespace headrace::process {
namespace {

using namespace testing;

struct Scenario {
  const char* name;
  void (*play)(World&);
};

void PrintTo(const Scenario& scenario, std::ostream* out) {
  *out << scenario.name;
}

void launch_service(World& world) {
  ASSERT_TRUE(world.put({service("/web", 3)}));
  world.pass(1s);
  EXPECT_EQ(world.ready("/web"), 3);
  EXPECT_EQ(world.cluster.live().size(), 3u);
  ASSERT_EQ(world.manager().deployments().size(), 1u);
  EXPECT_EQ(world.manager().deployments()[0].verdict, DeploymentView::Verdict::kSucceeded);
}

void replace_and_scale_service(World& world) {
  ASSERT_TRUE(world.put({service("/web", 2)}));
  ASSERT_TRUE(world.put({service("/web", 3, "web:2")}, {}, true));
  ASSERT_TRUE(world.put({service("/web", 1, "web:2")}, {}, true));
  world.pass(1s);
  EXPECT_EQ(world.ready("/web"), 1);
  ASSERT_EQ(world.cluster.live().size(), 1u);
  EXPECT_EQ(world.cluster.tasks.at(world.cluster.live()[0]).task.spec.image, "web:2");
}

void service_that_dies(World& world) {
  ASSERT_TRUE(world.put({service("/web", 1)}));
  world.pass(10s);
  for (const auto& id : world.cluster.live()) world.cluster.end(id, 1);
  world.pass(10s);
  EXPECT_EQ(world.ready("/web"), 1);
  EXPECT_EQ(world.cluster.started.size(), 2u);
}

void remove_service(World& world) {
  ASSERT_TRUE(world.put({service("/web", 2)}));
  ASSERT_TRUE(world.remove("/web"));
  world.pass(1s);
  EXPECT_TRUE(world.views.empty());
  EXPECT_TRUE(world.cluster.live().empty());
  for (const auto& [key, value] : world.records()) {
    EXPECT_TRUE(key.first == "process.meta" || key.first == "process.deployments") << key.first;
  }
}

void life_of_slots(World& world) {
  const std::string broker = "/env/demo/kafka/broker";
  ASSERT_TRUE(world.put({slots(broker, 2)}, kDemo));
  ASSERT_TRUE(world.put({slots(broker, 2, "v1")}, kDemo));
  ASSERT_TRUE(world.put({slots(broker, 3, "v2")}, kDemo));
  world.pass(10s);
  EXPECT_EQ(world.ready(broker), 3);
  for (const auto& id : world.cluster.live()) world.cluster.end(id, 1);
  world.pass(10s);
  EXPECT_EQ(world.ready(broker), 3);
  EXPECT_EQ(world.cluster.live().size(), 3u);
  AppSpec larger = slots(broker, 2, "v3");
  larger.resources.cpus = 3;
  ASSERT_TRUE(world.put({larger}, kDemo));
  world.pass(10s);
  EXPECT_EQ(world.cluster.live().size(), 2u);
  EXPECT_EQ(world.ready(broker), 2);
  ASSERT_TRUE(world.remove(broker, cluster::Volumes::kDestroy, kDemo));
  world.pass(1s);
  EXPECT_TRUE(world.views.empty());
  EXPECT_EQ(world.cluster.destroyed.size(), 3u);
  EXPECT_EQ(world.records().size(), 1u);
  std::map<std::string, int> last_epoch;  // by slot: raised at every start
  for (const cluster::Task& task : world.cluster.started) {
    int& last = last_epoch[task.spec.env.at("HEADRACE_SLOT")];
    const int epoch = std::stoi(task.spec.env.at("HEADRACE_EPOCH"));
    EXPECT_GT(epoch, last);
    last = epoch;
  }
}

void slots_stopped_before_they_ran(World& world) {
  const std::string node = "/env/demo/db/node";
  world.cluster.runs = false;
  ASSERT_TRUE(world.put({slots(node, 2, "v1")}, kDemo));
  ASSERT_TRUE(world.put({slots(node, 2)}, kDemo));
  world.pass(1min);
  EXPECT_TRUE(world.cluster.live().empty());
  for (const InstanceView& each : world.view(node).instances)
    EXPECT_FALSE(each.cause) << each.cause->sentence;
  world.cluster.runs = true;
  ASSERT_TRUE(world.put({slots(node, 2, "v2")}, kDemo));
  world.pass(1min);
  EXPECT_EQ(world.ready(node), 2);
}

void slots_that_wait_for_ports(World& world) {
  world.cluster.taken_ports = {20000, 20001, 20002};
  AppSpec spec = slots("/env/demo/db/node", 2, "v1");
  spec.ports = {{.name = "cql", .kind = PortKind::kFixed}, {.name = "jmx", .kind = PortKind::kPerSlot}};
  ASSERT_TRUE(world.put({spec}, kDemo));
  world.pass(1s);
  EXPECT_EQ(world.ready("/env/demo/db/node"), 2);
  EXPECT_TRUE(world.cluster.pending.empty());
  EXPECT_EQ(world.cluster.claims.size(), 2u);
}

void run_once_to_its_outcome(World& world) {
  ASSERT_TRUE(world.put({run_once("/job", 1min)}));
  world.pass(1s);
  ASSERT_EQ(world.cluster.live().size(), 1u);
  world.cluster.end(world.cluster.live()[0], 0, "{}", "done");
  world.pass(1s);
  ASSERT_TRUE(world.view("/job").outcome);
  EXPECT_EQ(world.view("/job").outcome->log_tail, "done");
  EXPECT_EQ(world.cluster.started.size(), 1u) << "its task ran once";
}

void kill_one(World& world) {
  ASSERT_TRUE(world.put({service("/web", 2)}));
  ASSERT_TRUE(world.carry_out(world.manager().kill(world.instance("/web").id, {}, false, world.now())));
  world.pass(5s);
  EXPECT_EQ(world.ready("/web"), 2);
  EXPECT_EQ(world.cluster.started.size(), 3u);
}

class CrashAtEveryCommit : public ::testing::TestWithParam<Scenario> {};

TEST_P(CrashAtEveryCommit, EndsAsWithoutACrashAndLivesNoSlotTwice) {
  World calm;
  GetParam().play(calm);
  ASSERT_FALSE(HasFailure());
  ASSERT_GT(calm.commits, 3);
  for (const bool calls_survive : {false, true}) {
    // The number of the first commit is on_start's.
    for (int crash_at = 1; crash_at <= calm.commits; ++crash_at) {
      SCOPED_TRACE(
          fmt::format("crash at commit {}, calls {}", crash_at, calls_survive ? "survive" : "are lost"));
      World world;
      world.crash_at = crash_at;
      world.calls_survive = calls_survive;
      GetParam().play(world);
      ASSERT_FALSE(HasFailure());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, CrashAtEveryCommit,
    ::testing::Values(Scenario{"LaunchService", launch_service},
                      Scenario{"ReplaceAndScaleService", replace_and_scale_service},
                      Scenario{"ServiceThatDies", service_that_dies},
                      Scenario{"RemoveService", remove_service}, Scenario{"LifeOfSlots", life_of_slots},
                      Scenario{"SlotsThatWaitForPorts", slots_that_wait_for_ports},
                      Scenario{"SlotsStoppedBeforeTheyRan", slots_stopped_before_they_ran},
                      Scenario{"RunOnceToItsOutcome", run_once_to_its_outcome},
                      Scenario{"KillOne", kill_one}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Recovery, UpgradingTheServerRestartsNoTask) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 3), slots("/env-less/db", 2, "v1")}));
  const auto before = world.views;
  for (int i = 0; i < 3; ++i) {
    world.restart();
    world.pass(1min);
  }
  EXPECT_EQ(world.cluster.started.size(), 5u);
  EXPECT_EQ(world.views, before);
}

TEST(Recovery, UntilReadyNothingIsClaimedThenTheSameIdsAreAskedForAgain) {
  World world;
  world.cluster.grants = false;
  ASSERT_TRUE(world.put({service("/web", 1), slots("/db", 2)}));
  const auto gangs = world.cluster.pending;
  world.restart();
  EXPECT_FALSE(world.cluster.ready);
  world.settle();
  EXPECT_EQ(world.cluster.pending, gangs);
  ASSERT_EQ(world.cluster.gangs.size(), 4u) << "each asked twice, equal";
}

TEST(Recovery, ATaskThatIsNotAnsweredForIsUnreachableAndNeverTakenForLost) {
  World world;
  ASSERT_TRUE(world.put({service("/web", 1), slots("/db", 1, "v1")}));
  world.cluster.answers_tasks = false;
  world.restart();
  world.settle();
  EXPECT_EQ(world.instance("/web").state, TaskState::kUnreachable);
  EXPECT_EQ(world.instance("/db").state, TaskState::kUnreachable);
  EXPECT_EQ(world.instance("/web").cause->code, "agent-unreachable");
  EXPECT_EQ(world.cluster.started.size(), 2u);
  world.pass(10min);
  EXPECT_EQ(world.cluster.started.size(), 3u) << "the service is replaced, the slot is not";
}

TEST(Recovery, ADelayGoesOnWhereItWas) {
  World world;
  world.cluster.fails_at_once.insert("/web");
  AppSpec spec = service("/web", 1);
  spec.backoff = {.initial = 60s, .factor = 2, .maximum = 600s};
  ASSERT_TRUE(world.put({spec}));
  world.restart();
  world.pass(59s);
  EXPECT_EQ(world.cluster.started.size(), 1u);
  world.pass(1s);
  EXPECT_EQ(world.cluster.started.size(), 2u);
}

TEST(Recovery, ADeploymentsDeadlineOutlivesTheServer) {
  World world;
  world.cluster.grants = false;
  const auto accepted = world.put({service("/web", 1)});
  for (int i = 0; i < 7; ++i) {
    world.pass(95s);
    world.restart();
    world.settle();
  }
  EXPECT_EQ(world.deployment(*accepted->deployment).verdict, DeploymentView::Verdict::kFailed);
}

TEST(Recovery, ANewerFormatAndBrokenRecordsAreRefused) {
  const Now now{Monotonic(1h), Wall(1h)};
  const auto load = [&](Record record) {
    return ProcessManager::create({}, 1, std::span<const Record>(&record, 1), now);
  };
  const auto newer = load({"process.meta", "format", "\x08\x63"});
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, Code::kCorrupt);
  EXPECT_THAT(newer.error().message, ::testing::HasSubstr("format 99"));
  EXPECT_EQ(load({"process.apps", "/web", "garbage"}).error().code, Code::kCorrupt);
  EXPECT_EQ(load({"process.instances", "i", std::string("\x0a\x04/web", 6)}).error().code, Code::kCorrupt);
}

TEST(Codec, EveryFieldOfASpecComesBack) {
  cluster::TaskSpec task{.image = "sha256:abc",
                         .entrypoint = {"/bin/run"},
                         .args = {"a", "b"},
                         .env = {{"A", "1"}},
                         .user = "kafka",
                         .working_dir = "/w",
                         .network = cluster::Network::kBridge,
                         .check = cluster::Check{.kind = cluster::CheckKind::kHttp,
                                                 .command = {"c"},
                                                 .path = "/health",
                                                 .port = "http",
                                                 .interval = 3s,
                                                 .timeout = 2s,
                                                 .grace = 1s,
                                                 .failures = 7},
                         .secrets = {{.path = "/run/s", .secret = {.name = "token", .version = 3}}},
                         .tmpfs = {{"/tmp", "size=1m"}},
                         .read_only = true,
                         .grace = 33s,
                         .labels = {{"l", "v"}},
                         .host_mounts = {"/a:/b:ro"},
                         .privileged = true};
  AppSpec spec{.id = AppId("/a/b"),
               .resources = {.cpus = 0.25, .memory = Bytes::mib(5), .disk = Bytes::gib(1)},
               .ports = {{.name = "http",
                          .kind = PortKind::kFixed,
                          .number = 8080,
                          .container_port = 80,
                          .protocol = cluster::Protocol::kUdp,
                          .labels = {{"VIP_0", "x"}}}},
               .volumes = {{.name = "data", .path = "/d", .size = Bytes::gib(2)}},
               .constraints =
                   {{.field = "hostname", .op = cluster::Operator::kLike, .value = "a.*", .preferred = true}},
               .backoff = {.initial = 2s, .factor = 3, .maximum = 4min},
               .labels = {{"k", "v"}},
               .v2_definition = "{}"};
  const std::vector<Kind> kinds{
      Service{.instances = 3,
              .settings = {task},
              .upgrade = {.minimum_health_capacity = 0.5, .maximum_over_capacity = 0.25}},
      Ordinal{{{.slot = 0, .goal = SlotSpec::Goal::kRunning, .version = "v", .settings = Template{task}},
               {.slot = 1, .goal = SlotSpec::Goal::kStopped}}},
      RunOnce{.settings = {task}, .timeout = 9s}};
  for (const Kind& kind : kinds) {
    spec.kind = kind;
    const auto back = spec_from(spec_record(spec));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, spec);
  }
}

TEST(Codec, AnOutcomeWhoseLogIsNotUtf8ComesBack) {
  const Outcome outcome{.message = "caf\xe9", .result = "\"\xc3\"", .log_tail = "\xff\xfe caf\xe9\n"};
  const auto back = decode_outcome(encode_outcome(outcome));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(*back, outcome);
}

// ---- Scale ---------------------------------------------------------------------------------------

// A status of one instance of many must not cost as much as all of them. Figures are printed; the bound is
// wide enough for a sanitized build on a busy machine, and far below what a copy of all views per status
// costs.
TEST(Scale, FiveHundredInstancesFromRequestToAllRunning) {
  World world;
  world.settle();
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(world.put({service("/web", 500)}));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(world.ready("/web"), 500);
  RecordProperty("seconds", std::to_string(took.count()));
  fmt::print("500 instances: {:.3f} s, {} commits\n", took.count(), world.commits);
  EXPECT_LT(took.count(), 20);
}

TEST(Scale, ManyAppsAreLoadedAgainInLinearTime) {
  World world;
  constexpr int kApps = 1000;
  for (int i = 0; i < kApps; ++i) {
    ASSERT_TRUE(world.put({service(fmt::format("/app-{}", i), 2)}));
  }
  const auto start = std::chrono::steady_clock::now();
  world.restart();
  world.settle();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print("restart with {} tasks: {:.3f} s\n", 2 * kApps, took.count());
  EXPECT_EQ(world.cluster.started.size(), 2u * kApps);
  EXPECT_LT(took.count(), 20);
}

}  // namespace
}  // namespace headrace::process
