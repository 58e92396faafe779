#include "cluster/offers/matcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "base/result.h"

namespace headrace::cluster {
namespace {

// Agents compared for one want. All, on clusters up to this size; a sample of fitting ones beyond.
constexpr std::size_t kCandidates = 64;
// Agents tried for one want before going back to the want before it, and placements tried in all: gangs of
// the size that people make are solved by far fewer.
constexpr std::size_t kBranches = 8;
constexpr std::size_t kStepsPerWant = 20;
constexpr std::size_t kRefusals = 200;

// The order in which wants are placed: what has the fewest places to go comes first.
std::vector<std::size_t> most_constrained_first(const Gang& gang, const Pins& pins) {
  struct Weight {
    bool pinned;
    std::ptrdiff_t rules;
    std::int64_t memory, millicpus, disk;
    std::ptrdiff_t earlier;
    auto operator<=>(const Weight&) const = default;
  };
  const auto weight = [&](std::size_t at) {
    const Want& want = gang.wants[at];
    const Demand demand = demand_of(want);
    const auto hard =
        std::ranges::count_if(want.constraints, [](const auto& each) { return !each.preferred; });
    const auto fixed =
        std::ranges::count_if(want.ports, [](const auto& each) { return each.number.has_value(); });
    return Weight{pins.contains(want.id), hard + fixed, demand.memory,
                  demand.millicpus,       demand.disk,  -static_cast<std::ptrdiff_t>(at)};
  };
  std::vector<std::size_t> order(gang.wants.size());
  std::iota(order.begin(), order.end(), 0);
  if (order.size() > 1) std::ranges::sort(order, std::greater(), weight);
  return order;
}

std::vector<AgentTable::Candidate> agents_for(AgentTable& table, const AgentTable::Query& query,
                                              const Pins& pins) {
  const auto pinned = pins.find(query.want->id);
  if (pinned == pins.end()) return table.candidates(query, kCandidates);
  const auto agent = table.find(pinned->second);
  if (!agent || !table.fits(query, *agent)) return {};
  return {{.agent = *agent}};
}

class Search {
 public:
  Search(AgentTable& table, const Gang& gang, const Pins& pins)
      : table_(table),
        gang_(gang),
        pins_(pins),
        order_(most_constrained_first(gang, pins)),
        placements_(gang.wants.size()),
        steps_left_(kStepsPerWant * gang.wants.size()) {}

  // On success everything is placed; on failure nothing is.
  bool run() { return place_from(0); }
  std::vector<Placement>&& take_placements() { return std::move(placements_); }

  // Places greedily as far as it goes; the want that found no agent, with the earlier ones still placed.
  std::optional<std::size_t> run_until_stuck() {
    for (; placed_ < order_.size(); ++placed_) {
      const AgentTable::Query query = table_.query(gang_.wants[order_[placed_]]);
      const auto candidates = agents_for(table_, query, pins_);
      if (candidates.empty()) return order_[placed_];
      put(order_[placed_], candidates.front().agent);
    }
    return std::nullopt;
  }
  void undo() {
    while (placed_ > 0) take_back(order_[--placed_]);
  }
  std::size_t placed() const { return placed_; }

 private:
  bool place_from(std::size_t position) {
    if (position == order_.size()) return true;
    const std::size_t at = order_[position];
    std::vector<AgentTable::Candidate> candidates = agents_for(table_, table_.query(gang_.wants[at]), pins_);
    if (candidates.size() > kBranches) candidates.resize(kBranches);
    for (const auto& candidate : candidates) {
      if (steps_left_ == 0) return false;
      --steps_left_;
      put(at, candidate.agent);
      if (place_from(position + 1)) return true;
      take_back(at);
    }
    return false;
  }
  void put(std::size_t at, AgentTable::Index agent) {
    const Want& want = gang_.wants[at];
    placements_[at] = {agent, table_.choose_ports(want, agent, std::hash<std::string>()(want.id.str()))};
    table_.place(agent, share_of(want, placements_[at].ports));
  }
  void take_back(std::size_t at) {
    table_.take_away(placements_[at].agent, share_of(gang_.wants[at], placements_[at].ports));
  }

