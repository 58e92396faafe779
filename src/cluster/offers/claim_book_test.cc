// The claim book by scenarios: what happens on the left, what follows as lines of text.
#include "cluster/offers/claim_book.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <map>

namespace headrace::cluster {
namespace {

using ::testing::HasSubstr;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

std::string text_of(const Event& event) {
  return std::visit(
      Overloaded{[](const Granted& each) {
                   std::string text = fmt::format("granted {}:", each.gang);
                   for (const Claim& claim : each.claims) {
                     text += fmt::format(" {}@{}", claim.id, *claim.agent);
                     for (const auto& [name, number] : claim.ports)
                       text += fmt::format(",{}={}", name, number);
                   }
                   return text;
                 },
                 [](const Waiting& each) { return fmt::format("waiting {}: {}", each.gang, each.code); },
                 [](const Changed& each) { return fmt::format("changed {}", each.claim.id); },
                 [](const Released& each) { return fmt::format("released {}", each.claim); },
                 [](const ClaimLost& each) { return fmt::format("lost {}", each.claim); },
                 [](const TaskStatus& each) {
                   const std::string_view health = each.health == Health::kReady ? " ready" : "";
                   return fmt::format("status {} {}{}{}", each.task, word_of(each.state), health,
                                      each.granted ? " granted" : "");
                 },
                 [](const AgentChanged& each) {
                   return fmt::format("agent {} {}", each.agent.id, each.agent.up ? "up" : "down");
                 },
                 [](const Disconnected&) { return std::string("disconnected"); },
                 [](const Ready&) { return std::string("ready"); }},
      event);
}

std::string text_of(const SourceCall& call) {
  return std::visit(
      Overloaded{
          [](const Launch& each) { return fmt::format("-> launch {} on {}", each.task.id, each.agent); },
          [](const Kill& each) { return fmt::format("-> kill {}", each.task); },
          [](const DestroyVolumes& each) {
            return fmt::format("-> destroy {}/{}", each.claim, fmt::join(each.names, ","));
          },
          [](const AcknowledgeSource& each) { return fmt::format("-> ack {} {}", each.task, each.status); },
          [](const ReconcileTasks& each) {
            std::string text = "-> reconcile";
            for (const auto& [task, agent] : each.tasks) text += " " + task.str();
            return text;
          },
          [](const Decline& each) { return fmt::format("-> decline {}", each.offer); }},
      call);
}

class Book : public ::testing::Test {
 protected:
  // One line per event and call, in order, separated by "; ".
  std::string apply(BookCommit commit) {
    for (Write& write : commit.writes) {
      if (write.value) {
        records[{write.table, write.key}] = *write.value;
      } else {
        records.erase({write.table, write.key});
      }
    }
    std::vector<std::string> lines;
    for (const Event& event : commit.events) {
      lines.push_back(text_of(event));
      if (const auto* waiting = std::get_if<Waiting>(&event)) last_waiting = *waiting;
      if (const auto* status = std::get_if<TaskStatus>(&event)) last_status = *status;
      if (const auto* granted = std::get_if<Granted>(&event)) last_granted = *granted;
    }
    for (const SourceCall& call : commit.calls) {
      lines.push_back(text_of(call));
      if (const auto* asked = std::get_if<ReconcileTasks>(&call)) round = asked->round;
      if (const auto* launched = std::get_if<Launch>(&call)) last_launch = *launched;
    }
    return fmt::format("{}", fmt::join(lines, "; "));
  }
  std::string call(const Call& each) { return apply(book->on_call(each, now)); }
  std::string source(const SourceEvent& event) { return apply(book->on_source(event, now)); }
  std::string pass(Duration time) {
    now.mono += time;
    now.wall += time;
    return apply(book->on_time(now));
  }

