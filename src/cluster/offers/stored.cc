#include "cluster/offers/stored.h"

#include <fmt/format.h>

#include "cluster/fields.h"
#include "cluster/offers/agent_table.h"

namespace headrace::cluster {

template <class Io>
void fields(Io& io, PortWant& port) {
  io(1, port.name);
  io(2, port.number);
  io(3, port.protocol, Protocol::kUdp);
  io(4, port.container_port);
}

template <class Io>
void fields(Io& io, Task& task) {
  io(1, task.id);
  fields(io, task.spec, 2);
}

template <class Io>
void fields(Io& io, Want& want) {
  io(1, want.id);
  io(2, want.group);
  Demand demand = demand_of(want.resources);
  io(3, demand.millicpus);
  io(4, demand.memory);
  io(5, demand.disk);
  if (Io::kReads) want.resources = resources_of(demand);
  io(6, want.ports);
  io(7, want.volumes);
  io(8, want.constraints);
  io(9, want.hold, Hold::kWhileTaskRuns);
  io(10, want.task);
}

// Pending only; a granted gang lives in its claims.
template <class Io>
void fields(Io& io, StoredGang& stored) {
  io(1, stored.sequence);
  io(2, stored.gang.wants);
}

template <class Io>
void fields(Io& io, StoredClaim& stored) {
  io(1, stored.want);
  io(2, stored.gang);
  AgentId agent = stored.claim.agent.value_or(AgentId());
  io(3, agent);
  if (Io::kReads) stored.claim.agent = agent;
  io(4, stored.claim.address);
  io(5, stored.claim.ports);
  io(6, stored.phase, ClaimPhase::kLost);
  io(7, stored.written);
  io(8, stored.change);
  io(9, stored.destroy);
}

template <class Io>
void fields(Io& io, StoredTask& stored) {
  io(1, stored.claim);
  io(2, stored.started);
  if (Io::kReads || !stored.started) io(3, stored.task);
  io(4, stored.stop);
}

namespace {

template <class Stored>
Result<Stored> decode(const std::string& key, const std::string& bytes) {
  return wire::decode<Stored>(bytes, fmt::format("the claim book, {},", key));
}

}  // namespace

std::string encode(const StoredGang& gang) {
  return wire::encode(gang);
}
std::string encode(const StoredClaim& claim) {
  return wire::encode(claim);
}
std::string encode(const StoredTask& task) {
  return wire::encode(task);
}

Result<StoredGang> decode_gang(const std::string& key, const std::string& bytes) {
  TRY(StoredGang gang, decode<StoredGang>(key, bytes));
  gang.gang.id = GangId(key);
  return gang;
}

Result<StoredClaim> decode_claim(const std::string& key, const std::string& bytes) {
  TRY(StoredClaim claim, decode<StoredClaim>(key, bytes));
  claim.claim.id = ClaimId(key);
  return claim;
}

Result<StoredTask> decode_task(const std::string& key, const std::string& bytes) {
  TRY(StoredTask task, decode<StoredTask>(key, bytes));
  task.task.id = TaskId(key);
  return task;
}

}  // namespace headrace::cluster
