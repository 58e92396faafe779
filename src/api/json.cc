#include "api/json.h"

#include <fmt/format.h>

namespace headrace::api {

int http_status_of(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kUnsupported: return 422;
    case Code::kUnauthorized: return 401;
    case Code::kRefused: return 403;
    case Code::kUnavailable: return 503;
    case Code::kTimeout: return 504;
    case Code::kCorrupt:
    case Code::kInternal: return 500;
  }
  return 500;
}

json::object to_json(const Error& error) {
  json::object object{{"code", word_of(error.code)}, {"message", error.message}};
  if (!error.remedy.empty()) object["remedy"] = error.remedy;
  if (!error.place.file.empty()) {
    object["place"] = {
        {"file", error.place.file}, {"line", error.place.line}, {"column", error.place.column}};
  }
  if (!error.context.empty()) object["context"] = json::value_from(error.context);
  return object;
}

http::Response error_response(const Error& error) {
  return json_response(http_status_of(error.code), json::object{{"error", to_json(error)}});
}

json::value to_json(const Cause& cause) {
  json::object object{{"code", cause.code}, {"sentence", cause.sentence}, {"since", to_rfc3339(cause.since)}};
  if (cause.deadline) object["deadline"] = to_rfc3339(*cause.deadline);
  if (!cause.remedy.empty()) object["remedy"] = cause.remedy;
  return object;
}
json::value to_json(const std::optional<Cause>& cause) {
  return cause ? to_json(*cause) : json::value(nullptr);
}
json::value to_json(Wall time) {
  return json::string(to_rfc3339(time));
}
json::value to_json(const std::optional<Wall>& time) {
  return time ? to_json(*time) : json::value(nullptr);
}

http::Response json_response(int status, const json::value& body) {
  return http::Response::json(status, json::serialize(body));
}

Result<json::object> parse_object(std::string_view body) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 64;
  json::value value = json::parse(body, error, {}, options);
  if (error) return fail(Code::kInvalid, fmt::format("The body is no JSON: {}", error.message()));
  if (!value.is_object()) return fail(Code::kInvalid, "The body has to be a JSON object");
  return std::move(value.as_object());
}

Result<std::string> string_member(const json::object& object, std::string_view name,
                                  std::string_view otherwise) {
  const json::value* found = object.if_contains(name);
  if (!found || found->is_null()) return std::string(otherwise);
  if (!found->is_string()) return fail(Code::kInvalid, fmt::format("\"{}\" has to be a string", name));
  return std::string(found->as_string());
}

Result<bool> bool_member(const json::object& object, std::string_view name, bool otherwise) {
  const json::value* found = object.if_contains(name);
  if (!found || found->is_null()) return otherwise;
  if (!found->is_bool()) return fail(Code::kInvalid, fmt::format("\"{}\" has to be true or false", name));
  return found->as_bool();
}

}  // namespace headrace::api
