#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>

#include "world/clock.h"
#include "world/entropy.h"
#include "world/files.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    char path[] = "/tmp/headrace-files-XXXXXX";
    CHECK(mkdtemp(path) != nullptr);
    folder_ = path;
  }
  ~FilesTest() override { (void)files_.remove(folder_); }
  std::string at(std::string_view name) const { return folder_ + "/" + std::string(name); }
  unsigned mode_of(const std::string& path) const {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777u;
  }

  std::string folder_;
  SystemFiles files_;
};

TEST_F(FilesTest, WhatIsWrittenIsReadBackWithItsMode) {
  const std::string contents("a\0b\n", 4);
  ASSERT_TRUE(files_.write(at("key"), contents));
  EXPECT_EQ(files_.read(at("key")).value(), contents);
  EXPECT_EQ(mode_of(at("key")), 0600u);
  ASSERT_TRUE(files_.write(at("key"), "new", {.mode = 0444}));
  EXPECT_EQ(files_.read(at("key")).value(), "new");
  EXPECT_EQ(mode_of(at("key")), 0444u);
}

TEST_F(FilesTest, AReaderSeesTheOldOrTheNewContentsNeverAMixture) {
  const std::string a(100'000, 'a'), b(50'000, 'b');
  ASSERT_TRUE(files_.write(at("f"), a));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(files_.write(at("f"), i % 2 ? a : b));
    done = true;
  });
  do {
    const auto seen = files_.read(at("f"));
    EXPECT_TRUE(seen && (*seen == a || *seen == b));
  } while (!done);
  writer.join();
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(files_.write(at("f"), "old"));
  ASSERT_TRUE(files_.make_folder(at("g")));
  ASSERT_TRUE(files_.write(at("g/inside"), "x"));
  EXPECT_FALSE(files_.write(at("g"), "a folder is in the way"));
  EXPECT_THAT(files_.list(folder_).value(), ElementsAre("f", "g"));
  const auto absent = files_.write(at("no/such/folder"), "x");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Code::kNotFound);
}

TEST_F(FilesTest, WhatACrashLeftBehindDoesNotDisturbTheNextWrite) {
  ASSERT_EQ(::symlink("/etc/passwd", at("f.new").c_str()), 0);
  ASSERT_TRUE(files_.write(at("f"), "mine"));
  EXPECT_EQ(files_.read(at("f")).value(), "mine");
  EXPECT_THAT(files_.list(folder_).value(), ElementsAre("f"));
}

TEST_F(FilesTest, AnAbsentFileIsNotFoundAndABigOneIsRefused) {
  EXPECT_EQ(files_.read(at("nothing")).error().code, Code::kNotFound);
  EXPECT_EQ(files_.list(at("nothing")).error().code, Code::kNotFound);
  ASSERT_TRUE(files_.write(at("big"), std::string(2000, 'x')));
  const auto refused = files_.read(at("big"), Bytes::kib(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);
  EXPECT_THAT(refused.error().message, HasSubstr("1KiB"));
}

TEST_F(FilesTest, FoldersAreMadeWithTheMissingOnesAboveAndRemovedWithAllInThem) {
  ASSERT_TRUE(files_.make_folder(at("a/b/c"), {.mode = 0750}));
  ASSERT_TRUE(files_.make_folder(at("a/b/c"), {.mode = 0700}));
  EXPECT_EQ(mode_of(at("a/b/c")), 0700u);
  ASSERT_TRUE(files_.write(at("a/b/f"), "x"));
  ASSERT_EQ(::symlink(folder_.c_str(), at("a/up").c_str()), 0);
  ASSERT_TRUE(files_.write(at("stays"), "x"));
  ASSERT_TRUE(files_.remove(at("a")));
  EXPECT_FALSE(files_.exists(at("a")));
  EXPECT_TRUE(files_.exists(at("stays")));
  EXPECT_TRUE(files_.remove(at("a")));
}

TEST_F(FilesTest, FreeSpaceIsAPartOfTheDisk) {
  const auto space = files_.space(folder_).value();
  EXPECT_GT(space.free.count, 0);
  EXPECT_LE(space.free, space.total);
}

TEST(SystemClockTest, TimeGoesOnAndTheCalendarIsOfThisCentury) {
  const SystemClock clock;
  const Now before = clock.now(), after = clock.now();
  EXPECT_LE(before.mono, after.mono);
  EXPECT_GT(after.wall, Wall(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)));
}

TEST(SystemEntropyTest, NoTwoSeedsAreEqualAndBytesAreAsManyAsAsked) {
  SystemEntropy entropy;
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 1000; ++i) seeds.insert(entropy.seed());
  EXPECT_EQ(seeds.size(), 1000u);
  EXPECT_EQ(entropy.bytes(33).size(), 33u);
  EXPECT_TRUE(entropy.bytes(0).empty());
}

}  // namespace
}  // namespace headrace
