// For the tests of this module: a cluster whose behaviour a test scripts, and a world that stores what the
// manager wants stored, hands calls over, and may crash the manager after any commit.
//
// The fake keeps to the contract of cluster.h and checks the caller's side of it: no second life under one
// claim, nothing claimed or started before Ready, no release under a living task.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "process/process_manager.h"

namespace headrace::process::testing {

using cluster::TaskState;

class FakeCluster {
 public:
  struct FakeTask {
    cluster::Task task;
    cluster::Claim claim;
    std::string group;
    bool run_claim = false;
    bool live = true;
    cluster::TaskStatus last;
    bool unacknowledged = false;
  };

  // ---- Script ----
  bool grants = true;                       // else gangs stay pending
  bool runs = true;                         // else tasks stay in kStarting
  bool passes = true;                       // checks pass at once
  bool stops = true;                        // else a stop is not answered
  bool answers_tasks = true;                // else Reconcile says nothing of tasks
  std::set<std::string> fails_at_once;      // groups whose tasks end with exit code 1
  std::set<std::uint16_t> taken_ports;      // on every agent
  std::optional<cluster::Waiting> refusal;  // told for pending gangs

  // ---- What it has ----
  std::deque<cluster::Event> events;
  std::map<cluster::GangId, cluster::Gang> pending;
  std::map<cluster::ClaimId, cluster::Claim> claims;  // of slots
  std::map<cluster::ClaimId, std::string> claim_groups;
  std::set<cluster::ClaimId> parked, destroyed;
  bool withholds = false;  // answers of releases
  std::deque<cluster::Event> withheld;
  std::map<cluster::TaskId, FakeTask> tasks;
  std::vector<cluster::Task> started;  // every task ever, in order
  std::vector<cluster::Gang> gangs;    // every gang ever asked for
  int changes = 0;
  int acknowledged = 0;
  bool ready = false;

  void on_call(const cluster::Call& call) {
    std::visit([this](const auto& each) { on(each); }, call);
  }

  void say(const cluster::TaskId& id, TaskState state, cluster::Health health = cluster::Health::kUnknown,
           std::optional<int> exit_code = std::nullopt, std::string message = {}) {
    FakeTask& task = tasks.at(id);
    cluster::TaskStatus status{.id = cluster::StatusId("s" + std::to_string(++statuses_)),
                               .task = id,
                               .claim = task.claim.id,
                               .agent = *task.claim.agent,
                               .state = state,
                               .health = health,
                               .exit_code = exit_code,
                               .message = std::move(message)};
    if (task.run_claim) status.granted = task.claim;
    if (cluster::is_terminal(state)) task.live = false;
    task.last = status;
    task.unacknowledged = true;
    events.push_back(status);
  }
  void end(const cluster::TaskId& id, int exit_code, std::string result = {}, std::string log_tail = {}) {
    say(id, exit_code == 0 ? TaskState::kFinished : TaskState::kFailed, cluster::Health::kUnknown, exit_code,
        exit_code == 0 ? "" : "Container exited");
    auto& status = std::get<cluster::TaskStatus>(events.back());
    status.result = std::move(result);
    status.log_tail = std::move(log_tail);
    tasks.at(id).last = status;
  }
  void lose(const cluster::ClaimId& id) {
    claims.erase(id);
    events.push_back(cluster::ClaimLost{id, "agent-1 is gone for good"});
  }
  // Grants what is pending after all.
  void grant_all() {
    grants = true;
    for (const auto& [id, gang] : std::map(pending)) try_gang(gang);
  }
  void run_all() {
    runs = true;
    for (auto& [id, task] : tasks) {
      if (task.live && task.last.state == TaskState::kStarting) run(id);
    }
  }

  std::vector<cluster::TaskId> live(std::string_view group = {}) const {
    std::vector<cluster::TaskId> ids;
    for (const auto& [id, task] : tasks) {
      if (task.live && (group.empty() || task.group == group)) ids.push_back(id);
    }
    return ids;
  }

