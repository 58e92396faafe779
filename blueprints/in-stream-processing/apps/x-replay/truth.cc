#include "truth.h"

#include <boost/json.hpp>
#include <map>
#include <tuple>

#include "rule.h"

namespace headrace::replay {
namespace {

namespace js = boost::json;

struct Counts {
  std::int64_t by_sentiment[3] = {0, 0, 0};
  void write_to(js::object& object) const {
    for (const Sentiment s : {Sentiment::kPositive, Sentiment::kNegative, Sentiment::kNeutral})
      object[word_of(s)] = by_sentiment[static_cast<int>(s)];
  }
};

}  // namespace

Result<std::string> truth_of(const Corpus& corpus, std::uint64_t limit) {
  const CorpusOptions& options = corpus.options();
  std::vector<Rule> rules;
  for (const Movie& movie : options.movies) {
    TRY(Rule rule, Rule::parse(movie.query));
    rules.push_back(std::move(rule));
  }
  std::int64_t tweets = 0, duplicates = 0, malformed = 0;
  std::map<std::string, Counts> movies;
  for (const Movie& movie : options.movies) movies[movie.slug];
  std::map<std::tuple<std::string, std::int64_t, std::string>, Counts> minutes;
  js::object posts;
  for (std::uint64_t position = 0; position < limit; ++position) {
    const Corpus::Kind kind = corpus.kind(position);
    const bool streamed = position >= options.history;
    if (kind == Corpus::Kind::kMalformed) {
      malformed += streamed;
      continue;
    }
    const Post post = corpus.post(corpus.original(position));
    Subject subject(post.text);
    subject.user_name = post.author.user_name;
    subject.has_place = !post.place.empty();
    for (size_t m = 0; m < rules.size(); ++m) {
      if (!rules[m].matches(subject)) continue;
      if (kind == Corpus::Kind::kDuplicate) {
        duplicates += streamed;
        continue;
      }
      const std::string& slug = options.movies[m].slug;
      const std::string group = group_of(post.author.followers);
      ++tweets;
      const int s = static_cast<int>(post.sentiment);
      ++movies[slug].by_sentiment[s];
      ++minutes[{slug, post.created_ms - post.created_ms % 60'000, group}].by_sentiment[s];
      posts[slug + "/" + post.id] = js::object{{"movie", slug},
                                               {"id", post.id},
                                               {"sentiment", word_of(post.sentiment)},
                                               {"score", post.score},
                                               {"group", group},
                                               {"user", post.author.user_name},
                                               {"followers", post.author.followers},
                                               {"created_ms", post.created_ms},
                                               {"place", post.place},
                                               {"text", post.text}};
    }
  }
  js::object by_movie;
  for (const auto& [slug, counts] : movies) {
    js::object entry;
    counts.write_to(entry);
    by_movie[slug] = std::move(entry);
  }
  js::array by_minute;
  for (const auto& [key, counts] : minutes) {
    js::object entry{{"movie", std::get<0>(key)}, {"minute", std::get<1>(key)}, {"group", std::get<2>(key)}};
    counts.write_to(entry);
    by_minute.push_back(std::move(entry));
  }
  return js::serialize(js::object{{"seed", options.seed},
                                  {"lines", limit},
                                  {"tweets", tweets},
                                  {"duplicates", duplicates},
                                  {"malformed", malformed},
                                  {"movies", std::move(by_movie)},
                                  {"minutes", std::move(by_minute)},
                                  {"posts", std::move(posts)}});
}

}  // namespace headrace::replay
