// The calls to the X API v2 that the source makes, each blocking and cancellable.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"
#include "x_post.h"

namespace headrace::source {

// What an answer means for the next attempt.
struct XError {
  int status = 0;            // of the answer; 0: none came
  std::int64_t reset_s = 0;  // when a rate limit ends, seconds since the epoch; 0: not told
  std::string text;
};

template <class T>
using XResult = std::expected<T, XError>;

class XClient {
 public:
  // The token is read anew for every call, so that it can be replaced while running.
  static Result<XClient> make(std::string base_url, std::string token_file);

  // Makes the app's rules those of the movies: other rules are removed, missing ones added. Returns the
  // complaints about single rules (an invalid query), which do not hinder the others.
  XResult<std::vector<std::string>> sync_rules(const std::vector<Movie>& movies,
                                               const std::stop_token& stop) const;

  struct Search {
    std::string query;
    std::uint64_t since_id = 0;  // 0: none
    std::string next_token;
  };
  struct Found {
    std::string body;
    int remaining = -1;        // searches left in the window, -1: not told
    std::int64_t reset_s = 0;  // when the window ends
  };
  XResult<Found> search(const Search& search, const std::stop_token& stop) const;

  // Reads the filtered stream until on_line returns false or the stream ends (which is success). on_line is
  // given keep-alives as empty lines.
  XResult<void> stream(int backfill_minutes, std::chrono::milliseconds dead_after,
                       const std::stop_token& stop, const std::function<void()>& on_open,
                       const std::function<bool(std::string_view)>& on_line) const;

 private:
  XClient(http::Client client, std::string token_file)
      : client_(std::move(client)), token_file_(std::move(token_file)) {}
  XResult<http::Headers> authorization() const;
  XResult<http::Response> ask(std::string method, std::string target, std::string body,
                              const std::stop_token& stop) const;

  http::Client client_;
  std::string token_file_;
};

}  // namespace headrace::source
