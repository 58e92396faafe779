#include "sim/sim_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::sim {
namespace {

using namespace cluster;

constexpr Duration kHeartbeat = 10s;
constexpr Duration kNoticeSilence = 3s;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

Duration milliseconds(const std::string& text, Duration otherwise) {
  return text.empty() ? otherwise : Duration(std::stol(text));
}

}  // namespace

SimSource::SimSource(EventQueue& queue, Random& random, Ledger& ledger, const Faults& faults, Counts& counts,
                     SourceOptions options)
    : queue_(queue), random_(random), ledger_(ledger), faults_(faults), counts_(counts), options_(options) {
  for (int number = 1; number <= options.agents; ++number) {
    auto machine = std::make_unique<Machine>();
    const std::string name = fmt::format("agent-{}", number);
    machine->agent = {.id = AgentId(name),
                      .hostname = name,
                      .address = fmt::format("127.0.1.{}", number),
                      .attributes = {{"rack", number % 2 == 0 ? "even" : "odd"}},
                      .total = options.each};
    agents_.push_back(std::move(machine));
  }
}

// ---- Messages ------------------------------------------------------------------------------------

Duration SimSource::travel_time() {
  if (random_.chance(faults_.late)) {
    ++counts_.late;
    return between(random_, 20ms, faults_.latest);
  }
  return between(random_, 0ms, 20ms);
}

bool SimSource::is_lost() {
  ++counts_.messages;
  if (!random_.chance(faults_.lose)) return false;
  ++counts_.lost;
  return true;
}

void SimSource::up(Machine* machine, SourceEvent event) {
  if (!up_ || (machine != nullptr && !machine->reachable() && !machine->gone)) return;
  if (is_lost()) return;
  Monotonic arrives = queue_.time() + travel_time();
  if (machine != nullptr) arrives = machine->last_up = std::max(arrives, machine->last_up);
  const auto deliver = [this, connection = connection_, event = std::move(event)] {
    if (connection == connection_ && up_) up_(event);
  };
  queue_.at(arrives, deliver);
  if (random_.chance(faults_.duplicate)) {
    ++counts_.duplicated;
    queue_.at(arrives + between(random_, 0ms, faults_.latest), deliver);
  }
}

void SimSource::down(Machine& machine, std::function<void()> arrive) {
  if (is_lost()) return;
  machine.last_down = std::max(queue_.time() + travel_time(), machine.last_down);
  // A call repeated by the transport comes right behind the first: the connection keeps its order.
  const bool twice = options_.traits.can_repeat_launch && random_.chance(faults_.duplicate);
  counts_.duplicated += twice ? 1 : 0;
  for (int time = 0; time < (twice ? 2 : 1); ++time) {
    queue_.at(machine.last_down, [&machine, arrive] {
      if (machine.reachable()) arrive();
    });
  }
}

void SimSource::later(Machine& machine, Duration delay, std::function<void()> action) {
  queue_.after(delay, [&machine, boots = machine.boots, action = std::move(action)] {
    if (machine.powered && machine.boots == boots && !machine.gone) action();
  });
}

void SimSource::connect(Up up_to) {
  up_ = std::move(up_to);
  const std::uint64_t connection = ++connection_;
  queue_.after(between(random_, 1ms, 300ms), [this, connection] {
    if (connection != connection_) return;
    SourceConnected connected;
    for (const auto& machine : agents_) {
      if (machine->gone) continue;
      Agent agent = machine->agent;
      agent.up = machine->reachable();
      if (!agent.up) agent.cause = "it does not answer";
      connected.agents.push_back(std::move(agent));
      // What was said before is said to the former server.
      machine->last_up = queue_.time();
    }
    up_(connected);
    heartbeat(connection);
    for (const auto& machine : agents_) {
      for (auto& [task, container] : machine->containers) {
        if (!container.acknowledged) report(*machine, task);
      }
    }
  });
}

void SimSource::disconnect() {
  ++connection_;
  up_ = nullptr;
}

void SimSource::heartbeat(std::uint64_t connection) {
  if (connection != connection_) return;
  for (const auto& machine : agents_) announce(*machine);
  queue_.after(kHeartbeat, [this, connection] { heartbeat(connection); });
}

void SimSource::announce(Machine& machine) {
  if (machine.gone) return up(nullptr, SourceAgentGone{machine.agent.id, "its power supply burnt"});
  if (!machine.reachable()) {
    Agent silent = machine.agent;
    silent.up = false;
    silent.cause = "it does not answer";
    return up(nullptr, SourceAgent{silent});
  }
  up(&machine, Offered{{.id = OfferId("offer-" + machine.agent.id.str()),
                        .agent = machine.agent,
                        .free = machine.agent.total,
                        .ports = {{20000, 20999}}}});
}

void SimSource::announce_after_a_while(Machine& machine) {
  queue_.after(between(random_, 1ms, kNoticeSilence), [this, &machine] { announce(machine); });
}

