#include "http/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <list>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"

namespace headrace::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using Unix = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
// How long and how much a closing connection still reads, so that a client in the middle of an upload
// sees our answer and not a reset.
constexpr auto kLinger = std::chrono::seconds(2);
constexpr size_t kLingerBytes = 16 << 20;

// Child processes must not keep our sockets open.
void close_on_exec(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

bool has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

struct Head {
  int status = 200;
  const Headers& headers;
  const Headers& defaults;
  std::string framing;  // whole header lines
};

std::string format_head(const Head& head) {
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", head.status, reason_of(head.status), date_now());
  const auto append = [&](const std::string& name, std::string value) {
    // A line break would let a value add headers of its own.
    std::ranges::replace_if(value, [](char c) { return c == '\r' || c == '\n'; }, ' ');
    text.append(name).append(": ").append(value).append("\r\n");
  };
  for (const auto& [name, value] : head.headers) append(name, value);
  for (const auto& [name, value] : head.defaults)
    if (!head.headers.find(name)) append(name, value);
  return text.append(head.framing).append("\r\n");
}

// A one-place mailbox between any thread and one coroutine on its strand.
class Wake {
 public:
  explicit Wake(const asio::any_io_executor& executor) : timer_(executor) {}
  // From any thread; `self` keeps the owner of this Wake alive until the wake-up has run.
  template <class Owner>
  void notify(const std::shared_ptr<Owner>& self) {
    asio::post(timer_.get_executor(), [this, weak = std::weak_ptr<Owner>(self)] {
      if (const auto alive = weak.lock()) {
        notified_ = true;
        timer_.cancel();
      }
    });
  }
  // On the strand only. True when notified, false when the time passed first.
  awaitable<bool> wait(std::chrono::milliseconds longest) {
    if (!notified_) {
      timer_.expires_after(longest);
      co_await timer_.async_wait(kToken);
    }
    co_return std::exchange(notified_, false);
  }

 private:
  asio::steady_timer timer_;
  bool notified_ = false;
};

constexpr auto kForever = std::chrono::hours(24 * 365);

}  // namespace

// What the I/O threads share. Connections and unanswered responders keep it alive.
struct Server::Core : std::enable_shared_from_this<Core> {
  Core(Router r, ServerOptions o) : router(std::move(r)), options(std::move(o)) {}

  class Connection;
  struct Answer;
  class Streaming;

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
  std::set<std::shared_ptr<Connection>> connections;
  bool stopping = false;
};

// The queue of one open stream, between its producers and its connection.
class Server::Core::Streaming : public std::enable_shared_from_this<Streaming> {
 public:
  Streaming(std::shared_ptr<Core> core, const asio::any_io_executor& executor, StreamOptions options)
      : core_(std::move(core)), executor_(executor), options_(std::move(options)), wake_(executor) {}

