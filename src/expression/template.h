// A value of a blueprint: a constant, one expression ("${{ params.brokers }}", which keeps its type), or text
// with expressions in it ("redis://${{ requires.redis.address }}", which is a string). `$${{` is a literal
// `${{`.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "document/decoder.h"
#include "expression/expression.h"

namespace headrace::expression {

class Template {
 public:
  Template() = default;  // empty: nothing was written
  // From a scalar. Problems have their place in the file.
  static std::expected<Template, Error> parse(const document::Node& scalar);
  static Template constant(Value value, Place place = {});

  bool empty() const { return parts_.empty(); }
  // No expression in it.
  bool is_constant() const;
  // One expression and no text around it.
  bool is_expression() const;
  const std::string& source() const { return node_.text; }
  const Place& place() const { return node_.place; }

  std::vector<Reference> references() const;
  // The type of the result; problems are appended with their place.
  Type check(const Scope& scope, document::Problems& problems) const;
  // Unknown where it needs what is not placed yet. Errors have their place. An empty template gives null.
  Result<Value> evaluate(const Bindings& bindings) const;
  // evaluate() as text: what goes into an environment variable or an argument. A constant gives its text as
  // written (1.50 stays 1.50). Must not be Unknown: kUnavailable then, naming what it waits for.
  Result<std::string> render(const Bindings& bindings) const;
  // An error or remark about the byte `offset` of the source.
  Error problem(size_t offset, std::string message, std::string remedy = {}) const;

  bool operator==(const Template& other) const { return source() == other.source(); }

 private:
  struct Part {
    size_t offset = 0;  // of the expression
    std::variant<Value, Expression> content;
  };
  document::Node node_;
  std::vector<Part> parts_;
};

}  // namespace headrace::expression

template <>
struct headrace::document::Codec<headrace::expression::Template> {
  static void decode(Decoder& decoder, const Node& node, expression::Template& value, const Rules& rules);
  static Node schema(SchemaBuilder& builder, const Rules& rules);
};
