#include "corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <set>

namespace headrace::replay {
namespace {

// X's ids count milliseconds since this moment above their lowest 22 bits.
constexpr std::int64_t kIdEpochMs = 1288834974657;
constexpr int kIdShift = 22;
constexpr std::uint64_t kAuthors = 5000;
constexpr std::uint64_t kDuplicateReach = 200;  // how far back a duplicate's original lies at most

// {T} the title, {O} the opinion. Words of the model must not occur; those that hold one are left out.
constexpr std::array kWithOpinion = {
    "{T}: {O}",
    "Saw {T} last night. {O}",
    "{T} in three words: {O}",
    "On the way home from {T}, {O}",
    "My sister about {T}: {O} #cinema",
    "Second time in {T}. {O} 🎬",
    "{O} That was {T}",
    "@synthetic_7 you asked about {T}: {O}",
    "Two hours of {T}. {O} 🍿",
    "Row seven, {T}, full house. {O}",
};
constexpr std::array kWithoutOpinion = {
    "Tickets for {T} on Friday{O}",
    "{T} starts at eight{O}",
    "In the queue for {T}{O} 🍿",
    "Who else is watching {T} tonight?{O}",
    "{T} runs for two hours and ten minutes{O} #cinema",
    "Trailer of {T} before the film, again{O}",
    "Row seven for {T}, the usual seats{O}",
};
constexpr std::array kPlaces = {"Northport (synthetic)", "Weirfield (synthetic)", "Mill Hollow (synthetic)",
                                "Sluice Bay (synthetic)"};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return text;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Words of a text that is ASCII where it has letters.
std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : std::string(text) + " ") {
    if (is_letter(c) || c == '\'')
      word += c;
    else if (!word.empty())
      words.insert(lower(std::exchange(word, {})));
  }
  return words;
}

std::string replace(std::string text, std::string_view what, std::string_view by) {
  if (const size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), by);
  return text;
}

template <class List>
const auto& pick(const List& list, Random& random) {
  return list[random.below(list.size())];
}

}  // namespace

const char* word_of(Sentiment sentiment) {
  switch (sentiment) {
    case Sentiment::kPositive: return "positive";
    case Sentiment::kNegative: return "negative";
    case Sentiment::kNeutral: return "neutral";
  }
  return "neutral";
}

const char* group_of(std::int64_t followers) {
  return followers <= 500 ? "low" : followers <= 5000 ? "middle" : "high";
}

Result<std::vector<Movie>> parse_movies(const std::string& json) {
  namespace js = boost::json;
  boost::system::error_code ec;
  const js::value value = js::parse(json, ec);
  if (ec || !value.is_array()) return fail(Code::kInvalid, "The movies are no JSON array.");
  std::vector<Movie> movies;
  for (const js::value& entry : value.get_array()) {
    const auto text = [&](const char* key) {
      const js::value* field = entry.is_object() ? entry.get_object().if_contains(key) : nullptr;
      return field && field->is_string() ? std::string(field->get_string()) : std::string();
    };
    Movie movie{text("slug"), text("title"), text("query")};
    if (movie.slug.empty() || movie.title.empty())
      return fail(Code::kInvalid, "A movie needs the texts slug and title.");
    if (movie.query.empty()) movie.query = fmt::format("\"{}\"", movie.title);
    movies.push_back(std::move(movie));
  }
  return movies;
}

Result<std::vector<Word>> parse_words(const std::string& csv) {
  std::vector<Word> words;
  for (size_t at = 0; at < csv.size();) {
    const size_t end = std::min(csv.find('\n', at), csv.size());
    std::string_view line(csv.data() + at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line == "word,weight") continue;
    const size_t comma = line.rfind(',');
    Word word{.text = std::string(line.substr(0, comma))};
    const std::string_view number = comma == std::string_view::npos ? "" : line.substr(comma + 1);
    if (std::from_chars(number.begin(), number.end(), word.weight).ptr != number.end() || number.empty())
      return fail(Code::kInvalid, fmt::format("The model's line `{}` is no `word,weight`.", line));
    words.push_back(std::move(word));
  }
  return words;
}

