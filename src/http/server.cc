#include "http/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "http/connection.h"

namespace headrace::http {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Unix = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

// Child processes must not keep our sockets open.
void close_on_exec(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

}  // namespace

// What the I/O threads share. Connections and unanswered responders keep it alive.
struct Server::Core : std::enable_shared_from_this<Core> {
  Core(Router r, ServerOptions o) : router(std::move(r)), options(std::move(o)) {}

  void forget(Connection* ended) {
    std::lock_guard lock(mutex);
    connections.erase(ended);
  }
  template <class Protocol>
  awaitable<void> accept(typename Protocol::acceptor& acceptor, Peer peer);

  Router router;
  ServerOptions options;
  asio::io_context io;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  std::list<Tcp::acceptor> tcp;
  std::list<std::pair<Unix::acceptor, std::string>> unix;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::map<Connection*, std::shared_ptr<Connection>> connections;
  bool stopping = false;
};

template <class Protocol>
awaitable<void> Server::Core::accept(typename Protocol::acceptor& acceptor, Peer peer) {
  while (acceptor.is_open()) {
    typename Protocol::socket socket(asio::make_strand(io));
    auto [ec] = co_await acceptor.async_accept(socket, kToken);
    if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) break;
    if (ec) {  // out of descriptors, most likely: let others end
      log::warn("Cannot accept a connection: {}", ec.message());
      asio::steady_timer pause(io, std::chrono::milliseconds(100));
      co_await pause.async_wait(kToken);
      continue;
    }
    close_on_exec(socket.native_handle());
    if constexpr (std::is_same_v<Protocol, Tcp>) socket.set_option(Tcp::no_delay(true), ec);
    auto connection = make_connection({.server = shared_from_this(),
                                       .router = router,
                                       .options = options,
                                       .on_end = [this](Connection* ended) { forget(ended); }},
                                      Socket(std::move(socket)), peer);
    std::lock_guard lock(mutex);
    if (stopping) break;
    connections.emplace(connection.get(), connection);
    connection->start(connections.size() > options.max_connections);
  }
}

Server::Server(Router router, ServerOptions options)
    : core_(std::make_shared<Core>(std::move(router), std::move(options))) {}

Server::~Server() {
  stop();
}

Status Server::listen_unix(const std::string& path) {
  error_code ec;
  if (path.size() > 107)
    return fail(Code::kInvalid, fmt::format("The socket path {} is longer than 107 bytes.", path));
  const Unix::endpoint endpoint(path);
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode))
      return fail(Code::kConflict, fmt::format("{} exists and is no socket.", path));
    Unix::socket probe(core_->io);
    probe.connect(endpoint, ec);
    if (!ec) return fail(Code::kConflict, fmt::format("Another server listens on {}.", path));
    ::unlink(path.c_str());
  }
  Unix::acceptor acceptor(asio::make_strand(core_->io));
  if (acceptor.open(Unix(), ec) || acceptor.bind(endpoint, ec))
    return fail(Code::kUnavailable, fmt::format("Cannot bind {}: {}.", path, ec.message()));
  close_on_exec(acceptor.native_handle());
  // Between bind and listen nobody can connect, so the mode is there in time.
  if (::chmod(path.c_str(), 0600) != 0 || acceptor.listen(asio::socket_base::max_listen_connections, ec))
    return fail(Code::kUnavailable, fmt::format("Cannot listen on {}: {}.", path, ec.message()));
  core_->unix.emplace_back(std::move(acceptor), path);
  return {};
}

Result<std::uint16_t> Server::listen_tcp(const std::string& address, std::uint16_t port) {
  error_code ec;
  const auto ip = asio::ip::make_address(address, ec);
  if (ec) return fail(Code::kInvalid, fmt::format("{} is no numeric address.", address));
  const Tcp::endpoint endpoint(ip, port);
  Tcp::acceptor acceptor(asio::make_strand(core_->io));
  if (acceptor.open(endpoint.protocol(), ec) || acceptor.set_option(Tcp::acceptor::reuse_address(true), ec) ||
      acceptor.bind(endpoint, ec) || acceptor.listen(asio::socket_base::max_listen_connections, ec))
    return fail(ec == asio::error::address_in_use ? Code::kConflict : Code::kUnavailable,
                fmt::format("Cannot listen on {}:{}: {}.", address, port, ec.message()));
  close_on_exec(acceptor.native_handle());
  const std::uint16_t taken = acceptor.local_endpoint().port();
  core_->tcp.push_back(std::move(acceptor));
  return taken;
}

void Server::start() {
  core_->work.emplace(core_->io.get_executor());
  for (auto& acceptor : core_->tcp)
    asio::co_spawn(acceptor.get_executor(), core_->accept<Tcp>(acceptor, Peer::kTcp), asio::detached);
  for (auto& [acceptor, path] : core_->unix)
    asio::co_spawn(acceptor.get_executor(), core_->accept<Unix>(acceptor, Peer::kUnix), asio::detached);
  for (int i = 0; i < std::max(1, core_->options.threads); ++i)
    core_->threads.emplace_back([io = &core_->io] { io->run(); });
}

void Server::stop() {
  {
    std::lock_guard lock(core_->mutex);
    if (std::exchange(core_->stopping, true)) return;
    for (const auto& [key, connection] : core_->connections) connection->stop();
  }
  const auto close = [](auto& acceptor) {  // on its strand: an acceptor is not thread-safe
    asio::post(acceptor.get_executor(), [&acceptor] {
      error_code ec;
      acceptor.close(ec);
    });
  };
  for (auto& acceptor : core_->tcp) close(acceptor);
  for (auto& [acceptor, path] : core_->unix) close(acceptor);
  core_->work.reset();
  for (std::thread& thread : core_->threads) thread.join();
  core_->threads.clear();
  for (auto& [acceptor, path] : core_->unix) ::unlink(path.c_str());
}

size_t Server::connections() const {
  std::lock_guard lock(core_->mutex);
  return core_->connections.size();
}

}  // namespace headrace::http
