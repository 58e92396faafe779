#include "wire.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace headrace::probe {

Outcome<std::vector<Server>> parse_servers(std::string_view list, std::string_view port) {
  std::vector<Server> servers;
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    std::string_view entry = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (entry.empty()) continue;
    size_t colon = entry.rfind(':');
    if (colon != std::string_view::npos) {
      servers.push_back({std::string(entry.substr(0, colon)), std::string(entry.substr(colon + 1))});
    } else if (!port.empty()) {
      servers.push_back({std::string(entry), std::string(port)});
    } else {
      return trouble("server \"" + std::string(entry) + "\" has no port (expected address:port)");
    }
  }
  if (servers.empty()) return trouble("the list of servers is empty");
  return servers;
}

namespace {
std::string because(int error) {
  return std::strerror(error);
}
}  // namespace

Outcome<Connection> Connection::open(const Server& server, Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int error = getaddrinfo(server.address.c_str(), server.port.c_str(), &hints, &found); error != 0) {
    return trouble(server.text() + ": " + gai_strerror(error));
  }
  std::string reason = "no address";
  for (addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Connection connection(socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), server,
                          deadline);
    if (connection.socket_ < 0) {
      reason = because(errno);
      continue;
    }
    int error = connect(connection.socket_, each->ai_addr, each->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      if (auto waited = connection.wait(POLLOUT); !waited) {
        freeaddrinfo(found);
        return std::unexpected(std::move(waited).error());
      }
      socklen_t size = sizeof error;
      getsockopt(connection.socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) {
      freeaddrinfo(found);
      return connection;
    }
    reason = because(error);
  }
  freeaddrinfo(found);
  return trouble(server.text() + ": " + reason);
}

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(deadline, other.deadline);
  std::swap(socket_, other.socket_);
  std::swap(server_, other.server_);
  return *this;
}

Connection::~Connection() {
  if (socket_ >= 0) close(socket_);
}

Outcome<void> Connection::wait(short events) {
  for (;;) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd entry{socket_, events, 0};
    int ready = left <= 0 ? 0 : poll(&entry, 1, static_cast<int>(std::min<int64_t>(left, 3'600'000)));
    if (ready > 0) return {};
    if (ready == 0) return trouble(server_.text() + ": no answer in time");
    if (errno != EINTR) return trouble(server_.text() + ": " + because(errno));
  }
}

Outcome<void> Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      DO(wait(POLLOUT));
    } else if (errno != EINTR) {
      return trouble(server_.text() + ": " + because(errno));
    }
  }
  return {};
}

Outcome<std::string> Connection::read_some() {
  std::string bytes(64 * 1024, '\0');
  for (;;) {
    ssize_t got = recv(socket_, bytes.data(), bytes.size(), 0);
    if (got >= 0) {
      bytes.resize(static_cast<size_t>(got));
      return bytes;
    }
    if (errno == EAGAIN) {
      DO(wait(POLLIN));
    } else if (errno != EINTR) {
      return trouble(server_.text() + ": " + because(errno));
    }
  }
}

Outcome<std::string> Connection::read(size_t count) {
  std::string bytes(count, '\0');
  for (size_t at = 0; at < count;) {
    ssize_t got = recv(socket_, bytes.data() + at, count - at, 0);
    if (got > 0) {
      at += static_cast<size_t>(got);
    } else if (got == 0) {
      return trouble(server_.text() + ": closed the connection");
    } else if (errno == EAGAIN) {
      DO(wait(POLLIN));
    } else if (errno != EINTR) {
      return trouble(server_.text() + ": " + because(errno));
    }
  }
  return bytes;
}

Outcome<std::string> Connection::read_line(size_t most) {
  std::string line;
  while (line.size() < most) {
    GET(std::string byte, read(1));
    if (byte == "\n") {
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    line += byte;
  }
  return trouble(server_.text() + ": answered with an endless line");
}

uint64_t Reader::integer(int width) {
  if (bytes_.size() - at_ < static_cast<size_t>(width)) {
    ok_ = false;
    at_ = bytes_.size();
    return 0;
  }
  uint64_t value = 0;
  while (width-- > 0) value = value << 8 | static_cast<uint8_t>(bytes_[at_++]);
  return value;
}

uint32_t Reader::varint() {
  uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    auto byte = static_cast<uint8_t>(i8());
    value |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

std::string Reader::raw(int64_t count) {
  if (count <= 0) return {};
  if (bytes_.size() - at_ < static_cast<size_t>(count)) {
    ok_ = false;
    at_ = bytes_.size();
    return {};
  }
  at_ += static_cast<size_t>(count);
  return bytes_.substr(at_ - static_cast<size_t>(count), static_cast<size_t>(count));
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace headrace::probe
