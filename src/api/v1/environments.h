// Routes of /v1 that change and show environments: blueprints, plans, environments, operations.
#pragma once

#include "api/backend.h"
#include "http/router.h"

namespace headrace::api::v1 {

void add_environment_routes(http::Router& router, Backend& backend);

}  // namespace headrace::api::v1
