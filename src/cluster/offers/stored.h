// The claim book's records: what it must know after a restart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "cluster/cluster.h"

namespace headrace::cluster {

enum class ClaimPhase {
  kHeld,
  kReleasing,   // as kHeld, until nothing runs any more
  kParked,      // volumes lie on the agent, nothing else is held
  kDestroying,  // volumes are being destroyed
  kLost,        // the agent is gone; kept until the caller has heard it
};

struct StoredGang {
  std::uint64_t sequence = 0;  // the order in which gangs arrived
  Gang gang;
};
struct StoredClaim {
  Want want;  // without constraints and task: they have done their work
  GangId gang;
  Claim claim;
  ClaimPhase phase = ClaimPhase::kHeld;
  bool written = false;        // a task was started: volumes may hold data
  std::optional<Want> change;  // asked for, not yet possible
  bool destroy = false;        // kReleasing: what happens to the volumes
};
struct StoredTask {
  ClaimId claim;
  bool started = false;  // seen running: never launched again
  bool stop = false;     // asked to stop before it was seen running: not launched again
  Task task;             // only its id once started
};

std::string encode(const StoredGang& gang);
std::string encode(const StoredClaim& claim);
std::string encode(const StoredTask& task);
// kCorrupt when the bytes are no such record.
Result<StoredGang> decode_gang(const std::string& key, const std::string& bytes);
Result<StoredClaim> decode_claim(const std::string& key, const std::string& bytes);
Result<StoredTask> decode_task(const std::string& key, const std::string& bytes);

}  // namespace headrace::cluster
