// The functions and operators of the language: one table for checking and for evaluation.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "expression/type.h"
#include "expression/value.h"

namespace headrace::expression {

// A member function has its target as first parameter; a variadic one repeats its last.
struct Overload {
  bool is_member = false;
  bool is_variadic = false;
  std::vector<Type> parameters;
  Type result;
  std::function<Result<Value>(std::span<const Value>)> run;  // needs arguments that it accepts

  bool takes(size_t count, bool as_member) const;
  const Type& parameter(size_t index) const { return parameters[std::min(index, parameters.size() - 1)]; }
  // Whether the values are of its types; of lists and maps only the kind is looked at.
  bool accepts(std::span<const Value> arguments) const;
  std::string to_string(std::string_view name) const;  // "string.contains(string) bool"
};

// "int", "list", "null_type": what a type's name stands for as an expression.
bool is_type_name(std::string_view name);
Type::Kind kind_of(const Value& value);
// The overloads of a name; empty where there is none. Operators are "_+_", "!_", "@in".
std::span<const Overload> overloads_of(const std::string& name);
// All names of functions, for suggestions.
std::vector<std::string> function_names();
// What to say of a name that is known but left out ("timestamps are not supported"), or empty.
std::string_view why_not_supported(std::string_view name);

}  // namespace headrace::expression
