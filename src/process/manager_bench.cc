// Figures of the process manager alone (docs/figures.md): many apps and tasks, one app of many instances, a
// restart. The cluster answers at once; every record is kept, as a store would.
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <deque>
#include <map>

#include "process/process_manager.h"

namespace headrace::process {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_gigabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

class Server {
 public:
  Server() { restart(); }

  void restart() {
    std::vector<Record> records;
    for (const auto& [key, value] : records_) records.push_back({key.first, key.second, value});
    auto made = ProcessManager::create({}, ++seed_, records, now_);
    CHECK(made.has_value());
    manager_ = std::move(*made);
    apply(manager_->on_start(now_));
    settle();
  }

  void put(int app, int instances) {
    AppSpec spec{.id = AppId(fmt::format("/group-{}/app-{}", app % 100, app))};
    Service service{.instances = instances};
    service.settings.task = {
        .image = "registry/web:1.2.3", .args = {"serve"}, .env = {{"A", "1"}, {"B", "2"}}};
    spec.kind = std::move(service);
    spec.ports = {{.name = "http"}};
    auto decision = manager_->put({std::move(spec)}, {}, true, false, now_);
    CHECK(decision.has_value());
    apply(std::move(decision->commit));
    settle();
  }

  int commits = 0;
  int started = 0;

 private:
  void apply(Commit commit) {
    for (Write& write : commit.writes) {
      if (write.value) {
        records_[{write.table, write.key}] = std::move(*write.value);
      } else {
        records_.erase({write.table, write.key});
      }
    }
    for (AppView& view : commit.changed) views_[view.id] = std::move(view);
    commits += 1;
    for (const cluster::Call& call : commit.calls) answer(call);
  }

  void answer(const cluster::Call& call) {
    using cluster::TaskState;
    if (const auto* gang = std::get_if<cluster::ClaimGang>(&call)) {
      const cluster::Want& want = gang->gang.wants.front();
      cluster::TaskStatus status{.task = want.task->id, .claim = want.id, .agent = agent_, .at = now_.wall};
      status.granted =
          cluster::Claim{.id = want.id, .agent = agent_, .address = "127.1.0.1", .ports = {{"http", 31000}}};
      for (const TaskState state : {TaskState::kStarting, TaskState::kRunning}) {
        status.id = cluster::StatusId(std::to_string(++statuses_));
        status.state = state;
        events_.push_back(status);
      }
      live_[want.task->id] = status;
      started += 1;
    } else if (const auto* reconcile = std::get_if<cluster::Reconcile>(&call)) {
      for (const cluster::TaskId& task : reconcile->tasks) events_.push_back(live_.at(task));
      events_.push_back(cluster::Ready{});
    }
  }

  void settle() {
    for (; !events_.empty(); events_.pop_front()) apply(manager_->on_cluster(events_.front(), now_));
  }

  std::uint64_t seed_ = 0;
  int statuses_ = 0;
  Now now_{Monotonic(std::chrono::hours(1)), Wall(std::chrono::hours(500'000))};
  cluster::AgentId agent_{"agent-1"};
  std::map<std::pair<std::string, std::string>, std::string> records_;
  std::map<AppId, AppView> views_;
  std::map<cluster::TaskId, cluster::TaskStatus> live_;
  std::deque<cluster::Event> events_;
  std::unique_ptr<ProcessManager> manager_;
};

void run() {
  {
    Server server;
    const auto start = Clock::now();
    server.put(0, 500);
    fmt::print("one app of 500 instances, request to all running: {:.3f} s, {} commits\n",
               seconds_since(start), server.commits);
  }
  {
    Server server;
    auto start = Clock::now();
    for (int app = 0; app < 2'000; ++app) server.put(app, 10);
    fmt::print("2,000 apps of 10: {:.2f} s, {:.0f} commits/s\n", seconds_since(start),
               server.commits / seconds_since(start));
    start = Clock::now();
    server.restart();
    CHECK(server.started == 20'000, "a restart relaunched something");
    fmt::print("restart with 20,000 tasks to a correct view: {:.2f} s\n", seconds_since(start));
  }
  Server server;
  const auto start = Clock::now();
  for (int app = 0; app < 10'000; ++app) server.put(app, 10);
  fmt::print("10,000 apps, 100,000 tasks: {:.1f} s, peak {:.2f} GB with records and the cluster's side\n",
             seconds_since(start), peak_gigabytes());
}

}  // namespace
}  // namespace headrace::process

int main() {
  headrace::process::run();
}