  AgentTable& table_;
  const Gang& gang_;
  const Pins& pins_;
  std::vector<std::size_t> order_;
  std::vector<Placement> placements_;
  std::size_t steps_left_;
  std::size_t placed_ = 0;
};

std::string size_text(const Demand& demand) {
  std::string text = fmt::format("{:g} CPUs, {} of memory", static_cast<double>(demand.millicpus) / 1000,
                                 to_text(Bytes{demand.memory}));
  if (demand.disk > 0) text += fmt::format(", {} of disk", to_text(Bytes{demand.disk}));
  return text;
}

// The agent with the most free of what is short, for the sentence.
std::string sentence_for(const AgentTable& table, const std::vector<AgentTable::Index>& agents,
                         const std::string& code, const AgentTable::Query& query,
                         const std::string& example) {
  const auto most = [&](auto amount) {
    AgentTable::Index best = agents.front();
    std::int64_t most_free = -1;
    for (const auto agent : agents) {
      if (!table.can_place(agent)) continue;
      if (const std::int64_t free = amount(table.free(agent)); free > most_free) {
        most_free = free;
        best = agent;
      }
    }
    return std::pair(table.agent(best).id, std::max<std::int64_t>(most_free, 0));
  };
  if (code == "no-memory") {
    const auto [agent, free] = most([](const Demand& each) { return each.memory; });
    return fmt::format("No agent has {} of memory free; the most is {} on {}.",
                       to_text(Bytes{query.demand.memory}), to_text(Bytes{free}), agent);
  }
  if (code == "no-cpus") {
    const auto [agent, free] = most([](const Demand& each) { return each.millicpus; });
    return fmt::format("No agent has {:g} CPUs free; the most is {:g} on {}.",
                       static_cast<double>(query.demand.millicpus) / 1000, static_cast<double>(free) / 1000,
                       agent);
  }
  if (code == "no-disk") {
    const auto [agent, free] = most([](const Demand& each) { return each.disk; });
    return fmt::format("No agent has {} of disk free; the most is {} on {}.",
                       to_text(Bytes{query.demand.disk}), to_text(Bytes{free}), agent);
  }
  return fmt::format("No agent takes it: {}.", example);
}

Demand sum_of(const Gang& gang) {
  Demand sum;
  for (const Want& want : gang.wants) {
    const Demand demand = demand_of(want);
    sum = {sum.millicpus + demand.millicpus, sum.memory + demand.memory, sum.disk + demand.disk};
  }
  return sum;
}

// Whether even empty agents could not hold it: the one answer that waiting does not change.
std::optional<std::string> too_large(AgentTable& table, const Gang& gang,
                                     const std::vector<AgentTable::Index>& agents) {
  Demand all;
  for (const auto agent : agents) {
    const Demand total = demand_of(table.agent(agent).total);
    all = {all.millicpus + total.millicpus, all.memory + total.memory, all.disk + total.disk};
  }
  for (const Want& want : gang.wants) {
    const AgentTable::Query query = table.query(want);
    bool any_by_property = false;
    bool any_by_size = false;
    std::optional<AgentTable::Index> largest;
    for (const auto agent : agents) {
      // One that was never announced may be of any size.
      if (table.agent(agent).total == Resources{}) return std::nullopt;
      if (!table.meets_properties(query, agent)) continue;
      any_by_property = true;
      any_by_size = any_by_size || table.could_ever_take(query, agent);
      if (!largest || table.agent(*largest).total.memory < table.agent(agent).total.memory) largest = agent;
    }
    if (any_by_property && !any_by_size) {
      return fmt::format("No agent is large enough for {}; the largest, {}, has {}.", size_text(query.demand),
                         table.agent(*largest).id, size_text(demand_of(table.agent(*largest).total)));
    }
  }
  const Demand sum = sum_of(gang);
  if (sum.millicpus > all.millicpus || sum.memory > all.memory || sum.disk > all.disk) {
    return fmt::format("All agents together have {}; the {} instances claimed together want {}.",
                       size_text(all), gang.wants.size(), size_text(sum));
  }
  return std::nullopt;
}

}  // namespace

AgentTable::Share share_of(const Want& want, const std::map<std::string, std::uint16_t>& ports) {
  AgentTable::Share share{.demand = demand_of(want), .group = want.group};
  for (const auto& [name, number] : ports) share.ports.push_back(number);
  return share;
}

std::optional<std::vector<Placement>> place_gang(AgentTable& table, const Gang& gang, const Pins& pins) {
  Search search(table, gang, pins);
  if (!search.run()) return std::nullopt;
  return search.take_placements();
}

Waiting explain_gang(AgentTable& table, const Gang& gang, const Pins& pins) {
  Waiting waiting{.gang = gang.id};
  const auto agents = table.known();
  if (agents.empty()) {
    waiting.code = "no-agents";
    waiting.sentence = "No agent is known yet.";
    return waiting;
  }
  // A want that fails on its own says more than one that fails because of the others.
  Search search(table, gang, pins);
  std::optional<std::size_t> failing;
  for (std::size_t at = 0; at < gang.wants.size() && !failing; ++at) {
    if (agents_for(table, table.query(gang.wants[at]), pins).empty()) failing = at;
  }
  if (!failing) failing = search.run_until_stuck();
  const Want& want = gang.wants[failing.value_or(0)];
  const AgentTable::Query query = table.query(want);
  const auto pinned = pins.find(want.id);

  std::map<std::string, std::pair<std::size_t, std::string>> codes;  // -> how often, an example
  std::optional<AgentRefusal> only;                                  // of the one agent that may take it
  for (const auto agent : agents) {
    std::optional<AgentRefusal> refusal = table.refusal(query, agent);
    if (!refusal && pinned != pins.end() && table.agent(agent).id != pinned->second) {
      refusal = {table.agent(agent).id, "volumes-elsewhere",
                 fmt::format("the volumes of {} are on {}", want.id, pinned->second)};
    }
    if (refusal && pinned != pins.end() && refusal->agent == pinned->second) only = refusal;
    // It would take this one, but the search gave up among many combinations.
    if (!refusal) refusal = {table.agent(agent).id, "gang", "takes some of these instances, but not all"};
    auto& [number, example] = codes[refusal->code];
    if (number++ == 0) example = fmt::format("{} {}", refusal->agent, refusal->sentence);
    if (waiting.refusals.size() < kRefusals) waiting.refusals.push_back(std::move(*refusal));
  }
  const auto commonest = std::ranges::max_element(
      codes, {}, [](const auto& each) { return std::pair(each.first != "agent-down", each.second.first); });
  waiting.code = commonest->first;
  waiting.sentence = sentence_for(table, agents, waiting.code, query, commonest->second.second);
  if (only) {
    waiting.code = only->code;
    waiting.sentence =
        fmt::format("The volumes of {} are on {}, which {}.", want.id, only->agent, only->sentence);
  }
  if (search.placed() > 0) {
    waiting.sentence += fmt::format(" {} of {} instances that are claimed together would fit.",
                                    search.placed(), gang.wants.size());
  }
  search.undo();
  if (auto sentence = too_large(table, gang, agents)) {
    waiting.code = "too-large";
    waiting.sentence = std::move(*sentence);
  }
  return waiting;
}

}  // namespace headrace::cluster
