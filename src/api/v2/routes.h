// Marathon's REST API, as far as this release has it (docs/v2.md): apps, tasks, deployments, queue, events,
// info, ping. What it does not have is answered 404 or 422 with the feature's name, never ignored.
#pragma once

#include "api/backend.h"
#include "http/router.h"

namespace headrace::api::v2 {

// backend must outlive every server that uses the router.
void add_v2_routes(http::Router& router, Backend& backend);

}  // namespace headrace::api::v2