 private:
  void on(const cluster::ClaimGang& call) {
    EXPECT_TRUE(ready) << "claimed before Ready";
    gangs.push_back(call.gang);
    if (pending.contains(call.gang.id)) return try_gang(call.gang);
    cluster::Granted again{.gang = call.gang.id};
    for (const cluster::Want& want : call.gang.wants) {
      if (claims.contains(want.id) && !parked.contains(want.id)) again.claims.push_back(claims.at(want.id));
      if (want.task && tasks.contains(want.task->id)) again.claims.push_back(tasks.at(want.task->id).claim);
    }
    if (!again.claims.empty()) return events.push_back(again);
    try_gang(call.gang);
  }
  std::optional<cluster::Waiting> reason_against(const cluster::Gang& gang) const {
    for (const cluster::Want& want : gang.wants) {
      for (const cluster::PortWant& port : want.ports) {
        if (!port.number || !taken_ports.contains(*port.number)) continue;
        return cluster::Waiting{
            {}, "port-taken", "taken", {{cluster::AgentId("agent-1"), "port-taken", "taken"}}};
      }
    }
    return refusal;
  }
  void try_gang(const cluster::Gang& gang) {
    std::optional<cluster::Waiting> why = reason_against(gang);
    if (!grants || why) {
      pending[gang.id] = gang;
      if (why) {
        why->gang = gang.id;
        events.push_back(*why);
      }
      return;
    }
    pending.erase(gang.id);
    cluster::Granted granted{.gang = gang.id};
    for (const cluster::Want& want : gang.wants) {
      cluster::Claim claim{.id = want.id, .agent = cluster::AgentId("agent-1"), .address = "127.1.0.1"};
      for (const cluster::PortWant& port : want.ports) {
        claim.ports[port.name] =
            port.number.value_or(static_cast<std::uint16_t>(40000 + next_port_++ % 9999));
      }
      granted.claims.push_back(claim);
      parked.erase(want.id);
      if (!want.task) {
        claims[want.id] = claim;
        claim_groups[want.id] = want.group;
      }
    }
    events.push_back(granted);
    for (std::size_t i = 0; i < gang.wants.size(); ++i) {
      if (gang.wants[i].task) start(*gang.wants[i].task, granted.claims[i], gang.wants[i].group, true);
    }
  }
  void on(const cluster::WithdrawGang& call) { pending.erase(call.gang); }
  void on(const cluster::ChangeClaim& call) {
    EXPECT_TRUE(ready);
    ASSERT_TRUE(claims.contains(call.claim));
    EXPECT_FALSE(lives_under(call.claim)) << "changed under a living task";
    changes += 1;
    events.push_back(cluster::Changed{claims.at(call.claim)});
  }
  void on(const cluster::StartTask& call) {
    EXPECT_TRUE(ready) << "started before Ready";
    if (tasks.contains(call.task.id)) return;
    if (!claims.contains(call.claim)) {
      return events.push_back(cluster::TaskStatus{.task = call.task.id,
                                                  .claim = call.claim,
                                                  .state = TaskState::kFailed,
                                                  .message = "claim is not held"});
    }
    ASSERT_FALSE(lives_under(call.claim)) << "two lives of one slot: " << call.task.id;
    start(call.task, claims.at(call.claim), claim_groups.at(call.claim), false);
  }
  void on(const cluster::StopTask& call) {
    const auto found = tasks.find(call.task);
    if (found == tasks.end()) {
      events.push_back(cluster::TaskStatus{.task = call.task, .state = TaskState::kKilled});
    } else if (stops && found->second.live && found->second.last.state != TaskState::kUnreachable) {
      say(call.task, TaskState::kKilled, cluster::Health::kUnknown, 137);
    }
  }
  void on(const cluster::ReleaseClaim& call) {
    EXPECT_TRUE(ready) << "released before Ready";
    EXPECT_FALSE(lives_under(call.claim)) << "released under a living task";
    if (call.volumes == cluster::Volumes::kDestroy) {
      destroyed.insert(call.claim);
      parked.erase(call.claim);
      claims.erase(call.claim);
    } else {
      parked.insert(call.claim);
    }
    (withholds ? withheld : events).push_back(cluster::Released{call.claim});
  }
  void on(const cluster::AcknowledgeStatus& call) {
    acknowledged += 1;
    const auto found = tasks.find(call.task);
    if (found != tasks.end() && found->second.last.id == call.status) found->second.unacknowledged = false;
  }
  void on(const cluster::Reconcile& call) {
    ready = false;
    for (auto& [id, task] : tasks) {
      const bool asked = std::ranges::find(call.tasks, id) != call.tasks.end();
      if (answers_tasks && (asked || task.unacknowledged)) events.push_back(task.last);
    }
    events.push_back(cluster::Ready{});
    for (const auto& [id, gang] : pending) {
      auto why = reason_against(gang).value_or(cluster::Waiting{{}, "no-cpus", "No agent has room.", {}});
      why.gang = id;
      events.push_back(std::move(why));
    }
  }

