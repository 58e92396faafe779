// Between what is in memory and the records (records.proto).
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "process/model.h"

namespace headrace::process {

inline constexpr int kFormat = 1;
inline constexpr const char* kMeta = "process.meta";
inline constexpr const char* kApps = "process.apps";
inline constexpr const char* kInstances = "process.instances";
inline constexpr const char* kDelays = "process.delays";
inline constexpr const char* kOutcomes = "process.outcomes";
inline constexpr const char* kDeployments = "process.deployments";

// `now` turns deadlines into what remains of them, and back.
std::string encode_format();
std::string encode_app(const App& app);
std::string encode_delay(const App& app, Now now);
std::string encode_outcome(const Outcome& outcome);
std::string encode_instance(const Instance& instance, Now now);
std::string encode_deployment(const Deployment& deployment, Now now);

// kCorrupt where the bytes are no such record; a newer format names itself.
Status decode_format(const std::string& bytes);
Result<App> decode_app(const std::string& bytes);
Status decode_delay(const std::string& bytes, App& app, Now now);
Result<Outcome> decode_outcome(const std::string& bytes);
// With the id of the app it belongs to.
Result<std::pair<AppId, std::unique_ptr<Instance>>> decode_instance(const InstanceId& id,
                                                                    const std::string& bytes, Now now);
Result<Deployment> decode_deployment(const DeploymentId& id, const std::string& bytes, Now now);

}  // namespace headrace::process
