#include "http/client.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <optional>
#include <utility>

namespace headrace::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

}  // namespace

// One call: connects, sends, reads, on an event loop of its own that this thread runs to the end. Deadlines
// and cancelling close the socket; the error that follows is then explained by why_.
struct Client::Exchange {
  Exchange(const Target& target, const Call& call, const std::function<bool(std::string_view)>* on_data)
      : target_(target), call_(call), on_data_(on_data), socket_(io_), deadline_(io_) {}

  Result<Response> run() {
    const std::stop_callback cancel(call_.stop, [this] {
      asio::post(io_, [this] { give_up(Code::kUnavailable, "The call was cancelled."); });
    });
    Result<Response> result = fail(Code::kInternal, "The call did not run.");
    asio::co_spawn(io_, talk(), [&](std::exception_ptr thrown, Result<Response> value) {
      result = thrown ? fail(Code::kInternal, "The call threw.") : std::move(value);
      io_.stop();
    });
    io_.run();
    if (!result) return fail(std::move(result).error().within("calling " + target_.authority));
    return result;
  }

 private:
  void give_up(Code code, std::string why) {
    if (!why_) why_ = Error{.code = code, .message = std::move(why)};
    error_code ec;
    resolver_.cancel();
    socket_.close(ec);
  }

  void set_deadline(std::chrono::milliseconds after, const char* what) {
    deadline_.expires_after(after);
    deadline_.async_wait([this, after, what](error_code ec) {
      // A wait that was over when the deadline moved must not count.
      if (!ec && deadline_.expiry() <= std::chrono::steady_clock::now())
        give_up(Code::kTimeout, fmt::format("{} within {} ms.", what, after.count()));
    });
  }

  std::unexpected<Error> broken(const char* doing, error_code ec) const {
    if (why_) return fail(*why_);
    return fail(Code::kUnavailable, fmt::format("Cannot {}: {}.", doing, ec.message()));
  }

  awaitable<Result<Response>> talk() {
    if (why_) co_return fail(*why_);  // cancelled before it began
    set_deadline(call_.timeout, "No answer");
    CO_TRY_STATUS(co_await connect());
    if (target_.kind != Target::Kind::kTls) co_return co_await exchange(socket_);
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.set_default_verify_paths();
    tls.set_verify_mode(asio::ssl::verify_peer);
    asio::ssl::stream<Socket&> secure(socket_, tls);
    secure.set_verify_callback(asio::ssl::host_name_verification(target_.host));
    SSL_set_tlsext_host_name(secure.native_handle(), target_.host.c_str());
    auto [ec] = co_await secure.async_handshake(asio::ssl::stream_base::client, kToken);
    if (ec) co_return broken("set up TLS", ec);
    co_return co_await exchange(secure);
  }

  awaitable<Status> connect() {
    if (target_.kind == Target::Kind::kUnix) {
      auto [ec] =
          co_await socket_.async_connect(asio::local::stream_protocol::endpoint(target_.host), kToken);
      if (ec) co_return broken("connect", ec);
      co_return Status();
    }
    auto [resolve_ec, found] = co_await resolver_.async_resolve(target_.host, target_.port, kToken);
    if (resolve_ec || why_) co_return broken("find the host", resolve_ec);
    error_code last = asio::error::host_not_found;
    for (const auto& entry : found) {
      error_code ignored;
      socket_.close(ignored);
      auto [ec] = co_await socket_.async_connect(entry.endpoint(), kToken);
      if (!ec) {
        socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
        co_return Status();
      }
      last = ec;
      if (why_) break;
    }
    co_return broken("connect", last);
  }

  std::string head() const {
    std::string text = fmt::format("{} {}{} HTTP/1.1\r\n", call_.method, target_.base, call_.target);
    if (!call_.headers.find("Host")) text += fmt::format("Host: {}\r\n", target_.authority);
    for (const auto& [name, value] : call_.headers) text += fmt::format("{}: {}\r\n", name, value);
    if (!call_.body.empty() || call_.method == "POST" || call_.method == "PUT" || call_.method == "PATCH")
      text += fmt::format("Content-Length: {}\r\n", call_.body.size());
    if (!call_.headers.find("User-Agent")) text += "User-Agent: headrace\r\n";
    return text + "Connection: close\r\n\r\n";
  }

