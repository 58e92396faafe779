// Finds agents for a gang: whole or not at all. A function of what the table holds; the same table and gang
// give the same answer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "cluster/offers/agent_table.h"

namespace headrace::cluster {

struct Placement {
  AgentTable::Index agent = 0;
  std::map<std::string, std::uint16_t> ports;
};

// Claims whose volumes lie on an agent already: they can go nowhere else.
using Pins = std::map<ClaimId, AgentId>;

// What a want takes when placed as said.
AgentTable::Share share_of(const Want& want, const std::map<std::string, std::uint16_t>& ports);

// Places all wants in the table and says where, in the order of the gang's wants; or leaves the table as it
// was. Tries the most constrained want first and goes back a bounded number of times.
std::optional<std::vector<Placement>> place_gang(AgentTable& table, const Gang& gang, const Pins& pins);

// Why place_gang finds nothing: the agents' refusals of the first want that fails (of at most 200 agents),
// and one sentence. Takes some microseconds per agent: not for every attempt.
Waiting explain_gang(AgentTable& table, const Gang& gang, const Pins& pins);

}  // namespace headrace::cluster
