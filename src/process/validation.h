// What an AppSpec must be before it is accepted.
#pragma once

#include <span>

#include "base/result.h"
#include "process/app.h"

namespace headrace::process {

// kInvalid with every error of every spec in its message; kUnsupported where the only errors are features
// that this release does not have, each named.
Status validate(std::span<const AppSpec> specs);

// "/a/b-c.d": segments of lower-case letters, digits, '-' and '.'.
bool is_well_formed(const AppId& id);
// The environment whose path this is; empty for other apps.
std::string environment_of(const AppId& id);
// kConflict naming the environment for the paths that only environments may write (design rule 7).
Status refuse_environment_path(const AppId& id);

}  // namespace headrace::process
