// Strong identifiers: a ClaimId cannot be passed where a TaskId is meant.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

namespace headrace {

template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string value) : value_(std::move(value)) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const Id&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Id& id) { return out << id.value_; }

 private:
  std::string value_;
};

}  // namespace headrace

template <class Tag>
struct std::hash<headrace::Id<Tag>> {
  size_t operator()(const headrace::Id<Tag>& id) const noexcept { return std::hash<std::string>()(id.str()); }
};

template <class Tag>
struct fmt::formatter<headrace::Id<Tag>> : fmt::formatter<std::string> {
  auto format(const headrace::Id<Tag>& id, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(id.str(), context);
  }
};
