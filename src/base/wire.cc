#include "base/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace headrace::wire {
namespace {

// The wire types of protobuf that records have.
enum WireType { kVarint = 0, kFixed64 = 1, kLength = 2 };

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

bool take_varint(std::string_view& bytes, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

void append_tag(std::string& out, int number, WireType type) {
  append_varint(out, static_cast<std::uint64_t>(number) << 3 | type);
}

}  // namespace

void Writer::put(int number, double value, bool always) {
  auto bits = std::bit_cast<std::uint64_t>(value);
  if (bits == 0 && !always) return;
  append_tag(bytes_, number, kFixed64);
  for (int i = 0; i < 8; ++i, bits >>= 8) bytes_ += static_cast<char>(bits);
}

void Writer::put_varint(int number, std::uint64_t value, bool always) {
  if (value == 0 && !always) return;
  append_tag(bytes_, number, kVarint);
  append_varint(bytes_, value);
}

void Writer::put_bytes(int number, std::string_view value, bool always) {
  if (value.empty() && !always) return;
  append_tag(bytes_, number, kLength);
  append_varint(bytes_, value.size());
  bytes_ += value;
}

Reader::Reader(std::string_view bytes, Now now) : now_(now) {
  while (!bytes.empty()) {
    std::uint64_t tag = 0;
    Part part;
    bool good = take_varint(bytes, tag);
    part.number = static_cast<int>(tag >> 3);
    switch (tag & 7) {
      case kVarint: good = good && take_varint(bytes, part.value); break;
      case kFixed64:
        good = good && bytes.size() >= 8;
        for (size_t i = 0; good && i < 8; ++i) {
          part.value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
        }
        if (good) bytes.remove_prefix(8);
        break;
      case kLength: {
        std::uint64_t length = 0;
        good = good && take_varint(bytes, length) && length <= bytes.size();
        if (good) part.bytes = bytes.substr(0, length);
        if (good) bytes.remove_prefix(length);
        break;
      }
      default: good = false;
    }
    if (!good) {
      refuse("it is damaged");
      return;
    }
    parts_.push_back(part);
  }
}

const Reader::Part& Reader::last(int number) const {
  static const Part kAbsent;
  const auto found = std::ranges::find(parts_ | std::views::reverse, number, &Part::number);
  return found == std::ranges::end(parts_ | std::views::reverse) ? kAbsent : *found;
}

Status Reader::end(std::string_view what) const {
  if (problem_.empty()) return {};
  return fail(Code::kCorrupt, fmt::format("the stored record of {} cannot be read: {}", what, problem_),
              "restore the state folder from a backup");
}

}  // namespace headrace::wire
