// The claim book: turns a source of offers into the Cluster of cluster.h. The third manager, under the same
// rules: single-threaded, events in, a Commit out.
//
//   gang:   pending --matched--> granted --released--> (gone)
//              \--withdrawn--> (gone)
//   claim:  held --StartTask--> launching --status--> running --terminal--> held | ended (while_task_runs)
//
//   claim:  held --ReleaseClaim keep--> parked --ClaimGang--> held     (only where volumes were written)
//           held|parked --ReleaseClaim destroy--> destroying --VolumesDestroyed--> (gone)
//           any --agent gone--> lost --ReleaseClaim--> (gone)
//
// It owns the durable records of claims and gangs and of tasks that the source may know. Exactly the granted
// claims count against an agent; a pending gang counts nothing, parked volumes count their size.
//
// What callers may build on:
//   * Granted comes for every gang; statuses of a while_task_runs claim carry `granted` too, and no Released
//     follows its end. A call repeated with the same ids gets the same answer again.
//   * Reconcile: all tasks of the book are asked for, not only those named. Each of them is answered before
//     Ready by its status, kUnreachable (agent silent) or kGone (no longer known); Granted and ClaimLost come
//     again for the claims named. A task or claim that the book has never seen is not answered: its call
//     never arrived, and is to be repeated after Ready.
//   * StopTask of a task the book does not know is answered by kKilled: nothing of it can run.
//   * A status is acknowledged to the source only after AcknowledgeStatus; until then a restart passes it up
//     again. A live task that is not in the book is killed on sight.
//   * Volumes kept at a release stay on their agent under the claim's id; a later want of that id is placed
//     there and finds them. ReleaseClaim{destroy} of the id destroys them. While their agent is down,
//     Released comes at once and the destruction stays owed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/write.h"
#include "cluster/cluster.h"
#include "cluster/offers/offer.h"

namespace headrace::cluster {

struct BookCommit {
  std::vector<Write> writes;
  std::vector<SourceCall> calls;  // effects: only after the writes are durable
  std::vector<Event> events;      // to the process manager, same turn

  void append(BookCommit&& other);
};

class ClaimBook {
 public:
  static Result<std::unique_ptr<ClaimBook>> create(SourceTraits traits, std::uint64_t seed,
                                                   std::span<const Record> records, Now now);
  virtual ~ClaimBook() = default;
  static std::vector<std::string> tables();

  virtual BookCommit on_call(const Call& call, Now now) = 0;
  virtual BookCommit on_source(const SourceEvent& event, Now now) = 0;
  virtual BookCommit on_time(Now now) = 0;
  virtual std::optional<Monotonic> next_deadline() const = 0;
  // What of an agent is granted now, for `headrace agents`.
  virtual Resources granted_on(const AgentId& agent) const = 0;
};

}  // namespace headrace::cluster