void SimSource::call(const SourceCall& call) {
  std::visit(Overloaded{[&](const Launch& each) {
                          Machine* machine = find(each.agent);
                          down(*machine, [this, machine, each] { launch(*machine, each); });
                        },
                        [&](const Kill& each) {
                          Machine* machine = find(each.agent);
                          down(*machine, [this, machine, each] { kill(*machine, each); });
                        },
                        [&](const DestroyVolumes& each) {
                          Machine* machine = find(each.agent);
                          down(*machine, [this, machine, each] {
                            ledger_.destroyed(each.claim);
                            up(machine, VolumesDestroyed{each.claim});
                          });
                        },
                        [&](const AcknowledgeSource& each) {
                          Machine* machine = find(each.agent);
                          down(*machine, [this, machine, each] {
                            Container* container = find(*machine, each.task);
                            if (container == nullptr || container->status.id != each.status) return;
                            container->acknowledged = true;
                            if (container->state == Container::kEnded) machine->containers.erase(each.task);
                          });
                        },
                        [&](const ReconcileTasks& each) { reconcile(each); }, [](const Decline&) {}},
             call);
}

void SimSource::reconcile(const ReconcileTasks& asked) {
  struct Answer {
    Reconciled done;
    std::size_t left = 0;
  };
  auto answer = std::make_shared<Answer>();
  answer->done.round = asked.round;
  std::map<AgentId, std::vector<TaskId>> by_machine;
  for (const auto& [task, agent] : asked.tasks) {
    Machine* machine = find(agent);
    if (machine != nullptr && machine->reachable()) by_machine[agent].push_back(task);
  }
  const auto finish = [this, answer] {
    // Behind every status that it speaks of.
    Monotonic last = queue_.time();
    for (const auto& machine : agents_) last = std::max(last, machine->last_up);
    queue_.at(last, [this, answer, connection = connection_] {
      if (connection == connection_) up(nullptr, answer->done);
    });
  };
  answer->left = by_machine.size();
  if (by_machine.empty()) return finish();
  for (const auto& [id, tasks] : by_machine) {
    Machine* machine = find(id);
    auto is_first = std::make_shared<bool>(true);
    down(*machine, [this, machine, tasks, answer, finish, is_first] {
      if (!std::exchange(*is_first, false)) return;
      for (const TaskId& task : tasks) {
        if (Container* container = find(*machine, task)) {
          if (container->status.id.empty())
            change(*machine, *container, TaskState::kStarting, Health::kUnknown, "");
          report(*machine, task);
        } else {
          answer->done.unknown.push_back(task);
        }
      }
      if (--answer->left == 0) finish();
    });
  }
}

// ---- Containers ----------------------------------------------------------------------------------

void SimSource::launch(Machine& machine, const Launch& launch) {
  const TaskId& id = launch.task.id;
  if (Container* known = find(machine, id)) {
    if (!options_.traits.can_repeat_launch) throw Violation(fmt::format("{} was launched twice", id));
    if (!known->status.id.empty()) report(machine, id);
    return;
  }
  Container& container = machine.containers[id];
  container.launch = launch;
  if (random_.chance(0.5)) change(machine, container, TaskState::kStarting, Health::kUnknown, "");
  later(machine, between(random_, 30ms, 400ms), [this, &machine, id] { run(machine, id); });
}

void SimSource::run(Machine& machine, const TaskId& id) {
  Container* container = find(machine, id);
  if (container == nullptr || container->state != Container::kCreated) return;
  if (random_.chance(faults_.start_fails))
    return end(machine, id, TaskState::kFailed, "it could not be started");
  const Launch& launch = container->launch;
  const TaskSpec& spec = launch.task.spec;
  Life life{.task = id,
            .claim = launch.claim.id,
            .agent = machine.agent.id,
            .app = variable(spec, "MARATHON_APP_ID"),
            .version = variable(spec, "SIM_VERSION"),
            .resources = launch.resources};
  const std::string slot = variable(spec, "HEADRACE_SLOT");
  if (!slot.empty()) life.slot = life.app + "#" + slot;
  for (const auto& [name, number] : launch.claim.ports) life.ports.push_back(number);
  ledger_.started(std::move(life), machine.agent.total);
  if (!launch.volumes.empty()) ledger_.wrote(launch.claim.id, machine.agent.id);
  container->state = Container::kRunning;
  change(machine, *container, TaskState::kRunning, Health::kUnknown, "");
  const std::string ends = variable(spec, "SIM_END");
  if (!ends.empty()) {
    later(machine, milliseconds(variable(spec, "SIM_AFTER"), 1s), [this, &machine, id, ends] {
      end(machine, id, ends == "finish" ? TaskState::kFinished : TaskState::kFailed, "it ended by itself");
    });
  }
  if (spec.check) {
    later(machine, milliseconds(variable(spec, "SIM_READY"), 200ms), [this, &machine, id] {
      Container* running = find(machine, id);
      if (running == nullptr || running->state != Container::kRunning) return;
      change(machine, *running, TaskState::kRunning, Health::kReady, "");
    });
  }
}