  template <class Stream>
  awaitable<Result<Response>> exchange(Stream& stream) {
    const std::string request_head = head();
    const std::array<asio::const_buffer, 2> message{asio::buffer(request_head), asio::buffer(call_.body)};
    auto [write_ec, written] = co_await asio::async_write(stream, message, kToken);
    // A server may answer (413, 401) and close before it has read everything: look for that answer first.
    beast::flat_buffer buffer;
    bhttp::response_parser<bhttp::buffer_body> parser;
    parser.header_limit(64 << 10);
    parser.body_limit(boost::none);
    if (call_.method == "HEAD") parser.skip(true);
    auto [head_ec, head_bytes] = co_await bhttp::async_read_header(stream, buffer, parser, kToken);
    if (head_ec)
      co_return broken(write_ec ? "send the request" : "read the answer", write_ec ? write_ec : head_ec);
    Response response{.status = static_cast<int>(parser.get().result_int())};
    for (const auto& field : parser.get()) response.headers.add(field.name_string(), field.value());
    const bool streamed = on_data_ && response.ok();
    if (streamed && call_.on_open) call_.on_open(response);
    std::string piece(16 << 10, '\0');
    while (!parser.is_done()) {
      if (streamed && !call_.whole) {
        deadline_.expires_at(std::chrono::steady_clock::time_point::max());
        if (call_.idle_timeout.count() > 0)
          set_deadline(call_.idle_timeout, "The stream was silent: nothing came");
      }
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      auto [ec, n] = co_await bhttp::async_read_some(stream, buffer, parser, kToken);
      if (ec == bhttp::error::need_buffer) ec = {};
      const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
      if (streamed) {
        if (!got.empty() && !(*on_data_)(got)) break;
      } else {
        response.body += got;
        if (response.body.size() > call_.max_body_bytes)
          co_return fail(Code::kRefused,
                         fmt::format("The answer is larger than {} bytes.", call_.max_body_bytes));
      }
      if (why_) co_return fail(*why_);
      if (ec) co_return broken("read the answer", ec);
    }
    co_return response;
  }

  const Target& target_;
  const Call& call_;
  const std::function<bool(std::string_view)>* on_data_;
  asio::io_context io_{1};
  Socket socket_;
  asio::steady_timer deadline_;
  asio::ip::tcp::resolver resolver_{io_};
  std::optional<Error> why_;
};

Result<Client> Client::to(std::string_view address) {
  Target target;
  std::string_view rest;
  if (address.starts_with("unix:")) {
    target.kind = Target::Kind::kUnix;
    target.host = address.substr(5);
    target.authority = "localhost";
    if (target.host.empty() || target.host.size() > 107)
      return fail(Code::kInvalid, fmt::format("{} names no usable socket path.", address));
    return Client(std::move(target));
  }
  if (address.starts_with("http://")) {
    rest = address.substr(7);
    target.port = "80";
  } else if (address.starts_with("https://")) {
    rest = address.substr(8);
    target.port = "443";
    target.kind = Target::Kind::kTls;
  } else {
    return fail(Code::kInvalid, fmt::format("{} is no address: unix:PATH, http://… or https://…", address));
  }
  const size_t slash = rest.find('/');
  target.authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) target.base = rest.substr(slash);
  while (target.base.ends_with('/')) target.base.pop_back();
  std::string_view host = target.authority;
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    target.port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  target.host = host;
  if (target.host.empty() || target.port.empty() || !std::ranges::all_of(target.port, ::isdigit))
    return fail(Code::kInvalid, fmt::format("{} is no address: unix:PATH, http://… or https://…", address));
  return Client(std::move(target));
}

Result<Response> Client::request(const Call& call) const {
  return Exchange(target_, call, nullptr).run();
}

Result<Response> Client::request(std::string method, std::string target, Headers headers, std::string body,
                                 std::chrono::milliseconds timeout) const {
  return request(Call{.method = std::move(method),
                      .target = std::move(target),
                      .headers = std::move(headers),
                      .body = std::move(body),
                      .timeout = timeout});
}

Result<Response> Client::stream(const Call& call,
                                const std::function<bool(std::string_view)>& on_data) const {
  return Exchange(target_, call, &on_data).run();
}

Result<Response> Client::stream_lines(const Call& call,
                                      const std::function<bool(std::string_view)>& on_line) const {
  LineReader lines;
  return stream(call, [&](std::string_view piece) { return lines.feed(piece, on_line); });
}

Result<Response> Client::stream_events(const Call& call,
                                       const std::function<bool(const Event&)>& on_event) const {
  EventReader events;
  return stream(call, [&](std::string_view piece) { return events.feed(piece, on_event); });
}

}  // namespace headrace::http
