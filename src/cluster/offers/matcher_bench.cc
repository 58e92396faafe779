// Placement with 5,000 agents, every decision durable (design section 13): gangs of one want through the
// claim book into a SQLite store with full sync, in groups as the server's pump makes them, all in one
// thread. Prints rows `what | target | measured`: decisions a second on empty agents and on agents that are
// 90 % full.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "cluster/offers/claim_book.h"
#include "store/sqlite_store.h"

namespace headrace::cluster {
namespace {

constexpr int kAgents = 5'000;
constexpr int kDecisions = 20'000;
constexpr int kGroup = 256;
constexpr int kFull = kAgents * 16 * 9 / 10;
constexpr int kRounds = 3;
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

// Decisions a second, in a store of its own below the working folder: /tmp may be memory.
double rate(bool full, const std::vector<Constraint>& constraints) {
  char folder[] = "placement-bench-XXXXXX";
  CHECK(mkdtemp(folder) != nullptr);
  double seconds = 0;
  {
    auto durable = SqliteStore::open(folder);
    CHECK(durable.has_value());
    Bench bench(**durable);
    if (full) CHECK(bench.place(kFull, 1) == kFull);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(bench.place(kDecisions, 0.2, constraints) == kDecisions);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  std::filesystem::remove_all(folder);
  return kDecisions / seconds;
}

void run() {
  for (const auto& [constraints, name] :
       {std::pair<std::vector<Constraint>, const char*>{{}, ""},
        {{{"rack", Operator::kUnique, "", true}}, ", rack UNIQUE preferred"}}) {
    std::vector<double> empty, full;
    for (int round = 0; round < kRounds; ++round) {
      empty.push_back(rate(false, constraints));
      full.push_back(rate(true, constraints));
    }
    std::ranges::nth_element(empty, empty.begin() + kRounds / 2);
    std::ranges::nth_element(full, full.begin() + kRounds / 2);
    const double a = empty[kRounds / 2], b = full[kRounds / 2];
    fmt::print(
        "placement, 5,000 simulated agents, every decision durable{} | ≥ 10,000/s on one core | "
        "median {:.0f}/s of {}\n",
        name, a, kRounds);
    fmt::print("the same on agents 90 % full{} | ≥ 0.8 of empty | median {:.0f}/s, ratio {:.2f}\n", name, b,
               b / a);
  }
}

}  // namespace
}  // namespace headrace::cluster

int main() {
  headrace::cluster::run();
}
