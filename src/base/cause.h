// Why something waits, as data: shown alike by command line, API and portal
// (design rule "Every wait has a cause and a deadline").
#pragma once

#include <optional>
#include <string>

#include "base/time.h"

namespace headrace {

struct Cause {
  std::string code;      // stable word: "no-memory", "port-taken", "not-ready"
  std::string sentence;  // "No agent has 2GiB free; the most is 512MiB on agent-1."
  Wall since;
  std::optional<Wall> deadline;  // when the wait ends by itself, if it does
  std::string remedy;            // what a person can do, or empty
  bool operator==(const Cause&) const = default;
};

}  // namespace headrace
