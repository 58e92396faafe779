// How records are stored: a struct in protobuf's wire format and back, by one function per struct that names
// each field once, beside its number.
//
//   template <class Io>
//   void fields(Io& io, Parked& parked) {
//     io(1, parked.slot);
//     io(2, parked.claim);
//   }
//   std::string bytes = wire::encode(parked);
//   Result<Parked> back = wire::decode<Parked>(bytes, "a parked slot");
//
// Numbers are only ever added. As in proto3 a zero or empty value is not written, and what is absent reads as
// zero or empty, whatever the struct's default; an optional is written exactly where it is set, a struct
// always. Equal values give equal bytes. Enumerators are stored as their numbers, which are therefore never
// reordered; times and durations as milliseconds, deadlines as what remains of them.
#pragma once

#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace headrace::wire {

class Writer {
 public:
  static constexpr bool kReads = false;
  explicit Writer(Now now = {}) : now_(now) {}

  template <class T>
  void operator()(int number, const T& value) {
    put(number, value, false);
  }
  template <class Enum>
  void operator()(int number, const Enum& value, [[maybe_unused]] std::type_identity_t<Enum> last) {
    put(number, value, false);
  }
  template <class Enum>
  void operator()(int number, const std::optional<Enum>& value, [[maybe_unused]] Enum last) {
    put(number, value, false);
  }
  // What remains of a deadline.
  void left(int number, const std::optional<Monotonic>& until) {
    if (until) put(number, std::max(Duration(), *until - now_.mono), true);
  }
  std::string take() { return std::move(bytes_); }

 private:
  // `always`: written although it is zero or empty.
  template <class T>
  void put(int number, const T& value, bool always) {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      put_varint(number, static_cast<std::uint64_t>(static_cast<std::int64_t>(value)), always);
    } else {
      Writer inner(now_);
      fields(inner, const_cast<T&>(value));  // `fields` serves both directions; this one only reads
      put_bytes(number, inner.bytes_, true);
    }
  }
  void put(int number, double value, bool always);
  void put(int number, const std::string& value, bool always) { put_bytes(number, value, always); }
  void put(int number, Duration value, bool always) { put(number, value.count(), always); }
  void put(int number, Wall value, bool always) { put(number, value.time_since_epoch(), always); }
  void put(int number, Bytes value, bool always) { put(number, value.count, always); }
  template <class Tag>
  void put(int number, const Id<Tag>& value, bool always) {
    put_bytes(number, value.str(), always);
  }
  template <class T>
  void put(int number, const std::optional<T>& value, bool) {
    if (value) put(number, *value, true);
  }
  template <class T>
  void put(int number, const std::vector<T>& values, bool) {
    for (const T& value : values) put(number, value, true);
  }
  template <class T>
  void put(int number, const std::map<std::string, T>& values, bool) {
    for (const auto& [key, value] : values) {
      Writer entry(now_);
      entry(1, key);
      entry(2, value);
      put_bytes(number, entry.bytes_, true);
    }
  }
  void put_varint(int number, std::uint64_t value, bool always);
  void put_bytes(int number, std::string_view value, bool always);

  Now now_;
  std::string bytes_;
};

class Reader {
 public:
  static constexpr bool kReads = true;
  // Needs `bytes` to outlive it.
  explicit Reader(std::string_view bytes, Now now = {});

  template <class T>
  void operator()(int number, T& value) {
    get(number, value);
  }
  // Refuses a number past the last enumerator.
  template <class Enum>
  void operator()(int number, Enum& value, std::type_identity_t<Enum> last) {
    get(number, value);
    if (value < Enum{} || value > last) {
      refuse("it holds a number that this release does not know");
      value = last;
    }
  }
  template <class Enum>
  void operator()(int number, std::optional<Enum>& value, Enum last) {
    if (value.reset(); has(number)) (*this)(number, value.emplace(), last);
  }
  void left(int number, std::optional<Monotonic>& until) {
    std::optional<Duration> rest;
    get(number, rest);
    until = rest ? std::optional(now_.mono + *rest) : std::nullopt;
  }
  bool has(int number) const { return last(number).number == number; }
  void refuse(std::string why) { problem_ = std::move(why); }
  // kCorrupt where the bytes were no such record; `what` names it: "an app".
  Status end(std::string_view what) const;

 private:
  struct Part {
    int number = 0;
    std::uint64_t value = 0;      // of a varint or a fixed 64-bit number
    std::string_view bytes = {};  // of text or an inner record
  };
  // The last part of that number, or an empty one.
  const Part& last(int number) const;

  template <class T>
  void get(int number, T& value) {
    read(last(number), value);
  }
  template <class T>
  void get(int number, std::optional<T>& value) {
    if (value.reset(); has(number)) read(last(number), value.emplace());
  }
  template <class T>
  void get(int number, std::vector<T>& values) {
    values.clear();
    for (const Part& part : parts_) {
      if (part.number == number) read(part, values.emplace_back());
    }
  }
  template <class T>
  void get(int number, std::map<std::string, T>& values) {
    values.clear();
    for (const Part& part : parts_) {
      if (part.number != number) continue;
      Reader entry(part.bytes, now_);
      std::string key;
      entry(1, key);
      entry(2, values[key]);
      take_problem(entry);
    }
  }

  template <class T>
  void read(const Part& part, T& value) {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      value = static_cast<T>(part.value);
    } else {
      Reader inner(part.bytes, now_);
      fields(inner, value);
      take_problem(inner);
    }
  }
  void read(const Part& part, double& value) { value = std::bit_cast<double>(part.value); }
  void read(const Part& part, std::string& value) { value = part.bytes; }
  void read(const Part& part, Duration& value) { value = Duration(static_cast<std::int64_t>(part.value)); }
  void read(const Part& part, Wall& value) { value = Wall(Duration(static_cast<std::int64_t>(part.value))); }
  void read(const Part& part, Bytes& value) { value.count = static_cast<std::int64_t>(part.value); }
  template <class Tag>
  void read(const Part& part, Id<Tag>& value) {
    value = Id<Tag>(std::string(part.bytes));
  }
  void take_problem(const Reader& inner) {
    if (!inner.problem_.empty()) problem_ = inner.problem_;
  }

  Now now_;
  std::vector<Part> parts_;
  std::string problem_;
};

// `now` turns deadlines into what remains of them, and back.
template <class T>
std::string encode(const T& value, Now now = {}) {
  Writer io(now);
  fields(io, const_cast<T&>(value));
  return io.take();
}
template <class T>
Result<T> decode(std::string_view bytes, std::string_view what, Now now = {}) {
  Reader io(bytes, now);
  T value;
  fields(io, value);
  TRY_STATUS(io.end(what));
  return value;
}

}  // namespace headrace::wire
