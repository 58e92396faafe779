// Between the claim book's values and their stored form (records.proto).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "cluster/cluster.h"

namespace headrace::cluster {

enum class ClaimPhase { kHeld, kReleasing, kParked, kDestroying, kLost };

struct StoredGang {
  std::uint64_t sequence = 0;
  Gang gang;
};
struct StoredClaim {
  Want want;
  GangId gang;
  Claim claim;
  ClaimPhase phase = ClaimPhase::kHeld;
  bool written = false;
  std::optional<Want> change;
  bool destroy = false;
};
struct StoredTask {
  ClaimId claim;
  bool started = false;
  bool stop = false;  // asked to stop before it was seen running: not launched again
  Task task;          // only its id once started
};

std::string encode(const StoredGang& gang);
std::string encode(const StoredClaim& claim);
std::string encode(const StoredTask& task);
// kCorrupt when the bytes are no such record.
Result<StoredGang> decode_gang(const std::string& key, const std::string& bytes);
Result<StoredClaim> decode_claim(const std::string& key, const std::string& bytes);
Result<StoredTask> decode_task(const std::string& key, const std::string& bytes);

}  // namespace headrace::cluster
