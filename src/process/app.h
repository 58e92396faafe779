// The process manager's vocabulary: what is wanted (AppSpec) and what is seen (AppView).
// The environment manager speaks only through these two; /v2 is a translation of them (api/v2).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/cause.h"
#include "base/id.h"
#include "base/time.h"
#include "cluster/cluster.h"
#include "process/shared.h"

namespace headrace::process {

using AppId = Id<struct AppTag>;            // "/hello", "/env/demo/kafka/broker"
using InstanceId = Id<struct InstanceTag>;  // "<app>.instance-<uuid>" in Marathon's form
using DeploymentId = Id<struct DeploymentTag>;

enum class PortKind {
  kFixed,    // one number for the service on every agent, unique among all apps of this server
  kDynamic,  // a free number of the agent, per instance
  kPerSlot,  // fixed, one number per slot
};

struct PortSpec {
  std::string name;
  PortKind kind = PortKind::kDynamic;
  // /v2: the number a user asked for (hostPort / requirePorts). None: the process manager chooses.
  std::optional<std::uint16_t> number;
  std::optional<std::uint16_t> container_port;  // bridge networking
  cluster::Protocol protocol = cluster::Protocol::kTcp;
  std::map<std::string, std::string> labels;
  bool operator==(const PortSpec&) const = default;
};

struct Backoff {
  Duration initial = 1s;
  double factor = 1.15;
  Duration maximum = 300s;
  bool operator==(const Backoff&) const = default;
};

struct UpgradeStrategy {
  double minimum_health_capacity = 1.0;
  double maximum_over_capacity = 1.0;
  bool operator==(const UpgradeStrategy&) const = default;
};

// What the tasks of one version of an app (or of one slot) are made from.
struct Template {
  cluster::TaskSpec task;
  bool operator==(const Template&) const = default;
};

// Identity: ordinal. Each slot has its own wanted state; the environment manager moves them one by one.
struct SlotSpec {
  enum class Goal {
    kClaimed,  // hold the claim, run nothing
    kRunning,  // run `settings`
    kStopped,  // stop what runs, keep the claim
  };
  int slot = 0;
  Goal goal = Goal::kClaimed;
  std::string version;               // names `settings`: another word restarts the slot with the new settings
  std::optional<Template> settings;  // exactly when goal is kRunning
  bool operator==(const SlotSpec&) const = default;
};

// ---- Kinds of app --------------------------------------------------------------------------------

// Equal instances without identity: scaled and replaced by deployments.
struct Service {
  int instances = 1;
  Template settings;
  UpgradeStrategy upgrade;
  bool operator==(const Service&) const = default;
};
// Slots 0…n-1 with claims that outlive their instances.
struct Ordinal {
  std::vector<SlotSpec> slots;  // exactly the slots that are to exist, ascending
  bool operator==(const Ordinal&) const = default;
};
// A task that is to end: its outcome is kept until the app is removed. Never restarted.
struct RunOnce {
  Template settings;
  std::optional<Duration> timeout;
  bool operator==(const RunOnce&) const = default;
};
// One instance per agent, and several containers in one instance: this release answers 422 "daemon", "pod".
struct Daemon {
  bool operator==(const Daemon&) const = default;
};
struct Pod {
  bool operator==(const Pod&) const = default;
};

using Kind = std::variant<Service, Ordinal, RunOnce, Daemon, Pod>;

// Everything that is wanted of an app. Equal specs are no change.
struct AppSpec {
  AppId id;
  Kind kind;
  cluster::Resources resources{.cpus = 1, .memory = Bytes::mib(128), .disk = {}};
  std::vector<PortSpec> ports;
  std::vector<cluster::VolumeWant> volumes;
  std::vector<cluster::Constraint> constraints;
  Backoff backoff;
  std::map<std::string, std::string> labels;
  // The definition as /v2 was given it, normalised to Marathon's current JSON form, kept for GET; empty for
  // apps of environments (rendered from this spec).
  std::string v2_definition;
  bool operator==(const AppSpec&) const = default;
};

// Whether at most the number of instances and the way of replacing them differ: no task has to be restarted.
inline bool runs_the_same(AppSpec before, const AppSpec& after) {
  auto* was = std::get_if<Service>(&before.kind);
  const auto* is = std::get_if<Service>(&after.kind);
  if (was && is) {
    was->instances = is->instances;
    was->upgrade = is->upgrade;
  }
  return before == after;
}

// Who owns an app and on whose behalf a call comes (design rule 7).
struct Owner {
  std::string environment;  // empty: a user of /v2
  std::string operation;
  std::string step;
  int attempt = 0;
};

// ---- What is seen --------------------------------------------------------------------------------

enum class Goal { kRunning, kStopped, kGone };

struct InstanceView {
  InstanceId id;
  std::optional<int> slot;
  int epoch = 0;        // starts of this slot
  std::string version;  // the app version or slot version it runs (or is to run)
  Goal goal = Goal::kRunning;
  std::optional<cluster::TaskState> state;  // none: no task was started yet
  cluster::Health health = cluster::Health::kUnknown;
  bool ready = false;    // running and, where there is a check, its first pass seen and not unhealthy now
  cluster::TaskId task;  // the present or last task
  std::optional<cluster::Claim> claim;  // where: agent, address, ports
  std::optional<int> exit_code;
  std::string message;
  std::optional<Cause> cause;  // why it is not (yet) what it should be
  Wall since;                  // of state
  Wall staged;                 // when its present or last task was asked for
  std::optional<Wall> started;
  std::optional<Wall> ready_since;
  int restarts = 0;
  bool operator==(const InstanceView&) const = default;
};

// How a run-once app ended.
struct Outcome {
  bool succeeded = false;
  bool unknown = false;  // the task was lost sight of: it may or may not have run
  std::optional<int> exit_code;
  std::string message;
  std::string result;  // JSON after ::result::, or empty
  std::string log_tail;
  bool operator==(const Outcome&) const = default;
};

// The last task of an app that ended by itself in failure.
struct TaskFailure {
  cluster::TaskId task;
  cluster::AgentId agent;
  std::string host;
  std::string message;
  cluster::TaskState state = cluster::TaskState::kFailed;
  std::string version;
  Wall at;
  bool operator==(const TaskFailure&) const = default;
};

// The whole present state of one app. Level-triggered: the latest replaces all before. Cheap to copy: the
// spec and the instances that did not change are shared with earlier views.
struct AppView {
  AppId id;
  Shared<AppSpec> spec;
  std::string version;                               // Marathon's timestamp form
  std::string config_version;                        // what its instances run: scaling alone does not move it
  Wall last_scaling;                                 // Marathon's versionInfo
  Wall last_config_change;                           // likewise
  std::vector<Shared<InstanceView>> instances;       // slots ascending, or oldest first
  std::map<std::string, std::uint16_t> fixed_ports;  // numbers given to fixed ports, known from the first put
  std::optional<Outcome> outcome;                    // run-once only
  std::vector<DeploymentId> deployments;             // running now
  bool removing = false;                             // remove() was accepted; gone when all instances are
  std::optional<Wall> delayed_until;                 // backoff: no new task before
  std::optional<TaskFailure> last_failure;
  bool operator==(const AppView&) const = default;
};

}  // namespace headrace::process
