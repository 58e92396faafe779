// What a transition wants to be stored: data, so that a manager needs no store (design rule 1).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace headrace {

// Sets (table, key) to value; no value deletes it.
struct Write {
  std::string table;
  std::string key;
  std::optional<std::string> value;
  bool operator==(const Write&) const = default;
};

// One stored record, as a manager is given it at start.
struct Record {
  std::string table;
  std::string key;
  std::string value;
};

}  // namespace headrace
