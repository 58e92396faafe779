// What /opt/probe is made of: sockets that share one deadline, and big-endian buffers. No library beyond
// libc's, since the program is linked statically into every image. Errors are sentences for a person.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace::probe {

template <class T>
using Outcome = std::expected<T, std::string>;
using Deadline = std::chrono::steady_clock::time_point;

inline std::unexpected<std::string> trouble(std::string sentence) {
  return std::unexpected(std::move(sentence));
}

// GET(auto x, expression): declares x from the value, or returns the error to the caller.
#define PROBE_CONCAT_INNER(a, b) a##b
#define PROBE_CONCAT(a, b) PROBE_CONCAT_INNER(a, b)
#define GET(declaration, ...)                                                \
  auto PROBE_CONCAT(got_, __LINE__) = (__VA_ARGS__);                         \
  if (!PROBE_CONCAT(got_, __LINE__))                                         \
    return std::unexpected(std::move(PROBE_CONCAT(got_, __LINE__)).error()); \
  declaration = *std::move(PROBE_CONCAT(got_, __LINE__))
#define DO(...) \
  if (auto done = (__VA_ARGS__); !done) return std::unexpected(std::move(done).error())

struct Server {
  std::string address;
  std::string port;
  std::string text() const { return address + ":" + port; }
};

// "h1:9092,h2:9092". Each entry may leave out the port where `port` gives one.
Outcome<std::vector<Server>> parse_servers(std::string_view list, std::string_view port = {});

// One TCP connection. Every call fails at the deadline, which the caller may move.
class Connection {
 public:
  static Outcome<Connection> open(const Server& server, Deadline deadline);
  Connection(Connection&& other) noexcept
      : deadline(other.deadline),
        socket_(std::exchange(other.socket_, -1)),
        server_(std::move(other.server_)) {}
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  Outcome<void> send(std::string_view bytes);
  Outcome<std::string> read(size_t count);            // exactly so many bytes
  Outcome<std::string> read_some();                   // what there is; empty at the end of the stream
  Outcome<std::string> read_line(size_t most = 512);  // without its line end
  const Server& server() const { return server_; }

  Deadline deadline;

 private:
  Connection(int socket, Server server, Deadline until)
      : deadline(until), socket_(socket), server_(std::move(server)) {}
  Outcome<void> wait(short events);
  int socket_;
  Server server_;
};

class Writer {
 public:
  Writer& i8(int value) { return integer(value, 1); }
  Writer& i16(int value) { return integer(value, 2); }
  Writer& i32(int64_t value) { return integer(value, 4); }
  Writer& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  Writer& string(std::string_view text) { return i16(static_cast<int>(text.size())).raw(text); }
  Writer& long_string(std::string_view text) { return i32(static_cast<int64_t>(text.size())).raw(text); }
  const std::string& bytes() const { return bytes_; }

 private:
  Writer& integer(int64_t value, int width) {
    while (width-- > 0) bytes_ += static_cast<char>(value >> (8 * width));
    return *this;
  }
  std::string bytes_;
};

// Reads never leave the buffer: past its end they give zeros and empty strings, and ok() is false from then
// on.
class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}
  int8_t i8() { return static_cast<int8_t>(integer(1)); }
  int16_t i16() { return static_cast<int16_t>(integer(2)); }
  int32_t i32() { return static_cast<int32_t>(integer(4)); }
  uint32_t varint();                                            // Kafka's unsigned varint
  std::string raw(int64_t count);                               // a negative count (null) gives ""
  std::string string() { return raw(i16()); }                   // Kafka string, CQL string
  std::string compact() { return raw(int64_t{varint()} - 1); }  // Kafka compact string
  std::string bytes() { return raw(i32()); }                    // CQL bytes
  // A count of elements that each take at least one byte, so that a damaged count cannot make us loop for
  // long.
  int count() {
    int32_t value = i32();
    return value < 0 || static_cast<size_t>(value) > bytes_.size() ? 0 : value;
  }
  bool ok() const { return ok_; }

 private:
  uint64_t integer(int width);
  std::string bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

// The value as a JSON string with its quotes.
std::string json_string(std::string_view text);

}  // namespace headrace::probe
