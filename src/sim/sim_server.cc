#include "sim/sim_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "sim/ledger.h"

namespace headrace::sim {
namespace {

constexpr Duration kRetryStore = 1s;
// Deadlines that are due again and again at one moment: a loop that would burn a real CPU.
constexpr int kWakesAtOnce = 10'000;

}  // namespace

void SimServer::boot() {
  ++life_;
  const Now now = queue_.now();
  auto loaded = server::load_managers(
      store_, {.book = wiring_.book, .process = wiring_.process, .seed = [this] { return random_.next(); }},
      now);
  if (!loaded) throw Violation("the managers do not read their records: " + loaded.error().to_string());
  managers_ = std::move(*loaded);
  wiring_.booted();
  take(managers_->on_start(now));
}

void SimServer::crash() {
  ++counts_.crashes;
  ++life_;
  managers_.reset();
  if (sync_planned_ && !store_.is_failing()) {
    const std::size_t written = random_.below(group_.commits.size() + 1);
    for (std::size_t at = 0; at < written; ++at) (void)store_.apply(group_.commits[at].writes);
  }
  group_ = {};
  sync_planned_ = store_cause_ = false;
  wakes_at_.reset();
  wiring_.crashed();
}

bool SimServer::ask(const std::function<Decided(server::Managers&, Now)>& decide,
                    std::function<void()> durable) {
  if (!is_up() || store_cause_) return false;
  Decided decided = decide(*managers_, queue_.now());
  if (!decided) return false;
  take(
      std::visit([&](auto& commit) { return managers_->absorb(std::move(commit), queue_.now()); }, *decided));
  group_.answers.push_back(std::move(durable));
  return true;
}

bool SimServer::survives_step() {
  if (++steps_ != crash_after_) return true;
  sync_planned_ = false;  // exactly what was counted is durable
  crash();
  return false;
}

void SimServer::take(server::Managers::Turn turn) {
  std::ranges::move(turn, std::back_inserter(group_.commits));
  const server::Touched touched = managers_->take_touched();
  wiring_.observed(*managers_, touched);
  plan_sync(between(random_, 0ms, 4ms));
  wake_in_time();
}

void SimServer::plan_sync(Duration delay) {
  if (sync_planned_) return;
  sync_planned_ = true;
  queue_.after(delay, [this, life = life_] {
    if (life == life_) sync();
  });
}

void SimServer::sync() {
  sync_planned_ = false;
  if (store_.is_failing()) {
    (void)store_.apply_group({});
    store_cause_ = true;
    return plan_sync(kRetryStore);
  }
  store_cause_ = false;
  Group group = std::exchange(group_, {});
  for (server::TurnCommit& commit : group.commits) {
    if (commit.writes.empty()) continue;
    (void)store_.apply(std::move(commit.writes));
    if (!survives_step()) return;
  }
  for (const server::TurnCommit& commit : group.commits) {
    for (const cluster::SourceCall& call : commit.source_calls) {
      ++counts_.effects;
      wiring_.source(call);
      if (!survives_step()) return;
    }
    for (const cluster::Call& call : commit.cluster_calls) {
      ++counts_.effects;
      wiring_.cluster(call);
      if (!survives_step()) return;
    }
  }
  for (const auto& answer : group.answers) {
    answer();
    if (!survives_step()) return;
  }
}

void SimServer::wake_in_time() {
  const auto deadline = managers_->next_deadline();
  if (!deadline || (wakes_at_ && *wakes_at_ <= *deadline)) return;
  wakes_without_progress_ = *deadline <= queue_.time() ? wakes_without_progress_ + 1 : 0;
  if (wakes_without_progress_ > kWakesAtOnce) throw Violation("a deadline is due again without end");
  wakes_at_ = std::max(*deadline, queue_.time());
  queue_.at(*wakes_at_, [this, life = life_, at = *wakes_at_] {
    if (life != life_ || wakes_at_ != at) return;
    wakes_at_.reset();
    take(managers_->on_time(queue_.now()));
  });
}

}  // namespace headrace::sim
