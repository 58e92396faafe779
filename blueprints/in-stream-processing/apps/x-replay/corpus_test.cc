#include "corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <map>
#include <set>

#include "test_corpus.h"
#include "truth.h"

namespace headrace::replay {
namespace {

// The classifier's rules of DATA.md, read anew for this test: what a corpus text must score.
double classify(const std::string& text, const std::string& title, const std::vector<Word>& model) {
  const auto lower = [](std::string s) {
    std::ranges::transform(s, s.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return s;
  };
  const auto words = [](const std::string& s) {
    std::vector<std::string> list;
    std::string word;
    for (const char c : s + " ")
      if ((c >= 'a' && c <= 'z') || c == '\'')
        word += c;
      else if (!word.empty())
        list.push_back(std::exchange(word, {}));
    return list;
  };
  std::string rest = lower(text);
  double score = 0;
  std::vector<Word> emoticons;
  std::map<std::string, double> weights;
  for (const Word& word : model)
    if (std::ranges::all_of(word.text, [](char c) { return c >= 'a' && c <= 'z'; }))
      weights[word.text] = word.weight;
    else
      emoticons.push_back(word);
  std::ranges::sort(emoticons, [](const Word& a, const Word& b) { return a.text.size() > b.text.size(); });
  for (const Word& emoticon : emoticons) {
    bool found = false;
    for (size_t at; (at = rest.find(emoticon.text)) != std::string::npos; found = true)
      rest.replace(at, emoticon.text.size(), " ");
    score += found ? emoticon.weight : 0;
  }
  const auto title_words = words(lower(title));
  std::set<std::string> counted;
  std::string before;
  for (const std::string& word : words(rest)) {
    if (std::ranges::find(title_words, word) != title_words.end()) continue;
    const bool negated = before == "not" || before == "no" || before == "never" || before.ends_with("n't");
    if (weights.contains(word) && counted.insert(word).second)
      score += negated ? -weights[word] : weights[word];
    before = word;
  }
  return score;
}

TEST(Corpus, EveryTextScoresAsItWasBuilt) {
  const Corpus corpus = make_corpus();
  const auto& options = corpus.options();
  std::map<Sentiment, int> seen;
  for (std::uint64_t position = 0; position < 4'000; ++position) {
    if (corpus.kind(position) != Corpus::Kind::kFresh) continue;
    const Post post = corpus.post(position);
    const double score = classify(post.text, options.movies[post.movie].title, options.words);
    ASSERT_DOUBLE_EQ(score, post.score) << post.text;
    const Sentiment sentiment = score >= options.threshold    ? Sentiment::kPositive
                                : score <= -options.threshold ? Sentiment::kNegative
                                                              : Sentiment::kNeutral;
    ASSERT_EQ(sentiment, post.sentiment) << post.text;
    ++seen[sentiment];
  }
  for (const auto& [sentiment, count] : seen) EXPECT_GT(count, 600) << word_of(sentiment);
  EXPECT_EQ(seen.size(), 3U);
}

TEST(Corpus, TheSameSeedGivesTheSamePostsInAnyOrderAndAnotherSeedOthers) {
  const Corpus a = make_corpus(), b = make_corpus();
  auto other = real_options();
  other.seed = 43;
  const Corpus c = make_corpus(other);
  int differ = 0;
  for (std::uint64_t position = 500; position-- > 0;) {
    EXPECT_EQ(a.kind(position), b.kind(position));
    EXPECT_EQ(a.post(position).text, b.post(position).text);
    differ += a.post(position).text != c.post(position).text;
  }
  EXPECT_GT(differ, 400);
}

TEST(Corpus, DuplicatesRepeatAnEarlierPostAndSharesAreAsAsked) {
  auto options = real_options();
  options.duplicates = 0.05;
  options.malformed = 0.02;
  const Corpus corpus = make_corpus(options);
  std::map<Corpus::Kind, int> kinds;
  constexpr int kPositions = 50'000;
  for (std::uint64_t position = 0; position < kPositions; ++position) {
    const auto kind = corpus.kind(position);
    ++kinds[kind];
    if (kind != Corpus::Kind::kDuplicate) continue;
    const std::uint64_t original = corpus.original(position);
    ASSERT_LT(original, position);
    ASSERT_EQ(corpus.kind(original), Corpus::Kind::kFresh);
  }
  EXPECT_NEAR(kinds[Corpus::Kind::kDuplicate], 0.98 * 0.05 * kPositions, 200);
  EXPECT_NEAR(kinds[Corpus::Kind::kMalformed], 0.02 * kPositions, 200);
}

TEST(Corpus, IdsAndTimesRiseWithPositionsAndStepByTheRate) {
  auto options = real_options();
  options.rate = 3;
  options.history = 100;
  const Corpus corpus = make_corpus(options);
  for (std::uint64_t position = 1; position < 1000; ++position) {
    EXPECT_LT(corpus.id(position - 1), corpus.id(position));
    EXPECT_LE(corpus.created_ms(position - 1), corpus.created_ms(position));
  }
  EXPECT_EQ(corpus.created_ms(100), 1'795'000'000'000);
  EXPECT_EQ(corpus.created_ms(103), 1'795'000'001'000);
  EXPECT_EQ(corpus.created_ms(97), 1'794'999'999'000);
}

TEST(Corpus, FollowersReachEveryGroupAndItsEdges) {
  const Corpus corpus = make_corpus();
  std::map<std::string, int> groups;
  for (std::uint64_t number = 0; number < 1000; ++number) ++groups[group_of(corpus.author(number).followers)];
  EXPECT_EQ(groups.size(), 3U);
  EXPECT_STREQ(group_of(500), "low");
  EXPECT_STREQ(group_of(501), "middle");
  EXPECT_STREQ(group_of(5000), "middle");
  EXPECT_STREQ(group_of(5001), "high");
  EXPECT_EQ(corpus.author(2).followers, 501);
}

TEST(Corpus, RefusesWhatWouldMakeTheTruthUncertain) {
  auto options = real_options();
  options.movies = {{"a", "Orbit", ""}, {"b", "A Quiet Orbit", ""}};
  EXPECT_EQ(Corpus::make(options).error().code, Code::kInvalid);
  options = real_options();
  options.words.resize(3);
  EXPECT_FALSE(Corpus::make(options));
  EXPECT_FALSE(parse_words("word,weight\ngood,much\n"));
  EXPECT_FALSE(parse_movies(R"([{"slug": "a"}])"));
}

TEST(Truth, CountsAgreeWithThePostsAndOnlyMatchingOnesCount) {
  auto options = real_options();
  options.malformed = 0.02;
  options.rate = 5;
  options.movies[0].query = "\"Silver Tide\" -from:synthetic_1 has:geo";
  const Corpus corpus = make_corpus(options);
  const auto truth = boost::json::parse(truth_of(corpus, 3000).value()).as_object();
  std::int64_t by_movie = 0, by_minute = 0;
  for (const auto& [slug, counts] : truth.at("movies").as_object())
    for (const char* word : {"positive", "negative", "neutral"}) by_movie += counts.at(word).as_int64();
  for (const auto& row : truth.at("minutes").as_array()) {
    for (const char* word : {"positive", "negative", "neutral"}) by_minute += row.at(word).as_int64();
    EXPECT_EQ(row.at("minute").as_int64() % 60'000, 0);
  }
  EXPECT_EQ(by_movie, truth.at("tweets").as_int64());
  EXPECT_EQ(by_minute, by_movie);
  EXPECT_EQ(truth.at("posts").as_object().size(), static_cast<size_t>(by_movie));
  for (const auto& [key, post] : truth.at("posts").as_object())
    if (post.at("movie") == "silver-tide") {
      EXPECT_NE(post.at("place").as_string(), "");
      EXPECT_NE(post.at("user").as_string(), "synthetic_1");
    }
  EXPECT_GT(truth.at("duplicates").as_int64(), 50);
  EXPECT_GT(truth.at("malformed").as_int64(), 20);
}

}  // namespace
}  // namespace headrace::replay
