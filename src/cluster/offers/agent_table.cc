#include "cluster/offers/agent_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/result.h"

namespace headrace::cluster {
namespace {

// Distinct patterns kept compiled per field; beyond it the oldest knowledge is simply made again.
constexpr std::size_t kPatterns = 4096;

void add(Demand& to, const Demand& what, int sign) {
  to.millicpus += sign * what.millicpus;
  to.memory += sign * what.memory;
  to.disk += sign * what.disk;
}

const std::string* attribute_of(const Agent& agent, const std::string& field) {
  if (field == "hostname" || field == "@hostname") return &agent.hostname;
  if (field == "@agent") return &agent.id.str();
  const auto found = agent.attributes.find(field);
  return found == agent.attributes.end() ? nullptr : &found->second;
}

bool in_ranges(const std::vector<PortRange>& ranges, std::uint16_t number) {
  return std::ranges::any_of(
      ranges, [&](const PortRange& range) { return range.first <= number && number <= range.second; });
}

std::size_t size_of(const std::vector<PortRange>& ranges) {
  std::size_t size = 0;
  for (const auto& [first, last] : ranges) size += std::size_t{last} - first + 1;
  return size;
}

// The n-th number counted from the highest: fixed numbers are given from the lower end.
std::uint16_t number_at(const std::vector<PortRange>& ranges, std::size_t n) {
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    const auto [first, last] = *range;
    const std::size_t size = std::size_t{last} - first + 1;
    if (n < size) return static_cast<std::uint16_t>(last - n);
    n -= size;
  }
  CHECK(false, "port beyond the agent's ranges");
  return 0;
}

// Where the agent is, or would be, in a list by agent.
auto at_agent(auto&& by_agent, AgentTable::Index agent) {
  return std::ranges::lower_bound(by_agent, agent, {}, [](const auto& each) { return each.first; });
}

std::string to_text(const std::vector<PortRange>& ranges) {
  std::string text;
  for (const auto& [first, last] : ranges)
    text += fmt::format("{}{}-{}", text.empty() ? "" : ", ", first, last);
  return text.empty() ? "none" : text;
}

std::string_view name_of(Operator op) {
  switch (op) {
    case Operator::kUnique: return "UNIQUE";
    case Operator::kLike: return "LIKE";
    case Operator::kUnlike: return "UNLIKE";
    case Operator::kIs: return "IS";
    case Operator::kCluster: return "CLUSTER";
    case Operator::kGroupBy: return "GROUP_BY";
    case Operator::kMaxPer: return "MAX_PER";
  }
  return "";
}

}  // namespace

Demand demand_of(const Resources& resources) {
  return {.millicpus = std::llround(resources.cpus * 1000),
          .memory = resources.memory.count,
          .disk = resources.disk.count};
}

Demand demand_of(const Want& want) {
  Demand demand = demand_of(want.resources);
  demand.disk += demand_of_volumes(want).disk;
  return demand;
}

Demand demand_of_volumes(const Want& want) {
  Demand demand;
  for (const VolumeWant& volume : want.volumes) demand.disk += volume.size.count;
  return demand;
}

Resources resources_of(const Demand& demand) {
  return {
      .cpus = static_cast<double>(demand.millicpus) / 1000, .memory = {demand.memory}, .disk = {demand.disk}};
}

// ---- What sources say ----------------------------------------------------------------------------

AgentTable::Index AgentTable::ensure(const AgentId& id) {
  if (const auto found = find(id)) return *found;
  Index index = static_cast<Index>(rows_.size());
  if (tombstones_.empty()) {
    rows_.emplace_back();
    free_cpus_.push_back(kNothing);
    free_memory_.push_back(0);
    free_disk_.push_back(0);
    for (Column& each : columns_) each.of_agent.push_back(0);
  } else {
    index = tombstones_.back();
    tombstones_.pop_back();
  }
  rows_[index] = Row{.agent = {.id = id,
                               .hostname = id.str(),
                               .up = false,
                               .cause = "it has not been seen since the server started"},
                     .known = true};
  by_id_.emplace(id, index);
  for (std::size_t each = 0; each < columns_.size(); ++each) fill(each, index);
  return index;
}

