#include "docker/transport.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/beast/http/basic_parser.hpp>
#include <cerrno>
#include <cstring>

namespace headrace::docker {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;
using Clock = std::chrono::steady_clock;

enum class Ready { kYes, kStopped, kLate };

// Waits until the descriptor can be read (POLLIN) or written (POLLOUT).
Ready wait_for(int descriptor, short what, Deadline deadline, const Interrupt* interrupt) {
  pollfd watched[2] = {{descriptor, what, 0}, {interrupt ? interrupt->descriptor() : -1, POLLIN, 0}};
  while (true) {
    int left = -1;
    if (deadline) {
      // Rounded up: a wait of 0.4 ms must not become a busy loop.
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
      if (rest <= 0) return Ready::kLate;
      left = static_cast<int>(std::min<std::int64_t>(rest, 1 << 30));
    }
    const int ready = ::poll(watched, 2, left);
    if (ready < 0) CHECK(errno == EINTR, "poll");
    if (ready <= 0) continue;
    if (watched[1].revents) return Ready::kStopped;
    return Ready::kYes;
  }
}

std::unexpected<Error> timed_out() {
  return fail(Code::kTimeout, "the Docker Engine did not answer in time",
              "see whether it is overloaded: docker ps");
}

std::unexpected<Error> broken(std::string_view what) {
  return fail(Code::kUnavailable, fmt::format("the connection to the Docker Engine broke: {}", what));
}

Result<int> connect_to(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::kInvalid, fmt::format("the socket path {} is longer than a socket path can be", path));
  path.copy(address.sun_path, path.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(descriptor >= 0, "no socket can be made");
  while (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int number = errno;
    if (number == EINTR) continue;
    ::close(descriptor);
    const bool forbidden = number == EACCES || number == EPERM;
    return fail(Code::kUnavailable,
                fmt::format("no Docker Engine answers at {}: {}", path, std::strerror(number)),
                forbidden ? "let this user use it: sudo usermod -aG docker \"$USER\", then log in again"
                          : "start it: `make up` does, or: dockerd &");
  }
  return descriptor;
}

}  // namespace

void Interrupt::Signal::operator()() const {
  const std::uint64_t one = 1;
  (void)!::write(descriptor, &one, sizeof one);
}

Interrupt::Interrupt(std::stop_token stop) {
  if (!stop.stop_possible()) return;
  descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(descriptor_ >= 0, "no eventfd can be made");
  callback_.emplace(std::move(stop), Signal{descriptor_});
}

Interrupt::~Interrupt() {
  callback_.reset();
  if (descriptor_ >= 0) ::close(descriptor_);
}

// Collects the body; Docker's header fields tell us nothing that the call does not know.
class Exchange::Parser : public http::basic_parser<false> {
 public:
  Parser() {
    eager(true);
    body_limit(boost::none);
  }
  int status = 0;
  std::string body;

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { status = code; }
  void on_field_impl(http::field, string_view, string_view, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view piece, error_code&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_finish_impl(error_code&) override {}
};

Exchange::Exchange(int descriptor) : descriptor_(descriptor), parser_(std::make_unique<Parser>()) {}
Exchange::~Exchange() {
  ::close(descriptor_);
}
int Exchange::status() const {
  return parser_->status;
}

Result<std::unique_ptr<Exchange>> Exchange::start(const std::string& socket, const Request& request,
                                                  Deadline deadline, const Interrupt* interrupt) {
  TRY(const int descriptor, connect_to(socket));
  std::unique_ptr<Exchange> exchange(new Exchange(descriptor));
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: docker\r\n", request.method, request.target);
  if (request.upgrade) head += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
  if (!request.body.empty()) head += fmt::format("Content-Type: {}\r\n", request.content_type);
  head += fmt::format("Content-Length: {}\r\n\r\n", request.body.size());
  // An engine that refuses early closes while we still send: its answer says more than our broken pipe.
  Status sent = exchange->write(head, deadline);
  if (sent) sent = exchange->write(request.body, deadline);
  if (auto answered = exchange->read_header(deadline, interrupt); !answered)
    return fail(sent ? std::move(answered).error() : std::move(sent).error());
  return exchange;
}

Status Exchange::read_header(Deadline deadline, const Interrupt* interrupt) {
  while (!parser_->is_header_done()) {
    TRY(const Received received, receive(deadline, interrupt));
    if (received == Received::kStopped) return {};
    TRY_STATUS(parse(received == Received::kEnd));
    if (received == Received::kEnd && !parser_->is_header_done())
      return broken("it closed without an answer");
  }
  return {};
}

Result<Exchange::Received> Exchange::receive(Deadline deadline, const Interrupt* interrupt) {
  while (true) {
    switch (wait_for(descriptor_, POLLIN, deadline, interrupt)) {
      case Ready::kStopped: return Received::kStopped;
      case Ready::kLate: return timed_out();
      case Ready::kYes: break;
    }
    char piece[32768];
    const ssize_t n = ::recv(descriptor_, piece, sizeof piece, 0);
    if (n > 0) buffer_.append(piece, static_cast<std::size_t>(n));
    if (n >= 0) return n > 0 ? Received::kBytes : Received::kEnd;
    if (errno != EINTR && errno != EAGAIN) return broken(std::strerror(errno));
  }
}

// Feeds the parser with all it takes; it wants chunk headers whole, so a part may stay for the next time.
Status Exchange::parse(bool at_end) {
  while (!buffer_.empty() && !parser_->is_done()) {
    error_code error;
    const std::size_t taken = parser_->put(boost::asio::const_buffer(buffer_.data(), buffer_.size()), error);
    buffer_.erase(0, taken);
    if (error == http::error::need_more) break;
    if (error)
      return fail(Code::kInternal, fmt::format("not HTTP from the Docker Engine: {}", error.message()));
    if (taken == 0) break;
  }
  if (at_end && parser_->is_header_done() && !parser_->is_done()) {
    error_code error;
    parser_->put_eof(error);
    if (error) return broken("it closed in the middle of an answer");
  }
  return {};
}

Result<std::optional<std::string>> Exchange::read(Deadline deadline, const Interrupt* interrupt) {
  const bool raw = parser_->status == 101;
  while (true) {
    std::string& ready = raw ? buffer_ : parser_->body;
    if (!ready.empty()) return std::exchange(ready, {});
    if (!raw && parser_->is_done()) return std::nullopt;
    auto received = receive(deadline, interrupt);
    if (!received) return fail(std::move(received).error());
    if (*received == Received::kStopped || (raw && *received == Received::kEnd)) return std::nullopt;
    if (!raw) TRY_STATUS(parse(*received == Received::kEnd));
  }
}

Result<std::string> Exchange::read_all(std::size_t at_most, Deadline deadline) {
  std::string all;
  while (true) {
    TRY(const std::optional<std::string> piece, read(deadline));
    if (!piece) return all;
    all += *piece;
    if (all.size() > at_most)
      return fail(Code::kRefused, fmt::format("the answer is larger than {} bytes", at_most));
  }
}

Status Exchange::write(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (wait_for(descriptor_, POLLOUT, deadline, nullptr) == Ready::kLate) return timed_out();
    } else if (errno != EINTR) {
      return broken(std::strerror(errno));
    }
  }
  return {};
}

Status Exchange::close_input() {
  if (::shutdown(descriptor_, SHUT_WR) != 0 && errno != ENOTCONN) return broken(std::strerror(errno));
  return {};
}

}  // namespace headrace::docker