  bool lives_under(const cluster::ClaimId& claim) const {
    return std::ranges::any_of(
        tasks, [&](const auto& each) { return each.second.live && each.second.claim.id == claim; });
  }
  void start(const cluster::Task& task, const cluster::Claim& claim, const std::string& group,
             bool run_claim) {
    started.push_back(task);
    tasks[task.id] = {.task = task, .claim = claim, .group = group, .run_claim = run_claim};
    say(task.id, TaskState::kStarting);
    if (fails_at_once.contains(group)) return end(task.id, 1);
    if (runs) run(task.id);
  }
  void run(const cluster::TaskId& id) {
    say(id, TaskState::kRunning);
    if (tasks.at(id).task.spec.check && passes) say(id, TaskState::kRunning, cluster::Health::kReady);
  }

  int statuses_ = 0;
  int next_port_ = 0;
};

// The manager with its store, its cluster and its clock.
class World {
 public:
  explicit World(Options options = {}) : options_(options) { restart(); }

  // Crashes the manager right after its n-th commit is durable: its calls are lost (before) or handed over.
  int crash_at = 0;
  bool calls_survive = false;

  FakeCluster cluster;
  std::map<AppId, AppView> views;
  std::vector<AppEvent> events;
  int commits = 0;

  ProcessManager& manager() { return *manager_; }
  Now now() const { return now_; }
  const std::map<std::pair<std::string, std::string>, std::string>& records() const { return records_; }

  void restart() {
    std::vector<Record> records;
    for (const auto& [key, value] : records_) records.push_back({key.first, key.second, value});
    auto made = ProcessManager::create(options_, ++seed_, records, now_);
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    manager_ = std::move(*made);
    views.clear();
    for (AppView& view : manager_->apps()) views[view.id] = std::move(view);
    cluster.events.clear();
    apply(manager_->on_start(now_));
  }

  // One commit: durable, then its effects, unless the crash comes between.
  void apply(Commit commit) {
    for (Write& write : commit.writes) {
      if (write.value) {
        records_[{write.table, write.key}] = std::move(*write.value);
      } else {
        records_.erase({write.table, write.key});
      }
    }
    for (AppView& view : commit.changed) views[view.id] = std::move(view);
    for (const AppId& id : commit.removed) views.erase(id);
    std::ranges::move(commit.events, std::back_inserter(events));
    commits += 1;
    const bool crashes = commits == crash_at;
    if (!crashes || calls_survive) {
      for (const cluster::Call& call : commit.calls) cluster.on_call(call);
    }
    if (crashes) restart();
  }