  void create(SourceTraits with = {.can_repeat_launch = true}) {
    traits = with;
    std::vector<Record> stored;
    for (const auto& [key, value] : records) stored.push_back({key.first, key.second, value});
    auto made = ClaimBook::create(traits, ++seed << 20, stored, now);
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    book = std::move(*made);
  }
  static Agent agent(int number, bool up = true) {
    const std::string name = fmt::format("a{}", number);
    return {.id = AgentId(name),
            .hostname = name,
            .address = "127.0.1." + std::to_string(number),
            .total = {.cpus = 4, .memory = Bytes::gib(8), .disk = Bytes::gib(100)},
            .up = up,
            .cause = up ? "" : "unplugged"};
  }
  std::string offer(int number) {
    return source(Offered{
        {OfferId(fmt::format("o{}", number)), agent(number), agent(number).total, {{20000, 20099}}, {}}});
  }
  // A server that runs with so many agents.
  void ready(int agents, SourceTraits with = {.can_repeat_launch = true}) {
    create(with);
    EXPECT_EQ(call(Reconcile{}), "");
    EXPECT_EQ(source(SourceConnected{}), "ready");
    for (int each = 1; each <= agents; ++each) EXPECT_EQ(offer(each), fmt::format("agent a{} up", each));
  }
  // Ends the server and starts it again up to its question to the source.
  std::string restart(int agents, Reconcile ask = {}) {
    create(traits);
    std::string lines = call(ask);
    std::vector<Agent> all;
    for (int each = 1; each <= agents; ++each) all.push_back(agent(each));
    source_connected = source(SourceConnected{all});
    for (int each = 1; each <= agents; ++each) offer(each);
    return source_connected;
  }
  std::string reconciled(std::vector<TaskId> unknown = {}) {
    return source(Reconciled{std::move(unknown), round});
  }

  static Want want(std::string id, double cpus = 1) {
    return {.id = ClaimId(std::move(id)),
            .group = "/app",
            .resources = {.cpus = cpus, .memory = Bytes::mib(64), .disk = {}}};
  }
  static Want slot(std::string id) {
    Want each = want(std::move(id));
    each.volumes = {{"data", "/data", Bytes::gib(1)}};
    return each;
  }
  static Want running(std::string id, std::string task) {
    Want each = want(std::move(id));
    each.hold = Hold::kWhileTaskRuns;
    each.task = Task{TaskId(std::move(task)), {.image = "image"}};
    return each;
  }
  std::string claim(std::string gang, std::vector<Want> wants) {
    return call(ClaimGang{{GangId(std::move(gang)), std::move(wants)}});
  }
  std::string start(std::string claim_id, std::string task) {
    return call(StartTask{ClaimId(std::move(claim_id)),
                          Task{TaskId(std::move(task)), {.image = "image", .args = {"x"}}}});
  }
  std::string stop(std::string task) { return call(StopTask{TaskId(std::move(task)), 5s}); }
  std::string status(std::string task, std::string id, TaskState state, Health health = Health::kUnknown) {
    return source(SourceStatus{{.id = StatusId(std::move(id)),
                                .task = TaskId(std::move(task)),
                                .agent = AgentId("a1"),
                                .state = state,
                                .health = health}});
  }
  std::string ack(std::string task, std::string id) {
    return call(AcknowledgeStatus{TaskId(std::move(task)), StatusId(std::move(id))});
  }
  std::string release(std::string id, Volumes volumes = Volumes::kKeep, Proof proof = Proof::kCluster) {
    return call(ReleaseClaim{ClaimId(std::move(id)), volumes, proof});
  }
  // A slot whose task runs.
  void run_slot(std::string id, std::string task) {
    claim("gang-" + id, {slot(id)});
    start(id, task);
    EXPECT_EQ(status(task, task + "-s1", TaskState::kRunning), fmt::format("status {} running", task));
    EXPECT_EQ(ack(task, task + "-s1"), fmt::format("-> ack {} {}-s1", task, task));
  }

