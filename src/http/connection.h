// One connection of the server, from its first byte to its last. Private to the server.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <functional>
#include <memory>

#include "http/router.h"
#include "http/server.h"

namespace headrace::http {

using Socket = boost::asio::generic::stream_protocol::socket;

class Connection;

struct ConnectionSetting {
  std::shared_ptr<void> server;  // owns the event loop and what is referred to here
  const Router& router;
  const ServerOptions& options;
  std::function<void(Connection*)> on_end;  // called once, from the connection's strand
};

class Connection {
 public:
  virtual ~Connection() = default;
  // Serves requests until either side ends it; with refuse it says 503 and ends.
  virtual void start(bool refuse) = 0;
  // From any thread: ends it as Server::stop() says.
  virtual void stop() = 0;
};

// Needs a socket on a strand of its own.
std::shared_ptr<Connection> make_connection(ConnectionSetting setting, Socket socket, Peer peer);

}  // namespace headrace::http
