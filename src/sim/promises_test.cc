// The promises of the design (section 12) that concern apps: 1, 2, 3 and 4, in simulated worlds. Each test
// is a range of seeds; a failure names the seed and the command that shows it again.
#include <gtest/gtest.h>

#include "sim/ledger.h"
#include "sim/scenarios.h"

namespace headrace::sim {
namespace {

void run_seeds(std::string_view name, std::uint64_t first, std::uint64_t runs) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name != name) continue;
    for (std::uint64_t seed = first; seed < first + runs; ++seed) {
      try {
        scenario.run(seed, /*trace=*/false);
      } catch (const Violation& violation) {
        FAIL() << violation.what() << "\nagain: headrace-sim --scenario " << name << " --seed " << seed
               << " --trace";
      }
    }
    return;
  }
  FAIL() << "no scenario " << name;
}

TEST(Promises, AcknowledgedChangesSurviveAndAppsReachTheirWishWhenFaultsStop) {
  run_seeds("mixed", 1, 60);
}
TEST(Promises, HoldWhenAMachineIsLostForGood) {
  run_seeds("gone", 1000, 40);
}
TEST(Promises, HoldWhereALaunchCannotBeRepeated) {
  run_seeds("unrepeatable", 2000, 40);
}
TEST(Promises, HoldOnAClusterWithoutOffers) {
  run_seeds("kubernetes", 3000, 40);
}
TEST(Promises, HoldWhenThereIsNotRoomForAll) {
  run_seeds("scarce", 4000, 40);
}
TEST(Promises, PlansChangeNothingAndOperationsEndByTheirDeadlineAndEnvironmentsReachTheirWish) {
  run_seeds("environments", 6000, 25);
}
TEST(Promises, RestartingTheServerRestartsNoTask) {
  run_seeds("restarts", 5000, 40);
}

class CrashByCounting : public ::testing::TestWithParam<bool> {};

// Every point at which a server can die between two things that others can see.
TEST_P(CrashByCounting, TheStoryEndsWellWhereverTheServerDies) {
  const bool kubernetes = GetParam();
  for (const std::uint64_t seed : {11, 12}) {
    const std::uint64_t steps = run_story_with_crash(seed, 0, kubernetes, /*trace=*/false);
    ASSERT_GT(steps, 50u);
    for (std::uint64_t step = 1; step <= steps; ++step) {
      try {
        run_story_with_crash(seed, step, kubernetes, /*trace=*/false);
      } catch (const Violation& violation) {
        FAIL() << "seed " << seed << ", death after step " << step << " of " << steps << ": "
               << violation.what();
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Clusters, CrashByCounting, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Kubernetes" : "Offers"; });

}  // namespace
}  // namespace headrace::sim
