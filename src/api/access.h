// Who may call: over the unix socket whoever may open it; over TCP only who has the token (design section 9).
#pragma once

#include <string>
#include <vector>

#include "base/secret.h"
#include "http/server.h"

namespace headrace::api {

struct AccessRules {
  Secret token;                    // of TCP; empty: TCP is refused whole
  std::vector<std::string> hosts;  // accepted Host names beside loopback's
};

// Answers 401 without the right bearer token, 403 for a Host or Origin that is not ours (DNS rebinding, other
// sites' pages); /ping needs no token.
http::Filter access_filter(AccessRules rules);

}  // namespace headrace::api