bool AgentTable::update(const Agent& agent) {
  const bool is_new = !find(agent.id);
  const Index index = ensure(agent.id);
  Row& row = rows_[index];
  if (!is_new && row.agent == agent) return false;
  row.agent = agent;
  for (std::size_t each = 0; each < columns_.size(); ++each) fill(each, index);
  refresh(index);
  return true;
}

bool AgentTable::offer(const Offer& offer) {
  const bool changed = update(offer.agent);
  const Index index = *find(offer.agent.id);
  Row& row = rows_[index];
  row.offer = offer.id;
  row.offered = demand_of(offer.free);
  row.granted_at_offer = row.granted;
  row.ports = offer.ports;
  std::ranges::sort(row.ports);
  row.taken = offer.taken_ports;
  std::ranges::sort(row.taken);
  refresh(index);
  return changed;
}

void AgentTable::rescind(const OfferId& offer) {
  for (Index index = 0; index < rows_.size(); ++index) {
    if (rows_[index].offer != offer) continue;
    rows_[index].offer = {};
    refresh(index);
  }
}

void AgentTable::remove(const AgentId& agent) {
  const auto index = find(agent);
  if (!index) return;
  CHECK(rows_[*index].granted == Demand{}, "an agent is removed with claims on it");
  by_id_.erase(agent);
  rows_[*index] = Row{};
  free_cpus_[*index] = kNothing;
  tombstones_.push_back(*index);
}

std::optional<AgentTable::Index> AgentTable::find(const AgentId& agent) const {
  const auto found = by_id_.find(agent);
  if (found == by_id_.end()) return std::nullopt;
  return found->second;
}

std::vector<AgentTable::Index> AgentTable::known() const {
  std::vector<Index> indexes;
  for (Index index = 0; index < rows_.size(); ++index) {
    if (rows_[index].known) indexes.push_back(index);
  }
  return indexes;
}

Demand AgentTable::free(Index index) const {
  const Row& row = rows_[index];
  Demand taken = row.granted;
  if (traits_.accounts_claims) {
    // What was granted before the offer is not in it; what is given back since comes with the next one.
    add(taken, row.granted_at_offer, -1);
    taken = {std::max<std::int64_t>(taken.millicpus, 0), std::max<std::int64_t>(taken.memory, 0),
             std::max<std::int64_t>(taken.disk, 0)};
  }
  Demand free = row.offered;
  add(free, taken, -1);
  return free;
}

void AgentTable::refresh(Index index) {
  const Demand now = free(index);
  free_cpus_[index] = rows_[index].placeable() ? now.millicpus : kNothing;
  free_memory_[index] = now.memory;
  free_disk_[index] = now.disk;
}

// ---- Columns -------------------------------------------------------------------------------------

std::size_t AgentTable::column(const std::string& field) {
  const auto [found, is_new] = column_of_.try_emplace(field, columns_.size());
  if (is_new) {
    columns_.push_back(Column{.field = field, .of_agent = std::vector<ValueId>(rows_.size(), 0)});
    for (Index index = 0; index < rows_.size(); ++index) fill(found->second, index);
  }
  return found->second;
}

AgentTable::ValueId AgentTable::intern(Column& column, const std::string& value) {
  const auto [found, is_new] = column.ids.try_emplace(value, static_cast<ValueId>(column.values.size()));
  if (is_new) column.values.push_back(value);
  return found->second;
}

void AgentTable::fill(std::size_t at, Index agent) {
  Column& column = columns_[at];
  const std::string* value = rows_[agent].known ? attribute_of(rows_[agent].agent, column.field) : nullptr;
  const ValueId before = column.of_agent[agent];
  const ValueId after = value == nullptr ? 0 : intern(column, *value);
  if (before == after) return;
  column.of_agent[agent] = after;
  for (auto& [name, group] : groups_) {
    const auto counted = group.counts.find(at);
    const auto placed = at_agent(group.on_agent, agent);
    if (counted == group.counts.end() || placed == group.on_agent.end() || placed->first != agent) continue;
    counted->second.resize(std::max<std::size_t>(counted->second.size(), column.values.size()));
    counted->second[before] -= placed->second;
    counted->second[after] += placed->second;
  }
}

