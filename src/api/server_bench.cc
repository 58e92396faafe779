// The figures of the server as a whole (docs/figures.md): real managers, pump, SQLite with full sync, and
// HTTP; the agents are simulated and start at once what they are told to. Prints rows `what | target |
// measured`.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <semaphore>
#include <unordered_map>

#include "api/routes.h"
#include "api/v2/definition.h"
#include "http/client.h"
#include "http/server.h"
#include "store/sqlite_store.h"
#include "world/clock.h"
#include "world/entropy.h"

namespace headrace::api {
namespace {

namespace fs = std::filesystem;
using namespace cluster;
using Clock = std::chrono::steady_clock;

constexpr int kAgents = 5'000;
constexpr std::chrono::minutes kPatience{3};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double share(std::vector<double>& values, double at) {
  std::ranges::sort(values);
  const auto last = values.size() - 1;
  return values[std::min(last, static_cast<std::size_t>(static_cast<double>(values.size()) * at))];
}

void row(std::string_view what, std::string_view target, std::string_view measured) {
  fmt::print("{} | {} | {}\n", what, target, measured);
  std::fflush(stdout);
}

// Agents on which everything starts at once and fails when asked to. They outlive the server.
class Fleet {
 public:
  Fleet() {
    for (int number = 1; number <= kAgents; ++number) {
      const std::string name = fmt::format("agent-{}", number);
      agents_.push_back({.id = AgentId(name),
                         .hostname = name,
                         .address = "127.1.0.1",
                         .attributes = {{"rack", fmt::format("r{}", number % 40)}},
                         .total = {.cpus = 16, .memory = Bytes::gib(64), .disk = Bytes::gib(500)}});
    }
  }

  void connect(server::Pump& pump) {
    pump_ = &pump;
    pump.post(SourceConnected{agents_});
    for (const Agent& agent : agents_) {
      pump.post(Offered{{OfferId("offer-" + agent.id.str()), agent, agent.total, {{20000, 31999}}, {}}});
    }
  }

  // In the pump's writer thread.
  void call(const SourceCall& call) {
    const std::scoped_lock lock(mutex_);
    if (const auto* launch = std::get_if<Launch>(&call)) {
      ++launches_;
      TaskStatus& status = tasks_[launch->task.id];
      status = {.task = launch->task.id,
                .claim = launch->claim.id,
                .agent = launch->agent,
                .state = TaskState::kStarting,
                .granted = launch->claim};
      tell(status);
      status.state = TaskState::kRunning;
      tell(status);
    } else if (const auto* acknowledged = std::get_if<AcknowledgeSource>(&call)) {
      ++acknowledged_;
      const auto failed = failed_.find(acknowledged->status);
      if (failed != failed_.end()) handled_.push_back(seconds_since(failed->second));
    } else if (const auto* asked = std::get_if<ReconcileTasks>(&call)) {
      Reconciled answer{.round = asked->round};
      for (const auto& [task, agent] : asked->tasks) {
        const auto known = tasks_.find(task);
        if (known == tasks_.end()) {
          answer.unknown.push_back(task);
        } else {
          tell(known->second);
        }
      }
      pump_->post(std::move(answer));
    }
  }

  // A container dies; how long it takes until the server has stored that is kept.
  void fail_one(std::size_t number) {
    const std::scoped_lock lock(mutex_);
    const std::size_t bucket = number % tasks_.bucket_count();
    if (tasks_.begin(bucket) == tasks_.end(bucket)) return;
    TaskStatus status = tasks_.begin(bucket)->second;
    tasks_.erase(status.task);
    status.state = TaskState::kFailed;
    failed_[tell(status)] = Clock::now();
  }
  std::size_t unhandled() const {
    const std::scoped_lock lock(mutex_);
    return failed_.size() - handled_.size();
  }
  std::vector<double> handled() const { return handled_; }
  std::size_t launches() const { return launches_; }
  std::size_t acknowledged() const { return acknowledged_; }

 private:
  StatusId tell(TaskStatus& status) {
    status.id = StatusId(fmt::format("status-{}", ++statuses_));
    pump_->post(SourceStatus{status});
    return status.id;
  }

