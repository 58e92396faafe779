// What a durable change costs: one commit, a group of them, and reading everything at a start.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "store/sqlite_store.h"

namespace headrace {
namespace {

// In a folder below the working one: /tmp may be memory.
class Bench {
 public:
  Bench() {
    char path[] = "store-bench-XXXXXX";
    CHECK(mkdtemp(path) != nullptr);
    folder_ = path;
    store_ = SqliteStore::open(folder_).value();
  }
  ~Bench() { std::filesystem::remove_all(folder_); }
  SqliteStore& store() { return *store_; }
  void reopen() {
    store_.reset();
    store_ = SqliteStore::open(folder_).value();
  }
  // The next commit of one record of 600 bytes, new or changed.
  Store::Commit next(std::int64_t keys) {
    const auto key = static_cast<std::uint32_t>(count_++ % keys) * 2654435761u;
    return {{"instance", fmt::format("/app/{:08x}", key), fmt::format("{:0>600}", count_)}};
  }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<SqliteStore> store_;
  std::int64_t count_ = 0;
};

void commits_in_groups(benchmark::State& state) {
  Bench bench;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Store::Commit> group;
    for (std::int64_t i = 0; i < state.range(0); ++i) group.push_back(bench.next(100'000));
    state.ResumeTiming();
    CHECK(bench.store().apply_group(group).has_value());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(commits_in_groups)->Arg(1)->Arg(10)->Arg(50)->Arg(200)->Arg(1000)->UseRealTime();

void start_with_records(benchmark::State& state) {
  Bench bench;
  std::vector<Store::Commit> group;
  for (std::int64_t i = 0; i < state.range(0); ++i) group.push_back(bench.next(state.range(0)));
  CHECK(bench.store().apply_group(group).has_value());
  for (auto _ : state) {
    bench.reopen();
    CHECK(std::cmp_equal(bench.store().scan("instance").value().size(), state.range(0)));
  }
}
BENCHMARK(start_with_records)->Arg(20'000)->Arg(100'000)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace headrace

BENCHMARK_MAIN();
