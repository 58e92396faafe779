#include "process/ports.h"

#include <iterator>

#include "base/result.h"

namespace headrace::process {

std::optional<std::uint16_t> PortBook::take_free() {
  const int size = last_ - first_ + 1;
  for (int tried = 0; tried < size; ++tried) {
    const std::uint16_t number = next_;
    next_ = next_ == last_ ? first_ : static_cast<std::uint16_t>(next_ + 1);
    if (users_.contains(number)) continue;
    use(number);
    return number;
  }
  return std::nullopt;
}

void PortBook::give_back(std::uint16_t number) {
  const auto found = users_.find(number);
  CHECK(found != users_.end());
  if (--found->second == 0) users_.erase(found);
}

std::size_t PortBook::free_count() const {
  const auto used = std::distance(users_.lower_bound(first_), users_.upper_bound(last_));
  return static_cast<std::size_t>(last_ - first_ + 1 - used);
}

}  // namespace headrace::process
