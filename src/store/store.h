// The durable memory of a server: bytes under (table, key), changed in atomic batches. It knows nothing of
// what the bytes mean; records are protobuf and belong to the managers (process/records.proto, ...).
//
// Contract of every form (store_contract_test.cc runs against each):
//   * A commit (one vector of writes) is there whole or not at all; its writes act in order, later ones win.
//   * A group is made durable as one; after a crash a group that was not acknowledged may be there or not.
//   * Ok means durable: it survives kill -9 and power loss. An error means that nothing of the group is
//     visible; the same group may be tried again.
//   * scan gives entries by ascending key, compared as unsigned bytes.
//   * Calls may come from any thread; they are served one after another.
// Errors: kUnavailable (disk full, I/O error: keep the group, try again), kCorrupt (end the process).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/write.h"

namespace headrace {

struct Entry {
  std::string key;
  std::string value;
  bool operator==(const Entry&) const = default;
};

class Store {
 public:
  using Commit = std::vector<Write>;

  virtual ~Store() = default;

  // Many commits, in order, with one wait for the disk: the group commit.
  virtual Status apply_group(std::span<const Commit> commits) = 0;
  // One commit.
  Status apply(Commit commit) { return apply_group({&commit, 1}); }

  // All records of a table whose key begins with the prefix.
  virtual Result<std::vector<Entry>> scan(std::string_view table, std::string_view prefix = {}) const = 0;
  // nullopt: there is no such record.
  virtual Result<std::optional<std::string>> get(std::string_view table, std::string_view key) const = 0;
};

// Brings the records of one format to the next: reads the records before, gives the changes. Pure: it sees
// nothing but the store, so a golden state folder tests it. Runs inside one transaction with its format
// number.
using Migration = Result<std::vector<Write>> (*)(const Store& before);

}  // namespace headrace
