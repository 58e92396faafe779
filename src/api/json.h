// JSON at the API's edge: small conveniences over Boost.JSON, and how an Error is answered over HTTP.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/cause.h"
#include "base/result.h"
#include "base/time.h"
#include "http/message.h"
#include "http/responder.h"

namespace headrace::api {

namespace json = boost::json;

// 400 invalid, 401, 404, 409 conflict, 422 unsupported, 403 refused, 503 unavailable, 504 timeout, 500 else.
int http_status_of(Code code);

// {"error": {"code", "message", "remedy", "place": {file,line,column}, "context": […]}}; several errors under
// "errors".
json::object to_json(const Error& error);
http::Response error_response(const Error& error);

json::value to_json(const Cause& cause);
json::value to_json(const std::optional<Cause>& cause);  // null when there is none
json::value to_json(Wall time);
json::value to_json(const std::optional<Wall>& time);

http::Response json_response(int status, const json::value& body);
// kInvalid with the offset when the text is no JSON object.
Result<json::object> parse_object(std::string_view body);
// Reads an optional member of a given kind; kInvalid naming the field when it is of another kind.
Result<std::string> string_member(const json::object& object, std::string_view name,
                                  std::string_view otherwise = {});
Result<bool> bool_member(const json::object& object, std::string_view name, bool otherwise = false);

}  // namespace headrace::api
