#include "cluster/local/local_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/log.h"
#include "cluster/local/listening.h"
#include "cluster/local/probe.h"
#include "cluster/local/virtual_agents.h"
#include "docker/engine.h"
#include "world/clock.h"
#include "world/files.h"

namespace headrace::cluster {
namespace {

constexpr int kThreads = 12;  // a stop occupies one for as long as its grace
constexpr Duration kStreamPause = 500ms;
constexpr std::size_t kLongestLine = 64 << 10;

class Local final : public LocalSource {
 public:
  Local(LocalOptions options, docker::Engine& engine, Secrets secrets, Sink sink)
      : options_(std::move(options)),
        engine_(engine),
        secrets_(std::move(secrets)),
        sink_(std::move(sink)),
        around_{.server_id = options_.server_id,
                .show_secrets = [this](const Launch& launch) { return write_secrets(launch); },
                .hide_secrets = [this](const TaskId& task) { remove_secrets(task); },
                .listening = [](const std::string& address) { return listening_ports(address); },
                .probe = probe} {}

  ~Local() override {
    for (std::jthread& thread : threads_) thread.request_stop();
  }

  Status begin();
  void call(SourceCall call) override {
    take([&](Now now) { return agents_->on_call(call, now); });
  }
  Status unplug(const AgentId& agent) override { return set_plugged(agent, false); }
  Status plug(const AgentId& agent) override { return set_plugged(agent, true); }

  Status logs(const TaskId& task, const LogOptions& options,
              const std::function<bool(std::string_view, std::string_view)>& on_line,
              std::stop_token stop) override;
  Result<ExecResult> exec(const TaskId& task, const std::vector<std::string>& command,
                          Duration timeout) override;
  Result<TaskStatistics> statistics(const TaskId& task) override;

 private:
  template <class Decide>
  void take(Decide decide);
  void let_out(VirtualAgents::Turn turn);  // mutex held
  void do_deeds(std::stop_token stop);
  void keep_time(std::stop_token stop);
  void follow_events(std::stop_token stop);

  Result<std::vector<docker::Mount>> write_secrets(const Launch& launch);
  void remove_secrets(const TaskId& task);
  std::string secret_folder(const TaskId& task) const {
    return fmt::format("{}/{}/{}", options_.runtime_dir, options_.server_id, container_name(task));
  }
  Status set_plugged(const AgentId& agent, bool plugged);
  std::string unplugged_file() const { return options_.state_dir + "/unplugged"; }

  LocalOptions options_;
  docker::Engine& engine_;
  Secrets secrets_;
  Sink sink_;
  Surroundings around_;
  SystemFiles files_;
  SystemClock clock_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<VirtualAgents> agents_;
  std::deque<Deed> deeds_;
  std::vector<std::jthread> threads_;
};

Status Local::begin() {
  TRY_STATUS(files_.make_folder(options_.runtime_dir, {.mode = 0711}));
  TRY_STATUS(files_.make_folder(options_.runtime_dir + "/" + options_.server_id, {.mode = 0711}));
  VirtualAgents::Options agents{.agents = std::max(1, options_.agents),
                                .run = fmt::format("{:x}", clock_.now().wall.time_since_epoch().count()),
                                .attributes = options_.attributes,
                                .cpus = options_.cpus,
                                .memory = options_.memory,
                                .disk = options_.disk,
                                .unplugged = {}};
  if (agents.disk.count == 0) {
    const auto space = files_.space(options_.state_dir);
    agents.disk = space ? space->free : Bytes::gib(100);
  }
  if (files_.exists(unplugged_file())) {
    TRY(const std::string text, files_.read(unplugged_file()));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) agents.unplugged.insert(AgentId(line));
  }
  agents_.emplace(std::move(agents));
  // The server starts without an engine and says so; the looks go on asking.
  take([&](Now now) { return agents_->on_start(now); });
  for (int i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this](std::stop_token stop) { do_deeds(stop); });
  }
  threads_.emplace_back([this](std::stop_token stop) { keep_time(stop); });
  threads_.emplace_back([this](std::stop_token stop) { follow_events(stop); });
  return {};
}

// ---- The edge ------------------------------------------------------------------------------------

template <class Decide>
void Local::take(Decide decide) {
  const std::scoped_lock lock(mutex_);
  let_out(decide(clock_.now()));
}

void Local::let_out(VirtualAgents::Turn turn) {
  for (SourceEvent& event : turn.events) sink_(std::move(event));
  for (Deed& deed : turn.deeds) deeds_.push_back(std::move(deed));
  changed_.notify_all();
}

void Local::do_deeds(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !deeds_.empty(); }) && !stop.stop_requested()) {
    Deed deed = std::move(deeds_.front());
    deeds_.pop_front();
    lock.unlock();
    const AnyDone done = perform(std::move(deed), engine_, around_);
    lock.lock();
    let_out(agents_->on_done(done, clock_.now()));
  }
}

