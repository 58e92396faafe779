// What the API's edge works with: everything it may read or ask, gathered by the server's wiring.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "cluster/task_access.h"
#include "server/event_hub.h"
#include "server/pump.h"
#include "server/vault.h"

namespace headrace::api {

struct ServerFacts {
  std::string id;
  std::string version;
  std::string cluster;  // "local"
  std::string address;  // "host:port" of TCP, or empty
  Wall started;
};

struct Backend {
  server::Pump& pump;
  server::EventHub& events;
  server::Vault& vault;
  cluster::TaskAccess& tasks;
  const Clock& clock;
  Entropy& entropy;
  ServerFacts facts;
  // An image name's id where tasks run, or kNotFound with a remedy. May block: not on the pump's thread.
  std::function<Result<std::string>(const std::string& name)> resolve_image;
  // kUnsupported where the cluster has no such notion.
  std::function<Status(const cluster::AgentId&, bool plugged)> plug_agent;
  std::function<std::string()> metrics;  // Prometheus text
};

}  // namespace headrace::api
