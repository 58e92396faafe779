// What every agent has to give and what is placed on it, laid out in columns so that one placement looks at
// thousands of agents in microseconds. It knows nothing of gangs: it checks and places one want at a time.
#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cluster/cluster.h"
#include "cluster/offers/offer.h"

namespace headrace::cluster {

// Resources in whole numbers: sums of fractions of a CPU must not drift.
struct Demand {
  std::int64_t millicpus = 0;
  std::int64_t memory = 0;
  std::int64_t disk = 0;
  bool operator==(const Demand&) const = default;
};
Demand demand_of(const Resources& resources);
// Volumes count their size as disk.
Demand demand_of(const Want& want);
// What stays of a claim whose volumes are parked.
Demand demand_of_volumes(const Want& want);
Resources resources_of(const Demand& demand);

class AgentTable {
 public:
  using Index = std::uint32_t;

  // What a claim takes from an agent.
  struct Share {
    Demand demand;
    std::vector<std::uint16_t> ports;
    std::string group;  // empty: counts for no constraint
  };
  // A want translated for this table: constraints by column, patterns matched per distinct value.
  struct Query;

  struct Candidate {
    Index agent = 0;
    std::int64_t penalty = 0;  // preferred constraints not met
    int equals = 0;            // instances of the same group already there
    double load = 0;           // fullest resource afterwards, 0..1
  };

  explicit AgentTable(SourceTraits traits) : traits_(traits) {}

  // ---- What sources say ----
  // True if something other than free resources differs from what was known.
  bool update(const Agent& agent);
  bool offer(const Offer& offer);
  void rescind(const OfferId& offer);
  void remove(const AgentId& agent);  // gone for good; what was placed there has to be taken away before
  // An agent that only a stored claim names: down until its source announces it.
  Index ensure(const AgentId& agent);

  // ---- What the book places ----
  void place(Index agent, const Share& share);
  void take_away(Index agent, const Share& share);

  // ---- Questions ----
  std::optional<Index> find(const AgentId& agent) const;
  const Agent& agent(Index index) const { return rows_[index].agent; }
  const OfferId& offer_of(Index index) const { return rows_[index].offer; }
  bool is_known(Index index) const { return rows_[index].known; }
  bool can_place(Index index) const { return rows_[index].placeable(); }
  Demand granted(Index index) const { return rows_[index].granted; }
  Demand free(Index index) const;
  std::vector<Index> known() const;
  std::size_t size() const { return rows_.size(); }

  Query query(const Want& want);
  // Agents that take the want now, best first; looks at all agents until `limit` take it.
  std::vector<Candidate> candidates(const Query& query, std::size_t limit);
  bool fits(const Query& query, Index agent) const;
  // Why the agent does not take it: code and sentence; nullopt if it does.
  std::optional<AgentRefusal> refusal(const Query& query, Index agent) const;
  // Whether the agent, if it were up and empty, could take it by size and fixed properties.
  bool could_ever_take(const Query& query, Index agent) const;
  bool meets_properties(const Query& query, Index agent) const;
  // Numbers for the want's ports; the want must fit. `start` spreads the choice of dynamic ones.
  std::map<std::string, std::uint16_t> choose_ports(const Want& want, Index agent, std::size_t start) const;

 private:
  static constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::min();
  using ValueId = std::uint32_t;  // 0: the agent has no such attribute
  static constexpr ValueId kNoAgentsValue = std::numeric_limits<ValueId>::max();

  struct Row {
    Agent agent;
    OfferId offer;
    Demand offered, granted, granted_at_offer;
    std::vector<PortRange> ports;
    std::vector<std::uint16_t> taken;                           // ascending
    std::vector<std::pair<std::uint16_t, std::uint16_t>> held;  // number and how often, ascending
    bool known = false;
    bool placeable() const { return known && agent.up && !offer.empty(); }
  };
  struct Column {
    std::string field;
    std::vector<ValueId> of_agent;
    std::vector<std::string> values{""};
    std::unordered_map<std::string, ValueId> ids;
    // pattern -> by value: 1 matches, 0 does not. Grown when new values appear.
    struct Pattern {
      std::unique_ptr<re2::RE2> regex;
      std::vector<char> matches;
    };
    std::unordered_map<std::string, Pattern> patterns;
  };
  struct Group {
    // How many by agent, ascending: a scan of agents walks along it.
    std::vector<std::pair<Index, int>> on_agent;
    std::map<std::size_t, std::vector<int>> counts;  // column -> by value
    int total = 0;
  };

  std::size_t column(const std::string& field);
  ValueId intern(Column& column, const std::string& value);
  void fill(std::size_t column, Index agent);
  const Column::Pattern& pattern(Column& column, const std::string& text);
  const std::vector<int>& counts(Group& group, std::size_t column);
  void refresh(Index agent);
  bool ports_fit(const Query& query, Index agent) const;
  bool number_is_free(const Row& row, std::uint16_t number) const;

  SourceTraits traits_;
  std::vector<Row> rows_;
  std::unordered_map<AgentId, Index> by_id_;
  std::vector<Index> tombstones_;
  // The columns that a scan reads; kNothing in free_cpus_ means: nothing can be placed there.
  std::vector<std::int64_t> free_cpus_, free_memory_, free_disk_;
  std::vector<Column> columns_;
  std::unordered_map<std::string, std::size_t> column_of_;
  std::unordered_map<std::string, Group> groups_;
  Index next_ = 0;  // where the next scan begins: spreads work when there are many agents
};

struct AgentTable::Query {
  struct Rule {
    Operator op;
    bool preferred;
    std::size_t column;
    const char* matches = nullptr;           // LIKE, UNLIKE: by value
    ValueId value = 0;                       // IS, CLUSTER with a value
    int number = 0;                          // GROUP_BY, MAX_PER
    const std::vector<int>* used = nullptr;  // instances of the group by value
    int distinct = 0, least = 0, total = 0;  // of `used`
    const Constraint* source;
  };
  const Want* want;
  Demand demand;
  std::vector<Rule> rules;
  std::span<const std::pair<Index, int>> equals;  // instances of the group by agent, ascending
  std::vector<std::uint16_t> fixed;
  std::size_t dynamic = 0;
  std::string invalid;  // a constraint that cannot be read: no agent fits, and why

  // Whether one rule lets the agent with this value take an instance.
  static bool allows(const Rule& rule, ValueId value);
  static std::int64_t penalty(const Rule& rule, ValueId value);
  // Whether it speaks of the agent alone, not of what else runs where.
  static bool is_property(const Rule& rule);
};

}  // namespace headrace::cluster
