// Sizes in bytes with their unit in the type.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace {

struct Bytes {
  std::int64_t count = 0;
  static constexpr Bytes kib(std::int64_t n) { return {n << 10}; }
  static constexpr Bytes mib(std::int64_t n) { return {n << 20}; }
  static constexpr Bytes gib(std::int64_t n) { return {n << 30}; }
  auto operator<=>(const Bytes&) const = default;
  Bytes& operator+=(Bytes other) {
    count += other.count;
    return *this;
  }
  Bytes& operator-=(Bytes other) {
    count -= other.count;
    return *this;
  }
  friend Bytes operator+(Bytes a, Bytes b) { return {a.count + b.count}; }
  friend Bytes operator-(Bytes a, Bytes b) { return {a.count - b.count}; }
};

// "512MiB", "1GiB", "10MB", "4096": binary and decimal units as in Kubernetes and IEC 80000-13.
Result<Bytes> parse_bytes(std::string_view text);
// The largest binary unit that divides evenly ("512MiB"), else with one digit after the point ("8.8GiB").
std::string to_text(Bytes size);

}  // namespace headrace
