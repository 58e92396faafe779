// The server process in virtual time: the same managers and turns as src/server/pump.h, with a store whose
// sync takes a while, and a plug that can be pulled anywhere: at a moment, or by counting before or after any
// durable commit, effect or answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/managers.h"
#include "sim/chance.h"
#include "sim/event_queue.h"
#include "sim/sim_store.h"

namespace headrace::sim {

class SimServer {
 public:
  struct Wiring {
    std::optional<cluster::SourceTraits> book;  // none: the cluster answers calls itself
    process::Options process;
    std::function<void(const cluster::SourceCall&)> source;
    std::function<void(const cluster::Call&)> cluster;
    std::function<void()> booted;   // connect it to the world
    std::function<void()> crashed;  // and take it away
    // After every turn, before anything of it is durable.
    std::function<void(const server::Managers&, const server::Touched&)> observed;
  };

  SimServer(EventQueue& queue, Random& random, SimStore& store, Counts& counts, Wiring wiring)
      : queue_(queue), random_(random), store_(store), counts_(counts), wiring_(std::move(wiring)) {}

  // Managers from what is stored. Throws Violation when they refuse their own records.
  void boot();
  // Of what was not yet synced, some commits from the front may be on disk.
  void crash();
  bool is_up() const { return managers_ != nullptr; }
  const server::Managers& managers() const { return *managers_; }

  void deliver(const cluster::SourceEvent& event) {
    if (is_up()) take(managers_->on_source(event, queue_.now()));
  }
  void deliver(const cluster::Event& event) {
    if (is_up()) take(managers_->on_cluster(event, queue_.now()));
  }

  // What a manager decided about a request; none: it refused.
  using Decided = std::optional<std::variant<process::Commit, environment::Commit>>;
  // As Pump::ask: true when the request was accepted; then `durable` runs when the user would get the answer,
  // and never if the server crashes before.
  bool ask(const std::function<Decided(server::Managers&, Now)>& decide, std::function<void()> durable);

  // Commits made durable, effects and answers let out since the world began. The process ends right after
  // the one with this number.
  std::uint64_t steps() const { return steps_; }
  void crash_after(std::uint64_t step) { crash_after_ = step; }
  // Counts one. False when that was the last step of this process.
  bool survives_step();
  bool is_quiet() const { return group_.commits.empty() && group_.answers.empty(); }

 private:
  struct Group {
    std::vector<server::TurnCommit> commits;
    std::vector<std::function<void()>> answers;
  };

  void take(server::Managers::Turn turn);
  void plan_sync(Duration delay);
  void sync();
  void wake_in_time();

  EventQueue& queue_;
  Random& random_;
  SimStore& store_;
  Counts& counts_;
  Wiring wiring_;
  std::unique_ptr<server::Managers> managers_;
  std::uint64_t life_ = 0;
  Group group_;
  bool sync_planned_ = false;
  bool store_cause_ = false;
  std::optional<Monotonic> wakes_at_;
  int wakes_without_progress_ = 0;
  std::uint64_t steps_ = 0, crash_after_ = 0;
};

}  // namespace headrace::sim