  bool write(std::string text) {
    bool fits = true;
    {
      std::lock_guard lock(mutex_);
      if (closed_ || dropped_) return false;
      fits = pending_.empty() || pending_.size() + text.size() <= options_.max_queued_bytes;
      dropped_ = !fits;
      if (fits) pending_ += text;
    }
    if (fits)
      wake_.notify(shared_from_this());
    else
      asio::post(executor_, [self = shared_from_this()] { self->cut_off(); });
    return fits;
  }
  // No more writes; what is queued is still sent.
  void end() {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(closed_, true)) return;
      // Never in the caller's thread: it may hold a lock that the callback wants.
      if (on_closed_) asio::post(core_->io, std::exchange(on_closed_, nullptr));
      on_drained_ = nullptr;
    }
    wake_.notify(shared_from_this());
  }
  bool is_closed() {
    std::lock_guard lock(mutex_);
    return closed_ || dropped_;
  }
  bool is_dropped() {
    std::lock_guard lock(mutex_);
    return dropped_;
  }
  size_t queued_bytes() {
    std::lock_guard lock(mutex_);
    return pending_.size();
  }
  void on_closed(std::function<void()> callback) {
    {
      std::lock_guard lock(mutex_);
      if (!closed_) {
        on_closed_ = std::move(callback);
        return;
      }
    }
    callback();
  }
  void on_drained(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    if (!closed_) on_drained_ = std::move(callback);
  }

  // What to write next: queued text, a heartbeat, or "" when the stream has ended.
  awaitable<std::string> next() {
    const bool beats = !options_.heartbeat.empty();
    while (true) {
      {
        std::lock_guard lock(mutex_);
        if (dropped_ || gone_) co_return "";
        if (!pending_.empty()) co_return std::exchange(pending_, {});
        if (closed_) co_return "";
      }
      if (!co_await wake_.wait(beats ? options_.heartbeat_every : kForever) && beats)
        co_return options_.heartbeat;
    }
  }
  void written() {
    std::function<void()> callback;
    {
      std::lock_guard lock(mutex_);
      if (pending_.empty()) callback = on_drained_;
    }
    if (callback) callback();
  }
  void consumer_gone() {
    {
      std::lock_guard lock(mutex_);
      gone_ = true;
    }
    end();
  }
  // On the connection's strand: how to end a write that the slow consumer blocks.
  void set_cut_off(std::function<void()> cut) { cut_ = std::move(cut); }
  const StreamOptions& options() const { return options_; }

  // What producers hold: the last handle's end closes the stream.
  class Handle final : public BodyStream::Sink {
   public:
    explicit Handle(std::shared_ptr<Streaming> state) : state_(std::move(state)) {}
    ~Handle() override { state_->end(); }
    bool write(std::string text) override { return state_->write(std::move(text)); }
    void close() override { state_->end(); }
    bool is_closed() const override { return state_->is_closed(); }
    size_t queued_bytes() const override { return state_->queued_bytes(); }
    void on_closed(std::function<void()> callback) override { state_->on_closed(std::move(callback)); }
    void on_drained(std::function<void()> callback) override { state_->on_drained(std::move(callback)); }

   private:
    std::shared_ptr<Streaming> state_;
  };

 private:
  void cut_off() {
    if (cut_) cut_();
    consumer_gone();
  }

  std::shared_ptr<Core> core_;  // outlives wake_
  asio::any_io_executor executor_;
  StreamOptions options_;
  Wake wake_;
  std::function<void()> cut_;
  std::mutex mutex_;
  std::string pending_;
  bool closed_ = false;   // no more writes
  bool dropped_ = false;  // too slow: nothing more is sent
  bool gone_ = false;
  std::function<void()> on_closed_;
  std::function<void()> on_drained_;
};

// The answer to one request, filled once by a Responder and awaited by the connection.
struct Server::Core::Answer : std::enable_shared_from_this<Answer> {
  Answer(std::shared_ptr<Core> owner, const asio::any_io_executor& strand)
      : core(std::move(owner)), executor(strand), wake(strand) {}

  bool give(std::optional<Response> whole, std::shared_ptr<Streaming> opened) {
    {
      std::lock_guard lock(mutex);
      if (std::exchange(given, true)) return false;
      response = std::move(whole);
      streaming = std::move(opened);
    }
    wake.notify(shared_from_this());
    return true;
  }

  class Handle final : public Responder::Exchange {
   public:
    explicit Handle(std::shared_ptr<Answer> answer) : answer_(std::move(answer)) {}
    ~Handle() override { answer_->give(Response::error(500, "The request was not answered."), nullptr); }
    bool respond(Response whole) override { return answer_->give(std::move(whole), nullptr); }
    std::shared_ptr<BodyStream::Sink> stream(StreamOptions opening) override {
      auto state = std::make_shared<Streaming>(answer_->core, answer_->executor, std::move(opening));
      auto handle = std::make_shared<Streaming::Handle>(state);
      return answer_->give(std::nullopt, std::move(state)) ? handle : nullptr;
    }

   private:
    std::shared_ptr<Answer> answer_;
  };

  std::shared_ptr<Core> core;  // outlives wake
  asio::any_io_executor executor;
  Wake wake;
  std::mutex mutex;
  bool given = false;
  std::optional<Response> response;
  std::shared_ptr<Streaming> streaming;
};

