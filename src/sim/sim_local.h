// cluster/local in virtual time: its decisions and deeds unchanged, over a simulated Docker Engine that is
// slow, is restarted, loses answers and acts late; on a machine where others have containers too. Its server
// can die between any two calls to the engine.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "cluster/local/virtual_agents.h"
#include "sim/chance.h"
#include "sim/event_queue.h"
#include "sim/ledger.h"
#include "sim/sim_engine.h"

namespace headrace::sim {

class SimLocal {
 public:
  using Up = std::function<void(cluster::SourceEvent)>;
  struct ServerDied {};  // thrown out of a call to the engine

  // `survives` is asked before each changing call to the engine; false: the server has crashed.
  SimLocal(EventQueue& queue, Random& random, Ledger& ledger, const Faults& faults, Counts& counts,
           cluster::VirtualAgents::Options options, std::function<bool()> survives);

  // A server has come; the one before it has died.
  void connect(Up up);
  void disconnect();
  void call(const cluster::SourceCall& call);

  // ---- Faults, also by hand ----
  bool fail_some_task();
  void unplug_some_agent(Duration time);
  // It does not answer for so long; when it is restarted all containers end.
  void lose_engine(Duration time, bool restart);
  void calm_down();

  // Violation when something of ours is left, or what is not ours was lost.
  void expect_nothing_left() const;

 private:
  void take(cluster::VirtualAgents::Turn turn);
  void do_deed(cluster::Deed deed);
  void wake_in_time();
  bool plug(const cluster::AgentId& agent, bool plugged);
  void plug_again(const cluster::AgentId& agent);
  SimEngine::Mishap mishap(std::string_view name);
  void started(const docker::ContainerSpec& spec);
  void ended(const docker::Container& container);
  Status check(const docker::Labels& labels) const;
  std::vector<docker::Container> running() const;
  // Runs later, in this life of the server.
  void later(Duration delay, std::function<void()> action);

  EventQueue& queue_;
  Random& random_;
  Ledger& ledger_;
  const Faults& faults_;
  Counts& counts_;
  cluster::VirtualAgents::Options options_;
  std::function<bool()> survives_;
  mutable SimEngine engine_;  // its looks are no const methods
  cluster::Surroundings around_;
  std::set<std::string> foreign_;                    // names
  std::map<cluster::TaskId, Monotonic> ready_from_;  // what runs with a check passes it from then on
  bool by_us_ = false;                               // a deed of the server is calling the engine
  bool is_away_ = false;
  std::uint64_t life_ = 0;
  std::unique_ptr<cluster::VirtualAgents> agents_;
  Up up_;
  std::optional<Monotonic> wakes_at_;
};

}  // namespace headrace::sim
