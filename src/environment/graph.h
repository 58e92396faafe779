// The order in which things that need each other can be taken.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace headrace::environment {

// Who needs whom, by name. Every name that is needed must be a key.
using Needs = std::map<std::string, std::set<std::string>>;

struct Order {
  std::vector<std::string> names;  // what is needed before what needs it; by name where free. Empty: a cycle
  std::vector<std::string> cycle;  // "a", "b", "a": each needs the next
};
Order order_of(const Needs& needs);

}  // namespace headrace::environment
