#include "x_client.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <fstream>
#include <iterator>

namespace headrace::source {
namespace {

namespace js = boost::json;

constexpr const char* kRules = "/2/tweets/search/stream/rules";
// What DATA.md's record needs.
constexpr const char* kFields =
    "tweet.fields=created_at,lang,geo,author_id&expansions=author_id,geo.place_id&user.fields=public_metrics,"
    "username"
    "&place.fields=full_name";

std::int64_t number_in(const http::Headers& headers, std::string_view name, std::int64_t otherwise) {
  const std::string_view text = headers.get(name);
  std::int64_t value = 0;
  return !text.empty() && std::from_chars(text.begin(), text.end(), value).ec == std::errc() ? value
                                                                                             : otherwise;
}

XError error_of(const http::Response& response) {
  // Problem details: "Unauthorized: Unauthorized".
  std::string text = fmt::format("X answers {} {}", response.status, http::reason_of(response.status));
  boost::system::error_code ec;
  const js::value body = js::parse(response.body, ec);
  const auto* object = ec ? nullptr : body.if_object();
  const auto* detail = object ? object->if_contains("detail") : nullptr;
  if (detail && detail->is_string()) text += fmt::format(": {}", std::string_view(detail->get_string()));
  return {response.status, number_in(response.headers, "x-rate-limit-reset", 0), std::move(text)};
}

XError error_of(const Error& error) {
  return {0, 0, error.to_string()};
}

}  // namespace

Result<XClient> XClient::make(std::string base_url, std::string token_file) {
  TRY(http::Client client, http::Client::to(base_url));
  return XClient(std::move(client), std::move(token_file));
}

XResult<http::Headers> XClient::authorization() const {
  std::ifstream file(token_file_);
  std::string token{std::istreambuf_iterator<char>(file), {}};
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' '))
    token.pop_back();
  if (token.empty())
    return std::unexpected(XError{0, 0, fmt::format("There is no token in {}.", token_file_)});
  return http::Headers{{"Authorization", "Bearer " + token}};
}

XResult<http::Response> XClient::ask(std::string method, std::string target, std::string body,
                                     const std::stop_token& stop) const {
  auto headers = authorization();
  if (!headers) return std::unexpected(std::move(headers).error());
  if (!body.empty()) headers->set("Content-Type", "application/json");
  auto answer = client_.request(http::Call{.method = std::move(method),
                                           .target = std::move(target),
                                           .headers = *std::move(headers),
                                           .body = std::move(body),
                                           .stop = stop});
  if (!answer) return std::unexpected(error_of(answer.error()));
  if (!answer->ok()) return std::unexpected(error_of(*answer));
  return *std::move(answer);
}

XResult<std::vector<std::string>> XClient::sync_rules(const std::vector<Movie>& movies,
                                                      const std::stop_token& stop) const {
  const auto listed = ask("GET", kRules, "", stop);
  if (!listed) return std::unexpected(listed.error());
  boost::system::error_code ec;
  const js::value present = js::parse(listed->body, ec);
  if (ec || !present.is_object())
    return std::unexpected(XError{0, 0, "X's list of rules is no JSON object."});
  const auto text = [](const js::value& rule, const char* key) {
    const js::value* field = rule.is_object() ? rule.get_object().if_contains(key) : nullptr;
    return field && field->is_string() ? std::string(field->get_string()) : std::string();
  };
  std::vector<Movie> missing = movies;
  js::array obsolete;
  if (const js::value* data = present.get_object().if_contains("data"); data && data->is_array())
    for (const js::value& rule : data->get_array()) {
      const auto kept = std::erase_if(missing, [&](const Movie& movie) {
        return movie.slug == text(rule, "tag") && movie.query == text(rule, "value");
      });
      if (kept == 0) obsolete.emplace_back(text(rule, "id"));
    }
  // First away with the old: an old rule of the same value under another tag would make the new one a
  // duplicate.
  if (!obsolete.empty()) {
    const auto deleted =
        ask("POST", kRules, js::serialize(js::object{{"delete", js::object{{"ids", std::move(obsolete)}}}}),
            stop);
    if (!deleted) return std::unexpected(deleted.error());
  }
  std::vector<std::string> complaints;
  if (missing.empty()) return complaints;
  js::array add;
  for (const Movie& movie : missing) add.push_back({{"value", movie.query}, {"tag", movie.slug}});
  const auto added = ask("POST", kRules, js::serialize(js::object{{"add", std::move(add)}}), stop);
  if (!added) return std::unexpected(added.error());
  const js::value answer = js::parse(added->body, ec);
  const js::value* errors = !ec && answer.is_object() ? answer.get_object().if_contains("errors") : nullptr;
  if (errors && errors->is_array())
    for (const js::value& error : errors->get_array()) complaints.push_back(js::serialize(error));
  return complaints;
}

XResult<XClient::Found> XClient::search(const Search& search, const std::stop_token& stop) const {
  http::Query query;
  query.add("query", search.query);
  query.add("max_results", "100");
  if (search.since_id > 0) query.add("since_id", std::to_string(search.since_id));
  if (!search.next_token.empty()) query.add("next_token", search.next_token);
  auto answer =
      ask("GET", fmt::format("/2/tweets/search/recent?{}&{}", query.to_string(), kFields), "", stop);
  if (!answer) return std::unexpected(std::move(answer).error());
  return Found{.body = std::move(answer->body),
               .remaining = static_cast<int>(number_in(answer->headers, "x-rate-limit-remaining", -1)),
               .reset_s = number_in(answer->headers, "x-rate-limit-reset", 0)};
}

XResult<void> XClient::stream(int backfill_minutes, std::chrono::milliseconds dead_after,
                              const std::stop_token& stop, const std::function<void()>& on_open,
                              const std::function<bool(std::string_view)>& on_line) const {
  auto headers = authorization();
  if (!headers) return std::unexpected(std::move(headers).error());
  bool open = false;
  const http::Call call{
      .target =
          fmt::format("/2/tweets/search/stream?{}{}", kFields,
                      backfill_minutes > 0 ? fmt::format("&backfill_minutes={}", backfill_minutes) : ""),
      .headers = *std::move(headers),
      .timeout = dead_after,
      .idle_timeout = dead_after,
      .stop = stop,
      .on_open = [&](const http::Response&) {
        open = true;
        on_open();
      }};
  const auto answer = client_.stream_lines(call, on_line);
  if (open) return {};
  if (!answer) return std::unexpected(error_of(answer.error()));
  return std::unexpected(error_of(*answer));
}

}  // namespace headrace::source
