// What is particular to the SQLite form: its folder, its format number, damage, and the loss of power.
#include "store/sqlite_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "store/fake_disk.h"

namespace headrace {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Fault = FakeDisk::Fault;

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest() {
    char path[] = "/tmp/headrace-sqlite-XXXXXX";
    CHECK(mkdtemp(path) != nullptr);
    folder_ = path;
  }
  ~SqliteStoreTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<SqliteStore> open() const { return SqliteStore::open(folder_).value(); }
  Error error_of_opening(SqliteStore::Options options = {}) const {
    const auto opened = SqliteStore::open(folder_, options);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }
  std::string file() const { return folder_ / "state.db"; }

  std::filesystem::path folder_;
};

TEST_F(SqliteStoreTest, WhatWasWrittenIsThereAfterReopening) {
  ASSERT_TRUE(open()->apply({{"t", "a", "1"}, {"t", "b", "2"}}));
  EXPECT_THAT(open()->scan("t").value(), ElementsAre(Entry{"a", "1"}, Entry{"b", "2"}));
}

TEST_F(SqliteStoreTest, TheFolderIsMadeForTheOwnerAlone) {
  const auto folder = folder_ / "made" / "here";
  ASSERT_TRUE(SqliteStore::open(folder));
  struct stat status{};
  ASSERT_EQ(::stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0700u);
}

