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

// Calls are handed over in order per agent. The book repeats a call that stays without an answer (a Launch
// only where the source says that this is safe: can_repeat_launch), so a source may lose one.

// Starts a task with the claim it runs under. Answered by statuses, a failure to start by kFailed.
struct Launch {
  OfferId offer;
  AgentId agent;
  Claim claim;
  std::vector<VolumeWant> volumes;
  std::vector<PortWant> ports;  // for container ports and protocols; numbers are in claim
  Resources resources;
  Task task;
};
// Answered by the terminal status. Of a task the source does not know: nothing to do, no answer.
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
// Answered by one SourceStatus per task that the source knows, then Reconciled with the same round. A task
// whose Launch was handed over before is known, even when nothing of it runs yet. Tasks on an agent that does
// not answer are neither reported nor named unknown.
struct ReconcileTasks {
  std::vector<std::pair<TaskId, AgentId>> tasks;
  std::uint64_t round = 0;
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
// The agent will never come back, nor will anything that was on it.
struct SourceAgentGone {
  AgentId agent;
  std::string cause;
};
// Also for volumes that were not there.
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
  std::uint64_t round = 0;  // of the ReconcileTasks that this answers
};

using SourceEvent = std::variant<Offered, Rescinded, SourceStatus, SourceAgent, SourceAgentGone,
                                 VolumesDestroyed, SourceDisconnected, SourceConnected, Reconciled>;

struct SourceTraits {
  bool accounts_claims = false;    // offers have the book's claims already subtracted (Mesos reservations)
  bool can_repeat_launch = false;  // a Launch of a known task is found, not started twice (local)
};

}  // namespace headrace::cluster
