// That the simulated world notices what it is there to notice.
#include "sim/world.h"

#include <gmock/gmock.h>

#include "sim/workload.h"

namespace headrace::sim {
namespace {

using namespace cluster;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Life life(std::string task, std::string claim, std::string slot = "") {
  return {.task = TaskId(std::move(task)),
          .claim = ClaimId(std::move(claim)),
          .agent = AgentId("agent-1"),
          .slot = std::move(slot),
          .resources = {.cpus = 1, .memory = Bytes::gib(1), .disk = {}},
          .ports = {}};
}
const Resources kTotal{.cpus = 2, .memory = Bytes::gib(8), .disk = {}};

TEST(Ledger, NoticesTwoLivesOfOneSlot) {
  Counts counts;
  Ledger ledger(counts);
  ledger.started(life("t1", "c1", "/db#0"), kTotal);
  EXPECT_THAT([&] { ledger.started(life("t2", "c2", "/db#0"), kTotal); },
              ThrowsMessage<Violation>(HasSubstr("two lives of /db#0")));
  ledger.ended(TaskId("t1"));
  EXPECT_NO_THROW(ledger.started(life("t3", "c1", "/db#0"), kTotal));
}

TEST(Ledger, NoticesATaskThatIsStartedTwice) {
  Counts counts;
  Ledger ledger(counts);
  ledger.started(life("t1", "c1"), kTotal);
  ledger.ended(TaskId("t1"));
  EXPECT_THROW(ledger.started(life("t1", "c1"), kTotal), Violation);
}

TEST(Ledger, NoticesPortsUsedTwiceAndMachinesThatAreOverfull) {
  Counts counts;
  Ledger ledger(counts);
  Life first = life("t1", "c1");
  first.ports = {20001};
  Life second = life("t2", "c2");
  second.ports = {20001};
  ledger.started(first, kTotal);
  EXPECT_THAT([&] { ledger.started(second, kTotal); }, ThrowsMessage<Violation>(HasSubstr("port 20001")));
  ledger.started(life("t3", "c3"), kTotal);
  EXPECT_THAT([&] { ledger.started(life("t4", "c4"), kTotal); },
              ThrowsMessage<Violation>(HasSubstr("more than it has")));
}

TEST(Ledger, NoticesVolumesLeftBehind) {
  Counts counts;
  Ledger ledger(counts);
  ledger.wrote(ClaimId("c1"), AgentId("agent-1"));
  EXPECT_THROW(ledger.wrote(ClaimId("c1"), AgentId("agent-2")), Violation);
}

TEST(SimStore, AFullDiskChangesNothing) {
  Counts counts;
  SimStore store(counts);
  store.set_failing(true);
  EXPECT_FALSE(store.apply({{"t", "k", "v"}}).has_value());
  EXPECT_FALSE(store.get("t", "k")->has_value());
  store.set_failing(false);
  EXPECT_TRUE(store.apply({{"t", "k", "v"}}).has_value());
  EXPECT_EQ(**store.get("t", "k"), "v");
}

TEST(EventQueue, RunsWhatIsDueInOrderAndStopsAtTheLimit) {
  EventQueue queue;
  const Monotonic begin = queue.time();
  std::string order;
  queue.after(2s, [&] { order += "c"; });
  queue.after(1s, [&] { order += "a"; });
  queue.after(1s, [&] { order += "b"; });
  queue.after(9s, [&] { order += "late"; });
  while (queue.step(begin + 5s)) {
  }
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(queue.time(), begin + 5s);
}

TEST(World, TheSameSeedIsTheSameRun) {
  const auto run = [](std::uint64_t seed) {
    World world({.seed = seed, .source = {.agents = 3}, .faults = {.lose = 0.1, .server_crash = 20s}});
    Workload users(world);
    world.server().boot();
    users.act_for(1min);
    world.suffer(2min);
    const Counts& counts = world.counts();
    return std::tuple(counts.messages, counts.starts, counts.lost, counts.crashes, counts.commits,
                      counts.effects);
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

TEST(World, AServiceRunsThroughAnUpgradeWithoutFaults) {
  World world({.seed = 3, .source = {.agents = 3}});
  Workload users(world);
  world.server().boot();
  process::AppSpec web = users.service("/web");
  auto& kind = std::get<process::Service>(web.kind);
  kind.instances = 3;
  kind.settings.task.env.erase("SIM_END");
  ASSERT_TRUE(world.put({web}));
  world.settle(2min);
  EXPECT_EQ(world.ledger().living().size(), 3u);
  kind.settings.task.env["SIM_VERSION"] = "second";
  ASSERT_TRUE(world.put({web}));
  world.settle(5min);
  for (const auto& [id, each] : world.ledger().living()) EXPECT_EQ(each.version, "second");
  world.remove_everything();
}

}  // namespace
}  // namespace headrace::sim
