#include "expression/functions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>

namespace headrace::expression {
namespace {

using Args = std::span<const Value>;
using Run = std::function<Result<Value>(Args)>;
using Int = std::int64_t;
using Uint = std::uint64_t;
using Text = std::string;
using List = std::vector<Value>;
using Map = std::map<Value, Value, KeyOrder>;
using Points = std::vector<char32_t>;
using Order = std::partial_ordering;

constexpr size_t kLongestText = 1 << 20;
constexpr size_t kLongestList = 100'000;
constexpr size_t kMostCompared = 200;  // each with each

std::unexpected<Error> error(Text message) {
  return fail(Code::kInvalid, std::move(message));
}
Result<Value> bounded(Text text) {
  if (text.size() > kLongestText) return fail(Code::kRefused, "a text longer than 1MiB");
  return Value(std::move(text));
}
Result<Value> out_of_range(Int index) {
  return error(fmt::format("index out of range: {}", index));
}

// Makes a Run of a function over C++ types, which the table's signature has made sure of.
template <class T>
decltype(auto) take(const Value& value) {
  if constexpr (std::same_as<T, Value>) {
    return (value);
  } else if constexpr (std::same_as<T, List>) {
    return *value.items();
  } else if constexpr (std::same_as<T, Map>) {
    return *value.entries();
  } else {
    return *value.get_if<T>();
  }
}
template <class R, class... Parameters>
Run typed(R (*function)(Parameters...)) {
  return [function](Args args) -> Result<Value> {
    return [&]<size_t... I>(std::index_sequence<I...>) -> Result<Value> {
      return function(take<std::remove_cvref_t<Parameters>>(args[I])...);
    }(std::index_sequence_for<Parameters...>{});
  };
}

// ---- Operators -----------------------------------------------------------------------------------

template <class T>
std::unexpected<Error> overflow() {
  return error(std::same_as<T, Int> ? "integer overflow" : "unsigned integer overflow");
}
template <class T>
Result<Value> plus(T a, T b) {
  T out = 0;
  if (__builtin_add_overflow(a, b, &out)) return overflow<T>();
  return Value(out);
}
template <class T>
Result<Value> minus(T a, T b) {
  T out = 0;
  if (__builtin_sub_overflow(a, b, &out)) return overflow<T>();
  return Value(out);
}
template <class T>
Result<Value> times(T a, T b) {
  T out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return overflow<T>();
  return Value(out);
}
template <class T>
Result<Value> divide(T a, T b) {
  if (b == 0) return error("division by zero");
  if constexpr (std::same_as<T, Int>) {
    if (b == -1) return minus<Int>(0, a);
  }
  return Value(a / b);
}
template <class T>
Result<Value> modulo(T a, T b) {
  if (b == 0) return error("modulus by zero");
  if constexpr (std::same_as<T, Int>) {
    if (b == -1 && a == std::numeric_limits<Int>::min()) return overflow<Int>();
    if (b == -1) return Value(Int{0});
  }
  return Value(a % b);
}

Result<Value> join_lists(const List& a, const List& b) {
  if (a.size() + b.size() > kLongestList) return fail(Code::kRefused, "a list of over 100000");
  List items = a;
  items.insert(items.end(), b.begin(), b.end());
  return Value::list(std::move(items));
}
Result<Value> join_bytes(const ByteText& a, const ByteText& b) {
  if (a.bytes.size() + b.bytes.size() > kLongestText) return fail(Code::kRefused, "bytes longer than 1MiB");
  return Value(ByteText{a.bytes + b.bytes});
}

// ---- Conversions ---------------------------------------------------------------------------------

template <class T>
Result<Value> parse(const Text& text, const char* type) {
  T value{};
  const bool has_plus = text.starts_with('+') && !text.starts_with("+-");
  const std::string_view digits = std::string_view(text).substr(has_plus ? 1 : 0);
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure == std::errc{} && end == digits.data() + digits.size()) return Value(value);
  return error(fmt::format("\"{}\" is not of type {}", text, type));
}
// Drops the fraction; the bounds are exclusive, as the specification says.
template <class T>
Result<Value> truncate(double number, double above, double below) {
  if (!(number > above && number < below)) return overflow<T>();
  return Value(static_cast<T>(number));
}
Result<Value> parse_bool(const Text& text) {
  static const std::set<std::string_view> kTrue{"1", "t", "true", "TRUE", "True", "T"};
  static const std::set<std::string_view> kFalse{"0", "f", "false", "FALSE", "False", "F"};
  if (kTrue.contains(text)) return Value(true);
  if (kFalse.contains(text)) return Value(false);
  return error(fmt::format("\"{}\" is not of type bool", text));
}
Result<Value> to_string(const Value& value) {
  if (auto text = to_text(value)) return Value(std::move(*text));
  return error("invalid UTF-8 in bytes, cannot convert to string");
}

// ---- Text ----------------------------------------------------------------------------------------

Int length_of(const Text& text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; });
}
Points points_of(const Text& text) {
  return code_points(text).value_or(Points(text.begin(), text.end()));
}
Value text_of(std::span<const char32_t> points) {
  Text text;
  for (const char32_t point : points) append_utf8(text, point);
  return text;
}

