// What the files of a blueprint hold before anything refers to anything: read by tables, checked afterwards.
#pragma once

#include "document/decoder.h"
#include "environment/blueprint.h"

namespace headrace::environment {

// One entry of `components:`; what it becomes is a Component.
struct ComponentUse {
  std::string component;  // the name of its file; default: its own name
  std::map<std::string, Template> parameters;
  std::map<std::string, std::string> bind;  // requirement -> "component" or "component.provided"
};

struct BlueprintFile {
  std::string name, version, description;
  std::map<std::string, Parameter> parameters;
  std::map<std::string, Profile> profiles;
  std::map<std::string, std::string> images;
  std::map<std::string, Interface> interfaces;
  std::map<std::string, ComponentUse> components;
  std::vector<Output> outputs;
};

// Of a map's entries, or of things with a name.
template <class Range>
std::vector<std::string> names_of(const Range& things) {
  std::vector<std::string> names;
  for (const auto& thing : things) {
    if constexpr (requires { thing.first; }) {
      names.push_back(thing.first);
    } else {
      names.push_back(thing.name);
    }
  }
  return names;
}

// The places and paths of what was read, for problems found later.
class Source {
 public:
  Source(const document::Node& root, document::Problems& problems) : root_(root), problems_(problems) {}
  // The node at the path, or the deepest that exists on the way.
  const document::Node& at(const std::vector<std::string>& path) const;
  void report(const std::vector<std::string>& path, std::string message, std::string remedy = {}) const;
  void report(Code code, const std::vector<std::string>& path, std::string message, std::string remedy) const;
  document::Problems& problems() const { return problems_; }

 private:
  const document::Node& root_;
  document::Problems& problems_;
};

document::Checked<BlueprintFile> read_blueprint_file(const document::Node& root);
document::Checked<Component> read_component_file(const document::Node& root);

// A value for a parameter: its type and bounds. A whole number given for a `number` becomes one. Problems are
// appended; false where there is one.
bool check_value(const Parameter& parameter, document::Node& value, document::Problems& problems);
// The type of an expression's result that fits a value type; text for the other way round.
expression::Type type_of(Type type);
std::string_view word_of(Type type);

// Names, types, phases, secrets and orders within one component.
void check_component(const Blueprint& blueprint, Component& component, const Source& source);
// What the blueprint gives to a component's parameters; `source` is blueprint.yaml.
void check_settings(const Blueprint& blueprint, Component& component, const Source& source);
// Parameters, profiles and outputs.
void check_blueprint(Blueprint& blueprint, const Source& source);

}  // namespace headrace::environment
