#include "cluster/offers/matcher.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/random.h"

namespace headrace::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Offer offer(int number, double cpus = 4, Bytes memory = Bytes::gib(8),
            std::map<std::string, std::string> attributes = {}) {
  const std::string name = fmt::format("agent-{}", number);
  const Resources total{.cpus = cpus, .memory = memory, .disk = Bytes::gib(100)};
  return {.id = OfferId("offer-" + name),
          .agent = {.id = AgentId(name),
                    .hostname = name,
                    .address = fmt::format("127.0.1.{}", number),
                    .attributes = std::move(attributes),
                    .total = total},
          .free = total,
          .ports = {{20000, 20009}}};
}

Want want(std::string id, double cpus = 1, Bytes memory = Bytes::gib(1)) {
  return {.id = ClaimId(std::move(id)),
          .group = "/app",
          .resources = {.cpus = cpus, .memory = memory, .disk = {}}};
}

class Matcher : public ::testing::Test {
 protected:
  void agents(int number) {
    for (int each = 1; each <= number; ++each) table.offer(offer(each));
  }
  // "agent-1 agent-2", or "-" where the gang finds no place.
  std::string place(std::vector<Want> wants, const Pins& pins = {}) {
    const auto placements = place_gang(table, {GangId("gang"), std::move(wants)}, pins);
    if (!placements) return "-";
    std::string text;
    for (const Placement& each : *placements)
      text += (text.empty() ? "" : " ") + table.agent(each.agent).id.str();
    last = *placements;
    return text;
  }
  std::string place(const Want& one) { return place(std::vector{one}); }
  std::string place_with(Constraint constraint) {
    Want one = want("c");
    one.constraints = {std::move(constraint)};
    return place(one);
  }
  Waiting explain(std::vector<Want> wants, const Pins& pins = {}) {
    return explain_gang(table, {GangId("gang"), std::move(wants)}, pins);
  }

  AgentTable table{SourceTraits{}};
  std::vector<Placement> last;
};

TEST_F(Matcher, SpreadsEqualInstancesAndThenTakesTheEmptiestAgent) {
  agents(3);
  EXPECT_EQ(place({want("a"), want("b"), want("c")}), "agent-1 agent-2 agent-3");
  Want other = want("d");
  other.group = "/other";
  table.offer(offer(4));
  EXPECT_EQ(place(other), "agent-4");
}

TEST_F(Matcher, APlacementTakesResourcesAndTakingItAwayGivesThemBack) {
  agents(1);
  EXPECT_EQ(place(want("a", 3)), "agent-1");
  EXPECT_EQ(place(want("b", 2)), "-");
  table.take_away(0, share_of(want("a", 3), {}));
  EXPECT_EQ(place(want("b", 2)), "agent-1");
}

TEST_F(Matcher, TenthsOfACpuAddUpExactly) {
  table.offer(offer(1, /*cpus=*/1));
  for (int each = 0; each < 10; ++each) EXPECT_EQ(place(want("t", 0.1, Bytes::mib(64))), "agent-1");
  EXPECT_EQ(place(want("t", 0.1, Bytes::mib(64))), "-");
}

TEST_F(Matcher, VolumesCountAsDisk) {
  agents(1);
  Want big = want("a");
  big.volumes = {{"data", "/data", Bytes::gib(60)}};
  EXPECT_EQ(place(big), "agent-1");
  EXPECT_EQ(place(big), "-");
  EXPECT_EQ(explain({big}).code, "no-disk");
}

TEST_F(Matcher, AnAgentThatIsDownOrOffersNothingTakesNothing) {
  agents(2);
  Agent down = offer(1).agent;
  down.up = false;
  down.cause = "unplugged";
  table.update(down);
  table.rescind(OfferId("offer-agent-2"));
  EXPECT_EQ(place(want("a")), "-");
  const Waiting waiting = explain({want("a")});
  ASSERT_EQ(waiting.refusals.size(), 2u);
  EXPECT_EQ(waiting.refusals[0].code, "agent-down");
  EXPECT_THAT(waiting.refusals[0].sentence, HasSubstr("unplugged"));
  EXPECT_EQ(waiting.refusals[1].code, "no-offer");
}

// ---- Ports ----

TEST_F(Matcher, AFixedNumberIsGivenOncePerAgent) {
  agents(2);
  Want fixed = want("a");
  fixed.ports = {{.name = "client", .number = 20003}};
  EXPECT_EQ(place(fixed), "agent-1");
  EXPECT_EQ(last[0].ports.at("client"), 20003);
  EXPECT_EQ(place(fixed), "agent-2");
  EXPECT_EQ(place(fixed), "-");
  const Waiting waiting = explain({fixed});
  EXPECT_EQ(waiting.code, "port-taken");
  EXPECT_THAT(waiting.refusals[0].sentence, HasSubstr("20003"));
}

