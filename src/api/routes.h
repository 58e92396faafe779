// All routes of the server: /v1, /v2, /ping, /metrics.
#pragma once

#include "api/backend.h"
#include "http/router.h"

namespace headrace::api {

// backend must outlive every server that uses the router.
http::Router make_router(Backend& backend);

}  // namespace headrace::api