Result<Value> matches(const Text& text, const Text& wanted) {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  const RE2 pattern(wanted, options);
  if (!pattern.ok()) return error("bad pattern: " + pattern.error());
  return Value(RE2::PartialMatch(text, pattern));
}

Result<Value> char_at(const Text& text, Int index) {
  const Points points = points_of(text);
  if (index < 0 || index > std::ssize(points)) return out_of_range(index);
  return text_of(std::span(points).subspan(static_cast<size_t>(index), index < std::ssize(points) ? 1 : 0));
}

Result<Value> substring(const Text& text, Int start, Int end) {
  const Points points = points_of(text);
  for (const Int index : {start, end}) {
    if (index < 0 || index > std::ssize(points)) return out_of_range(index);
  }
  if (start > end) return error(fmt::format("invalid substring range: start {}, end {}", start, end));
  return text_of(std::span(points).subspan(static_cast<size_t>(start), static_cast<size_t>(end - start)));
}

Result<Value> index_of(const Text& text, const Text& wanted, Int from) {
  const Points in = points_of(text), what = points_of(wanted);
  if (from < 0 || from > std::ssize(in)) return out_of_range(from);
  const auto found = std::search(in.begin() + from, in.end(), what.begin(), what.end());
  return Value(found != in.end() || what.empty() ? Int{found - in.begin()} : Int{-1});
}

Result<Value> last_index_of(const Text& text, const Text& wanted, Int from) {
  const Points in = points_of(text), what = points_of(wanted);
  if (from < 0 || from > std::ssize(in)) return out_of_range(from);
  for (Int at = std::min(from, std::ssize(in) - std::ssize(what)); at >= 0; --at) {
    if (std::equal(what.begin(), what.end(), in.begin() + at)) return Value(at);
  }
  return Value(Int{-1});
}

Result<Value> join(const List& items, const Text& separator) {
  Text joined;
  for (const Value& item : items) {
    const auto* text = item.get_if<Text>();
    if (!text) return error(fmt::format("no such overload: join of {}", type_name(item)));
    if (&item != &items.front()) joined += separator;
    joined += *text;
    if (joined.size() > kLongestText) break;
  }
  return bounded(std::move(joined));
}

// By an empty separator: one code point at a time.
Result<Value> split(const Text& text, const Text& separator, Int left) {
  List parts;
  if (left == 0) return Value::list({});
  std::string_view rest = text;
  while (left != 1 && !(separator.empty() && rest.empty())) {
    size_t at = separator.empty() ? 1 : rest.find(separator);
    while (separator.empty() && at < rest.size() && (static_cast<unsigned char>(rest[at]) >> 6) == 2) ++at;
    if (at == std::string_view::npos || (separator.empty() && at >= rest.size())) break;
    parts.emplace_back(Text(rest.substr(0, at)));
    rest.remove_prefix(at + separator.size());
    --left;
  }
  if (!separator.empty() || !rest.empty()) parts.emplace_back(Text(rest));
  return Value::list(std::move(parts));
}

// An empty `from` matches before every code point and at the end.
Result<Value> replace(const Text& text, const Text& from, const Text& to, Int left) {
  Text out;
  size_t at = 0;
  for (; left != 0 && out.size() <= kLongestText; --left) {
    const size_t found = from.empty() ? at : text.find(from, at);
    if (found == Text::npos) break;
    out.append(text, at, found - at);
    out += to;
    at = found + from.size();
    if (!from.empty()) continue;
    if (at >= text.size()) break;
    do out += text[at++];
    while (at < text.size() && (static_cast<unsigned char>(text[at]) >> 6) == 2);
  }
  if (at < text.size()) out.append(text, at);
  return bounded(std::move(out));
}