const AgentTable::Column::Pattern& AgentTable::pattern(Column& column, const std::string& text) {
  if (column.patterns.size() > kPatterns) column.patterns.clear();
  auto [found, is_new] = column.patterns.try_emplace(text);
  Column::Pattern& pattern = found->second;
  if (is_new) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    pattern.regex = std::make_unique<re2::RE2>(text, options);
  }
  while (pattern.matches.size() < column.values.size()) {
    const std::size_t value = pattern.matches.size();
    const bool matches =
        value != 0 && pattern.regex->ok() && re2::RE2::FullMatch(column.values[value], *pattern.regex);
    pattern.matches.push_back(matches ? 1 : 0);
  }
  return pattern;
}

const std::vector<int>& AgentTable::counts(Group& group, std::size_t at) {
  Column& column = columns_[at];
  auto [found, is_new] = group.counts.try_emplace(at);
  std::vector<int>& counts = found->second;
  counts.resize(std::max(counts.size(), column.values.size()));
  if (is_new) {
    for (const auto& [agent, number] : group.on_agent) counts[column.of_agent[agent]] += number;
  }
  return counts;
}

// ---- Placing -------------------------------------------------------------------------------------

void AgentTable::place(Index agent, const Share& share) {
  Row& row = rows_[agent];
  add(row.granted, share.demand, 1);
  for (const std::uint16_t number : share.ports) {
    const auto at = std::ranges::lower_bound(row.held, number, {}, &decltype(row.held)::value_type::first);
    if (at != row.held.end() && at->first == number) {
      ++at->second;  // one claim, two protocols
    } else {
      row.held.insert(at, {number, 1});
    }
  }
  if (!share.group.empty()) {
    Group& group = groups_[share.group];
    ++group.total;
    const auto placed = at_agent(group.on_agent, agent);
    if (placed == group.on_agent.end() || placed->first != agent) {
      group.on_agent.insert(placed, {agent, 1});
    } else {
      ++placed->second;
    }
    for (auto& [at, counts] : group.counts) {
      counts.resize(std::max(counts.size(), columns_[at].values.size()));
      ++counts[columns_[at].of_agent[agent]];
    }
  }
  refresh(agent);
}

void AgentTable::take_away(Index agent, const Share& share) {
  Row& row = rows_[agent];
  add(row.granted, share.demand, -1);
  for (const std::uint16_t number : share.ports) {
    const auto at = std::ranges::lower_bound(row.held, number, {}, &decltype(row.held)::value_type::first);
    CHECK(at != row.held.end() && at->first == number, "a port is given back that was not held");
    if (--at->second == 0) row.held.erase(at);
  }
  if (!share.group.empty()) {
    const auto found = groups_.find(share.group);
    CHECK(found != groups_.end());
    Group& group = found->second;
    const auto placed = at_agent(group.on_agent, agent);
    if (--placed->second == 0) group.on_agent.erase(placed);
    for (auto& [at, counts] : group.counts) --counts[columns_[at].of_agent[agent]];
    if (--group.total == 0) groups_.erase(found);
  }
  refresh(agent);
}

// ---- Questions -----------------------------------------------------------------------------------

