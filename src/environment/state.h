// The inputs of every pure decision about one environment: what it is wanted to be and what is seen of it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "environment/blueprint.h"
#include "environment/records.pb.h"
#include "expression/value.h"
#include "process/app.h"

namespace headrace::environment {

using Apps = std::map<process::AppId, process::AppView>;
// (component, provided) -> its attributes as one object.
using ProvidedValues = std::map<std::pair<std::string, std::string>, expression::Value>;

// One generation of an environment together with the apps as they are now. Holds references: for the length
// of a call.
struct State {
  const std::string& environment;
  const Blueprint& blueprint;
  const records::Generation& generation;
  const std::map<std::string, document::Node>& parameters;  // of the blueprint, resolved
  const google::protobuf::Map<std::string, std::string>& generated;
  const Apps& apps;
  // What was evaluated already: without it each level of bindings would evaluate all levels below it anew.
  std::shared_ptr<ProvidedValues> provided = std::make_shared<ProvidedValues>();
};

// "/env/<environment>/<component>/<service>"
process::AppId app_id(const std::string& environment, const std::string& component,
                      const std::string& service);

// A service is placed when as many instances as wanted hold claims, and ready when they are all ready.
bool is_placed(const process::AppView& app, int wanted);
bool is_ready(const process::AppView& app, int wanted);
int wanted_instances(const process::AppSpec& spec);

}  // namespace headrace::environment