Result<Corpus> Corpus::make(CorpusOptions options) {
  Corpus corpus(std::move(options));
  const CorpusOptions& given = corpus.options_;
  if (given.movies.empty()) return fail(Code::kInvalid, "There are no movies.");
  if (given.rate <= 0) return fail(Code::kInvalid, "The rate must be above 0.");
  for (const Movie& a : given.movies)
    for (const Movie& b : given.movies)
      if (&a != &b && lower(a.title).find(lower(b.title)) != std::string::npos)
        return fail(Code::kInvalid, fmt::format("The title {} holds the title {}: a post about one would "
                                                "match both.",
                                                a.title, b.title));
  std::set<std::string> titles, model;
  for (const Movie& movie : given.movies) titles.merge(words_of(movie.title));
  for (const Word& word : given.words) model.insert(word.text);
  for (const Word& word : given.words) {
    const bool is_word = std::ranges::all_of(word.text, is_letter);
    if (!is_word) {
      // One that holds another would be cut differently by a classifier that errs; keep texts beyond doubt.
      const auto holds = [&](const Word& other) {
        return &other != &word && word.text.find(other.text) != std::string::npos;
      };
      const bool is_sign = std::ranges::none_of(word.text, [](char c) { return c == '\''; });
      if (is_sign && std::ranges::none_of(given.words, holds))
        (word.weight > 0 ? corpus.smiles_ : corpus.frowns_).push_back(word);
    } else if (titles.contains(word.text)) {
      continue;  // a title's words do not count for its movie
    } else if (std::abs(word.weight) < given.threshold) {
      corpus.weak_.push_back(word);
    } else {
      (word.weight > 0 ? corpus.good_ : corpus.bad_).push_back(word);
    }
  }
  if (corpus.good_.size() < 5 || corpus.bad_.size() < 5)
    return fail(Code::kInvalid, "The model has fewer than five words of a clear weight on a side.");
  const auto usable = [&](const char* sentence) {
    const auto words = words_of(sentence);
    return std::ranges::none_of(words, [&](const std::string& word) { return model.contains(word); });
  };
  std::ranges::copy_if(kWithOpinion, std::back_inserter(corpus.with_opinion_), usable);
  std::ranges::copy_if(kWithoutOpinion, std::back_inserter(corpus.without_opinion_), usable);
  if (corpus.with_opinion_.empty() || corpus.without_opinion_.empty())
    return fail(Code::kInvalid, "Every sentence of the corpus holds a word of the model.");
  return corpus;
}

Random Corpus::random(std::uint64_t position, std::uint64_t purpose) const {
  Random mixed(options_.seed * 0x9e3779b97f4a7c15u + purpose);
  return Random(mixed.next() ^ (position * 0xd1342543de82ef95u));
}

Corpus::Kind Corpus::raw_kind(std::uint64_t position) const {
  Random dice = random(position, 1);
  dice.next();
  if (dice.chance(options_.malformed)) return Kind::kMalformed;
  return dice.chance(options_.duplicates) ? Kind::kDuplicate : Kind::kFresh;
}

std::uint64_t Corpus::original(std::uint64_t position) const {
  if (raw_kind(position) != Kind::kDuplicate || position == 0) return position;
  Random dice = random(position, 2);
  const std::uint64_t reach = std::min(position, kDuplicateReach);
  const std::uint64_t first = position - 1 - dice.below(reach);
  for (std::uint64_t at = first + 1; at-- > 0;)
    if (raw_kind(at) == Kind::kFresh) return at;
  return position;
}

Corpus::Kind Corpus::kind(std::uint64_t position) const {
  const Kind raw = raw_kind(position);
  // Nothing to repeat yet: then it is a post of its own.
  return raw == Kind::kDuplicate && original(position) == position ? Kind::kFresh : raw;
}

std::int64_t Corpus::created_ms(std::uint64_t position) const {
  const double step = 1000.0 / options_.rate;
  if (position < options_.history)
    return start_ms_ -
           static_cast<std::int64_t>(std::ceil(static_cast<double>(options_.history - position) * step));
  const std::int64_t begin = live_ms_ >= 0 ? live_ms_ : start_ms_;
  return begin + static_cast<std::int64_t>(static_cast<double>(position - options_.history) * step);
}