AgentTable::Query AgentTable::query(const Want& want) {
  Query query{.want = &want, .demand = demand_of(want)};
  const auto placed = groups_.find(want.group);
  Group* group = placed == groups_.end() ? nullptr : &placed->second;
  if (group != nullptr) query.equals = group->on_agent;
  for (const PortWant& port : want.ports) {
    if (port.number) {
      query.fixed.push_back(*port.number);
    } else {
      ++query.dynamic;
    }
  }
  for (const Constraint& constraint : want.constraints) {
    Query::Rule rule{.op = constraint.op,
                     .preferred = constraint.preferred,
                     .column = column(constraint.field),
                     .source = &constraint};
    Column& values = columns_[rule.column];
    switch (constraint.op) {
      case Operator::kLike:
      case Operator::kUnlike: {
        const Column::Pattern& compiled = pattern(values, constraint.value);
        if (!compiled.regex->ok()) {
          query.invalid =
              fmt::format("the pattern {:?} cannot be read: {}", constraint.value, compiled.regex->error());
        }
        rule.matches = compiled.matches.data();
        break;
      }
      case Operator::kIs:
      case Operator::kCluster:
        if (constraint.op == Operator::kIs || !constraint.value.empty()) {
          const auto known = values.ids.find(constraint.value);
          rule.value = known == values.ids.end() ? kNoAgentsValue : known->second;
        }
        break;
      case Operator::kGroupBy: rule.number = 1; [[fallthrough]];
      case Operator::kMaxPer: {
        const std::string& text = constraint.value;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rule.number);
        const bool is_number = error == std::errc() && end == text.data() + text.size() && rule.number > 0;
        if (!is_number && !(text.empty() && constraint.op == Operator::kGroupBy)) {
          query.invalid = fmt::format("{} needs a positive number, not {:?}", name_of(constraint.op), text);
        }
        break;
      }
      case Operator::kUnique: break;
    }
    if (group != nullptr) {
      rule.used = &counts(*group, rule.column);
      rule.total = group->total;
      if (constraint.op == Operator::kGroupBy) {
        for (std::size_t value = 1; value < rule.used->size(); ++value) {
          const int number = (*rule.used)[value];
          if (number == 0) continue;
          rule.least = rule.distinct++ == 0 ? number : std::min(rule.least, number);
        }
      }
    }
    query.rules.push_back(rule);
  }
  return query;
}

bool AgentTable::Query::allows(const Rule& rule, ValueId value) {
  if (value == 0) return rule.op == Operator::kUnlike;
  const int used = rule.used != nullptr && value < rule.used->size() ? (*rule.used)[value] : 0;
  switch (rule.op) {
    case Operator::kUnique: return used == 0;
    case Operator::kLike: return rule.matches[value] != 0;
    case Operator::kUnlike: return rule.matches[value] == 0;
    case Operator::kIs: return value == rule.value;
    case Operator::kCluster: return rule.value != 0 ? value == rule.value : rule.total == 0 || used > 0;
    // Marathon's released rule: a new value is always fine, a used one once enough are in use and evenly.
    case Operator::kGroupBy: return used == 0 || (rule.distinct >= rule.number && used == rule.least);
    case Operator::kMaxPer: return used < rule.number;
  }
  return false;
}

std::int64_t AgentTable::Query::penalty(const Rule& rule, ValueId value) {
  if (value == 0) return allows(rule, value) ? 0 : rule.total + 1;
  switch (rule.op) {
    case Operator::kUnique:
    case Operator::kGroupBy:
    case Operator::kMaxPer:
      return rule.used != nullptr && value < rule.used->size() ? (*rule.used)[value] : 0;
    default: return allows(rule, value) ? 0 : 1;
  }
}

bool AgentTable::number_is_free(const Row& row, std::uint16_t number) const {
  const auto held = std::ranges::lower_bound(row.held, number, {}, &decltype(row.held)::value_type::first);
  if (held != row.held.end() && held->first == number) return false;
  return !std::ranges::binary_search(row.taken, number);
}

