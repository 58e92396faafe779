// Offers: free resources of one agent for a short time. Only src/cluster may include this header (the build
// checks it). A source of offers (local, mesos, the simulator's) sits below; the claim book above.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/cluster.h"

namespace headrace::cluster {

using OfferId = Id<struct OfferTag>;

using PortRange = std::pair<std::uint16_t, std::uint16_t>;  // inclusive

// The whole of what an agent has to give right now. A new offer of an agent replaces its earlier one.
// With `accounts_claims` (a trait of the source, below) claims of the book are already subtracted; a `local`
// source offers the agent whole, and the book subtracts what it has granted.
struct Offer {
  OfferId id;
  Agent agent;
  Resources free;
  std::vector<PortRange> ports;            // numbers the agent may give
  std::vector<std::uint16_t> taken_ports;  // of those, in use by others right now
};

// ---- Calls to a source: effects, handed over after the commit is durable -------------------------

// Starts a task with the claim it runs under. Repeating it is safe where the source says so
// (can_repeat_launch).
struct Launch {
  OfferId offer;
  AgentId agent;
  Claim claim;
  std::vector<VolumeWant> volumes;
  std::vector<PortWant> ports;  // for container ports and protocols; numbers are in claim
  Resources resources;
  Task task;
};
struct Kill {
  TaskId task;
  AgentId agent;
  Duration grace;
};
struct DestroyVolumes {
  ClaimId claim;
  AgentId agent;
  std::vector<std::string> names;
};
struct AcknowledgeSource {
  TaskId task;
  AgentId agent;
  StatusId status;
};
struct ReconcileTasks {
  std::vector<std::pair<TaskId, AgentId>> tasks;
};
struct Decline {
  OfferId offer;
};

using SourceCall = std::variant<Launch, Kill, DestroyVolumes, AcknowledgeSource, ReconcileTasks, Decline>;

// ---- Events of a source --------------------------------------------------------------------------

struct Offered {
  Offer offer;
};
struct Rescinded {
  OfferId offer;
};
struct SourceStatus {
  TaskStatus status;
};
struct SourceAgent {
  Agent agent;
};
struct VolumesDestroyed {
  ClaimId claim;
};
struct SourceDisconnected {
  std::string cause;
};
// After a (re)connection: all agents have been announced; tasks may now be reconciled.
struct SourceConnected {
  std::vector<Agent> agents;
};
// Everything asked by ReconcileTasks has been answered by SourceStatus; tasks it does not know are named.
struct Reconciled {
  std::vector<TaskId> unknown;
};

using SourceEvent = std::variant<Offered, Rescinded, SourceStatus, SourceAgent, VolumesDestroyed,
                                 SourceDisconnected, SourceConnected, Reconciled>;

struct SourceTraits {
  bool accounts_claims = false;    // offers have the book's claims already subtracted (Mesos reservations)
  bool can_repeat_launch = false;  // a Launch of a known task is found, not started twice (local)
};

}  // namespace headrace::cluster