  std::vector<Agent> agents_;
  server::Pump* pump_ = nullptr;
  mutable std::mutex mutex_;
  std::unordered_map<TaskId, TaskStatus> tasks_;
  std::unordered_map<StatusId, Clock::time_point> failed_;
  std::vector<double> handled_;
  std::uint64_t statuses_ = 0;
  std::atomic<std::size_t> launches_ = 0, acknowledged_ = 0;
};

// Nothing of these figures looks into tasks.
class NoTasks : public TaskAccess {
  Status logs(const TaskId&, const LogOptions&,
              const std::function<bool(std::string_view, std::string_view)>&, std::stop_token) override {
    return fail(Code::kUnsupported, "simulated");
  }
  Result<ExecResult> exec(const TaskId&, const std::vector<std::string>&, Duration) override {
    return fail(Code::kUnsupported, "simulated");
  }
  Result<TaskStatistics> statistics(const TaskId&) override { return fail(Code::kUnsupported, "simulated"); }
};

// One life of a server.
class Life {
 public:
  Life(const fs::path& folder, Fleet& fleet)
      : store_(SqliteStore::open(folder).value()),
        vault_(server::Vault::open(*store_, entropy_, Secret(std::string(32, 'k'))).value()),
        pump_(*store_, clock_,
              server::load_managers(*store_,
                                    {.book = SourceTraits{.can_repeat_launch = true},
                                     .process = {},
                                     .seed = [this] { return entropy_.seed(); }},
                                    clock_.now())
                  .value(),
              {.source = [&fleet](const SourceCall& call) { fleet.call(call); }, .cluster = {}}, hub_),
        backend_{
            .pump = pump_,
            .events = hub_,
            .vault = *vault_,
            .tasks = tasks_,
            .clock = clock_,
            .entropy = entropy_,
            .facts = {.id = "bench", .version = {}, .cluster = "simulated", .address = {}, .started = {}},
            .resolve_image = [](const std::string& name) { return name; },
            .plug_agent = {},
            .metrics = {}},
        http_(make_router(backend_)),
        client_(http::Client::to("unix:" + (folder / "sock").string()).value()) {
    CHECK(http_.listen_unix((folder / "sock").string()).has_value());
    pump_.start();
    http_.start();
    fleet.connect(pump_);
  }
  ~Life() {
    http_.stop();
    pump_.stop();
  }

  static std::string definition(std::string_view name, int instances) {
    return fmt::format(
        R"json({{"id": "/{}", "args": ["serve"], "env": {{"A": "1", "B": "2"}}, "cpus": 0.1, "mem": 64,
      "instances": {}, "container": {{"docker": {{"image": "registry/web:1.2.3"}}}}}})json",
        name, instances);
  }

  http::Response request(const std::string& method, const std::string& target, const std::string& body = {}) {
    auto answer = client_.request(method, target, {}, body, kPatience);
    CHECK(answer.has_value());
    CHECK(answer->status < 300);
    return std::move(*answer);
  }

  // Many apps as fast as they are taken, 256 requests at once.
  void put(int apps, int instances) {
    constexpr int kAtOnce = 256;
    std::counting_semaphore<kAtOnce> free(kAtOnce);
    for (int app = 0; app < apps; ++app) {
      free.acquire();
      const std::string name = fmt::format("group-{}/app-{}", app % 100, app);
      pump_.ask(
          [spec = v2::parse_app(definition(name, instances)).value()](server::Managers& managers, Now now) {
            return managers.process().put({spec}, {}, /*must_be_new=*/true, /*force=*/false, now);
          },
          [&](const Result<process::Accepted>& accepted) {
            CHECK(accepted.has_value());
            free.release();
          });
    }
    for (int each = 0; each < kAtOnce; ++each) free.acquire();
  }

  static std::size_t running(const process::AppView& app) {
    return static_cast<std::size_t>(
        std::ranges::count_if(app.instances, [](const auto& each) { return each->ready; }));
  }
  std::size_t running() const {
    const auto snapshot = pump_.snapshot();
    std::size_t count = 0;
    for (const auto& app : *snapshot->apps) count += running(*app);
    return count;
  }
  bool all_run(const process::AppId& id, std::size_t instances) const {
    const auto app = pump_.snapshot()->app(id);
    return app && running(*app) == instances;
  }

  template <class Holds>
  static void until(Holds holds) {
    const auto deadline = Clock::now() + kPatience;
    while (!holds()) {
      CHECK(Clock::now() < deadline, "what a figure waits for does not come");
      std::this_thread::sleep_for(1ms);
    }
  }

 private:
  SystemClock clock_;
  SystemEntropy entropy_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<server::Vault> vault_;
  server::EventHub hub_;
  server::Pump pump_;
  NoTasks tasks_;
  Backend backend_;
  http::Server http_;
  http::Client client_;
};

// In a folder below the working one: /tmp may be memory.
class Folder {
 public:
  Folder() {
    char path[] = "server-bench-XXXXXX";
    CHECK(mkdtemp(path) != nullptr);
    path_ = path;
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void one_app() {
  constexpr int kRounds = 5, kInstances = 500;
  const Folder folder;
  Fleet fleet;
  Life life(folder.path(), fleet);
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = fmt::format("big-{}", round);
    const process::AppId id("/" + name);
    const auto start = Clock::now();
    life.request("POST", "/v2/apps", Life::definition(name, kInstances));
    Life::until([&] { return life.all_run(id, kInstances); });
    times.push_back(seconds_since(start));
  }
  row("one app of 500 instances, request to all running, 5,000 simulated agents", "≤ 2 s",
      fmt::format("median {:.2f} s of {}", share(times, 0.5), kRounds));
}

void restart() {
  constexpr int kRounds = 5, kTasks = 20'000;
  const Folder folder;
  Fleet fleet;
  std::vector<double> times;
  for (int round = 0; round <= kRounds; ++round) {
    const std::size_t acknowledged = fleet.acknowledged();
    const auto start = Clock::now();
    Life life(folder.path(), fleet);
    if (round == 0) {
      life.put(kTasks / 10, 10);
      Life::until([&] { return life.running() == kTasks; });
      continue;
    }
    // Every task was asked for, its answer stored and acknowledged.
    Life::until([&] { return fleet.acknowledged() >= acknowledged + kTasks; });
    CHECK(life.running() == kTasks);
    times.push_back(seconds_since(start));
  }
  CHECK(fleet.launches() == kTasks, "a restart started something again");
  row("restart with 20,000 tasks to a correct view, no relaunch", "≤ 2 s",
      fmt::format("median {:.2f} s of {}", share(times, 0.5), kRounds));
}

double peak_gigabytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) * 1024 / 1e9;
  }
  return 0;
}

