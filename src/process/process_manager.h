// The process manager (the role Marathon had): apps, instances, deployments, checks' consequences, restarts.
//
// A single-threaded state machine: every event is a method, changes memory and returns a Commit. It holds no
// store, clock, cluster or socket (docs/architecture.md, "Rules").
//
//   AppSpec --put--> [instances wanted] --claims--> ClaimGang/StartTask calls --statuses--> AppView
//
//   instance:  scheduled -> claiming -> starting -> running(-> ready) -> ended -> (backoff) -> starting …
//   goals:     running | stopped | gone        conditions: the cluster's last word
//
// Calls from the environment manager (put, remove) come in the same turn and answer at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "base/write.h"
#include "cluster/cluster.h"
#include "process/app.h"

namespace headrace::process {

// Something that happened, for /v2/events and `headrace events`: Marathon's event type and a JSON body.
struct AppEvent {
  std::string type;  // "status_update_event", "deployment_success", …
  AppId app;
  std::string json;
};

// What a transition wants: stored, done, told. In this order.
struct Commit {
  std::vector<Write> writes;
  std::vector<cluster::Call> calls;  // to the cluster
  std::vector<AppView> changed;      // to the environment manager and snapshots: apps as they are now
  std::vector<AppId> removed;
  std::vector<AppEvent> events;
  bool deployments_changed = false;  // deployments() answers differently than before

  void append(Commit&& other);
  bool empty() const;
};

struct DeploymentAction {
  AppId app;
  std::string action;  // "StartApplication", "ScaleApplication", "RestartApplication", "StopApplication"
  bool operator==(const DeploymentAction&) const = default;
};

// A change of apps as users follow it: a durable record with a deadline, a verdict and its cause. It only
// reports; the apps converge with it and after it.
struct DeploymentView {
  enum class Verdict { kRunning, kSucceeded, kFailed, kCancelled };
  DeploymentId id;
  std::string version;
  std::vector<DeploymentAction> actions;
  Verdict verdict = Verdict::kRunning;
  std::optional<Cause> cause;
  Wall started;
  std::optional<Wall> deadline;
  std::optional<Wall> ended;
};

struct Accepted {
  std::string version;
  std::optional<DeploymentId> deployment;  // none: nothing to change
};

struct Killed {
  struct Task {
    AppId app;
    InstanceView instance;
  };
  std::vector<Task> tasks;
  Accepted accepted;  // of scaling down
};

template <class T>
struct Decision {
  T answer;
  Commit commit;
};

struct Options {
  std::uint16_t first_port = 20000;  // the range of fixed ports, design section 3
  std::uint16_t last_port = 31999;
  Duration deployment_deadline = std::chrono::minutes(10);
  Duration unreachable_deadline = std::chrono::minutes(5);
  Duration refresh = std::chrono::seconds(30);  // what remains of a deadline is stored so often
};

class ProcessManager {
 public:
  // records: all of this manager's tables, as stored. kCorrupt where they cannot be read.
  static Result<std::unique_ptr<ProcessManager>> create(Options options, std::uint64_t seed,
                                                        std::span<const Record> records, Now now);
  virtual ~ProcessManager() = default;

  // The tables whose records `create` wants.
  static std::vector<std::string> tables();

  // ---- Requests ----
  // Creates or changes apps, all or none; slots that are new in one call are claimed as one gang.
  // must_be_new: kConflict when one exists (POST). force: replaces a running deployment of the app.
  // kConflict: owned by another (the message names the environment), or a deployment runs.
  virtual Result<Decision<Accepted>> put(std::vector<AppSpec> specs, const Owner& owner, bool must_be_new,
                                         bool force, Now now) = 0;
  // Changes only the number of instances of a Service.
  virtual Result<Decision<Accepted>> scale(const AppId& app, int instances, const Owner& owner, bool force,
                                           Now now) = 0;
  // Stops all, releases claims (destroying or keeping volumes) and forgets the app when all is gone.
  virtual Result<Decision<Accepted>> remove(const std::vector<AppId>& apps, cluster::Volumes volumes,
                                            const Owner& owner, Now now) = 0;
  // Replaces all instances by fresh ones of the same version (rolling).
  virtual Result<Decision<Accepted>> restart(const AppId& app, const Owner& owner, bool force, Now now) = 0;
  // Kills what these instances run; a Service or slot gets a new task. With scale_down a Service wants as
  // many fewer instead (a deployment, refused with kConflict while another runs unless forced). Ids that do
  // not exist are left out; kNotFound when none does.
  virtual Result<Decision<Killed>> kill(const std::vector<InstanceId>& instances, const Owner& owner,
                                        bool scale_down, bool force, Now now) = 0;
  // The same for one.
  Result<Decision<Killed>> kill(const InstanceId& instance, const Owner& owner, bool scale_down, Now now) {
    return kill(std::vector{instance}, owner, scale_down, /*force=*/false, now);
  }
  // Starts a deployment back to the specs before this one; with `leave` stops replacing and scaling instead
  // and leaves what runs as it is until the next change (Marathon's force).
  virtual Result<Decision<Accepted>> cancel_deployment(const DeploymentId& deployment, const Owner& owner,
                                                       bool leave, Now now) = 0;
  virtual Result<Commit> reset_delay(const AppId& app, const Owner& owner, Now now) = 0;

  // ---- Events ----
  virtual Commit on_cluster(const cluster::Event& event, Now now) = 0;
  // Something's time has come: called when next_deadline() has passed.
  virtual Commit on_time(Now now) = 0;
  // After a restart or reconnection: asks the cluster what lives. Nothing is claimed or started until Ready.
  virtual Commit on_start(Now now) = 0;
  virtual std::optional<Monotonic> next_deadline() const = 0;

  // ---- Views (for snapshots and the environment manager, same thread) ----
  virtual std::vector<AppView> apps() const = 0;
  virtual std::optional<AppView> app(const AppId& id) const = 0;
  virtual std::vector<DeploymentView> deployments() const = 0;  // running, and the last 100 ended
  virtual std::vector<Shared<cluster::Agent>> agents() const = 0;

  // True for ids that only environments may create: /env/… (design rule 7).
  static bool is_environment_path(const AppId& app);
};

}  // namespace headrace::process
