// Deadlines by name, earliest first. Setting one again moves it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/time.h"

namespace headrace::cluster {

template <class Key>
class Timers {
 public:
  void set(const Key& key, Monotonic due) {
    clear(key);
    due_of_.emplace(key, due);
    order_.emplace(due, key);
  }
  // Keeps an earlier one.
  void set_if_none(const Key& key, Monotonic due) {
    if (!due_of_.contains(key)) set(key, due);
  }
  void clear(const Key& key) {
    const auto found = due_of_.find(key);
    if (found == due_of_.end()) return;
    order_.erase({found->second, key});
    due_of_.erase(found);
  }
  std::optional<Monotonic> next() const {
    return order_.empty() ? std::nullopt : std::optional(order_.begin()->first);
  }
  // Takes out the earliest one that is due.
  std::optional<Key> take_due(Monotonic now) {
    if (order_.empty() || order_.begin()->first > now) return std::nullopt;
    Key key = order_.begin()->second;
    clear(key);
    return key;
  }

 private:
  std::map<Key, Monotonic> due_of_;
  std::set<std::pair<Monotonic, Key>> order_;
};

}  // namespace headrace::cluster
