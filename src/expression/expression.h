// The Common Expression Language (github.com/google/cel-spec, langdef.md), without protobuf messages,
// timestamps and durations, which are refused by name, and with a short list of functions (functions.cc).
//
//   parse -> Expression -> check(scope of types) -> Type;  evaluate(values) -> Value
//
// Evaluation is bounded in depth, size and cost, has no side effects, and answers Unknown where it meets a
// value that exists only after placement and needs it.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "expression/type.h"
#include "expression/value.h"

namespace headrace::expression {

// A node of the syntax tree. Operators are calls of "_+_", "!_" and so on.
struct Expr {
  enum class Kind {
    kLiteral,
    kName,    // a variable
    kSelect,  // args[0].name
    kHas,     // has(args[0].name)
    kIndex,   // args[0][args[1]]
    kCall,    // name(args…); is_member: args[0].name(args[1…])
    kAnd,
    kOr,           // args: both sides
    kConditional,  // args: condition, then, else
    kList,
    kMap,    // args: key, value, key, value …
    kMacro,  // args[0].name(variable, args[1] [, args[2]]) for all exists exists_one map filter
  };
  Kind kind = Kind::kLiteral;
  std::string name;
  std::string variable;
  bool is_member = false;
  Value literal;
  std::vector<Expr> args;
  size_t offset = 0;  // into the source
  int depth = 1;
};

// What is wrong with an expression, at a byte of its source.
struct Problem {
  size_t offset = 0;
  std::string message;
  std::string remedy;
};

// A maximal member path from a variable, found without evaluation: `requires.kafka.servers`. It ends before a
// call, a macro or an index that is not a literal.
struct Reference {
  std::vector<std::string> path;
  size_t offset = 0;
  std::string to_string() const;
  bool operator==(const Reference& other) const { return path == other.path; }
};

using Scope = std::map<std::string, Type>;
using Bindings = std::map<std::string, Value>;

struct Limits {
  int depth = 200;                // of the syntax tree
  size_t size = 5'000;            // its nodes
  std::int64_t cost = 1'000'000;  // steps of evaluation; long texts and lists count more
};

class Expression {
 public:
  static std::expected<Expression, Problem> parse(std::string_view source, const Limits& limits = {});
  // Parses up to the end of the expression that starts at `offset`; `offset` becomes the byte after it.
  static std::expected<Expression, Problem> parse_prefix(std::string_view source, size_t& offset,
                                                         const Limits& limits = {});

  // The type of the result; every problem is appended, at its offset. dyn where nothing is known.
  Type check(const Scope& scope, std::vector<Problem>& problems) const;
  // kInvalid with CEL's reason ("division by zero"), kRefused for the cost limit.
  Result<Value> evaluate(const Bindings& bindings, const Limits& limits = {}) const;
  std::vector<Reference> references() const;

 private:
  explicit Expression(Expr root) : root_(std::make_shared<const Expr>(std::move(root))) {}
  std::shared_ptr<const Expr> root_;
};

}  // namespace headrace::expression