bool AgentTable::ports_fit(const Query& query, Index agent) const {
  if (query.fixed.empty() && query.dynamic == 0) return true;
  const Row& row = rows_[agent];
  for (const std::uint16_t number : query.fixed) {
    if (!in_ranges(row.ports, number) || !number_is_free(row, number)) return false;
  }
  if (query.dynamic == 0) return true;
  const std::size_t size = size_of(row.ports);
  if (size >= row.held.size() + row.taken.size() + query.fixed.size() + query.dynamic) return true;
  // Taken numbers may lie outside the ranges or be held too, so near the end it takes counting.
  std::size_t free_numbers = 0;
  for (std::size_t n = 0; n < size && free_numbers < query.dynamic; ++n) {
    const std::uint16_t number = number_at(row.ports, n);
    const bool wanted = std::ranges::find(query.fixed, number) != query.fixed.end();
    if (!wanted && number_is_free(row, number)) ++free_numbers;
  }
  return free_numbers >= query.dynamic;
}

bool AgentTable::fits(const Query& query, Index agent) const {
  if (free_cpus_[agent] < query.demand.millicpus || free_memory_[agent] < query.demand.memory ||
      free_disk_[agent] < query.demand.disk || !query.invalid.empty()) {
    return false;
  }
  for (const Query::Rule& rule : query.rules) {
    if (!rule.preferred && !Query::allows(rule, columns_[rule.column].of_agent[agent])) return false;
  }
  return ports_fit(query, agent);
}

std::vector<AgentTable::Candidate> AgentTable::candidates(const Query& query, std::size_t limit) {
  std::vector<Candidate> found;
  const Index size = static_cast<Index>(rows_.size());
  if (next_ >= size) next_ = 0;
  Index looked_at = 0;
  Index index = next_;
  auto equals = at_agent(query.equals, index);
  for (; looked_at < size && found.size() < limit; ++looked_at, index = index + 1 == size ? 0 : index + 1) {
    if (index == 0) equals = query.equals.begin();  // where the scan begins anew
    if (!fits(query, index)) continue;
    Candidate candidate{.agent = index};
    for (const Query::Rule& rule : query.rules) {
      const bool ordering = rule.preferred || rule.op == Operator::kGroupBy;
      if (ordering) candidate.penalty += Query::penalty(rule, columns_[rule.column].of_agent[index]);
    }
    while (equals != query.equals.end() && equals->first < index) ++equals;
    if (equals != query.equals.end() && equals->first == index) candidate.equals = equals->second;
    const auto fullness = [](std::int64_t free, std::int64_t wanted, double total) {
      return total <= 0 ? 0 : 1 - static_cast<double>(free - wanted) / total;
    };
    const Resources& total = rows_[index].agent.total;
    candidate.load =
        std::max(fullness(free_cpus_[index], query.demand.millicpus, total.cpus * 1000),
                 fullness(free_memory_[index], query.demand.memory, static_cast<double>(total.memory.count)));
    found.push_back(candidate);
  }
  if (looked_at < size) next_ = index;
  std::ranges::sort(found, [](const Candidate& a, const Candidate& b) {
    return std::tie(a.penalty, a.equals, a.load, a.agent) < std::tie(b.penalty, b.equals, b.load, b.agent);
  });
  return found;
}

bool AgentTable::Query::is_property(const Rule& rule) {
  return rule.op == Operator::kLike || rule.op == Operator::kUnlike || rule.op == Operator::kIs ||
         (rule.op == Operator::kCluster && rule.value != 0);
}

bool AgentTable::meets_properties(const Query& query, Index agent) const {
  return std::ranges::all_of(query.rules, [&](const Query::Rule& rule) {
    return rule.preferred || !Query::is_property(rule) ||
           Query::allows(rule, columns_[rule.column].of_agent[agent]);
  });
}

bool AgentTable::could_ever_take(const Query& query, Index agent) const {
  const Demand total = demand_of(rows_[agent].agent.total);
  return total.millicpus >= query.demand.millicpus && total.memory >= query.demand.memory &&
         total.disk >= query.demand.disk && meets_properties(query, agent);
}