void many_apps() {
  constexpr int kApps = 10'000, kTasks = 100'000, kAnswers = 10;
  const Folder folder;
  Fleet fleet;
  Life life(folder.path(), fleet);
  const auto start = Clock::now();
  life.put(kApps, 10);
  Life::until([&] { return life.running() == kTasks; });
  const double took = seconds_since(start);
  row("10,000 apps of 10, requests to all running", "",
      fmt::format("{:.1f} s, {:.0f} tasks a second", took, kTasks / took));
  std::vector<double> answers;
  {
    std::jthread deaths([&](std::stop_token stop) {
      for (std::size_t number = 0; !stop.stop_requested(); number += 7919) {
        fleet.fail_one(number);
        std::this_thread::sleep_for(10ms);
      }
    });
    for (int number = 0; number < kAnswers; ++number) {
      std::this_thread::sleep_for(500ms);
      const auto begun = Clock::now();
      const auto answer = life.request("GET", "/v2/apps");
      answers.push_back(seconds_since(begun));
      CHECK(answer.body.size() > kApps * std::size_t{500});
    }
  }
  Life::until([&] { return fleet.unhandled() == 0; });
  std::vector<double> events = fleet.handled();
  row("10,000 apps, 100,000 tasks: memory, the simulated agents' included", "< 4 GB",
      fmt::format("{:.2f} GB", peak_gigabytes()));
  row("`GET /v2/apps` of them, while 100 tasks a second die", "≤ 1 s",
      fmt::format("median {:.2f} s, max {:.2f} s of {}", share(answers, 0.5), share(answers, 1), kAnswers));
  row("a task's death to its being stored and acknowledged, meanwhile", "p99 ≤ 100 ms",
      fmt::format("p50 {:.0f} ms, p99 {:.0f} ms of {}", share(events, 0.5) * 1e3, share(events, 0.99) * 1e3,
                  events.size()));
}

// Each component uses the two before it.
environment::BlueprintSource big_blueprint(int components) {
  environment::BlueprintSource source;
  std::string interfaces, uses;
  for (int i = 0; i < components; ++i) {
    interfaces += fmt::format("  i{}/v1: {{ address: string }}\n", i);
    uses += fmt::format("  c{}: {{}}\n", i);
    std::string needs, env = "A: a";
    for (int j = std::max(0, i - 2); j < i; ++j) {
      needs += fmt::format("  r{0}: {{ type: i{0}/v1 }}\n", j);
      env += fmt::format(", R{0}: \"${{{{ requires.r{0}.address }}}}\"", j);
    }
    if (i > 0) needs = "requires:\n" + needs;
    const std::string address = "${{ services.s.members.map(m, m.address).join(',') }}";
    source.files[fmt::format("components/c{}.yaml", i)] = fmt::format(
        "component: c{0}\nversion: 1.0.0\n{1}provides:\n  p: {{ type: i{0}/v1, address: \"{2}\" }}\n"
        "services:\n  s: {{ image: a, env: {{ {3} }} }}\n",
        i, needs, address, env);
  }
  source.files["blueprint.yaml"] =
      "blueprint: big\nversion: 1.0.0\ndescription: Big\nimages: { a: x/a }\ninterfaces:\n" + interfaces +
      "components:\n" + uses;
  return source;
}

void plan() {
  constexpr int kRounds = 9, kComponents = 1'000;
  environment::Wish wish{.name = environment::EnvironmentId("big"), .source = big_blueprint(kComponents)};
  const environment::Loaded loaded = environment::load_blueprint(wish.source);
  for (const Error& error : loaded.errors) fmt::print(stderr, "{}\n", error.to_string());
  CHECK(loaded.blueprint != nullptr);
  wish.blueprint = loaded.blueprint;
  wish.images = {{"a", "sha256:a"}};
  const Now now = SystemClock().now();
  auto manager = environment::EnvironmentManager::create({}, 1, {}, now).value();
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    const auto planned = manager->plan(wish, now);
    times.push_back(seconds_since(start));
    CHECK(planned.has_value());
    CHECK(planned->answer.steps.size() == 2 * kComponents);
  }
  row("plan of 1,000 components", "≤ 50 ms",
      fmt::format("median {:.0f} ms of {}", share(times, 0.5) * 1e3, kRounds));
}

}  // namespace
}  // namespace headrace::api

int main() {
  using namespace headrace::api;
  plan();
  one_app();
  restart();
  many_apps();
}
