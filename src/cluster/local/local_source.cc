#include "cluster/local/local_source.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "base/log.h"
#include "cluster/local/checks.h"
#include "cluster/local/container_spec.h"
#include "cluster/local/listening.h"
#include "cluster/local/strands.h"
#include "docker/engine.h"
#include "world/files.h"

namespace headrace::cluster {
namespace {

constexpr Duration kLook = 2s;  // between looks at ports, agents and containers
constexpr std::uint64_t kLooksPerCount = 5;
constexpr Duration kRepeatStatus = 5s;  // an unacknowledged status is told again
constexpr size_t kLogTailBytes = 64 << 10, kResultBytes = 4 << 10;
constexpr std::string_view kResultMark = "::result::";
constexpr PortRange kPorts{20000, 31999};
constexpr int kLifecycleThreads = 8, kVolumeTries = 50;
constexpr Duration kVolumePause = 100ms;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

Wall wall_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

// The JSON after the mark on the last line that is not empty; empty where there is none.
std::string result_of(std::string_view log) {
  while (!log.empty() && (log.back() == '\n' || log.back() == '\r')) log.remove_suffix(1);
  const size_t start = log.rfind('\n');
  const std::string_view last = log.substr(start == std::string_view::npos ? 0 : start + 1);
  const size_t mark = last.find(kResultMark);
  if (mark == std::string_view::npos) return {};
  std::string_view result = last.substr(mark + kResultMark.size());
  while (!result.empty() && result.front() == ' ') result.remove_prefix(1);
  return result.size() <= kResultBytes ? std::string(result) : std::string();
}

class Local final : public LocalSource {
 public:
  Local(LocalOptions options, docker::Engine& engine, Secrets secrets, Sink sink)
      : options_(std::move(options)),
        engine_(engine),
        secrets_(std::move(secrets)),
        sink_(std::move(sink)),
        checks_(engine, [this](const TaskId& task, Health health,
                               const std::string& message) { on_check(task, health, message); }),
        strands_(kLifecycleThreads) {}

  ~Local() override {
    for (std::jthread* thread : {&look_thread_, &event_thread_}) thread->request_stop();
  }

  Status begin();
  void call(SourceCall call) override;
  Status unplug(const AgentId& agent) override { return set_plugged(agent, false); }
  Status plug(const AgentId& agent) override { return set_plugged(agent, true); }

  Status logs(const TaskId& task, const LogOptions& options,
              const std::function<bool(std::string_view, std::string_view)>& on_line,
              std::stop_token stop) override;
  Result<ExecResult> exec(const TaskId& task, const std::vector<std::string>& command,
                          Duration timeout) override;
  Result<TaskStatistics> statistics(const TaskId& task) override;

 private:
  struct Known {
    Adopted adopted;
    TaskStatus status;  // the latest
    bool unacknowledged = false;
    std::chrono::steady_clock::time_point told;
    bool killing = false;  // our stop: its end is kKilled
    bool was_ready = false;
  };

  void make_agents(const docker::Machine& machine);
  void look(std::stop_token stop);
  void count_containers();
  void connect();
  void adopt(const docker::Container& container);
  void offer_all();
  void follow_events(std::stop_token stop);

  void launch(const Launch& launch);
  void start_container(const Launch& launch);
  void start_created(const TaskId& task);
  void refuse_start(const TaskId& task, const Error& error);
  void kill(const Kill& kill);
  void destroy_volumes(const DestroyVolumes& destroy);
  void acknowledge(const AcknowledgeSource& acknowledged);
  void reconcile(const ReconcileTasks& asked);
  void clean_up(const TaskId& task);

  void on_started(const TaskId& task);
  void on_ended(const TaskId& task);
  void on_check(const TaskId& task, Health health, const std::string& message);
  void report(const TaskId& task, const std::function<void(TaskStatus&)>& change);
  TaskStatus ended_status(const Known& known, const docker::Container& container);
  std::string log_tail(const std::string& container);

