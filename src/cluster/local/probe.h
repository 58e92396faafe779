// The TCP and HTTP checks of `local`, run from here.
#pragma once

#include "base/result.h"
#include "cluster/cluster.h"

namespace headrace::cluster {

// On this port of the claim's address. Says in words for people why it fails.
Status probe(const Claim& claim, std::uint16_t port, const Check& check);

}  // namespace headrace::cluster