TEST_F(Matcher, ANumberThatOthersUseOnTheAgentIsRefused) {
  Offer one = offer(1);
  one.taken_ports = {20003};
  table.offer(one);
  Want fixed = want("a");
  fixed.ports = {{.name = "client", .number = 20003}};
  EXPECT_EQ(place(fixed), "-");
  EXPECT_EQ(explain({fixed}).code, "port-taken");
  fixed.ports[0].number = 19999;
  EXPECT_EQ(explain({fixed}).code, "no-port");
}

TEST_F(Matcher, DynamicNumbersAreDistinctUntilTheAgentHasNoneLeft) {
  Offer one = offer(1, /*cpus=*/100, Bytes::gib(100));
  one.taken_ports = {20001, 80, 443};
  table.offer(one);
  Want dynamic = want("a", 0.1);
  dynamic.ports = {{.name = "x"}, {.name = "y"}, {.name = "z"}};
  std::set<std::uint16_t> given;
  for (int each = 0; each < 3; ++each) {
    dynamic.id = ClaimId(fmt::format("c{}", each));
    ASSERT_EQ(place(dynamic), "agent-1");
    for (const auto& [name, number] : last[0].ports) EXPECT_TRUE(given.insert(number).second) << number;
  }
  EXPECT_FALSE(given.contains(20001));
  EXPECT_EQ(place(dynamic), "-");
  EXPECT_EQ(explain({dynamic}).code, "no-port");
}

TEST_F(Matcher, OneClaimMayHaveANumberForBothProtocols) {
  agents(1);
  Want dns = want("a");
  dns.ports = {{.name = "tcp", .number = 20005},
               {.name = "udp", .number = 20005, .protocol = Protocol::kUdp}};
  EXPECT_EQ(place(dns), "agent-1");
  table.take_away(0, share_of(dns, last[0].ports));
  EXPECT_EQ(place(dns), "agent-1");
}

// ---- Constraints ----

class Constraints : public Matcher {
 protected:
  void SetUp() override {
    table.offer(offer(1, 4, Bytes::gib(8), {{"rack", "a"}, {"zone", "z-1"}}));
    table.offer(offer(2, 4, Bytes::gib(8), {{"rack", "a"}}));
    table.offer(offer(3, 4, Bytes::gib(8), {{"rack", "b"}}));
    table.offer(offer(4));
  }
};

TEST_F(Constraints, UniqueHostnameAllowsOnePerAgent) {
  const Constraint unique{"hostname", Operator::kUnique, ""};
  std::set<std::string> used;
  for (int each = 0; each < 4; ++each) used.insert(place_with(unique));
  EXPECT_THAT(used, UnorderedElementsAre("agent-1", "agent-2", "agent-3", "agent-4"));
  EXPECT_EQ(place_with(unique), "-");
}

TEST_F(Constraints, UniqueCountsTheAttributesValueWithinTheGroupOnly) {
  const Constraint unique{"rack", Operator::kUnique, ""};
  EXPECT_EQ(place_with(unique), "agent-1");
  EXPECT_EQ(place_with(unique), "agent-3");
  EXPECT_EQ(place_with(unique), "-");  // agent-4 has no rack
  Want other = want("d");
  other.group = "/other";
  other.constraints = {unique};
  EXPECT_NE(place(other), "-");
}

TEST_F(Constraints, LikeAndUnlikeMatchTheWholeValue) {
  EXPECT_EQ(place_with({"zone", Operator::kLike, "z-\\d"}), "agent-1");
  EXPECT_EQ(place_with({"zone", Operator::kLike, "z"}), "-");
  EXPECT_EQ(place_with({"rack", Operator::kUnlike, "a|b"}), "agent-4");  // without the attribute: not like it
}

TEST_F(Constraints, IsComparesTheValue) {
  EXPECT_EQ(place_with({"rack", Operator::kIs, "b"}), "agent-3");
  EXPECT_EQ(place_with({"rack", Operator::kIs, "c"}), "-");
  EXPECT_EQ(place_with({"@agent", Operator::kIs, "agent-2"}), "agent-2");
}

TEST_F(Constraints, ClusterStaysWithTheFirstValue) {
  const Constraint cluster{"rack", Operator::kCluster, ""};
  EXPECT_EQ(place_with(cluster), "agent-1");
  EXPECT_EQ(place_with(cluster), "agent-2");
  EXPECT_EQ(place_with(cluster), "agent-1");
  EXPECT_EQ(place_with({"rack", Operator::kCluster, "b"}), "agent-3");
}

