// Placement with 5,000 agents, every decision durable (design section 13): gangs of one want through the
// claim book into a SQLite store with full sync, in groups as the server's pump makes them. Prints decisions
// per second of one core, on empty agents and on agents that are 90 % full.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>

#include "base/random.h"
#include "cluster/offers/claim_book.h"
#include "store/sqlite_store.h"

namespace headrace::cluster {
namespace {

constexpr int kAgents = 5'000;
constexpr int kDecisions = 20'000;
constexpr int kGroup = 256;
constexpr Now kNow{};

class Bench {
 public:
  explicit Bench(Store& store)
      : store_(store), book_(*ClaimBook::create({.can_repeat_launch = true}, 1, {}, kNow)) {
    book_->on_call(Reconcile{}, kNow);
    book_->on_source(SourceConnected{}, kNow);
    for (int number = 1; number <= kAgents; ++number) {
      const Resources total{.cpus = 16, .memory = Bytes::gib(64), .disk = Bytes::gib(500)};
      const std::string name = fmt::format("agent-{}", number);
      const Agent agent{.id = AgentId(name),
                        .hostname = name,
                        .address = "127.1.0.1",
                        .attributes = {{"rack", fmt::format("r{}", number % 40)}},
                        .total = total};
      book_->on_source(Offered{{OfferId(name), agent, total, {{20000, 32767}}, {}}}, kNow);
    }
  }

  // Places so many and returns how many were granted.
  int place(int decisions, double cpus, std::vector<Constraint> constraints = {}) {
    int granted = 0;
    std::vector<Store::Commit> group;
    for (int each = 0; each < decisions; ++each) {
      const int number = ++number_;
      const Want want{.id = ClaimId(fmt::format("claim-{}", number)),
                      .group = fmt::format("/app-{}", number % 200),
                      .resources = {.cpus = cpus,
                                    .memory = Bytes{static_cast<std::int64_t>(cpus * (4LL << 30))},
                                    .disk = {}},
                      .ports = {{.name = "http"}},
                      .constraints = constraints};
      BookCommit commit = book_->on_call(ClaimGang{{GangId(fmt::format("gang-{}", number)), {want}}}, kNow);
      for (const Event& event : commit.events) granted += std::holds_alternative<Granted>(event) ? 1 : 0;
      group.push_back(std::move(commit.writes));
      if (group.size() == kGroup || each + 1 == decisions) {
        CHECK(store_.apply_group(group).has_value());
        group.clear();
      }
    }
    return granted;
  }

 private:
  Store& store_;
  std::unique_ptr<ClaimBook> book_;
  int number_ = 0;
};

void measure(std::string_view name, Bench& bench, const std::vector<Constraint>& constraints = {}) {
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t cpu = std::clock();
  const int granted = bench.place(kDecisions, 0.2, constraints);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double cpu_seconds = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  CHECK(granted == kDecisions);
  fmt::print("{:<34} {:>8.0f} placements/s  ({:.2f} s wall, {:.2f} s CPU)\n", name, kDecisions / seconds,
             seconds, cpu_seconds);
}

void run() {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("headrace-bench-{}", getpid());
  for (const bool full : {false, true}) {
    auto durable = SqliteStore::open(folder);
    CHECK(durable.has_value());
    Bench bench(**durable);
    if (full) CHECK(bench.place(kAgents * 16 * 9 / 10, 1) == kAgents * 16 * 9 / 10);
    const std::string state = full ? "90 % full" : "empty";
    measure(state, bench);
    measure(state + ", UNIQUE rack preferred", bench, {{"rack", Operator::kUnique, "", true}});
    durable->reset();
    std::filesystem::remove_all(folder);
  }
}

}  // namespace
}  // namespace headrace::cluster

int main() {
  headrace::cluster::run();
}
