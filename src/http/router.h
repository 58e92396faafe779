// Which handler answers a request: by method and path pattern.
//
// A pattern is a path of literals and captures: "/v1/environments/{name}/operations/{id}". `{rest*}` takes
// one or more whole segments and may stand once, anywhere: "/v2/apps/{id*}/versions". Among the patterns
// that fit a path the most specific wins (literal before capture before rest, segment by segment; then the
// longer), whatever the method; another method on it is 405 with Allow. Doubled and trailing slashes count
// for nothing. HEAD is answered by GET's handler. Captures arrive decoded; "." and ".." segments are refused.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "http/responder.h"

namespace headrace::http {

// Runs on an I/O thread, several at once: must be thread-safe and must not block for long.
using Handler = std::function<void(Request, Responder)>;

class Router {
 public:
  // Needs a well-formed pattern not yet added for this method (checked).
  void add(std::string_view method, std::string_view pattern, Handler handler);
  void get(std::string_view pattern, Handler handler) { add("GET", pattern, std::move(handler)); }
  void post(std::string_view pattern, Handler handler) { add("POST", pattern, std::move(handler)); }
  void put(std::string_view pattern, Handler handler) { add("PUT", pattern, std::move(handler)); }
  void del(std::string_view pattern, Handler handler) { add("DELETE", pattern, std::move(handler)); }
  // Instead of the JSON 404 (a portal's files, another error form).
  void otherwise(Handler handler) { otherwise_ = std::move(handler); }

  // Answers through the responder: by the handler, or 400, 404, 405.
  void route(Request request, Responder responder) const;

 private:
  enum class Kind { kLiteral, kCapture, kRest };
  struct Segment {
    Kind kind;
    std::string text;  // the literal, or the capture's name
  };
  struct Route {
    std::vector<Segment> segments;
    // Names of captures may differ per method, hence the segments again.
    std::map<std::string, std::pair<std::vector<Segment>, Handler>, std::less<>> methods;
  };
  static std::vector<Segment> parse(std::string_view pattern);
  static bool fits(const std::vector<Segment>& pattern, const std::vector<std::string>& path,
                   Request* captured_into);
  std::vector<Route> routes_;  // most specific first
  Handler otherwise_;
};

}  // namespace headrace::http