TEST_F(Constraints, MaxPerBoundsTheInstancesPerValue) {
  const Constraint two{"rack", Operator::kMaxPer, "2"};
  for (int each = 0; each < 4; ++each) EXPECT_NE(place_with(two), "-");
  EXPECT_EQ(place_with(two), "-");
}

TEST_F(Constraints, GroupByKeepsTheValuesEven) {
  const Constraint even{"rack", Operator::kGroupBy, "2"};
  std::map<std::string, int> per_rack;
  for (int each = 0; each < 6; ++each) {
    const std::string agent = place_with(even);
    ASSERT_NE(agent, "-");
    ++per_rack[agent == "agent-3" ? "b" : "a"];
  }
  EXPECT_EQ(per_rack["a"], 3);
  EXPECT_EQ(per_rack["b"], 3);
}

TEST_F(Constraints, PreferredOnesOrderAgentsButForbidNone) {
  Constraint preferred{"rack", Operator::kIs, "b", true};
  for (int each = 0; each < 4; ++each) EXPECT_EQ(place_with(preferred), "agent-3");
  EXPECT_NE(place_with(preferred), "-");  // agent-3 is full

  table.offer(offer(5, 4, Bytes::gib(8), {{"rack", "b"}}));
  Want spread = want("s");
  spread.group = "/spread";
  spread.constraints = {{"rack", Operator::kUnique, "", true}};
  const std::string first = place(spread);
  const std::string second = place(spread);
  EXPECT_NE(first == "agent-5", second == "agent-5") << first << " " << second;
}

TEST_F(Constraints, AChangedAttributeMovesTheCounts) {
  const Constraint unique{"rack", Operator::kUnique, ""};
  EXPECT_EQ(place_with(unique), "agent-1");
  table.update(offer(1, 4, Bytes::gib(8), {{"rack", "c"}}).agent);
  EXPECT_EQ(place_with(unique), "agent-2");  // rack a is free again
  EXPECT_EQ(place_with(unique), "agent-3");
  EXPECT_EQ(place_with(unique), "-");
}

TEST_F(Constraints, ARefusalNamesTheConstraint) {
  Want one = want("c");
  one.constraints = {{"rack", Operator::kLike, "x.*"}};
  const Waiting waiting = explain({one});
  EXPECT_EQ(waiting.code, "constraint");
  EXPECT_EQ(waiting.refusals[0].sentence, "rack is \"a\", LIKE x.* wanted");
  EXPECT_EQ(waiting.refusals[3].sentence, "has no rack, LIKE x.* wanted");
}

TEST_F(Constraints, AnUnreadablePatternIsSaid) {
  EXPECT_EQ(place_with({"rack", Operator::kLike, "("}), "-");
  EXPECT_EQ(place_with({"rack", Operator::kUnlike, "("}), "-");
  Want one = want("c");
  one.constraints = {{"rack", Operator::kMaxPer, "many"}};
  EXPECT_THAT(explain({one}).refusals[0].sentence, HasSubstr("many"));
}

// ---- Gangs ----

TEST_F(Matcher, AGangIsPlacedWholeOrNotAtAll) {
  agents(2);
  EXPECT_EQ(place({want("a", 2.5), want("b", 2.5), want("c", 2.5)}), "-");
  EXPECT_EQ(table.granted(0), Demand{});
  EXPECT_EQ(table.granted(1), Demand{});
  const Waiting waiting = explain({want("a", 2.5), want("b", 2.5), want("c", 2.5)});
  EXPECT_THAT(waiting.sentence, HasSubstr("2 of 3"));
  EXPECT_EQ(table.granted(0), Demand{});
}

TEST_F(Matcher, TheMostConstrainedWantChoosesFirst) {
  agents(1);
  table.offer(offer(2, 4, Bytes::gib(8), {{"ssd", "yes"}}));
  Want picky = want("picky", 4);
  picky.constraints = {{"ssd", Operator::kIs, "yes"}};
  EXPECT_EQ(place({want("large", 4), picky}), "agent-1 agent-2");
}

TEST_F(Matcher, ASearchGoesBackWhenTheFirstChoiceBlocksALaterWant) {
  // "b" fits both and is spread to the emptier agent-1, which the equally constrained "a" needs whole.
  table.offer(offer(1, 4, Bytes::gib(8), {{"kind", "x"}}));
  table.offer(offer(2, 4, Bytes::gib(4), {{"kind", "y"}}));
  Want b = want("b", 1, Bytes::gib(3));
  b.constraints = {{"kind", Operator::kLike, "x|y"}};
  Want a = want("a", 4, Bytes::gib(2));
  a.constraints = {{"kind", Operator::kIs, "x"}};
  EXPECT_EQ(place({b, a}), "agent-2 agent-1");
}

