// The three managers as one: routes what one decides to the others within the same turn, and gives out the
// commits in order with the effects that must wait for them. Pure: the real server (pump.h) and the simulator
// run the same code.
//
//   request/event -> environment -> process -> book   (calls go down)
//                    environment <- process <- book   (events go up)      until nothing is left to route
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/time.h"
#include "base/write.h"
#include "cluster/cluster.h"
#include "cluster/offers/claim_book.h"
#include "environment/environment_manager.h"
#include "process/process_manager.h"
#include "store/store.h"

namespace headrace::server {

// One manager's commit: atomic when stored. Its effects leave the process only when it and all before it are
// durable.
struct TurnCommit {
  std::vector<Write> writes;
  std::vector<cluster::SourceCall> source_calls;  // by the claim book
  std::vector<cluster::Call> cluster_calls;       // where the cluster is not a book (Kubernetes-shaped)
  std::vector<process::AppEvent> app_events;
  std::vector<environment::EnvironmentEvent> environment_events;
  bool empty() const {
    return writes.empty() && source_calls.empty() && cluster_calls.empty() && app_events.empty() &&
           environment_events.empty();
  }
};

// What changed in memory during a turn, so that snapshots redo only that.
struct Touched {
  std::vector<process::AppId> apps;
  bool environments = false;
  bool agents = false;
};

class Managers {
 public:
  // book may be null: then cluster calls leave as TurnCommit::cluster_calls.
  Managers(std::unique_ptr<cluster::ClaimBook> book, std::unique_ptr<process::ProcessManager> process,
           std::unique_ptr<environment::EnvironmentManager> environment);
  ~Managers();

  // Every method returns the turn's commits in the order they must become durable.
  using Turn = std::vector<TurnCommit>;

  Turn on_start(Now now);
  Turn on_source(const cluster::SourceEvent& event, Now now);
  Turn on_cluster(const cluster::Event& event, Now now);
  Turn on_time(Now now);
  std::optional<Monotonic> next_deadline() const;

  // Requests of the API's edge: decide with a manager and route its commit.
  Turn absorb(process::Commit commit, Now now);
  Turn absorb(environment::Commit commit, Now now);

  cluster::ClaimBook* book() { return book_.get(); }
  process::ProcessManager& process() { return *process_; }
  environment::EnvironmentManager& environment() { return *environment_; }
  const cluster::ClaimBook* book() const { return book_.get(); }
  const process::ProcessManager& process() const { return *process_; }
  const environment::EnvironmentManager& environment() const { return *environment_; }

  // What has changed since the last call.
  Touched take_touched();

 private:
  using Message =
      std::variant<cluster::Call, cluster::Event, environment::ProcessCall, process::AppView, process::AppId>;

  void route(cluster::BookCommit commit, Turn& turn);
  void route(process::Commit commit, Turn& turn);
  void route(environment::Commit commit, Turn& turn);
  void drain(Turn& turn, Now now);
  void dispatch(const Message& message, Turn& turn, Now now);
  void dispatch_call(const environment::ProcessCall& call, Turn& turn, Now now);

  std::unique_ptr<cluster::ClaimBook> book_;
  std::unique_ptr<process::ProcessManager> process_;
  std::unique_ptr<environment::EnvironmentManager> environment_;
  std::deque<Message> pending_;
  Touched touched_;
};

// The managers from what is stored. Errors: kUnavailable (the store cannot be read), kCorrupt.
struct LoadOptions {
  std::optional<cluster::SourceTraits> book;  // none: the cluster answers calls itself
  process::Options process;
  std::function<std::uint64_t()> seed;  // of each manager's ids
};
Result<std::unique_ptr<Managers>> load_managers(const Store& store, const LoadOptions& options, Now now);

}  // namespace headrace::server
