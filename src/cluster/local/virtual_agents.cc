#include "cluster/local/virtual_agents.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace headrace::cluster {
namespace {

constexpr Duration kLook = 2s;  // between looks at the engine and at ports
constexpr std::uint64_t kLooksPerCount = 5;
constexpr Duration kRepeatStatus = 5s;  // an unacknowledged status is told again
constexpr Duration kIdle = 1min;        // a container that was found created waits so long to be asked for
constexpr std::size_t kResultBytes = 4 << 10, kWordsBytes = 200;
constexpr std::string_view kResultMark = "::result::";
constexpr PortRange kPorts{20000, 31999};
constexpr int kChecksAtOnce = 4;
constexpr Duration kFastCheck = 200ms, kFastCommand = 1s;

std::string_view last_line_of(std::string_view log) {
  while (!log.empty() && (log.back() == '\n' || log.back() == '\r')) log.remove_suffix(1);
  const std::size_t start = log.rfind('\n');
  return log.substr(start == std::string_view::npos ? 0 : start + 1);
}

// The JSON after the mark on the last line that is not empty; empty where there is none.
std::string result_of(std::string_view log) {
  const std::string_view last = last_line_of(log);
  const std::size_t mark = last.find(kResultMark);
  if (mark == std::string_view::npos) return {};
  std::string_view result = last.substr(mark + kResultMark.size());
  while (!result.empty() && result.front() == ' ') result.remove_prefix(1);
  return result.size() <= kResultBytes ? std::string(result) : std::string();
}

// The container and its log go with its end: what it said last is kept with it. In ASCII, since a message is
// text and a log is bytes.
std::string ended_with(int exit_code, std::string_view log) {
  std::string text = fmt::format("ended with exit code {}", exit_code);
  const std::string_view last =
      exit_code == 0 ? std::string_view() : last_line_of(log).substr(0, kWordsBytes);
  if (!last.empty()) text += ": ";
  for (const char c : last) text += c >= ' ' && c <= '~' ? c : '?';
  return text;
}

std::string address_of(int agent) {
  return fmt::format("127.0.0.{}", agent);
}

}  // namespace

template <class Decide>
VirtualAgents::Turn VirtualAgents::turn(Now now, Decide decide) {
  now_ = now;
  decide();
  if (!connected_) connect();
  run_checks();
  return std::exchange(turn_, {});
}

VirtualAgents::Turn VirtualAgents::on_start(Now now) {
  return on_missed(now);
}

VirtualAgents::Turn VirtualAgents::on_call(const SourceCall& call, Now now) {
  return turn(now, [&] { std::visit([this](const auto& each) { on(each); }, call); });
}

VirtualAgents::Turn VirtualAgents::on_done(const AnyDone& done, Now now) {
  return turn(now, [&] { std::visit([this](const auto& each) { on(each); }, done); });
}

VirtualAgents::Turn VirtualAgents::on_died(const TaskId& task, Now now) {
  return turn(now, [&] {
    Known* known = find(task);
    if (known == nullptr) return;
    known->look = true;
    advance(*known);
  });
}

VirtualAgents::Turn VirtualAgents::on_missed(Now now) {
  return turn(now, [&] {
    must_count_ = true;
    look_around();
  });
}

VirtualAgents::Turn VirtualAgents::on_time(Now now) {
  return turn(now, [&] {
    if (survey_due_ && *survey_due_ <= now.mono) look_around();
  });
}

std::optional<Monotonic> VirtualAgents::next_deadline() const {
  std::optional<Monotonic> next = survey_due_;
  if (!checks_.empty() && checks_running_ < kChecksAtOnce && (!next || checks_.begin()->first < *next)) {
    next = checks_.begin()->first;
  }
  return next;
}

// ---- Looking around ------------------------------------------------------------------------------

void VirtualAgents::look_around() {
  if (surveying_) return;  // its answer plans the next
  surveying_ = true;
  survey_due_.reset();
  ++looks_;
  Survey survey{.count_containers = !counted_ || must_count_ || looks_ % kLooksPerCount == 0,
                .addresses = {}};
  must_count_ = false;
  for (int agent = 1; agent <= options_.agents; ++agent) survey.addresses.push_back(address_of(agent));
  turn_.deeds.emplace_back(std::move(survey));
}

