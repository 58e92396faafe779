// The real Docker Engine over its unix socket. One connection per call: connecting costs some 20 µs, a call
// milliseconds, and calls from different threads never wait for each other.
#pragma once

#include <memory>
#include <string>

#include "docker/engine.h"

namespace headrace::docker {

struct EngineOptions {
  std::string socket = "/var/run/docker.sock";
  Duration timeout = 60s;  // for an answer; stop adds its grace, exec its own
};

// Does not connect yet: each call reports on its own whether the engine answers.
std::unique_ptr<Engine> connect_engine(EngineOptions options);

}  // namespace headrace::docker
