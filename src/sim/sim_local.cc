#include "sim/sim_local.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::sim {
namespace {

using namespace cluster;

constexpr std::string_view kServer = "ours";

std::string variable_of(const docker::ContainerSpec& spec, std::string_view name) {
  for (const std::string& each : spec.env) {
    if (each.starts_with(fmt::format("{}=", name))) return each.substr(name.size() + 1);
  }
  return {};
}

Duration milliseconds(const std::string& text, Duration otherwise) {
  return text.empty() ? otherwise : Duration(std::stol(text));
}

docker::LabelFilters ours() {
  return {fmt::format("headrace.server={}", kServer)};
}

}  // namespace

SimLocal::SimLocal(EventQueue& queue, Random& random, Ledger& ledger, const Faults& faults, Counts& counts,
                   VirtualAgents::Options options, std::function<bool()> survives)
    : queue_(queue),
      random_(random),
      ledger_(ledger),
      faults_(faults),
      counts_(counts),
      options_(std::move(options)),
      survives_(std::move(survives)),
      around_{.server_id = std::string(kServer),
              .show_secrets = [](const Launch&) { return std::vector<docker::Mount>{}; },
              .hide_secrets = [](const TaskId&) {},
              .listening = [](const std::string&) { return std::set<std::uint16_t>{}; },
              .probe =
                  [this](const Claim& claim, std::uint16_t, const Check&) {
                    const auto found = engine_.list({"headrace.claim=" + claim.id.str()}, false);
                    if (!found || found->empty()) return Status(fail(Code::kUnavailable, "nobody listens"));
                    return check(found->front().labels);
                  }} {
  for (const char* image : {"image", "sha256:db", "sha256:web"}) engine_.add_image(image, {.id = image});
  // Of another server, which counts tasks as this one does, and of nobody.
  const docker::Labels others{{"headrace.server", "theirs"}, {"headrace.task", "t1"}, {"headrace.run", "{}"}};
  for (const auto& [name, labels] : {std::pair("hr-t1", others), std::pair("postgres", docker::Labels())}) {
    (void)engine_.create({.name = name, .image = "image", .labels = labels});
    (void)engine_.create_volume(name, labels);
    foreign_.insert(name);
    (void)engine_.start(name);
  }
  engine_.set_hooks(
      {.mishap = [this](std::string_view, std::string_view name) { return mishap(name); },
       .later =
           [this](std::function<void()> act) { queue_.after(between(random_, 10ms, faults_.latest), act); },
       .started = [this](const docker::ContainerSpec& spec) { started(spec); },
       .ended = [this](const docker::Container& container) { ended(container); },
       .volume_removed =
           [this](const docker::Labels& labels) { ledger_.destroyed(ClaimId(labels.at("headrace.claim"))); },
       .exec =
           [this](const docker::Container& container) {
             return docker::ExecResult{.exit_code = check(container.labels) ? 0 : 1, .err = "not yet"};
           }});
}

// ---- The server ----------------------------------------------------------------------------------

void SimLocal::connect(Up up) {
  up_ = std::move(up);
  ++life_;
  VirtualAgents::Options options = options_;
  options.run = fmt::format("life{}", life_);
  agents_ = std::make_unique<VirtualAgents>(std::move(options));
  take(agents_->on_start(queue_.now()));
}

void SimLocal::disconnect() {
  ++life_;
  up_ = nullptr;
  agents_.reset();
  wakes_at_.reset();
}

void SimLocal::later(Duration delay, std::function<void()> action) {
  queue_.after(delay, [this, life = life_, action = std::move(action)] {
    if (life == life_) action();
  });
}

void SimLocal::call(const SourceCall& call) {
  take(agents_->on_call(call, queue_.now()));
}

void SimLocal::take(VirtualAgents::Turn turn) {
  for (SourceEvent& event : turn.events) {
    later(0ms, [this, event = std::move(event)] { up_(event); });
  }
  for (Deed& deed : turn.deeds) {
    const auto* stop = std::get_if<StopContainer>(&deed);
    const Duration begins = stop ? between(random_, 0ms, stop->grace) : between(random_, 0ms, 20ms);
    later(begins, [this, deed = std::move(deed)] { do_deed(deed); });
  }
  wake_in_time();
}

void SimLocal::do_deed(Deed deed) {
  ++counts_.messages;
  by_us_ = true;
  try {
    AnyDone done = perform(std::move(deed), engine_, around_);
    by_us_ = false;
    Duration answers = between(random_, 0ms, 300ms);
    if (random_.chance(faults_.late)) {
      ++counts_.late;
      answers = between(random_, 20ms, faults_.latest);
    }
    later(answers, [this, done = std::move(done)] { take(agents_->on_done(done, queue_.now())); });
  } catch (const ServerDied&) {
    by_us_ = false;
  }
}

void SimLocal::wake_in_time() {
  const auto deadline = agents_->next_deadline();
  if (!deadline || (wakes_at_ && *wakes_at_ <= *deadline)) return;
  wakes_at_ = std::max(*deadline, queue_.time());
  queue_.at(*wakes_at_, [this, life = life_, at = *wakes_at_] {
    if (life != life_ || wakes_at_ != at) return;
    wakes_at_.reset();
    take(agents_->on_time(queue_.now()));
  });
}

// ---- The engine ----------------------------------------------------------------------------------

