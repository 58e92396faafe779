// The pump: gives events and requests to the managers one at a time, makes what they decide durable in
// groups, and only then lets effects and answers out (design rule 2, "durable before visible").
//
//   any thread --post--> [inputs] --pump thread: turns--> [commits] --writer thread: one store group-->
//   effects, answers
//
// While the store refuses a group (disk full), the group is kept and tried again; no effect of it or after it
// leaves; whoever waits for an answer is told so, new requests are refused with the cause; statuses stay
// unacknowledged. Only a corrupt store ends the process.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/cause.h"
#include "base/result.h"
#include "server/event_hub.h"
#include "server/managers.h"
#include "server/snapshot.h"
#include "store/store.h"
#include "world/clock.h"

namespace headrace::server {

class Pump {
 public:
  struct Effects {
    std::function<void(cluster::SourceCall)> source;  // where the cluster is a claim book
    std::function<void(cluster::Call)> cluster;       // where it is not
  };

  Pump(Store& store, const Clock& clock, std::unique_ptr<Managers> managers, Effects effects, EventHub& hub);
  ~Pump();  // stop()

  void start();
  // Finishes the turns begun and stores them; later inputs are dropped.
  void stop();

  void post(cluster::SourceEvent event);
  void post(cluster::Event event);

  // Asks a manager. `decide(Managers&, Now)` returns Result<process::Decision<T>> or
  // Result<environment::Decision<T>> and runs in the pump's thread; `done(Result<T>)` runs when its commit is
  // durable, in the writer's thread: it must not block. While the store does not answer, done gets
  // kUnavailable at once: refused, or, where it was decided already, that it is done once it can be stored.
  template <class Decide, class Done>
  void ask(Decide decide, Done done) {
    if (auto refusal = store_refusal()) return done(std::unexpected(std::move(*refusal)));
    post_task(
        [this, decide = std::move(decide), done = std::move(done)](Managers& managers, Now now) mutable {
          auto decision = decide(managers, now);
          if (!decision) {
            answers_.push_back([done = std::move(done), error = std::move(decision).error()](
                                   const Error*) mutable { done(std::unexpected(std::move(error))); });
            return Managers::Turn{};
          }
          Managers::Turn turn = managers.absorb(std::move(decision->commit), now);
          answers_.push_back(
              [done = std::move(done), answer = std::move(decision->answer)](const Error* late) mutable {
                if (late) return done(std::unexpected(*late));
                done(std::move(answer));
              });
          return turn;
        });
  }

  // The state as of the last durable commit.
  std::shared_ptr<const Snapshot> snapshot() const;
  // Why nothing is being stored now, if so.
  std::optional<Cause> store_cause() const;

  struct Counters {
    std::uint64_t inputs = 0, commits = 0, groups = 0, failed_groups = 0;
  };
  Counters counters() const;

 private:
  using Task = std::function<Managers::Turn(Managers&, Now)>;
  using Answer = std::function<void(const Error* late)>;  // late: what to say while it cannot be stored
  struct Group {
    std::vector<TurnCommit> commits;
    std::vector<Answer> answers;
    std::shared_ptr<const Snapshot> snapshot;
  };

  void post_task(Task task);
  std::optional<Error> store_refusal() const;
  void run_managers(std::stop_token stop);
  void run_writer(std::stop_token stop);
  void make_durable(Group& group, std::stop_token stop);
  void answer_late(Group& group, const Error& error);
  void let_out(Group& group);
  std::shared_ptr<const Snapshot> render(const Touched& touched);

  Store& store_;
  const Clock& clock_;
  std::unique_ptr<Managers> managers_;
  Effects effects_;
  EventHub& hub_;

  mutable std::mutex mutex_;
  std::condition_variable_any inputs_changed_, groups_changed_;
  std::deque<Task> inputs_;
  std::deque<Group> groups_;
  std::shared_ptr<const Snapshot> durable_snapshot_ = std::make_shared<const Snapshot>();
  std::optional<Cause> store_cause_;
  Counters counters_;

  // Of the pump's thread alone.
  std::vector<Answer> answers_;
  std::shared_ptr<const Snapshot> latest_ = std::make_shared<const Snapshot>();

  std::jthread manager_thread_, writer_thread_;
};

}  // namespace headrace::server
