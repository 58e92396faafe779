// What the virtual agents want done with the engine and the machine, and how it is done. Each deed may block
// and may be repeated; it decides nothing.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cluster/local/container_spec.h"
#include "cluster/offers/offer.h"
#include "docker/engine.h"

namespace headrace::cluster {

// Create and start are one deed: a name in use means created by an earlier try. Without launch: it is
// created.
struct StartContainer {
  using Answer = void;
  TaskId task;
  std::optional<Launch> launch;
};
// Returns when it has ended.
struct StopContainer {
  using Answer = void;
  TaskId task;
  Duration grace;
};
// As a pulled plug: at once, and nobody is told.
struct CutContainer {
  using Answer = void;
  TaskId task;
};
// The engine locks a container while it starts or ends: a look sees what came of what was asked before.
struct LookAtContainer {
  struct Answer {
    std::optional<docker::Container> container;  // none: there is none
    std::string log_tail;                        // of an ended one
  };
  TaskId task;
};
// Whatever state it is in; none is Ok.
struct RemoveContainer {
  using Answer = void;
  TaskId task;
};
// Those that are there, and those named: the engine may be about to make one.
struct RemoveVolumes {
  using Answer = void;
  ClaimId claim;
  std::vector<std::string> names;
};
struct RunCheck {
  // An error: it could not be run, which says nothing of the task.
  struct Answer {
    std::optional<std::string> failure;
  };
  TaskId task;
  Claim claim;
  Check check;
};
struct Survey {
  struct Answer {
    docker::Machine machine;                                   // with count_containers
    std::optional<std::vector<docker::Container>> containers;  // ours, the ended ones too
    std::map<std::string, std::set<std::uint16_t>> listening;
  };
  bool count_containers = false;
  std::vector<std::string> addresses;  // whose listening ports are asked for
};

using Deed = std::variant<StartContainer, StopContainer, CutContainer, LookAtContainer, RemoveContainer,
                          RemoveVolumes, RunCheck, Survey>;

template <class D>
struct Done {
  D deed;
  Result<typename D::Answer> answer;
};
using AnyDone =
    std::variant<Done<StartContainer>, Done<StopContainer>, Done<CutContainer>, Done<LookAtContainer>,
                 Done<RemoveContainer>, Done<RemoveVolumes>, Done<RunCheck>, Done<Survey>>;

// The machine around the engine.
struct Surroundings {
  std::string server_id;  // labels our containers and volumes; another server's are not ours
  std::function<Result<std::vector<docker::Mount>>(const Launch&)> show_secrets;
  std::function<void(const TaskId&)> hide_secrets;
  std::function<std::set<std::uint16_t>(const std::string& address)> listening;
  // An HTTP or TCP check on this port of the claim's address.
  std::function<Status(const Claim&, std::uint16_t port, const Check&)> probe;
};

AnyDone perform(Deed deed, docker::Engine& engine, const Surroundings& around);

}  // namespace headrace::cluster