template <char First, char Last, int Shift>
Text shift_case(const Text& text) {
  Text shifted = text;
  for (char& c : shifted) {
    if (c >= First && c <= Last) c = static_cast<char>(c + Shift);
  }
  return shifted;
}

Value trim(const Text& text) {
  const Points points = points_of(text);
  // Unicode's White_Space, as the extension's definition says.
  const auto is_space = [](char32_t c) {
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
  };
  size_t first = 0, last = points.size();
  while (first < last && is_space(points[first])) ++first;
  while (last > first && is_space(points[last - 1])) --last;
  return text_of(std::span(points).subspan(first, last - first));
}

// ---- Lists and numbers ---------------------------------------------------------------------------

Result<Value> slice(const List& items, Int start, Int end) {
  if (start < 0 || end < start || end > std::ssize(items)) {
    return error(fmt::format("cannot slice({}, {}) a list of {}", start, end, items.size()));
  }
  return Value::list({items.begin() + start, items.begin() + end});
}

Result<Value> distinct(const List& items) {
  List kept;
  std::set<Value, KeyOrder> keys;  // what is already kept of those that have an order
  List others;
  for (const Value& item : items) {
    const bool is_key = compare(item, item) == Order::equivalent && !item.get_if<ByteText>();
    const bool is_new =
        is_key ? keys.insert(item).second
               : std::ranges::none_of(others, [&](const Value& other) { return equal(item, other); });
    if (!is_new) continue;
    kept.push_back(item);
    if (!is_key) others.push_back(item);
    if (others.size() > kMostCompared) return fail(Code::kRefused, "distinct() of over 200 lists or maps");
  }
  return Value::list(std::move(kept));
}

Value flatten(const List& items) {
  List flat;
  for (const Value& item : items) {
    const List alone{item};
    const List& inner = item.items() ? *item.items() : alone;
    flat.insert(flat.end(), inner.begin(), inner.end());
  }
  return Value::list(std::move(flat));
}

Result<Value> sort(const List& items) {
  for (const Value& item : items) {
    const auto order = compare(item, items.front());
    if (!order || *order == Order::unordered) return error("these values have no order");
  }
  List sorted = items;
  std::ranges::sort(sorted, [](const Value& a, const Value& b) { return *compare(a, b) < 0; });
  return Value::list(std::move(sorted));
}

Result<Value> range(Int count) {
  if (count > static_cast<Int>(kLongestList)) return fail(Code::kRefused, "a list of over 100000");
  List items;
  for (Int i = 0; i < count; ++i) items.emplace_back(i);
  return Value::list(std::move(items));
}

// The first value to which no other is better.
Result<Value> best_of(Args values, bool (*better)(Order)) {
  if (values.empty()) return error("an empty list has no least and no greatest");
  const Value* best = &values.front();
  for (const Value& value : values) {
    if (!value.is_number()) return error(fmt::format("no such overload: {} is no number", type_name(value)));
    if (better(*compare(value, *best))) best = &value;
  }
  return *best;
}

// ---- The table -----------------------------------------------------------------------------------

// Reads "name(type, type) type", or ".name(target, type) type" for a member function. Capital letters stand
// for any type; "..." repeats the last parameter.
class SignatureReader {
 public:
  explicit SignatureReader(std::string_view text) : rest_(text) {}

  Overload read(Text& name) {
    Overload overload;
    overload.is_member = rest_.starts_with('.');
    if (overload.is_member) rest_.remove_prefix(1);
    name = Text(rest_.substr(0, rest_.find('(')));
    rest_.remove_prefix(name.size() + 1);
    while (!rest_.starts_with(')')) {
      if (rest_.starts_with(", ")) rest_.remove_prefix(2);
      overload.is_variadic = rest_.starts_with("...");
      if (overload.is_variadic) {
        rest_.remove_prefix(3);
      } else {
        overload.parameters.push_back(type());
      }
    }
    rest_.remove_prefix(2);
    overload.result = type();
    return overload;
  }

