// One change of a record, as a manager hands it out. Managers include this and nothing else of the store.
#pragma once

#include <optional>
#include <string>

namespace headrace {

struct Write {
  std::string table;
  std::string key;
  std::optional<std::string> value;  // no value: the record goes; deleting what is absent is no error
  bool operator==(const Write&) const = default;
};

}  // namespace headrace
