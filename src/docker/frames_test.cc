#include "docker/frames.h"

#include <gtest/gtest.h>

namespace headrace::docker {
namespace {

std::string frame(char stream, std::string_view text) {
  std::string out = {
      stream, 0, 0, 0, 0, 0, static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)};
  return out.append(text);
}

TEST(FramesTest, OutputIsTakenApartHoweverTheStreamWasCut) {
  const std::string long_text(700, 'x');
  const std::string stream =
      frame(1, "out") + frame(2, "err") + frame(1, "") + frame(2, long_text) + frame(1, "!");
  for (std::size_t cut = 1; cut <= stream.size(); ++cut) {
    Frames frames;
    std::string out, err;
    for (std::size_t at = 0; at < stream.size(); at += cut) {
      EXPECT_TRUE(
          frames.feed(std::string_view(stream).substr(at, cut), [&](Output output, std::string_view text) {
            (output == Output::kStdout ? out : err) += text;
            return true;
          }));
    }
    ASSERT_EQ(out, "out!") << "in pieces of " << cut;
    ASSERT_EQ(err, "err" + long_text);
  }
}

TEST(FramesTest, ASinkThatWantsNoMoreGetsNoMore) {
  Frames frames;
  int calls = 0;
  EXPECT_FALSE(
      frames.feed(frame(1, "a") + frame(1, "b"), [&](Output, std::string_view) { return ++calls < 1; }));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace headrace::docker
