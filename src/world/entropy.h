// Unpredictable bytes, behind an interface: for keys, tokens, and to seed a manager's Random.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace headrace {

class Entropy {
 public:
  virtual ~Entropy() = default;
  // So many bytes, fit for keys.
  virtual std::string bytes(std::size_t count) = 0;
  std::uint64_t seed();
};

// The kernel's generator (getrandom).
class SystemEntropy : public Entropy {
 public:
  std::string bytes(std::size_t count) override;
};

}  // namespace headrace
