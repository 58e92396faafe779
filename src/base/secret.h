// A value that must not be shown. There is no way to print, format, serialise or compare it by accident;
// reveal() is the one door and greps well.
#pragma once

#include <string>
#include <utility>

namespace headrace {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }

 private:
  std::string value_;
};

// Where a secret's value is kept: its name in the space and the version a generation pinned.
struct SecretRef {
  std::string name;
  int version = 0;
  auto operator<=>(const SecretRef&) const = default;
};

}  // namespace headrace
