// Static types. Beside CEL's own they say *when* a value is known and what may be done with it (design
// section 6 and 7), so that a loaded blueprint cannot compute with a secret or need a port number before a
// plan.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace headrace::expression {

// When a value is known: at plan; once per environment before its first plan; after placement or a step.
enum class Phase { kFixed, kGenerated, kPlaced };
std::string_view word_of(Phase phase);

// What may be done with a value. kInsert: only inserted into text, because the cluster fills it in when a
// container starts (the address of an instance without a slot). kSecret: only passed on whole.
enum class Use { kFree, kInsert, kSecret };

struct Type {
  // kParameter stands for any type in a function's signature.
  enum class Kind {
    kDyn,
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kList,
    kMap,
    kObject,
    kType,
    kParameter
  };
  Kind kind = Kind::kDyn;
  std::vector<Type> of;                                        // list: element; map: key, value
  std::shared_ptr<const std::map<std::string, Type>> members;  // object
  std::string name;                                            // object, parameter: for messages
  Phase phase = Phase::kFixed;
  Use use = Use::kFree;

  static Type dyn() { return {}; }
  static Type boolean() { return {.kind = Kind::kBool}; }
  static Type integer() { return {.kind = Kind::kInt}; }
  static Type number() { return {.kind = Kind::kDouble}; }
  static Type string() { return {.kind = Kind::kString}; }
  static Type list(Type element) { return {.kind = Kind::kList, .of = {std::move(element)}}; }
  static Type map(Type key, Type value) {
    return {.kind = Kind::kMap, .of = {std::move(key), std::move(value)}};
  }
  // A map whose keys are known; `what` names it in messages: "parameters", "member".
  static Type object(std::string what, std::map<std::string, Type> members);

  Type at(Phase when) const&;
  Type only(Use how) const&;

  bool is(Kind wanted) const { return kind == wanted; }
};

// "list(string)", "int", or an object's name.
std::string to_text(const Type& type);
// Whether a value of type `from` may stand where `to` is wanted (dyn fits everything); ignores phase and
// use. Binds kParameter types of `to` on first use when `bound` is given.
bool fits(const Type& from, const Type& to, std::map<std::string, Type>* bound = nullptr);
// The type of "one of these two".
Type join(const Type& a, const Type& b);

}  // namespace headrace::expression
