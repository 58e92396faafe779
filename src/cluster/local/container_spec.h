// From a Launch to a container and back: names, labels, environment, mounts. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/offers/offer.h"
#include "docker/engine.h"

namespace headrace::cluster {

// What of a launched task must survive a restart of the server, and therefore stands in labels of its
// container.
struct Adopted {
  TaskId task;
  Claim claim;
  AgentId agent;
  std::optional<Check> check;
};

// "hr-<task id>", of characters that Docker takes.
std::string container_name(const TaskId& task);
std::string volume_name(const std::string& server, const ClaimId& claim, const std::string& volume);

// HOST, BIND_ADDRESS, PORT0…, PORT_<NAME>: added to the task's own, which win. Values of both may say
// $(NAME).
std::map<std::string, std::string> task_environment(const Launch& launch);
// `$(NAME)` becomes the variable's value, `$$(` a `$(`; unknown names stay as they are (Kubernetes' rule).
std::string expand(const std::string& text, const std::map<std::string, std::string>& variables);

docker::ContainerSpec container_spec(const std::string& server, const Launch& launch,
                                     const std::vector<docker::Mount>& secret_mounts);
// kCorrupt where the labels are not ours.
Result<Adopted> adopted_from(const docker::Labels& labels);

}  // namespace headrace::cluster
