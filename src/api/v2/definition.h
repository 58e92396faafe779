// Marathon's app definition ⇄ AppSpec. Strict: an unknown field, a wrong type, a feature that this release
// does not have, and a legacy form are errors, all of them in one answer (docs/v2.md lists what is
// supported).
#pragma once

#include <expected>
#include <string_view>

#include "api/v2/fields.h"
#include "process/app.h"

namespace headrace::api::v2 {

template <class T>
using Parsed = std::expected<T, Refusal>;

// A new app (POST, or PUT of an id that does not exist). `id_of_path` is empty for POST; where both are given
// they must be equal.
Parsed<process::AppSpec> parse_app(std::string_view body, std::string_view id_of_path = {});
// A change of an app (PUT): with `partial`, fields that the body leaves out stay as they are.
Parsed<process::AppSpec> parse_update(std::string_view body, const process::AppView& present, bool partial);

// "web" → "/web"; a trailing slash is dropped.
process::AppId absolute_id(std::string_view id);

}  // namespace headrace::api::v2
