#include "http/message.h"

#include <gtest/gtest.h>

#include "http/events.h"

namespace headrace::http {
namespace {

TEST(Message, HeaderNamesCompareWithoutCase) {
  Headers headers{{"Content-Type", "text/plain"}};
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  headers.set("CONTENT-TYPE", "application/json");
  EXPECT_EQ(headers.get("Content-Type"), "application/json");
  EXPECT_EQ(std::distance(headers.begin(), headers.end()), 1);
  EXPECT_EQ(headers.find("Host"), nullptr);
}

TEST(Message, AQueryKeepsRepeatedKeysAndDecodesThem) {
  const auto query = Query::parse("embed=app.tasks&embed=app%2Ecounts&force&q=a+b%26c&");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->all("embed"), (std::vector<std::string>{"app.tasks", "app.counts"}));
  EXPECT_TRUE(query->has("force"));
  EXPECT_EQ(query->get("force"), "");
  EXPECT_EQ(query->get("q"), "a b&c");
  EXPECT_EQ(query->get("none", "otherwise"), "otherwise");
}

TEST(Message, AQueryReadsBackWhatItWrites) {
  Query query;
  query.add("query", "\"Dune\" -is:retweet lang:en ü");
  query.add("a&b", "=+%");
  const auto again = Query::parse(query.to_string());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->get("query"), "\"Dune\" -is:retweet lang:en ü");
  EXPECT_EQ(again->get("a&b"), "=+%");
}

TEST(Message, BrokenPercentEscapesAreRefused) {
  for (const char* text : {"%", "%4", "%zz", "%00", "a%-1", "%+1", "%0x"})
    EXPECT_FALSE(percent_decode(text)) << text;
  EXPECT_EQ(percent_decode("%2Fa+b").value(), "/a+b");
}

TEST(Message, JsonTextIsQuoted) {
  EXPECT_EQ(json_quote("a\"b\\\n\x01ü"), R"("a\"b\\\n\u0001ü")");
}

TEST(Events, ReadBackWhateverThePiecesWere) {
  const std::string text = ": hello\n\n" + format_event("status", "one\ntwo", "7") +
                           format_event("", "plain") + "data:no space\r\n\r\n" + "event: without-data\n\n";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    EventReader reader;
    std::vector<std::string> seen;
    for (size_t at = 0; at < text.size(); at += piece)
      reader.feed(std::string_view(text).substr(at, piece), [&](const Event& event) {
        seen.push_back(event.event + "|" + event.data + "|" + event.id);
        return true;
      });
    EXPECT_EQ(seen, (std::vector<std::string>{"status|one\ntwo|7", "message|plain|7", "message|no space|7"}))
        << piece;
  }
}

TEST(Events, LinesStopWhenTheReaderHasEnough) {
  LineReader reader;
  int lines = 0;
  EXPECT_FALSE(reader.feed("a\r\nb\nc\n", [&](std::string_view) { return ++lines < 2; }));
  EXPECT_EQ(lines, 2);
}

}  // namespace
}  // namespace headrace::http