void VirtualAgents::on(const Done<Survey>& done) {
  surveying_ = false;
  survey_due_ = now_.mono + (must_count_ && done.answer ? 0ms : kLook);
  if (!done.answer) {
    counted_ = false;
    if (connected_ || looks_ == 1) log::warn("No Docker Engine: {}", done.answer.error().to_string());
    if (std::exchange(connected_, false)) {
      turn_.events.emplace_back(SourceDisconnected{done.answer.error().to_string()});
    }
    return;
  }
  listening_ = done.answer->listening;
  if (const auto& containers = done.answer->containers) {
    counted_ = true;
    if (agents_.empty()) make_agents(done.answer->machine);
    std::set<std::string> running;
    for (const docker::Container& container : *containers) {
      if (container.state == docker::ContainerState::kRunning) running.insert(container.name);
      adopt(container);
    }
    // What the engine said of an end can be missed: what does not run any more has ended.
    for (auto& [id, known] : known_) {
      if (known.status.state == TaskState::kRunning && !running.contains(container_name(id)))
        known.look = true;
    }
  }
  for (auto& [id, known] : known_) {
    known.failed = false;
    known.leaving = known.leaving || (connected_ && known.idle && now_.mono - *known.idle >= kIdle);
    advance(known);
  }
  if (!connected_) return;
  offer_all();
  repeat_statuses();
}

void VirtualAgents::make_agents(const docker::Machine& machine) {
  const int count = options_.agents;
  const double cpus = options_.cpus > 0 ? options_.cpus : machine.cpus;
  // A tenth of the memory stays the machine's own.
  const Bytes memory = options_.memory.count > 0 ? options_.memory : Bytes{machine.memory.count / 10 * 9};
  for (int number = 1; number <= count; ++number) {
    Agent agent{
        .id = AgentId(fmt::format("agent-{}", number)),
        .hostname = fmt::format("agent-{}", number),
        .address = address_of(number),
        .total = {
            .cpus = cpus / count, .memory = {memory.count / count}, .disk = {options_.disk.count / count}}};
    const auto given = options_.attributes.find(number);
    if (given != options_.attributes.end()) agent.attributes = given->second;
    agent.up = is_plugged(agent.id);
    if (!agent.up) agent.cause = "unplugged by `headrace agent unplug`";
    agents_.push_back(std::move(agent));
  }
}

void VirtualAgents::adopt(const docker::Container& container) {
  auto adopted = adopted_from(container.labels);
  if (!adopted) {
    if (!connected_) log::warn("{}", adopted.error().to_string());
    return;
  }
  const TaskId task = adopted->task;
  if (known_.contains(task)) return;
  // The list may be older than what has happened since: what is found is looked at.
  known_[task] = {.adopted = *adopted,
                  .status = {.task = task, .claim = adopted->claim.id, .agent = adopted->agent},
                  .found = true,
                  .look = true,
                  .cut = !is_plugged(adopted->agent)};
}

// All that was found on agents that answer has been looked at: from now on what is not known is not there.
void VirtualAgents::connect() {
  if (!counted_) return;
  const auto is_unseen = [&](const auto& each) {
    return each.second.found && is_plugged(each.second.adopted.agent);
  };
  if (std::ranges::any_of(known_, is_unseen)) return;
  connected_ = true;
  for (auto& [id, known] : known_) {
    if (known.idle) known.idle = now_.mono;
  }
  turn_.events.emplace_back(SourceConnected{agents_});
  offered_ports_.clear();
  offer_all();
}

void VirtualAgents::offer_all() {
  for (const Agent& agent : agents_) {
    if (!agent.up) continue;
    std::set<std::uint16_t> ours;
    for (const auto& [id, known] : known_) {
      if (known.adopted.agent != agent.id) continue;
      for (const auto& [name, number] : known.adopted.claim.ports) ours.insert(number);
    }
    std::vector<std::uint16_t> taken;
    for (const std::uint16_t port : listening_[agent.address]) {
      if (port >= kPorts.first && port <= kPorts.second && !ours.contains(port)) taken.push_back(port);
    }
    const auto offered = offered_ports_.find(agent.id);
    if (offered != offered_ports_.end() && offered->second == taken) continue;
    offered_ports_[agent.id] = taken;
    turn_.events.emplace_back(Offered{{.id = OfferId(fmt::format("{}-{}", options_.run, next_id_++)),
                                       .agent = agent,
                                       .free = agent.total,
                                       .ports = {kPorts},
                                       .taken_ports = std::move(taken)}});
  }
}

void VirtualAgents::repeat_statuses() {
  for (auto& [id, known] : known_) {
    if (!known.told || now_.mono - *known.told < kRepeatStatus || !is_plugged(known.adopted.agent)) continue;
    known.told = now_.mono;
    turn_.events.emplace_back(SourceStatus{known.status});
  }
}

