// The functions and operators of the language: one table for checking and for evaluation.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "expression/type.h"
#include "expression/value.h"

namespace headrace::expression {

// A member function has its target as first parameter; a variadic one repeats its last.
struct Signature {
  bool is_member = false;
  bool is_variadic = false;
  std::vector<Type> parameters;
  Type result;
  std::string to_string(std::string_view name) const;  // "string.contains(string) bool"
};

struct Function {
  std::string name;
  std::vector<Signature> signatures;
  Result<Value> (*run)(std::span<const Value> args);
};

// Null where there is none of that name.
const Function* find_function(const std::string& name);
// All, for documentation and suggestions; operators begin or end with '_' or '@'.
const std::vector<Function>& functions();
// What to say of a name that is known but left out ("timestamps are not supported"), or empty.
std::string_view why_not_supported(std::string_view name);

}  // namespace headrace::expression
