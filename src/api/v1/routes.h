// /v1: environments, plans, operations, secrets, agents, logs, events. The command line and the portal use
// nothing else.
#pragma once

#include "api/backend.h"
#include "http/router.h"

namespace headrace::api::v1 {

// backend must outlive the router's server.
void add_routes(http::Router& router, Backend& backend);

}  // namespace headrace::api::v1