void SimSource::kill(Machine& machine, const Kill& kill) {
  Container* container = find(machine, kill.task);
  if (container == nullptr || container->state == Container::kEnded || container->stopping) return;
  ledger_.killed(kill.task);
  container->stopping = true;
  const Duration takes = container->state == Container::kRunning ? between(random_, 0ms, kill.grace) : 0ms;
  later(machine, takes,
        [this, &machine, id = kill.task] { end(machine, id, TaskState::kKilled, "it was stopped"); });
}

void SimSource::end(Machine& machine, const TaskId& task, TaskState state, std::string message) {
  Container* container = find(machine, task);
  if (container == nullptr || container->state == Container::kEnded) return;
  ledger_.ended(task);
  container->state = Container::kEnded;
  container->status.exit_code = state == TaskState::kFinished ? 0 : state == TaskState::kKilled ? 143 : 1;
  if (state == TaskState::kFinished)
    container->status.result = variable(container->launch.task.spec, "SIM_RESULT");
  change(machine, *container, state, Health::kUnknown, std::move(message));
}

void SimSource::change(Machine& machine, Container& container, TaskState state, Health health,
                       std::string message) {
  TaskStatus& status = container.status;
  status.task = container.launch.task.id;
  status.claim = container.launch.claim.id;
  status.agent = machine.agent.id;
  status.id = StatusId(fmt::format("{}#{}", status.task, ++container.statuses));
  status.state = state;
  status.health = health;
  status.message = std::move(message);
  status.at = queue_.now().wall;
  container.acknowledged = false;
  report(machine, status.task);
}

// Repeated until acknowledged: each report plans the next.
void SimSource::report(Machine& machine, const TaskId& task) {
  const Container* container = find(machine, task);
  up(&machine, SourceStatus{container->status});
  later(machine, between(random_, 5s, 10s), [this, &machine, task, id = container->status.id] {
    const Container* still = find(machine, task);
    if (still != nullptr && still->status.id == id && !still->acknowledged) report(machine, task);
  });
}

SimSource::Container* SimSource::find(Machine& machine, const TaskId& task) {
  const auto found = machine.containers.find(task);
  return found == machine.containers.end() ? nullptr : &found->second;
}

SimSource::Machine* SimSource::find(const AgentId& agent) {
  const auto found = std::ranges::find(agents_, agent, [](const auto& each) { return each->agent.id; });
  return found == agents_.end() ? nullptr : found->get();
}

// ---- Faults --------------------------------------------------------------------------------------

void SimSource::power_off(int number) {
  Machine& machine = *agents_[static_cast<std::size_t>(number)];
  machine.powered = false;
  ++machine.boots;
  for (auto& [id, container] : machine.containers) {
    if (container.state == Container::kEnded) continue;
    ledger_.ended(id);
    container.state = Container::kEnded;
    container.status.exit_code = 137;
  }
  announce_after_a_while(machine);
}

void SimSource::power_on(int number) {
  Machine& machine = *agents_[static_cast<std::size_t>(number)];
  if (machine.gone || machine.powered) return;
  machine.powered = true;
  std::vector<TaskId> unreported;
  for (auto& [id, container] : machine.containers) {
    if (!is_terminal(container.status.state)) {
      change(machine, container, TaskState::kFailed, Health::kUnknown, "its machine was switched off");
    } else if (!container.acknowledged) {
      unreported.push_back(id);
    }
  }
  for (const TaskId& id : unreported) report(machine, id);
  announce_after_a_while(machine);
}

void SimSource::lose_for_good(int number) {
  Machine& machine = *agents_[static_cast<std::size_t>(number)];
  machine.gone = true;
  machine.containers.clear();
  ledger_.agent_gone(machine.agent.id);
  announce_after_a_while(machine);
}

void SimSource::cut_off(int number) {
  agents_[static_cast<std::size_t>(number)]->linked = false;
  announce_after_a_while(*agents_[static_cast<std::size_t>(number)]);
}

void SimSource::reconnect(int number) {
  agents_[static_cast<std::size_t>(number)]->linked = true;
  announce_after_a_while(*agents_[static_cast<std::size_t>(number)]);
}

bool SimSource::fail_some_task() {
  std::vector<std::pair<Machine*, TaskId>> running;
  for (const auto& machine : agents_) {
    for (const auto& [id, container] : machine->containers) {
      if (container.state == Container::kRunning) running.emplace_back(machine.get(), id);
    }
  }
  if (running.empty()) return false;
  const auto& [machine, id] = running[random_.below(running.size())];
  end(*machine, id, TaskState::kFailed, "it crashed");
  return true;
}

}  // namespace headrace::sim