TEST_F(Matcher, AHopelessGangIsGivenUpAfterABoundedSearch) {
  for (int each = 1; each <= 30; ++each) table.offer(offer(each, 2));
  std::vector<Want> wants;
  for (int each = 0; each < 59; ++each) wants.push_back(want(fmt::format("w{}", each), 1));
  wants.push_back(want("last", 2));  // by memory order it comes last, and no agent is whole any more
  wants.back().resources.memory = Bytes::mib(1);
  wants.back().constraints = {};
  EXPECT_EQ(place(wants), "-");
}

TEST_F(Matcher, AWantWithVolumesOnAnAgentGoesThereOrNowhere) {
  agents(3);
  const Pins pins{{ClaimId("a"), AgentId("agent-3")}};
  EXPECT_EQ(place({want("a", 4), want("b", 4)}, pins), "agent-3 agent-1");
  const Waiting waiting = explain({want("a", 4)}, pins);
  EXPECT_EQ(waiting.code, "no-cpus");
  EXPECT_THAT(waiting.sentence, HasSubstr("volumes of a are on agent-3"));
}

// ---- Reasons ----

TEST_F(Matcher, TheReasonNamesWhatIsMissingAndWhereTheMostIs) {
  agents(1);
  table.offer(offer(2, 4, Bytes::gib(9)));
  EXPECT_EQ(place({want("a", 1, Bytes::gib(7)), want("b", 1, Bytes::gib(6))}), "agent-2 agent-1");
  const Waiting waiting = explain({want("c", 1, Bytes::gib(4))});
  EXPECT_EQ(waiting.code, "no-memory");
  EXPECT_EQ(waiting.sentence, "No agent has 4GiB of memory free; the most is 2GiB on agent-1.");
  EXPECT_EQ(waiting.refusals[0].sentence, "has 2GiB of memory free, 4GiB wanted");
}

TEST_F(Matcher, WithoutAgentsThatIsTheReason) {
  EXPECT_EQ(explain({want("a")}).code, "no-agents");
}

TEST_F(Matcher, WhatNoAgentCouldEverTakeIsTooLarge) {
  agents(2);
  const Waiting waiting = explain({want("a", 64)});
  EXPECT_EQ(waiting.code, "too-large");
  EXPECT_THAT(waiting.sentence, HasSubstr("64 CPUs"));
  EXPECT_EQ(explain({want("a", 3), want("b", 3), want("c", 3)}).code, "too-large");
  EXPECT_EQ(place(want("d", 3)), "agent-1");
  EXPECT_EQ(explain({want("a", 3), want("b", 3)}).code, "no-cpus");  // will fit when d goes
}

// A model check: whatever the search answers keeps the books right.
TEST_F(Matcher, NoSequenceOfPlacementsOverfillsAnAgentOrGivesANumberTwice) {
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    AgentTable world{SourceTraits{}};
    for (int each = 1; each <= 6; ++each) world.offer(offer(each, 1 + static_cast<double>(random.below(4))));
    std::map<AgentTable::Index, Demand> used;
    std::set<std::pair<AgentTable::Index, std::uint16_t>> ports;
    for (int gang = 0; gang < 12; ++gang) {
      std::vector<Want> wants;
      for (std::uint64_t each = 0; each <= random.below(4); ++each) {
        wants.push_back(
            want(fmt::format("g{}w{}", gang, each), 0.25 * static_cast<double>(1 + random.below(6))));
        if (random.chance(0.5)) wants.back().ports.push_back({.name = "d"});
        if (random.chance(0.3)) {
          wants.back().ports.push_back(
              {.name = "f", .number = static_cast<std::uint16_t>(20000 + random.below(4))});
        }
      }
      const auto placements = place_gang(world, {GangId("g"), wants}, {});
      if (!placements) continue;
      for (std::size_t at = 0; at < wants.size(); ++at) {
        const Placement& placement = (*placements)[at];
        used[placement.agent].millicpus += demand_of(wants[at]).millicpus;
        for (const auto& [name, number] : placement.ports) {
          ASSERT_TRUE(ports.emplace(placement.agent, number).second);
        }
      }
    }
    for (const auto& [agent, demand] : used) {
      ASSERT_LE(demand.millicpus, demand_of(world.agent(agent).total).millicpus);
      ASSERT_EQ(demand.millicpus, world.granted(agent).millicpus);
    }
  }
}

}  // namespace
}  // namespace headrace::cluster