  // Until nobody has anything to say.
  void settle() {
    for (int i = 0; !cluster.events.empty(); ++i) {
      ASSERT_LT(i, 1'000'000);
      const cluster::Event event = std::move(cluster.events.front());
      cluster.events.pop_front();
      if (std::holds_alternative<cluster::Ready>(event)) cluster.ready = true;
      apply(manager_->on_cluster(event, now_));
    }
  }
  void pass(Duration time) {
    const Monotonic end = now_.mono + time;
    settle();
    while (manager_->next_deadline() && *manager_->next_deadline() <= end) {
      advance_to(std::max(now_.mono, *manager_->next_deadline()));
      apply(manager_->on_time(now_));
      settle();
    }
    advance_to(end);
  }

  Result<Accepted> put(std::vector<AppSpec> specs, const Owner& owner = {}, bool force = false) {
    auto decision = manager_->put(std::move(specs), owner, false, force, now_);
    if (!decision) return fail(std::move(decision).error());
    apply(std::move(decision->commit));
    settle();
    return decision->answer;
  }
  Result<Accepted> remove(const std::string& app, cluster::Volumes volumes = cluster::Volumes::kKeep,
                          const Owner& owner = {}) {
    auto decision = manager_->remove({AppId(app)}, volumes, owner, now_);
    if (!decision) return fail(std::move(decision).error());
    apply(std::move(decision->commit));
    settle();
    return decision->answer;
  }
  template <class T>
  Result<T> carry_out(Result<Decision<T>> decision) {
    if (!decision) return fail(std::move(decision).error());
    apply(std::move(decision->commit));
    settle();
    return decision->answer;
  }

  const AppView& view(const std::string& app) { return views.at(AppId(app)); }
  const InstanceView& instance(const std::string& app, std::size_t index = 0) {
    return *view(app).instances.at(index);
  }
  int ready(const std::string& app) {
    if (!views.contains(AppId(app))) return 0;
    const auto& all = view(app).instances;
    return static_cast<int>(std::ranges::count_if(all, [](const InstanceView& each) { return each.ready; }));
  }
  DeploymentView deployment(const DeploymentId& id) {
    for (DeploymentView& each : manager_->deployments()) {
      if (each.id == id) return each;
    }
    ADD_FAILURE() << "no deployment " << id;
    return {};
  }

 private:
  void advance_to(Monotonic time) {
    now_.wall += time - now_.mono;
    now_.mono = time;
  }

  Options options_;
  std::uint64_t seed_ = 0;
  Now now_{Monotonic(1h), Wall(std::chrono::sys_days(std::chrono::year(2026) / 11 / 23))};
  std::map<std::pair<std::string, std::string>, std::string> records_;
  std::unique_ptr<ProcessManager> manager_;
};

// ---- Specs ---------------------------------------------------------------------------------------

inline AppSpec service(const std::string& id, int instances, const std::string& image = "web:1") {
  AppSpec spec{.id = AppId(id)};
  spec.kind = Service{.instances = instances, .settings = {{.image = image}}};
  return spec;
}

inline AppSpec run_once(const std::string& id, std::optional<Duration> timeout = std::nullopt) {
  AppSpec spec{.id = AppId(id)};
  spec.kind = RunOnce{.settings = {{.image = "job:1"}}, .timeout = timeout};
  return spec;
}

// Slots that are only claimed, or run `version` where one is given.
inline AppSpec slots(const std::string& id, int count, const std::string& version = {}) {
  AppSpec spec{.id = AppId(id)};
  Ordinal ordinal;
  for (int i = 0; i < count; ++i) {
    SlotSpec slot{.slot = i};
    if (!version.empty()) {
      slot.goal = SlotSpec::Goal::kRunning;
      slot.version = version;
      slot.settings = Template{{.image = "kafka:" + version}};
    }
    ordinal.slots.push_back(std::move(slot));
  }
  spec.kind = std::move(ordinal);
  spec.volumes = {{.name = "data", .path = "/data", .size = Bytes::gib(1)}};
  return spec;
}

inline Template& settings_of(AppSpec& spec) {
  return std::get<Service>(spec.kind).settings;
}

inline const Owner kDemo{.environment = "demo", .operation = "op-1", .step = "start", .attempt = 1};

}  // namespace headrace::process::testing
