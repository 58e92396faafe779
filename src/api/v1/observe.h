// Routes of /v1 that show: status, agents, apps, logs, events; and the secrets.
#pragma once

#include <string>

#include "api/backend.h"
#include "http/router.h"

namespace headrace::api::v1 {

void add_observe_routes(http::Router& router, Backend& backend);
// Server-sent events of the hub, narrowed to an environment or an operation; Last-Event-ID resumes.
void stream_events(Backend& backend, const http::Request& request, http::Responder responder,
                   const std::string& environment, const std::string& operation);

}  // namespace headrace::api::v1
