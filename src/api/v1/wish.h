// From a request's body to a Wish: the blueprint loaded, image names resolved to ids, secrets pinned to
// versions and generated ones made. What managers must not do (ask engines, draw keys) happens here, before
// they are asked.
#pragma once

#include <vector>

#include "api/backend.h"
#include "api/json.h"
#include "environment/environment_manager.h"

namespace headrace::api::v1 {

// Files of a blueprint as uploaded: {"files": {"blueprint.yaml": "…"}}.
Result<environment::BlueprintSource> source_of(const json::object& body);

struct Prepared {
  std::optional<environment::Wish> wish;
  std::vector<Error> errors;  // all at once
};

// body: {"name", "files", "profile", "parameters": {…}, "owner", "ttl", "atomic"}. Without files: those of
// the environment's latest generation, and its parameters under the given ones. Generated secrets are made
// here, once per environment, before its first plan (design section 6).
Prepared prepare_wish(Backend& backend, const json::object& body);

}  // namespace headrace::api::v1