std::optional<AgentRefusal> AgentTable::refusal(const Query& query, Index agent) const {
  const Row& row = rows_[agent];
  const auto because = [&](std::string code, std::string sentence) {
    return AgentRefusal{row.agent.id, std::move(code), std::move(sentence)};
  };
  if (!query.invalid.empty()) return because("constraint", query.invalid);
  if (!row.agent.up) {
    return because("agent-down", row.agent.cause.empty() ? "is down" : "is down: " + row.agent.cause);
  }
  if (row.offer.empty()) return because("no-offer", "has offered nothing yet");
  const auto refused_by = [&](bool by_property) -> const Query::Rule* {
    for (const Query::Rule& rule : query.rules) {
      if (rule.preferred || Query::is_property(rule) != by_property) continue;
      if (!Query::allows(rule, columns_[rule.column].of_agent[agent])) return &rule;
    }
    return nullptr;
  };
  const auto because_of = [&](const Query::Rule& rule) {
    const ValueId value = columns_[rule.column].of_agent[agent];
    const std::string wanted =
        fmt::format("{}{}{}", name_of(rule.op), rule.source->value.empty() ? "" : " ", rule.source->value);
    if (value == 0)
      return because("constraint", fmt::format("has no {}, {} wanted", rule.source->field, wanted));
    return because("constraint", fmt::format("{} is {:?}, {} wanted", rule.source->field,
                                             columns_[rule.column].values[value], wanted));
  };
  if (const auto* rule = refused_by(true)) return because_of(*rule);
  const Demand now = free(agent);
  const auto at_least_zero = [](std::int64_t n) { return std::max<std::int64_t>(n, 0); };
  if (now.millicpus < query.demand.millicpus) {
    return because("no-cpus", fmt::format("has {:g} CPUs free, {:g} wanted",
                                          static_cast<double>(at_least_zero(now.millicpus)) / 1000,
                                          static_cast<double>(query.demand.millicpus) / 1000));
  }
  if (now.memory < query.demand.memory) {
    return because("no-memory", fmt::format("has {} of memory free, {} wanted",
                                            headrace::to_text(Bytes{at_least_zero(now.memory)}),
                                            headrace::to_text(Bytes{query.demand.memory})));
  }
  if (now.disk < query.demand.disk) {
    return because("no-disk", fmt::format("has {} of disk free, {} wanted",
                                          headrace::to_text(Bytes{at_least_zero(now.disk)}),
                                          headrace::to_text(Bytes{query.demand.disk})));
  }
  for (const std::uint16_t number : query.fixed) {
    if (!in_ranges(row.ports, number)) {
      return because("no-port", fmt::format("does not give port {}, only {}", number, to_text(row.ports)));
    }
    if (!number_is_free(row, number)) return because("port-taken", fmt::format("port {} is taken", number));
  }
  if (!ports_fit(query, agent)) {
    return because("no-port",
                   fmt::format("has no {} free ports left in {}", query.dynamic, to_text(row.ports)));
  }
  if (const auto* rule = refused_by(false)) return because_of(*rule);
  return std::nullopt;
}

std::map<std::string, std::uint16_t> AgentTable::choose_ports(const Want& want, Index agent,
                                                              std::size_t start) const {
  const Row& row = rows_[agent];
  std::map<std::string, std::uint16_t> chosen;
  std::vector<std::uint16_t> used;
  for (const PortWant& port : want.ports) {
    if (!port.number) continue;
    chosen[port.name] = *port.number;
    used.push_back(*port.number);
  }
  // Begin somewhere in the upper quarter, so that a number just given back is not given out again at once.
  const std::size_t size = size_of(row.ports);
  const std::size_t quarter = std::max<std::size_t>(1, size / 4);
  std::size_t tried = 0;
  for (const PortWant& port : want.ports) {
    if (port.number) continue;
    for (;; ++tried) {
      CHECK(tried < size, "dynamic ports are chosen on an agent that has none");
      const std::size_t at = tried < quarter ? (start + tried) % quarter : tried;
      const std::uint16_t number = number_at(row.ports, at);
      if (!number_is_free(row, number) || std::ranges::find(used, number) != used.end()) continue;
      chosen[port.name] = number;
      ++tried;
      break;
    }
  }
  return chosen;
}

}  // namespace headrace::cluster
