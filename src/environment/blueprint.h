// A blueprint as loaded: typed, checked, immutable. What a person wrote is a BlueprintSource (files by name);
// loading is a pure function of it, so that stored sources give the same blueprint after a restart.
//
// Expressions stay unevaluated (expression::Template); references, types, phases and secrecy have been
// checked at load.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "cluster/cluster.h"
#include "document/node.h"
#include "expression/template.h"
#include "process/app.h"

namespace headrace::environment {

using expression::Template;

// Every file of a blueprint folder by its path below it: "blueprint.yaml", "components/kafka.yaml".
struct BlueprintSource {
  std::map<std::string, std::string> files;
  bool operator==(const BlueprintSource&) const = default;
};

// kSecret: only of interfaces' attributes; it flows into `secrets` and nowhere else.
enum class Type { kString, kInteger, kNumber, kBoolean, kList, kMap, kSecret };

struct Parameter {
  std::string name;
  Type type = Type::kString;
  std::string description;
  std::optional<document::Node> default_value;
  std::optional<double> minimum, maximum;
  std::vector<std::string> choices;  // enum
  std::string pattern;               // RE2, full match
  bool secret = false;               // its value is a secret's name; flows only into `secrets`
};

// Made once per environment before its first plan, and kept with it. Secret kinds live in the vault under
// "env/<environment>/<component>/<name>[/<slot>]" and are referred to, never seen.
struct Generated {
  enum class Kind { kUuid, kPassword };
  std::string name;
  Kind kind = Kind::kUuid;
  enum class Encoding { kText, kBase64Url } encoding = Encoding::kText;
  int length = 32;  // of passwords
  bool per_slot = false;
  bool is_secret() const { return kind == Kind::kPassword; }
};

// A named, versioned type of what is provided or required: "kafka/v1".
struct Interface {
  std::string name;  // with its version
  std::map<std::string, Type> attributes;
};

struct Provided {
  std::string name;       // within the component
  std::string interface;  // "kafka/v1"
  std::map<std::string, Template> attributes;
};

struct Required {
  std::string name;
  std::string interface;
};

struct Port {
  std::string name;
  process::PortKind kind = process::PortKind::kDynamic;
  cluster::Protocol protocol = cluster::Protocol::kTcp;
};

struct Volume {
  std::string name;
  std::string path;
  Bytes size;
};

// A file that shows a secret inside the container.
struct SecretMount {
  std::string name;
  std::string path;
  Template secret;  // "${{ params.token }}" or "${{ generated.token }}": gives a secret's reference
};

struct Ready {
  cluster::CheckKind kind = cluster::CheckKind::kTcp;
  std::vector<Template> command;
  std::string path = "/";
  std::string port;
  Duration interval = 10s, timeout = 5s, grace = 60s;
  int failures = 3;
};

struct Service {
  std::string name;
  Template count;        // an integer
  bool ordinal = false;  // identity: ordinal
  std::string image;     // a key of Blueprint::images
  std::vector<Template> entrypoint, command;
  std::map<std::string, Template> env;
  std::vector<SecretMount> secrets;
  double cpus = 0.1;
  Bytes memory = Bytes::mib(64);
  Template cpus_template, memory_template;  // set when written as expressions; else empty
  std::vector<Port> ports;
  std::vector<Volume> volumes;
  std::vector<cluster::Constraint> constraints;  // `spread: agent` becomes one of them
  std::optional<Ready> ready;
  std::vector<std::string> after;         // services of this component that must be ready first
  std::vector<std::string> stops_before;  // `after`, and those whose members it refers to
  std::string user;
  Duration grace = 10s;
  bool read_only = false;
  std::map<std::string, std::string> tmpfs;
  std::map<std::string, std::string> labels;
};

// A step of launch or of a command.
struct Step {
  enum class Kind { kTask, kScale, kWaitUntil };
  enum class OnFailure { kFail, kContinue };
  std::string name;
  Kind kind = Kind::kTask;
  std::vector<std::string> needs;  // names of steps; default: the step before
  Template condition;              // `if`; empty: always
  Template for_each;               // a list; the step runs once per item, as `item`
  int retry = 0;
  Duration timeout = 300s;
  OnFailure on_failure = OnFailure::kFail;
  bool idempotent = false;
  // kTask, kWaitUntil (a task repeated until it succeeds)
  std::string image;
  std::vector<Template> entrypoint, command;
  std::map<std::string, Template> env;
  std::vector<SecretMount> secrets;
  Duration interval = 2s;  // kWaitUntil
  // kScale
  std::string service;
  Template count;
};

struct Command {
  std::string name;
  std::string description;
  std::vector<Parameter> arguments;
  std::vector<std::string> sets;  // component parameters that its success changes
  std::vector<Step> steps;        // empty with `sets`: what the planner does for the changed parameters
};

struct Component {
  std::string name;  // in the blueprint
  std::string kind;  // `component:` of its file
  std::string version;
  std::string file;
  std::map<std::string, Parameter> parameters;
  std::map<std::string, Template> settings;  // values the blueprint gives to the parameters
  std::vector<Generated> generated;
  std::map<std::string, Provided> provides;
  std::map<std::string, Required> requires_;
  // requirement -> (component, provided name) of this blueprint, explicit or the only fit
  std::map<std::string, std::pair<std::string, std::string>> bindings;
  std::vector<Service> services;
  std::vector<Step> launch;
  std::vector<Command> commands;
};

struct Profile {
  std::string name;
  std::string description;
  std::map<std::string, document::Node> parameters;
  int agents = 1;  // how many the profile is made for
};

struct Output {
  std::string name;
  std::string description;
  Template value;
};

struct Blueprint {
  std::string name, version, description;
  std::string digest;  // SHA-256 of the source, hexadecimal
  std::map<std::string, Parameter> parameters;
  std::map<std::string, Profile> profiles;
  std::map<std::string, std::string> images;  // name -> reference of the cluster: "headrace/isp-kafka"
  std::map<std::string, Interface> interfaces;
  std::vector<Component> components;  // in launch order: providers before dependents
  std::vector<Output> outputs;

  const Component* find(std::string_view component) const;
};

// All errors at once, each with its place; empty: `blueprint` is set.
struct Loaded {
  std::shared_ptr<const Blueprint> blueprint;
  std::vector<Error> errors;
};
Loaded load_blueprint(const BlueprintSource& source);

// JSON Schemas of blueprint.yaml and of a component's file, for editors.
std::string blueprint_schema();
std::string component_schema();

// The parameter values of an environment: defaults, then the profile's, then the given ones, checked. JSON
// texts in; all errors at once.
struct Values {
  std::map<std::string, document::Node> values;
  std::vector<Error> errors;
};
Values resolve_parameters(const Blueprint& blueprint, const std::string& profile,
                          const std::map<std::string, std::string>& given);
// The same for any `known` ones: given values over `start` over defaults. Errors say "`whose` has no `what`
// …".
Values resolve_values(const std::string& whose, const std::string& what,
                      const std::map<std::string, Parameter>& known,
                      const std::map<std::string, std::string>& given, Values start = {});

}  // namespace headrace::environment
