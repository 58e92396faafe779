// What every form of Store must do, once for all of them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/random.h"
#include "store/memory_store.h"
#include "store/sqlite_store.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class InMemory {
 public:
  Store& store() { return store_; }

 private:
  MemoryStore store_;
};

class InSqlite {
 public:
  InSqlite() {
    char path[] = "/tmp/headrace-store-XXXXXX";
    CHECK(mkdtemp(path) != nullptr);
    folder_ = path;
    store_ = SqliteStore::open(folder_).value();
  }
  ~InSqlite() { std::filesystem::remove_all(folder_); }
  Store& store() { return *store_; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<SqliteStore> store_;
};

template <class Form>
class StoreContract : public testing::Test {
 protected:
  Store& store() { return form_.store(); }
  void put(std::string table, std::string key, std::string value) {
    ASSERT_TRUE(store().apply({{std::move(table), std::move(key), std::move(value)}}));
  }
  std::vector<std::string> keys(std::string_view table, std::string_view prefix = {}) {
    std::vector<std::string> out;
    for (const Entry& entry : store().scan(table, prefix).value()) out.push_back(entry.key);
    return out;
  }

 private:
  Form form_;
};

using Forms = testing::Types<InMemory, InSqlite>;
TYPED_TEST_SUITE(StoreContract, Forms);

TYPED_TEST(StoreContract, WhatIsWrittenIsReadUnderItsTableAndKeyOnly) {
  this->put("apps", "/a", "one");
  EXPECT_EQ(this->store().get("apps", "/a").value(), "one");
  EXPECT_EQ(this->store().get("apps", "/b").value(), std::nullopt);
  EXPECT_EQ(this->store().get("tasks", "/a").value(), std::nullopt);
  EXPECT_THAT(this->store().scan("tasks").value(), IsEmpty());
}

TYPED_TEST(StoreContract, ALaterWriteOfACommitWins) {
  ASSERT_TRUE(this->store().apply({{"t", "a", "1"},
                                   {"t", "b", "1"},
                                   {"t", "a", "2"},
                                   {"t", "b", std::nullopt},
                                   {"t", "c", std::nullopt}}));
  EXPECT_THAT(this->store().scan("t").value(), ElementsAre(Entry{"a", "2"}));
}

TYPED_TEST(StoreContract, DeletingWhatIsAbsentIsNoError) {
  EXPECT_TRUE(this->store().apply({{"t", "a", std::nullopt}}));
  EXPECT_TRUE(this->store().apply({}));
  EXPECT_TRUE(this->store().apply_group({}));
}

TYPED_TEST(StoreContract, TheCommitsOfAGroupActInOrder) {
  const std::vector<Store::Commit> group = {
      {{"t", "a", "1"}, {"t", "b", "1"}}, {}, {{"t", "a", std::nullopt}}, {{"t", "b", "2"}}};
  ASSERT_TRUE(this->store().apply_group(group));
  EXPECT_THAT(this->store().scan("t").value(), ElementsAre(Entry{"b", "2"}));
}

TYPED_TEST(StoreContract, ScanGivesKeysInTheOrderOfTheirUnsignedBytes) {
  for (const char* key : {"b", "a", "\xff", "a/b", "\x7f", "a.b", "B", ""}) this->put("t", key, "x");
  EXPECT_THAT(this->keys("t"), ElementsAre("", "B", "a", "a.b", "a/b", "b", "\x7f", "\xff"));
}

TYPED_TEST(StoreContract, APrefixChoosesKeysByBytesNotByPathOrPattern) {
  for (const char* key : {"a", "a/", "a/1", "a/2", "a0", "a%", "b", "\xff", "\xff\xff", "\xff\x01"})
    this->put("t", key, "x");
  EXPECT_THAT(this->keys("t", "a/"), ElementsAre("a/", "a/1", "a/2"));
  EXPECT_THAT(this->keys("t", "a%"), ElementsAre("a%"));
  EXPECT_THAT(this->keys("t", "c"), IsEmpty());
  EXPECT_THAT(this->keys("t", "\xff"), ElementsAre("\xff", "\xff\x01", "\xff\xff"));
  EXPECT_THAT(this->keys("t", "\xff\xff"), ElementsAre("\xff\xff"));
}

TYPED_TEST(StoreContract, KeysAndValuesAreAnyBytesOfAnyLength) {
  const std::string key("k\0\x01\xfe", 4), value("\0v\0", 3), large(3 << 20, '\xaa');
  this->put("t", key, value);
  this->put("t", "empty", "");
  this->put("t", "large", large);
  EXPECT_EQ(this->store().get("t", key).value(), value);
  EXPECT_EQ(this->store().get("t", "empty").value(), "");
  EXPECT_EQ(this->store().get("t", "large").value(), large);
  EXPECT_THAT(this->keys("t", std::string("k\0", 2)), ElementsAre(key));
}

TYPED_TEST(StoreContract, ARandomHistoryEndsAsInAPlainMap) {
  Random random(20261123);
  std::map<std::string, std::string> model;
  for (int i = 0; i < 300; ++i) {
    std::vector<Store::Commit> group(random.below(4));
    for (auto& commit : group) {
      for (auto n = random.below(5); n > 0; --n) {
        const std::string key = std::to_string(random.below(40));
        if (random.chance(0.3)) {
          commit.push_back({"t", key, std::nullopt});
          model.erase(key);
        } else {
          commit.push_back({"t", key, std::string(random.below(900), static_cast<char>('a' + i % 26))});
          model[key] = *commit.back().value;
        }
      }
    }
    ASSERT_TRUE(this->store().apply_group(group));
  }
  std::map<std::string, std::string> seen;
  for (Entry& entry : this->store().scan("t").value()) seen[entry.key] = entry.value;
  EXPECT_EQ(seen, model);
}

TYPED_TEST(StoreContract, CallsFromSeveralThreadsAreServedOneAfterAnother) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 25; ++i) {
        // Both or neither: a reader never sees a half of a commit.
        EXPECT_TRUE(this->store().apply(
            {{"t", "left", fmt::format("{}.{}", t, i)}, {"t", "right", fmt::format("{}.{}", t, i)}}));
        const auto seen = this->store().scan("t").value();
        EXPECT_EQ(seen[0].value, seen[1].value);
      }
    });
  }
}

}  // namespace
}  // namespace headrace
