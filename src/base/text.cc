// Durations, sizes and times as text.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/bytes.h"
#include "base/time.h"

namespace headrace {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

// Reads "<number>" at the front of text and removes it; false where there is none.
bool take_number(std::string_view& text, double& number) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || number < 0) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  static constexpr std::array<Unit, 12> kUnits{{{"", 1},
                                                {"B", 1},
                                                {"KiB", 1ll << 10},
                                                {"MiB", 1ll << 20},
                                                {"GiB", 1ll << 30},
                                                {"TiB", 1ll << 40},
                                                {"kB", 1000},
                                                {"KB", 1000},
                                                {"MB", 1000000},
                                                {"GB", 1000000000},
                                                {"TB", 1000000000000},
                                                {"PiB", 1ll << 50}}};
  std::string_view rest = text;
  double number = 0;
  if (take_number(rest, number)) {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    for (const Unit& unit : kUnits) {
      const double value = number * static_cast<double>(unit.factor);
      if (rest == unit.name && value < 9e18) return Bytes{static_cast<std::int64_t>(std::llround(value))};
    }
  }
  return fail(Code::kInvalid, fmt::format("\"{}\" is not a size", text),
              "write a number with a unit, such as 512MiB or 10GB");
}

std::string to_text(Bytes size) {
  static constexpr std::array<Unit, 4> kUnits{
      {{"TiB", 1ll << 40}, {"GiB", 1ll << 30}, {"MiB", 1ll << 20}, {"KiB", 1ll << 10}}};
  const Unit* largest = nullptr;
  for (const Unit& unit : kUnits) {
    if (size.count != 0 && size.count % unit.factor == 0 && (unit.factor > 1 << 10 || !largest))
      return fmt::format("{}{}", size.count / unit.factor, unit.name);
    if (!largest && size.count > unit.factor && unit.factor > 1 << 10) largest = &unit;
  }
  if (!largest) return fmt::format("{}B", size.count);
  return fmt::format("{:.1f}{}", static_cast<double>(size.count) / static_cast<double>(largest->factor),
                     largest->name);
}

Result<Duration> parse_duration(std::string_view text) {
  static constexpr std::array<Unit, 5> kUnits{
      {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}}};
  std::string_view rest = text;
  double total = 0;
  bool good = !text.empty();
  while (good && !rest.empty()) {
    double number = 0;
    good = take_number(rest, number);
    if (!good) break;
    const size_t length = std::min(rest.size(), rest.find_first_of("0123456789."));
    const std::string_view name = rest.substr(0, length);
    good = false;
    for (const Unit& unit : kUnits) {
      if (name == unit.name) {
        total += number * static_cast<double>(unit.factor);
        good = total < 9e15;
      }
    }
    rest.remove_prefix(length);
  }
  if (good) return Duration(static_cast<std::int64_t>(std::llround(total)));
  return fail(Code::kInvalid, fmt::format("\"{}\" is not a duration", text),
              "write numbers with units, such as 90s, 2h or 1m30s");
}

std::string to_text(Duration duration) {
  static constexpr std::array<Unit, 5> kUnits{
      {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}}};
  if (duration.count() == 0) return "0s";
  std::string text = duration.count() < 0 ? "-" : "";
  std::int64_t rest = std::abs(duration.count());
  for (const Unit& unit : kUnits) {
    if (rest >= unit.factor) {
      text += fmt::format("{}{}", rest / unit.factor, unit.name);
      rest %= unit.factor;
    }
  }
  return text;
}

std::string to_rfc3339(Wall time) {
  const std::int64_t total = time.time_since_epoch().count();
  std::int64_t seconds = total / 1000;
  std::int64_t millis = total % 1000;
  if (millis < 0) {
    millis += 1000;
    seconds -= 1;
  }
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds)), millis);
}

Result<Wall> parse_rfc3339(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0;
  double second = 0;
  int consumed = 0;
  const std::string copy(text);
  // Only UTC ("Z") is accepted: all times that Headrace reads are its own or an API's in UTC.
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%lfZ%n", &year, &month, &day, &hour, &minute, &second,
                  &consumed) == 6 &&
      static_cast<size_t>(consumed) == copy.size()) {
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (date.ok() && hour < 24 && minute < 60 && second < 61) {
      return Wall(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hour) +
                  std::chrono::minutes(minute) + Duration(std::llround(second * 1000)));
    }
  }
  return fail(Code::kInvalid, fmt::format("\"{}\" is not a time", text),
              "write RFC 3339 in UTC, such as 2026-11-23T09:00:00Z");
}

}  // namespace headrace
