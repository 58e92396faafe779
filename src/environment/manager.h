// The environment manager's inside: its memory, split over four files by concern: requests.cc (plans and what
// people ask for), manager.cc (records and events), execute.cc (moving operations), views.cc (what is shown).
// Included by those only.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "environment/environment_manager.h"
#include "environment/planner.h"

namespace headrace::environment {

constexpr const char* kSources = "env_sources";
constexpr const char* kEnvironments = "environments";
constexpr const char* kOperations = "env_operations";
constexpr const char* kPlans = "env_plans";
constexpr int kKeptGenerations = 20;

// One generation with its blueprint loaded and its parameters resolved.
struct LoadedGeneration {
  records::Generation record;
  std::shared_ptr<const Blueprint> blueprint;
  std::map<std::string, document::Node> parameters;
};

struct Live {
  records::Environment record;
  std::optional<LoadedGeneration> current;  // none before the first launch ended well
  std::optional<LoadedGeneration> wanted;   // of the running or last failed operation
  Apps apps;                                // what the process manager said last
  std::map<std::string, std::pair<std::string, std::optional<Cause>>>
      shown;  // component -> state, cause as last told
  std::map<std::string, Wall> shown_since;
  std::optional<Monotonic> expiry_seen;  // first reading past `expires`
  bool moved = false;  // a claim changed since what was rendered from claims was last compared
  // Heals that follow each other keep a distance that doubles: a change that never converges must not spin.
  std::optional<Monotonic> last_heal;
  Duration heal_distance{};

  // What is to be shown and compared: the wanted generation while an operation brings it about.
  const LoadedGeneration& latest() const { return wanted ? *wanted : *current; }
};

struct Running {
  records::Operation record;
  Monotonic deadline;
  std::map<std::string, Monotonic> step_deadlines;
  std::map<std::string, Monotonic> next_attempt;  // kWait: not before
  // Steps whose calls were made since this process started, with the spec that was asked for.
  std::map<std::string, process::AppSpec> issued;
};

class Manager final : public EnvironmentManager {
 public:
  Manager(Options options, std::uint64_t seed, Now now)
      : options_(options), random_(seed), started_(now.mono), expiry_reading_(now.mono) {}
  Status load(std::span<const Record> records, Now now);

  Result<Decision<PlanView>> plan(const Wish& wish, Now now) override;
  Result<Decision<PlanView>> plan_destroy(const EnvironmentId& environment, Now now) override;
  Result<Decision<OperationView>> launch(const Wish& wish, Now now) override;
  Result<Decision<OperationView>> apply(const PlanId& plan, const std::string& by, Now now) override;
  Result<Decision<OperationView>> command(const EnvironmentId& environment, const std::string& command,
                                          const std::map<std::string, std::string>& arguments,
                                          const std::string& by, Now now) override;
  Result<Decision<OperationView>> destroy(const EnvironmentId& environment, bool keep_volumes,
                                          const std::string& by, Now now) override;
  Result<Decision<OperationView>> cancel(const OperationId& operation, const std::string& by,
                                         Now now) override;

  Commit on_app_changed(const process::AppView& app, Now now) override;
  Commit on_app_removed(const process::AppId& app, Now now) override;
  Commit on_refused(const process::Owner& owner, const Error& error, Now now) override;
  Commit on_start(std::span<const process::AppView> apps, Now now) override;
  Commit on_time(Now now) override;
  std::optional<Monotonic> next_deadline() const override;

  std::vector<EnvironmentView> environments() const override;
  std::vector<OperationView> operations() const override;
  std::optional<PlanView> plan_of(const PlanId& plan) const override;

 private:
  // requests.cc
  Result<LoadedGeneration> generation_of(const Wish& wish, int number, Now now);
  Result<records::Plan> make_plan(const Wish& wish, const LoadedGeneration& wanted, Now now);
  PlanView keep_plan(records::Plan plan, Commit& commit);
  Result<OperationView> begin_plan(const records::Plan& plan, const std::string& by, Now now, Commit& commit);
  OperationView run(Live& live, records::Operation operation, Duration deadline, Now now, Commit& commit);
  void generate_values(Live& live);
  void drop_done_tasks(const Live& live, const LoadedGeneration& wanted, records::Plan& plan) const;
  std::vector<records::Step> destroy_steps(const Live& live) const;

  // manager.cc
  Live* find(const std::string& environment);
  Running* running(const Live& live);
  Status check_free(const Live& live) const;
  Result<LoadedGeneration> load_generation(const records::Generation& record) const;
  Running& begin(Live& live, records::Operation operation, Duration deadline, Now now, Commit& commit);
  const records::Operation* last_ended(const Live& live) const;
  void on_start(Live& live, Now now, Commit& commit);
  void heal(Live& live, Now now, Commit& commit);
  void expire(Live& live, Now now, Commit& commit);
  void save(const Live& live, Commit& commit) const;
  void save(Running& operation, Now now, Commit& commit) const;
  void forget_old(Commit& commit);
  void forget(Live& live, Commit& commit);
  State state_of(const Live& live, const LoadedGeneration& generation) const;

  // execute.cc
  void advance(Live& live, Now now, Commit& commit);
  bool move_step(Live& live, Running& operation, records::Step& step, Now now, Commit& commit);
  void start_step(Live& live, Running& operation, records::Step& step, Now now, Commit& commit);
  void issue(Live& live, Running& operation, records::Step& step, Now now, Commit& commit);
  bool check_step(Live& live, Running& operation, records::Step& step, Now now, Commit& commit);
  bool check_run(Live& live, Running& operation, records::Step& step, Now now, Commit& commit);
  void end_step(Running& operation, records::Step& step, StepState state, std::optional<Cause> cause,
                Now now);
  void finish(Live& live, Running& operation, Now now, Commit& commit);
  void release_unstarted(const Live& live, const records::Operation& operation, Commit& commit) const;
  void set_cause(const Running& operation, records::Step& step, std::string code, std::string sentence,
                 std::string remedy, Now now);
  std::optional<Cause> cause_of(const Live& live, const std::string& component,
                                const std::string& service) const;
  process::AppId run_id(const Running& operation, const records::Step& step) const;
  process::Owner owner_of(const Running& operation, const records::Step& step) const;

  // views.cc
  EnvironmentView environment_view(const Live& live) const;
  ComponentView component_view(const Live& live, const Component& component) const;
  std::pair<std::string, std::optional<Cause>> component_state(const Live& live,
                                                               const std::string& component) const;
  void tell(Live& live, Now now, Commit& commit);  // events for what changed since last told

  Options options_;
  Random random_;
  Monotonic started_;
  Monotonic expiry_reading_;  // the last one
  std::map<std::string, Live> live_;
  std::map<std::string, Running> running_;                                 // by operation id
  std::map<std::string, records::Operation> ended_;                        // by operation id, the last 100
  std::map<std::string, records::Plan> plans_;                             // the last 100
  std::map<std::string, std::shared_ptr<const BlueprintSource>> sources_;  // by digest
  mutable std::map<std::string, std::shared_ptr<const Blueprint>> blueprints_;  // loaded from sources_
};

// Every app of a component, or the one of its service.
std::vector<process::AppId> apps_of(const Live& live, const std::string& component,
                                    const std::string& service = {});
OperationView view_of(const records::Operation& operation);
PlanView view_of(const records::Plan& plan);
StepView view_of(const records::Step& step);
Cause from_record(const records::Cause& cause);
records::Cause to_record(const Cause& cause);
std::int64_t millis(Wall wall);
Wall wall_of(std::int64_t millis);

}  // namespace headrace::environment