 private:
  Type type() {
    using Kind = Type::Kind;
    static const std::map<std::string_view, Kind> kKinds{
        {"int", Kind::kInt},     {"uint", Kind::kUint}, {"double", Kind::kDouble}, {"string", Kind::kString},
        {"bytes", Kind::kBytes}, {"bool", Kind::kBool}, {"dyn", Kind::kDyn},       {"type", Kind::kType},
        {"list", Kind::kList},   {"map", Kind::kMap}};
    const std::string_view word = rest_.substr(0, rest_.find_first_of(",() "));
    rest_.remove_prefix(word.size());
    const auto kind = kKinds.find(word);
    if (kind == kKinds.end()) return {.kind = Kind::kParameter, .name = Text(word)};
    Type type{.kind = kind->second};
    if (!rest_.starts_with('(')) return type;
    do {
      rest_.remove_prefix(rest_.starts_with(", ") ? 2 : 1);
      type.of.push_back(this->type());
    } while (!rest_.starts_with(')'));
    rest_.remove_prefix(1);
    return type;
  }

  std::string_view rest_;
};

using Entry = std::pair<Text, Run>;

// Every pair of numeric types, and the other ordered types.
void add_relation(std::vector<Entry>& entries, const Text& name, bool (*holds)(Order)) {
  const Run run = [holds](Args args) { return Value(holds(*compare(args[0], args[1]))); };
  const auto add = [&](const char* a, const char* b) {
    entries.emplace_back(fmt::format("{}({}, {}) bool", name, a, b), run);
  };
  for (const char* type : {"string", "bool", "bytes"}) add(type, type);
  for (const char* a : {"int", "uint", "double"}) {
    for (const char* b : {"int", "uint", "double"}) add(a, b);
  }
}

