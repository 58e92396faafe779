// Turns positioned trees into structs, by tables that declare each field once: its name, member, whether it
// is required, its rules and its description. From the same table come decoding, which reports every mistake
// at once with its place and the nearest known name, and the JSON Schema.
//
//   struct Port { std::string name; int number = 0; };
//   inline const Table<Port>& table_of(const Port*) {
//     static const Table<Port> table = Table<Port>("port", "A port of a service.")
//         .required("name", &Port::name, "What expressions call it.")
//         .optional("number", &Port::number, "Chosen if absent.", {.minimum = 1, .maximum = 65535});
//     return table;
//   }
//   Checked<Port> port = decode<Port>(node);
//
// A type is decodable if Codec<T> is specialised for it, if `table_of(const T*)` is found beside it, or, for
// an enum, if `words_of(const T*)` is. A default is the value that a default-constructed struct holds.
#pragma once

#include <algorithm>
#include <concepts>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "document/node.h"

namespace headrace::document {

using Problems = std::vector<Error>;
template <class T>
using Checked = std::expected<T, Problems>;

// All problems as one error for callers that carry only one: a line each, the place of the first.
Error combined(const Problems& problems);

// Bounds of a value. For text and lists minimum and maximum are lengths; for durations milliseconds.
struct Rules {
  std::optional<double> minimum = {};
  std::optional<double> maximum = {};
  std::string pattern = {};       // RE2, the whole text must match
  std::string pattern_says = {};  // the pattern in words: "lower-case letters, digits and hyphens"
};

// Collects what is wrong while a tree is decoded, and knows where in the tree decoding is.
class Decoder {
 public:
  void report(const Node& node, std::string message, std::string remedy = {});
  void report(Error error);  // as it is, with the path in front
  void wrong_type(const Node& node, std::string_view wanted, std::string remedy = {});
  void unknown_field(const Node& member, const std::vector<std::string>& known);
  void missing_field(const Node& node, std::string_view name);

  // Runs `inner` with one more element of the path ("services", "[2]").
  template <class Inner>
  void within(std::string_view step, Inner inner) {
    const size_t length = path_.size();
    if (!path_.empty() && !step.starts_with('[')) path_ += '.';
    path_ += step;
    inner();
    path_.resize(length);
  }

  // False, and reported, when the rules do not hold.
  bool obey(const Node& node, const Rules& rules, double number);
  bool obey(const Node& node, const Rules& rules, std::string_view text);
  bool obey_length(const Node& node, const Rules& rules, size_t length, std::string_view of_what);

  Problems& problems() { return problems_; }

 private:
  std::string path_;
  Problems problems_;
};

// Builds a JSON Schema (draft 2020-12); structs become entries of $defs.
class SchemaBuilder {
 public:
  // A reference to the definition `name`, which `describe` makes on first use.
  Node definition(const std::string& name, const std::function<Node()>& describe);
  Node finish(Node root);
  static Node typed(std::string_view type);
  static void add_rules(Node& schema, const Rules& rules, bool is_text, bool is_list);

 private:
  std::vector<std::pair<std::string, Node>> definitions_;
};

template <class T>
struct Codec;

template <class T>
class Table {
 public:
  struct Field {
    std::string name;
    bool required = false;
    std::string description;
    std::string refused;  // not empty: known, but answered with "not supported"
    std::function<void(Decoder&, const Node&, T&)> decode;
    std::function<Node(SchemaBuilder&)> schema;
  };

  Table(std::string name, std::string description)
      : name_(std::move(name)), description_(std::move(description)) {}

  template <class M>
  Table&& required(std::string field, M T::* member, std::string description, Rules rules = {}) && {
    return std::move(*this).template add<M>(std::move(field), member, true, std::move(description),
                                            std::move(rules));
  }
  template <class M>
  Table&& optional(std::string field, M T::* member, std::string description, Rules rules = {}) && {
    return std::move(*this).template add<M>(std::move(field), member, false, std::move(description),
                                            std::move(rules));
  }
  // A map of its own in the document whose fields belong to this same struct.
  Table&& group(std::string field, Table inner) && {
    auto kept = std::make_shared<const Table>(std::move(inner));
    return std::move(*this).field(
        {.name = std::move(field),
         .description = kept->description_,
         .decode = [kept](Decoder& decoder, const Node& node,
                          T& value) { kept->decode(decoder, node, value); },
         .schema = [kept](SchemaBuilder& builder) { return kept->schema(builder); }});
  }
  // A field of any other form.
  Table&& field(Field field) && {
    fields_.push_back(std::move(field));
    return std::move(*this);
  }
  // A documented feature that this release does not have: named in the error (kUnsupported).
  Table&& unsupported(std::string field, std::string feature) && {
    fields_.push_back({.name = std::move(field), .refused = std::move(feature), .decode = {}, .schema = {}});
    return std::move(*this);
  }
  // Rules over several fields, run when all fields were read; `node` is the struct's map.
  Table&& check(std::function<void(Decoder&, const Node&, T&)> rule) && {
    checks_.push_back(std::move(rule));
    return std::move(*this);
  }
  // Another way to write the whole struct, tried when the node is not a map (a list of names for a map, …).
  // It returns false where the node is of no such form; `describe` adds its schema.
  Table&& shorthand(std::function<bool(Decoder&, const Node&, T&)> read, Node schema) && {
    shorthand_ = std::move(read);
    shorthand_schema_ = std::move(schema);
    return std::move(*this);
  }
  // Fields whose names are the author's: what is not in the table goes here instead of being refused.
  Table&& others(std::function<void(Decoder&, const Node&, T&)> take, Node schema) && {
    others_ = std::move(take);
    others_schema_ = std::move(schema);
    return std::move(*this);
  }

