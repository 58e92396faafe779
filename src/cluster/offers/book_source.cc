// What the source says: agents, offers, statuses; and the reconciliation with it after a restart or
// reconnection.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "cluster/offers/book.h"

namespace headrace::cluster {
namespace {

constexpr Duration kRepeatReconcile = 10s;
constexpr int kReconcileAttempts = 3;
// Tasks that are unreachable on an agent that answers are asked for again.
constexpr Duration kLookEvery = 15s;
constexpr Duration kStrangerGrace = 10s;
// A status that is seen again is one of the latest few of its task.
constexpr std::size_t kRemembered = 4;

}  // namespace

BookCommit Book::on_source(const SourceEvent& event, Now now) {
  now_ = now;
  std::visit([this](const auto& each) { on(each); }, event);
  return finish();
}

BookCommit Book::on_time(Now now) {
  now_ = now;
  while (const auto timer = timers_.take_due(now.mono)) on_due(*timer);
  return finish();
}

void Book::on_due(const TimerKey& timer) {
  const auto& [kind, id] = timer;
  LiveTask* task = find_task(TaskId(id));
  HeldClaim* claim = find_claim(ClaimId(id));
  switch (kind) {
    case Timer::kLaunch:
      if (task == nullptr || task->started || task->has_ended() || !ready_ || !is_up(task->agent)) return;
      if (traits_.can_repeat_launch) return launch(*task);
      timers_.set(timer, now_.mono + kLookEvery);
      return ask({task});
    case Timer::kKill:
      if (task == nullptr || task->has_ended()) return;
      stop(*task, task->grace.value_or(0ms));
      if (connected_ && task->started) ask({task});
      return;
    case Timer::kDestroy:
      if (claim != nullptr && claim->phase == ClaimPhase::kDestroying) destroy_volumes(*claim);
      return;
    case Timer::kExplain:
      if (ready_) explain(id);
      return;
    case Timer::kReconcile:
      if (!reconciling_) return;
      if (++reconcile_attempts_ >= kReconcileAttempts) return finish_reconcile();
      return begin_reconcile();
    case Timer::kLook: return look_for_unreachable();
    case Timer::kMatch: return;  // every transition goes on matching
  }
}

// ---- Agents --------------------------------------------------------------------------------------

void Book::on(const Offered& event) {
  const auto index = table_.find(event.offer.agent.id);
  const bool was_up = index && table_.agent(*index).up;
  const bool changed = table_.offer(event.offer);
  update_agent(event.offer.agent, was_up, changed);
}

void Book::on(const Rescinded& event) {
  table_.rescind(event.offer);
}

void Book::on(const SourceAgent& event) {
  const auto index = table_.find(event.agent.id);
  const bool was_up = index && table_.agent(*index).up;
  const bool changed = table_.update(event.agent);
  update_agent(event.agent, was_up, changed);
}

void Book::update_agent(const Agent& agent, bool was_up, bool changed) {
  grew_ = true;
  if (changed) out_.events.push_back(AgentChanged{agent});
  if (was_up && !agent.up) agent_went_down(agent.id);
  if (agent.up && ready_) agent_is_up(agent.id, was_up);
}

void Book::agent_went_down(const AgentId& agent) {
  const auto on_agent = tasks_on_.find(agent);
  if (on_agent == tasks_on_.end()) return;
  for (const TaskId& id : on_agent->second) {
    LiveTask& task = tasks_.at(id);
    if (!task.handed_over || task.has_ended() || task.state == TaskState::kUnreachable) continue;
    pass_up(task,
            {.state = TaskState::kUnreachable,
             .message = fmt::format("{} does not answer: {}", agent, table_.agent(*table_.find(agent)).cause),
             .at = now_.wall});
  }
}

// What is owed to the agent goes out; of one that was away all that may run there is asked for first.
void Book::agent_is_up(const AgentId& agent, bool was_up) {
  const auto on_agent = tasks_on_.find(agent);
  const std::set<TaskId> ids = on_agent == tasks_on_.end() ? std::set<TaskId>() : on_agent->second;
  std::vector<LiveTask*> may_run;
  for (const TaskId& id : ids) {
    LiveTask& task = tasks_.at(id);
    if (task.handed_over && !was_up) may_run.push_back(&task);
  }
  ask(may_run);
  for (const TaskId& id : ids) {
    LiveTask& task = tasks_.at(id);
    if (!task.handed_over && !task.has_ended()) launch(task);
  }
  if (was_up) return;
  for (auto& [id, claim] : claims_) {
    if (claim.phase == ClaimPhase::kDestroying && claim.agent() == agent) destroy_volumes(claim);
  }
}

void Book::on(const SourceAgentGone& event) {
  const auto index = table_.find(event.agent);
  if (!index) return;
  Agent agent = table_.agent(*index);
  agent.up = false;
  agent.cause = event.cause.empty() ? "it is gone for good" : event.cause;
  table_.update(agent);
  out_.events.push_back(AgentChanged{agent});
  std::vector<ClaimId> claims;
  for (const auto& [id, claim] : claims_) {
    if (claim.agent() == event.agent) claims.push_back(id);
  }
  for (const ClaimId& id : claims) {
    HeldClaim& claim = claims_.at(id);
    const ClaimPhase phase = claim.phase;
    const bool is_slot = claim.want.hold == Hold::kUntilReleased;
    set_share(claim, std::nullopt);
    changes_.erase(id);
    claim.change.reset();
    claim.phase = ClaimPhase::kLost;
    if (phase == ClaimPhase::kParked || phase == ClaimPhase::kDestroying) {
      erase(id);
      if (phase == ClaimPhase::kDestroying && is_slot) out_.events.push_back(Released{id});
      continue;
    }
    store(claim);
    if (claim.task) {
      LiveTask& task = tasks_.at(*claim.task);
      if (!task.has_ended()) pass_up_own(task, TaskState::kGone, agent.cause);
    }
    if (is_slot) out_.events.push_back(ClaimLost{id, agent.cause});
  }
  table_.remove(event.agent);
  grew_ = true;
}

void Book::on(const VolumesDestroyed& event) {
  HeldClaim* claim = find_claim(event.claim);
  if (claim == nullptr || claim->phase != ClaimPhase::kDestroying) return;
  const bool is_told = claim->want.hold == Hold::kUntilReleased;
  erase(event.claim);
  grew_ = true;
  if (is_told) out_.events.push_back(Released{event.claim});
}

void Book::on(const SourceDisconnected& event) {
  connected_ = ready_ = reconciling_ = false;
  out_.events.push_back(Disconnected{event.cause});
}

void Book::on(const SourceConnected& event) {
  connected_ = true;
  ready_ = false;
  std::set<AgentId> announced;
  for (const Agent& agent : event.agents) {
    announced.insert(agent.id);
    table_.update(agent);
    out_.events.push_back(AgentChanged{agent});
  }
  for (const auto index : table_.known()) {
    if (announced.contains(table_.agent(index).id)) continue;
    Agent agent = table_.agent(index);
    if (agent.up) agent.cause = "it did not come back when the cluster was connected again";
    agent.up = false;
    table_.update(agent);
    out_.events.push_back(AgentChanged{agent});
  }
  if (asked_) begin_reconcile();
}

// ---- Reconciliation ------------------------------------------------------------------------------

void Book::begin_reconcile() {
  if (!reconciling_) reconcile_attempts_ = 0;
  reconciling_ = true;
  ready_ = false;
  std::vector<LiveTask*> tasks;
  for (auto& [id, task] : tasks_) {
    if (reconcile_attempts_ == 0) task.answered = false;
    const bool is_lost = claims_.at(task.claim).phase == ClaimPhase::kLost;
    if (task.handed_over && !task.answered && !is_lost) tasks.push_back(&task);
  }
  reconcile_round_ = round_ + 1;
  if (tasks.empty()) return finish_reconcile();
  ask(tasks);
  timers_.set({Timer::kReconcile, ""}, now_.mono + kRepeatReconcile);
}

void Book::ask(const std::vector<LiveTask*>& tasks) {
  if (tasks.empty()) return;
  ReconcileTasks call{.round = ++round_};
  for (const LiveTask* task : tasks) call.tasks.emplace_back(task->task.id, task->agent);
  out_.calls.push_back(std::move(call));
}

void Book::on(const Reconciled& event) {
  if (event.round <= before_rounds_ || event.round > round_) return;
  for (const TaskId& id : event.unknown) {
    LiveTask* task = find_task(id);
    if (task != nullptr && task->round <= event.round) on_unknown(*task);
  }
  if (reconciling_ && event.round == reconcile_round_) finish_reconcile();
}

void Book::on_unknown(LiveTask& task) {
  if (task.has_ended()) return;
  task.answered = true;
  if (task.started) return pass_up_own(task, TaskState::kGone, "the cluster no longer knows it");
  if (task.stop || task.grace)
    return pass_up_own(task, TaskState::kKilled, "it was stopped before it was started");
  if (!traits_.can_repeat_launch) {
    return pass_up_own(task, TaskState::kFailed, "its launch was lost: it was never started");
  }
  // Owed: sent now, or when reconciliation has ended.
  task.handed_over = false;
  launch(task);
}

void Book::finish_reconcile() {
  timers_.clear({Timer::kReconcile, ""});
  reconciling_ = false;
  std::vector<TaskId> ids;
  for (const auto& [id, task] : tasks_) ids.push_back(id);
  for (const TaskId& id : ids) {
    LiveTask& task = tasks_.at(id);
    if (task.has_ended()) continue;
    if (claims_.at(task.claim).phase == ClaimPhase::kLost) {
      pass_up_own(task, TaskState::kGone, "its agent is gone for good");
    } else if (task.handed_over && !task.answered) {
      pass_up(task, {.state = TaskState::kUnreachable,
                     .message = fmt::format("{} has not answered for it", task.agent),
                     .at = now_.wall});
    }
  }
  std::map<GangId, Granted> granted;
  for (const ClaimId& id : asked_claims_) {
    const HeldClaim* claim = find_claim(id);
    if (claim == nullptr) continue;
    if (claim->is_held()) {
      Granted& gang = granted[claim->gang];
      gang.gang = claim->gang;
      gang.claims.push_back(claim->claim);
    } else if (claim->phase == ClaimPhase::kLost && claim->want.hold == Hold::kUntilReleased) {
      out_.events.push_back(ClaimLost{id, "its agent is gone for good"});
    }
  }
  for (auto& [id, gang] : granted) out_.events.push_back(std::move(gang));
  asked_claims_.clear();
  out_.events.push_back(Ready{});
  ready_ = grew_ = true;
  for (const TaskId& id : ids) {
    LiveTask& task = tasks_.at(id);
    if (!task.has_ended() && !task.handed_over && !task.stop && !task.grace) launch(task);
  }
  std::vector<ClaimId> claims;
  for (const auto& [id, claim] : claims_) {
    if (claim.phase == ClaimPhase::kReleasing || claim.phase == ClaimPhase::kDestroying) claims.push_back(id);
  }
  for (const ClaimId& id : claims) {
    HeldClaim& claim = claims_.at(id);
    if (claim.phase == ClaimPhase::kDestroying) {
      destroy_volumes(claim);
    } else {
      begin_release(claim, claim.destroy);
    }
  }
}

void Book::look_for_unreachable() {
  std::vector<LiveTask*> lost_sight_of;
  bool any = false;
  for (auto& [id, task] : tasks_) {
    if (task.state != TaskState::kUnreachable) continue;
    any = true;
    if (is_up(task.agent) && ready_) lost_sight_of.push_back(&task);
  }
  if (any) timers_.set_if_none({Timer::kLook, ""}, now_.mono + kLookEvery);
  ask(lost_sight_of);
}

// ---- Statuses ------------------------------------------------------------------------------------

void Book::on(const SourceStatus& event) {
  TaskStatus status = event.status;
  LiveTask* task = find_task(status.task);
  const auto acknowledge = [&] {
    if (!status.id.empty()) out_.calls.push_back(AcknowledgeSource{status.task, status.agent, status.id});
  };
  if (task == nullptr || (task->has_ended() && !is_terminal(status.state))) {
    // A task that came back from an agent given up, or one whose end is known already.
    if (!is_terminal(status.state) && status.state != TaskState::kUnreachable) {
      out_.calls.push_back(Kill{status.task, status.agent, kStrangerGrace});
    }
    return acknowledge();
  }
  // Its last word counts again where it is asked for, and where its agent was silent since.
  const bool is_answer = (reconciling_ && !task->answered) || task->state == TaskState::kUnreachable;
  const auto seen = std::ranges::find(task->passed, status.id);
  const bool is_repeated = !status.id.empty() && seen != task->passed.end();
  const bool is_latest = is_repeated && *seen == task->passed.back();
  if (is_repeated && !(is_answer && is_latest)) {
    if (task->awaiting != status.id) acknowledge();
    return;
  }
  const bool is_news = task->state != status.state || task->health != status.health;
  if (status.id.empty() && !is_news && !is_answer) return;
  if (task->has_ended() && task->awaiting_own) return acknowledge();
  task->answered = true;
  task->handed_over = true;
  if (status.state == TaskState::kRunning && !task->started) {
    task->started = true;
    task->task.spec = {};
    store(*task);
  }
  if (status.state != TaskState::kUnreachable) timers_.clear({Timer::kLaunch, status.task.str()});
  pass_up(*task, std::move(status));
}

void Book::pass_up(LiveTask& task, TaskStatus status) {
  const HeldClaim& claim = claims_.at(task.claim);
  status.task = task.task.id;
  status.claim = task.claim;
  status.agent = task.agent;
  if (claim.want.hold == Hold::kWhileTaskRuns) status.granted = claim.claim;
  task.state = status.state;
  task.health = status.health;
  if (!status.id.empty()) {
    task.awaiting = status.id;
    task.awaiting_own = false;
    std::erase(task.passed, status.id);
    task.passed.push_back(status.id);
    if (task.passed.size() > kRemembered) task.passed.erase(task.passed.begin());
  }
  if (is_terminal(status.state)) {
    for (const Timer kind : {Timer::kLaunch, Timer::kKill}) timers_.clear({kind, task.task.id.str()});
  }
  if (status.state == TaskState::kUnreachable)
    timers_.set_if_none({Timer::kLook, ""}, now_.mono + kLookEvery);
  out_.events.push_back(std::move(status));
}

// An end that no source reports. It is acknowledged like any other, and comes again after a restart because
// what it follows from does.
void Book::pass_up_own(LiveTask& task, TaskState state, std::string message) {
  const StatusId id("book/" + task.task.id.str());
  pass_up(task, {.id = id, .state = state, .message = std::move(message), .at = now_.wall});
  std::erase(task.passed, id);
  task.awaiting_own = true;
}

}  // namespace headrace::cluster
