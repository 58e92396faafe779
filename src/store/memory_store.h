// A store without a disk, for tests and the simulated world. Its copies are independent: a copy taken at a
// crash point is what a restarted server finds.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "store/store.h"

namespace headrace {

class MemoryStore : public Store {
 public:
  MemoryStore() = default;
  MemoryStore(const MemoryStore& other) : records_(other.records()) {}

  Status apply_group(std::span<const Commit> commits) override;
  Result<std::vector<Entry>> scan(std::string_view table, std::string_view prefix = {}) const override;
  Result<std::optional<std::string>> get(std::string_view table, std::string_view key) const override;

 private:
  using Records = std::map<std::string, std::map<std::string, std::string, std::less<>>, std::less<>>;
  Records records() const {
    std::lock_guard lock(mutex_);
    return records_;
  }

  mutable std::mutex mutex_;
  Records records_;
};

}  // namespace headrace
