// The process manager's form: one state machine, its methods spread over files by concern.
//
//   manager.cc      loading, turns, timers, the cluster's connection
//   requests.cc     put, scale, remove, restart, kill, cancel
//   instances.cc    one instance: its next step, statuses, endings
//   slots.cc        gangs of claims, what the cluster answers about claims, fixed ports
//   services.cc     how many instances of which version; rolling replacement
//   deployments.cc  reports of changes, with deadline and verdict
//   views.cc        what others see, causes included
//
// A public method changes facts, marks what changed (store, touch, stir) and calls finish(), which decides
// the next steps of everything stirred until nothing is left to decide, and collects the Commit. Calls that a
// record says are owed are held back while the cluster is not ready and sent, with the same ids, when it is.
#pragma once

#include <deque>
#include <set>
#include <unordered_map>

#include "process/app_events.h"
#include "process/model.h"
#include "process/ports.h"

namespace headrace::process {

class Manager final : public ProcessManager {
 public:
  Manager(Options options, std::uint64_t seed)
      : options_(options), random_(seed), ports_(options.first_port, options.last_port) {}
  Status load(std::span<const Record> records, Now now);

  Result<Decision<Accepted>> put(std::vector<AppSpec> specs, const Owner& owner, bool must_be_new, bool force,
                                 Now now) override;
  Result<Decision<Accepted>> scale(const AppId& app, int instances, const Owner& owner, bool force,
                                   Now now) override;
  Result<Decision<Accepted>> remove(const std::vector<AppId>& apps, cluster::Volumes volumes,
                                    const Owner& owner, Now now) override;
  Result<Decision<Accepted>> restart(const AppId& app, const Owner& owner, bool force, Now now) override;
  using ProcessManager::kill;
  Result<Decision<Killed>> kill(const std::vector<InstanceId>& instances, const Owner& owner, bool scale_down,
                                bool force, Now now) override;
  Result<Decision<Accepted>> cancel_deployment(const DeploymentId& deployment, const Owner& owner, bool leave,
                                               Now now) override;
  Result<Commit> reset_delay(const AppId& app, const Owner& owner, Now now) override;

  Commit on_cluster(const cluster::Event& event, Now now) override;
  Commit on_time(Now now) override;
  Commit on_start(Now now) override;
  std::optional<Monotonic> next_deadline() const override;

  std::vector<AppView> apps() const override;
  std::optional<AppView> app(const AppId& id) const override;
  std::vector<DeploymentView> deployments() const override;
  std::vector<Shared<cluster::Agent>> agents() const override;

 private:
  // ---- Turns (manager.cc) ----
  void begin(Now now);
  Commit finish();
  void touch(App& app);
  void store(App& app);
  void touch(Instance& instance);  // its view changed
  void store(Instance& instance);  // its record and view changed
  void stir(Instance& instance);   // its next step is to be decided
  void unsettle(App& app);         // the next step of the whole app is to be decided
  void settle(App& app);
  void collect(App& app);  // writes and view
  void emit(cluster::Call call);
  void release(Instance& instance);
  void arm(Instance& instance);
  Instance& add_instance(App& app, std::optional<int> slot);
  void erase(Instance& instance);
  void erase_app(App& app);
  App* find(const AppId& id);
  const App* find(const AppId& id) const;
  void ask_what_lives();
  void resume();

  // ---- Requests (requests.cc) ----
  struct Change {
    App* app;  // null: new
    AppSpec spec;
  };
  Status check_owner(const AppId& app, const Owner& owner) const;
  Status check_change(const AppSpec& spec, bool must_be_new, bool force) const;
  Status check_lock(const App& app, bool force) const;
  Status check_ports(const std::vector<Change>& changes) const;
  Result<App*> find_owned(const AppId& app, const Owner& owner);
  Accepted carry_out(std::vector<Change> changes, const std::vector<App*>& restarts,
                     const std::vector<App*>& removals, cluster::Volumes volumes);
  std::string change(App& app, AppSpec spec, Wall version_at);
  void create(AppSpec spec, Wall version_at);
  void change_slots(App& app);
  void allot_ports(App& app);
  void begin_removal(App& app, cluster::Volumes volumes);
  Wall next_version(const std::vector<Change>& changes, const std::vector<App*>& others) const;

