// The inside of the claim book, shared by its parts: calls (claim_book.cc), pending gangs (book_pending.cc)
// and what the source says (book_source.cc).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cluster/offers/agent_table.h"
#include "cluster/offers/claim_book.h"
#include "cluster/offers/matcher.h"
#include "cluster/offers/stored.h"
#include "cluster/offers/timers.h"

namespace headrace::cluster {

class Book final : public ClaimBook {
 public:
  Book(SourceTraits traits, std::uint64_t seed)
      : traits_(traits), table_(traits), before_rounds_(seed >> 16), round_(before_rounds_) {}
  Status restore(std::span<const Record> records);

  BookCommit on_call(const Call& call, Now now) override;
  BookCommit on_source(const SourceEvent& event, Now now) override;
  BookCommit on_time(Now now) override;
  std::optional<Monotonic> next_deadline() const override { return timers_.next(); }
  Resources granted_on(const AgentId& agent) const override;

 private:
  struct HeldClaim : StoredClaim {
    std::optional<TaskId> task;
    std::optional<AgentTable::Share> placed;  // what counts against the agent now
    std::string told;                         // the last Waiting about its start or change
    ClaimId id() const { return claim.id; }
    const AgentId& agent() const { return *claim.agent; }
    bool is_held() const { return phase == ClaimPhase::kHeld || phase == ClaimPhase::kReleasing; }
    bool has_data() const { return written && !want.volumes.empty(); }
  };
  struct LiveTask : StoredTask {
    AgentId agent;
    std::optional<TaskState> state;  // as last passed up
    Health health = Health::kUnknown;
    bool handed_over = false;          // a Launch has or may have left
    bool answered = false;             // in the running reconciliation
    std::optional<Duration> grace;     // a stop was asked for
    std::uint64_t round = 0;           // answers of earlier rounds do not know this launch
    std::optional<StatusId> awaiting;  // passed up, not yet acknowledged
    bool awaiting_own = false;         // made by the book, not by the source
    std::vector<StatusId> passed;      // the latest few, to know repetitions
    bool has_ended() const { return state && is_terminal(*state); }
  };
  struct Pending {
    Gang gang;
    std::string shape;
    int told = 0;  // the version of the reason it was told
  };
  // Gangs that differ in nothing but their ids: where one does not fit, none does.
  struct Shape {
    std::set<std::uint64_t> members;  // keys of pending_
    std::optional<Waiting> reason;
    int version = 0;
    std::optional<Monotonic> explained;
  };
  enum class Timer { kLaunch, kKill, kDestroy, kExplain, kReconcile, kLook, kMatch };
  using TimerKey = std::pair<Timer, std::string>;

  // ---- claim_book.cc
  void on(const ClaimGang& call);
  void on(const WithdrawGang& call);
  void on(const ChangeClaim& call);
  void on(const StartTask& call);
  void on(const StopTask& call);
  void on(const ReleaseClaim& call);
  void on(const AcknowledgeStatus& call);
  void on(const Reconcile& call);
  void start(HeldClaim& claim, const Task& task);
  void launch(LiveTask& task);
  void stop(LiveTask& task, Duration grace);
  void begin_release(HeldClaim& claim, bool destroy);
  void finish_release(HeldClaim& claim);
  void end_task(LiveTask& task);
  void forget_task(const TaskId& task);
  void destroy_volumes(HeldClaim& claim);
  void set_share(HeldClaim& claim, std::optional<AgentTable::Share> share);
  void tell_waiting(HeldClaim& claim, std::string code, std::string sentence,
                    std::vector<AgentRefusal> refusals = {});
  void store(const HeldClaim& claim);
  void store(const LiveTask& task);
  void erase(const ClaimId& claim);
  BookCommit finish();
  HeldClaim* find_claim(const ClaimId& id);
  LiveTask* find_task(const TaskId& id);
  bool is_up(const AgentId& agent) const;

  // ---- book_pending.cc
  void enqueue(std::uint64_t sequence, Gang gang);
  void dequeue(std::uint64_t sequence);
  void match_pending();
  void try_shape(std::string shape);
  bool try_gang(Pending& pending);
  void grant(Pending& pending, std::vector<Placement> placements);
  void explain(std::string shape);
  void tell(std::uint64_t sequence);
  void try_change(HeldClaim& claim);
  Pins pins_of(const Gang& gang) const;

  // ---- book_source.cc
  void on(const Offered& event);
  void on(const Rescinded& event);
  void on(const SourceStatus& event);
  void on(const SourceAgent& event);
  void on(const SourceAgentGone& event);
  void on(const VolumesDestroyed& event);
  void on(const SourceDisconnected& event);
  void on(const SourceConnected& event);
  void on(const Reconciled& event);
  void update_agent(const Agent& agent, bool was_up, bool changed);
  void agent_went_down(const AgentId& agent);
  void agent_is_up(const AgentId& agent, bool was_up);
  void begin_reconcile();
  void ask(const std::vector<LiveTask*>& tasks);
  void on_unknown(LiveTask& task);
  void finish_reconcile();
  void pass_up(LiveTask& task, TaskStatus status);
  void pass_up_own(LiveTask& task, TaskState state, std::string message);
  void look_for_unreachable();
  void on_due(const TimerKey& timer);

  SourceTraits traits_;
  AgentTable table_;
  std::map<ClaimId, HeldClaim> claims_;
  std::map<TaskId, LiveTask> tasks_;
  std::map<AgentId, std::set<TaskId>> tasks_on_;
  std::set<ClaimId> changes_;

  std::map<std::uint64_t, Pending> pending_;  // by order of arrival
  std::unordered_map<GangId, std::uint64_t> pending_of_;
  std::map<std::string, Shape> shapes_;
  std::deque<std::string> to_try_;
  std::uint64_t next_sequence_ = 1;
  bool grew_ = false;  // something may fit now that did not

  bool connected_ = false;
  bool asked_ = false;  // the caller has called Reconcile
  bool reconciling_ = false;
  bool ready_ = false;
  std::set<ClaimId> asked_claims_;
  // Rounds begin anywhere, so that answers to questions of an earlier process are told apart.
  std::uint64_t before_rounds_, round_, reconcile_round_ = 0;
  int reconcile_attempts_ = 0;

  Timers<TimerKey> timers_;
  // The transition under way.
  Now now_;
  BookCommit out_;
};

}  // namespace headrace::cluster
