// `headrace server`: the composition root. Puts store, managers, pump, cluster and API together and runs
// until a signal.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace headrace::cli {

struct ServeOptions {
  std::string state;                    // folder; made if absent
  std::string socket;                   // unix socket of the API; empty: <state>/headrace.sock
  std::string listen;                   // "127.0.0.1:8080" for TCP with a token; empty: none
  std::vector<std::string> host_names;  // of TCP, beside loopback's: a proxy in front may send another
  std::string token_file;               // made with a random token if absent
  std::string key_file;                 // 32 random bytes, made if absent; must lie outside the state folder
  std::string docker_socket = "/var/run/docker.sock";
  std::string runtime_dir;  // on tmpfs: secret files for containers
  int agents = 1;
  std::string log_level = "info";
};

// Defaults of the user's: XDG folders, HEADRACE_STATE, HEADRACE_SOCKET.
ServeOptions default_serve_options();
// Where a client finds the server: HEADRACE_SOCKET, or the default state folder's socket.
std::string default_socket();

// Returns when a SIGTERM or SIGINT ended it in order. Tasks go on running (promise 4).
Status serve(ServeOptions options);

}  // namespace headrace::cli
