#include "x_post.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <optional>

#include "base/time.h"
#include "http/message.h"

namespace headrace::source {
namespace {

namespace js = boost::json;

// X's ids count milliseconds since this moment above their lowest 22 bits.
constexpr std::int64_t kIdEpochMs = 1288834974657;

const js::value* find(const js::value* parent, std::string_view key) {
  return parent && parent->is_object() ? parent->get_object().if_contains(key) : nullptr;
}

const std::string_view* text_at(const js::value* parent, std::string_view key, std::string_view& out) {
  const js::value* field = find(parent, key);
  if (!field || !field->is_string()) return nullptr;
  out = std::string_view(field->get_string().data(), field->get_string().size());
  return &out;
}

std::string_view text_or(const js::value* parent, std::string_view key, std::string_view otherwise) {
  std::string_view text;
  return text_at(parent, key, text) ? text : otherwise;
}

// The element of an array of objects whose id is given.
const js::value* by_id(const js::value* list, std::string_view id) {
  if (!list || !list->is_array() || id.empty()) return nullptr;
  for (const js::value& entry : list->get_array())
    if (text_or(&entry, "id", "") == id) return &entry;
  return nullptr;
}

std::optional<std::uint64_t> parse_id(std::string_view text) {
  std::uint64_t id = 0;
  const bool whole = std::from_chars(text.begin(), text.end(), id).ptr == text.end();
  if (!whole || text.empty()) return std::nullopt;
  return id;
}

// A post as the topic's JSON, less the movie: what must not be missing is id, text and created_at; an author
// that X withholds is "" with no followers.
struct Parsed {
  std::uint64_t id;
  std::string key;
  std::string before_movie, after_movie;
};

std::optional<Parsed> parse_post(const js::value& data, const js::value* includes, std::int64_t received_ms) {
  std::string_view id_text, text, created_text;
  if (!text_at(&data, "id", id_text) || !text_at(&data, "text", text) ||
      !text_at(&data, "created_at", created_text))
    return std::nullopt;
  const auto id = parse_id(id_text);
  const auto created = parse_rfc3339(created_text);
  if (!id || !created) return std::nullopt;
  const js::value* user = by_id(find(includes, "users"), text_or(&data, "author_id", ""));
  const js::value* followers = find(find(user, "public_metrics"), "followers_count");
  const js::value* place = by_id(find(includes, "places"), text_or(find(&data, "geo"), "place_id", ""));
  using http::json_quote;
  return Parsed{
      .id = *id,
      .key = std::string(id_text),
      .before_movie = fmt::format(R"({{"id":"{}","movie":)", id_text),
      .after_movie = fmt::format(
          R"(,"text":{},"created_ms":{},"user":{},"followers":{},"place":{},"lang":{},"received_ms":{}}})",
          json_quote(text), created->time_since_epoch().count(), json_quote(text_or(user, "username", "")),
          followers && followers->is_int64() ? followers->get_int64() : 0,
          json_quote(text_or(place, "full_name", "")), json_quote(text_or(&data, "lang", "")), received_ms)};
}

Record record_of(const Parsed& post, std::string_view slug) {
  return {post.key, post.before_movie + http::json_quote(slug) + post.after_movie};
}

Malformed malformed(std::string_view text) {
  return {{"malformed", std::string(text)}};
}

}  // namespace

Result<std::vector<Movie>> parse_movies(std::string_view json) {
  boost::system::error_code ec;
  const js::value value = js::parse({json.data(), json.size()}, ec);
  if (ec || !value.is_array()) return fail(Code::kInvalid, "MOVIES is no JSON array.");
  std::vector<Movie> movies;
  std::set<std::string> slugs;
  for (const js::value& entry : value.get_array()) {
    Movie movie{std::string(text_or(&entry, "slug", "")), std::string(text_or(&entry, "title", "")),
                std::string(text_or(&entry, "query", ""))};
    if (movie.slug.empty() || movie.slug.size() > 100)
      return fail(Code::kInvalid, "A movie needs a slug of at most 100 characters.");
    if (movie.query.empty()) movie.query = fmt::format("\"{}\"", movie.title);
    if (!slugs.insert(movie.slug).second)
      return fail(Code::kInvalid, fmt::format("The slug {} is there twice.", movie.slug));
    movies.push_back(std::move(movie));
  }
  if (movies.empty()) return fail(Code::kInvalid, "MOVIES is empty.");
  return movies;
}

std::variant<Posts, Notice, Malformed> read_stream_line(std::string_view line,
                                                        const std::set<std::string>& slugs,
                                                        std::int64_t received_ms) {
  boost::system::error_code ec;
  const js::value value = js::parse({line.data(), line.size()}, ec);
  if (ec || !value.is_object()) return malformed(line);
  const js::value* data = find(&value, "data");
  if (!data) {
    // {"errors": […]} or a bare problem: operational-disconnect and its like.
    const js::value* errors = find(&value, "errors");
    const js::value* first =
        errors && errors->is_array() && !errors->get_array().empty() ? &errors->get_array()[0] : &value;
    if (!find(first, "title")) return malformed(line);
    return Notice{fmt::format("{}: {}", text_or(first, "title", ""), text_or(first, "detail", ""))};
  }
  const auto post = parse_post(*data, find(&value, "includes"), received_ms);
  const js::value* rules = find(&value, "matching_rules");
  if (!post || !rules || !rules->is_array()) return malformed(line);
  Posts posts{.newest_id = post->id};
  std::set<std::string> matched;  // two rules may have one tag
  for (const js::value& rule : rules->get_array()) {
    std::string tag(text_or(&rule, "tag", ""));
    if (slugs.contains(tag) && matched.insert(tag).second) posts.records.push_back(record_of(*post, tag));
  }
  return posts;
}

Result<Page> read_search_page(std::string_view body, const std::string& slug, std::int64_t received_ms) {
  boost::system::error_code ec;
  const js::value value = js::parse({body.data(), body.size()}, ec);
  const js::value* meta = find(&value, "meta");
  if (ec || !meta) return fail(Code::kUnavailable, "X answered a search with something that is no page.");
  Page page{.next_token = std::string(text_or(meta, "next_token", ""))};
  const js::value* data = find(&value, "data");
  if (!data || !data->is_array()) return page;
  for (const js::value& entry : data->get_array()) {
    const auto post = parse_post(entry, find(&value, "includes"), received_ms);
    if (!post) {
      page.records.push_back(malformed(js::serialize(entry)).record);
      continue;
    }
    page.newest_id = std::max(page.newest_id, post->id);
    page.records.push_back(record_of(*post, slug));
  }
  return page;
}

std::uint64_t id_at(std::int64_t ms) {
  return ms <= kIdEpochMs ? 0 : static_cast<std::uint64_t>(ms - kIdEpochMs) << 22;
}

std::int64_t time_of(std::uint64_t id) {
  return static_cast<std::int64_t>(id >> 22) + kIdEpochMs;
}

}  // namespace headrace::source
