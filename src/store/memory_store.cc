#include "store/memory_store.h"

namespace headrace {

Status MemoryStore::apply_group(std::span<const Commit> commits) {
  std::lock_guard lock(mutex_);
  for (const Commit& commit : commits) {
    for (const Write& write : commit) {
      if (write.value) {
        records_[write.table].insert_or_assign(write.key, *write.value);
      } else if (auto table = records_.find(write.table); table != records_.end()) {
        table->second.erase(write.key);
      }
    }
  }
  return {};
}

Result<std::vector<Entry>> MemoryStore::scan(std::string_view table, std::string_view prefix) const {
  std::lock_guard lock(mutex_);
  std::vector<Entry> entries;
  const auto found = records_.find(table);
  if (found == records_.end()) return entries;
  for (auto at = found->second.lower_bound(prefix); at != found->second.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    entries.push_back({at->first, at->second});
  }
  return entries;
}

Result<std::optional<std::string>> MemoryStore::get(std::string_view table, std::string_view key) const {
  std::lock_guard lock(mutex_);
  const auto found = records_.find(table);
  if (found == records_.end()) return std::nullopt;
  const auto at = found->second.find(key);
  if (at == found->second.end()) return std::nullopt;
  return at->second;
}

}  // namespace headrace