  Result<std::vector<docker::Mount>> write_secrets(const Launch& launch);
  std::string secret_folder(const TaskId& task) const {
    return fmt::format("{}/{}/{}", options_.runtime_dir, options_.server_id, container_name(task));
  }
  Status set_plugged(const AgentId& agent, bool plugged);
  bool is_plugged(const AgentId& agent) const;  // mutex held
  std::string unplugged_file() const { return options_.state_dir + "/unplugged"; }

  LocalOptions options_;
  docker::Engine& engine_;
  Secrets secrets_;
  Sink sink_;
  SystemFiles files_;

  mutable std::mutex mutex_;
  std::vector<Agent> agents_;
  std::set<AgentId> unplugged_;
  std::map<TaskId, Known> known_;
  std::map<AgentId, std::vector<std::uint16_t>> offered_ports_;
  bool connected_ = false;
  std::atomic<std::uint64_t> next_id_{1};
  std::string run_id_;  // makes status and offer ids of this run unlike those of earlier ones

  Checks checks_;
  Strands strands_;
  std::condition_variable_any look_now_;
  std::jthread look_thread_, event_thread_;
};

Status Local::begin() {
  run_id_ = fmt::format("{:x}", wall_now().time_since_epoch().count());
  TRY_STATUS(files_.make_folder(options_.runtime_dir, {.mode = 0711}));
  TRY_STATUS(files_.make_folder(options_.runtime_dir + "/" + options_.server_id, {.mode = 0711}));
  if (files_.exists(unplugged_file())) {
    TRY(const std::string text, files_.read(unplugged_file()));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) unplugged_.insert(AgentId(line));
  }
  if (const auto machine = engine_.machine(); machine) {
    make_agents(*machine);
  } else {
    // The server starts without an engine and says so; the look thread goes on asking.
    log::warn("No Docker Engine: {}", machine.error().to_string());
  }
  look_thread_ = std::jthread([this](std::stop_token stop) { look(stop); });
  event_thread_ = std::jthread([this](std::stop_token stop) { follow_events(stop); });
  return {};
}

void Local::make_agents(const docker::Machine& machine) {
  const int count = std::max(1, options_.agents);
  const double cpus = options_.cpus > 0 ? options_.cpus : machine.cpus;
  // A tenth of the memory stays the machine's own.
  const Bytes memory = options_.memory.count > 0 ? options_.memory : Bytes{machine.memory.count / 10 * 9};
  Bytes disk = options_.disk;
  if (disk.count == 0) {
    const auto space = files_.space(options_.state_dir);
    disk = space ? space->free : Bytes::gib(100);
  }
  const std::scoped_lock lock(mutex_);
  agents_.clear();
  for (int i = 1; i <= count; ++i) {
    Agent agent{
        .id = AgentId(fmt::format("agent-{}", i)),
        .hostname = fmt::format("agent-{}", i),
        .address = fmt::format("127.0.0.{}", i),
        .total = {.cpus = cpus / count, .memory = {memory.count / count}, .disk = {disk.count / count}}};
    if (const auto given = options_.attributes.find(i); given != options_.attributes.end()) {
      agent.attributes = given->second;
    }
    agent.up = !unplugged_.contains(agent.id);
    if (!agent.up) agent.cause = "unplugged by `headrace agent unplug`";
    agents_.push_back(std::move(agent));
  }
}

// ---- Connection, offers ----

// One thread keeps the picture whole: connects, adopts, renews offers, tells statuses again.
void Local::look(std::stop_token stop) {
  std::uint64_t looks = 0;
  while (!stop.stop_requested()) {
    bool connected = false;
    {
      const std::scoped_lock lock(mutex_);
      connected = connected_;
    }
    const auto version = engine_.version();
    if (!version && connected) {
      {
        const std::scoped_lock lock(mutex_);
        connected_ = false;
      }
      sink_(SourceDisconnected{version.error().to_string()});
    }
    if (version && !connected) connect();
    if (version) offer_all();
    std::vector<TaskStatus> again;
    {
      const std::scoped_lock lock(mutex_);
      const auto now = std::chrono::steady_clock::now();
      for (auto& [id, known] : known_) {
        if (known.unacknowledged && now - known.told >= kRepeatStatus && is_plugged(known.adopted.agent)) {
          known.told = now;
          again.push_back(known.status);
        }
      }
    }
    for (TaskStatus& status : again) sink_(SourceStatus{std::move(status)});
    if (version && ++looks % kLooksPerCount == 0) count_containers();
    std::mutex waiting;
    std::unique_lock lock(waiting);
    look_now_.wait_for(lock, stop, kLook, [] { return false; });
  }
}

// Events of the engine can be missed (it was restarted, it dropped them): what does not run any more has
// ended.
void Local::count_containers() {
  const auto containers = engine_.list({"headrace.server=" + options_.server_id}, /*also_stopped=*/false);
  if (!containers) return;
  std::set<std::string> running;
  for (const docker::Container& container : *containers) running.insert(container.name);
  std::vector<TaskId> ended;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, known] : known_) {
      if (known.status.state == TaskState::kRunning && !running.contains(container_name(id)))
        ended.push_back(id);
    }
  }
  for (const TaskId& task : ended) strands_.post(task.str(), [this, task] { on_ended(task); });
}

