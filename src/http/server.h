// The HTTP/1.1 server: unix-socket and TCP listeners, a small pool of I/O threads, bounds on everything.
//
// Errors that the library answers itself (400, 404, 405, 413, 414, 431, 500, 503) are JSON:
// {"message": "…"}. Authentication and Host/Origin checks belong to the caller, as the filter.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "http/message.h"
#include "http/responder.h"
#include "http/router.h"

namespace headrace::http {

// Called on an I/O thread before routing, with the whole request. May set request.principal. A returned
// Response is sent instead of routing.
using Filter = std::function<std::optional<Response>(Request&)>;

struct ServerOptions {
  int threads = 2;
  std::size_t max_header_bytes = 32 << 10;  // start line included
  std::size_t max_uri_bytes = 8 << 10;
  std::size_t max_body_bytes = 4 << 20;
  std::size_t max_connections = 1024;  // over all listeners; one more is answered 503 and closed
  std::chrono::milliseconds header_timeout{10'000};  // from a request's first byte to its last header
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds write_timeout{30'000};  // each piece of an answer
  std::chrono::milliseconds idle_timeout{75'000};   // between requests of a kept connection
  Headers headers;                                  // added to every answer that does not set them
  Filter filter;
};

class Server {
 public:
  Server(Router router, ServerOptions options = {});
  ~Server();  // stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens a listener; requests are served from start() on. A stale socket file is replaced, one with a live
  // listener behind it is kConflict. The file has mode 0600 and is removed at stop().
  Status listen_unix(const std::string& path);
  // Needs a numeric address. Port 0: any free one. Returns the port. Taken: kConflict.
  Result<std::uint16_t> listen_tcp(const std::string& address, std::uint16_t port);

  void start();
  // Closes listeners, streams and connections (a whole answer already handed over is still written, for at
  // most a second) and joins the threads. Not from a handler.
  void stop();

  std::size_t connections() const;

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace headrace::http