  // ---- One instance (instances.cc) ----
  void advance(Instance& instance);
  void elapse(Instance& instance);
  StopReason reason_to_stop(const Instance& instance) const;
  void ask_stop(Instance& instance, StopReason reason);
  void let_go(Instance& instance);
  void ask_task(Instance& instance);
  void start_in_slot(Instance& instance);
  void begin_task(Instance& instance);
  void send_start(Instance& instance);
  bool has_predecessor(const Instance& instance) const;
  bool is_delayed(const Instance& instance) const;
  void on_status(const cluster::TaskStatus& status);
  void on_alive(Instance& instance, const cluster::TaskStatus& status);
  void on_health(Instance& instance, cluster::Health health);
  void on_ended(Instance& instance, const cluster::TaskStatus& status);
  void become_unreachable(Instance& instance);
  void record_outcome(Instance& instance, const cluster::TaskStatus& status);
  void count_failure(Instance& instance, const cluster::TaskStatus& status, StopReason reason);

  // ---- Claims (slots.cc) ----
  cluster::Want want_of(const Instance& instance) const;
  void claim_slots(std::vector<Instance*> instances);
  void give_slot_ports(Instance& instance);
  void send_gang(const cluster::GangId& gang);
  void withdraw(cluster::GangId gang);
  void forget_claim(Instance& instance);
  void on_granted(const cluster::Granted& granted);
  void on_waiting(const cluster::Waiting& waiting);
  void on_changed(const cluster::Changed& changed);
  void on_released(const cluster::Released& released);
  void on_claim_lost(const cluster::ClaimLost& lost);
  void hold(Instance& instance, const cluster::Claim& claim);
  bool unpark(App& app, const cluster::ClaimId& claim);
  bool try_other_ports(const cluster::Waiting& waiting);
  void renumber(App& app);

  // ---- Services (services.cc) ----
  void converge_service(App& app);
  void scale_down(std::vector<Instance*>& instances, std::size_t wanted);
  void dismiss(Instance& instance);

  // ---- Deployments (deployments.cc) ----
  DeploymentId open_deployment(std::vector<Deployment::Action> actions, const std::string& version);
  void cancel_deployments_of(App& app, const std::string& sentence);
  void end(Deployment& deployment, DeploymentView::Verdict verdict, std::optional<Cause> cause);
  void check_deployment(const DeploymentId& id);
  bool is_done(const Deployment& deployment) const;
  std::string lack_of(const Deployment& deployment) const;
  void write(const Deployment& deployment);
  DeploymentView view_of(const Deployment& deployment) const;

  // ---- Views (views.cc) ----
  AppView view_of(const App& app) const;
  InstanceView view_of(const Instance& instance) const;
  std::optional<Cause> cause_of(const Instance& instance) const;
  std::optional<Cause> cause_of_live(const Instance& instance) const;
  std::optional<Cause> cause_of_claim(const Instance& instance) const;
  void judge(App& app) const;  // settled, lack
  std::optional<Wall> wall_of(std::optional<Monotonic> time) const;

  Options options_;
  Random random_;
  PortBook ports_;
  std::uint64_t next_order_ = 1;
  bool format_stored_ = false;
  bool connected_ = false;  // between Ready and Disconnected
  std::string disconnected_cause_ = "The cluster has not answered yet.";
  Wall disconnected_since_{};

  std::map<AppId, std::unique_ptr<App>> apps_;
  std::map<DeploymentId, Deployment> deployments_;
  std::deque<DeploymentId> ended_;  // oldest first
  std::map<cluster::AgentId, Shared<cluster::Agent>> agents_;

  std::unordered_map<std::uint64_t, Instance*> instances_;  // by order
  std::unordered_map<InstanceId, Instance*> by_id_;
  std::unordered_map<cluster::TaskId, Instance*> by_task_;
  std::unordered_map<cluster::ClaimId, Instance*> by_claim_;
  std::unordered_map<cluster::GangId, std::vector<Instance*>> by_gang_;
  std::unordered_map<cluster::ClaimId, App*> parked_;
  std::set<std::pair<Monotonic, std::uint64_t>> timers_;            // instances, by order
  std::set<std::pair<Monotonic, DeploymentId>> deployment_timers_;  // next look at a running one
  std::map<DeploymentId, Monotonic> deployment_timer_of_;

  // ---- Of the present turn ----
  Now now_{};
  Commit commit_;
  std::vector<App*> touched_;
  std::vector<Instance*> to_claim_;
  std::vector<cluster::AcknowledgeStatus> acknowledgements_;
};

}  // namespace headrace::process
