// One HTTP exchange over a unix socket, blocking, with a deadline and a way to interrupt it. Inside
// src/docker only.
//
// Why not a Beast stream: following logs and events from a thread must end at once when its stop_token is
// stopped; poll() on the socket and an eventfd does that. Beast's parser reads the HTTP.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace::docker {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

// Readable for poll() once the token is stopped.
class Interrupt {
 public:
  explicit Interrupt(std::stop_token stop);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  int descriptor() const { return descriptor_; }  // -1: can never be stopped

 private:
  struct Signal {
    int descriptor;
    void operator()() const;
  };
  int descriptor_ = -1;
  std::optional<std::stop_callback<Signal>> callback_;
};

struct Request {
  std::string_view method;
  std::string target;
  std::string_view body = {};
  std::string_view content_type = "application/json";
  bool upgrade = false;  // to a raw stream in both directions
};

// A connection that serves one request. write() may run in another thread than read().
class Exchange {
 public:
  // Connects, sends, and reads up to the end of the answer's header.
  // Errors: kUnavailable (no engine), kTimeout, kInternal (not HTTP).
  static Result<std::unique_ptr<Exchange>> start(const std::string& socket, const Request& request,
                                                 Deadline deadline, const Interrupt* interrupt = nullptr);
  ~Exchange();
  Exchange(const Exchange&) = delete;

  // 0: interrupted before the header came.
  int status() const;
  // The next piece of the body (or of the raw stream after an upgrade); nullopt: its end, or interrupted.
  Result<std::optional<std::string>> read(Deadline deadline, const Interrupt* interrupt = nullptr);
  // The rest of the body. kRefused when it is longer.
  Result<std::string> read_all(std::size_t at_most, Deadline deadline);

  Status write(std::string_view bytes, Deadline deadline = std::nullopt);
  Status close_input();

 private:
  class Parser;
  explicit Exchange(int descriptor);
  Status read_header(Deadline deadline, const Interrupt* interrupt);
  enum class Received { kBytes, kEnd, kStopped };
  Result<Received> receive(Deadline deadline, const Interrupt* interrupt);
  Status parse(bool at_end);

  int descriptor_;
  std::string buffer_;  // received, not parsed
  std::unique_ptr<Parser> parser_;
};

}  // namespace headrace::docker
