#include "sim/ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::sim {

std::string variable(const cluster::TaskSpec& spec, const std::string& name) {
  const auto found = spec.env.find(name);
  return found == spec.env.end() ? "" : found->second;
}

void Ledger::started(Life life, const cluster::Resources& total) {
  ++counts_.starts;
  if (!ever_.insert(life.task).second) throw Violation(fmt::format("task {} was started twice", life.task));
  cluster::Resources used = life.resources;
  for (const auto& [id, other] : living_) {
    // Promise 3: one life per identity, wherever the other one is and whether or not anyone can reach it.
    if (!life.slot.empty() && other.slot == life.slot) {
      throw Violation(fmt::format("two lives of {}: {} on {} was started while {} lives on {}", life.slot,
                                  life.task, life.agent, id, other.agent));
    }
    if (other.claim == life.claim) {
      throw Violation(fmt::format("claim {} runs {} and {}", life.claim, id, life.task));
    }
    if (other.agent != life.agent) continue;
    used.cpus += other.resources.cpus;
    used.memory += other.resources.memory;
    for (const std::uint16_t number : life.ports) {
      if (std::ranges::find(other.ports, number) != other.ports.end()) {
        throw Violation(fmt::format("port {} on {} is used by {} and {}", number, life.agent, id, life.task));
      }
    }
  }
  if (used.cpus > total.cpus + 1e-6 || used.memory > total.memory) {
    throw Violation(fmt::format("{} runs more than it has after the start of {}", life.agent, life.task));
  }
  living_.emplace(life.task, std::move(life));
}

void Ledger::ended(const cluster::TaskId& task) {
  counts_.ends += living_.erase(task);
}

void Ledger::killed(const cluster::TaskId& task) {
  const auto found = living_.find(task);
  if (found == living_.end() || found->second.killed) return;
  found->second.killed = true;
  ++counts_.kills;
}

void Ledger::wrote(const cluster::ClaimId& claim, const cluster::AgentId& agent) {
  const auto [found, is_new] = volumes_.emplace(claim, agent);
  if (found->second != agent) {
    throw Violation(
        fmt::format("claim {} has its volumes on {} and was started on {}", claim, found->second, agent));
  }
}

void Ledger::agent_gone(const cluster::AgentId& agent) {
  std::erase_if(living_, [&](const auto& each) { return each.second.agent == agent; });
  std::erase_if(volumes_, [&](const auto& each) { return each.second == agent; });
}

}  // namespace headrace::sim