class Server::Core::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Core> core, Socket socket, Peer peer)
      : core_(std::move(core)),
        stream_(std::move(socket)),
        peer_(peer),
        last_second_(stream_.get_executor()) {}

  void start(bool refuse) {
    asio::co_spawn(
        stream_.get_executor(), [self = shared_from_this(), refuse] { return self->run(refuse); },
        [self = shared_from_this()](std::exception_ptr) {
          self->last_second_.cancel();
          std::lock_guard lock(self->core_->mutex);
          self->core_->connections.erase(self);
        });
  }

  void stop() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      self->stopping_ = true;
      if (self->answer_) self->answer_->give(Response::error(503, "The server is stopping."), nullptr);
      if (!self->answer_ && (!self->writing_ || self->streaming_)) {
        self->stream_.close();
        return;
      }
      self->last_second_.expires_after(std::chrono::seconds(1));
      self->last_second_.async_wait([self](error_code ec) {
        if (!ec) self->stream_.close();
      });
    });
  }

 private:
  using Parser = bhttp::request_parser<bhttp::string_body>;
  struct Bad {
    int status;  // 0: nobody is there to answer
    std::string message;
  };

  awaitable<void> run(bool refuse) {
    if (refuse) co_await write_whole(Response::error(503, "Too many connections."), false, false);
    while (!refuse && !stopping_ && co_await serve_one()) {
    }
    co_await linger();
  }

  // True: the connection is kept for another request.
  awaitable<bool> serve_one() {
    Parser parser;
    const Bad bad = co_await read_request(parser);
    if (bad.status == 0 && !bad.message.empty()) co_return false;
    if (bad.status != 0) {
      co_await write_whole(Response::error(bad.status, bad.message), false, false);
      co_return false;
    }
    const bool keep = parser.get().keep_alive() && !stopping_;
    const bool is_head = parser.get().method() == bhttp::verb::head;
    const bool chunked = parser.get().version() >= 11;
    answer_ = std::make_shared<Answer>(core_, stream_.get_executor());
    dispatch(parser.release(), Responder(std::make_shared<Answer::Handle>(answer_)));
    co_await answer_->wake.wait(kForever);
    const auto answer = std::exchange(answer_, nullptr);
    if (answer->streaming) {
      co_await write_stream(answer->streaming, chunked, is_head);
      co_return false;
    }
    co_return co_await write_whole(std::move(*answer->response), keep && !stopping_, is_head) && keep;
  }

  // Bad{} when a whole request was read.
  awaitable<Bad> read_request(Parser& parser) {
    const ServerOptions& limits = core_->options;
    parser.header_limit(static_cast<std::uint32_t>(limits.max_header_bytes));
    parser.body_limit(limits.max_body_bytes);
    if (buffer_.size() == 0) {
      stream_.expires_after(limits.idle_timeout);
      auto [ec, n] = co_await stream_.async_read_some(buffer_.prepare(4096), kToken);
      if (ec) co_return Bad{0, "idle"};
      buffer_.commit(n);
    }
    stream_.expires_after(limits.header_timeout);
    auto [ec, n] = co_await bhttp::async_read_header(stream_, buffer_, parser, kToken);
    if (ec) co_return bad(ec);
    if (parser.get().target().size() > limits.max_uri_bytes)
      co_return Bad{414, fmt::format("The address is longer than {} bytes.", limits.max_uri_bytes)};
    if (parser.get().version() != 11 && parser.get().version() != 10)
      co_return Bad{400, "Only HTTP/1.0 and HTTP/1.1 are spoken here."};
    stream_.expires_after(limits.body_timeout);
    if (parser.get()[bhttp::field::expect] == "100-continue" && !parser.is_done()) {
      std::string text = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(stream_, asio::buffer(text), kToken);
    }
    auto [body_ec, m] = co_await bhttp::async_read(stream_, buffer_, parser, kToken);
    if (body_ec) co_return bad(body_ec);
    co_return Bad{0, ""};
  }

  Bad bad(error_code ec) const {
    if (ec == bhttp::error::body_limit)
      return {413, fmt::format("The body is larger than {} bytes.", core_->options.max_body_bytes)};
    if (ec == bhttp::error::header_limit || ec == bhttp::error::buffer_overflow)
      return {431, fmt::format("The headers are larger than {} bytes.", core_->options.max_header_bytes)};
    if (ec == bhttp::error::end_of_stream || ec == bhttp::error::partial_message) return {0, ec.message()};
    if (ec.category() == bhttp::make_error_code(bhttp::error::bad_target).category())
      return {400, fmt::format("The request is malformed: {}.", ec.message())};
    return {0, ec.message()};  // gone, or too slow: Beast has closed the socket
  }

  void dispatch(bhttp::request<bhttp::string_body> message, Responder responder) {
    Request request{.method = std::string(message.method_string()),
                    .target = std::string(message.target()),
                    .body = std::move(message.body()),
                    .peer = peer_};
    for (const auto& field : message) request.headers.add(field.name_string(), field.value());
    // The absolute form, which every server must take (RFC 9112, 3.2.2).
    for (const std::string_view scheme : {"http://", "https://"})
      if (request.target.starts_with(scheme)) {
        const size_t path = request.target.find('/', scheme.size());
        request.target = path == std::string::npos ? "/" : request.target.substr(path);
      }
    const size_t question = request.target.find('?');
    auto path = percent_decode(std::string_view(request.target).substr(0, question));
    auto query = Query::parse(
        question == std::string::npos ? "" : std::string_view(request.target).substr(question + 1));
    if (!path || !query || !request.target.starts_with('/')) {
      responder.respond(Response::error(400, "The address is malformed."));
      return;
    }
    request.path = *std::move(path);
    request.query = *std::move(query);
    try {
      if (core_->options.filter)
        if (auto early = core_->options.filter(request)) {
          responder.respond(*std::move(early));
          return;
        }
      core_->router.route(std::move(request), responder);
    } catch (const std::exception& e) {
      log::error("A handler of {} threw: {}", message.target(), e.what());
      responder.respond(Response::error(500, "The server failed on this request."));
    }
  }

  awaitable<bool> write_whole(Response response, bool keep, bool is_head) {
    std::string framing;
    if (has_body(response.status)) framing = fmt::format("Content-Length: {}\r\n", response.body.size());
    framing += keep ? "" : "Connection: close\r\n";
    const std::string head =
        format_head({response.status, response.headers, core_->options.headers, std::move(framing)});
    if (is_head || !has_body(response.status)) response.body.clear();
    co_return co_await write_all({asio::buffer(head), asio::buffer(response.body)});
  }

  awaitable<bool> write_all(std::vector<asio::const_buffer> pieces) {
    writing_ = true;
    stream_.expires_after(core_->options.write_timeout);
    auto [ec, n] = co_await asio::async_write(stream_, pieces, kToken);
    writing_ = false;
    co_return !ec;
  }

  awaitable<void> write_stream(std::shared_ptr<Streaming> streaming, bool chunked, bool is_head) {
    Headers headers = streaming->options().headers;
    headers.set("Content-Type", streaming->options().content_type);
    const std::string head = format_head(
        {200, headers, core_->options.headers,
         chunked ? "Transfer-Encoding: chunked\r\nConnection: close\r\n" : "Connection: close\r\n"});
    bool alive = co_await write_all({asio::buffer(head)});
    if (!alive || is_head || stopping_) {
      streaming->consumer_gone();
      co_return;
    }
    streaming_ = streaming;
    streaming->set_cut_off([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->stream_.close();
    });
    stream_.expires_never();
    asio::co_spawn(
        stream_.get_executor(),
        [self = shared_from_this(), streaming] { return self->watch_for_end(streaming); }, asio::detached);
    while (alive) {
      const std::string text = co_await streaming->next();
      if (text.empty()) break;
      const std::string size = chunked ? fmt::format("{:x}\r\n", text.size()) : "";
      alive = co_await write_all(
          {asio::buffer(size), asio::buffer(text), asio::buffer(chunked ? "\r\n" : "", chunked ? 2 : 0)});
      if (alive) streaming->written();
    }
    // A dropped consumer must not take the cut for a whole body.
    if (alive && chunked && !streaming->is_dropped()) co_await write_all({asio::buffer("0\r\n\r\n", 5)});
    streaming->consumer_gone();
    streaming_ = nullptr;
    ended_stream_ = true;
  }

  // Reads, for nothing but to learn that the consumer went away.
  awaitable<void> watch_for_end(std::shared_ptr<Streaming> streaming) {
    char ignored[512];
    while (true) {
      auto [ec, n] = co_await stream_.async_read_some(asio::buffer(ignored), kToken);
      if (ec) break;
    }
    streaming->consumer_gone();
  }

  awaitable<void> linger() {
    error_code ec;
    stream_.socket().shutdown(Socket::shutdown_send, ec);
    // After a stream watch_for_end is the reader and waits for the peer's end; it is bounded by the close.
    if (!ec && !stopping_ && !ended_stream_) {
      std::vector<char> ignored(64 << 10);
      stream_.expires_after(kLinger);
      for (size_t left = kLingerBytes; left > 0;) {
        auto [read_ec, n] = co_await stream_.async_read_some(asio::buffer(ignored), kToken);
        if (read_ec) break;
        left -= std::min(left, n);
      }
    }
    stream_.close();
  }

  std::shared_ptr<Core> core_;
  Stream stream_;
  Peer peer_;
  asio::steady_timer last_second_;  // of a connection that still writes when the server stops
  beast::flat_buffer buffer_;
  // Touched on the strand only.
  std::shared_ptr<Answer> answer_;
  std::shared_ptr<Streaming> streaming_;
  bool stopping_ = false;
  bool writing_ = false;
  bool ended_stream_ = false;
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
    auto connection = std::make_shared<Connection>(shared_from_this(), Socket(std::move(socket)), peer);
    std::lock_guard lock(mutex);
    if (stopping) break;
    connections.insert(connection);
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
    for (const auto& connection : core_->connections) connection->stop();
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
