// The truth about what runs, which no manager sees: every process of the simulated machines. It ends the run
// when a promise is broken.
#pragma once

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "sim/chance.h"

namespace headrace::sim {

// A promise was broken: caught by who runs the world, which knows the seed.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A variable of the container's environment, or nothing.
std::string variable(const cluster::TaskSpec& spec, const std::string& name);

struct Life {
  cluster::TaskId task;
  cluster::ClaimId claim;
  cluster::AgentId agent;
  std::string app;
  std::string slot;     // "/app#0": the one identity it is a life of; empty for equals
  std::string version;  // variable SIM_VERSION
  cluster::Resources resources;
  std::vector<std::uint16_t> ports;
  bool killed = false;  // the server has asked for its end
};

class Ledger {
 public:
  explicit Ledger(Counts& counts) : counts_(counts) {}

  void started(Life life, const cluster::Resources& total);
  void ended(const cluster::TaskId& task);
  void killed(const cluster::TaskId& task);
  // Volumes of a claim are on this agent now; they may not also be elsewhere.
  void wrote(const cluster::ClaimId& claim, const cluster::AgentId& agent);
  void destroyed(const cluster::ClaimId& claim) { volumes_.erase(claim); }
  void agent_gone(const cluster::AgentId& agent);

  const std::map<cluster::TaskId, Life>& living() const { return living_; }
  const std::map<cluster::ClaimId, cluster::AgentId>& volumes() const { return volumes_; }

 private:
  Counts& counts_;
  std::map<cluster::TaskId, Life> living_;
  std::set<cluster::TaskId> ever_;
  std::map<cluster::ClaimId, cluster::AgentId> volumes_;
};

}  // namespace headrace::sim
