#include "expression/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/locale/utf.hpp>
#include <iterator>

namespace headrace::expression {
namespace {

using Order = std::partial_ordering;
using Utf8 = boost::locale::utf::utf_traits<char>;

constexpr size_t kHeaviest = size_t{1} << 40;  // where weights stop growing: far beyond any limit

Order compare_integers(const Value& a, const Value& b) {
  const auto negative = [](const Value& value) {
    return value.get_if<std::int64_t>() && *value.get_if<std::int64_t>() < 0;
  };
  const auto magnitude = [](const Value& value) {
    const auto* wide = value.get_if<std::uint64_t>();
    return wide ? *wide : static_cast<std::uint64_t>(*value.get_if<std::int64_t>());
  };
  if (negative(a) != negative(b)) return negative(a) ? Order::less : Order::greater;
  return magnitude(a) <=> magnitude(b);
}

double as_double(const Value& value) {
  if (const auto* number = value.get_if<double>()) return *number;
  if (const auto* wide = value.get_if<std::uint64_t>()) return static_cast<double>(*wide);
  return static_cast<double>(*value.get_if<std::int64_t>());
}

// Beside a double an integer is rounded to one, as the conformance cases want.
Order compare_numbers(const Value& a, const Value& b) {
  if (a.get_if<double>() || b.get_if<double>()) return as_double(a) <=> as_double(b);
  return compare_integers(a, b);
}

}  // namespace

Value Value::list(std::vector<Value> items) {
  ListValue list;
  for (const Value& item : items) {
    list.has_unknown = list.has_unknown || item.has_unknown();
    list.weight = std::min(list.weight + item.weight(), kHeaviest);
  }
  list.items = std::move(items);
  Value value;
  value.data_ = std::make_shared<const ListValue>(std::move(list));
  return value;
}
Value Value::map(std::map<Value, Value, KeyOrder> entries) {
  MapValue map;
  for (const auto& [key, member] : entries) {
    map.has_unknown = map.has_unknown || member.has_unknown();
    map.weight = std::min(map.weight + key.weight() + member.weight(), kHeaviest);
  }
  map.entries = std::move(entries);
  Value value;
  value.data_ = std::make_shared<const MapValue>(std::move(map));
  return value;
}
Value Value::object(std::map<std::string, Value> members) {
  std::map<Value, Value, KeyOrder> entries;
  for (auto& [name, member] : members) entries.emplace(Value(name), std::move(member));
  return map(std::move(entries));
}

const std::vector<Value>* Value::items() const {
  const auto* list = get_if<std::shared_ptr<const ListValue>>();
  return list ? &(*list)->items : nullptr;
}
const std::map<Value, Value, KeyOrder>* Value::entries() const {
  const auto* map = get_if<std::shared_ptr<const MapValue>>();
  return map ? &(*map)->entries : nullptr;
}
const Value* Value::find(const Value& key) const {
  const auto* map = entries();
  if (!map) return nullptr;
  const auto found = map->find(key);
  return found == map->end() ? nullptr : &found->second;
}

bool Value::has_unknown() const {
  if (const auto* list = get_if<std::shared_ptr<const ListValue>>()) return (*list)->has_unknown;
  if (const auto* map = get_if<std::shared_ptr<const MapValue>>()) return (*map)->has_unknown;
  return is_unknown();
}

size_t Value::weight() const {
  if (const auto* list = get_if<std::shared_ptr<const ListValue>>()) return (*list)->weight;
  if (const auto* map = get_if<std::shared_ptr<const MapValue>>()) return (*map)->weight;
  if (const auto* text = get_if<std::string>()) return 1 + text->size() / 32;
  if (const auto* bytes = get_if<ByteText>()) return 1 + bytes->bytes.size() / 32;
  return 1;
}

void Value::collect_unknown(std::vector<std::string>& references) const {
  if (!has_unknown()) return;
  if (const auto* unknown = get_if<Unknown>()) {
    references.insert(references.end(), unknown->references.begin(), unknown->references.end());
  }
  if (const auto* list = items()) {
    for (const Value& item : *list) item.collect_unknown(references);
  }
  if (const auto* map = entries()) {
    for (const auto& [key, value] : *map) value.collect_unknown(references);
  }
}

Value merge_unknown(const std::vector<Value>& values) {
  Unknown merged;
  for (const Value& value : values) value.collect_unknown(merged.references);
  std::ranges::sort(merged.references);
  const auto [first, last] = std::ranges::unique(merged.references);
  merged.references.erase(first, last);
  return merged;
}

bool KeyOrder::operator()(const Value& a, const Value& b) const {
  const auto rank = [](const Value& key) {
    return key.get_if<bool>() ? 0 : key.is_number() ? 1 : key.get_if<std::string>() ? 2 : 3;
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  const auto order = compare(a, b);
  return order && *order == Order::less;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == Order::equivalent;
  if (a.data().index() != b.data().index()) return false;
  if (const auto* left = a.items()) return std::ranges::equal(*left, *b.items(), equal);
  if (const auto* left = a.entries()) {
    return left->size() == b.entries()->size() && std::ranges::all_of(*left, [&](const auto& entry) {
             const Value* other = b.find(entry.first);
             return other && equal(entry.second, *other);
           });
  }
  if (a.get_if<Null>()) return true;
  if (const auto* type = a.get_if<TypeName>()) return type->name == b.get_if<TypeName>()->name;
  if (const auto* secret = a.get_if<SecretRef>()) return *secret == *b.get_if<SecretRef>();
  const auto order = compare(a, b);
  return order && *order == Order::equivalent;
}

std::optional<Order> compare(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.data().index() != b.data().index()) return std::nullopt;
  if (const auto* left = a.get_if<bool>()) return *left <=> *b.get_if<bool>();
  if (const auto* left = a.get_if<std::string>()) return *left <=> *b.get_if<std::string>();
  if (const auto* left = a.get_if<ByteText>()) return left->bytes <=> b.get_if<ByteText>()->bytes;
  return std::nullopt;
}

std::string type_name(const Value& value) {
  static constexpr const char* kNames[] = {"null_type", "bool", "int", "uint", "double", "string",
                                           "bytes",     "list", "map", "type", "secret", "unknown"};
  static_assert(std::size(kNames) == std::variant_size_v<Value::Data>);
  return kNames[value.data().index()];
}

std::optional<std::string> to_text(const Value& value) {
  if (const auto* text = value.get_if<std::string>()) return *text;
  if (const auto* flag = value.get_if<bool>()) return *flag ? "true" : "false";
  if (const auto* integer = value.get_if<std::int64_t>()) return fmt::format("{}", *integer);
  if (const auto* integer = value.get_if<std::uint64_t>()) return fmt::format("{}", *integer);
  if (const auto* number = value.get_if<double>()) return fmt::format("{}", *number);
  if (const auto* bytes = value.get_if<ByteText>(); bytes && code_points(bytes->bytes)) return bytes->bytes;
  return std::nullopt;
}

Value from_node(const document::Node& node) {
  using document::Kind;
  switch (node.kind) {
    case Kind::kNull: return {};
    case Kind::kBoolean: return node.boolean;
    case Kind::kInteger: return node.integer;
    case Kind::kNumber: return node.number;
    case Kind::kString: return node.text;
    case Kind::kList: {
      std::vector<Value> items;
      for (const document::Node& item : node.items) items.push_back(from_node(item));
      return Value::list(std::move(items));
    }
    case Kind::kMap: {
      std::map<std::string, Value> members;
      for (const document::Node& item : node.items) members.emplace(item.key, from_node(item));
      return Value::object(std::move(members));
    }
  }
  return {};
}

document::Node to_node(const Value& value) {
  using document::Node;
  if (value.get_if<Null>()) return {};
  if (const auto* flag = value.get_if<bool>()) return Node::of(*flag);
  if (const auto* integer = value.get_if<std::int64_t>()) return Node::of(*integer);
  if (const auto* number = value.get_if<double>()) return Node::of(*number);
  if (const auto* list = value.items()) {
    Node node = Node::list();
    for (const Value& item : *list) node.items.push_back(to_node(item));
    return node;
  }
  if (const auto* map = value.entries()) {
    Node node = Node::map();
    for (const auto& [key, member] : *map) node.set(to_text(key).value_or("?"), to_node(member));
    return node;
  }
  if (const auto* secret = value.get_if<SecretRef>()) return Node::of("(secret " + secret->name + ")");
  if (const auto* type = value.get_if<TypeName>()) return Node::of(type->name);
  if (value.is_unknown()) return Node::of("(known after placement)");
  return Node::of(to_text(value).value_or("(bytes)"));
}

std::optional<std::vector<char32_t>> code_points(std::string_view text) {
  std::vector<char32_t> points;
  points.reserve(text.size());
  for (auto at = text.begin(); at != text.end();) {
    points.push_back(Utf8::decode(at, text.end()));
    if (!boost::locale::utf::is_valid_codepoint(points.back())) return std::nullopt;
  }
  return points;
}

void append_utf8(std::string& out, char32_t point) {
  Utf8::encode(point, std::back_inserter(out));
}

}  // namespace headrace::expression
