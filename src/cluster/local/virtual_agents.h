// The virtual agents of one Docker Engine and what runs on them: every decision of the `local` source, as a
// state machine (docs/architecture.md, "Rules"). It is given calls, answers of deeds, ends of containers and
// time; it returns events for the claim book and further deeds. Engine, threads and clock belong to who runs
// it (local_source.cc; the simulator).
//
//   task:  wanted -> starting -> running -> ended -> (acknowledged) removed
//            |          \-> refused, or stopped: removed first, then told as ended
//            \-> known from the call on, though nothing of it runs yet
//   found container:  looked at -> running | ended
//                               -> created: started when it is asked for, removed when it is not for a while
//
// Of one container one deed is under way at a time. What fails is tried again at the next look.
//
// Never two lives: a start that may still happen (the engine may act late) is told as ended only when its
// container is gone; one without an answer is looked at and repeated. A status is kept until acknowledged; an
// ended container until its terminal status is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/local/deeds.h"
#include "cluster/offers/offer.h"

namespace headrace::cluster {

class VirtualAgents {
 public:
  struct Options {
    int agents = 1;
    std::string run;  // makes ids of statuses and offers unlike those of earlier runs
    std::map<int, std::map<std::string, std::string>> attributes;  // per agent number, from 1
    // Shared out equally; cpus and memory 0: what the machine has, less a reserve of memory.
    double cpus = 0;
    Bytes memory, disk;
    std::set<AgentId> unplugged;
  };
  struct Turn {
    std::vector<SourceEvent> events;
    std::vector<Deed> deeds;
  };

  explicit VirtualAgents(Options options) : options_(std::move(options)) {}

  // Begins the first look; later ones follow by time.
  Turn on_start(Now now);
  Turn on_call(const SourceCall& call, Now now);
  Turn on_done(const AnyDone& done, Now now);
  // The engine says that its container has ended. May be missed: looks find it too.
  Turn on_died(const TaskId& task, Now now);
  // What it says was missed, or it was away: looks now.
  Turn on_missed(Now now);
  // Which agents are unplugged with this change; kNotFound names the agents that there are.
  Result<std::set<AgentId>> unplugged_with(const AgentId& agent, bool plugged) const;
  // The change, once it is durable.
  Turn on_plug(const AgentId& agent, bool plugged, Now now);
  Turn on_time(Now now);
  std::optional<Monotonic> next_deadline() const;

 private:
  struct Known {
    Adopted adopted;
    TaskStatus status;                    // the latest
    std::optional<Monotonic> told;        // unacknowledged since
    bool start = false;                   // it is to be started
    std::optional<Launch> launch;         // and created before; while it is being removed: again, after that
    std::optional<Monotonic> idle;        // it was found created, and nobody has asked for it since
    std::optional<Error> refused;         // the answer of its start; what came of it is looked at
    std::optional<std::string> given_up;  // its start is not to happen any more: removed first, then told
    std::optional<Duration> stop;         // our stop: its end is kKilled
    bool found = false;                   // not ours since its launch: not known before it was looked at
    bool look = false;                    // something may have happened to its container
    bool cut = false;                     // a pulled plug ends it
    bool leaving = false;                 // to be removed and forgotten
    bool busy = false;                    // a deed is under way
    bool failed = false;                  // the last deed: tried again at the next look

    // Its check.
    bool checking = false, passed = false;
    int failures = 0;
    Monotonic check_from{};
    std::optional<Monotonic> check_due;  // none: it is running
  };

  template <class Decide>
  Turn turn(Now now, Decide decide);
  void make_agents(const docker::Machine& machine);
  void look_around();
  void connect();
  void adopt(const docker::Container& container);
  void offer_all();
  void repeat_statuses();
  void run_checks();

  void on(const Launch& call);
  void on(const Kill& call);
  void on(const DestroyVolumes& call);
  void on(const AcknowledgeSource& call);
  void on(const ReconcileTasks& call);
  void on(const Decline&) {}

  void on(const Done<StartContainer>& done);
  void on(const Done<StopContainer>& done);
  void on(const Done<CutContainer>& done);
  void on(const Done<LookAtContainer>& done);
  void on(const Done<RemoveContainer>& done);
  void on(const Done<RemoveVolumes>& done);
  void on(const Done<RunCheck>& done);
  void on(const Done<Survey>& done);

  void advance(Known& known);
  void act(Known& known, Deed deed);
  // Its deed has been done; none: it is not known any more.
  Known* settle(const TaskId& task, bool ok);
  void run(Known& known);
  // why: where there is no container that says it.
  void end(Known& known, const LookAtContainer::Answer& seen, const std::string& why);
  void give_up(Known& known, std::string why);
  void report(Known& known);
  void forget(const TaskId& task);
  void destroy_volumes(const ClaimId& claim);
  void begin_checks(Known& known);
  void end_checks(Known& known);
  Known* find(const TaskId& task);
  Agent* find(const AgentId& agent);
  bool is_plugged(const AgentId& agent) const { return !options_.unplugged.contains(agent); }
  // Else it is being looked at, or removed: what there is of it cannot be said yet.
  static bool is_known(const Known& known) { return known.launch || (!known.leaving && !known.found); }

  Options options_;
  std::vector<Agent> agents_;
  std::map<TaskId, Known> known_;
  // Volumes to be removed once no container of theirs is left, by name.
  std::map<ClaimId, std::vector<std::string>> destroying_;
  std::set<ClaimId> removing_;  // and those being removed
  std::map<AgentId, std::vector<std::uint16_t>> offered_ports_;
  std::map<std::string, std::set<std::uint16_t>> listening_;
  std::set<std::pair<Monotonic, TaskId>> checks_;
  int checks_running_ = 0;
  bool connected_ = false;
  bool counted_ = false;     // all containers have been seen since the engine came
  bool must_count_ = false;  // at the next look
  bool surveying_ = false;
  std::uint64_t looks_ = 0, next_id_ = 1;
  std::optional<Monotonic> survey_due_;
  // The transition under way.
  Now now_;
  Turn turn_;
};

}  // namespace headrace::cluster
