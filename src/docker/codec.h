// Between the engine's JSON (API 1.41) and the values of engine.h. Inside src/docker only.
#pragma once

#include <string>
#include <string_view>

#include "docker/engine.h"
#include "docker/json_view.h"

namespace headrace::docker {

// Body of POST /containers/create.
std::string create_body(const ContainerSpec& spec);
// Body of POST /containers/{}/exec.
std::string exec_body(const std::vector<std::string>& command);
// Body of POST /volumes/create.
std::string volume_body(std::string_view name, const Labels& labels);
// {"label":["a=b"]}, for the query of a list; percent-encoded by the caller.
std::string filters(const LabelFilters& labels);
// The same for GET /events.
std::string filters(const EventQuery& query);

Image image_from(JsonView json);
Container container_from_inspect(JsonView json);
Container container_from_list(JsonView json);
Usage usage_from(JsonView json);
Event event_from(JsonView json);

// What a status and Docker's sentence mean in our codes. `doing`: "start /kafka".
Error error_from(int status, std::string_view message, std::string_view doing);

}  // namespace headrace::docker
