// What the names in a blueprint's expressions stand for: parameters, generated values, requirements,
// services, self. Placed values that do not exist yet make a result unknown, with the reference that it waits
// for.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "environment/state.h"

namespace headrace::environment {

// What `self`, `item` and `args` are for one evaluation.
struct Local {
  std::optional<int> slot;  // of an ordinal service
  const Service* service = nullptr;
  std::optional<expression::Value> item;               // for_each
  std::map<std::string, expression::Value> arguments;  // of a command
};

// The bindings of one component's expressions. Values that are not there yet are Unknown in them.
Result<expression::Bindings> bindings_of(const State& state, const Component& component,
                                         const Local& local = {});

// The parameters of a component: its defaults, what the blueprint gives, a command's overrides.
Result<std::map<std::string, expression::Value>> component_parameters(const State& state,
                                                                      const Component& component);
// An output of the blueprint, now.
Result<expression::Value> output_value(const State& state, const Output& output);

// The first reference that a value waits for, as people read it.
std::string waits_for(const expression::Value& value, const Component& component);
// A value as text: strings as they are, others as JSON.
std::string text_of(const expression::Value& value);

}  // namespace headrace::environment
