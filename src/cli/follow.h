// Follows an operation to its end: a line for every change of a component, and for every wait that lasts.
#pragma once

#include "cli/commands.h"

namespace headrace::cli {

// Prints to standard error with --output json, so that standard output stays one JSON value.
Exit follow_operation(const Context& context, const boost::json::value& operation,
                      const std::string& timeout);

}  // namespace headrace::cli
