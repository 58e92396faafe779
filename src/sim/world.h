// One simulated world: machines, a server with its store, what its users were promised, and the faults that
// happen to all of it. Everything follows from the seed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/chance.h"
#include "sim/event_queue.h"
#include "sim/ledger.h"
#include "sim/sim_kubernetes.h"
#include "sim/sim_local.h"
#include "sim/sim_server.h"
#include "sim/sim_source.h"
#include "sim/sim_store.h"

namespace headrace::sim {

struct WorldOptions {
  std::uint64_t seed = 1;
  // What the claim book stands on, or what answers calls itself.
  enum class Kind { kOffers, kLocal, kKubernetes } kind = Kind::kOffers;
  SourceOptions source;
  process::Options process{.first_port = 20000, .last_port = 20399};
  Faults faults;
  bool trace = false;  // every message on standard output
};

class World {
 public:
  explicit World(WorldOptions options);

  // A request of a user that decides about these apps: accepted, or refused by nullopt.
  using Decide = std::function<std::optional<process::Commit>(process::ProcessManager&, Now)>;
  bool request(const std::vector<process::AppId>& apps, const Decide& decide);
  bool put(std::vector<process::AppSpec> specs);
  // A request about environments; `answered` runs when the user gets the answer.
  using DecideEnvironment =
      std::function<std::optional<environment::Commit>(environment::EnvironmentManager&, Now)>;
  bool request_environment(const DecideEnvironment& decide, std::function<void()> answered);
  // Further promises: checked after every start of the server, every second, and before a world is settled.
  struct Watch {
    std::function<void()> booted, every_second;
    std::function<std::optional<std::string>()> unsettled;
  };
  void watch(Watch watch) { watch_ = std::move(watch); }
  bool remove(std::vector<process::AppId> apps, cluster::Volumes volumes);

  void run_for(Duration time);
  // Boots the server, which then comes back after every crash. Lets faults happen for so long, then ends and
  // mends them all.
  void suffer(Duration time);
  void calm_down();
  bool fail_some_task() { return local_ ? local_->fail_some_task() : source_.fail_some_task(); }
  // Runs until everything is as wished and nothing moves; throws Violation after `limit` (promise 2).
  void settle(Duration limit = std::chrono::minutes(30));
  // Removes every app with its volumes; then nothing may be left anywhere.
  void remove_everything();
  void expect_nothing_left();

  EventQueue& queue() { return queue_; }
  Random& random() { return random_; }
  SimServer& server() { return server_; }
  SimStore& store() { return store_; }
  const Ledger& ledger() const { return ledger_; }
  const Counts& counts() const { return counts_; }
  const process::ProcessManager& process() const { return server_.managers().process(); }
  const environment::EnvironmentManager& environments() const { return server_.managers().environment(); }
  // What users were answered last, and may rely on.
  std::vector<process::AppId> wished() const;
  void user_killed(const process::InstanceId& instance) { user_killed_.insert(instance); }
  // Nothing may be started or end any more (promise 4), or again.
  void forbid_changes(bool forbid);

 private:
  // What an app is to be; none: it is to be gone.
  using Wish = std::optional<process::AppSpec>;
  struct Promise {
    Wish acknowledged;
    std::map<std::uint64_t, Wish> unanswered;  // in order; a crash may leave any of them
  };
  struct Seen {
    std::set<process::InstanceId> ready;
  };

  void be_up();
  void fault_now_and_then(Duration mean, std::function<void()> happen);
  void begin_faults();
  void check_promises_kept();
  void observe(const server::Managers& managers, const server::Touched& touched);
  void check_minimum(const process::AppView& app);
  std::optional<std::string> unsettled() const;
  std::optional<std::string> unsettled_app(const process::AppSpec& spec, const process::AppView& app) const;
  std::optional<int> some_agent(bool reachable);
  template <class T>
  void trace(std::string_view arrow, const T& what) const;

  WorldOptions options_;
  EventQueue queue_;
  Random random_;
  Counts counts_;
  Faults faults_;
  Ledger ledger_;
  SimStore store_;
  SimSource source_;
  std::unique_ptr<SimKubernetes> kubernetes_;
  std::unique_ptr<SimLocal> local_;
  SimServer server_;
  std::uint64_t season_ = 0;  // of faults
  std::map<process::AppId, Promise> promises_;
  std::set<process::AppId> removing_, perhaps_removing_;
  std::uint64_t next_request_ = 1;
  std::optional<Watch> watch_;
  std::map<process::AppId, Seen> seen_;
  std::set<process::InstanceId> user_killed_;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> frozen_;  // starts and ends
};

}  // namespace headrace::sim
