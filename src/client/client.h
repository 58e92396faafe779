// A client of our own /v1: what the command line (and later the balancer) speaks. Answers are JSON; errors
// are Error, with code, place and remedy as the server said them.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace headrace::client {

namespace json = boost::json;

class Client {
 public:
  // address: "unix:/path" or "http://host:port"; token for TCP.
  static Result<Client> connect(const std::string& address, const std::string& token);

  Result<json::value> get(const std::string& target) const { return call("GET", target, {}); }
  Result<json::value> post(const std::string& target, const json::value& body) const;
  Result<json::value> put_text(const std::string& target, std::string body) const;
  Result<json::value> remove(const std::string& target) const { return call("DELETE", target, {}); }
  // Server-sent events or log lines until the callback says false or the stream ends.
  Status events(const std::string& target, const std::function<bool(const http::Event&)>& on_event) const;
  Status lines(const std::string& target, const std::function<bool(std::string_view)>& on_line) const;
  // Every error of the last refused call, where there were several.
  const std::vector<Error>& errors() const { return errors_; }

 private:
  explicit Client(http::Client http, std::string address, std::string token)
      : http_(std::move(http)), address_(std::move(address)), token_(std::move(token)) {}
  Result<json::value> call(const std::string& method, const std::string& target, std::string body) const;
  Error refused(const http::Response& response) const;
  Error unreachable(Error error) const;
  http::Headers headers() const;

  http::Client http_;
  std::string address_, token_;
  mutable std::vector<Error> errors_;
};

}  // namespace headrace::client
