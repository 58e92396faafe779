// The environment manager (the role Tonomi had): blueprints become environments; every change of one is an
// operation with a plan, steps, a deadline and a verdict.
//
// A single-threaded state machine under the rules of docs/architecture.md: events in, a Commit out. It speaks
// to the process manager only by PutApps and RemoveApps, and hears from it whole AppViews (level-triggered):
// at every one it compares what a running operation's next steps want with what is seen, and moves what can
// move.
//
//   environment:  launching -> running <-> changing -> destroying -> (gone)
//                     \-> failed (keeps what is ready; `apply` continues it)
//   operation:    planned -> running -> done | failed | cancelled
//   step:         waiting -> running -> done | failed | skipped
//   component:    waiting -> placing -> starting -> launching(steps) -> ready -> stopping -> gone;  failed
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/cause.h"
#include "base/result.h"
#include "base/time.h"
#include "base/write.h"
#include "environment/blueprint.h"
#include "process/process_manager.h"

namespace headrace::environment {

using EnvironmentId = Id<struct EnvironmentTag>;  // its name: [a-z][a-z0-9-]{0,39}
using OperationId = Id<struct OperationTag>;
using PlanId = Id<struct PlanTag>;

// ---- To the process manager, same turn -----------------------------------------------------------

struct PutApps {
  std::vector<process::AppSpec> specs;
  process::Owner owner;
};
struct RemoveApps {
  std::vector<process::AppId> apps;
  cluster::Volumes volumes = cluster::Volumes::kKeep;
  process::Owner owner;
};
using ProcessCall = std::variant<PutApps, RemoveApps>;

// For `headrace events` and progress streams: what happened to an environment, as one JSON object.
struct EnvironmentEvent {
  EnvironmentId environment;
  OperationId operation;
  std::string type;  // "operation_started", "component_changed", "step_changed", "operation_ended", …
  std::string json;
};

struct Commit {
  std::vector<Write> writes;
  std::vector<ProcessCall> calls;
  std::vector<EnvironmentEvent> events;

  void append(Commit&& other);
};

template <class T>
struct Decision {
  T answer;
  Commit commit;
};

// ---- Requests ------------------------------------------------------------------------------------

// What a caller wants an environment to be. The edge (src/api) has loaded the blueprint, resolved image names
// to ids and made sure that generated secrets exist in the vault; this manager does none of that.
struct Wish {
  EnvironmentId name;
  std::shared_ptr<const Blueprint> blueprint;
  BlueprintSource source;                         // stored, so that a restart loads the same blueprint
  std::string profile;                            // or empty
  std::map<std::string, std::string> parameters;  // given by the caller: name -> JSON text of the value
  std::map<std::string, std::string> images;      // blueprint image name -> image id
  std::map<std::string, int> secrets;             // secret name -> version
  std::string owner;
  std::optional<Duration> ttl;
  bool atomic = false;  // a failed launch destroys what it made
};

// ---- Views ---------------------------------------------------------------------------------------

enum class StepState { kWaiting, kRunning, kDone, kFailed, kCancelled, kSkipped };
std::string_view word_of(StepState state);

struct StepView {
  std::string id;  // "start kafka", "kafka/create-topics", "stop dashboard"
  std::string component;
  std::string action;  // for people
  std::vector<std::string> needs;
  StepState state = StepState::kWaiting;
  int attempt = 0;
  std::optional<Cause> cause;
  std::string result;
  std::optional<Wall> started, ended;
};

struct Difference {
  std::string place;  // "parameters.workers", "components.spark.services.worker.count"
  std::string before;
  std::string after;   // "(known after placement)" where it is
  std::string effect;  // "scale", "replace", "restart", "none"
};

struct PlanView {
  PlanId id;
  EnvironmentId environment;
  std::string kind;  // "launch", "change", "command", "destroy"
  int from_generation = 0;
  int to_generation = 0;
  std::vector<Difference> differences;
  std::vector<StepView> steps;
  std::map<std::string, std::int64_t> revisions;  // what it depends on: apply refuses when one has moved
  Wall made;
};

struct OperationView {
  OperationId id;
  EnvironmentId environment;
  std::string kind;  // "launch", "apply", "command", "destroy"
  StepState state = StepState::kRunning;
  std::vector<StepView> steps;
  std::optional<Cause> cause;
  Wall started;
  std::optional<Wall> deadline, ended;
  std::string requested_by;
};

struct ComponentView {
  std::string name;
  std::string
      state;  // "waiting", "placing", "starting", "launching", "ready", "stopping", "failed", "degraded"
  std::optional<Cause> cause;
  Wall since;
  std::optional<Wall> provider_ready;  // the moment its last requirement became true: for launch figures
  std::optional<Wall> ready;
  std::vector<process::AppId> apps;
};

struct EnvironmentView {
  EnvironmentId name;
  std::string blueprint, blueprint_version, profile, owner;
  std::string status;  // "launching", "running", "changing", "degraded", "failed", "destroying"
  int generation = 0;
  std::optional<Cause> cause;
  std::vector<ComponentView> components;
  std::map<std::string, std::string> parameters;  // JSON texts; secret ones show "(secret)"
  std::map<std::string, std::string> given;       // as callers gave them: what a new wish is laid over
  std::shared_ptr<const BlueprintSource> source;  // of the latest generation
  std::map<std::string, std::string> outputs;     // known ones
  std::map<std::string, std::string> images;
  std::vector<std::string> commands;     // "kafka.scale"
  std::optional<OperationId> operation;  // running now
  Wall created;
  std::optional<Wall> expires;
};

struct Options {
  Duration launch_deadline = std::chrono::minutes(15);
  Duration operation_deadline = std::chrono::minutes(15);
};

class EnvironmentManager {
 public:
  static Result<std::unique_ptr<EnvironmentManager>> create(Options options, std::uint64_t seed,
                                                            std::span<const Record> records, Now now);
  virtual ~EnvironmentManager() = default;
  static std::vector<std::string> tables();

