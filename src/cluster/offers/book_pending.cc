// Gangs that wait for room: matched when something grows, explained at most once a second.
#include <fmt/format.h>

#include <algorithm>

#include "cluster/offers/book.h"

namespace headrace::cluster {
namespace {

// Different shapes tried in one transition, so that one is never long; the rest follows at once after it.
constexpr std::size_t kShapesPerTurn = 500;
constexpr Duration kBetweenTurns = 1ms;
// An explanation looks at every agent: with many shapes waiting each is renewed less often.
constexpr Duration kExplainEvery = 1s;
constexpr Duration kExplainPerShape = 5ms;

bool same_reason(const Waiting& a, const Waiting& b) {
  return a.code == b.code && a.sentence == b.sentence &&
         std::ranges::equal(a.refusals, b.refusals, [](const AgentRefusal& x, const AgentRefusal& y) {
           return x.agent == y.agent && x.code == y.code && x.sentence == y.sentence;
         });
}

}  // namespace

void Book::enqueue(std::uint64_t sequence, Gang gang) {
  Gang anonymous{.wants = gang.wants};
  for (Want& want : anonymous.wants) {
    // A claim that has volumes somewhere fits where no other does.
    if (!claims_.contains(want.id)) want.id = {};
    want.task.reset();
  }
  std::string shape = encode(StoredGang{0, std::move(anonymous)});
  shapes_[shape].members.insert(sequence);
  pending_of_.emplace(gang.id, sequence);
  pending_.emplace(sequence, Pending{.gang = std::move(gang), .shape = std::move(shape)});
}

void Book::dequeue(std::uint64_t sequence) {
  const auto found = pending_.find(sequence);
  const auto shape = shapes_.find(found->second.shape);
  shape->second.members.erase(sequence);
  if (shape->second.members.empty()) {
    timers_.clear({Timer::kExplain, shape->first});
    shapes_.erase(shape);
  }
  pending_of_.erase(found->second.gang.id);
  pending_.erase(found);
}

void Book::match_pending() {
  if (grew_ && to_try_.empty()) {
    grew_ = false;
    for (const ClaimId& id : std::set<ClaimId>(changes_)) {
      if (HeldClaim* claim = find_claim(id); claim != nullptr) try_change(*claim);
    }
    std::vector<std::pair<std::uint64_t, const std::string*>> oldest_first;
    for (const auto& [key, shape] : shapes_) oldest_first.emplace_back(*shape.members.begin(), &key);
    std::ranges::sort(oldest_first);
    for (const auto& [sequence, key] : oldest_first) to_try_.push_back(*key);
  }
  for (std::size_t tried = 0; tried < kShapesPerTurn && !to_try_.empty(); ++tried) {
    std::string shape = std::move(to_try_.front());
    to_try_.pop_front();
    try_shape(std::move(shape));
  }
  if (!to_try_.empty() || grew_) timers_.set_if_none({Timer::kMatch, ""}, now_.mono + kBetweenTurns);
}

void Book::try_shape(std::string key) {
  while (true) {
    const auto shape = shapes_.find(key);
    if (shape == shapes_.end()) return;
    if (!try_gang(pending_.at(*shape->second.members.begin()))) break;
  }
  explain(std::move(key));
}

Pins Book::pins_of(const Gang& gang) const {
  Pins pins;
  for (const Want& want : gang.wants) {
    const auto claim = claims_.find(want.id);
    if (claim != claims_.end() && claim->second.phase == ClaimPhase::kParked) {
      pins.emplace(want.id, claim->second.agent());
    }
  }
  return pins;
}

bool Book::try_gang(Pending& pending) {
  const Gang& gang = pending.gang;
  for (const Want& want : gang.wants) {
    const HeldClaim* claim = find_claim(want.id);
    if (claim != nullptr && claim->phase != ClaimPhase::kParked) return false;
  }
  const Pins pins = pins_of(gang);
  // The room that parked volumes take is part of what their claim wants.
  for (const auto& [id, agent] : pins) set_share(claims_.at(id), std::nullopt);
  auto placements = place_gang(table_, gang, pins);
  if (placements) {
    grant(pending, std::move(*placements));
    return true;
  }
  for (const auto& [id, agent] : pins) {
    HeldClaim& claim = claims_.at(id);
    set_share(claim, AgentTable::Share{.demand = demand_of_volumes(claim.want)});
  }
  return false;
}

void Book::grant(Pending& pending, std::vector<Placement> placements) {
  const Gang gang = std::move(pending.gang);
  pending.gang = {.id = gang.id};
  dequeue(pending_of_.at(gang.id));
  out_.writes.push_back({"gangs", gang.id.str(), std::nullopt});
  Granted granted{.gang = gang.id};
  for (std::size_t at = 0; at < gang.wants.size(); ++at) {
    const Want& want = gang.wants[at];
    const Agent& agent = table_.agent(placements[at].agent);
    HeldClaim& claim = claims_[want.id];
    const bool written = claim.written;
    claim = HeldClaim{};
    claim.want = want;
    claim.want.constraints.clear();
    claim.want.task.reset();
    claim.gang = gang.id;
    claim.claim = {want.id, agent.id, agent.address, std::move(placements[at].ports)};
    claim.written = written;
    claim.placed = share_of(want, claim.claim.ports);  // place_gang has placed it
    store(claim);
    granted.claims.push_back(claim.claim);
  }
  out_.events.push_back(std::move(granted));
  for (const Want& want : gang.wants) {
    if (want.task) start(claims_.at(want.id), *want.task);
  }
}

void Book::explain(std::string key) {
  const auto found = shapes_.find(key);
  if (found == shapes_.end()) return;
  Shape& shape = found->second;
  const Duration every = std::max<Duration>(kExplainEvery, kExplainPerShape * shapes_.size());
  if (!shape.explained || now_.mono >= *shape.explained + every) {
    const Gang& gang = pending_.at(*shape.members.begin()).gang;
    Waiting reason;
    const HeldClaim* busy = nullptr;
    for (const Want& want : gang.wants) {
      const HeldClaim* claim = find_claim(want.id);
      if (claim != nullptr && claim->phase != ClaimPhase::kParked) busy = claim;
    }
    if (busy != nullptr) {
      reason.code = "claim-held";
      reason.sentence = fmt::format("Claim {} is still held on {}.", busy->id(), busy->agent());
    } else {
      const Pins pins = pins_of(gang);
      for (const auto& [id, agent] : pins) set_share(claims_.at(id), std::nullopt);
      reason = explain_gang(table_, gang, pins);
      for (const auto& [id, agent] : pins) {
        HeldClaim& claim = claims_.at(id);
        set_share(claim, AgentTable::Share{.demand = demand_of_volumes(claim.want)});
      }
    }
    shape.explained = now_.mono;
    if (!shape.reason || !same_reason(*shape.reason, reason)) {
      shape.reason = std::move(reason);
      ++shape.version;
    }
  } else {
    timers_.set_if_none({Timer::kExplain, key}, *shape.explained + every);
  }
  for (const std::uint64_t sequence : shape.members) tell(sequence);
}

void Book::tell(std::uint64_t sequence) {
  Pending& pending = pending_.at(sequence);
  const Shape& shape = shapes_.at(pending.shape);
  if (!shape.reason || pending.told == shape.version) return;
  pending.told = shape.version;
  Waiting waiting = *shape.reason;
  waiting.gang = pending.gang.id;
  out_.events.push_back(std::move(waiting));
}

void Book::try_change(HeldClaim& claim) {
  if (!claim.change || claim.phase != ClaimPhase::kHeld || claim.task) return;
  const AgentTable::Share before = *claim.placed;
  set_share(claim, std::nullopt);
  const AgentTable::Index agent = table_.ensure(claim.agent());
  Want want = *claim.change;
  // Ports keep their numbers by name, so that addresses known to others stay true.
  for (PortWant& port : want.ports) {
    const auto kept = claim.claim.ports.find(port.name);
    if (!port.number && kept != claim.claim.ports.end()) port.number = kept->second;
  }
  const AgentTable::Query query = table_.query(want);
  if (!table_.fits(query, agent)) {
    const auto refusal = table_.refusal(query, agent);
    set_share(claim, before);
    if (!refusal) return;
    const std::string sentence =
        fmt::format("{}, which holds claim {}, {}.", refusal->agent, claim.id(), refusal->sentence);
    return tell_waiting(claim, refusal->code, sentence, {*refusal});
  }
  claim.claim.ports = table_.choose_ports(want, agent, std::hash<std::string>()(want.id.str()));
  claim.want = std::move(*claim.change);
  claim.want.id = claim.id();
  claim.change.reset();
  claim.told.clear();
  set_share(claim, share_of(claim.want, claim.claim.ports));
  changes_.erase(claim.id());
  store(claim);
  grew_ = true;
  out_.events.push_back(Changed{claim.claim});
}

}  // namespace headrace::cluster