std::map<Text, std::vector<Overload>> make_table() {
  const auto same = typed(+[](const Value& value) { return value; });
  const auto text = typed(to_string);
  constexpr auto kLeast = [](Order order) { return order < 0; };
  constexpr auto kGreatest = [](Order order) { return order > 0; };
  const auto extreme = [](bool (*better)(Order)) {
    return Run([better](Args args) {
      const List* items = args.size() == 1 ? args[0].items() : nullptr;
      return best_of(items ? Args(*items) : args, better);
    });
  };
  std::vector<Entry> entries{
      {"_+_(int, int) int", typed(plus<Int>)},
      {"_+_(uint, uint) uint", typed(plus<Uint>)},
      {"_+_(double, double) double", typed(+[](double a, double b) { return a + b; })},
      {"_+_(string, string) string", typed(+[](const Text& a, const Text& b) { return bounded(a + b); })},
      {"_+_(bytes, bytes) bytes", typed(join_bytes)},
      {"_+_(list(A), list(A)) list(A)", typed(join_lists)},
      {"_-_(int, int) int", typed(minus<Int>)},
      {"_-_(uint, uint) uint", typed(minus<Uint>)},
      {"_-_(double, double) double", typed(+[](double a, double b) { return a - b; })},
      {"_*_(int, int) int", typed(times<Int>)},
      {"_*_(uint, uint) uint", typed(times<Uint>)},
      {"_*_(double, double) double", typed(+[](double a, double b) { return a * b; })},
      {"_/_(int, int) int", typed(divide<Int>)},
      {"_/_(uint, uint) uint", typed(divide<Uint>)},
      {"_/_(double, double) double", typed(+[](double a, double b) { return a / b; })},
      {"_%_(int, int) int", typed(modulo<Int>)},
      {"_%_(uint, uint) uint", typed(modulo<Uint>)},
      {"-_(int) int", typed(+[](Int a) { return minus<Int>(0, a); })},
      {"-_(double) double", typed(+[](double a) { return -a; })},
      {"!_(bool) bool", typed(+[](bool a) { return !a; })},
      {"_==_(A, A) bool", typed(equal)},
      {"_!=_(A, A) bool", typed(+[](const Value& a, const Value& b) { return !equal(a, b); })},
      {"@in(A, list(A)) bool", typed(+[](const Value& wanted, const List& items) {
         return std::ranges::any_of(items, [&](const Value& item) { return equal(wanted, item); });
       })},
      {"@in(A, map(A, B)) bool",
       typed(+[](const Value& wanted, const Map& entries) { return entries.contains(wanted); })},

      {"int(int) int", same},
      {"int(uint) int",
       typed(+[](Uint a) { return a >> 63 ? Result<Value>(overflow<Int>()) : Value(static_cast<Int>(a)); })},
      {"int(double) int", typed(+[](double a) { return truncate<Int>(a, -0x1p63, 0x1p63); })},
      {"int(string) int", typed(+[](const Text& a) { return parse<Int>(a, "int"); })},
      {"uint(uint) uint", same},
      {"uint(int) uint",
       typed(+[](Int a) { return a < 0 ? Result<Value>(overflow<Uint>()) : Value(static_cast<Uint>(a)); })},
      {"uint(double) uint", typed(+[](double a) { return truncate<Uint>(a, -0x1p-1074, 0x1p64); })},
      {"uint(string) uint", typed(+[](const Text& a) { return parse<Uint>(a, "uint"); })},
      {"double(double) double", same},
      {"double(int) double", typed(+[](Int a) { return static_cast<double>(a); })},
      {"double(uint) double", typed(+[](Uint a) { return static_cast<double>(a); })},
      {"double(string) double", typed(+[](const Text& a) { return parse<double>(a, "double"); })},
      {"string(string) string", text},
      {"string(int) string", text},
      {"string(uint) string", text},
      {"string(double) string", text},
      {"string(bool) string", text},
      {"string(bytes) string", text},
      {"bytes(bytes) bytes", same},
      {"bytes(string) bytes", typed(+[](const Text& a) { return Value(ByteText{a}); })},
      {"bool(bool) bool", same},
      {"bool(string) bool", typed(parse_bool)},
      {"type(A) type", typed(+[](const Value& a) { return Value(TypeName{type_name(a)}); })},
      {"dyn(A) dyn", same},
      {"json(A) string", typed(+[](const Value& a) { return bounded(document::to_json(to_node(a))); })},

      {"matches(string, string) bool", typed(matches)},
      {".matches(string, string) bool", typed(matches)},
      {".contains(string, string) bool",
       typed(+[](const Text& a, const Text& b) { return a.find(b) != Text::npos; })},
      {".startsWith(string, string) bool",
       typed(+[](const Text& a, const Text& b) { return a.starts_with(b); })},
      {".endsWith(string, string) bool", typed(+[](const Text& a, const Text& b) { return a.ends_with(b); })},
      {".charAt(string, int) string", typed(char_at)},
      {".indexOf(string, string) int",
       typed(+[](const Text& a, const Text& b) { return index_of(a, b, 0); })},
      {".indexOf(string, string, int) int", typed(index_of)},
      {".lastIndexOf(string, string) int",
       typed(+[](const Text& a, const Text& b) { return last_index_of(a, b, length_of(a)); })},
      {".lastIndexOf(string, string, int) int", typed(last_index_of)},
      {".join(list(string)) string", typed(+[](const List& items) { return join(items, ""); })},
      {".join(list(string), string) string", typed(join)},
      {".split(string, string) list(string)",
       typed(+[](const Text& a, const Text& b) { return split(a, b, -1); })},
      {".split(string, string, int) list(string)", typed(split)},
      {".replace(string, string, string) string",
       typed(+[](const Text& a, const Text& b, const Text& c) { return replace(a, b, c, -1); })},
      {".replace(string, string, string, int) string", typed(replace)},
      {".lowerAscii(string) string", typed(shift_case<'A', 'Z', 32>)},
      {".upperAscii(string) string", typed(shift_case<'a', 'z', -32>)},
      {".substring(string, int) string",
       typed(+[](const Text& a, Int start) { return substring(a, start, std::max(start, length_of(a))); })},
      {".substring(string, int, int) string", typed(substring)},
      {".trim(string) string", typed(trim)},
      {".reverse(string) string", typed(+[](const Text& a) {
         Points points = points_of(a);
         std::ranges::reverse(points);
         return text_of(points);
       })},
      {".reverse(list(A)) list(A)",
       typed(+[](const List& a) { return Value::list({a.rbegin(), a.rend()}); })},
      {".slice(list(A), int, int) list(A)", typed(slice)},
      {".distinct(list(A)) list(A)", typed(distinct)},
      {".flatten(list(list(A))) list(A)", typed(flatten)},
      {".sort(list(A)) list(A)", typed(sort)},
      {"lists.range(int) list(int)", typed(range)},
      {"math.least(list(A)) A", extreme(kLeast)},
      {"math.least(int, ...) int", extreme(kLeast)},
      {"math.least(double, ...) double", extreme(kLeast)},
      {"math.greatest(list(A)) A", extreme(kGreatest)},
      {"math.greatest(int, ...) int", extreme(kGreatest)},
      {"math.greatest(double, ...) double", extreme(kGreatest)},
  };
  for (const char* member : {"", "."}) {
    const auto add = [&](const char* of, Run run) {
      entries.emplace_back(fmt::format("{}size({}) int", member, of), std::move(run));
    };
    add("string", typed(length_of));
    add("bytes", typed(+[](const ByteText& a) { return std::ssize(a.bytes); }));
    add("list(A)", typed(+[](const List& a) { return std::ssize(a); }));
    add("map(A, B)", typed(+[](const Map& a) { return static_cast<Int>(a.size()); }));
  }
  add_relation(entries, "_<_", [](Order order) { return order < 0; });
  add_relation(entries, "_<=_", [](Order order) { return order <= 0; });
  add_relation(entries, "_>_", [](Order order) { return order > 0; });
  add_relation(entries, "_>=_", [](Order order) { return order >= 0; });

  std::map<Text, std::vector<Overload>> table;
  for (auto& [signature, run] : entries) {
    Text name;
    Overload overload = SignatureReader(signature).read(name);
    overload.run = std::move(run);
    table[name].push_back(std::move(overload));
  }
  return table;
}

