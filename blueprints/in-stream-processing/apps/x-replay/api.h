// The endpoints: those of the X API v2 that a reader of posts uses, and /replay for tests.
//
//   GET  /2/tweets/search/recent            GET  /2/tweets/search/stream
//   GET  /2/tweets/search/stream/rules      POST /2/tweets/search/stream/rules[?dry_run=true]
//   GET  /                                  says what this is, without a token
//   GET  /health                            200, without a token
//   GET  /replay                            state
//   POST /replay/start?limit=N              starts the clock; N: so many more positions
//   POST /replay/disconnect?abrupt=true     ends the open streams
//   POST /replay/fail?status=503&times=2    the next stream connections are answered that status
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "http/router.h"
#include "http/server.h"
#include "replay.h"

namespace headrace::replay {

struct ApiOptions {
  std::string token;  // empty: any bearer token is taken
  std::size_t max_streams = 1;
  std::size_t max_rules = 1000;
  std::chrono::milliseconds keep_alive{20'000};
  std::size_t max_queued_bytes = 8 << 20;  // of a stream; a slower reader is cut off, as X does
  // Requests per window; 0: no limit. The numbers are X's for one app.
  int search_limit = 450;
  int stream_limit = 50;
  int rules_read_limit = 450;
  int rules_write_limit = 100;
  std::chrono::seconds window{900};
};

// Needs a replay that outlives the router.
http::Router make_api(Replay& replay, ApiOptions options);

}  // namespace headrace::replay
