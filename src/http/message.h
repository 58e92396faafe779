// The values of HTTP: headers, query, request, response. Plain data; no socket, no Asio.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace::http {

// Header fields in the order they came; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
  // The first value of that name, or nullptr.
  const std::string* find(std::string_view name) const;
  // The first value, or "".
  std::string_view get(std::string_view name) const;
  void set(std::string_view name, std::string value);  // replaces every field of that name
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Decoded query parameters in order; a key may repeat (`?embed=a&embed=b`), a key without `=` has value "".
class Query {
 public:
  // Needs the part after '?'. Returns kInvalid when a percent escape is broken.
  static Result<Query> parse(std::string_view text);
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const std::string* find(std::string_view key) const;  // the first value, or nullptr
  std::string get(std::string_view key, std::string_view otherwise = "") const;
  std::vector<std::string> all(std::string_view key) const;
  void add(std::string key, std::string value) { pairs_.emplace_back(std::move(key), std::move(value)); }
  std::string to_string() const;  // encoded, without '?'
  auto begin() const { return pairs_.begin(); }
  auto end() const { return pairs_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

// Which kind of listener a request came through: a unix socket of mode 0600 (its file mode is the
// credential) or TCP.
enum class Peer { kUnix, kTcp };

struct Request {
  std::string method;  // upper case, as sent
  std::string target;  // as sent: "/v2/apps/%2Fa?embed=app.tasks"
  std::string path;    // decoded, without query
  Query query;
  Headers headers;
  std::string body;
  Peer peer = Peer::kTcp;
  std::string principal;                                   // set by the server's filter: who calls
  std::map<std::string, std::string, std::less<>> params;  // captures of the route, decoded

  // A capture of the route; "" when the route has none of that name.
  std::string param(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;

  static Response text(int status, std::string body);
  static Response json(int status, std::string body);  // body is JSON text already
  // {"message": "…"}, as every error that this library answers by itself.
  static Response error(int status, std::string_view message);
  bool ok() const { return status >= 200 && status < 300; }
};

// "Not Found" for 404; "" for a number without a registered phrase.
std::string_view reason_of(int status);

// "%2Fa+b" → "/a+b"; with plus_is_space (queries) "a+b" → "a b". kInvalid when an escape is broken or
// gives a NUL.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
// Everything but RFC 3986 unreserved characters becomes %XX.
std::string percent_encode(std::string_view text);
// A JSON string literal with its quotes.
std::string json_quote(std::string_view text);

}  // namespace headrace::http
