// AppSpec as a record, and how enumerators are stored: as their numbers, which are therefore never reordered.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "base/result.h"
#include "process/app.h"
#include "process/records.pb.h"

namespace headrace::process {

records::Spec spec_record(const AppSpec& spec);
Result<AppSpec> spec_from(const records::Spec& record);

template <class Enum>
constexpr std::int32_t number_of(Enum value) {
  return static_cast<std::int32_t>(value);
}

// kCorrupt for a number past the last enumerator.
template <class Enum>
Result<Enum> enum_from(std::int32_t number, Enum last) {
  if (number >= 0 && number <= number_of(last)) return static_cast<Enum>(number);
  return fail(Code::kCorrupt,
              fmt::format("a stored record holds {} where at most {} is known", number, number_of(last)));
}

}  // namespace headrace::process
