#include "rule.h"

#include <gtest/gtest.h>

namespace headrace::replay {
namespace {

bool matches(std::string_view rule, std::string_view text) {
  Subject subject(text);
  subject.user_name = "synthetic_7";
  const auto parsed = Rule::parse(rule);
  EXPECT_TRUE(parsed) << rule << ": " << parsed.error().message;
  return parsed && parsed->matches(subject);
}

TEST(Rule, MatchesWordsPhrasesTagsAndMentionsWithoutCase) {
  EXPECT_TRUE(matches("orbit", "A Quiet ORBIT!"));
  EXPECT_FALSE(matches("orb", "A Quiet Orbit"));
  EXPECT_TRUE(matches("\"quiet orbit\"", "A Quiet Orbit, seen"));
  EXPECT_FALSE(matches("\"orbit quiet\"", "A Quiet Orbit"));
  EXPECT_TRUE(matches("#cinema", "tonight #Cinema"));
  EXPECT_FALSE(matches("cinema", "tonight #cinema"));
  EXPECT_TRUE(matches("@synthetic_7", "hello @Synthetic_7"));
}

TEST(Rule, AndBindsCloserThanOrAndParenthesesGroup) {
  EXPECT_TRUE(matches("a b OR c", "c"));
  EXPECT_FALSE(matches("a (b OR c)", "c"));
  EXPECT_TRUE(matches("a (b OR c)", "a c"));
  EXPECT_FALSE(matches("a -b", "a b"));
  EXPECT_TRUE(matches("a -(b c)", "a b"));
}

TEST(Rule, OperatorsKnowWhatTheCorpusHolds) {
  EXPECT_TRUE(matches("a -is:retweet lang:en", "a"));
  EXPECT_FALSE(matches("a lang:de", "a"));
  EXPECT_TRUE(matches("from:Synthetic_7", "a"));
  EXPECT_FALSE(matches("from:other", "a"));
  EXPECT_FALSE(matches("a has:links", "a"));
}

TEST(Rule, RefusesWhatXRefuses) {
  for (const char* rule : {"", "lang:en", "-a", "a OR -b", "(a", "a)", "\"a", "a OR", "OR a", "is:tweet a",
                           "from: a", "--a", "()", "\"\"", "a - b"})
    EXPECT_FALSE(Rule::parse(rule)) << rule;
  EXPECT_FALSE(Rule::parse(std::string(1100, 'a')));
  EXPECT_FALSE(Rule::parse(std::string(500, '(') + "a" + std::string(500, ')')));
}

}  // namespace
}  // namespace headrace::replay