void Local::connect() {
  const auto machine = engine_.machine();
  const auto containers = engine_.list({"headrace.server=" + options_.server_id}, /*also_stopped=*/true);
  if (!machine || !containers) return;
  if (agents_.empty()) make_agents(*machine);
  for (const docker::Container& container : *containers) adopt(container);
  std::vector<Agent> agents;
  {
    const std::scoped_lock lock(mutex_);
    connected_ = true;
    agents = agents_;
    offered_ports_.clear();
  }
  sink_(SourceConnected{std::move(agents)});
  look_now_.notify_all();
}

void Local::adopt(const docker::Container& container) {
  const auto adopted = adopted_from(container.labels);
  if (!adopted) return log::warn("{}", adopted.error().to_string());
  const TaskId task = adopted->task;
  {
    const std::scoped_lock lock(mutex_);
    if (known_.contains(task)) return;
    known_[task] = Known{.adopted = *adopted,
                         .status = {.task = task,
                                    .claim = adopted->claim.id,
                                    .agent = adopted->agent,
                                    .state = TaskState::kStarting,
                                    .at = wall_now(),
                                    .granted = adopted->claim}};
  }
  switch (container.state) {
    case docker::ContainerState::kCreated:
      // Create and start are one effect: a crash came between its halves.
      strands_.post(task.str(), [this, task] { start_created(task); });
      break;
    case docker::ContainerState::kExited:
    case docker::ContainerState::kDead: on_ended(task); break;
    default: on_started(task);
  }
}

void Local::offer_all() {
  std::vector<Offer> offers;
  {
    const std::scoped_lock lock(mutex_);
    for (const Agent& agent : agents_) {
      if (!agent.up) continue;
      std::set<std::uint16_t> ours;
      for (const auto& [id, known] : known_) {
        if (known.adopted.agent != agent.id) continue;
        for (const auto& [name, number] : known.adopted.claim.ports) ours.insert(number);
      }
      std::vector<std::uint16_t> taken;
      for (const std::uint16_t port : listening_ports(agent.address)) {
        if (port >= kPorts.first && port <= kPorts.second && !ours.contains(port)) taken.push_back(port);
      }
      const auto offered = offered_ports_.find(agent.id);
      if (offered != offered_ports_.end() && offered->second == taken) continue;
      offered_ports_[agent.id] = taken;
      offers.push_back({.id = OfferId(fmt::format("{}-{}", run_id_, next_id_++)),
                        .agent = agent,
                        .free = agent.total,
                        .ports = {kPorts},
                        .taken_ports = std::move(taken)});
    }
  }
  for (Offer& offer : offers) sink_(Offered{std::move(offer)});
}

