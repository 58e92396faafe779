#include "sim/trace.h"

#include <fmt/format.h>

namespace headrace::sim {
namespace {

using namespace cluster;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

std::string status_line(const TaskStatus& each) {
  constexpr std::string_view kHealth[] = {"", " ready", " unhealthy"};
  return fmt::format("status {} {}{} [{}] {}", each.task, word_of(each.state),
                     kHealth[static_cast<int>(each.health)], each.id, each.message);
}

std::string agent_line(const Agent& agent) {
  return fmt::format("{} {}", agent.id, agent.up ? "up" : "down");
}

std::string gang_line(const Gang& gang) {
  std::string text = fmt::format("claim gang {}:", gang.id);
  for (const Want& want : gang.wants) text += fmt::format(" {}", want.id);
  return text;
}

}  // namespace

std::string line_of(const SourceCall& call) {
  return std::visit(
      Overloaded{
          [](const Launch& each) { return fmt::format("launch {} on {}", each.task.id, each.agent); },
          [](const Kill& each) { return fmt::format("kill {} on {}", each.task, each.agent); },
          [](const DestroyVolumes& each) { return fmt::format("destroy volumes of {}", each.claim); },
          [](const AcknowledgeSource& each) { return fmt::format("acknowledge {}", each.status); },
          [](const ReconcileTasks& each) { return fmt::format("reconcile {} tasks", each.tasks.size()); },
          [](const Decline& each) { return fmt::format("decline {}", each.offer); }},
      call);
}

std::string line_of(const SourceEvent& event) {
  return std::visit(
      Overloaded{
          [](const Offered& each) { return "offer of " + agent_line(each.offer.agent); },
          [](const Rescinded& each) { return fmt::format("rescinded {}", each.offer); },
          [](const SourceStatus& each) { return status_line(each.status); },
          [](const SourceAgent& each) { return "agent " + agent_line(each.agent); },
          [](const SourceAgentGone& each) { return fmt::format("agent {} gone", each.agent); },
          [](const VolumesDestroyed& each) { return fmt::format("volumes of {} destroyed", each.claim); },
          [](const SourceDisconnected&) { return std::string("disconnected"); },
          [](const SourceConnected& each) { return fmt::format("connected, {} agents", each.agents.size()); },
          [](const Reconciled& each) { return fmt::format("reconciled, {} unknown", each.unknown.size()); }},
      event);
}

std::string line_of(const Call& call) {
  return std::visit(
      Overloaded{
          [](const ClaimGang& each) { return gang_line(each.gang); },
          [](const WithdrawGang& each) { return fmt::format("withdraw gang {}", each.gang); },
          [](const ChangeClaim& each) { return fmt::format("change claim {}", each.claim); },
          [](const StartTask& each) { return fmt::format("start {} under {}", each.task.id, each.claim); },
          [](const StopTask& each) { return fmt::format("stop {}", each.task); },
          [](const ReleaseClaim& each) { return fmt::format("release claim {}", each.claim); },
          [](const AcknowledgeStatus& each) { return fmt::format("acknowledge {}", each.status); },
          [](const Reconcile& each) {
            return fmt::format("reconcile {} tasks, {} claims", each.tasks.size(), each.claims.size());
          }},
      call);
}

std::string line_of(const Event& event) {
  return std::visit(
      Overloaded{[](const Granted& each) { return fmt::format("granted {}", each.gang); },
                 [](const Waiting& each) { return fmt::format("waiting {}: {}", each.gang, each.sentence); },
                 [](const Changed& each) { return fmt::format("changed {}", each.claim.id); },
                 [](const Released& each) { return fmt::format("released {}", each.claim); },
                 [](const ClaimLost& each) { return fmt::format("lost {}: {}", each.claim, each.cause); },
                 [](const TaskStatus& each) { return status_line(each); },
                 [](const AgentChanged& each) { return "agent " + agent_line(each.agent); },
                 [](const Disconnected&) { return std::string("disconnected"); },
                 [](const Ready&) { return std::string("ready"); }},
      event);
}

std::string line_of(const process::AppView& app) {
  constexpr std::string_view kGoals[] = {"running", "stopped", "gone"};
  std::string text = fmt::format("app {}", app.id);
  if (const auto* service = std::get_if<process::Service>(&app.spec->kind)) {
    text += fmt::format(" x{}", service->instances);
  }
  for (const process::InstanceView& each : app.instances) {
    text += fmt::format("\n{:11}  {} -> {}: {}{} {}", "", each.id, kGoals[static_cast<int>(each.goal)],
                        each.state ? word_of(*each.state) : "-", each.ready ? " ready" : "",
                        each.cause ? each.cause->code : "");
  }
  return text;
}

std::string line_of(const environment::EnvironmentView& view) {
  return fmt::format("environment {} {} generation {} {}", view.name, view.status, view.generation,
                     view.cause ? view.cause->sentence : "");
}

std::string line_of(const environment::OperationView& operation) {
  std::string text = fmt::format("operation {} {} {} {}", operation.id, operation.kind, operation.environment,
                                 word_of(operation.state));
  for (const environment::StepView& step : operation.steps) {
    text += fmt::format("\n{:11}  {}: {} {}", "", step.id, word_of(step.state),
                        step.cause ? step.cause->sentence : "");
  }
  return text;
}

}  // namespace headrace::sim
