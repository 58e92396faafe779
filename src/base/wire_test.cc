#include "base/wire.h"

#include <gmock/gmock.h>

namespace headrace::wire {

enum class Colour { kRed, kGreen };

struct Leaf {
  std::string name;
  int number = 7;
  bool operator==(const Leaf&) const = default;
};
struct Tree {
  std::int64_t count = 0;
  double share = 1;
  bool flag = true;
  Colour colour = Colour::kGreen;
  std::string text = "default";
  Duration grace = 10s;
  Wall at;
  Bytes size;
  std::optional<int> maybe;
  std::optional<Colour> tint;
  std::vector<Leaf> leaves;
  std::map<std::string, std::string> labels;
  Leaf leaf;
  std::optional<Monotonic> until;
  bool operator==(const Tree&) const = default;
};

template <class Io>
void fields(Io& io, Leaf& leaf) {
  io(1, leaf.name);
  io(2, leaf.number);
}
template <class Io>
void fields(Io& io, Tree& tree) {
  io(1, tree.count);
  io(2, tree.share);
  io(3, tree.flag);
  io(4, tree.colour, Colour::kGreen);
  io(5, tree.text);
  io(6, tree.grace);
  io(7, tree.at);
  io(8, tree.size);
  io(9, tree.maybe);
  io(10, tree.tint, Colour::kGreen);
  io(11, tree.leaves);
  io(12, tree.labels);
  io(13, tree.leaf);
  io.left(14, tree.until);
}

namespace {

using testing::HasSubstr;

TEST(Wire, EveryKindOfFieldComesBack) {
  const Now now{.mono = Monotonic(100s), .wall = Wall(5s)};
  const Tree tree{.count = -3,
                  .share = 0.25,
                  .flag = false,
                  .colour = Colour::kRed,
                  .text = std::string("\0\xff not UTF-8", 13),
                  .grace = 2s,
                  .at = Wall(77ms),
                  .size = Bytes::gib(3),
                  .maybe = 0,
                  .tint = Colour::kRed,
                  .leaves = {{"a", 0}, {"", 0}, {"c", 1 << 30}},
                  .labels = {{"k", "v"}, {"", ""}},
                  .leaf = {"leaf", -1},
                  .until = now.mono + 9s};
  const auto back = decode<Tree>(encode(tree, now), "a tree", now);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(*back, tree);
}

TEST(Wire, ADeadlineIsStoredAsWhatRemainsOfIt) {
  const Tree tree{.until = Monotonic(109s)}, passed{.until = Monotonic(1s)};
  const Now now{.mono = Monotonic(100s), .wall = {}}, after_restart{.mono = Monotonic(3s), .wall = {}};
  EXPECT_EQ(decode<Tree>(encode(tree, now), "", after_restart)->until, Monotonic(12s));
  EXPECT_EQ(decode<Tree>(encode(passed, now), "", after_restart)->until, Monotonic(3s));
}

TEST(Wire, WhatIsAbsentReadsAsZeroWhateverTheDefault) {
  const Tree read = *decode<Tree>("", "a tree");
  EXPECT_EQ(read, (Tree{.share = 0,
                        .flag = false,
                        .colour = Colour::kRed,
                        .text = "",
                        .grace = 0s,
                        .leaf = {.name = "", .number = 0}}));
}

TEST(Wire, ItIsProtobufsFormat) {
  // message Leaf { string name = 1; int32 number = 2; }, as protoc --encode writes it.
  EXPECT_EQ(encode(Leaf{"ab", 300}),
            "\x0a\x02"
            "ab\x10\xac\x02");
  EXPECT_EQ(encode(Leaf{"", -1}), "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  // Fields of other numbers are passed over.
  EXPECT_EQ(*decode<Leaf>("\x18\x05\x0a\x01x\x22\x01y", "a leaf"), (Leaf{"x", 0}));
}

TEST(Wire, WhatIsNoRecordIsCorrupt) {
  for (const std::string_view bytes : {"garbage",
                                       "\x0a\x05"
                                       "ab",
                                       "\x10", "\x11\x01", "\x13"}) {
    const auto read = decode<Leaf>(bytes, "a leaf");
    ASSERT_FALSE(read) << bytes;
    EXPECT_EQ(read.error().code, Code::kCorrupt);
    EXPECT_THAT(read.error().message, HasSubstr("record of a leaf"));
  }
  const auto unknown = decode<Tree>("\x20\x09", "a tree");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("does not know"));
  EXPECT_FALSE(decode<Tree>("\x5a\x02\x0a\x09", "a tree")) << "damage inside an inner record is seen too";
}

}  // namespace
}  // namespace headrace::wire
