#include "http/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/result.h"

namespace headrace::http {

std::vector<Router::Segment> Router::parse(std::string_view pattern) {
  std::vector<Segment> segments;
  CHECK(pattern.starts_with('/'), "a pattern starts with '/'");
  int rests = 0;
  while (!pattern.empty()) {
    const std::string_view text = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(std::min(pattern.size(), text.size() + 1));
    if (text.empty()) continue;
    if (!text.starts_with('{')) {
      segments.push_back({Kind::kLiteral, std::string(text)});
      continue;
    }
    CHECK(text.ends_with('}') && text.size() > 2, "a capture is a whole segment");
    const bool rest = text.ends_with("*}");
    rests += rest;
    CHECK(rests <= 1, "one {rest*} per pattern");
    segments.push_back(
        {rest ? Kind::kRest : Kind::kCapture, std::string(text.substr(1, text.size() - (rest ? 3 : 2)))});
  }
  return segments;
}

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  std::vector<Segment> segments = parse(pattern);
  // Two patterns that differ in the names of captures only are one route.
  const auto same = [&](const Route& route) {
    return std::ranges::equal(route.segments, segments, [](const Segment& a, const Segment& b) {
      return a.kind == b.kind && (a.kind != Kind::kLiteral || a.text == b.text);
    });
  };
  auto route = std::ranges::find_if(routes_, same);
  if (route == routes_.end()) {
    const auto more_specific = [](const Route& a, const Route& b) {
      const size_t common = std::min(a.segments.size(), b.segments.size());
      for (size_t i = 0; i < common; ++i)
        if (a.segments[i].kind != b.segments[i].kind) return a.segments[i].kind < b.segments[i].kind;
      return a.segments.size() > b.segments.size();
    };
    Route added{.segments = segments, .methods = {}};
    route = routes_.insert(std::ranges::upper_bound(routes_, added, more_specific), std::move(added));
  }
  const bool is_new =
      route->methods.emplace(std::string(method), std::pair(std::move(segments), std::move(handler))).second;
  CHECK(is_new, "one handler per method and pattern");
}

bool Router::fits(const std::vector<Segment>& pattern, const std::vector<std::string>& path,
                  Request* captured_into) {
  const auto rest =
      static_cast<size_t>(std::ranges::find(pattern, Kind::kRest, &Segment::kind) - pattern.begin());
  const bool has_rest = rest < pattern.size();
  if (has_rest ? path.size() < pattern.size() : path.size() != pattern.size()) return false;
  const size_t extra = path.size() - pattern.size();
  for (size_t i = 0; i < pattern.size(); ++i) {
    const size_t at = has_rest && i > rest ? i + extra : i;
    const auto& [kind, text] = pattern[i];
    if (kind == Kind::kLiteral && text != path[at]) return false;
    if (!captured_into || kind == Kind::kLiteral) continue;
    std::string value = path[at];
    if (kind == Kind::kRest)
      for (size_t k = 1; k <= extra; ++k) value.append("/").append(path[at + k]);
    captured_into->params[text] = std::move(value);
  }
  return true;
}

void Router::route(Request request, Responder responder) const {
  std::vector<std::string> path;
  std::string_view left(request.target);
  left = left.substr(0, left.find('?'));
  while (!left.empty()) {
    const std::string_view raw = left.substr(0, left.find('/'));
    left.remove_prefix(std::min(left.size(), raw.size() + 1));
    if (raw.empty()) continue;
    Result<std::string> segment = percent_decode(raw);
    if (!segment || *segment == "." || *segment == "..") {
      responder.respond(Response::error(400, "The path is malformed."));
      return;
    }
    path.push_back(*std::move(segment));
  }
  const auto found =
      std::ranges::find_if(routes_, [&](const Route& route) { return fits(route.segments, path, nullptr); });
  if (found == routes_.end()) {
    if (otherwise_)
      otherwise_(std::move(request), std::move(responder));
    else
      responder.respond(Response::error(404, fmt::format("There is nothing at {}.", request.path)));
    return;
  }
  auto method = found->methods.find(request.method);
  if (method == found->methods.end() && request.method == "HEAD") method = found->methods.find("GET");
  if (method == found->methods.end()) {
    std::string allowed;
    for (const auto& [name, handler] : found->methods)
      allowed.append(allowed.empty() ? "" : ", ").append(name).append(name == "GET" ? ", HEAD" : "");
    Response response =
        Response::error(405, fmt::format("{} is not possible at {}.", request.method, request.path));
    response.headers.set("Allow", allowed);
    responder.respond(std::move(response));
    return;
  }
  const auto& [segments, handler] = method->second;
  fits(segments, path, &request);
  handler(std::move(request), std::move(responder));
}

}  // namespace headrace::http
