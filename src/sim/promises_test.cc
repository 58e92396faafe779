// The promises of the design (section 12), each a test named by its sentence, in simulated worlds; 6 is not
// built. A test is a range of seeds of the scenarios that strain its promise, or a story in which the server
// dies at every point. Each run checks all promises; a failure names the command that shows it again.
#include <gtest/gtest.h>

#include "sim/ledger.h"
#include "sim/scenarios.h"

namespace headrace::sim {
namespace {

using Kind = WorldOptions::Kind;

// What all runs together did: a promise that nothing strained is not shown.
Counts run_seeds(std::string_view name, std::uint64_t first, std::uint64_t runs) {
  Counts sum;
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name != name) continue;
    for (std::uint64_t seed = first; seed < first + runs; ++seed) {
      try {
        const Counts counts = scenario.run(seed, /*trace=*/false);
        sum.crashes += counts.crashes;
        sum.requests += counts.requests;
        sum.starts += counts.starts;
        sum.agents_gone += counts.agents_gone;
        sum.partitions += counts.partitions;
      } catch (const Violation& violation) {
        ADD_FAILURE() << violation.what() << "\nagain: headrace-sim --scenario " << name << " --seed " << seed
                      << " --trace";
        return sum;
      }
    }
    return sum;
  }
  ADD_FAILURE() << "no scenario " << name;
  return sum;
}

TEST(Promise1, AnAcknowledgedChangeSurvivesKillNineAndPowerLoss) {
  const Counts counts = run_seeds("mixed", 1, 40);
  EXPECT_GT(counts.crashes, 100u);
  EXPECT_GT(counts.requests, 1000u);
}

TEST(Promise2, WhenFaultsStopAnEnvironmentReachesItsWishOrNamesACauseThatAPersonMustActOn) {
  EXPECT_GT(run_seeds("environments", 6000, 15).starts, 200u);
  EXPECT_GT(run_seeds("gone", 1000, 25).agents_gone, 20u);
}

TEST(Promise3, WeNeverStartASlotWhileItsPredecessorMayLiveNorGoBelowTheDeclaredMinimumByOurOwnAction) {
  EXPECT_GT(run_seeds("unrepeatable", 2000, 20).partitions, 50u);
  run_seeds("kubernetes", 3000, 20);
  run_seeds("scarce", 4000, 20);
  EXPECT_GT(run_seeds("local", 7000, 20).partitions, 50u);
}

TEST(Promise4, RestartingOrUpgradingHeadraceRestartsNoTask) {
  EXPECT_GT(run_seeds("restarts", 5000, 25).crashes, 100u);
  EXPECT_GT(run_seeds("adoption", 8000, 25).crashes, 100u);
}

TEST(Promise5, PlanChangesNothingAndApplyDoesThatPlanOrRefuses) {
  EXPECT_GT(run_seeds("environments", 6100, 6).requests, 100u);
}

TEST(Promise7, EveryOperationEndsWithAReasonByItsDeadline) {
  EXPECT_GT(run_seeds("environments", 6200, 6).crashes, 50u);
}

// ---- Crash by counting ---------------------------------------------------------------------------

using Story = std::uint64_t (*)(std::uint64_t seed, std::uint64_t step, Kind kind, bool trace);

// Every point at which a server can die between two things that others can see; with a stride every so
// many-th.
void die_at_every_step(Story story, Kind kind, std::uint64_t seed, std::uint64_t stride) {
  const std::uint64_t steps = story(seed, 0, kind, /*trace=*/false);
  ASSERT_GT(steps, 50u);
  for (std::uint64_t step = 1; step <= steps; step += stride) {
    try {
      story(seed, step, kind, /*trace=*/false);
    } catch (const Violation& violation) {
      FAIL() << "seed " << seed << ", death after step " << step << " of " << steps << ": "
             << violation.what();
    }
  }
}

class CrashByCounting : public ::testing::TestWithParam<Kind> {};

TEST_P(CrashByCounting, AppsEndWellWhereverTheServerDies) {
  for (const std::uint64_t seed : {11, 12}) die_at_every_step(run_story_with_crash, GetParam(), seed, 1);
}

TEST_P(CrashByCounting, AnEnvironmentEndsWellWhereverTheServerDies) {
  // Below the seam the same managers stand: every fifth point is enough there.
  const std::uint64_t stride = GetParam() == Kind::kOffers ? 1 : 5;
  die_at_every_step(run_environment_story_with_crash, GetParam(), 21, stride);
}

INSTANTIATE_TEST_SUITE_P(Clusters, CrashByCounting,
                         ::testing::Values(Kind::kOffers, Kind::kLocal, Kind::kKubernetes),
                         [](const auto& each) {
                           return each.param == Kind::kOffers  ? "Offers"
                                  : each.param == Kind::kLocal ? "Local"
                                                               : "Kubernetes";
                         });

}  // namespace
}  // namespace headrace::sim