void Local::follow_events(std::stop_token stop) {
  std::optional<docker::EngineTime> since;
  while (!stop.stop_requested()) {
    const docker::EventQuery query{
        .since = since, .labels = {"headrace.server=" + options_.server_id}, .actions = {"start", "die"}};
    (void)engine_.events(
        query,
        [&](const docker::Event& event) {
          since = event.time;
          const auto label = event.labels.find("headrace.task");
          if (label == event.labels.end()) return true;
          const TaskId task(label->second);
          strands_.post(task.str(), [this, task, died = event.action == "die"] {
            if (died) {
              on_ended(task);
            } else {
              on_started(task);
            }
          });
          return true;
        },
        stop);
    std::mutex waiting;
    std::unique_lock lock(waiting);
    std::condition_variable_any pause;
    pause.wait_for(lock, stop, 500ms, [] { return false; });
  }
}

// ---- Calls ----

void Local::call(SourceCall call) {
  std::visit(Overloaded{[&](Launch& each) {
                          {
                            const std::scoped_lock lock(mutex_);
                            if (!is_plugged(each.agent)) return;  // nobody there to hear it
                            // Known from now on, though nothing of it runs yet (offer.h, ReconcileTasks).
                            known_.try_emplace(each.task.id, Known{.adopted = {.task = each.task.id,
                                                                               .claim = each.claim,
                                                                               .agent = each.agent,
                                                                               .check = each.task.spec.check},
                                                                   .status = {.task = each.task.id,
                                                                              .claim = each.claim.id,
                                                                              .agent = each.agent,
                                                                              .state = TaskState::kStarting,
                                                                              .at = wall_now(),
                                                                              .granted = each.claim}});
                          }
                          const std::string key = each.task.id.str();
                          strands_.post(key, [this, launch = std::move(each)] { this->launch(launch); });
                        },
                        [&](Kill& each) {
                          const std::string key = each.task.str();
                          strands_.post(key, [this, kill = each] { this->kill(kill); });
                        },
                        [&](DestroyVolumes& each) {
                          const std::string key = "claim " + each.claim.str();
                          strands_.post(key, [this, destroy = each] { destroy_volumes(destroy); });
                        },
                        [&](AcknowledgeSource& each) {
                          const std::string key = each.task.str();
                          strands_.post(key, [this, acknowledged = each] { acknowledge(acknowledged); });
                        },
                        [&](ReconcileTasks& each) { reconcile(each); }, [](Decline&) {}},
             call);
}

void Local::launch(const Launch& launch) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(launch.task.id);
    if (found == known_.end() || found->second.killing || !is_plugged(launch.agent)) return;
    if (found->second.status.state != TaskState::kStarting) {
      const TaskStatus status = found->second.status;  // a repeated call is answered again
      return sink_(SourceStatus{status});
    }
  }
  start_container(launch);
}

void Local::start_container(const Launch& launch) {
  const TaskId& task = launch.task.id;
  const auto mounts = write_secrets(launch);
  if (!mounts) return refuse_start(task, mounts.error());
  // Volumes are made first, with our labels: by its labels a volume's owner is known.
  for (const VolumeWant& volume : launch.volumes) {
    const auto made = engine_.create_volume(
        volume_name(options_.server_id, launch.claim.id, volume.name),
        {{"headrace.server", options_.server_id}, {"headrace.claim", launch.claim.id.str()}});
    if (!made) return refuse_start(task, made.error());
  }
  const auto created = engine_.create(container_spec(options_.server_id, launch, *mounts));
  // A name in use: this task was created before a crash; starting is the other half of the same effect.
  if (!created && created.error().code != Code::kConflict) return refuse_start(task, created.error());
  start_created(task);
}

void Local::start_created(const TaskId& task) {
  if (const Status started = engine_.start(container_name(task)); !started)
    return refuse_start(task, started.error());
  on_started(task);
}

void Local::refuse_start(const TaskId& task, const Error& error) {
  clean_up(task);
  report(task, [&](TaskStatus& status) {
    status.state = TaskState::kFailed;
    status.message = "could not be started: " + error.to_string();
  });
}

void Local::kill(const Kill& kill) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(kill.task);
    if (found == known_.end() || !is_plugged(kill.agent)) return;
    if (is_terminal(found->second.status.state)) return sink_(SourceStatus{found->second.status});
    found->second.killing = true;
  }
  checks_.remove(kill.task);
  const Status stopped = engine_.stop(container_name(kill.task), kill.grace);
  if (!stopped && stopped.error().code != Code::kNotFound) {
    return log::warn("Stopping {} failed: {}", kill.task, stopped.error().to_string());
  }
  on_ended(kill.task);
}