TEST_F(SqliteStoreTest, ASecondServerOnTheFolderIsToldWhichProcessHasIt) {
  int to_child[2], from_child[2];
  ASSERT_EQ(::pipe(to_child), 0);
  ASSERT_EQ(::pipe(from_child), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(to_child[1]);
    const auto store = SqliteStore::open(folder_);
    char byte = store ? 'y' : 'n';
    (void)!::write(from_child[1], &byte, 1);
    (void)!::read(to_child[0], &byte, 1);  // until the parent closes its end
    ::_exit(0);
  }
  ::close(to_child[0]);
  char byte = 0;
  ASSERT_EQ(::read(from_child[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const Error error = error_of_opening();
  EXPECT_EQ(error.code, Code::kConflict);
  EXPECT_THAT(error.message, HasSubstr(fmt::format("process {} ", child)));
  ::close(to_child[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(SqliteStore::open(folder_)) << "the lock goes with its process";
  for (const int end : from_child) ::close(end);
}

TEST_F(SqliteStoreTest, AnAcknowledgedChangeSurvivesKill9) {
  for (int round = 0; round < 5; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = SqliteStore::open(folder_, {.checkpoint_pages = 6});
      for (int i = 1; store && store.value()->apply({{"t", "left", std::to_string(i)},
                                                     {"t", "filler", std::string(5000, static_cast<char>(i))},
                                                     {"t", "right", std::to_string(i)}});
           ++i)
        (void)!::write(pipe[1], &i, sizeof i);
      ::_exit(1);
    }
    ::close(pipe[1]);
    int acknowledged = 0;
    while (acknowledged < 20 + round && ::read(pipe[0], &acknowledged, sizeof acknowledged) > 0) {
    }
    ::kill(child, SIGKILL);
    while (::read(pipe[0], &acknowledged, sizeof acknowledged) > 0) {
    }
    ::close(pipe[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const auto store = open();
    const std::string left = store->get("t", "left").value().value();
    EXPECT_EQ(left, store->get("t", "right").value());
    EXPECT_THAT(std::stoi(left), AnyOf(acknowledged, acknowledged + 1));
  }
}

TEST_F(SqliteStoreTest, TheLockIsHeldWithinOneProcessToo) {
  const auto first = open();
  EXPECT_EQ(error_of_opening().code, Code::kConflict);
}

Result<std::vector<Write>> rename_key(const Store& before) {
  TRY(const std::optional<std::string> value, before.get("t", "old"));
  return std::vector<Write>{{"t", "old", std::nullopt}, {"t", "new", value}};
}
Result<std::vector<Write>> double_value(const Store& before) {
  TRY(const std::optional<std::string> value, before.get("t", "new"));
  return std::vector<Write>{{"t", "new", *value + *value}};
}
Result<std::vector<Write>> fail_to_migrate(const Store&) {
  return fail(Code::kCorrupt, "the record is odd");
}

TEST_F(SqliteStoreTest, AnOlderFormatIsMigratedStepByStep) {
  ASSERT_TRUE(open()->apply({{"t", "old", "v"}}));
  EXPECT_EQ(open()->format(), 1);
  const Migration steps[] = {rename_key, double_value};
  for (int i = 0; i < 2; ++i) {  // once, not at every start
    const auto store = SqliteStore::open(folder_, {.migrations = steps}).value();
    EXPECT_EQ(store->format(), 3);
    EXPECT_THAT(store->scan("t").value(), ElementsAre(Entry{"new", "vv"}));
  }
}

TEST_F(SqliteStoreTest, AMigrationThatFailsLeavesTheLastFormatThatWorked) {
  ASSERT_TRUE(open()->apply({{"t", "old", "v"}}));
  const Migration steps[] = {rename_key, fail_to_migrate};
  const Error error = error_of_opening({.migrations = steps});
  EXPECT_EQ(error.code, Code::kCorrupt);
  EXPECT_THAT(error.to_string(), HasSubstr("from format 2"));
  const auto store = SqliteStore::open(folder_, {.migrations = std::span(steps, 1)}).value();
  EXPECT_EQ(store->format(), 2);
  EXPECT_THAT(store->scan("t").value(), ElementsAre(Entry{"new", "v"}));
}

TEST_F(SqliteStoreTest, ANewerFormatIsRefusedAndLeftAsItIs) {
  const Migration steps[] = {rename_key, double_value};
  ASSERT_TRUE(SqliteStore::open(folder_, {.migrations = steps}).value()->apply({{"t", "k", "v"}}));
  const Error error = error_of_opening();
  EXPECT_EQ(error.code, Code::kRefused);
  EXPECT_THAT(error.message, AllOf(HasSubstr("format 3"), HasSubstr("up to 1")));
  EXPECT_FALSE(error.remedy.empty());
  EXPECT_EQ(SqliteStore::open(folder_, {.migrations = steps}).value()->get("t", "k").value(), "v");
}

TEST_F(SqliteStoreTest, WhatIsNoStateFileIsRefusedClearly) {
  std::ofstream(file()) << std::string(5000, 'x');
  EXPECT_EQ(error_of_opening().code, Code::kCorrupt);
  EXPECT_THAT(error_of_opening().message, HasSubstr("state.db"));
  std::filesystem::remove(file());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "CREATE TABLE theirs (x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  EXPECT_THAT(error_of_opening().message, HasSubstr("none of Headrace's"));
}

TEST_F(SqliteStoreTest, AFileThatAnotherProgramHasOpenIsAConflict) {
  open();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(error_of_opening().code, Code::kConflict);
  sqlite3_close(other);
}

// Everything in the store, or the first error.
Result<std::vector<Entry>> all_of(const Store& store) {
  return store.scan("t");
}

TEST_F(SqliteStoreTest, NoDamagedByteIsServedAsARecord) {
  FakeDisk disk;
  std::vector<Entry> before;
  {
    const auto store = SqliteStore::open(folder_, {.vfs = disk.vfs()}).value();
    for (int i = 0; i < 30; ++i)
      ASSERT_TRUE(
          store->apply({{"t", fmt::format("key-{:02}", i), std::string(700, static_cast<char>('A' + i))}}));
    before = all_of(*store).value();
  }
  std::string& bytes = disk.contents("state.db");
  const std::string whole = bytes;
  Random random(1);
  std::vector<std::size_t> places;
  for (std::size_t at = random.below(200); at < whole.size(); at += 1 + random.below(200))
    places.push_back(at);
  // The table's name in each row and each entry of the index: damaged there, a record would just be missing.
  for (std::size_t at = 0; (at = whole.find("tkey-", at)) != whole.npos; ++at) places.push_back(at);
  int refused = 0;
  for (const std::size_t at : places) {
    bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    const auto store = SqliteStore::open(folder_, {.vfs = disk.vfs()});
    const auto seen = store ? all_of(**store) : fail(store.error());
    if (seen) {
      EXPECT_EQ(*seen, before) << "byte " << at;
    } else {
      ++refused;
      EXPECT_THAT(seen.error().code, AnyOf(Code::kCorrupt, Code::kRefused)) << at << seen.error().to_string();
    }
  }
  EXPECT_GT(refused, std::ssize(places) / 2) << "most bytes matter";
}

TEST_F(SqliteStoreTest, AFullDiskIsUnavailableAndTheSameGroupSucceedsOnceThereIsSpace) {
  FakeDisk disk;
  const auto store = SqliteStore::open(folder_, {.vfs = disk.vfs()}).value();
  ASSERT_TRUE(store->apply({{"t", "a", "1"}}));
  disk.fail_at(1, Fault::kFull);
  const std::vector<Store::Commit> group = {{{"t", "a", "2"}}, {{"t", "b", std::string(100'000, 'x')}}};
  for (int i = 0; i < 3; ++i) {
    const auto refused = store->apply_group(group);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kUnavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("disk full"));
    EXPECT_FALSE(refused.error().remedy.empty());
    EXPECT_THAT(all_of(*store).value(), ElementsAre(Entry{"a", "1"})) << "nothing of it is visible";
  }
  disk.make_space();
  ASSERT_TRUE(store->apply_group(group));
  EXPECT_EQ(store->get("t", "a").value(), "2");
}

// A history of groups: overwrites, deletions, values of many pages; with checkpoints and a restart of the log
// in the middle. Group g makes record "last" equal to g.
std::vector<std::vector<Store::Commit>> history() {
  std::vector<std::vector<Store::Commit>> groups;
  for (int g = 0; g < 12; ++g) {
    std::vector<Store::Commit> group;
    for (int c = 0; c <= g % 3; ++c) {
      group.push_back(
          {{"t", fmt::format("key-{}", (g * 5 + c) % 7), std::string(static_cast<std::size_t>(g) * 400, 'v')},
           {"t", fmt::format("key-{}", (g + c) % 5), std::nullopt}});
    }
    group.push_back({{"t", "last", std::to_string(g)}});
    groups.push_back(std::move(group));
  }
  return groups;
}

// The records after each number of groups.
std::vector<std::map<std::string, std::string>> states_of(
    const std::vector<std::vector<Store::Commit>>& groups) {
  std::vector<std::map<std::string, std::string>> states(1);
  for (const auto& group : groups) {
    auto state = states.back();
    for (const auto& commit : group) {
      for (const Write& write : commit) {
        if (write.value)
          state[write.key] = *write.value;
        else
          state.erase(write.key);
      }
    }
    states.push_back(std::move(state));
  }
  return states;
}

std::map<std::string, std::string> state_of(const Store& store) {
  std::map<std::string, std::string> state;
  for (Entry& entry : all_of(store).value()) state[entry.key] = entry.value;
  return state;
}

class PowerLossTest : public SqliteStoreTest {
 protected:
  // Runs the history on a disk until it is done or the power is cut; each group is tried up to `tries` times.
  // Returns how many groups were acknowledged.
  std::size_t run_on(FakeDisk& disk, int tries) {
    auto store = SqliteStore::open(folder_, options(disk));
    if (!store && tries > 1) store = SqliteStore::open(folder_, options(disk));
    if (!store) return 0;
    std::size_t acknowledged = 0;
    for (const auto& group : groups_) {
      bool done = false;
      for (int i = 0; i < tries && !done; ++i) done = (*store)->apply_group(group).has_value();
      if (!done) break;
      ++acknowledged;
      EXPECT_EQ(state_of(**store), states_[acknowledged]);
      if (acknowledged == groups_.size() / 2) {  // a restart in the middle
        store->reset();
        store = SqliteStore::open(folder_, options(disk));
        if (!store && tries > 1) store = SqliteStore::open(folder_, options(disk));
        if (!store) break;
      }
    }
    return acknowledged;
  }
  static SqliteStore::Options options(const FakeDisk& disk) {
    return {.checkpoint_pages = 6, .vfs = disk.vfs()};
  }

  // All that was acknowledged is there, at most one group more, each whole; and the store goes on.
  void expect_survival(FakeDisk& disk, std::size_t acknowledged) {
    const auto store = SqliteStore::open(folder_, options(disk));
    ASSERT_TRUE(store) << store.error().to_string();
    const auto found = state_of(**store);
    const bool one_more = acknowledged < groups_.size() && found == states_[acknowledged + 1];
    EXPECT_TRUE(found == states_[acknowledged] || one_more) << acknowledged << " groups were acknowledged";
    EXPECT_TRUE((*store)->apply({{"t", "after", "x"}}));
  }

  const std::vector<std::vector<Store::Commit>> groups_ = history();
  const std::vector<std::map<std::string, std::string>> states_ = states_of(groups_);
};

TEST_F(PowerLossTest, AnAcknowledgedChangeSurvivesPowerLoss) {
  FakeDisk undisturbed;
  ASSERT_EQ(run_on(undisturbed, 1), groups_.size());
  Random random(7);
  int points = 0;
  for (int operation = 1; operation <= undisturbed.operations(); ++operation, ++points) {
    SCOPED_TRACE(fmt::format("power cut at operation {}", operation));
    FakeDisk disk;
    disk.fail_at(operation, Fault::kPowerCut);
    const std::size_t acknowledged = run_on(disk, 1);
    for (int drawn = 0; drawn < 3; ++drawn) {
      expect_survival(*disk.after_power_loss(random), acknowledged);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(points, 100);
  RecordProperty("crash_points", points);
}

TEST_F(PowerLossTest, AGroupIsTriedAgainAfterAnErrorOfTheDiskAndThenSurvives) {
  FakeDisk undisturbed;
  ASSERT_EQ(run_on(undisturbed, 1), groups_.size());
  Random random(8);
  for (int operation = 1; operation <= undisturbed.operations(); ++operation) {
    SCOPED_TRACE(fmt::format("error at operation {}", operation));
    FakeDisk disk;
    disk.fail_at(operation, Fault::kError);
    EXPECT_EQ(run_on(disk, 2), groups_.size());
    expect_survival(*disk.after_power_loss(random), groups_.size());
    if (HasFailure()) return;
  }
}

TEST_F(PowerLossTest, PowerLossAfterAnEarlierErrorOfTheDiskLosesNothingEither) {
  Random random(9);
  for (int round = 0; round < 100; ++round) {
    FakeDisk disk;
    disk.fail_at(1 + static_cast<int>(random.below(150)), Fault::kError);
    // The error comes in one life of the server, the cut in its next.
    const std::size_t before = run_on(disk, 2);
    ASSERT_EQ(before, groups_.size());
    const auto found = disk.after_power_loss(random);
    {
      const auto store = SqliteStore::open(folder_, options(*found)).value();
      found->fail_at(1 + static_cast<int>(random.below(20)), Fault::kPowerCut);
      // A value that differs each time: SQLite writes nothing for an equal one.
      int size = 3000;
      while (store->apply({{"t", "more", std::string(static_cast<std::size_t>(size), 'm')}})) ++size;
    }
    const auto again = found->after_power_loss(random);
    const auto store = SqliteStore::open(folder_, options(*again));
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_EQ((*store)->get("t", "last").value(), std::to_string(groups_.size() - 1)) << "round " << round;
  }
}

}  // namespace
}  // namespace headrace
