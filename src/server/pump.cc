#include "server/pump.h"

#include <algorithm>
#include <cstdlib>

#include "base/log.h"

namespace headrace::server {
namespace {

// Inputs taken into one group at most: bounds how long an answer waits for its neighbours.
constexpr size_t kInputsPerGroup = 256;
// Groups decided but not yet stored: more would only grow memory while the disk is slow.
constexpr size_t kGroupsAhead = 4;
constexpr Duration kRetryStore = 1s;

}  // namespace

Pump::Pump(Store& store, const Clock& clock, std::unique_ptr<Managers> managers, Effects effects,
           EventHub& hub)
    : store_(store), clock_(clock), managers_(std::move(managers)), effects_(std::move(effects)), hub_(hub) {}

Pump::~Pump() {
  stop();
}

void Pump::start() {
  post_task([](Managers& managers, Now now) { return managers.on_start(now); });
  writer_thread_ = std::jthread([this](std::stop_token stop) { run_writer(stop); });
  manager_thread_ = std::jthread([this](std::stop_token stop) { run_managers(stop); });
}

void Pump::stop() {
  // The managers stop first, then the writer drains what they decided.
  for (std::jthread* thread : {&manager_thread_, &writer_thread_}) {
    if (!thread->joinable()) continue;
    thread->request_stop();
    thread->join();
  }
}

void Pump::post(cluster::SourceEvent event) {
  post_task(
      [event = std::move(event)](Managers& managers, Now now) { return managers.on_source(event, now); });
}

void Pump::post(cluster::Event event) {
  post_task(
      [event = std::move(event)](Managers& managers, Now now) { return managers.on_cluster(event, now); });
}

void Pump::post_task(Task task) {
  {
    const std::scoped_lock lock(mutex_);
    inputs_.push_back(std::move(task));
  }
  inputs_changed_.notify_one();
}

std::optional<Error> Pump::store_refusal() const {
  const std::scoped_lock lock(mutex_);
  if (!store_cause_) return std::nullopt;
  return Error{Code::kUnavailable,
               "The state cannot be stored now: " + store_cause_->sentence,
               store_cause_->remedy,
               {},
               {}};
}

std::shared_ptr<const Snapshot> Pump::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return durable_snapshot_;
}

std::optional<Cause> Pump::store_cause() const {
  const std::scoped_lock lock(mutex_);
  return store_cause_;
}

Pump::Counters Pump::counters() const {
  const std::scoped_lock lock(mutex_);
  return counters_;
}

void Pump::run_managers(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::vector<Task> tasks;
    {
      std::unique_lock lock(mutex_);
      const auto has_work = [&] { return !inputs_.empty() && groups_.size() < kGroupsAhead; };
      if (const auto deadline = managers_->next_deadline()) {
        const Duration wait = std::max(Duration::zero(), *deadline - clock_.now().mono);
        inputs_changed_.wait_for(lock, stop, wait, has_work);
      } else {
        inputs_changed_.wait(lock, stop, has_work);
      }
      if (stop.stop_requested()) return;
      if (groups_.size() >= kGroupsAhead) continue;
      while (!inputs_.empty() && tasks.size() < kInputsPerGroup) {
        tasks.push_back(std::move(inputs_.front()));
        inputs_.pop_front();
      }
      counters_.inputs += tasks.size();
    }
    Group group;
    const auto take = [&](Managers::Turn turn) {
      std::ranges::move(turn, std::back_inserter(group.commits));
    };
    for (Task& task : tasks) take(task(*managers_, clock_.now()));
    const Now now = clock_.now();
    if (const auto deadline = managers_->next_deadline(); deadline && *deadline <= now.mono) {
      take(managers_->on_time(now));
    }
    group.answers = std::exchange(answers_, {});
    group.snapshot = latest_ = render(managers_->take_touched());
    {
      const std::scoped_lock lock(mutex_);
      groups_.push_back(std::move(group));
    }
    groups_changed_.notify_one();
  }
}

