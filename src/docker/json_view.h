// Reads the engine's JSON forgivingly: what is absent or null is empty, as Docker's Go structures mean it.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "docker/engine.h"

namespace headrace::docker {

class JsonView {
 public:
  explicit JsonView(const boost::json::value* value) : value_(value) {}

  JsonView operator[](std::string_view key) const {
    if (value_ && value_->is_object())
      if (const auto* found = value_->get_object().if_contains({key.data(), key.size()}))
        return JsonView(found);
    return JsonView(nullptr);
  }
  std::string text() const {
    if (!value_ || !value_->is_string()) return {};
    return {value_->get_string().data(), value_->get_string().size()};
  }
  std::int64_t number() const {
    if (!value_) return 0;
    if (value_->is_int64()) return value_->get_int64();
    if (value_->is_uint64()) return static_cast<std::int64_t>(value_->get_uint64());
    return value_->is_double() ? static_cast<std::int64_t>(value_->get_double()) : 0;
  }
  bool flag() const { return value_ && value_->is_bool() && value_->get_bool(); }
  explicit operator bool() const { return value_ && !value_->is_null(); }

  std::vector<JsonView> items() const {
    std::vector<JsonView> out;
    if (value_ && value_->is_array())
      for (const auto& item : value_->get_array()) out.emplace_back(&item);
    return out;
  }
  Labels labels() const {
    Labels out;
    if (value_ && value_->is_object())
      for (const auto& [key, value] : value_->get_object()) out[std::string(key)] = JsonView(&value).text();
    return out;
  }

 private:
  const boost::json::value* value_;
};

}  // namespace headrace::docker