std::uint64_t Corpus::id(std::uint64_t position) const {
  const auto time = static_cast<std::uint64_t>(created_ms(position) - kIdEpochMs);
  return (time << kIdShift) | (position & ((1u << kIdShift) - 1));
}

Author Corpus::author(std::uint64_t number) const {
  // The edges of the follower groups always occur.
  constexpr std::array<std::int64_t, 5> kEdges = {0, 500, 501, 5000, 5001};
  Random dice = random(number, 3);
  const std::uint64_t group = dice.below(10);
  const auto followers =
      static_cast<std::int64_t>(number < kEdges.size() ? static_cast<std::uint64_t>(kEdges[number])
                                : group < 6            ? dice.below(501)
                                : group < 9            ? 501 + dice.below(4500)
                                                       : 5001 + dice.below(2'000'000));
  return {.id = std::to_string(9'000'000'000 + number),
          .user_name = fmt::format("synthetic_{}", number),
          .followers = followers};
}

std::pair<std::string, double> Corpus::opinion(Sentiment sentiment, Random& dice) const {
  const double sign = sentiment == Sentiment::kPositive ? 1 : -1;
  const auto& same = sign > 0 ? good_ : bad_;
  const auto& other = sign > 0 ? bad_ : good_;
  const auto& signs = sign > 0 ? smiles_ : frowns_;
  std::vector<std::string> parts;
  std::set<std::string> used;
  double score = 0;
  const size_t wanted = 1 + dice.below(3);
  while (parts.size() < wanted || score * sign < options_.threshold) {
    const bool negated = !parts.empty() && dice.chance(0.15);
    const Word& word = pick(negated ? other : same, dice);
    if (!used.insert(word.text).second) continue;
    parts.push_back(negated ? "not " + word.text : word.text);
    score += negated ? -word.weight : word.weight;
  }
  if (!weak_.empty() && dice.chance(0.2)) {
    const Word& word = pick(weak_, dice);
    if (used.insert(word.text).second && (score + word.weight) * sign >= options_.threshold) {
      parts.push_back(word.text);
      score += word.weight;
    }
  }
  std::string text = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) text += (i + 1 == parts.size() ? " and " : ", ") + parts[i];
  if (dice.chance(0.5)) text[0] = static_cast<char>(std::toupper(text[0]));
  text += dice.chance(0.3) ? "!" : ".";
  if (!signs.empty() && dice.chance(0.4)) {
    const Word& emoticon = pick(signs, dice);
    text += " " + emoticon.text;
    score += emoticon.weight;
  }
  return {text, score};
}

Post Corpus::post(std::uint64_t position) const {
  Random dice = random(position, 4);
  Post post;
  post.id = std::to_string(id(position));
  post.created_ms = created_ms(position);
  post.movie = dice.below(options_.movies.size());
  post.author = author(dice.below(kAuthors));
  const std::uint64_t mood = dice.below(100);
  post.sentiment = mood < 45 ? Sentiment::kPositive : mood < 75 ? Sentiment::kNegative : Sentiment::kNeutral;
  std::string said, sentence;
  if (post.sentiment == Sentiment::kNeutral) {
    sentence = pick(without_opinion_, dice);
    if (!weak_.empty() && dice.chance(0.3)) {
      const Word& word = pick(weak_, dice);
      said = ", " + word.text;
      post.score = word.weight;
    }
  } else {
    sentence = pick(with_opinion_, dice);
    std::tie(said, post.score) = opinion(post.sentiment, dice);
  }
  post.text = replace(replace(std::move(sentence), "{O}", said), "{T}", options_.movies[post.movie].title);
  if (dice.chance(0.2)) post.place = pick(kPlaces, dice);
  return post;
}

std::string Corpus::malformed_line(std::uint64_t position) const {
  switch (random(position, 5).below(4)) {
    case 0: return fmt::format(R"({{"data":{{"id":"{}","text":"cut off in the mid)", id(position));
    case 1: return fmt::format("this line is no JSON: {}", position);
    case 2: return fmt::format(R"({{"data":{{"id":"{}"}}}})", id(position));
    default:
      return fmt::format(R"({{"data":{{"id":{},"text":null,"created_at":"soon"}},"includes":[]}})", position);
  }
}

}  // namespace headrace::replay
