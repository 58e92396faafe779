// What a person or a client wrote, as a tree in which every value knows its place.
//
// One tree for both YAML and JSON, read with YAML 1.2's core schema: `yes`, `no`, `on` and `off` are strings.
// Refused with the place, because readers of YAML disagree about them: duplicate keys, merge keys (<<),
// octals (0123 and 0o17), tags, more than one document, infinities. Depth, size and the growth by aliases are
// bounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace::document {

enum class Kind { kNull, kBoolean, kInteger, kNumber, kString, kList, kMap };

// "a list", "the string \"x\"": how an error names what it found.
std::string_view word_of(Kind kind);

struct Node {
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;        // also set for integers
  std::string text;         // a scalar as it was written (unquoted, unescaped)
  std::vector<Node> items;  // of a list; or of a map, each with its key, in the order of the file
  Place place;
  std::string key;  // where this is the value of a map's key
  Place key_place;
  enum class Style { kPlain, kQuoted, kBlock } style = Style::kPlain;

  static Node of(bool value);
  static Node of(std::int64_t value);
  static Node of(double value);
  static Node of(std::string_view value);
  static Node of(const char* value) { return of(std::string_view(value)); }
  static Node list();
  static Node list(std::vector<Node> items);
  static Node map();
  static Node map(std::vector<std::pair<std::string, Node>> members);

  bool is(Kind wanted) const { return kind == wanted; }
  bool is_scalar() const { return kind != Kind::kList && kind != Kind::kMap; }
  // The value of a map's key, or null.
  const Node* find(std::string_view name) const;
  // Appends a member; the key must be new.
  Node& set(std::string name, Node value);
  // Where the character at `offset` of `text` stands in the file: exact for plain scalars and for quoted ones
  // without escapes, the right line for block scalars.
  Place place_of(size_t offset) const;
};

struct Limits {
  size_t bytes = 1 << 20;
  int depth = 64;
  size_t nodes = 200'000;  // after aliases are replaced by what they stand for
};

// `file` names the source in places. Errors are kInvalid with place and remedy; kRefused for a bound.
Result<Node> read_yaml(std::string_view text, std::string file, const Limits& limits = {});
Result<Node> read_json(std::string_view text, std::string file, const Limits& limits = {});

// Compact, or indented by two spaces; ends without a newline.
std::string to_json(const Node& node, bool indented = false);

// The candidate most like `name`, if one is near enough to be what was meant; else empty.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
// `did you mean "brokers"?`, or the candidates when they are few, or nothing: ready as a remedy.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace headrace::document
