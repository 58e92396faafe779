#include "sim/sim_kubernetes.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::sim {
namespace {

using namespace cluster;

constexpr Duration kResync = 5s;

}  // namespace

SimKubernetes::SimKubernetes(EventQueue& queue, Random& random, SimSource& machines)
    : queue_(queue), random_(random), machines_(machines) {
  machines_.connect([this](const SourceEvent& event) { on_machine(event); });
  queue_.after(kResync, [this] { tick(); });
}

void SimKubernetes::connect(Up up_to) {
  up_ = std::move(up_to);
  ++connection_;
}

void SimKubernetes::disconnect() {
  ++connection_;
  up_ = nullptr;
}

void SimKubernetes::up(Event event) {
  if (!up_) return;
  last_event_ = std::max(last_event_, queue_.time() + between(random_, 0ms, 30ms));
  queue_.at(last_event_, [this, connection = connection_, event = std::move(event)] {
    if (connection == connection_ && up_) up_(event);
  });
}

void SimKubernetes::call(const Call& call) {
  last_call_ = std::max(last_call_, queue_.time() + between(random_, 1ms, 40ms));
  const bool again = random_.chance(0.05);  // the answer was lost, so the client asked again
  for (int time = 0; time < (again ? 2 : 1); ++time) {
    queue_.at(last_call_, [this, connection = connection_, call, sent = random_.chance(0.5)] {
      if (connection != connection_ && !sent) return;
      std::visit([this](const auto& each) { on(each); }, call);
    });
  }
}

// ---- Calls ---------------------------------------------------------------------------------------

Claim SimKubernetes::shown(const ClaimId& id) const {
  const ClaimObject& claim = claims_.at(id);
  Claim shown{.id = id, .agent = claim.bound, .address = id.str() + ".svc"};
  std::uint16_t next = 8000;
  for (const PortWant& port : claim.want.ports) shown.ports[port.name] = port.number.value_or(next++);
  return shown;
}

void SimKubernetes::on(const ClaimGang& call) {
  Granted granted{.gang = call.gang.id};
  for (const Want& want : call.gang.wants) {
    auto [found, is_new] = claims_.try_emplace(want.id);
    ClaimObject& claim = found->second;
    if (!is_new && claim.gang == call.gang.id && claim.lost) {
      up(ClaimLost{want.id, "its node is gone"});
      continue;
    }
    if (claim.releasing) return;  // the caller waits for Released before it claims again
    if (is_new || claim.parked || claim.lost) {
      claim.want = want;
      claim.gang = call.gang.id;
      claim.parked = false;
      if (claim.lost) claim.bound.reset();
      claim.lost = false;
    }
    granted.claims.push_back(shown(want.id));
    if (want.task) create_pod(want.id, *want.task);
  }
  if (!granted.claims.empty()) up(std::move(granted));
  schedule();
}

void SimKubernetes::on(const WithdrawGang& call) {
  std::vector<ClaimId> claims;
  for (const auto& [id, claim] : claims_) {
    if (claim.gang == call.gang && !claim.parked) claims.push_back(id);
  }
  for (const ClaimId& id : claims) on(ReleaseClaim{id, Volumes::kKeep});
}

void SimKubernetes::on(const ChangeClaim& call) {
  const auto found = claims_.find(call.claim);
  if (found == claims_.end() || found->second.lost)
    return up(ClaimLost{call.claim, "there is no such claim"});
  found->second.want = call.want;
  up(Changed{shown(call.claim)});
}

void SimKubernetes::on(const StartTask& call) {
  const auto found = claims_.find(call.claim);
  if (found == claims_.end() || found->second.lost || found->second.parked) {
    return up(TaskStatus{.task = call.task.id,
                         .claim = call.claim,
                         .state = TaskState::kFailed,
                         .message = "there is no such claim"});
  }
  create_pod(call.claim, call.task);
  schedule();
}

void SimKubernetes::create_pod(const ClaimId& claim, const Task& task) {
  const auto [found, is_new] = pods_.try_emplace(task.id);
  if (!is_new) return;  // AlreadyExists
  Pod& pod = found->second;
  pod.task = task;
  pod.claim = claim;
  claims_.at(claim).pod = task.id;
}

void SimKubernetes::on(const StopTask& call) {
  const auto found = pods_.find(call.task);
  if (found == pods_.end()) {
    return up(TaskStatus{.task = call.task, .state = TaskState::kKilled, .message = "there is no such pod"});
  }
  Pod& pod = found->second;
  if (is_terminal(pod.status.state)) return tell(pod);
  pod.deleting = true;
  pod.task.spec.grace = call.grace;
  if (!pod.agent) return set_status(pod, TaskState::kKilled, Health::kUnknown, "it was never scheduled");
  machines_.call(Kill{call.task, *pod.agent, call.grace});
}