  // ---- Requests. Errors: kNotFound, kInvalid (all at once), kConflict (naming the running operation's id,
  // or the revision that moved), kUnsupported (naming the feature: restart or scale of an ordinal service
  // until day two). A plan is stored before it is answered; it changes nothing else.
  virtual Result<Decision<PlanView>> plan(const Wish& wish, Now now) = 0;  // launch or change
  virtual Result<Decision<PlanView>> plan_destroy(const EnvironmentId& environment, Now now) = 0;
  virtual Result<Decision<OperationView>> launch(const Wish& wish,
                                                 Now now) = 0;  // environment must not exist
  virtual Result<Decision<OperationView>> apply(const PlanId& plan, const std::string& by, Now now) = 0;
  // A component's command ("kafka.scale") with its arguments as JSON texts.
  virtual Result<Decision<OperationView>> command(const EnvironmentId& environment,
                                                  const std::string& command,
                                                  const std::map<std::string, std::string>& arguments,
                                                  const std::string& by, Now now) = 0;
  virtual Result<Decision<OperationView>> destroy(const EnvironmentId& environment, bool keep_volumes,
                                                  const std::string& by, Now now) = 0;
  virtual Result<Decision<OperationView>> cancel(const OperationId& operation, const std::string& by,
                                                 Now now) = 0;

  // ---- Events ----
  virtual Commit on_app_changed(const process::AppView& app, Now now) = 0;
  virtual Commit on_app_removed(const process::AppId& app, Now now) = 0;
  // The process manager refused a call of this owner (operation, step, attempt).
  virtual Commit on_refused(const process::Owner& owner, const Error& error, Now now) = 0;
  // Once after create(): emits again what is owed, with the same ids. `apps` is everything the process
  // manager knows.
  virtual Commit on_start(std::span<const process::AppView> apps, Now now) = 0;
  virtual Commit on_time(Now now) = 0;
  virtual std::optional<Monotonic> next_deadline() const = 0;

  // ---- Views ----
  virtual std::vector<EnvironmentView> environments() const = 0;
  virtual std::vector<OperationView> operations() const = 0;  // running, and the last 100 ended
  virtual std::optional<PlanView> plan_of(const PlanId& plan) const = 0;
};

}  // namespace headrace::environment