std::shared_ptr<const Snapshot> Pump::render(const Touched& touched) {
  if (touched.apps.empty() && !touched.environments && !touched.agents) return latest_;
  auto next = std::make_shared<Snapshot>(*latest_);
  ++next->sequence;
  if (!touched.apps.empty()) {
    auto apps = std::make_shared<Snapshot::Apps>(*latest_->apps);
    std::vector<process::AppId> ids = touched.apps;
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    for (const process::AppId& id : ids) {
      auto place = Snapshot::place(*apps, id);
      if (place != apps->end() && (*place)->id == id) place = apps->erase(place);
      if (auto view = managers_->process().app(id))
        apps->insert(place, std::make_shared<const process::AppView>(std::move(*view)));
    }
    next->apps = std::move(apps);
    next->deployments =
        std::make_shared<const std::vector<process::DeploymentView>>(managers_->process().deployments());
  }
  if (touched.environments) {
    next->environments = std::make_shared<const std::vector<environment::EnvironmentView>>(
        managers_->environment().environments());
    next->operations = std::make_shared<const std::vector<environment::OperationView>>(
        managers_->environment().operations());
  }
  std::vector<AgentView> agents;
  for (const auto& agent : managers_->process().agents()) {
    const auto granted = managers_->book() ? managers_->book()->granted_on(agent->id) : cluster::Resources{};
    agents.push_back({agent, granted});
  }
  next->agents = std::make_shared<const std::vector<AgentView>>(std::move(agents));
  return next;
}

void Pump::run_writer(std::stop_token stop) {
  while (true) {
    Group group;
    {
      std::unique_lock lock(mutex_);
      groups_changed_.wait(lock, stop, [&] { return !groups_.empty(); });
      if (groups_.empty()) return;
      group = std::move(groups_.front());
      groups_.pop_front();
    }
    inputs_changed_.notify_one();
    make_durable(group, stop);
    if (stop.stop_requested() && store_cause()) return;  // never let out what is not stored
    let_out(group);
  }
}

// Nobody waits for a full disk: who asked is told that it is decided, and why it is not done.
void Pump::answer_late(Group& group, const Error& error) {
  std::vector<Answer> answers = std::exchange(group.answers, {});
  {
    const std::scoped_lock lock(mutex_);
    for (Group& next : groups_)
      std::ranges::move(std::exchange(next.answers, {}), std::back_inserter(answers));
  }
  const Error late{Code::kUnavailable,
                   "The state cannot be stored now: " + error.message + ". This is done once it can be",
                   error.remedy,
                   {},
                   {}};
  for (const Answer& answer : answers) answer(&late);
}

void Pump::make_durable(Group& group, std::stop_token stop) {
  std::vector<Store::Commit> commits;
  for (const TurnCommit& commit : group.commits) {
    if (!commit.writes.empty()) commits.push_back(commit.writes);
  }
  if (commits.empty()) return;
  std::mutex waiting;
  std::condition_variable_any retry;
  while (true) {
    const Status stored = store_.apply_group(commits);
    {
      const std::scoped_lock lock(mutex_);
      if (stored) {
        store_cause_.reset();
        counters_.commits += commits.size();
        ++counters_.groups;
        return;
      }
      ++counters_.failed_groups;
      if (!store_cause_) {
        log::error("The state cannot be stored: {}. Trying again every second.", stored.error().to_string());
        store_cause_ = Cause{"store-unavailable", stored.error().message, clock_.now().wall, std::nullopt,
                             stored.error().remedy};
      }
    }
    if (stored.error().code == Code::kCorrupt) {
      log::error("The state is corrupt: {}", stored.error().to_string());
      std::_Exit(70);  // EX_SOFTWARE: going on could only spread the damage
    }
    answer_late(group, stored.error());
    std::unique_lock lock(waiting);
    retry.wait_for(lock, stop, kRetryStore, [] { return false; });
    if (stop.stop_requested()) return;
  }
}

void Pump::let_out(Group& group) {
  {
    const std::scoped_lock lock(mutex_);
    if (group.snapshot) durable_snapshot_ = group.snapshot;
  }
  for (TurnCommit& commit : group.commits) {
    for (cluster::SourceCall& call : commit.source_calls) effects_.source(std::move(call));
    for (cluster::Call& call : commit.cluster_calls) effects_.cluster(std::move(call));
    for (process::AppEvent& event : commit.app_events) {
      hub_.publish({.source = HubEvent::Source::kProcess,
                    .type = std::move(event.type),
                    .subject = event.app.str(),
                    .json = std::move(event.json)});
    }
    for (environment::EnvironmentEvent& event : commit.environment_events) {
      hub_.publish({.source = HubEvent::Source::kEnvironment,
                    .type = std::move(event.type),
                    .subject = event.environment.str(),
                    .operation = event.operation.str(),
                    .json = std::move(event.json)});
    }
  }
  for (const Answer& answer : group.answers) answer(nullptr);
}

}  // namespace headrace::server
