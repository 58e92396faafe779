#include "expression/template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "expression/functions.h"

namespace headrace::expression {
namespace {

constexpr std::string_view kOpen = "${{";
constexpr std::string_view kEscaped = "$${{";

}  // namespace

Error Template::problem(size_t offset, std::string message, std::string remedy) const {
  return {Code::kInvalid, std::move(message), std::move(remedy), node_.place_of(offset), {}};
}

std::expected<Template, Error> Template::parse(const document::Node& scalar) {
  Template made;
  made.node_ = scalar;
  if (!scalar.is(document::Kind::kString)) {
    made.parts_.push_back({0, from_node(scalar)});
    return made;
  }
  const std::string_view text = made.node_.text;
  std::string literal;
  size_t at = 0;
  const auto end_literal = [&] {
    if (!literal.empty()) made.parts_.push_back({at, Value(std::exchange(literal, {}))});
  };
  while (at < text.size()) {
    if (text.substr(at).starts_with(kEscaped)) {
      literal += kOpen;
      at += kEscaped.size();
    } else if (text.substr(at).starts_with(kOpen)) {
      end_literal();
      size_t end = at + kOpen.size();
      auto expression = Expression::parse_prefix(text, end);
      if (!expression) {
        Problem& problem = expression.error();
        // An unquoted value ends at " #", and within [ ] or { } at a comma: what is left has no end.
        if (problem.remedy.empty() && text.substr(at).find("}}") == std::string_view::npos) {
          problem.remedy = "close it with }}; if the file has more, quote the value: \"${{ … }}\"";
        }
        return std::unexpected(made.problem(problem.offset, problem.message, problem.remedy));
      }
      if (!text.substr(end).starts_with("}}")) {
        return std::unexpected(
            made.problem(std::min(end, text.size()), "expected an operator or }} to close the expression",
                         end >= text.size() ? "if the file has more, quote the value: \"${{ … }}\"" : ""));
      }
      made.parts_.push_back({at, std::move(*expression)});
      at = end + 2;
    } else {
      literal += text[at++];
    }
  }
  end_literal();
  if (made.parts_.empty()) made.parts_.push_back({0, Value(std::string())});
  return made;
}

Template Template::constant(Value value, Place place) {
  Template made;
  made.node_ = to_node(value);
  made.node_.place = std::move(place);
  made.parts_.push_back({0, std::move(value)});
  return made;
}

bool Template::is_constant() const {
  return parts_.size() == 1 && std::holds_alternative<Value>(parts_[0].content);
}
bool Template::is_expression() const {
  return parts_.size() == 1 && std::holds_alternative<Expression>(parts_[0].content);
}

std::vector<Reference> Template::references() const {
  std::vector<Reference> all;
  for (const Part& part : parts_) {
    if (const auto* expression = std::get_if<Expression>(&part.content)) {
      for (Reference& each : expression->references()) all.push_back(std::move(each));
    }
  }
  return all;
}

Type Template::check(const Scope& scope, document::Problems& problems) const {
  static const Scope kNoNames;
  Type result = Type::string();
  for (const Part& part : parts_) {
    const auto* expression = std::get_if<Expression>(&part.content);
    if (!expression) {
      if (parts_.size() > 1) continue;
      const Type type{.kind = kind_of(std::get<Value>(part.content))};
      return type.is(Type::Kind::kList) || type.is(Type::Kind::kMap) ? Type::string() : type;
    }
    std::vector<Problem> found;
    const Type type = expression->check(scope, found);
    for (Problem& each : found) {
      problems.push_back(problem(each.offset, std::move(each.message), std::move(each.remedy)));
    }
    if (is_expression()) return type;
    result.phase = std::max(result.phase, type.phase);
    if (type.use == Use::kSecret) {
      problems.push_back(problem(part.offset, "a secret cannot be a part of a text",
                                 "pass it on whole as a file under secrets"));
    }
    static constexpr Type::Kind kNoText[] = {Type::Kind::kNull, Type::Kind::kList, Type::Kind::kMap,
                                             Type::Kind::kObject, Type::Kind::kType};
    if (std::ranges::find(kNoText, type.kind) != std::end(kNoText)) {
      problems.push_back(problem(part.offset, fmt::format("{} cannot be inserted into text", to_text(type)),
                                 type.is(Type::Kind::kList) ? "join it: ….join(',')" : ""));
    }
  }
  return result;
}

Result<Value> Template::evaluate(const Bindings& bindings) const {
  if (parts_.empty()) return Value();
  std::string text;
  std::vector<Value> waiting;
  for (const Part& part : parts_) {
    const auto* expression = std::get_if<Expression>(&part.content);
    if (!expression && parts_.size() == 1) return std::get<Value>(part.content);
    Result<Value> value = expression ? expression->evaluate(bindings) : std::get<Value>(part.content);
    if (!value) {
      Error failed = problem(part.offset, value.error().message, value.error().remedy);
      failed.code = value.error().code;
      return fail(std::move(failed));
    }
    if (is_expression()) return value;
    if (value->is_unknown()) {
      waiting.push_back(std::move(*value));
    } else if (const auto inserted = to_text(*value)) {
      text += *inserted;
    } else {
      return fail(problem(part.offset, fmt::format("{} cannot be inserted into text", type_name(*value))));
    }
  }
  if (waiting.empty()) return Value(std::move(text));
  return merge_unknown(waiting);
}

Result<std::string> Template::render(const Bindings& bindings) const {
  if (is_constant() && node_.style == document::Node::Style::kPlain && !node_.is(document::Kind::kString)) {
    return node_.text;
  }
  TRY(const Value value, evaluate(bindings));
  if (value.has_unknown()) {
    std::vector<std::string> references;
    value.collect_unknown(references);
    Error waits = problem(0, fmt::format("waits for {}", fmt::join(references, ", ")));
    waits.code = Code::kUnavailable;
    return fail(std::move(waits));
  }
  if (auto text = to_text(value)) return std::move(*text);
  return fail(
      problem(0, fmt::format("{} has no text", type_name(value)), "string(…), json(…) or join(…) makes one"));
}

}  // namespace headrace::expression

namespace headrace::document {

void Codec<expression::Template>::decode(Decoder& decoder, const Node& node, expression::Template& value,
                                         const Rules&) {
  if (!node.is_scalar() || node.is(Kind::kNull)) {
    return decoder.wrong_type(node, "a value or an expression",
                              node.is(Kind::kMap) ? "quote the value that holds ${{ … }}" : "");
  }
  auto parsed = expression::Template::parse(node);
  if (!parsed) return decoder.report(std::move(parsed.error()));
  value = std::move(*parsed);
}

Node Codec<expression::Template>::schema(SchemaBuilder&, const Rules&) {
  Node types = Node::list({Node::of("string"), Node::of("number"), Node::of("boolean")});
  return Node::map({{"type", std::move(types)}});
}

}  // namespace headrace::document
