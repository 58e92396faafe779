// What the process manager keeps in memory of each app, instance and deployment: facts, as stored. What is to
// be done about them is decided anew at each event (instances.cc, slots.cc, services.cc).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "process/app.h"
#include "process/backoff.h"
#include "process/process_manager.h"

namespace headrace::process {

struct App;

// Of the claim an instance's tasks run under.
enum class ClaimState {
  kNone,
  kPending,    // ClaimGang asked; with kWhileTaskRuns this stays until the first status
  kHeld,       // granted
  kChanging,   // ChangeClaim asked
  kReleasing,  // ReleaseClaim asked
  kLost,       // the cluster took it away
};

enum class StopReason { kNone, kUnwanted, kVersion, kUnhealthy, kKilled, kTimeout, kUnreachable };

struct Instance {
  App* app = nullptr;
  std::uint64_t order = 0;  // of creation, in the whole server
  InstanceId id;
  std::optional<int> slot;
  std::string version;  // that its present or next task runs
  Goal goal = Goal::kRunning;
  bool destroy_volumes = false;  // at release
  bool destruction_asked = false;  // by the release that was sent last
  int tasks = 0;                 // asked for so far; a slot's epoch
  int claims = 0;                // asked for so far
  int restarts = 0;

  ClaimState claim_state = ClaimState::kNone;
  cluster::ClaimId claim;
  cluster::GangId gang;
  std::optional<cluster::Claim> granted;
  std::string claim_version;  // App::want_version that the claim has or was last asked to have
  std::map<std::string, std::uint16_t> slot_ports;

  cluster::TaskId task;   // present or last
  bool alive = false;     // asked for, and no terminal status seen: it may live
  bool answered = false;  // some status of it was seen
  bool stopping = false;  // StopTask asked
  StopReason stop_reason = StopReason::kNone;
  Duration grace{};      // of its stop
  bool checked = false;  // it runs with a check
  bool passed = false;   // which has passed
  std::optional<cluster::TaskState> state;
  cluster::Health health = cluster::Health::kUnknown;
  std::optional<int> exit_code;
  std::string message;
  Wall since;
  Wall staged;
  std::optional<Wall> started;
  std::optional<Wall> ready_since;

  Delay delay;  // slots; services share their app's
  std::optional<Monotonic> unreachable_until;
  bool given_up = false;  // was unreachable past its deadline
  std::optional<Monotonic> times_out;

  // ---- Memory only ----
  std::optional<Monotonic> asked;         // when the present task was
  std::optional<Monotonic> running_from;  // as seen by this process
  std::optional<Monotonic> stop_again;    // when StopTask is sent once more
  std::optional<cluster::Waiting> waiting;
  bool heard = false;  // a status came since the last Reconcile
  bool dirty = true;   // its record is to be written
  bool touched = true;
  bool stirred = true;  // its next step is to be decided
  std::optional<Monotonic> timer;
  Shared<InstanceView> view;

  bool is_ready() const {
    return alive && !stopping && state == cluster::TaskState::kRunning &&
           (!checked || (passed && health != cluster::Health::kUnhealthy));
  }
  bool is_unreachable() const { return alive && state == cluster::TaskState::kUnreachable; }
  bool waits_for_claim() const { return claim_state == ClaimState::kPending && !answered; }
};

// A slot that was removed and whose volumes were kept: it finds them again when it is added again.
struct Parked {
  int slot = 0;
  cluster::ClaimId claim;
  int epoch = 0;  // goes on from here: the images compare it with a file on the volume
};

struct App {
  AppId id;
  Shared<AppSpec> spec;
  Wall version_at;
  std::string version;         // of the spec
  std::string config_version;  // of the spec without the number of instances
  Wall last_scaling;
  Wall last_config_change;
  std::map<std::string, std::uint16_t> ports;  // of fixed ports
  bool ports_pinned = false;                   // granted once: kept for good
  int port_attempts = 0;
  bool removing = false;
  bool destroy_volumes = false;
  bool paused = false;       // a cancelled deployment left things as they are
  std::string want_version;  // names resources and ports: what claims ought to have
  std::vector<Parked> parked;
  Delay delay;
  std::optional<TaskFailure> failure;
  std::optional<Outcome> outcome;
  std::vector<std::unique_ptr<Instance>> instances;  // slots ascending, or oldest first
  std::vector<DeploymentId> deployments;             // running ones

  // ---- Memory only ----
  bool dirty = true;
  bool delay_dirty = false;
  bool outcome_dirty = false;
  bool touched = false;
  bool unsettled = true;
  bool settled = false;  // everything is as wanted: what deployments wait for
  std::string lack;      // what is missing for that, one sentence

  bool is_service() const { return std::holds_alternative<Service>(spec->kind); }
  bool is_ordinal() const { return std::holds_alternative<Ordinal>(spec->kind); }
  bool is_run_once() const { return std::holds_alternative<RunOnce>(spec->kind); }
};

struct Deployment {
  struct Action {
    DeploymentAction what;
    std::optional<Shared<AppSpec>> before;  // none: the app was new
  };
  std::uint64_t order = 0;
  DeploymentId id;
  std::string version;
  std::vector<Action> actions;
  DeploymentView::Verdict verdict = DeploymentView::Verdict::kRunning;
  std::optional<Cause> cause;
  Wall started;
  std::optional<Monotonic> until;
  std::optional<Wall> deadline;
  std::optional<Wall> ended;
};

// The wanted state of a slot; nullptr when the spec has no such slot (any more).
const SlotSpec* slot_of(const AppSpec& spec, int slot);
// What the tasks of an instance are made from; nullptr when it is to run nothing.
const Template* template_of(const AppSpec& spec, std::optional<int> slot);

}  // namespace headrace::process
