#include "cluster/offers/claim_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "cluster/offers/book.h"

namespace headrace::cluster {
namespace {

constexpr char kGangs[] = "gangs";
constexpr char kClaims[] = "claims";
constexpr char kTasks[] = "tasks";
// After so long without an answer a call is repeated.
constexpr Duration kRepeatLaunch = 30s;
constexpr Duration kRepeatKill = 10s;
constexpr Duration kRepeatDestroy = 30s;

}  // namespace

void BookCommit::append(BookCommit&& other) {
  std::ranges::move(other.writes, std::back_inserter(writes));
  std::ranges::move(other.calls, std::back_inserter(calls));
  std::ranges::move(other.events, std::back_inserter(events));
}

std::vector<std::string> ClaimBook::tables() {
  return {kGangs, kClaims, kTasks};
}

Result<std::unique_ptr<ClaimBook>> ClaimBook::create(SourceTraits traits, std::uint64_t seed,
                                                     std::span<const Record> records, Now) {
  auto book = std::make_unique<Book>(traits, seed);
  TRY_STATUS(book->restore(records));
  return book;
}

Status Book::restore(std::span<const Record> records) {
  for (const Record& record : records) {
    if (record.table == kGangs) {
      TRY(StoredGang gang, decode_gang(record.key, record.value));
      next_sequence_ = std::max(next_sequence_, gang.sequence + 1);
      enqueue(gang.sequence, std::move(gang.gang));
    } else if (record.table == kClaims) {
      TRY(StoredClaim stored, decode_claim(record.key, record.value));
      HeldClaim& claim = claims_[stored.claim.id];
      static_cast<StoredClaim&>(claim) = std::move(stored);
      if (claim.change) changes_.insert(claim.id());
      if (claim.is_held()) {
        set_share(claim, share_of(claim.want, claim.claim.ports));
      } else if (claim.phase != ClaimPhase::kLost) {
        set_share(claim, AgentTable::Share{.demand = demand_of_volumes(claim.want)});
      }
    } else if (record.table == kTasks) {
      TRY(StoredTask stored, decode_task(record.key, record.value));
      LiveTask& task = tasks_[stored.task.id];
      static_cast<StoredTask&>(task) = std::move(stored);
      task.handed_over = true;
    }
  }
  for (auto& [id, task] : tasks_) {
    HeldClaim* claim = find_claim(task.claim);
    if (claim == nullptr || !claim->claim.agent) {
      return fail(Code::kCorrupt,
                  fmt::format("the claim book has task {} without its claim {}", id, task.claim));
    }
    task.agent = claim->agent();
    claim->task = id;
    tasks_on_[task.agent].insert(id);
  }
  // Shapes depend on which claims exist, so they are found after all claims are known.
  std::map<std::uint64_t, Pending> pending = std::exchange(pending_, {});
  pending_of_.clear();
  shapes_.clear();
  for (auto& [sequence, each] : pending) enqueue(sequence, std::move(each.gang));
  return {};
}

BookCommit Book::on_call(const Call& call, Now now) {
  now_ = now;
  std::visit([this](const auto& each) { on(each); }, call);
  return finish();
}

BookCommit Book::finish() {
  if (ready_) match_pending();
  return std::exchange(out_, {});
}

Resources Book::granted_on(const AgentId& agent) const {
  const auto index = table_.find(agent);
  return index ? resources_of(table_.granted(*index)) : Resources{};
}

// ---- Calls ---------------------------------------------------------------------------------------

void Book::on(const ClaimGang& call) {
  const Gang& gang = call.gang;
  if (const auto known = pending_of_.find(gang.id); known != pending_of_.end()) {
    pending_.at(known->second).told = 0;
    tell(known->second);
    return;
  }
  Granted granted{.gang = gang.id};
  bool known = false;
  for (const Want& want : gang.wants) {
    HeldClaim* claim = find_claim(want.id);
    if (claim == nullptr) continue;
    const bool is_same = claim->gang == gang.id;
    known = known || (is_same && (claim->is_held() || claim->phase == ClaimPhase::kLost));
    if (claim->phase == ClaimPhase::kLost) {
      if (is_same) {
        out_.events.push_back(ClaimLost{want.id, "its agent is gone"});
      } else if (!claim->task) {
        erase(want.id);
      }
    } else if (is_same && claim->is_held()) {
      granted.claims.push_back(claim->claim);
    }
  }
  if (!granted.claims.empty()) out_.events.push_back(std::move(granted));
  if (known) return;
  const std::uint64_t sequence = next_sequence_++;
  out_.writes.push_back({kGangs, gang.id.str(), encode(StoredGang{sequence, gang})});
  enqueue(sequence, gang);
  if (ready_) try_shape(pending_.at(sequence).shape);
}

void Book::on(const WithdrawGang& call) {
  if (const auto known = pending_of_.find(call.gang); known != pending_of_.end()) {
    dequeue(known->second);
    out_.writes.push_back({kGangs, call.gang.str(), std::nullopt});
    return;
  }
  // Granted before the caller could know: what it does not want is given back. Volumes that were there before
  // stay.
  std::vector<ClaimId> claims;
  for (auto& [id, claim] : claims_) {
    if (claim.gang == call.gang && claim.is_held()) claims.push_back(id);
  }
  for (const ClaimId& id : claims) begin_release(claims_.at(id), /*destroy=*/false);
}

void Book::on(const ChangeClaim& call) {
  HeldClaim* claim = find_claim(call.claim);
  if (claim == nullptr || claim->phase != ClaimPhase::kHeld) {
    out_.events.push_back(ClaimLost{call.claim, "there is no such claim"});
    return;
  }
  claim->change = call.want;
  claim->change->task.reset();
  claim->change->constraints.clear();  // the agent is chosen: only size and ports count now
  claim->told.clear();
  changes_.insert(claim->id());
  store(*claim);
  if (ready_) try_change(*claim);
}

void Book::on(const StartTask& call) {
  const auto refuse = [&](std::string message) {
    out_.events.push_back(TaskStatus{.task = call.task.id,
                                     .claim = call.claim,
                                     .state = TaskState::kFailed,
                                     .message = std::move(message),
                                     .at = now_.wall});
  };
  HeldClaim* claim = find_claim(call.claim);
  if (claim == nullptr || claim->phase != ClaimPhase::kHeld) {
    return refuse(fmt::format("claim {} is not held", call.claim));
  }
  if (claim->task) {
    if (*claim->task != call.task.id) refuse(fmt::format("claim {} still runs {}", call.claim, *claim->task));
    return;
  }
  start(*claim, call.task);
}

// Claim and task are one record's change: launching is durable before anything leaves.
void Book::start(HeldClaim& claim, const Task& task) {
  claim.task = task.id;
  if (!claim.written) {
    claim.written = true;
    if (claim.has_data()) store(claim);
  }
  LiveTask& live = tasks_[task.id];
  live.claim = claim.id();
  live.task = task;
  live.agent = claim.agent();
  tasks_on_[live.agent].insert(task.id);
  store(live);
  launch(live);
}

void Book::launch(LiveTask& task) {
  HeldClaim& claim = claims_.at(task.claim);
  if (!ready_) return;
  const AgentTable::Index agent = table_.ensure(task.agent);
  if (!table_.can_place(agent)) {
    if (is_up(task.agent)) return;  // its next offer starts it
    const std::string& cause = table_.agent(agent).cause;
    tell_waiting(claim, "agent-down",
                 fmt::format("{}, which holds claim {}, is down{}{}.", task.agent, claim.id(),
                             cause.empty() ? "" : ": ", cause));
    return;
  }
  claim.told.clear();
  task.handed_over = true;
  task.round = round_ + 1;
  out_.calls.push_back(Launch{.offer = table_.offer_of(agent),
                              .agent = task.agent,
                              .claim = claim.claim,
                              .volumes = claim.want.volumes,
                              .ports = claim.want.ports,
                              .resources = claim.want.resources,
                              .task = task.task});
  timers_.set({Timer::kLaunch, task.task.id.str()}, now_.mono + kRepeatLaunch);
}

void Book::on(const StopTask& call) {
  LiveTask* task = find_task(call.task);
  if (task == nullptr) {
    out_.events.push_back(TaskStatus{
        .task = call.task, .state = TaskState::kKilled, .message = "it was never started", .at = now_.wall});
    return;
  }
  if (!task->has_ended()) stop(*task, call.grace);
}

void Book::stop(LiveTask& task, Duration grace) {
  task.grace = grace;
  if (!task.handed_over) return pass_up_own(task, TaskState::kKilled, "it was stopped before it was started");
  if (!task.started && !task.stop) {
    task.stop = true;
    store(task);
  }
  timers_.clear({Timer::kLaunch, task.task.id.str()});
  timers_.set({Timer::kKill, task.task.id.str()}, now_.mono + grace + kRepeatKill);
  if (!connected_ || !is_up(task.agent)) return;
  out_.calls.push_back(Kill{task.task.id, task.agent, grace});
  // Perhaps its Launch never arrived: then no status will come.
  if (!task.started) ask({&task});
}

void Book::on(const ReleaseClaim& call) {
  HeldClaim* claim = find_claim(call.claim);
  const bool destroy = call.volumes == Volumes::kDestroy;
  if (claim == nullptr) {
    out_.events.push_back(Released{call.claim});
    return;
  }
  if (claim->phase == ClaimPhase::kLost) {
    if (claim->task) forget_task(*claim->task);
    erase(call.claim);
    out_.events.push_back(Released{call.claim});
  } else if (claim->phase == ClaimPhase::kDestroying) {
    if (!is_up(claim->agent())) out_.events.push_back(Released{call.claim});
  } else if (claim->phase == ClaimPhase::kParked) {
    if (!destroy) {
      out_.events.push_back(Released{call.claim});
    } else {
      destroy_volumes(*claim);
    }
  } else {
    // A person vouches that nothing lives: whatever returns later is not in the book and is killed on sight.
    if (claim->task && call.proof == Proof::kOperator) forget_task(*claim->task);
    begin_release(*claim, destroy);
  }
}

void Book::begin_release(HeldClaim& claim, bool destroy) {
  claim.destroy = destroy;
  if (!claim.task && ready_) return finish_release(claim);
  claim.phase = ClaimPhase::kReleasing;
  store(claim);
  if (!claim.task) return;
  LiveTask& task = tasks_.at(*claim.task);
  if (!task.has_ended()) stop(task, task.grace.value_or(task.task.spec.grace));
}

void Book::finish_release(HeldClaim& claim) {
  changes_.erase(claim.id());
  claim.change.reset();
  grew_ = true;
  const bool is_told = claim.want.hold == Hold::kUntilReleased;
  if (!claim.has_data()) {
    const ClaimId id = claim.id();
    erase(id);
    if (is_told) out_.events.push_back(Released{id});
  } else if (claim.destroy || !is_told) {
    destroy_volumes(claim);
  } else {
    claim.phase = ClaimPhase::kParked;
    set_share(claim, AgentTable::Share{.demand = demand_of_volumes(claim.want)});
    store(claim);
    out_.events.push_back(Released{claim.id()});
  }
}

void Book::destroy_volumes(HeldClaim& claim) {
  if (claim.phase != ClaimPhase::kDestroying) {
    claim.phase = ClaimPhase::kDestroying;
    set_share(claim, AgentTable::Share{.demand = demand_of_volumes(claim.want)});
    store(claim);
    if (!is_up(claim.agent()) && claim.want.hold == Hold::kUntilReleased) {
      out_.events.push_back(Released{claim.id()});
    }
  }
  timers_.set({Timer::kDestroy, claim.id().str()}, now_.mono + kRepeatDestroy);
  if (!ready_ || !is_up(claim.agent())) return;
  DestroyVolumes call{.claim = claim.id(), .agent = claim.agent()};
  for (const VolumeWant& volume : claim.want.volumes) call.names.push_back(volume.name);
  out_.calls.push_back(std::move(call));
}

void Book::on(const AcknowledgeStatus& call) {
  LiveTask* task = find_task(call.task);
  if (task == nullptr) return;
  const bool is_latest = task->awaiting == call.status;
  const bool own = is_latest && task->awaiting_own;
  if (!own && std::ranges::find(task->passed, call.status) != task->passed.end()) {
    out_.calls.push_back(AcknowledgeSource{call.task, task->agent, call.status});
  }
  if (!is_latest) return;
  task->awaiting.reset();
  if (task->has_ended()) end_task(*task);
}

// Its end is known above: the claim is free for the next one, or has ended with it.
void Book::end_task(LiveTask& task) {
  HeldClaim& claim = claims_.at(task.claim);
  forget_task(task.task.id);
  if (claim.phase == ClaimPhase::kLost) {
    if (claim.want.hold == Hold::kWhileTaskRuns) erase(claim.id());
  } else if (claim.want.hold == Hold::kWhileTaskRuns || (claim.phase == ClaimPhase::kReleasing && ready_)) {
    finish_release(claim);
  } else if (claim.change && ready_) {
    try_change(claim);
  }
}

void Book::forget_task(const TaskId& id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  claims_.at(found->second.claim).task.reset();
  const auto on_agent = tasks_on_.find(found->second.agent);
  on_agent->second.erase(id);
  if (on_agent->second.empty()) tasks_on_.erase(on_agent);
  for (const Timer kind : {Timer::kLaunch, Timer::kKill}) timers_.clear({kind, id.str()});
  out_.writes.push_back({kTasks, id.str(), std::nullopt});
  tasks_.erase(found);
}

void Book::on(const Reconcile& call) {
  asked_ = true;
  ready_ = false;
  asked_claims_ = {call.claims.begin(), call.claims.end()};
  // Lost claims were kept only until their caller knew: what it no longer names, it has heard.
  std::vector<ClaimId> heard;
  for (const auto& [id, claim] : claims_) {
    if (claim.phase == ClaimPhase::kLost && !claim.task && !asked_claims_.contains(id)) heard.push_back(id);
  }
  for (const ClaimId& id : heard) erase(id);
  if (connected_) begin_reconcile();
}

// ---- Memory and records --------------------------------------------------------------------------

void Book::set_share(HeldClaim& claim, std::optional<AgentTable::Share> share) {
  const AgentTable::Index agent = table_.ensure(claim.agent());
  if (claim.placed) table_.take_away(agent, *claim.placed);
  claim.placed = std::move(share);
  if (claim.placed) table_.place(agent, *claim.placed);
}

void Book::tell_waiting(HeldClaim& claim, std::string code, std::string sentence,
                        std::vector<AgentRefusal> refusals) {
  if (claim.told == sentence) return;
  claim.told = sentence;
  out_.events.push_back(Waiting{claim.gang, std::move(code), std::move(sentence), std::move(refusals)});
}

void Book::store(const HeldClaim& claim) {
  out_.writes.push_back({kClaims, claim.id().str(), encode(claim)});
}

void Book::store(const LiveTask& task) {
  out_.writes.push_back({kTasks, task.task.id.str(), encode(task)});
}

void Book::erase(const ClaimId& id) {
  HeldClaim& claim = claims_.at(id);
  if (claim.placed) set_share(claim, std::nullopt);
  changes_.erase(id);
  timers_.clear({Timer::kDestroy, id.str()});
  out_.writes.push_back({kClaims, id.str(), std::nullopt});
  claims_.erase(id);
}

Book::HeldClaim* Book::find_claim(const ClaimId& id) {
  const auto found = claims_.find(id);
  return found == claims_.end() ? nullptr : &found->second;
}

Book::LiveTask* Book::find_task(const TaskId& id) {
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? nullptr : &found->second;
}

bool Book::is_up(const AgentId& agent) const {
  const auto index = table_.find(agent);
  return index && table_.agent(*index).up;
}

}  // namespace headrace::cluster
