// A cluster of the other shape: no offers, no claim book. An API server that never forgets keeps claims as
// labelled objects and binds them to a machine only when their first pod is scheduled; its scheduler and
// kubelets drive the same simulated machines. Creating what exists means found.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "cluster/cluster.h"
#include "sim/chance.h"
#include "sim/event_queue.h"
#include "sim/sim_source.h"

namespace headrace::sim {

class SimKubernetes {
 public:
  using Up = std::function<void(cluster::Event)>;

  SimKubernetes(EventQueue& queue, Random& random, SimSource& machines);

  // A watch of one server; its events keep their order and end with it.
  void connect(Up up);
  void disconnect();
  // A request: it arrives late, perhaps twice, and perhaps not at all when the server dies meanwhile.
  void call(const cluster::Call& call);
  // Objects that are left: claims and pods.
  // The name of one that is there, if any.
  std::optional<std::string> some_object() const {
    if (!claims_.empty()) return "claim " + claims_.begin()->first.str();
    if (!pods_.empty()) return "pod " + pods_.begin()->first.str();
    return std::nullopt;
  }

 private:
  struct ClaimObject {
    cluster::Want want;
    cluster::GangId gang;
    std::optional<cluster::AgentId> bound;  // where its volumes are
    std::optional<cluster::TaskId> pod;
    bool releasing = false, destroy = false, parked = false, lost = false;
  };
  struct Pod {
    cluster::Task task;
    cluster::ClaimId claim;
    std::optional<cluster::AgentId> agent;  // none: not scheduled yet
    cluster::TaskStatus status;
    int statuses = 0;
    bool acknowledged = true, deleting = false, heard = false;
    std::string told;
  };
  struct Node {
    cluster::Agent agent;
    std::vector<cluster::PortRange> ports;
  };

  void on(const cluster::ClaimGang& call);
  void on(const cluster::WithdrawGang& call);
  void on(const cluster::ChangeClaim& call);
  void on(const cluster::StartTask& call);
  void on(const cluster::StopTask& call);
  void on(const cluster::ReleaseClaim& call);
  void on(const cluster::AcknowledgeStatus& call);
  void on(const cluster::Reconcile& call);

  void create_pod(const cluster::ClaimId& claim, const cluster::Task& task);
  void schedule();
  bool has_room(const Node& node, const cluster::Want& want) const;
  void tick();
  void on_machine(const cluster::SourceEvent& event);
  void on_machine_status(const cluster::TaskStatus& status);
  void on_machine_gone(const cluster::AgentId& agent, const std::string& cause);
  void set_status(Pod& pod, cluster::TaskState state, cluster::Health health, std::string message);
  void tell(const Pod& pod);
  void release(const cluster::ClaimId& id);
  cluster::Claim shown(const cluster::ClaimId& id) const;
  void up(cluster::Event event);

  EventQueue& queue_;
  Random& random_;
  SimSource& machines_;
  std::map<cluster::ClaimId, ClaimObject> claims_;
  std::map<cluster::TaskId, Pod> pods_;
  std::map<cluster::AgentId, Node> nodes_;
  Up up_;
  std::uint64_t connection_ = 0;
  Monotonic last_call_{}, last_event_{};
};

}  // namespace headrace::sim
