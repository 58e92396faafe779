#include "client/client.h"

#include <fmt/format.h>

namespace headrace::client {
namespace {

Code code_of(std::string_view word) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    if (word_of(static_cast<Code>(i)) == word) return static_cast<Code>(i);
  }
  return Code::kInternal;
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

Error error_from(const json::object& object) {
  Error error{code_of(text_of(object, "code")), text_of(object, "message"), text_of(object, "remedy")};
  if (const json::value* place = object.if_contains("place"); place && place->is_object()) {
    const json::object& where = place->get_object();
    error.place.file = text_of(where, "file");
    if (const auto* line = where.if_contains("line")) error.place.line = line->to_number<int>();
    if (const auto* column = where.if_contains("column")) error.place.column = column->to_number<int>();
  }
  if (const json::value* context = object.if_contains("context"); context && context->is_array()) {
    for (const json::value& each : context->get_array()) error.context.emplace_back(each.as_string());
  }
  return error;
}

}  // namespace

Result<Client> Client::connect(const std::string& address, const std::string& token) {
  TRY(http::Client http, http::Client::to(address));
  return Client(std::move(http), address, token);
}

http::Headers Client::headers() const {
  http::Headers headers{{"Accept", "application/json"}};
  if (!token_.empty()) headers.set("Authorization", "Bearer " + token_);
  return headers;
}

Error Client::unreachable(Error error) const {
  if (error.code != Code::kUnavailable) return error;
  return {Code::kUnavailable, fmt::format("no Headrace server answers at {} ({})", address_, error.message),
          "start it: make up, or: headrace server"};
}

Error Client::refused(const http::Response& response) const {
  errors_.clear();
  json::error_code parse_error;
  const json::value body = json::parse(response.body, parse_error);
  if (!parse_error && body.is_object()) {
    if (const json::value* all = body.get_object().if_contains("errors"); all && all->is_array()) {
      for (const json::value& each : all->get_array()) {
        if (each.is_object()) errors_.push_back(error_from(each.get_object()));
      }
    }
    if (const json::value* error = body.get_object().if_contains("error"); error && error->is_object()) {
      Error made = error_from(error->get_object());
      if (errors_.empty()) errors_.push_back(made);
      return made;
    }
    const std::string message = text_of(body.get_object(), "message");
    if (!message.empty()) {
      const Code code = response.status == 404  ? Code::kNotFound
                        : response.status < 500 ? Code::kInvalid
                                                : Code::kInternal;
      errors_.push_back({code, message, {}, {}, {}});
      return errors_.front();
    }
  }
  errors_.push_back({Code::kInternal,
                     fmt::format("the server answered {}: {}", response.status, response.body.substr(0, 300)),
                     {}});
  return errors_.front();
}

Result<json::value> Client::call(const std::string& method, const std::string& target,
                                 std::string body) const {
  auto response = http_.request(method, target, headers(), std::move(body), std::chrono::seconds(60));
  if (!response) return fail(unreachable(std::move(response).error()));
  if (!response->ok()) return fail(refused(*response));
  json::error_code error;
  json::value value = json::parse(response->body, error);
  if (error) return fail(Code::kInternal, fmt::format("the server's answer is no JSON: {}", error.message()));
  return value;
}

Result<json::value> Client::post(const std::string& target, const json::value& body) const {
  return call("POST", target, json::serialize(body));
}

Result<json::value> Client::put_text(const std::string& target, std::string body) const {
  return call("PUT", target, std::move(body));
}

Status Client::events(const std::string& target,
                      const std::function<bool(const http::Event&)>& on_event) const {
  auto response = http_.stream_events({.target = target, .headers = headers()}, on_event);
  if (!response) return fail(unreachable(std::move(response).error()));
  if (!response->ok()) return fail(refused(*response));
  return {};
}

Status Client::lines(const std::string& target, const std::function<bool(std::string_view)>& on_line) const {
  auto response = http_.stream_lines({.target = target, .headers = headers()}, on_line);
  if (!response) return fail(unreachable(std::move(response).error()));
  if (!response->ok()) return fail(refused(*response));
  return {};
}

}  // namespace headrace::client
