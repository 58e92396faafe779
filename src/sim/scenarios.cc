#include "sim/scenarios.h"

#include <fmt/format.h>

#include "sim/environment_users.h"
#include "sim/workload.h"
#include "sim/world.h"

namespace headrace::sim {
namespace {

using Kind = WorldOptions::Kind;

Faults everything() {
  return {.lose = 0.03,
          .duplicate = 0.03,
          .late = 0.03,
          .start_fails = 0.02,
          .server_crash = 50s,
          .agent_dies = 90s,
          .agent_gone = {},
          .partition = 100s,
          .task_fails = 40s,
          .store_fails = 120s,
          .wall_jump = 150s};
}

Counts change_under_faults(WorldOptions options) {
  World world(options);
  Workload users(world);
  world.server().boot();
  users.act_for(8min);
  world.suffer(9min);
  world.settle();
  world.remove_everything();
  return world.counts();
}

Counts mixed(std::uint64_t seed, bool trace) {
  return change_under_faults({.seed = seed, .source = {.agents = 5}, .faults = everything(), .trace = trace});
}

Counts kubernetes(std::uint64_t seed, bool trace) {
  return change_under_faults({.seed = seed,
                              .kind = Kind::kKubernetes,
                              .source = {.agents = 5},
                              .faults = everything(),
                              .trace = trace});
}

// cluster/local itself, on a Docker Engine that is slow and restarted.
Counts local(std::uint64_t seed, bool trace) {
  Faults faults = everything();
  faults.midway = 0.004;
  return change_under_faults(
      {.seed = seed, .kind = Kind::kLocal, .source = {.agents = 5}, .faults = faults, .trace = trace});
}

// As on Mesos: a Launch that is repeated would start twice.
Counts unrepeatable(std::uint64_t seed, bool trace) {
  return change_under_faults({.seed = seed,
                              .source = {.agents = 5, .traits = {.can_repeat_launch = false}},
                              .faults = everything(),
                              .trace = trace});
}

Counts machine_gone(std::uint64_t seed, bool trace) {
  Faults faults = everything();
  faults.agent_gone = 3min;
  return change_under_faults({.seed = seed, .source = {.agents = 5}, .faults = faults, .trace = trace});
}

// Two small machines: gangs wait for each other's room.
Counts scarce(std::uint64_t seed, bool trace) {
  Faults faults{.lose = 0.02, .late = 0.05, .server_crash = 60s, .task_fails = 60s};
  WorldOptions options{.seed = seed, .source = {.agents = 2}, .faults = faults, .trace = trace};
  options.source.each = {.cpus = 2, .memory = Bytes::gib(4), .disk = Bytes::gib(20)};
  World world(options);
  Workload users(world);
  world.server().boot();
  for (int gang = 0; gang < 5; ++gang) world.put({users.ordinal(fmt::format("/gang{}", gang), 3)});
  world.suffer(4min);
  for (int gang = 0; gang < 5; ++gang) {
    world.remove({process::AppId(fmt::format("/gang{}", gang))}, cluster::Volumes::kDestroy);
    world.run_for(20s);
  }
  world.remove_everything();
  return world.counts();
}

// Promise 4: the server comes and goes, messages are lost, and no task notices.
Counts come_and_go(WorldOptions options) {
  options.faults = {
      .lose = 0.02, .duplicate = 0.05, .late = 0.05, .latest = 5s, .server_crash = 20s, .store_fails = 100s};
  // An engine that is away, its containers going on. An agent that is cut off is given up after a while.
  if (options.kind == Kind::kLocal) options.faults.partition = 60s;
  World world(options);
  Workload users(world);
  users.only_steady = true;
  users.may_remove = false;
  world.server().boot();
  users.act_for(2min);
  world.run_for(2min);
  world.settle();
  world.forbid_changes(true);
  world.suffer(10min);
  world.settle();
  world.forbid_changes(false);
  world.remove_everything();
  return world.counts();
}

Counts restarts(std::uint64_t seed, bool trace) {
  return come_and_go({.seed = seed, .source = {.agents = 5}, .trace = trace});
}

Counts adoption(std::uint64_t seed, bool trace) {
  return come_and_go({.seed = seed, .kind = Kind::kLocal, .source = {.agents = 5}, .trace = trace});
}

Counts environments(std::uint64_t seed, bool trace) {
  Faults faults = everything();
  faults.wall_jump = {};  // deadlines are shown, and checked here, by the calendar
  faults.partition = 200s;
  World world({.seed = seed, .source = {.agents = 5}, .faults = faults, .trace = trace});
  EnvironmentUsers users(world);
  world.server().boot();
  users.act_for(10min);
  world.suffer(12min);
  world.settle(60min);
  users.mend();
  users.destroy_everything();
  return world.counts();
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"mixed", "users change apps while everything goes wrong", mixed},
      {"gone", "the same, and a machine is lost for good", machine_gone},
      {"unrepeatable", "the same where a launch cannot be repeated", unrepeatable},
      {"kubernetes", "the same on a cluster without offers", kubernetes},
      {"scarce", "more gangs than there is room for", scarce},
      {"environments", "whole environments while everything goes wrong", environments},
      {"restarts", "the server comes and goes, and no task notices", restarts},
      {"local", "the same as mixed on cluster/local and a Docker Engine with faults of its own", local},
      {"adoption", "the same as restarts on cluster/local: containers are adopted", adoption},
  };
  return all;
}

std::uint64_t run_story_with_crash(std::uint64_t seed, std::uint64_t step, Kind kind, bool trace) {
  World world({.seed = seed, .kind = kind, .source = {.agents = 3}, .trace = trace});
  Workload users(world);
  world.server().boot();
  world.server().crash_after(step);
  process::AppSpec web = users.service("/web");
  std::get<process::Service>(web.kind).instances = 3;
  std::get<process::Service>(web.kind).settings.task.env.erase("SIM_END");
  process::AppSpec store = users.ordinal("/store", 2);
  store.volumes = {{"data", "/data", Bytes::gib(1)}};
  const auto acts = std::vector<std::function<void()>>{
      [&] { world.put({web, store}); },
      [&] { world.put({users.run_once("/job")}); },
      [&] {
        std::get<process::Service>(web.kind).settings.task.env["SIM_VERSION"] = "next";
        world.put({web});
      },
      [&] {
        std::get<process::Ordinal>(store.kind).slots.pop_back();
        world.put({store});
      },
      [&] { world.fail_some_task(); },
      [&] { world.remove({process::AppId("/web")}, cluster::Volumes::kKeep); },
  };
  for (const auto& act : acts) {
    act();
    world.run_for(4s);
  }
  world.settle();
  world.remove_everything();
  return world.server().steps();
}

std::uint64_t run_environment_story_with_crash(std::uint64_t seed, std::uint64_t step, Kind kind,
                                               bool trace) {
  World world({.seed = seed, .kind = kind, .source = {.agents = 3}, .trace = trace});
  EnvironmentUsers users(world);
  world.server().boot();
  world.server().crash_after(step);
  const environment::EnvironmentId shop("shop");
  const auto acts = std::vector<std::function<void()>>{
      [&] { users.launch(shop); }, [&] { users.plan_and_apply(shop); }, [&] { users.run_command(shop); },
      [&] { users.destroy(shop); }, [&] { users.launch(shop); }};
  for (const auto& act : acts) {
    act();
    world.run_for(20s);
  }
  world.settle();
  users.mend();
  users.destroy_everything();
  return world.server().steps();
}

}  // namespace headrace::sim
