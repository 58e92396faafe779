#include "http/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <utility>
#include <vector>

#include "base/log.h"
#include "http/exchange.h"

namespace headrace::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;

// How long and how much a closing connection still reads, so that a client in the middle of an upload
// sees our answer and not a reset.
constexpr auto kLinger = std::chrono::seconds(2);
constexpr size_t kLingerBytes = 16 << 20;

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

class HttpConnection final : public Connection, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(ConnectionSetting setting, Socket socket, Peer peer)
      : setting_(std::move(setting)),
        router_(setting_.router),
        options_(setting_.options),
        stream_(std::move(socket)),
        peer_(peer),
        last_second_(stream_.get_executor()) {}

  void start(bool refuse) override {
    asio::co_spawn(
        stream_.get_executor(), [self = shared_from_this(), refuse] { return self->run(refuse); },
        [self = shared_from_this()](std::exception_ptr) {
          self->last_second_.cancel();
          self->setting_.on_end(self.get());
        });
  }

  void stop() override {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      self->stopping_ = true;
      if (self->answer_) self->answer_->respond(Response::error(503, "The server is stopping."));
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
    answer_ = std::make_shared<Answer>(setting_.server, stream_.get_executor());
    dispatch(parser.release(), answer_->responder());
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
    const ServerOptions& limits = options_;
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
      return {413, fmt::format("The body is larger than {} bytes.", options_.max_body_bytes)};
    if (ec == bhttp::error::header_limit || ec == bhttp::error::buffer_overflow)
      return {431, fmt::format("The headers are larger than {} bytes.", options_.max_header_bytes)};
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
      if (options_.filter)
        if (auto early = options_.filter(request)) {
          responder.respond(*std::move(early));
          return;
        }
      router_.route(std::move(request), responder);
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
        format_head({response.status, response.headers, options_.headers, std::move(framing)});
    if (is_head || !has_body(response.status)) response.body.clear();
    co_return co_await write_all({asio::buffer(head), asio::buffer(response.body)});
  }

  awaitable<bool> write_all(std::vector<asio::const_buffer> pieces) {
    writing_ = true;
    stream_.expires_after(options_.write_timeout);
    auto [ec, n] = co_await asio::async_write(stream_, pieces, kToken);
    writing_ = false;
    co_return !ec;
  }

  awaitable<void> write_stream(std::shared_ptr<Streaming> streaming, bool chunked, bool is_head) {
    Headers headers = streaming->options().headers;
    headers.set("Content-Type", streaming->options().content_type);
    const std::string head = format_head(
        {200, headers, options_.headers,
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
    }
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

  ConnectionSetting setting_;  // first: it keeps alive what the others use
  const Router& router_;
  const ServerOptions& options_;
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

}  // namespace

std::shared_ptr<Connection> make_connection(ConnectionSetting setting, Socket socket, Peer peer) {
  return std::make_shared<HttpConnection>(std::move(setting), std::move(socket), peer);
}

}  // namespace headrace::http