void Local::destroy_volumes(const DestroyVolumes& destroy) {
  {
    const std::scoped_lock lock(mutex_);
    if (!is_plugged(destroy.agent)) return;
  }
  const auto volumes = engine_.list_volumes(
      {"headrace.server=" + options_.server_id, "headrace.claim=" + destroy.claim.str()});
  bool gone = volumes.has_value();
  for (const docker::Volume& volume : volumes ? *volumes : std::vector<docker::Volume>{}) {
    Status removed = engine_.remove_volume(volume.name);
    // The container that used it may be about to be removed, on a strand of its own.
    for (int tries = 0; !removed && removed.error().code == Code::kConflict && tries < kVolumeTries;
         ++tries) {
      std::this_thread::sleep_for(kVolumePause);
      removed = engine_.remove_volume(volume.name);
    }
    gone = gone && (removed || removed.error().code == Code::kNotFound);
  }
  if (gone) sink_(VolumesDestroyed{destroy.claim});  // else the book asks again
}

void Local::acknowledge(const AcknowledgeSource& acknowledged) {
  bool ended = false;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(acknowledged.task);
    if (found == known_.end() || found->second.status.id != acknowledged.status) return;
    found->second.unacknowledged = false;
    ended = is_terminal(found->second.status.state);
    if (ended) known_.erase(found);
  }
  if (ended) clean_up(acknowledged.task);
}

void Local::clean_up(const TaskId& task) {
  checks_.remove(task);
  if (const Status removed = engine_.remove(container_name(task), /*force=*/true);
      !removed && removed.error().code != Code::kNotFound) {
    log::warn("Removing the ended {} failed: {}", task, removed.error().to_string());
  }
  if (const Status removed = files_.remove(secret_folder(task)); !removed) {
    log::warn("Removing the secret files of {} failed: {}", task, removed.error().to_string());
  }
}

void Local::reconcile(const ReconcileTasks& asked) {
  std::vector<TaskStatus> statuses;
  Reconciled done{.round = asked.round};
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [task, agent] : asked.tasks) {
      if (!is_plugged(agent)) continue;
      const auto found = known_.find(task);
      if (found == known_.end()) {
        done.unknown.push_back(task);
      } else {
        statuses.push_back(found->second.status);
      }
    }
  }
  for (TaskStatus& status : statuses) sink_(SourceStatus{std::move(status)});
  sink_(std::move(done));
}

// ---- What happens to containers ----

void Local::report(const TaskId& task, const std::function<void(TaskStatus&)>& change) {
  TaskStatus status;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(task);
    if (found == known_.end() || is_terminal(found->second.status.state)) return;
    if (!is_plugged(found->second.adopted.agent)) return;
    Known& known = found->second;
    change(known.status);
    known.status.id = StatusId(fmt::format("{}-{}", run_id_, next_id_++));
    known.status.at = wall_now();
    known.unacknowledged = true;
    known.told = std::chrono::steady_clock::now();
    known.was_ready = known.was_ready || known.status.health == Health::kReady;
    status = known.status;
  }
  sink_(SourceStatus{std::move(status)});
}

void Local::on_started(const TaskId& task) {
  std::optional<Adopted> to_check;
  bool was_ready = false;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(task);
    if (found == known_.end() || found->second.status.state != TaskState::kStarting) return;
    if (found->second.killing) return;
    if (found->second.adopted.check) to_check = found->second.adopted;
    was_ready = found->second.was_ready;
  }
  report(task, [](TaskStatus& status) { status.state = TaskState::kRunning; });
  if (to_check) checks_.add(task, to_check->claim, *to_check->check, was_ready);
}

std::string Local::log_tail(const std::string& container) {
  std::string tail;
  (void)engine_.logs(container, {.tail = 500}, [&](docker::Output, std::string_view bytes) {
    tail += bytes;
    return tail.size() < 4 * kLogTailBytes;
  });
  if (tail.size() > kLogTailBytes) tail.erase(0, tail.size() - kLogTailBytes);
  return tail;
}

