// The claim book: turns a source of offers into the Cluster of cluster.h. The third manager, under the same
// rules: single-threaded, events in, a Commit out.
//
//   gang:   pending --matched--> granted --released--> (gone)
//              \--withdrawn--> (gone)
//   claim:  held --StartTask--> launching --status--> running --terminal--> held | ended (while_task_runs)
//
// It owns the durable records of claims and gangs and of tasks that the source may know. Exactly the granted
// claims count against an agent; a pending gang counts nothing.
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
  virtual std::vector<Agent> agents() const = 0;
  // What of an agent is granted now, for `headrace agents`.
  virtual Resources granted_on(const AgentId& agent) const = 0;
};

}  // namespace headrace::cluster