void Local::keep_time(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto due = agents_->next_deadline();
    const Duration wait = due ? *due - clock_.now().mono : Duration::max();
    if (wait <= 0ms) {
      let_out(agents_->on_time(clock_.now()));
    } else if (due) {
      changed_.wait_for(lock, stop, wait, [&] { return agents_->next_deadline() != due; });
    } else {
      changed_.wait(lock, stop, [&] { return agents_->next_deadline().has_value(); });
    }
  }
}

void Local::follow_events(std::stop_token stop) {
  docker::EngineTime since = std::chrono::system_clock::now();
  while (!stop.stop_requested()) {
    const docker::EventQuery query{
        .since = since, .labels = {"headrace.server=" + options_.server_id}, .actions = {"die"}};
    (void)engine_.events(
        query,
        [&](const docker::Event& event) {
          since = event.time;
          const auto task = event.labels.find("headrace.task");
          if (task == event.labels.end()) return true;
          take([&](Now now) { return agents_->on_died(TaskId(task->second), now); });
          return true;
        },
        stop);
    std::unique_lock lock(mutex_);
    std::condition_variable_any pause;
    pause.wait_for(lock, stop, kStreamPause, [] { return false; });
    if (!stop.stop_requested()) let_out(agents_->on_missed(clock_.now()));
  }
}

Status Local::set_plugged(const AgentId& agent, bool plugged) {
  const std::scoped_lock lock(mutex_);
  TRY(const auto unplugged, agents_->unplugged_with(agent, plugged));
  std::string text;
  for (const AgentId& each : unplugged) text += each.str() + "\n";
  TRY_STATUS(files_.write(unplugged_file(), text));
  let_out(agents_->on_plug(agent, plugged, clock_.now()));
  return {};
}

// ---- Secrets -------------------------------------------------------------------------------------

Result<std::vector<docker::Mount>> Local::write_secrets(const Launch& launch) {
  std::vector<docker::Mount> mounts;
  if (launch.task.spec.secrets.empty()) return mounts;
  std::string user = launch.task.spec.user;
  if (user.empty()) {
    TRY(const docker::Image image, engine_.inspect_image(launch.task.spec.image));
    user = image.user;
  }
  unsigned id = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), id);
  const bool is_number = !user.empty() && error == std::errc{};
  const std::string folder = secret_folder(launch.task.id);
  TRY_STATUS(files_.make_folder(folder, {.mode = 0711}));
  int number = 0;
  for (const SecretFile& file : launch.task.spec.secrets) {
    TRY(const Secret secret, secrets_(file.secret));
    const std::string path = fmt::format("{}/{}", folder, number++);
    // A user known only inside the image cannot own the file; then every user of that container may read it.
    TRY_STATUS(files_.write(path, secret.reveal(),
                            {.mode = is_number || user.empty() ? 0400u : 0444u, .owner = FileOwner{id, id}}));
    mounts.push_back(
        {.kind = docker::Mount::Kind::kBind, .source = path, .target = file.path, .read_only = true});
  }
  return mounts;
}

void Local::remove_secrets(const TaskId& task) {
  if (const Status removed = files_.remove(secret_folder(task)); !removed) {
    log::warn("Removing the secret files of {} failed: {}", task, removed.error().to_string());
  }
}

// ---- TaskAccess ----

Status Local::logs(const TaskId& task, const LogOptions& options,
                   const std::function<bool(std::string_view, std::string_view)>& on_line,
                   std::stop_token stop) {
  docker::LogQuery query{.follow = options.follow, .timestamps = options.timestamps};
  if (options.tail >= 0) query.tail = options.tail;
  std::map<docker::Output, std::string> begun;  // lines whose end has not come yet
  const auto word = [](docker::Output output) {
    return output == docker::Output::kStderr ? "stderr" : "stdout";
  };
  const auto take = [&](docker::Output output, std::string_view bytes) {
    std::string& line = begun[output];
    for (const char c : bytes) {
      if (c != '\n') line += c;
      if (c != '\n' && line.size() < kLongestLine) continue;
      if (!on_line(word(output), std::exchange(line, {}))) return false;
    }
    return true;
  };
  TRY_STATUS(engine_.logs(container_name(task), query, take, std::move(stop)));
  for (const auto& [output, line] : begun) {
    if (!line.empty() && !on_line(word(output), line)) break;
  }
  return {};
}

Result<ExecResult> Local::exec(const TaskId& task, const std::vector<std::string>& command,
                               Duration timeout) {
  TRY(docker::ExecResult done, engine_.exec(container_name(task), command, timeout, Bytes::mib(1)));
  return ExecResult{done.exit_code, done.out + done.err};
}

Result<TaskStatistics> Local::statistics(const TaskId& task) {
  TRY(const docker::Usage usage, engine_.usage(container_name(task)));
  return TaskStatistics{std::chrono::duration<double>(usage.cpu).count(), usage.memory};
}

}  // namespace

Result<std::unique_ptr<LocalSource>> LocalSource::start(LocalOptions options, docker::Engine& engine,
                                                        Secrets secrets, Sink sink) {
  auto local = std::make_unique<Local>(std::move(options), engine, std::move(secrets), std::move(sink));
  TRY_STATUS(local->begin());
  return local;
}

}  // namespace headrace::cluster
