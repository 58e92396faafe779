// What an expression gives: CEL's values, and two of ours. A secret is a reference that can be passed on
// whole but not computed with; an Unknown stands for what exists only after placement and names what it waits
// for.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "document/node.h"

namespace headrace::expression {

class Value;

struct Null {
  bool operator==(const Null&) const = default;
};
struct ByteText {  // CEL's bytes
  std::string bytes;
};
struct TypeName {  // CEL's type(x): "int", "list"
  std::string name;
};
struct Unknown {
  std::vector<std::string> references;  // sorted, unique: "services.broker.members"
};

// The order of map keys: booleans, then numbers by value whatever their type (1 is 1u), then strings.
struct KeyOrder {
  bool operator()(const Value& a, const Value& b) const;
};

struct ListValue;
struct MapValue;

class Value {
 public:
  using Data = std::variant<Null, bool, std::int64_t, std::uint64_t, double, std::string, ByteText,
                            std::shared_ptr<const ListValue>, std::shared_ptr<const MapValue>, TypeName,
                            SecretRef, Unknown>;

  Value() = default;
  Value(bool value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(std::int64_t value) : data_(value) {}
  Value(std::uint64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(ByteText value) : data_(std::move(value)) {}
  Value(TypeName value) : data_(std::move(value)) {}
  Value(SecretRef value) : data_(std::move(value)) {}
  Value(Unknown value) : data_(std::move(value)) {}

  static Value list(std::vector<Value> items);
  static Value map(std::map<Value, Value, KeyOrder> entries);
  static Value object(std::map<std::string, Value> members);  // a map with string keys
  static Value unknown(std::string reference) { return Unknown{{std::move(reference)}}; }

  template <class T>
  const T* get_if() const {
    return std::get_if<T>(&data_);
  }
  const std::vector<Value>* items() const;                  // of a list, or null
  const std::map<Value, Value, KeyOrder>* entries() const;  // of a map, or null
  const Value* find(const Value& key) const;                // in a map, or null
  const Data& data() const { return data_; }

  bool is_number() const { return data_.index() >= 2 && data_.index() <= 4; }
  bool is_unknown() const { return get_if<Unknown>() != nullptr; }
  // True where it, or anything in it, is Unknown.
  bool has_unknown() const;
  // What it costs to walk all of it: inner values count wherever they stand, though copies share their
  // memory.
  size_t weight() const;
  // Adds the references of all Unknowns in it.
  void collect_unknown(std::vector<std::string>& references) const;

 private:
  Data data_;
};

struct ListValue {
  std::vector<Value> items;
  bool has_unknown = false;
  size_t weight = 1;
};
struct MapValue {
  std::map<Value, Value, KeyOrder> entries;
  bool has_unknown = false;
  size_t weight = 1;
};

// One Unknown that waits for all that the given values wait for.
Value merge_unknown(const std::vector<Value>& values);

// CEL's equality: numbers by value across types, containers deeply, otherwise different types are unequal.
bool equal(const Value& a, const Value& b);
// CEL's order: numbers across types; false < true; strings and bytes by code; none for others and for NaN.
std::optional<std::partial_ordering> compare(const Value& a, const Value& b);
// "int", "list", "null_type": CEL's name of the value's type.
std::string type_name(const Value& value);
// As string() does; none for what has no text (null, lists, maps, secrets, unknown).
std::optional<std::string> to_text(const Value& value);

Value from_node(const document::Node& node);
// For people and APIs: an Unknown becomes "(known after placement)", a secret "(secret NAME)".
document::Node to_node(const Value& value);

// UTF-8: code points of a text; none where it is malformed.
std::optional<std::vector<char32_t>> code_points(std::string_view text);
void append_utf8(std::string& out, char32_t point);

}  // namespace headrace::expression
