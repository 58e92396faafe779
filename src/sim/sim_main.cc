// headrace-sim: runs worlds from seeds. One line per run; a broken promise ends with the command that shows
// it again.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "sim/ledger.h"
#include "sim/scenarios.h"

namespace {

using namespace headrace::sim;

bool run(const Scenario& scenario, std::uint64_t seed, bool trace) {
  try {
    const Counts counts = scenario.run(seed, trace);
    fmt::print(
        "{:<12} seed {:<8} ok  {:>3} crashes {:>3} machines off {:>3} cut off {:>4} lost {:>4} doubled {:>4} "
        "late, "
        "{:>3} task failures, {:>2} full disks | {:>4} requests {:>4} starts {:>6} messages\n",
        scenario.name, seed, counts.crashes, counts.agent_deaths + counts.agents_gone, counts.partitions,
        counts.lost, counts.duplicated, counts.late, counts.task_failures, counts.store_failures,
        counts.requests, counts.starts, counts.messages);
    return true;
  } catch (const Violation& violation) {
    fmt::print("{:<12} seed {:<8} BROKEN: {}\n  again: headrace-sim --scenario {} --seed {} --trace\n",
               scenario.name, seed, violation.what(), scenario.name, seed);
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs Headrace in a simulated world with faults and checks its promises.");
  std::uint64_t seed = 1;
  std::uint64_t runs = 1;
  std::string wanted;
  bool trace = false;
  std::string names;
  for (const Scenario& each : scenarios()) names += fmt::format("\n  {:<13} {}", each.name, each.what);
  app.add_option("--seed", seed, "the first seed");
  app.add_option("--runs", runs, "how many seeds, one after the other");
  app.add_option("--scenario", wanted, "all when not given:" + names);
  app.add_flag("--trace", trace, "print what happens");
  CLI11_PARSE(app, argc, argv);

  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t done = 0;
  std::uint64_t broken = 0;
  for (std::uint64_t each = seed; each < seed + runs; ++each) {
    for (const Scenario& scenario : scenarios()) {
      if (!wanted.empty() && scenario.name != wanted) continue;
      ++done;
      broken += run(scenario, each, trace) ? 0 : 1;
    }
  }
  if (done == 0) {
    fmt::print(stderr, "There is no scenario \"{}\". There are:{}\n", wanted, names);
    return 2;
  }
  const double minutes =
      std::chrono::duration<double, std::ratio<60>>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("{} runs, {} broken, {:.0f} runs a minute\n", done, broken, static_cast<double>(done) / minutes);
  return broken == 0 ? 0 : 1;
}