  std::map<std::pair<std::string, std::string>, std::string> records;
  std::unique_ptr<ClaimBook> book;
  SourceTraits traits;
  Now now{Monotonic(1h), Wall(24h)};
  std::uint64_t seed = 1, round = 0;
  std::string source_connected;
  Waiting last_waiting;
  TaskStatus last_status;
  Granted last_granted;
  Launch last_launch;
};

// ---- Claims ----

TEST_F(Book, AGangIsGrantedAndItsClaimLaunchesATask) {
  ready(2);
  EXPECT_EQ(claim("g", {slot("c1"), slot("c2")}), "granted g: c1@a1 c2@a2");
  EXPECT_EQ(last_granted.claims[0].address, "127.0.1.1");
  EXPECT_EQ(start("c1", "t1"), "-> launch t1 on a1");
  EXPECT_EQ(last_launch.claim, last_granted.claims[0]);
  EXPECT_EQ(last_launch.task.spec.args, std::vector<std::string>{"x"});
  EXPECT_EQ(last_launch.volumes.size(), 1u);
  EXPECT_EQ(book->granted_on(AgentId("a1")).cpus, 1);
}

TEST_F(Book, TheSameCallTwiceIsAnsweredTwiceAndDoneOnce) {
  ready(1);
  EXPECT_EQ(claim("g", {slot("c1")}), "granted g: c1@a1");
  EXPECT_EQ(claim("g", {slot("c1")}), "granted g: c1@a1");
  EXPECT_EQ(book->granted_on(AgentId("a1")).cpus, 1);
  EXPECT_EQ(start("c1", "t1"), "-> launch t1 on a1");
  EXPECT_EQ(start("c1", "t1"), "");
}

TEST_F(Book, AGangWaitsWholeUntilThereIsRoomForAll) {
  ready(1);
  EXPECT_EQ(claim("g", {want("c1", 3), want("c2", 3)}), "waiting g: too-large");
  EXPECT_EQ(book->granted_on(AgentId("a1")).cpus, 0);
  EXPECT_EQ(offer(2), "agent a2 up; granted g: c1@a1 c2@a2");
}

TEST_F(Book, AReasonComesAtMostOnceASecondAndOnlyWhenItChanges) {
  ready(1);
  claim("big", {want("c1", 3)});
  EXPECT_EQ(claim("g", {want("c2", 3)}), "waiting g: no-cpus");
  EXPECT_EQ(claim("other", {want("c3", 0.5)}), "granted other: c3@a1");
  EXPECT_EQ(release("c3"), "released c3");
  EXPECT_EQ(claim("other", {want("c4", 0.5)}), "granted other: c4@a1");
  EXPECT_EQ(release("c4"), "released c4");
  EXPECT_EQ(pass(999ms), "");
  EXPECT_EQ(pass(1ms), "");  // the same reason: not said again
  claim("more", {want("c5", 0.5)});
  EXPECT_EQ(offer(1), "");  // another sentence (less is free), but too early
  EXPECT_EQ(pass(1s), "waiting g: no-cpus");
  EXPECT_THAT(last_waiting.sentence, HasSubstr("the most is 0.5 on a1"));
  EXPECT_EQ(release("c1"), "released c1; granted g: c2@a1");
}

TEST_F(Book, APendingGangCanBeWithdrawn) {
  ready(1);
  claim("big", {want("c1", 4)});
  claim("g", {want("c2", 1)});
  EXPECT_EQ(call(WithdrawGang{GangId("g")}), "");
  EXPECT_EQ(release("c1"), "released c1");
  EXPECT_EQ(records.size(), 0u);
}

TEST_F(Book, AWithdrawnGangThatWasGrantedMeanwhileIsGivenBack) {
  ready(1);
  claim("g", {running("c1", "t1")});
  EXPECT_THAT(call(WithdrawGang{GangId("g")}), HasSubstr("-> kill t1"));
  status("t1", "s1", TaskState::kKilled);
  EXPECT_EQ(ack("t1", "s1"), "-> ack t1 s1");
  EXPECT_EQ(records.size(), 0u);
}

TEST_F(Book, AFixedPortHeldByAnotherClaimIsTheReason) {
  ready(1);
  Want first = want("c1");
  first.ports = {{.name = "client", .number = 20005}};
  Want second = first;
  second.id = ClaimId("c2");
  EXPECT_EQ(claim("g1", {first}), "granted g1: c1@a1,client=20005");
  EXPECT_EQ(claim("g2", {second}), "waiting g2: port-taken");
  EXPECT_THAT(last_waiting.refusals[0].sentence, HasSubstr("20005"));
  EXPECT_EQ(release("c1"), "released c1; granted g2: c2@a1,client=20005");
}

TEST_F(Book, WaitingGangsAreServedInTheOrderOfTheirArrivalAlsoAfterARestart) {
  ready(0);
  for (const char* gang : {"z", "m", "a"}) claim(gang, {want(std::string("c") + gang, 3)});
  restart(0);
  pass(1s);
  EXPECT_EQ(offer(1), "agent a1 up; granted z: cz@a1; waiting m: no-cpus; waiting a: no-cpus");
}

TEST_F(Book, AChangedClaimKeepsItsPlaceAndItsNumbers) {
  ready(2);
  Want before = want("c1");
  before.ports = {{.name = "client"}};
  claim("g", {before});
  const std::uint16_t number = last_granted.claims[0].ports.at("client");
  Want after = before;
  after.resources.cpus = 3;
  after.ports.push_back({.name = "admin"});
  EXPECT_EQ(call(ChangeClaim{ClaimId("c1"), after}), "changed c1");
  EXPECT_EQ(book->granted_on(AgentId("a1")).cpus, 3);
  claim("g", {before});
  EXPECT_EQ(last_granted.claims[0].ports.at("client"), number);
  EXPECT_EQ(last_granted.claims[0].ports.size(), 2u);
}

TEST_F(Book, AChangeThatDoesNotFitWaitsAndIsRememberedOverARestart) {
  ready(1);
  claim("g", {want("c1", 1)});
  claim("big", {want("c2", 2)});
  EXPECT_EQ(call(ChangeClaim{ClaimId("c1"), want("c1", 3)}), "waiting g: no-cpus");
  EXPECT_EQ(restart(1), "agent a1 up; ready; waiting g: no-offer");
  EXPECT_EQ(release("c2"), "released c2; changed c1");
}

// ---- Tasks ----

TEST_F(Book, AStatusIsAcknowledgedToTheSourceOnlyAfterItWasAbove) {
  ready(1);
  claim("g", {slot("c1")});
  start("c1", "t1");
  EXPECT_EQ(status("t1", "s1", TaskState::kRunning), "status t1 running");
  EXPECT_EQ(status("t1", "s1", TaskState::kRunning), "");  // repeated: known, not acknowledged yet
  EXPECT_EQ(ack("t1", "s1"), "-> ack t1 s1");
  EXPECT_EQ(status("t1", "s1", TaskState::kRunning), "-> ack t1 s1");  // the acknowledgement was lost
  EXPECT_EQ(status("t1", "s2", TaskState::kRunning, Health::kReady), "status t1 running ready");
  EXPECT_EQ(status("t1", "s1", TaskState::kRunning), "-> ack t1 s1");  // late: changes nothing
}

TEST_F(Book, AClaimOutlivesItsTasks) {
  ready(1);
  run_slot("c1", "t1");
  EXPECT_EQ(status("t1", "s2", TaskState::kFailed), "status t1 failed");
  EXPECT_EQ(start("c1", "t2"), "status t2 failed");  // its predecessor's end is not acknowledged
  EXPECT_EQ(ack("t1", "s2"), "-> ack t1 s2");
  EXPECT_EQ(start("c1", "t2"), "-> launch t2 on a1");
}

TEST_F(Book, AClaimThatLivesWithItsTaskEndsWithIt) {
  ready(1);
  EXPECT_EQ(claim("g", {running("c1", "t1")}), "granted g: c1@a1; -> launch t1 on a1");
  EXPECT_EQ(status("t1", "s1", TaskState::kRunning), "status t1 running granted");
  EXPECT_EQ(ack("t1", "s1"), "-> ack t1 s1");
  EXPECT_EQ(status("t1", "s2", TaskState::kFinished), "status t1 finished granted");
  EXPECT_EQ(book->granted_on(AgentId("a1")).cpus, 1);
  EXPECT_EQ(ack("t1", "s2"), "-> ack t1 s2");
  EXPECT_EQ(book->granted_on(AgentId("a1")).cpus, 0);
  EXPECT_EQ(records.size(), 0u);
}

TEST_F(Book, AnUnansweredLaunchIsRepeatedAndAnUnansweredKillToo) {
  ready(1);
  claim("g", {slot("c1")});
  start("c1", "t1");
  EXPECT_EQ(pass(29s), "");
  EXPECT_EQ(pass(1s), "-> launch t1 on a1");
  EXPECT_EQ(status("t1", "s1", TaskState::kStarting), "status t1 starting");
  EXPECT_EQ(pass(60s), "");
  status("t1", "s2", TaskState::kRunning);
  EXPECT_EQ(stop("t1"), "-> kill t1");
  EXPECT_EQ(pass(14s), "");
  EXPECT_EQ(pass(1s), "-> kill t1; -> reconcile t1");
  EXPECT_EQ(reconciled({TaskId("t1")}), "status t1 gone");
}

TEST_F(Book, AStopBeforeTheLaunchArrivedEndsTheTask) {
  ready(1);
  claim("g", {slot("c1")});
  start("c1", "t1");
  EXPECT_EQ(stop("t1"), "-> kill t1; -> reconcile t1");
  EXPECT_EQ(reconciled({TaskId("t1")}), "status t1 killed");
  EXPECT_EQ(ack("t1", last_status.id.str()), "");  // nothing to tell the source
  EXPECT_EQ(start("c1", "t2"), "-> launch t2 on a1");
}

TEST_F(Book, StoppingWhatNeverWasIsAnsweredAtOnce) {
  ready(1);
  EXPECT_EQ(stop("nobody"), "status nobody killed");
}

TEST_F(Book, ATaskThatIsNotInTheBookIsKilledOnSight) {
  ready(1);
  EXPECT_EQ(status("stranger", "s1", TaskState::kRunning), "-> kill stranger; -> ack stranger s1");
  EXPECT_EQ(status("stranger", "s2", TaskState::kKilled), "-> ack stranger s2");
}

// ---- Agents ----

TEST_F(Book, TasksOfASilentAgentAreUnreachableUntilItAnswers) {
  ready(1);
  run_slot("c1", "t1");
  EXPECT_EQ(source(SourceAgent{agent(1, false)}), "agent a1 down; status t1 unreachable");
  EXPECT_EQ(source(SourceAgent{agent(1)}), "agent a1 up; -> reconcile t1");
  EXPECT_EQ(status("t1", "t1-s9", TaskState::kRunning), "status t1 running");
}

TEST_F(Book, ATaskThatAnswersAgainWithItsOldStatusIsReachableAgain) {
  ready(1);
  run_slot("c1", "t1");
  source(SourceAgent{agent(1, false)});
  source(SourceAgent{agent(1)});
  EXPECT_EQ(status("t1", "t1-s1", TaskState::kRunning), "status t1 running");
  EXPECT_EQ(ack("t1", "t1-s1"), "-> ack t1 t1-s1");
  EXPECT_EQ(pass(60s), "");
}

TEST_F(Book, AStartOnAnAgentThatIsDownWaitsWithTheCause) {
  ready(1);
  claim("g", {slot("c1")});
  source(SourceAgent{agent(1, false)});
  EXPECT_EQ(start("c1", "t1"), "waiting g: agent-down");
  EXPECT_THAT(last_waiting.sentence, HasSubstr("unplugged"));
  EXPECT_EQ(source(SourceAgent{agent(1)}), "agent a1 up; -> launch t1 on a1");
}

TEST_F(Book, AnAgentGoneForGoodTakesItsTasksAndClaims) {
  ready(2);
  run_slot("c1", "t1");
  claim("g2", {running("c2", "t2")});
  EXPECT_EQ(source(SourceAgentGone{AgentId("a1"), "burnt"}), "agent a1 down; status t1 gone; lost c1");
  EXPECT_EQ(source(SourceAgentGone{AgentId("a2"), "burnt"}), "agent a2 down; status t2 gone granted");
  // A crash before the end was acknowledged: it is said again.
  EXPECT_EQ(restart(0, Reconcile{.claims = {ClaimId("c1")}}),
            "status t1 gone; status t2 gone granted; lost c1; ready");
  EXPECT_EQ(ack("t1", "book/t1"), "");
  EXPECT_EQ(ack("t2", "book/t2"), "");
  EXPECT_EQ(release("c1"), "released c1");
  EXPECT_EQ(records.size(), 0u);
}

TEST_F(Book, ATaskThatAPersonGaveUpIsKilledWhenItsAgentReturns) {
  ready(1);
  run_slot("c1", "t1");
  source(SourceAgent{agent(1, false)});
  EXPECT_EQ(release("c1", Volumes::kKeep, Proof::kOperator), "released c1");
  source(SourceAgent{agent(1)});
  EXPECT_EQ(status("t1", "s9", TaskState::kRunning), "-> kill t1; -> ack t1 s9");
}

// ---- Release ----

TEST_F(Book, KeptVolumesWaitOnTheirAgentForTheSameClaim) {
  ready(2);
  run_slot("c1", "t1");
  status("t1", "s2", TaskState::kKilled);
  ack("t1", "s2");
  EXPECT_EQ(release("c1"), "released c1");
  EXPECT_EQ(book->granted_on(AgentId("a1")).cpus, 0);
  EXPECT_EQ(book->granted_on(AgentId("a1")).disk, Bytes::gib(1));
  restart(2);
  claim("load", {want("x", 3)});
  EXPECT_EQ(last_granted.claims[0].agent, AgentId("a1"));
  EXPECT_EQ(claim("again", {slot("c1")}), "granted again: c1@a1");
  EXPECT_EQ(book->granted_on(AgentId("a1")).disk, Bytes::gib(1));
}

TEST_F(Book, AClaimThatNeverRanLeavesNothingBehind) {
  ready(1);
  claim("g", {slot("c1")});
  EXPECT_EQ(release("c1"), "released c1");
  EXPECT_EQ(records.size(), 0u);
}

TEST_F(Book, DestroyedVolumesAreGoneBeforeTheClaimIsReleased) {
  ready(1);
  run_slot("c1", "t1");
  status("t1", "s2", TaskState::kKilled);
  ack("t1", "s2");
  EXPECT_EQ(release("c1", Volumes::kDestroy), "-> destroy c1/data");
  EXPECT_EQ(claim("again", {slot("c1")}), "waiting again: claim-held");
  EXPECT_EQ(pass(30s), "-> destroy c1/data");
  EXPECT_EQ(restart(1), "agent a1 up; ready; waiting again: claim-held; -> destroy c1/data");
  EXPECT_EQ(source(VolumesDestroyed{ClaimId("c1")}), "released c1; granted again: c1@a1");
}

TEST_F(Book, ParkedVolumesAreDestroyedByALaterRelease) {
  ready(1);
  run_slot("c1", "t1");
  status("t1", "s2", TaskState::kKilled);
  ack("t1", "s2");
  release("c1");
  EXPECT_EQ(release("c1", Volumes::kDestroy), "-> destroy c1/data");
  EXPECT_EQ(source(VolumesDestroyed{ClaimId("c1")}), "released c1");
  EXPECT_EQ(records.size(), 0u);
}

TEST_F(Book, VolumesOnAnAgentThatIsDownAreDestroyedWhenItReturns) {
  ready(1);
  run_slot("c1", "t1");
  source(SourceAgent{agent(1, false)});
  EXPECT_EQ(release("c1", Volumes::kDestroy, Proof::kOperator), "released c1");
  EXPECT_EQ(source(SourceAgent{agent(1)}), "agent a1 up; -> destroy c1/data");
}

TEST_F(Book, AReleaseWhileATaskRunsStopsItFirst) {
  ready(1);
  run_slot("c1", "t1");
  EXPECT_EQ(release("c1"), "-> kill t1");
  status("t1", "s2", TaskState::kKilled);
  EXPECT_EQ(ack("t1", "s2"), "released c1; -> ack t1 s2");
}

// ---- Restart ----

TEST_F(Book, NothingIsClaimedOrStartedBetweenReconcileAndReady) {
  ready(1);
  run_slot("c1", "t1");
  EXPECT_EQ(call(Reconcile{}), "-> reconcile t1");
  EXPECT_EQ(claim("g", {slot("c2")}), "");
  EXPECT_EQ(start("c2", "t2"), "status t2 failed");
  status("t1", "s2", TaskState::kRunning);
  EXPECT_EQ(reconciled(), "ready; granted g: c2@a1");
}

TEST_F(Book, ALaunchOwedIsSentAgainAndWhatRunsIsNotStarted) {
  ready(1);
  run_slot("c1", "t1");
  claim("g2", {slot("c2")});
  start("c2", "t2");
  EXPECT_EQ(restart(1, Reconcile{{TaskId("t1"), TaskId("t2")}, {ClaimId("c1")}}),
            "agent a1 up; -> reconcile t1 t2");
  EXPECT_EQ(status("t1", "t1-s1", TaskState::kRunning), "status t1 running");
  EXPECT_EQ(reconciled({TaskId("t2")}), "granted gang-c1: c1@a1; ready; -> launch t2 on a1");
  EXPECT_EQ(last_launch.task.spec.args, std::vector<std::string>{"x"});
}

TEST_F(Book, WhereALaunchCannotBeRepeatedUnknownMeansNeverStarted) {
  ready(1, {.can_repeat_launch = false});
  claim("g", {slot("c1")});
  EXPECT_EQ(start("c1", "t1"), "-> launch t1 on a1");
  EXPECT_EQ(restart(1), "agent a1 up; -> reconcile t1");
  EXPECT_EQ(reconciled({TaskId("t1")}), "status t1 failed; ready");
  EXPECT_THAT(last_status.message, HasSubstr("never started"));
}

TEST_F(Book, WhatRanAndIsUnknownNowIsGoneAndNotStartedAgain) {
  ready(1);
  run_slot("c1", "t1");
  restart(1);
  EXPECT_EQ(reconciled({TaskId("t1")}), "status t1 gone; ready");
}

TEST_F(Book, ATaskNobodyAnswersForIsUnreachableAndAskedForAgain) {
  ready(1);
  run_slot("c1", "t1");
  restart(1);
  EXPECT_EQ(reconciled(), "status t1 unreachable; ready");
  EXPECT_EQ(pass(15s), "-> reconcile t1");
  EXPECT_EQ(status("t1", "t1-s1", TaskState::kRunning), "status t1 running");
  EXPECT_EQ(pass(60s), "");
}

TEST_F(Book, AnUnansweredReconciliationIsRepeatedAndEndsAfterThreeTimes) {
  ready(1);
  run_slot("c1", "t1");
  restart(1);
  EXPECT_EQ(pass(10s), "-> reconcile t1");
  EXPECT_EQ(pass(10s), "-> reconcile t1");
  EXPECT_EQ(pass(10s), "status t1 unreachable; ready");
}

TEST_F(Book, AnAnswerToAnEarlierQuestionDoesNotCount) {
  ready(1);
  run_slot("c1", "t1");
  restart(1);
  const std::uint64_t first = round;
  pass(10s);
  EXPECT_EQ(source(Reconciled{{}, first}), "");
  status("t1", "t1-s1", TaskState::kRunning);
  EXPECT_EQ(reconciled(), "ready");
}

TEST_F(Book, AnAnswerToAnEarlierProcessDoesNotCount) {
  ready(1);
  run_slot("c1", "t1");
  call(Reconcile{});
  const std::uint64_t former = round;
  restart(1);
  EXPECT_EQ(source(Reconciled{{TaskId("t1")}, former}), "");
}

TEST_F(Book, AStatusThatWasNotAcknowledgedComesUpAgainAfterARestart) {
  ready(1);
  run_slot("c1", "t1");
  EXPECT_EQ(status("t1", "s2", TaskState::kFailed), "status t1 failed");
  restart(1);
  EXPECT_EQ(status("t1", "s2", TaskState::kFailed), "status t1 failed");
  EXPECT_EQ(reconciled(), "ready");
  EXPECT_EQ(ack("t1", "s2"), "-> ack t1 s2");
}

TEST_F(Book, ALostConnectionIsSaidAndReconciledWhenItReturns) {
  ready(1);
  run_slot("c1", "t1");
  EXPECT_EQ(source(SourceDisconnected{"engine away"}), "disconnected");
  EXPECT_EQ(claim("g", {slot("c2")}), "");
  EXPECT_EQ(source(SourceConnected{{agent(1)}}), "agent a1 up; -> reconcile t1");
  EXPECT_EQ(status("t1", "t1-s1", TaskState::kRunning), "status t1 running");
  EXPECT_EQ(reconciled(), "ready; granted g: c2@a1");
}

TEST_F(Book, AnAgentThatDoesNotComeBackIsShownDown) {
  ready(2);
  run_slot("c1", "t1");
  EXPECT_EQ(restart(0), "agent a1 down; -> reconcile t1");
  EXPECT_EQ(reconciled(), "status t1 unreachable; ready");
}

TEST_F(Book, ADamagedRecordRefusesToStart) {
  const std::vector<Record> damaged{{"claims", "c1", "\xff\xff"}};
  const auto made = ClaimBook::create({}, 1, damaged, now);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Code::kCorrupt);
}

TEST_F(Book, ThousandsOfDifferentWaitingGangsAreTriedInBoundedSteps) {
  ready(0);
  for (int each = 0; each < 1200; ++each) {
    Want one = want(fmt::format("c{}", each), 0.001);
    one.group = fmt::format("/app{}", each);
    one.resources.memory = Bytes::kib(1);
    claim(fmt::format("g{}", each), {one});
  }
  offer(1);
  EXPECT_LT(book->granted_on(AgentId("a1")).cpus, 1.2);
  for (int turn = 0; turn < 3; ++turn) pass(1ms);
  EXPECT_NEAR(book->granted_on(AgentId("a1")).cpus, 1.2, 1e-9);
}

}  // namespace
}  // namespace headrace::cluster
