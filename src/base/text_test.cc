#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"

namespace headrace {
namespace {

TEST(Text, SizesAreReadInBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_bytes("1GiB")->count, 1ll << 30);
  EXPECT_EQ(parse_bytes("1.5 MB")->count, 1500000);
  EXPECT_EQ(parse_bytes("4096")->count, 4096);
  EXPECT_EQ(to_text(Bytes::mib(512)), "512MiB");
  EXPECT_EQ(to_text(Bytes{1536 << 20}), "1536MiB");
  EXPECT_EQ(to_text(Bytes{1000}), "1000B");
  EXPECT_EQ(to_text(Bytes{9461296737}), "8.8GiB");
}

TEST(Text, ABadSizeIsNamedInItsError) {
  const auto size = parse_bytes("12 parsecs");
  ASSERT_FALSE(size);
  EXPECT_EQ(size.error().code, Code::kInvalid);
  EXPECT_NE(size.error().to_string().find("\"12 parsecs\""), std::string::npos);
}

TEST(Text, DurationsGoThereAndBack) {
  for (const char* text : {"250ms", "1m30s", "2h", "1d1h"}) {
    EXPECT_EQ(to_text(*parse_duration(text)), text);
  }
  EXPECT_FALSE(parse_duration(""));
  EXPECT_FALSE(parse_duration("5"));
  EXPECT_FALSE(parse_duration("-5s"));
}

TEST(Text, TimesGoThereAndBackToTheMillisecond) {
  const Wall time = *parse_rfc3339("2026-11-23T09:04:05.123Z");
  EXPECT_EQ(to_rfc3339(time), "2026-11-23T09:04:05.123Z");
  EXPECT_FALSE(parse_rfc3339("2026-13-01T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("yesterday"));
}

TEST(Random, TheSameSeedGivesTheSameIds) {
  Random a(7), b(7), c(8);
  const std::string first = a.uuid();
  EXPECT_EQ(first, b.uuid());
  EXPECT_NE(first, c.uuid());
  EXPECT_EQ(first.size(), 36u);
  EXPECT_EQ(first[14], '4');
}

}  // namespace
}  // namespace headrace
