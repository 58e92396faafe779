#include "environment/graph.h"

#include <algorithm>

namespace headrace::environment {
namespace {

// Follows the first unmet need of each until one comes again: a cycle, since everything left has unmet needs.
std::vector<std::string> find_cycle(const Needs& left) {
  std::vector<std::string> path{left.begin()->first};
  while (true) {
    const std::set<std::string>& needs = left.at(path.back());
    const std::string& next =
        *std::ranges::find_if(needs, [&](const auto& need) { return left.contains(need); });
    const auto seen = std::ranges::find(path, next);
    if (seen != path.end()) {
      std::vector<std::string> cycle(seen, path.end());
      cycle.push_back(next);
      return cycle;
    }
    path.push_back(next);
  }
}

}  // namespace

Order order_of(const Needs& needs) {
  Order order;
  std::map<std::string, size_t> unmet;
  std::map<std::string, std::vector<std::string>> needed_by;
  std::set<std::string> free;
  for (const auto& [name, wanted] : needs) {
    unmet[name] = wanted.size();
    if (wanted.empty()) free.insert(name);
    for (const std::string& each : wanted) needed_by[each].push_back(name);
  }
  while (!free.empty()) {
    const std::string name = *free.begin();
    free.erase(free.begin());
    order.names.push_back(name);
    for (const std::string& dependent : needed_by[name]) {
      if (--unmet[dependent] == 0) free.insert(dependent);
    }
  }
  if (order.names.size() == needs.size()) return order;
  Needs left = needs;
  for (const std::string& name : order.names) left.erase(name);
  order.names.clear();
  order.cycle = find_cycle(left);
  return order;
}

}  // namespace headrace::environment
