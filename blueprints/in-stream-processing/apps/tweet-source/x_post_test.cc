#include "x_post.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace headrace::source {
namespace {

const std::set<std::string> kSlugs = {"dune", "orbit"};

constexpr const char* kLine =
    R"({"data":{"id":"1900000000000000001","text":"say \"hi\" 😍\n","created_at":"2026-11-23T09:00:00.250Z","lang":"en",)"
    R"("author_id":"7","geo":{"place_id":"p"}},"includes":{"users":[{"id":"6","username":"other"},{"id":"7","username":)"
    R"("ann","public_metrics":{"followers_count":501}}],"places":[{"id":"p","full_name":"Northport"}]},)"
    R"("matching_rules":[{"id":"1","tag":"dune"},{"id":"2","tag":"orbit"},{"id":"3","tag":"orbit"},{"id":"4","tag":"x"}]})";

TEST(XPost, APostBecomesOneRecordPerMovie) {
  const auto read = read_stream_line(kLine, kSlugs, 5);
  const auto& posts = std::get<Posts>(read);
  ASSERT_EQ(posts.records.size(), 2U);
  EXPECT_EQ(posts.newest_id, 1900000000000000001U);
  EXPECT_EQ(posts.records[0].key, "1900000000000000001");
  EXPECT_EQ(boost::json::parse(posts.records[0].value), boost::json::parse(R"({"id":"1900000000000000001",
    "movie":"dune","text":"say \"hi\" 😍\n","created_ms":1795424400250,"user":"ann","followers":501,
    "place":"Northport","lang":"en","received_ms":5})"));
  EXPECT_EQ(boost::json::parse(posts.records[1].value).at("movie"), "orbit");
}

TEST(XPost, AWithheldAuthorIsNobodyWithoutFollowers) {
  const auto read =
      read_stream_line(R"({"data":{"id":"1","text":"a","created_at":"2026-11-23T09:00:00Z","author_id":"7"},)"
                       R"("matching_rules":[{"id":"1","tag":"dune"}]})",
                       kSlugs, 5);
  const auto value = boost::json::parse(std::get<Posts>(read).records.at(0).value);
  EXPECT_EQ(value.at("user"), "");
  EXPECT_EQ(value.at("followers"), 0);
  EXPECT_EQ(value.at("place"), "");
  EXPECT_EQ(value.at("lang"), "");
}

TEST(XPost, BrokenLinesArePassedOnAsMalformed) {
  for (const char* line :
       {"no json", R"({"data":{"id":"1","text":"cut)", R"({"data":{"id":"1"}})", "[]", "7", "{}",
        R"({"data":{"id":1,"text":"a","created_at":"2026-11-23T09:00:00Z"},"matching_rules":[]})",
        R"({"data":{"id":"x1","text":"a","created_at":"2026-11-23T09:00:00Z"},"matching_rules":[]})",
        R"({"data":{"id":"1","text":null,"created_at":"2026-11-23T09:00:00Z"},"matching_rules":[]})",
        R"({"data":{"id":"1","text":"a","created_at":"soon"},"matching_rules":[]})",
        R"({"data":{"id":"1","text":"a","created_at":"2026-11-23T09:00:00Z"}})"}) {
    const auto read = read_stream_line(line, kSlugs, 5);
    ASSERT_TRUE(std::holds_alternative<Malformed>(read)) << line;
    EXPECT_EQ(std::get<Malformed>(read).record.key, "malformed");
    EXPECT_EQ(std::get<Malformed>(read).record.value, line);
  }
}

TEST(XPost, WhatXSaysAboutTheStreamIsANotice) {
  const auto read = read_stream_line(
      R"({"errors":[{"title":"operational-disconnect","detail":"Upstream.","type":"t"}]})", kSlugs, 5);
  EXPECT_EQ(std::get<Notice>(read).text, "operational-disconnect: Upstream.");
  EXPECT_TRUE(
      std::holds_alternative<Notice>(read_stream_line(R"({"title":"ConnectionException"})", kSlugs, 5)));
}

TEST(XPost, ASearchPageHoldsRecordsAndTheNextToken) {
  const auto page = read_search_page(
      R"({"data":[{"id":"9","text":"a","created_at":"2026-11-23T09:00:00Z"},{"id":"8","text":"b"}],)"
      R"("meta":{"result_count":2,"next_token":"n"}})",
      "dune", 5);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->records.size(), 2U);
  EXPECT_EQ(page->records[1].key, "malformed");
  EXPECT_EQ(page->newest_id, 9U);
  EXPECT_EQ(page->next_token, "n");
  EXPECT_TRUE(read_search_page(R"({"meta":{"result_count":0}})", "dune", 5)->records.empty());
  EXPECT_FALSE(read_search_page("<html>", "dune", 5));
}

TEST(XPost, MoviesNeedDistinctSlugs) {
  EXPECT_EQ(parse_movies(R"([{"slug":"a","title":"A B"}])")->at(0).query, "\"A B\"");
  for (const char* text : {"", "{}", "[]", "[{}]", R"([{"slug":"a"},{"slug":"a"}])"})
    EXPECT_FALSE(parse_movies(text)) << text;
}

TEST(XPost, IdsHoldTheirTime) {
  EXPECT_EQ(time_of(id_at(1'795'424'400'250)), 1'795'424'400'250);
  EXPECT_EQ(id_at(0), 0U);
}

}  // namespace
}  // namespace headrace::source