void SimKubernetes::on(const ReleaseClaim& call) {
  const auto found = claims_.find(call.claim);
  if (found == claims_.end()) return up(Released{call.claim});
  ClaimObject& claim = found->second;
  claim.releasing = true;
  claim.destroy = call.volumes == Volumes::kDestroy;
  if (!claim.pod) return release(call.claim);
  on(StopTask{*claim.pod, pods_.at(*claim.pod).task.spec.grace});
}

void SimKubernetes::release(const ClaimId& id) {
  ClaimObject& claim = claims_.at(id);
  if (claim.bound && !claim.lost && !claim.want.volumes.empty()) {
    if (claim.destroy) {
      machines_.call(DestroyVolumes{id, *claim.bound, {}});  // repeated until the machine says so
      return;
    }
    claim.parked = true;
    claim.releasing = false;
    return up(Released{id});
  }
  const bool is_told = claim.want.hold == Hold::kUntilReleased;
  claims_.erase(id);
  if (is_told) up(Released{id});
}

void SimKubernetes::on(const AcknowledgeStatus& call) {
  const auto found = pods_.find(call.task);
  if (found == pods_.end() || found->second.status.id != call.status) return;
  Pod& pod = found->second;
  pod.acknowledged = true;
  if (!is_terminal(pod.status.state)) return;
  const ClaimId id = pod.claim;
  pods_.erase(found);
  ClaimObject& claim = claims_.at(id);
  claim.pod.reset();
  if (claim.want.hold == Hold::kWhileTaskRuns) claim.releasing = claim.destroy = true;
  if (claim.releasing) release(id);
  schedule();
}

void SimKubernetes::on(const Reconcile& call) {
  for (const auto& [id, node] : nodes_) up(AgentChanged{node.agent});
  for (const auto& [id, pod] : pods_) {
    if (!pod.status.task.empty()) tell(pod);
  }
  for (const ClaimId& id : call.claims) {
    const auto found = claims_.find(id);
    if (found == claims_.end() || found->second.parked) continue;
    if (found->second.lost) {
      up(ClaimLost{id, "its node is gone"});
    } else {
      up(Granted{found->second.gang, {shown(id)}});
    }
  }
  up(Ready{});
}

// ---- Scheduler and kubelets ----------------------------------------------------------------------

bool SimKubernetes::has_room(const Node& node, const Want& want) const {
  Resources used = want.resources;
  for (const auto& [id, pod] : pods_) {
    if (pod.agent != node.agent.id || (is_terminal(pod.status.state) && !pod.status.task.empty())) continue;
    const Resources& taken = claims_.at(pod.claim).want.resources;
    used.cpus += taken.cpus;
    used.memory += taken.memory;
  }
  return node.agent.up && used.cpus <= node.agent.total.cpus + 1e-9 && used.memory <= node.agent.total.memory;
}

void SimKubernetes::schedule() {
  for (auto& [id, pod] : pods_) {
    if (pod.agent || (!pod.status.task.empty() && is_terminal(pod.status.state))) continue;
    ClaimObject& claim = claims_.at(pod.claim);
    for (const auto& [name, node] : nodes_) {
      if ((claim.bound && *claim.bound != name) || !has_room(node, claim.want)) continue;
      pod.agent = name;
      if (!claim.want.volumes.empty()) claim.bound = name;
      break;
    }
    if (!pod.agent) {
      const std::string sentence =
          claim.bound ? fmt::format("Its volumes are on {}, which has no room or is down.", *claim.bound)
                      : "No node has room for it.";
      if (std::exchange(pod.told, sentence) != sentence)
        up(Waiting{claim.gang, "unschedulable", sentence, {}});
      continue;
    }
    Claim shown_claim = shown(pod.claim);
    shown_claim.ports.clear();  // pods have addresses of their own
    machines_.call(Launch{.agent = *pod.agent,
                          .claim = shown_claim,
                          .volumes = claim.want.volumes,
                          .resources = claim.want.resources,
                          .task = pod.task});
  }
}

// Level-triggered, as its controllers are: what is not yet so is asked for again.
void SimKubernetes::tick() {
  queue_.after(kResync, [this] { tick(); });
  for (auto& [id, pod] : pods_) {
    const bool ended = !pod.status.task.empty() && is_terminal(pod.status.state);
    if (!pod.acknowledged && random_.chance(0.5)) tell(pod);
    if (!pod.agent || ended) continue;
    const ClaimObject& claim = claims_.at(pod.claim);
    if (pod.deleting) {
      machines_.call(Kill{id, *pod.agent, pod.task.spec.grace});
    }
    if (pod.status.task.empty()) {
      Claim shown_claim = shown(pod.claim);
      shown_claim.ports.clear();
      machines_.call(Launch{.agent = *pod.agent,
                            .claim = shown_claim,
                            .volumes = claim.want.volumes,
                            .resources = claim.want.resources,
                            .task = pod.task});
    } else if (pod.status.state == TaskState::kUnreachable) {
      machines_.call(ReconcileTasks{{{id, *pod.agent}}});
    }
  }
  for (const auto& [id, claim] : claims_) {
    if (claim.releasing && !claim.pod && claim.bound) machines_.call(DestroyVolumes{id, *claim.bound, {}});
  }
  schedule();
}

