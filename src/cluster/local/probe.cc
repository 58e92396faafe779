#include "cluster/local/probe.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "http/client.h"

namespace headrace::cluster {
namespace {

Status connect_to(const std::string& address, std::uint16_t port, Duration timeout) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return fail(Code::kUnavailable, "no socket to check with");
  const std::unique_ptr<const int, void (*)(const int*)> closer(&descriptor,
                                                                [](const int* each) { close(*each); });
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &target.sin_addr);
  const auto refuse = [&](int error) {
    return fail(Code::kUnavailable,
                fmt::format("{}:{} does not accept connections: {}", address, port, std::strerror(error)));
  };
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0) return {};
  if (errno != EINPROGRESS) return refuse(errno);
  pollfd waiting{descriptor, POLLOUT, 0};
  if (poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return refuse(ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return refuse(error);
  return {};
}

Status get_from(const std::string& address, std::uint16_t port, const std::string& path, Duration timeout) {
  TRY(const http::Client client, http::Client::to(fmt::format("http://{}:{}", address, port)));
  TRY(const http::Response response, client.request("GET", path, {}, {}, timeout));
  if (response.status >= 200 && response.status < 400) return {};
  return fail(Code::kUnavailable,
              fmt::format("GET {} answers {}: {}", path, response.status, response.body.substr(0, 200)));
}

}  // namespace

Status probe(const Claim& claim, std::uint16_t port, const Check& check) {
  if (check.kind == CheckKind::kTcp) return connect_to(claim.address, port, check.timeout);
  return get_from(claim.address, port, check.path, check.timeout);
}

}  // namespace headrace::cluster