SimEngine::Mishap SimLocal::mishap(std::string_view name) {
  using enum SimEngine::Mishap;
  if (!by_us_) return kNone;
  if (foreign_.contains(std::string(name))) {
    throw Violation(fmt::format("{} is not ours and was touched", name));
  }
  if (!survives_()) throw ServerDied{};
  if (random_.chance(faults_.lose)) {
    ++counts_.lost;
    return random_.chance(0.5) ? kAnswerLost : kActsLate;
  }
  return random_.chance(faults_.start_fails) ? kFails : kNone;
}

void SimLocal::started(const docker::ContainerSpec& spec) {
  const auto adopted = adopted_from(spec.labels);
  if (!adopted) return;
  Life life{.task = adopted->task,
            .claim = adopted->claim.id,
            .agent = adopted->agent,
            .app = variable_of(spec, "MARATHON_APP_ID"),
            .version = variable_of(spec, "SIM_VERSION"),
            .resources = {.memory = spec.memory}};
  const std::string slot = variable_of(spec, "HEADRACE_SLOT");
  if (!slot.empty()) life.slot = life.app + "#" + slot;
  for (const auto& [name, number] : adopted->claim.ports) life.ports.push_back(number);
  ledger_.started(std::move(life), {.cpus = options_.cpus / options_.agents,
                                    .memory = {options_.memory.count / options_.agents}});
  if (!spec.mounts.empty()) ledger_.wrote(adopted->claim.id, adopted->agent);
  ready_from_[adopted->task] = queue_.time() + milliseconds(variable_of(spec, "SIM_READY"), 200ms);
  const std::string ends = variable_of(spec, "SIM_END");
  if (ends.empty()) return;
  queue_.after(milliseconds(variable_of(spec, "SIM_AFTER"), 1s),
               [this, name = spec.name, code = ends == "finish" ? 0 : 1,
                said = variable_of(spec, "SIM_RESULT")] { engine_.end(name, code, {"::result:: " + said}); });
}

void SimLocal::ended(const docker::Container& container) {
  const auto label = container.labels.find("headrace.task");
  if (label == container.labels.end()) return;
  const TaskId task(label->second);
  ledger_.ended(task);
  ready_from_.erase(task);
  if (!agents_ || is_away_ || random_.chance(faults_.lose)) return;  // the engine's word of it is missed
  later(between(random_, 0ms, 50ms), [this, task] { take(agents_->on_died(task, queue_.now())); });
}

Status SimLocal::check(const docker::Labels& labels) const {
  const auto from = ready_from_.find(TaskId(labels.at("headrace.task")));
  if (from != ready_from_.end() && from->second <= queue_.time()) return {};
  return fail(Code::kUnavailable, "not yet");
}

std::vector<docker::Container> SimLocal::running() const {
  const auto all = engine_.list(ours(), /*also_stopped=*/false);
  return all ? *all : std::vector<docker::Container>();
}

// ---- Faults --------------------------------------------------------------------------------------

bool SimLocal::fail_some_task() {
  const auto all = running();
  if (all.empty()) return false;
  engine_.end(all[random_.below(all.size())].name, 1);
  return true;
}

// Only a server that has seen the engine takes it.
bool SimLocal::plug(const AgentId& agent, bool plugged) {
  if (!agents_) return false;
  const auto unplugged = agents_->unplugged_with(agent, plugged);
  if (!unplugged) return false;
  options_.unplugged = *unplugged;  // the file is written first; the server may die right after
  if (survives_()) take(agents_->on_plug(agent, plugged, queue_.now()));
  return true;
}

void SimLocal::plug_again(const AgentId& agent) {
  if (!plug(agent, true)) queue_.after(1s, [this, agent] { plug_again(agent); });
}

void SimLocal::unplug_some_agent(Duration time) {
  const AgentId agent(
      fmt::format("agent-{}", 1 + random_.below(static_cast<std::uint64_t>(options_.agents))));
  plug(agent, false);
  queue_.after(time, [this, agent] { plug_again(agent); });
}

void SimLocal::lose_engine(Duration time, bool restart) {
  if (restart) {
    for (const docker::Container& each : running()) engine_.end(each.name, 137);
  }
  engine_.go_away(is_away_ = true);
  queue_.after(time, [this] {
    engine_.go_away(is_away_ = false);
    if (agents_) take(agents_->on_missed(queue_.now()));
  });
}

void SimLocal::calm_down() {
  engine_.go_away(is_away_ = false);
  for (const AgentId& agent : std::set(options_.unplugged)) plug_again(agent);
}

void SimLocal::expect_nothing_left() const {
  for (const docker::Container& each : *engine_.list(ours(), /*also_stopped=*/true)) {
    throw Violation(fmt::format("after the removal of everything container {} is left", each.name));
  }
  for (const docker::Volume& each : *engine_.list_volumes(ours())) {
    throw Violation(fmt::format("after the removal of everything volume {} is left", each.name));
  }
  if (engine_.list_volumes({})->size() != foreign_.size())
    throw Violation("a volume is not ours and was lost");
  for (const std::string& name : foreign_) {
    const auto container = engine_.inspect(name);
    if (!container || container->state != docker::ContainerState::kRunning) {
      throw Violation(fmt::format("{} is not ours and was ended", name));
    }
  }
}

}  // namespace headrace::sim
