#include "document/decoder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>

namespace headrace::document {
namespace {

constexpr std::string_view kDurationPattern = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$";
constexpr std::string_view kBytesPattern = "^[0-9]+(\\.[0-9]+)? ?(B|[kKMGT]B|[KMGTP]iB)?$";

std::string found(const Node& node) {
  constexpr size_t kLongest = 40;
  if (node.is(Kind::kNull) || !node.is_scalar()) return std::string(word_of(node.kind));
  const std::string shown = node.text.size() > kLongest ? node.text.substr(0, kLongest) + "…" : node.text;
  return node.is(Kind::kString) ? fmt::format("the string \"{}\"", shown)
                                : fmt::format("{} {}", word_of(node.kind), shown);
}

// The shortest form: 3 rather than 3.0.
std::string plain(double number) {
  return fmt::format("{}", number);
}

}  // namespace

Error combined(const Problems& problems) {
  CHECK(!problems.empty());
  Error all = problems.front();
  for (size_t i = 1; i < problems.size(); ++i) {
    if (i == 1) {
      if (!all.remedy.empty()) all.message += "; " + all.remedy;
      all.remedy.clear();
    }
    all.message += "\n" + problems[i].to_string();
  }
  return all;
}

void Decoder::report(const Node& node, std::string message, std::string remedy) {
  report({Code::kInvalid, std::move(message), std::move(remedy), node.place, {}});
}
void Decoder::report(Error error) {
  if (!path_.empty()) error.message = path_ + ": " + error.message;
  problems_.push_back(std::move(error));
}
void Decoder::wrong_type(const Node& node, std::string_view wanted, std::string remedy) {
  report(node, fmt::format("expected {}, found {}", wanted, found(node)), std::move(remedy));
}
void Decoder::unknown_field(const Node& member, const std::vector<std::string>& known) {
  report({Code::kInvalid,
          fmt::format("unknown field \"{}\"", member.key),
          suggestion(member.key, known),
          member.key_place,
          {}});
}
void Decoder::missing_field(const Node& node, std::string_view name) {
  report(node, fmt::format("the field \"{}\" is missing", name));
}

bool Decoder::obey(const Node& node, const Rules& rules, double number) {
  if (rules.minimum && number < *rules.minimum) {
    report(node, fmt::format("{} is below the minimum {}", node.text, plain(*rules.minimum)));
    return false;
  }
  if (rules.maximum && number > *rules.maximum) {
    report(node, fmt::format("{} is above the maximum {}", node.text, plain(*rules.maximum)));
    return false;
  }
  return true;
}

bool Decoder::obey(const Node& node, const Rules& rules, std::string_view text) {
  if (!rules.pattern.empty() && !RE2::FullMatch(re2::StringPiece(text.data(), text.size()), rules.pattern)) {
    report(node, rules.pattern_says.empty()
                     ? fmt::format("\"{}\" does not match {}", text, rules.pattern)
                     : fmt::format("\"{}\" must consist of {}", text, rules.pattern_says));
    return false;
  }
  return obey_length(node, rules, text.size(), "characters");
}

bool Decoder::obey_length(const Node& node, const Rules& rules, size_t length, std::string_view of_what) {
  if (rules.minimum && static_cast<double>(length) < *rules.minimum) {
    report(node, fmt::format("{} {} are too few; at least {}", length, of_what, plain(*rules.minimum)));
    return false;
  }
  if (rules.maximum && static_cast<double>(length) > *rules.maximum) {
    report(node, fmt::format("{} {} are too many; at most {}", length, of_what, plain(*rules.maximum)));
    return false;
  }
  return true;
}

Node SchemaBuilder::definition(const std::string& name, const std::function<Node()>& describe) {
  if (std::ranges::find(definitions_, name, &std::pair<std::string, Node>::first) == definitions_.end()) {
    const size_t index = definitions_.size();
    definitions_.emplace_back(name, Node());  // before describe: a struct may hold itself
    Node described = describe();
    definitions_[index].second = std::move(described);
  }
  return Node::map({{"$ref", Node::of("#/$defs/" + name)}});
}

Node SchemaBuilder::finish(Node root) {
  Node schema = Node::map({{"$schema", Node::of("https://json-schema.org/draft/2020-12/schema")}});
  for (Node& member : root.items) schema.items.push_back(std::move(member));
  if (!definitions_.empty()) schema.set("$defs", Node::map(std::move(definitions_)));
  return schema;
}

Node SchemaBuilder::typed(std::string_view type) {
  return Node::map({{"type", Node::of(type)}});
}

void SchemaBuilder::add_rules(Node& schema, const Rules& rules, bool is_text, bool is_list) {
  const auto bound = [&](std::string_view plain_name, std::string_view text, std::string_view list,
                         const std::optional<double>& value) {
    if (!value) return;
    const bool is_length = is_text || is_list;
    const std::string_view name = is_list ? list : is_text ? text : plain_name;
    const bool whole = is_length || *value == static_cast<double>(static_cast<std::int64_t>(*value));
    schema.set(std::string(name), whole ? Node::of(static_cast<std::int64_t>(*value)) : Node::of(*value));
  };
  bound("minimum", "minLength", "minItems", rules.minimum);
  bound("maximum", "maxLength", "maxItems", rules.maximum);
  if (!rules.pattern.empty()) schema.set("pattern", Node::of("^(" + rules.pattern + ")$"));
}

bool decode_word(Decoder& decoder, const Node& node, const std::vector<std::string>& words, size_t& index) {
  if (!node.is(Kind::kString)) {
    decoder.wrong_type(node, fmt::format("one of {}", fmt::join(words, ", ")),
                       node.is_scalar() && !node.is(Kind::kNull) ? "quote it if it is text" : "");
    return false;
  }
  const auto at = std::ranges::find(words, node.text);
  if (at == words.end()) {
    decoder.report(node, fmt::format("\"{}\" is not one of {}", node.text, fmt::join(words, ", ")),
                   suggestion(node.text, words));
    return false;
  }
  index = static_cast<size_t>(at - words.begin());
  return true;
}

Node schema_of_words(const std::vector<std::string>& words) {
  Node list = Node::list();
  for (const std::string& word : words) list.items.push_back(Node::of(word));
  return Node::map({{"enum", std::move(list)}});
}

void Codec<bool>::decode(Decoder& decoder, const Node& node, bool& value, const Rules&) {
  if (!node.is(Kind::kBoolean)) {
    return decoder.wrong_type(
        node, "true or false",
        node.text == "yes" || node.text == "on" || node.text == "no" || node.text == "off"
            ? "YAML 1.2 knows only true and false"
            : "");
  }
  value = node.boolean;
}
Node Codec<bool>::schema(SchemaBuilder&, const Rules&) {
  return SchemaBuilder::typed("boolean");
}

void Codec<std::int64_t>::decode(Decoder& decoder, const Node& node, std::int64_t& value,
                                 const Rules& rules) {
  if (!node.is(Kind::kInteger)) return decoder.wrong_type(node, "an integer");
  if (decoder.obey(node, rules, node.number)) value = node.integer;
}
Node Codec<std::int64_t>::schema(SchemaBuilder&, const Rules& rules) {
  Node schema = SchemaBuilder::typed("integer");
  SchemaBuilder::add_rules(schema, rules, false, false);
  return schema;
}

void Codec<int>::decode(Decoder& decoder, const Node& node, int& value, const Rules& rules) {
  Rules within_int = rules;
  if (!within_int.minimum) within_int.minimum = -2147483648.0;
  if (!within_int.maximum) within_int.maximum = 2147483647.0;
  std::int64_t wide = value;
  Codec<std::int64_t>::decode(decoder, node, wide, within_int);
  value = static_cast<int>(wide);
}
Node Codec<int>::schema(SchemaBuilder& builder, const Rules& rules) {
  return Codec<std::int64_t>::schema(builder, rules);
}

void Codec<double>::decode(Decoder& decoder, const Node& node, double& value, const Rules& rules) {
  if (!node.is(Kind::kNumber) && !node.is(Kind::kInteger)) return decoder.wrong_type(node, "a number");
  if (decoder.obey(node, rules, node.number)) value = node.number;
}
Node Codec<double>::schema(SchemaBuilder&, const Rules& rules) {
  Node schema = SchemaBuilder::typed("number");
  SchemaBuilder::add_rules(schema, rules, false, false);
  return schema;
}

void Codec<std::string>::decode(Decoder& decoder, const Node& node, std::string& value, const Rules& rules) {
  if (!node.is(Kind::kString)) {
    return decoder.wrong_type(node, "a string",
                              node.is_scalar() && !node.is(Kind::kNull) ? "quote it if it is text" : "");
  }
  if (decoder.obey(node, rules, std::string_view(node.text))) value = node.text;
}
Node Codec<std::string>::schema(SchemaBuilder&, const Rules& rules) {
  Node schema = SchemaBuilder::typed("string");
  SchemaBuilder::add_rules(schema, rules, true, false);
  return schema;
}

void Codec<Bytes>::decode(Decoder& decoder, const Node& node, Bytes& value, const Rules& rules) {
  if (!node.is(Kind::kString) && !node.is(Kind::kInteger)) {
    return decoder.wrong_type(node, "a size such as 512MiB");
  }
  auto size = parse_bytes(node.text);
  if (!size) return decoder.report(node, size.error().message, size.error().remedy);
  if (decoder.obey(node, rules, static_cast<double>(size->count))) value = *size;
}
Node Codec<Bytes>::schema(SchemaBuilder&, const Rules&) {
  return Node::map({{"type", Node::list({Node::of("string"), Node::of("integer")})},
                    {"pattern", Node::of(kBytesPattern)}});
}

void Codec<Duration>::decode(Decoder& decoder, const Node& node, Duration& value, const Rules& rules) {
  if (!node.is(Kind::kString)) {
    return decoder.wrong_type(node, "a duration such as 30s", "write its unit: 90s, 2h, 1m30s");
  }
  auto duration = parse_duration(node.text);
  if (!duration) return decoder.report(node, duration.error().message, duration.error().remedy);
  if (decoder.obey(node, rules, static_cast<double>(duration->count()))) value = *duration;
}
Node Codec<Duration>::schema(SchemaBuilder&, const Rules&) {
  return Node::map({{"type", Node::of("string")}, {"pattern", Node::of(kDurationPattern)}});
}

void Codec<Node>::decode(Decoder&, const Node& node, Node& value, const Rules&) {
  value = node;
}
Node Codec<Node>::schema(SchemaBuilder&, const Rules&) {
  return Node::map();
}

}  // namespace headrace::document