  void decode(Decoder& decoder, const Node& node, T& value) const {
    if (!node.is(Kind::kMap)) {
      if (shorthand_ && shorthand_(decoder, node, value)) return;
      decoder.wrong_type(node, "a map (" + name_ + ")");
      return;
    }
    const size_t before = decoder.problems().size();
    for (const Node& member : node.items) take(decoder, member, value);
    for (const Field& field : fields_) {
      if (field.required && !node.find(field.name)) decoder.missing_field(node, field.name);
    }
    if (decoder.problems().size() > before) return;
    for (const auto& rule : checks_) rule(decoder, node, value);
  }

  Node schema(SchemaBuilder& builder) const {
    return builder.definition(name_, [&] {
      Node properties = Node::map(), required = Node::list();
      for (const Field& field : fields_) {
        if (!field.refused.empty()) continue;
        Node described = field.schema(builder);
        if (!described.find("description")) described.set("description", Node::of(field.description));
        properties.set(field.name, std::move(described));
        if (field.required) required.items.push_back(Node::of(field.name));
      }
      Node object = SchemaBuilder::typed("object");
      object.set("description", Node::of(description_));
      object.set("properties", std::move(properties));
      if (!required.items.empty()) object.set("required", std::move(required));
      object.set("additionalProperties", others_ ? others_schema_ : Node::of(false));
      if (!shorthand_) return object;
      return Node::map({{"anyOf", Node::list({std::move(object), shorthand_schema_})}});
    });
  }

 private:
  template <class M>
  Table&& add(std::string field, M T::* member, bool is_required, std::string description, Rules rules) && {
    auto kept = std::make_shared<const Rules>(std::move(rules));
    fields_.push_back(
        {.name = std::move(field),
         .required = is_required,
         .description = std::move(description),
         .refused = {},
         .decode = [member, kept](Decoder& decoder, const Node& node,
                                  T& value) { Codec<M>::decode(decoder, node, value.*member, *kept); },
         .schema = [kept](SchemaBuilder& builder) { return Codec<M>::schema(builder, *kept); }});
    return std::move(*this);
  }

  void take(Decoder& decoder, const Node& member, T& value) const {
    const auto field = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const Field& known) { return known.name == member.key; });
    if (field == fields_.end()) {
      if (others_) {
        decoder.within(member.key, [&] { others_(decoder, member, value); });
        return;
      }
      std::vector<std::string> known;
      for (const Field& each : fields_) {
        if (each.refused.empty()) known.push_back(each.name);
      }
      decoder.unknown_field(member, known);
    } else if (!field->refused.empty()) {
      decoder.within(member.key, [&] {
        decoder.report({Code::kUnsupported,
                        "not supported in this release: " + field->refused,
                        {},
                        member.key_place,
                        {}});
      });
    } else {
      decoder.within(member.key, [&] { field->decode(decoder, member, value); });
    }
  }

  std::string name_;
  std::string description_;
  std::vector<Field> fields_;
  std::vector<std::function<void(Decoder&, const Node&, T&)>> checks_;
  std::function<bool(Decoder&, const Node&, T&)> shorthand_;
  Node shorthand_schema_;
  std::function<void(Decoder&, const Node&, T&)> others_;
  Node others_schema_;
};

template <class T>
concept HasTable = requires {
  { table_of(static_cast<const T*>(nullptr)) } -> std::same_as<const Table<T>&>;
};
template <class T>
concept HasWords = std::is_enum_v<T> && requires { words_of(static_cast<const T*>(nullptr)); };
// What words_of returns: each value of an enum with its word.
template <class T>
using Words = std::vector<std::pair<std::string, T>>;

