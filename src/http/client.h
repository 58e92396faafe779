// A blocking HTTP/1.1 client: each call opens a connection, has a deadline, and may be made from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/events.h"
#include "http/message.h"

namespace headrace::http {

struct Call {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;
  std::string body;
  // Of the whole call for request(); for streams until the headers of the answer, unless `whole`.
  std::chrono::milliseconds timeout{30'000};
  bool whole = false;  // streams: the timeout is of the whole call
  // Streams: the longest silence before the call ends with kTimeout; zero: none.
  std::chrono::milliseconds idle_timeout{0};
  std::size_t max_body_bytes = 64 << 20;  // of an answer that is not streamed
  std::stop_token stop = {};              // stopped, the call ends with kUnavailable "cancelled"
  // Streams: called once when a 2xx answer's headers are there, before any data.
  std::function<void(const Response&)> on_open = nullptr;
};

class Client {
 public:
  // "unix:/run/headrace.sock", "http://127.0.0.1:8080", "https://host" (system's trust store). A path after
  // the address is put before every target.
  static Result<Client> to(std::string_view address);

  // An answer of any status is a value; kUnavailable when nobody answers, kTimeout past the deadline.
  Result<Response> request(const Call& call) const;
  Result<Response> request(std::string method, std::string target, Headers headers = {},
                           std::string body = {},
                           std::chrono::milliseconds timeout = std::chrono::seconds(30)) const;

  // The body piece by piece as it comes, until on_data returns false or the body ends. When the status is
  // not 2xx, on_data is not called and the Response holds the body; else its body is empty. A body that
  // breaks off is kUnavailable.
  Result<Response> stream(const Call& call, const std::function<bool(std::string_view)>& on_data) const;
  // Line by line, without "\n" or "\r\n"; empty lines (heartbeats) included.
  Result<Response> stream_lines(const Call& call, const std::function<bool(std::string_view)>& on_line) const;
  // Server-sent events; comments are not reported.
  Result<Response> stream_events(const Call& call, const std::function<bool(const Event&)>& on_event) const;

 private:
  struct Target {
    enum class Kind { kUnix, kTcp, kTls } kind = Kind::kTcp;
    std::string host;  // or the socket's path
    std::string port;
    std::string authority;  // what Host says
    std::string base;       // path before every target
  };
  struct Exchange;
  explicit Client(Target target) : target_(std::move(target)) {}
  Target target_;
};

}  // namespace headrace::http