// ---- Calls ---------------------------------------------------------------------------------------

void VirtualAgents::on(const Launch& call) {
  if (!is_plugged(call.agent)) return;  // nobody there to hear it
  if (Known* known = find(call.task.id)) {
    if (!is_known(*known)) {
      known->launch = call;
    } else if (known->idle) {
      known->start = true;
      advance(*known);
    } else if (known->status.state != TaskState::kStarting) {
      turn_.events.emplace_back(SourceStatus{known->status});  // a repeated call is answered again
    }
    return;
  }
  Known& known = known_[call.task.id];
  known = {.adopted = {.task = call.task.id,
                       .claim = call.claim,
                       .agent = call.agent,
                       .check = call.task.spec.check},
           .status = {.task = call.task.id, .claim = call.claim.id, .agent = call.agent},
           .start = true,
           .launch = call};
  advance(known);
}

void VirtualAgents::on(const Kill& call) {
  Known* known = find(call.task);
  if (known == nullptr || !is_plugged(call.agent)) return;
  if (known->leaving) return known->launch.reset();
  if (is_terminal(known->status.state)) {
    turn_.events.emplace_back(SourceStatus{known->status});
    return;
  }
  known->stop = call.grace;
  end_checks(*known);
  advance(*known);
}

void VirtualAgents::on(const DestroyVolumes& call) {
  if (!is_plugged(call.agent)) return;
  destroying_[call.claim] = call.names;
  destroy_volumes(call.claim);
}

void VirtualAgents::destroy_volumes(const ClaimId& claim) {
  if (!destroying_.contains(claim) || removing_.contains(claim)) return;
  const auto uses = [&](const auto& each) { return each.second.adopted.claim.id == claim; };
  if (std::ranges::any_of(known_, uses)) return;
  removing_.insert(claim);
  turn_.deeds.emplace_back(RemoveVolumes{claim, destroying_.at(claim)});
}

void VirtualAgents::on(const Done<RemoveVolumes>& done) {
  destroying_.erase(done.deed.claim);
  removing_.erase(done.deed.claim);
  if (done.answer) {
    turn_.events.emplace_back(VolumesDestroyed{done.deed.claim});
  } else {  // the book asks again
    log::warn("Removing volumes of {} failed: {}", done.deed.claim, done.answer.error().to_string());
  }
}

void VirtualAgents::on(const AcknowledgeSource& call) {
  Known* known = find(call.task);
  if (known == nullptr || known->status.id != call.status) return;
  known->told.reset();
  if (!is_terminal(known->status.state)) return;
  known->leaving = true;
  advance(*known);
}

void VirtualAgents::on(const ReconcileTasks& call) {
  Reconciled done{.round = call.round};
  for (const auto& [task, agent] : call.tasks) {
    if (!is_plugged(agent)) continue;
    Known* known = find(task);
    if (known == nullptr) {
      done.unknown.push_back(task);
      continue;
    }
    if (!is_known(*known)) continue;  // asked for again when it has been looked at, or removed
    turn_.events.emplace_back(SourceStatus{known->status});
    // Create and start are one deed: a crash came between its halves.
    known->start = known->idle.has_value();
    advance(*known);
  }
  turn_.events.emplace_back(std::move(done));
}

// ---- Containers ----------------------------------------------------------------------------------

// Level-triggered: the next deed that this task's container needs.
void VirtualAgents::advance(Known& known) {
  const TaskId task = known.adopted.task;
  if (known.busy || known.failed) return;
  if (known.leaving || known.given_up) return act(known, RemoveContainer{task});
  if (is_terminal(known.status.state)) return;
  if (known.cut) return act(known, CutContainer{task});
  if (!is_plugged(known.adopted.agent)) return;
  if (known.look) {
    known.look = false;
    return act(known, LookAtContainer{task});
  }
  if (known.stop && (known.start || known.idle)) return give_up(known, "");
  if (known.stop) return act(known, StopContainer{task, *known.stop});
  if (!known.start) return;
  known.start = false;
  known.idle.reset();
  act(known, StartContainer{task, std::exchange(known.launch, std::nullopt)});
}

void VirtualAgents::give_up(Known& known, std::string why) {
  known.given_up = std::move(why);
  known.start = false;
  known.launch.reset();
  known.idle.reset();
  advance(known);
}

void VirtualAgents::act(Known& known, Deed deed) {
  known.busy = true;
  turn_.deeds.push_back(std::move(deed));
}