const std::map<Text, std::vector<Overload>>& table() {
  static const std::map<Text, std::vector<Overload>> made = make_table();
  return made;
}

}  // namespace

bool Overload::takes(size_t count, bool as_member) const {
  return as_member == is_member && (count == parameters.size() || (is_variadic && count > parameters.size()));
}

bool Overload::accepts(std::span<const Value> arguments) const {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Type& wanted = parameter(i);
    if (!wanted.is(Type::Kind::kParameter) && !wanted.is(kind_of(arguments[i]))) return false;
  }
  return true;
}

std::string Overload::to_string(std::string_view name) const {
  std::vector<Text> types;
  for (size_t i = is_member ? 1 : 0; i < parameters.size(); ++i) types.push_back(to_text(parameters[i]));
  if (is_variadic) types.emplace_back("...");
  return fmt::format("{}{}({}) {}", is_member ? to_text(parameters[0]) + "." : "", name,
                     fmt::join(types, ", "), to_text(result));
}

bool is_type_name(std::string_view name) {
  static const std::set<std::string_view> kNames{"bool",  "int",  "uint", "double",    "string",
                                                 "bytes", "list", "map",  "null_type", "type"};
  return kNames.contains(name);
}

Type::Kind kind_of(const Value& value) {
  using Kind = Type::Kind;
  // In the order of Value::Data.
  static constexpr Kind kKinds[] = {Kind::kNull,   Kind::kBool,   Kind::kInt,   Kind::kUint,
                                    Kind::kDouble, Kind::kString, Kind::kBytes, Kind::kList,
                                    Kind::kMap,    Kind::kType,   Kind::kDyn,   Kind::kDyn};
  static_assert(std::size(kKinds) == std::variant_size_v<Value::Data>);
  return kKinds[value.data().index()];
}

std::span<const Overload> overloads_of(const std::string& name) {
  const auto found = table().find(name);
  return found == table().end() ? std::span<const Overload>() : std::span<const Overload>(found->second);
}

std::vector<std::string> function_names() {
  std::vector<Text> names{"has", "all", "exists", "exists_one", "map", "filter"};
  for (const auto& [name, overloads] : table()) {
    if (std::isalpha(static_cast<unsigned char>(name.front()))) names.push_back(name);
  }
  return names;
}

std::string_view why_not_supported(std::string_view name) {
  if (name == "timestamp" || name == "duration" ||
      RE2::FullMatch(re2::StringPiece(name.data(), name.size()),
                     "get(FullYear|Month|Day|Date|Hours|Minutes|Seconds|Milliseconds).*")) {
    return "timestamps and durations are not supported in this release";
  }
  return {};
}

}  // namespace headrace::expression