TaskStatus Local::ended_status(const Known& known, const docker::Container& container) {
  TaskStatus status = known.status;
  status.exit_code = container.exit_code;
  status.health = Health::kUnknown;
  status.log_tail = log_tail(container.id);
  status.result = result_of(status.log_tail);
  status.state = known.killing              ? TaskState::kKilled
                 : container.exit_code == 0 ? TaskState::kFinished
                                            : TaskState::kFailed;
  if (container.out_of_memory) {
    status.message = "killed by the kernel: it used more memory than it may";
  } else if (!container.error.empty()) {
    status.message = container.error;
  } else if (known.killing) {
    status.message = "stopped";
  } else {
    status.message = fmt::format("ended with exit code {}", container.exit_code);
  }
  return status;
}

void Local::on_ended(const TaskId& task) {
  checks_.remove(task);
  Known known;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(task);
    if (found == known_.end() || is_terminal(found->second.status.state)) return;
    if (!is_plugged(found->second.adopted.agent)) return;
    known = found->second;
  }
  const auto container = engine_.inspect(container_name(task));
  if (container && container->state == docker::ContainerState::kRunning) return;  // an older event
  if (!container && container.error().code != Code::kNotFound) return;  // asked again at the next look
  TaskStatus ended = known.status;
  if (container) {
    ended = ended_status(known, *container);
  } else {
    ended.state = known.killing ? TaskState::kKilled : TaskState::kFailed;
    ended.message = known.killing ? "stopped" : "its container was removed by somebody else";
  }
  report(task, [&](TaskStatus& status) { status = ended; });
}

void Local::on_check(const TaskId& task, Health health, const std::string& message) {
  strands_.post(task.str(), [this, task, health, message] {
    report(task, [&](TaskStatus& status) {
      if (status.state != TaskState::kRunning) return;
      status.health = health;
      status.message = message;
    });
  });
}

// ---- Secrets ----

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

// ---- Plugs ----

bool Local::is_plugged(const AgentId& agent) const {
  return !unplugged_.contains(agent);
}

Status Local::set_plugged(const AgentId& id, bool plugged) {
  Agent changed;
  std::vector<TaskId> tasks;
  {
    const std::scoped_lock lock(mutex_);
    const auto agent = std::ranges::find(agents_, id, &Agent::id);
    if (agent == agents_.end()) {
      std::vector<std::string> names;
      for (const Agent& each : agents_) names.push_back(each.id.str());
      return fail(Code::kNotFound, fmt::format("there is no agent {}", id),
                  fmt::format("agents: {}", fmt::join(names, ", ")));
    }
    if (agent->up == plugged) return {};
    std::string text;
    if (plugged) {
      unplugged_.erase(id);
    } else {
      unplugged_.insert(id);
    }
    for (const AgentId& each : unplugged_) text += each.str() + "\n";
    TRY_STATUS(files_.write(unplugged_file(), text));
    agent->up = plugged;
    agent->cause = plugged ? "" : "unplugged by `headrace agent unplug`";
    changed = *agent;
    offered_ports_.erase(id);
    for (const auto& [task, known] : known_) {
      if (known.adopted.agent == id) tasks.push_back(task);
    }
  }
  if (plugged) {
    sink_(SourceAgent{changed});
    // What a pulled plug ended is only now seen to have ended.
    for (const TaskId& task : tasks) strands_.post(task.str(), [this, task] { on_ended(task); });
    look_now_.notify_all();
    return {};
  }
  sink_(SourceAgent{changed});
  for (const TaskId& task : tasks) {
    checks_.remove(task);
    strands_.post(task.str(), [this, task] {
      if (const Status killed = engine_.kill(container_name(task), "SIGKILL"); !killed) {
        log::debug("Unplugging: {}", killed.error().to_string());
      }
    });
  }
  return {};
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
      if (c != '\n' && line.size() < kLogTailBytes) continue;
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
