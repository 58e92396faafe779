// A store whose disk can fail, and which is cut off by a crash in the middle of a group.
#pragma once

#include "sim/chance.h"
#include "store/memory_store.h"

namespace headrace::sim {

class SimStore : public Store {
 public:
  explicit SimStore(Counts& counts) : counts_(counts) {}

  using Store::apply;
  Status apply_group(std::span<const Commit> commits) override {
    if (failing_) {
      ++counts_.store_failures;
      return fail(Code::kUnavailable, "no space left on device", "free some disk space");
    }
    counts_.commits += commits.size();
    return durable_.apply_group(commits);
  }
  Result<std::vector<Entry>> scan(std::string_view table, std::string_view prefix = {}) const override {
    return durable_.scan(table, prefix);
  }
  Result<std::optional<std::string>> get(std::string_view table, std::string_view key) const override {
    return durable_.get(table, key);
  }
  void set_failing(bool failing) { failing_ = failing; }
  bool is_failing() const { return failing_; }

 private:
  Counts& counts_;
  MemoryStore durable_;
  bool failing_ = false;
};

}  // namespace headrace::sim