VirtualAgents::Known* VirtualAgents::settle(const TaskId& task, bool ok) {
  Known* known = find(task);
  if (known == nullptr) return nullptr;
  known->busy = false;
  known->failed = !ok;
  return known;
}

void VirtualAgents::on(const Done<StartContainer>& done) {
  Known* known = settle(done.deed.task, /*ok=*/true);
  const bool is_there = is_plugged(known->adopted.agent);
  if (!done.answer && is_there) {
    known->refused = done.answer.error();
    known->launch = done.deed.launch;
    known->look = true;
  } else if (done.answer && is_there && !known->stop && !known->cut) {
    run(*known);
  }
  advance(*known);
}

void VirtualAgents::on(const Done<StopContainer>& done) {
  Known* known = settle(done.deed.task, done.answer.has_value());
  known->look = true;
  if (!done.answer) log::warn("Stopping {} failed: {}", done.deed.task, done.answer.error().to_string());
  advance(*known);
}

void VirtualAgents::on(const Done<CutContainer>& done) {
  Known* known = settle(done.deed.task, done.answer.has_value());
  if (done.answer) known->cut = false;
  advance(*known);
}

void VirtualAgents::on(const Done<RemoveContainer>& done) {
  const TaskId task = done.deed.task;
  Known* known = settle(task, done.answer.has_value());
  if (!done.answer) {
    log::warn("Removing the container of {} failed: {}", task, done.answer.error().to_string());
  } else if (known->leaving) {
    const std::optional<Launch> again = std::move(known->launch);
    forget(task);
    if (again) on(*again);
  } else {
    const std::string why = *std::exchange(known->given_up, std::nullopt);
    if (is_plugged(known->adopted.agent)) end(*known, {}, why);
  }
}

void VirtualAgents::on(const Done<LookAtContainer>& done) {
  Known* known = settle(done.deed.task, done.answer.has_value());
  const bool is_there = is_plugged(known->adopted.agent);
  if (!done.answer || !is_there) {
    known->look = true;
    return advance(*known);
  }
  using enum docker::ContainerState;
  const bool was_found = std::exchange(known->found, false);
  const auto& container = done.answer->container;
  const auto state = container ? container->state : kDead;
  if (was_found && !container) {
    known->leaving = true;
  } else if (was_found && state == kCreated) {
    known->idle = now_.mono;
    known->start = std::exchange(known->launch, std::nullopt).has_value();
  } else if ((!container || state == kCreated) && known->refused) {
    const Error refused = *std::exchange(known->refused, std::nullopt);
    if (refused.code != Code::kTimeout)
      return give_up(*known, "could not be started: " + refused.to_string());
    known->start = known->failed = true;
  } else if (state == kCreated) {
    return give_up(*known, "it was not started");
  } else if (state == kExited || state == kDead) {
    const bool was_started = known->status.state != TaskState::kStarting;
    end(*known, *done.answer,
        was_started ? "its container was removed by somebody else" : "it was not started");
  } else if (state == kRemoving) {
    known->look = known->failed = true;
  } else if (known->status.state == TaskState::kStarting && !known->stop) {
    run(*known);
  }
  advance(*known);
}

void VirtualAgents::run(Known& known) {
  known.launch.reset();
  known.refused.reset();
  known.status.state = TaskState::kRunning;
  report(known);
  begin_checks(known);
}

void VirtualAgents::end(Known& known, const LookAtContainer::Answer& seen, const std::string& why) {
  end_checks(known);
  known.launch.reset();
  TaskStatus& status = known.status;
  status.health = Health::kUnknown;
  status.state = known.stop ? TaskState::kKilled : TaskState::kFailed;
  status.message = known.stop ? "stopped" : why;
  if (const auto& container = seen.container) {
    status.exit_code = container->exit_code;
    status.log_tail = seen.log_tail;
    status.result = result_of(seen.log_tail);
    if (!known.stop && container->exit_code == 0) status.state = TaskState::kFinished;
    if (container->out_of_memory) {
      status.message = "killed by the kernel: it used more memory than it may";
    } else if (!container->error.empty()) {
      status.message = container->error;
    } else if (!known.stop) {
      status.message = ended_with(container->exit_code, seen.log_tail);
    }
  }
  report(known);
}

void VirtualAgents::report(Known& known) {
  TaskStatus& status = known.status;
  status.id = StatusId(fmt::format("{}-{}", options_.run, next_id_++));
  status.at = now_.wall;
  known.told = now_.mono;
  turn_.events.emplace_back(SourceStatus{status});
}

