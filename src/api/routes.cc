#include "api/routes.h"

#include "api/v1/environments.h"
#include "api/v1/observe.h"
#include "api/v2/routes.h"

namespace headrace::api {

http::Router make_router(Backend& backend) {
  http::Router router;
  v1::add_environment_routes(router, backend);
  v1::add_observe_routes(router, backend);
  v2::add_v2_routes(router, backend);
  router.get("/metrics", [&](http::Request, http::Responder responder) {
    http::Response response = http::Response::text(200, backend.metrics());
    response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    responder.respond(std::move(response));
  });
  return router;
}

}  // namespace headrace::api
