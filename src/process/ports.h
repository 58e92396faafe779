// The numbers of fixed ports: one range for all agents, each number given to one app (design section 3).
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace headrace::process {

class PortBook {
 public:
  PortBook(std::uint16_t first, std::uint16_t last) : first_(first), last_(last), next_(first) {}

  // A number of the range that nobody uses, now in use. Numbers given back are not given out again before
  // the others. None: the range is used up.
  std::optional<std::uint16_t> take_free();
  // Also for numbers that a user chose: several apps may want the same one, on different agents.
  void use(std::uint16_t number) { ++users_[number]; }
  void give_back(std::uint16_t number);
  std::size_t free_count() const;

 private:
  std::uint16_t first_, last_, next_;
  std::map<std::uint16_t, int> users_;
};

}  // namespace headrace::process
