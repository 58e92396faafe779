// The synthetic posts of x-replay: a pure function of (options, position). Nothing is stored, so the server,
// `x-replay truth` and the tests see the same corpus, in any order.
//
// A position is one line of the stream: a fresh post, a duplicate (an earlier fresh post sent again, byte for
// byte the same), or a malformed line. Texts are built from words of the classifier's model, so the intended
// sentiment is known by construction; the classifier is never asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace headrace::replay {

struct Movie {
  std::string slug;
  std::string title;
  std::string query;
};

struct Word {
  std::string text;
  double weight = 0;
};

// Movies from a JSON array of {slug, title, query}, unknown fields ignored.
Result<std::vector<Movie>> parse_movies(const std::string& json);
// The model from CSV with the header `word,weight`.
Result<std::vector<Word>> parse_words(const std::string& csv);

struct CorpusOptions {
  std::uint64_t seed = 1;
  std::vector<Movie> movies;
  std::vector<Word> words;
  double threshold = 1;
  double rate = 10;           // posts a second: the step of creation times
  double duplicates = 0.05;   // share of positions
  double malformed = 0.01;    // share of positions
  std::uint64_t history = 0;  // positions before `start_ms`, which only the search finds
};

enum class Sentiment { kPositive, kNegative, kNeutral };
const char* word_of(Sentiment sentiment);

struct Author {
  std::string id;
  std::string user_name;
  std::int64_t followers = 0;
};

struct Post {
  std::string id;
  std::size_t movie = 0;
  Sentiment sentiment = Sentiment::kNeutral;
  double score = 0;  // what the classifier must compute
  std::string text;
  std::int64_t created_ms = 0;
  Author author;
  std::string place;  // "" or the place's name
};

// The follower group of DATA.md: low, middle, high.
const char* group_of(std::int64_t followers);

class Corpus {
 public:
  enum class Kind { kFresh, kDuplicate, kMalformed };

  // kInvalid: no movies, a title inside another, or a model without enough clear words.
  static Result<Corpus> make(CorpusOptions options);

  // Creation time of the first position after the history; the history ends just before it.
  void start_at(std::int64_t ms) { start_ms_ = ms; }
  // As start_at, but leaves the history where it is: for a replay that begins later than its process.
  void go_live_at(std::int64_t ms) { live_ms_ = ms; }

  Kind kind(std::uint64_t position) const;
  // The fresh position that a position shows: itself, or a duplicate's original. Not for malformed ones.
  std::uint64_t original(std::uint64_t position) const;
  Post post(std::uint64_t fresh_position) const;
  std::string malformed_line(std::uint64_t position) const;
  std::int64_t created_ms(std::uint64_t position) const;
  // Ids rise with positions, and hold the creation time as X's do.
  std::uint64_t id(std::uint64_t position) const;
  Author author(std::uint64_t number) const;

  const CorpusOptions& options() const { return options_; }

 private:
  explicit Corpus(CorpusOptions options) : options_(std::move(options)) {}
  Kind raw_kind(std::uint64_t position) const;
  Random random(std::uint64_t position, std::uint64_t purpose) const;
  // The opinion as text and its score.
  std::pair<std::string, double> opinion(Sentiment sentiment, Random& random) const;

  CorpusOptions options_;
  std::int64_t start_ms_ = 0;
  std::int64_t live_ms_ = -1;
  std::vector<Word> good_, bad_, weak_;  // weak: alone below the threshold
  std::vector<Word> smiles_, frowns_;    // emoticons
  std::vector<std::string> with_opinion_, without_opinion_;
};

}  // namespace headrace::replay
