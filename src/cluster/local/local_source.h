// The `local` source: K virtual agents over one Docker Engine. Runs Launch, Kill and checks by containers
// that carry labels (headrace.server, headrace.task, headrace.claim, …); adopts what it finds after a restart
// and restarts none; never touches a container without its labels.
//
// It is the edge: threads, clock, engine and files. What is decided stands in virtual_agents.h. The pump
// gives it calls and takes its events.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "cluster/offers/offer.h"
#include "cluster/task_access.h"

namespace headrace::docker {
class Engine;
}

namespace headrace::cluster {

struct LocalOptions {
  std::string server_id;  // labels containers; another server's are not ours
  int agents = 1;
  std::string state_dir;    // where unplugged agents are remembered: <state_dir>/unplugged
  std::string runtime_dir;  // tmpfs folder for secret files, "/run/headrace"
  std::map<int, std::map<std::string, std::string>> attributes;  // per agent number, from 1
  Bytes memory;     // of the machine, shared out equally; 0: what the machine has less a reserve
  double cpus = 0;  // likewise
  Bytes disk;
};

class LocalSource : public TaskAccess {
 public:
  using Sink = std::function<void(SourceEvent)>;                    // called from any thread
  using Secrets = std::function<Result<Secret>(const SecretRef&)>;  // called from any thread

  static Result<std::unique_ptr<LocalSource>> start(LocalOptions options, docker::Engine& engine,
                                                    Secrets secrets, Sink sink);
  // Hands over an effect; returns at once. Order is kept per task.
  virtual void call(SourceCall call) = 0;
  // Takes an agent away with all that runs on it, as a pulled plug would, or brings it back. Kept across
  // restarts.
  virtual Status unplug(const AgentId& agent) = 0;
  virtual Status plug(const AgentId& agent) = 0;
  static SourceTraits traits() { return {.accounts_claims = false, .can_repeat_launch = true}; }
};

}  // namespace headrace::cluster