void VirtualAgents::forget(const TaskId& task) {
  const auto found = known_.find(task);
  const ClaimId claim = found->second.adopted.claim.id;
  end_checks(found->second);
  known_.erase(found);
  destroy_volumes(claim);
}

VirtualAgents::Known* VirtualAgents::find(const TaskId& task) {
  const auto found = known_.find(task);
  return found == known_.end() ? nullptr : &found->second;
}

Agent* VirtualAgents::find(const AgentId& agent) {
  const auto found = std::ranges::find(agents_, agent, &Agent::id);
  return found == agents_.end() ? nullptr : &*found;
}

// ---- Checks --------------------------------------------------------------------------------------

void VirtualAgents::begin_checks(Known& known) {
  if (!known.adopted.check || known.checking) return;
  known.checking = true;
  known.check_from = now_.mono;
  known.check_due = now_.mono;
  checks_.emplace(now_.mono, known.adopted.task);
}

void VirtualAgents::end_checks(Known& known) {
  known.checking = false;
  if (known.check_due) checks_.erase({*known.check_due, known.adopted.task});
  known.check_due.reset();
}

void VirtualAgents::run_checks() {
  while (!checks_.empty() && checks_.begin()->first <= now_.mono && checks_running_ < kChecksAtOnce) {
    Known& known = *find(checks_.begin()->second);
    checks_.erase(checks_.begin());
    known.check_due.reset();
    ++checks_running_;
    turn_.deeds.emplace_back(RunCheck{known.adopted.task, known.adopted.claim, *known.adopted.check});
  }
}

void VirtualAgents::on(const Done<RunCheck>& done) {
  --checks_running_;
  Known* known = find(done.deed.task);
  if (known == nullptr || !known->checking) return;
  const Check& check = done.deed.check;
  TaskStatus& status = known->status;
  const auto become = [&](Health health, std::string message) {
    if (std::exchange(status.health, health) == health) return;
    status.message = std::move(message);
    report(*known);
  };
  if (done.answer && !done.answer->failure) {
    known->failures = 0;
    known->passed = true;
    become(Health::kReady, "");
  } else if (done.answer) {
    // Before the first pass the check runs faster than its interval: failures count by the interval's
    // measure.
    const Duration tried = now_.mono - known->check_from - check.grace;
    if (tried >= 0ms || known->passed) ++known->failures;
    const bool enough =
        known->passed ? known->failures >= check.failures : tried >= check.interval * check.failures;
    if (check.failures > 0 && enough) become(Health::kUnhealthy, *done.answer->failure);
  }
  const Duration fast = check.kind == CheckKind::kCommand ? kFastCommand : kFastCheck;
  const bool hurry = !known->passed || status.health == Health::kUnhealthy;
  known->check_due = now_.mono + (hurry ? std::min(fast, check.interval) : check.interval);
  checks_.emplace(*known->check_due, known->adopted.task);
}

// ---- Plugs ---------------------------------------------------------------------------------------

Result<std::set<AgentId>> VirtualAgents::unplugged_with(const AgentId& agent, bool plugged) const {
  std::vector<std::string> names;
  for (const Agent& each : agents_) names.push_back(each.id.str());
  if (std::ranges::find(names, agent.str()) == names.end()) {
    return fail(Code::kNotFound, fmt::format("there is no agent {}", agent),
                fmt::format("agents: {}", fmt::join(names, ", ")));
  }
  std::set<AgentId> unplugged = options_.unplugged;
  if (plugged) {
    unplugged.erase(agent);
  } else {
    unplugged.insert(agent);
  }
  return unplugged;
}

VirtualAgents::Turn VirtualAgents::on_plug(const AgentId& id, bool plugged, Now now) {
  return turn(now, [&] {
    Agent& agent = *find(id);
    if (agent.up == plugged) return;
    options_.unplugged = *unplugged_with(id, plugged);
    agent.up = plugged;
    agent.cause = plugged ? "" : "unplugged by `headrace agent unplug`";
    turn_.events.emplace_back(SourceAgent{agent});
    offered_ports_.erase(id);
    for (auto& [task, known] : known_) {
      if (known.adopted.agent != id) continue;
      // What a pulled plug ended is seen to have ended only when it is back.
      known.look = true;
      if (!plugged && !is_terminal(known.status.state) && !known.leaving) {
        known.cut = true;
        known.start = false;
        known.launch.reset();
        known.refused.reset();
        end_checks(known);
      }
      advance(known);
    }
    if (plugged && connected_) offer_all();
  });
}

}  // namespace headrace::cluster
