// What X sends, and what of it goes to Kafka (DATA.md). Pure functions.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace headrace::source {

struct Movie {
  std::string slug;
  std::string title;
  std::string query;
};

// From a JSON array of {slug, title, query}; the query defaults to the title as a phrase. Slugs are unique.
Result<std::vector<Movie>> parse_movies(std::string_view json);

// One record of the topic.
struct Record {
  std::string key;
  std::string value;
};

struct Posts {
  std::vector<Record> records;  // one per movie that the post is about; none if no rule of ours matched
  std::uint64_t newest_id = 0;
};
// X tells something about the stream itself, as a rule that it ends.
struct Notice {
  std::string text;
};
// Neither: passed on under the key "malformed", so that the job counts it.
struct Malformed {
  Record record;
};

// One line of the filtered stream. Rules are known by their tags, the slugs.
std::variant<Posts, Notice, Malformed> read_stream_line(std::string_view line,
                                                        const std::set<std::string>& slugs,
                                                        std::int64_t received_ms);

struct Page {
  std::vector<Record> records;  // as X sends them: newest first
  std::uint64_t newest_id = 0;
  std::string next_token;  // "" on the last page
};
// One page of the recent search for a movie. Posts that are none become malformed records.
Result<Page> read_search_page(std::string_view body, const std::string& slug, std::int64_t received_ms);

// Ids hold their creation time, so a time can stand where X wants an id.
std::uint64_t id_at(std::int64_t ms);
std::int64_t time_of(std::uint64_t id);

}  // namespace headrace::source