void SimKubernetes::set_status(Pod& pod, TaskState state, Health health, std::string message) {
  pod.status.task = pod.task.id;
  pod.status.claim = pod.claim;
  pod.status.agent = pod.agent.value_or(AgentId());
  pod.status.id = StatusId(fmt::format("{}@{}", pod.task.id, ++pod.statuses));
  pod.status.state = state;
  pod.status.health = health;
  pod.status.message = std::move(message);
  pod.status.at = queue_.now().wall;
  pod.acknowledged = false;
  tell(pod);
}

void SimKubernetes::tell(const Pod& pod) {
  TaskStatus status = pod.status;
  if (claims_.at(pod.claim).want.hold == Hold::kWhileTaskRuns) status.granted = shown(pod.claim);
  up(std::move(status));
}

void SimKubernetes::on_machine(const SourceEvent& event) {
  const auto set_node = [this](const Agent& agent) {
    Node& node = nodes_[agent.id];
    const bool went_down = node.agent.up && !agent.up && !node.agent.id.empty();
    const bool came_up = !node.agent.up && agent.up;
    if (node.agent != agent) up(AgentChanged{agent});
    node.agent = agent;
    for (auto& [id, pod] : pods_) {
      if (pod.agent != agent.id || pod.status.task.empty() || is_terminal(pod.status.state)) continue;
      if (went_down) set_status(pod, TaskState::kUnreachable, Health::kUnknown, "its node does not answer");
      if (came_up) machines_.call(ReconcileTasks{{{id, agent.id}}});
    }
    schedule();
  };
  if (const auto* connected = std::get_if<SourceConnected>(&event)) {
    for (const Agent& agent : connected->agents) set_node(agent);
  } else if (const auto* offered = std::get_if<Offered>(&event)) {
    set_node(offered->offer.agent);
  } else if (const auto* agent = std::get_if<SourceAgent>(&event)) {
    set_node(agent->agent);
  } else if (const auto* gone = std::get_if<SourceAgentGone>(&event)) {
    on_machine_gone(gone->agent, gone->cause);
  } else if (const auto* status = std::get_if<SourceStatus>(&event)) {
    on_machine_status(status->status);
  } else if (const auto* destroyed = std::get_if<VolumesDestroyed>(&event)) {
    const auto found = claims_.find(destroyed->claim);
    if (found == claims_.end() || !found->second.releasing || found->second.pod) return;
    const bool is_told = found->second.want.hold == Hold::kUntilReleased;
    claims_.erase(found);
    if (is_told) up(Released{destroyed->claim});
  }
}

void SimKubernetes::on_machine_status(const TaskStatus& status) {
  const auto found = pods_.find(status.task);
  if (!status.id.empty()) machines_.call(AcknowledgeSource{status.task, status.agent, status.id});
  if (found == pods_.end()) {
    if (!is_terminal(status.state)) machines_.call(Kill{status.task, status.agent, 1s});
    return;
  }
  Pod& pod = found->second;
  const bool is_known = !pod.status.task.empty();
  if (is_known && (is_terminal(pod.status.state) ||
                   (pod.status.state == status.state && pod.status.health == status.health))) {
    return;
  }
  pod.status.exit_code = status.exit_code;
  pod.status.result = status.result;
  set_status(pod, status.state, status.health, status.message);
  if (is_terminal(status.state)) schedule();
}

void SimKubernetes::on_machine_gone(const AgentId& agent, const std::string& cause) {
  if (nodes_.erase(agent) == 0) return;
  for (auto& [id, pod] : pods_) {
    const bool ended = !pod.status.task.empty() && is_terminal(pod.status.state);
    if (pod.agent == agent && !ended) set_status(pod, TaskState::kGone, Health::kUnknown, cause);
  }
  std::vector<ClaimId> gone;
  for (auto& [id, claim] : claims_) {
    if (claim.bound != agent) continue;
    claim.lost = true;
    if (claim.releasing || claim.parked) gone.push_back(id);
    if (!claim.parked && !claim.releasing) up(ClaimLost{id, cause});
  }
  for (const ClaimId& id : gone) {
    const ClaimObject& claim = claims_.at(id);
    if (claim.pod) continue;
    if (claim.releasing) up(Released{id});
    claims_.erase(id);
  }
}

}  // namespace headrace::sim