template <class T>
Checked<T> decode(const Node& node) {
  Decoder decoder;
  T value{};
  Codec<T>::decode(decoder, node, value, {});
  if (!decoder.problems().empty()) return std::unexpected(std::move(decoder.problems()));
  return value;
}

template <class T>
Node schema_of() {
  SchemaBuilder builder;
  Node root = Codec<T>::schema(builder, {});
  return builder.finish(std::move(root));
}

// ---- Codecs of the usual types -------------------------------------------------------------------

template <HasTable T>
struct Codec<T> {
  static void decode(Decoder& decoder, const Node& node, T& value, const Rules&) {
    table_of(static_cast<const T*>(nullptr)).decode(decoder, node, value);
  }
  static Node schema(SchemaBuilder& builder, const Rules&) {
    return table_of(static_cast<const T*>(nullptr)).schema(builder);
  }
};

// Reports and returns false unless the node is one of the words; shared by all enums.
bool decode_word(Decoder& decoder, const Node& node, const std::vector<std::string>& words, size_t& index);
Node schema_of_words(const std::vector<std::string>& words);

template <HasWords T>
struct Codec<T> {
  static std::vector<std::string> words() {
    std::vector<std::string> words;
    for (const auto& [word, value] : words_of(static_cast<const T*>(nullptr))) words.push_back(word);
    return words;
  }
  static void decode(Decoder& decoder, const Node& node, T& value, const Rules&) {
    size_t index = 0;
    if (decode_word(decoder, node, words(), index)) {
      value = words_of(static_cast<const T*>(nullptr))[index].second;
    }
  }
  static Node schema(SchemaBuilder&, const Rules&) { return schema_of_words(words()); }
};

#define HEADRACE_CODEC(Type)                                                                 \
  template <>                                                                                \
  struct Codec<Type> {                                                                       \
    static void decode(Decoder& decoder, const Node& node, Type& value, const Rules& rules); \
    static Node schema(SchemaBuilder& builder, const Rules& rules);                          \
  }
HEADRACE_CODEC(bool);
HEADRACE_CODEC(int);
HEADRACE_CODEC(std::int64_t);
HEADRACE_CODEC(double);
HEADRACE_CODEC(std::string);
HEADRACE_CODEC(Bytes);
HEADRACE_CODEC(Duration);
HEADRACE_CODEC(Node);  // anything, kept as it is
#undef HEADRACE_CODEC

template <class T>
struct Codec<std::optional<T>> {
  static void decode(Decoder& decoder, const Node& node, std::optional<T>& value, const Rules& rules) {
    Codec<T>::decode(decoder, node, value.emplace(), rules);
  }
  static Node schema(SchemaBuilder& builder, const Rules& rules) { return Codec<T>::schema(builder, rules); }
};

template <class T>
struct Codec<std::vector<T>> {
  static void decode(Decoder& decoder, const Node& node, std::vector<T>& value, const Rules& rules) {
    if (!node.is(Kind::kList)) return decoder.wrong_type(node, "a list");
    decoder.obey_length(node, rules, node.items.size(), "items");
    value.clear();
    for (size_t i = 0; i < node.items.size(); ++i) {
      T item{};
      decoder.within("[" + std::to_string(i) + "]",
                     [&] { Codec<T>::decode(decoder, node.items[i], item, {}); });
      value.push_back(std::move(item));
    }
  }
  static Node schema(SchemaBuilder& builder, const Rules& rules) {
    Node list = SchemaBuilder::typed("array");
    list.set("items", Codec<T>::schema(builder, {}));
    SchemaBuilder::add_rules(list, rules, false, true);
    return list;
  }
};

// A map from names that the author chooses; rules hold for the names.
template <class T>
struct Codec<std::map<std::string, T>> {
  static void decode(Decoder& decoder, const Node& node, std::map<std::string, T>& value,
                     const Rules& rules) {
    if (!node.is(Kind::kMap)) return decoder.wrong_type(node, "a map");
    value.clear();
    for (const Node& member : node.items) {
      decoder.within(member.key, [&] {
        Node key = Node::of(member.key);
        key.place = member.key_place;
        decoder.obey(key, rules, std::string_view(member.key));
        Codec<T>::decode(decoder, member, value[member.key], {});
      });
    }
  }
  static Node schema(SchemaBuilder& builder, const Rules& rules) {
    Node map = SchemaBuilder::typed("object");
    if (!rules.pattern.empty()) {
      map.set("propertyNames", Node::map({{"pattern", Node::of("^(" + rules.pattern + ")$")}}));
    }
    map.set("additionalProperties", Codec<T>::schema(builder, {}));
    return map;
  }
};

}  // namespace headrace::document
