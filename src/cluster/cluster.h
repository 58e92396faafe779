// The seam between what Headrace wants to run and where it runs (docs/architecture.md, "The seam").
//
// Above it nothing knows which cluster it is on. Calls are values, idempotent by the ids that the caller
// chose, and are answered by events only. The claim book (cluster/offers/claim_book.h) is a manager that
// answers them from offers; a Kubernetes cluster would answer them directly.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/time.h"

namespace headrace::cluster {

using ClaimId = Id<struct ClaimTag>;
using GangId = Id<struct GangTag>;
using TaskId = Id<struct TaskTag>;
using AgentId = Id<struct AgentTag>;
using StatusId = Id<struct StatusTag>;

struct Resources {
  double cpus = 0;
  Bytes memory;
  Bytes disk;
  bool operator==(const Resources&) const = default;
};

enum class Protocol { kTcp, kUdp };

struct PortWant {
  std::string name;
  // fixed: this number on whatever agent is chosen; none (dynamic): any free number of the agent.
  std::optional<std::uint16_t> number;
  Protocol protocol = Protocol::kTcp;
  // Set for bridge networking: the port inside the container.
  std::optional<std::uint16_t> container_port;
  bool operator==(const PortWant&) const = default;
};

struct VolumeWant {
  std::string name;  // unique within the claim
  std::string path;  // where the container sees it
  Bytes size;
  bool operator==(const VolumeWant&) const = default;
};

// Marathon's operators that this release has. `preferred` ones only order the candidates.
enum class Operator { kUnique, kLike, kUnlike, kIs, kCluster, kGroupBy, kMaxPer };
struct Constraint {
  std::string field;  // "hostname", "@agent" or an attribute's name
  Operator op = Operator::kUnique;
  std::string value;
  bool preferred = false;
  bool operator==(const Constraint&) const = default;
};

enum class CheckKind { kCommand, kHttp, kTcp };
// A task's one check, run beside it by the cluster. It only reports.
struct Check {
  CheckKind kind = CheckKind::kTcp;
  std::vector<std::string> command;  // kCommand: run in the container, exit code 0 is a pass
  std::string path = "/";            // kHttp: 200-399 is a pass
  std::string port;                  // kHttp, kTcp: the port's name
  Duration interval = 10s;           // once ready
  Duration timeout = 5s;
  Duration grace = 0s;  // failures before the first pass do not count for so long
  int failures = 3;     // consecutive failures that make it unhealthy; 0: never
  bool operator==(const Check&) const = default;
};

// A file that shows a secret inside the container, read-only, owned by the container's user.
struct SecretFile {
  std::string path;
  SecretRef secret;
  bool operator==(const SecretFile&) const = default;
};

enum class Network { kHost, kBridge };

// One run of a container. In args and env values `$(NAME)` stands for a variable of the container's
// environment and `$$(` for a literal `$(`, as in Kubernetes; the cluster adds HOST, BIND_ADDRESS, PORT0…,
// PORT_<NAME> before it expands them.
struct TaskSpec {
  std::string image;                    // an image id or a name
  std::vector<std::string> entrypoint;  // replaces the image's when not empty
  std::vector<std::string> args;        // replaces the image's command when not empty
  std::map<std::string, std::string> env;
  std::string user;
  std::string working_dir;
  Network network = Network::kHost;
  std::optional<Check> check;
  std::vector<SecretFile> secrets;
  std::map<std::string, std::string> tmpfs;  // path -> mount options
  bool read_only = false;
  Duration grace = 10s;  // between the polite and the hard end of a stop
  std::map<std::string, std::string> labels;
  // Bind mounts "host path:container path:ro|rw"; only what a policy let through comes here.
  std::vector<std::string> host_mounts;
  bool privileged = false;
  bool operator==(const TaskSpec&) const = default;
};

struct Task {
  TaskId id;
  TaskSpec spec;
  bool operator==(const Task&) const = default;
};

enum class Hold {
  kUntilReleased,  // slots: lives until released
  kWhileTaskRuns,  // stateless and run-once: carries its task, ends with it
};

struct Want {
  ClaimId id;
  std::string group;  // the app: what UNIQUE and its like count together
  Resources resources;
  std::vector<PortWant> ports;
  std::vector<VolumeWant> volumes;
  std::vector<Constraint> constraints;
  Hold hold = Hold::kUntilReleased;
  std::optional<Task> task;  // exactly when hold is kWhileTaskRuns
  bool operator==(const Want&) const = default;
};

// Claimed whole or not at all.
struct Gang {
  GangId id;
  std::vector<Want> wants;
  bool operator==(const Gang&) const = default;
};

// What a granted want holds, for as long as it lives.
struct Claim {
  ClaimId id;
  std::optional<AgentId> agent;  // may be empty until start where the cluster chooses late
  std::string address;           // what others connect to; fixed while the claim lives
  std::map<std::string, std::uint16_t> ports;
  bool operator==(const Claim&) const = default;
};

// ---- Calls (downwards) ---------------------------------------------------------------------------

struct ClaimGang {
  Gang gang;
};
struct WithdrawGang {
  GangId gang;
};
// Same address and volumes, other resources and ports kept by name; no task may be running.
struct ChangeClaim {
  ClaimId claim;
  Want want;
};
struct StartTask {
  ClaimId claim;
  Task task;
};
struct StopTask {
  TaskId task;
  Duration grace;
};
enum class Volumes { kKeep, kDestroy };
// Who vouches that nothing of this claim lives any more: the cluster (terminal status seen) or a person.
enum class Proof { kCluster, kOperator };
struct ReleaseClaim {
  ClaimId claim;
  Volumes volumes = Volumes::kKeep;
  Proof proof = Proof::kCluster;
};
struct AcknowledgeStatus {
  TaskId task;
  StatusId status;
};
struct Reconcile {
  std::vector<TaskId> tasks;
  std::vector<ClaimId> claims;
};

using Call = std::variant<ClaimGang, WithdrawGang, ChangeClaim, StartTask, StopTask, ReleaseClaim,
                          AcknowledgeStatus, Reconcile>;

// ---- Events (upwards) ----------------------------------------------------------------------------

struct Granted {
  GangId gang;
  std::vector<Claim> claims;
};

// Why no agent takes a pending gang (or a start): one reason per agent, newest state.
struct AgentRefusal {
  AgentId agent;
  std::string code;      // "no-cpus", "no-memory", "no-disk", "port-taken", "constraint", "agent-down"
  std::string sentence;  // "has 512MiB of memory free, 2GiB wanted"
};
struct Waiting {
  GangId gang;
  std::string
      code;  // the commonest code of the refusals, or "no-agents"; "too-large" when no agent could ever
  std::string sentence;  // one sentence for people, naming what is missing and where the most is
  std::vector<AgentRefusal> refusals;
};
struct Changed {
  Claim claim;
};
struct Released {
  ClaimId claim;
};
struct ClaimLost {
  ClaimId claim;
  std::string cause;
};

enum class TaskState {
  kStarting,  // create or start is under way
  kRunning,
  kFinished,     // exit code 0
  kFailed,       // other exit code, or could not be started
  kKilled,       // ended by our stop
  kGone,         // the agent is gone for good, and the task with it
  kUnreachable,  // the agent does not answer; may come back
};
constexpr bool is_terminal(TaskState state) {
  return state == TaskState::kFinished || state == TaskState::kFailed || state == TaskState::kKilled ||
         state == TaskState::kGone;
}
std::string_view word_of(TaskState state);  // "running"

// A check's word about a running task.
enum class Health { kUnknown, kReady, kUnhealthy };

struct TaskStatus {
  StatusId id;  // acknowledged by this; repeated until then. Empty: needs no acknowledgement.
  TaskId task;
  ClaimId claim;
  AgentId agent;
  TaskState state = TaskState::kStarting;
  Health health = Health::kUnknown;
  std::optional<int> exit_code;
  std::string message;   // why, for people
  std::string result;    // run-once: the JSON after `::result::` on the last line, ≤ 4 KiB
  std::string log_tail;  // terminal: up to 64 KiB
  Wall at;
  // claim.hold is kWhileTaskRuns: what was granted, so that one event says where it runs.
  std::optional<Claim> granted;
};

struct Agent {
  AgentId id;
  std::string hostname;
  std::string address;
  std::map<std::string, std::string> attributes;
  Resources total;
  bool up = true;
  std::string cause;  // why it is down
  bool operator==(const Agent&) const = default;
};
struct AgentChanged {
  Agent agent;
};
struct Disconnected {
  std::string cause;
};
struct Ready {};  // everything asked by reconcile has been answered

using Event = std::variant<Granted, Waiting, Changed, Released, ClaimLost, TaskStatus, AgentChanged,
                           Disconnected, Ready>;

}  // namespace headrace::cluster
