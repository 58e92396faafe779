// A simulated source of offers: machines with resources and ports, containers that start, become ready, end,
// and messages that are lost, late, doubled and overtake each other between machines. Claim book and matcher
// run on it unchanged.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cluster/offers/offer.h"
#include "sim/chance.h"
#include "sim/event_queue.h"
#include "sim/ledger.h"

namespace headrace::sim {

// Variables that say how a container behaves:
//   SIM_END = finish | fail   ends by itself, SIM_AFTER milliseconds after its start
//   SIM_READY                 milliseconds until its check passes, where it has one
//   SIM_RESULT                what it says on its last line
//   SIM_VERSION               told apart by it (ledger.h)
struct SourceOptions {
  int agents = 3;
  cluster::Resources each{.cpus = 8, .memory = Bytes::gib(16), .disk = Bytes::gib(200)};
  cluster::SourceTraits traits{.can_repeat_launch = true};
};

class SimSource {
 public:
  using Up = std::function<void(cluster::SourceEvent)>;

  SimSource(EventQueue& queue, Random& random, Ledger& ledger, const Faults& faults, Counts& counts,
            SourceOptions options);

  // A server has come: it gets what it asks for until it goes. Messages to an earlier one are lost.
  void connect(Up up);
  void disconnect();
  void call(const cluster::SourceCall& call);

  // ---- Faults, also by hand ----
  int agents() const { return static_cast<int>(agents_.size()); }
  void power_off(int agent);  // what runs there dies
  void power_on(int agent);
  void lose_for_good(int agent);
  void cut_off(int agent);  // what runs there goes on
  void reconnect(int agent);
  bool fail_some_task();
  bool is_gone(int agent) const { return agents_[static_cast<std::size_t>(agent)]->gone; }
  bool is_reachable(int agent) const { return agents_[static_cast<std::size_t>(agent)]->reachable(); }

 private:
  struct Container {
    cluster::Launch launch;
    enum { kCreated, kRunning, kEnded } state = kCreated;
    bool stopping = false;
    cluster::TaskStatus status;
    int statuses = 0;
    bool acknowledged = true;
  };
  struct Machine {
    cluster::Agent agent;
    bool powered = true, linked = true, gone = false;
    std::uint64_t boots = 0;
    std::map<cluster::TaskId, Container> containers;
    Monotonic last_down{}, last_up{};  // messages of one machine keep their order
    bool reachable() const { return powered && linked && !gone; }
  };

  Duration travel_time();
  bool is_lost();
  void up(Machine* machine, cluster::SourceEvent event);
  void down(Machine& machine, std::function<void()> arrive);
  void announce(Machine& machine);
  void announce_after_a_while(Machine& machine);
  void heartbeat(std::uint64_t connection);

  void launch(Machine& machine, const cluster::Launch& launch);
  void run(Machine& machine, const cluster::TaskId& task);
  void kill(Machine& machine, const cluster::Kill& kill);
  void end(Machine& machine, const cluster::TaskId& task, cluster::TaskState state, std::string message);
  void reconcile(const cluster::ReconcileTasks& asked);
  void change(Machine& machine, Container& container, cluster::TaskState state, cluster::Health health,
              std::string message);
  void report(Machine& machine, const cluster::TaskId& task);
  Container* find(Machine& machine, const cluster::TaskId& task);
  Machine* find(const cluster::AgentId& agent);
  // Runs later on the machine, if it has not been off meanwhile.
  void later(Machine& machine, Duration delay, std::function<void()> action);

  EventQueue& queue_;
  Random& random_;
  Ledger& ledger_;
  const Faults& faults_;
  Counts& counts_;
  SourceOptions options_;
  std::vector<std::unique_ptr<Machine>> agents_;
  Up up_;
  std::uint64_t connection_ = 0;
};

}  // namespace headrace::sim
