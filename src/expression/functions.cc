#include "expression/functions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace headrace::expression {
namespace {

using Args = std::span<const Value>;
using Int = std::int64_t;
using Uint = std::uint64_t;
using Points = std::vector<char32_t>;

constexpr size_t kLongestText = 1 << 20;
constexpr Int kLongestList = 100'000;

std::unexpected<Error> error(std::string message) {
  return fail(Code::kInvalid, std::move(message));
}
std::unexpected<Error> no_overload(std::string_view name, Args args) {
  std::string types;
  for (const Value& arg : args) types += (types.empty() ? "" : ", ") + type_name(arg);
  return error(fmt::format("no such overload: {}({})", name, types));
}
Result<Value> bounded(std::string text) {
  if (text.size() > kLongestText) return fail(Code::kRefused, "a text longer than 1MiB");
  return Value(std::move(text));
}

template <class T>
const T* arg(Args args, size_t index) {
  return index < args.size() ? args[index].get_if<T>() : nullptr;
}
const std::string* text_arg(Args args, size_t index) {
  return arg<std::string>(args, index);
}

// ---- Operators -----------------------------------------------------------------------------------

struct Plus {
  static constexpr const char* kName = "_+_";
  static bool apply(Int a, Int b, Int& out) { return !__builtin_add_overflow(a, b, &out); }
  static bool apply(Uint a, Uint b, Uint& out) { return !__builtin_add_overflow(a, b, &out); }
  static double apply(double a, double b) { return a + b; }
};
struct Minus {
  static constexpr const char* kName = "_-_";
  static bool apply(Int a, Int b, Int& out) { return !__builtin_sub_overflow(a, b, &out); }
  static bool apply(Uint a, Uint b, Uint& out) { return !__builtin_sub_overflow(a, b, &out); }
  static double apply(double a, double b) { return a - b; }
};
struct Times {
  static constexpr const char* kName = "_*_";
  static bool apply(Int a, Int b, Int& out) { return !__builtin_mul_overflow(a, b, &out); }
  static bool apply(Uint a, Uint b, Uint& out) { return !__builtin_mul_overflow(a, b, &out); }
  static double apply(double a, double b) { return a * b; }
};

template <class Op>
Result<Value> arithmetic(Args args) {
  if (arg<Int>(args, 0) && arg<Int>(args, 1)) {
    Int out = 0;
    if (!Op::apply(*arg<Int>(args, 0), *arg<Int>(args, 1), out)) return error("integer overflow");
    return Value(out);
  }
  if (arg<Uint>(args, 0) && arg<Uint>(args, 1)) {
    Uint out = 0;
    if (!Op::apply(*arg<Uint>(args, 0), *arg<Uint>(args, 1), out)) return error("unsigned integer overflow");
    return Value(out);
  }
  if (arg<double>(args, 0) && arg<double>(args, 1)) {
    return Value(Op::apply(*arg<double>(args, 0), *arg<double>(args, 1)));
  }
  return no_overload(Op::kName, args);
}

Result<Value> add(Args args) {
  if (text_arg(args, 0) && text_arg(args, 1)) return bounded(*text_arg(args, 0) + *text_arg(args, 1));
  if (arg<ByteText>(args, 0) && arg<ByteText>(args, 1)) {
    TRY(const Value joined, bounded(arg<ByteText>(args, 0)->bytes + arg<ByteText>(args, 1)->bytes));
    return Value(ByteText{*joined.get_if<std::string>()});
  }
  if (args[0].items() && args[1].items()) {
    std::vector<Value> items = *args[0].items();
    items.insert(items.end(), args[1].items()->begin(), args[1].items()->end());
    if (static_cast<Int>(items.size()) > kLongestList) return fail(Code::kRefused, "a list of over 100000");
    return Value::list(std::move(items));
  }
  return arithmetic<Plus>(args);
}

Result<Value> divide(Args args) {
  if (arg<Int>(args, 0) && arg<Int>(args, 1)) {
    if (*arg<Int>(args, 1) == 0) return error("division by zero");
    if (*arg<Int>(args, 1) == -1) return arithmetic<Minus>(std::vector<Value>{Int{0}, args[0]});
    return Value(*arg<Int>(args, 0) / *arg<Int>(args, 1));
  }
  if (arg<Uint>(args, 0) && arg<Uint>(args, 1)) {
    if (*arg<Uint>(args, 1) == 0) return error("division by zero");
    return Value(*arg<Uint>(args, 0) / *arg<Uint>(args, 1));
  }
  if (arg<double>(args, 0) && arg<double>(args, 1))
    return Value(*arg<double>(args, 0) / *arg<double>(args, 1));
  return no_overload("_/_", args);
}

Result<Value> modulo(Args args) {
  if (arg<Int>(args, 0) && arg<Int>(args, 1)) {
    if (*arg<Int>(args, 1) == 0) return error("modulus by zero");
    if (*arg<Int>(args, 1) == -1) {
      if (*arg<Int>(args, 0) == std::numeric_limits<Int>::min()) return error("integer overflow");
      return Value(Int{0});
    }
    return Value(*arg<Int>(args, 0) % *arg<Int>(args, 1));
  }
  if (arg<Uint>(args, 0) && arg<Uint>(args, 1)) {
    if (*arg<Uint>(args, 1) == 0) return error("modulus by zero");
    return Value(*arg<Uint>(args, 0) % *arg<Uint>(args, 1));
  }
  return no_overload("_%_", args);
}

Result<Value> negate(Args args) {
  if (const auto* number = arg<double>(args, 0)) return Value(-*number);
  if (arg<Int>(args, 0)) return arithmetic<Minus>(std::vector<Value>{Int{0}, args[0]});
  return no_overload("-_", args);
}
Result<Value> logical_not(Args args) {
  if (const auto* flag = arg<bool>(args, 0)) return Value(!*flag);
  return no_overload("!_", args);
}
Result<Value> is_equal(Args args) {
  return Value(equal(args[0], args[1]));
}
Result<Value> is_unequal(Args args) {
  return Value(!equal(args[0], args[1]));
}

template <bool (*Holds)(std::partial_ordering)>
Result<Value> relation(Args args) {
  const auto order = compare(args[0], args[1]);
  if (!order) return no_overload("comparison", args);
  return Value(Holds(*order));
}

Result<Value> is_in(Args args) {
  if (const auto* items = args[1].items()) {
    return Value(std::ranges::any_of(*items, [&](const Value& item) { return equal(args[0], item); }));
  }
  if (args[1].entries()) {
    // A double that is a whole number finds the integer key.
    return Value(args[1].find(args[0]) != nullptr);
  }
  return no_overload("@in", args);
}

// ---- Conversions ---------------------------------------------------------------------------------

template <class T>
Result<Value> parse_number(const std::string& text, const char* type) {
  T value{};
  const std::string_view digits = text.starts_with('+') ? std::string_view(text).substr(1) : text;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure != std::errc{} || end != digits.data() + digits.size()) {
    return error(fmt::format("\"{}\" is not of type {}", text, type));
  }
  return Value(value);
}

Result<Value> to_int(Args args) {
  if (arg<Int>(args, 0)) return args[0];
  if (const auto* wide = arg<Uint>(args, 0)) {
    if (*wide > static_cast<Uint>(std::numeric_limits<Int>::max())) return error("integer overflow");
    return Value(static_cast<Int>(*wide));
  }
  if (const auto* number = arg<double>(args, 0)) {
    if (!(*number > -0x1p63 && *number < 0x1p63)) return error("integer overflow");
    return Value(static_cast<Int>(*number));
  }
  if (const auto* text = text_arg(args, 0)) return parse_number<Int>(*text, "int");
  return no_overload("int", args);
}
Result<Value> to_uint(Args args) {
  if (arg<Uint>(args, 0)) return args[0];
  if (const auto* integer = arg<Int>(args, 0)) {
    if (*integer < 0) return error("unsigned integer overflow");
    return Value(static_cast<Uint>(*integer));
  }
  if (const auto* number = arg<double>(args, 0)) {
    if (!(*number > -1.0 && *number < 0x1p64) || *number < 0) return error("unsigned integer overflow");
    return Value(static_cast<Uint>(*number));
  }
  if (const auto* text = text_arg(args, 0)) return parse_number<Uint>(*text, "uint");
  return no_overload("uint", args);
}
Result<Value> to_double(Args args) {
  if (arg<double>(args, 0)) return args[0];
  if (const auto* integer = arg<Int>(args, 0)) return Value(static_cast<double>(*integer));
  if (const auto* wide = arg<Uint>(args, 0)) return Value(static_cast<double>(*wide));
  if (const auto* text = text_arg(args, 0)) return parse_number<double>(*text, "double");
  return no_overload("double", args);
}
Result<Value> to_string(Args args) {
  if (auto text = to_text(args[0])) return Value(std::move(*text));
  if (arg<ByteText>(args, 0)) return error("invalid UTF-8 in bytes, cannot convert to string");
  return no_overload("string", args);
}
Result<Value> to_bytes(Args args) {
  if (arg<ByteText>(args, 0)) return args[0];
  if (const auto* text = text_arg(args, 0)) return Value(ByteText{*text});
  return no_overload("bytes", args);
}
Result<Value> to_bool(Args args) {
  if (arg<bool>(args, 0)) return args[0];
  if (const auto* text = text_arg(args, 0)) {
    static const std::set<std::string_view> kTrue{"1", "t", "true", "TRUE", "True", "T"};
    static const std::set<std::string_view> kFalse{"0", "f", "false", "FALSE", "False", "F"};
    if (kTrue.contains(*text)) return Value(true);
    if (kFalse.contains(*text)) return Value(false);
    return error(fmt::format("\"{}\" is not of type bool", *text));
  }
  return no_overload("bool", args);
}
Result<Value> type_of(Args args) {
  return Value(TypeName{type_name(args[0])});
}
Result<Value> to_dyn(Args args) {
  return args[0];
}
Result<Value> to_json(Args args) {
  return bounded(document::to_json(to_node(args[0])));
}

Result<Value> size(Args args) {
  const auto count = [](size_t n) { return Value(static_cast<Int>(n)); };
  if (const auto* text = text_arg(args, 0)) {
    return count(static_cast<size_t>(
        std::ranges::count_if(*text, [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; })));
  }
  if (const auto* bytes = arg<ByteText>(args, 0)) return count(bytes->bytes.size());
  if (const auto* items = args[0].items()) return count(items->size());
  if (const auto* entries = args[0].entries()) return count(entries->size());
  return no_overload("size", args);
}

// ---- Text ----------------------------------------------------------------------------------------

Result<Value> contains(Args args) {
  if (!text_arg(args, 0) || !text_arg(args, 1)) return no_overload("contains", args);
  return Value(text_arg(args, 0)->find(*text_arg(args, 1)) != std::string::npos);
}
Result<Value> starts_with(Args args) {
  if (!text_arg(args, 0) || !text_arg(args, 1)) return no_overload("startsWith", args);
  return Value(text_arg(args, 0)->starts_with(*text_arg(args, 1)));
}
Result<Value> ends_with(Args args) {
  if (!text_arg(args, 0) || !text_arg(args, 1)) return no_overload("endsWith", args);
  return Value(text_arg(args, 0)->ends_with(*text_arg(args, 1)));
}
Result<Value> matches(Args args) {
  if (!text_arg(args, 0) || !text_arg(args, 1)) return no_overload("matches", args);
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  const RE2 pattern(*text_arg(args, 1), options);
  if (!pattern.ok()) return error("bad pattern: " + pattern.error());
  return Value(RE2::PartialMatch(*text_arg(args, 0), pattern));
}

Points points_of(const std::string& text) {
  return code_points(text).value_or(Points(text.begin(), text.end()));
}
std::string text_of(std::span<const char32_t> points) {
  std::string text;
  for (const char32_t point : points) append_utf8(text, point);
  return text;
}

Result<Value> char_at(Args args) {
  const auto* text = text_arg(args, 0);
  const Int* index = arg<Int>(args, 1);
  if (!text || !index) return no_overload("charAt", args);
  const Points points = points_of(*text);
  const Int length = static_cast<Int>(points.size());
  if (*index < 0 || *index > length) return error(fmt::format("index out of range: {}", *index));
  return Value(*index == length ? std::string()
                                : text_of(std::span(points).subspan(static_cast<size_t>(*index), 1)));
}

Result<Value> substring(Args args) {
  const auto* text = text_arg(args, 0);
  const Int* start = arg<Int>(args, 1);
  if (!text || !start || (args.size() == 3 && !arg<Int>(args, 2))) return no_overload("substring", args);
  const Points points = points_of(*text);
  const Int length = static_cast<Int>(points.size());
  const Int end = args.size() == 3 ? *arg<Int>(args, 2) : length;
  if (*start < 0 || *start > length) return error(fmt::format("index out of range: {}", *start));
  if (end < 0 || end > length) return error(fmt::format("index out of range: {}", end));
  if (*start > end) return error(fmt::format("invalid substring range: start {}, end {}", *start, end));
  return Value(
      text_of(std::span(points).subspan(static_cast<size_t>(*start), static_cast<size_t>(end - *start))));
}

Result<Value> index_of(Args args) {
  const auto *text = text_arg(args, 0), *wanted = text_arg(args, 1);
  if (!text || !wanted || (args.size() == 3 && !arg<Int>(args, 2))) return no_overload("indexOf", args);
  const Points in = points_of(*text), what = points_of(*wanted);
  const Int from = args.size() == 3 ? *arg<Int>(args, 2) : 0;
  if (from < 0 || (from > static_cast<Int>(in.size()) && args.size() == 3)) {
    return error(fmt::format("index out of range: {}", from));
  }
  const auto found = std::search(in.begin() + from, in.end(), what.begin(), what.end());
  const bool is_there = found != in.end() || what.empty();
  return Value(is_there ? static_cast<Int>(found - in.begin()) : Int{-1});
}

Result<Value> last_index_of(Args args) {
  const auto *text = text_arg(args, 0), *wanted = text_arg(args, 1);
  if (!text || !wanted || (args.size() == 3 && !arg<Int>(args, 2))) return no_overload("lastIndexOf", args);
  const Points in = points_of(*text), what = points_of(*wanted);
  const Int from = args.size() == 3 ? *arg<Int>(args, 2) : static_cast<Int>(in.size());
  if (from < 0 || from > static_cast<Int>(in.size()))
    return error(fmt::format("index out of range: {}", from));
  for (Int at = std::min(from, static_cast<Int>(in.size()) - static_cast<Int>(what.size())); at >= 0; --at) {
    if (std::equal(what.begin(), what.end(), in.begin() + at)) return Value(at);
  }
  return Value(Int{-1});
}

Result<Value> join_texts(Args args) {
  const auto* items = args[0].items();
  if (!items || (args.size() == 2 && !text_arg(args, 1))) return no_overload("join", args);
  std::string joined;
  for (size_t i = 0; i < items->size(); ++i) {
    const auto* text = (*items)[i].get_if<std::string>();
    if (!text) return no_overload("join", args);
    if (i > 0 && args.size() == 2) joined += *text_arg(args, 1);
    joined += *text;
    if (joined.size() > kLongestText) break;
  }
  return bounded(std::move(joined));
}

Result<Value> split(Args args) {
  const auto *text = text_arg(args, 0), *separator = text_arg(args, 1);
  if (!text || !separator || (args.size() == 3 && !arg<Int>(args, 2))) return no_overload("split", args);
  Int left = args.size() == 3 ? *arg<Int>(args, 2) : -1;
  std::vector<Value> parts;
  if (left == 0) return Value::list({});
  std::string_view rest = *text;
  while (left != 1 && !(separator->empty() && rest.empty())) {
    // By an empty separator: one code point at a time.
    size_t at = separator->empty() ? 1 : rest.find(*separator);
    while (separator->empty() && at < rest.size() && (static_cast<unsigned char>(rest[at]) >> 6) == 2) ++at;
    if (at == std::string_view::npos || (separator->empty() && at >= rest.size())) break;
    parts.emplace_back(std::string(rest.substr(0, at)));
    rest.remove_prefix(at + separator->size());
    --left;
  }
  if (!(separator->empty() && rest.empty())) parts.emplace_back(std::string(rest));
  return Value::list(std::move(parts));
}

Result<Value> replace(Args args) {
  const auto *text = text_arg(args, 0), *from = text_arg(args, 1), *to = text_arg(args, 2);
  if (!text || !from || !to || (args.size() == 4 && !arg<Int>(args, 3))) return no_overload("replace", args);
  Int left = args.size() == 4 ? *arg<Int>(args, 3) : -1;
  std::string out;
  size_t at = 0;
  while (left != 0 && out.size() <= kLongestText) {
    const size_t found = from->empty() ? at : text->find(*from, at);
    if (found == std::string::npos || found > text->size()) break;
    out.append(*text, at, found - at);
    out += *to;
    at = found + from->size();
    --left;
    if (!from->empty()) continue;
    if (at >= text->size()) break;
    do out += (*text)[at++];  // an empty `from` matches before every code point
    while (at < text->size() && (static_cast<unsigned char>((*text)[at]) >> 6) == 2);
  }
  if (at < text->size()) out.append(*text, at);
  return bounded(std::move(out));
}

template <char First, char Last, int Shift>
Result<Value> shift_case(Args args) {
  if (!text_arg(args, 0)) return no_overload("lowerAscii or upperAscii", args);
  std::string text = *text_arg(args, 0);
  for (char& c : text) {
    if (c >= First && c <= Last) c = static_cast<char>(c + Shift);
  }
  return Value(std::move(text));
}

Result<Value> trim(Args args) {
  if (!text_arg(args, 0)) return no_overload("trim", args);
  const Points points = points_of(*text_arg(args, 0));
  // Unicode's White_Space, as the extension's definition says.
  const auto is_space = [](char32_t c) {
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
  };
  size_t first = 0, last = points.size();
  while (first < last && is_space(points[first])) ++first;
  while (last > first && is_space(points[last - 1])) --last;
  return Value(text_of(std::span(points).subspan(first, last - first)));
}

Result<Value> reverse(Args args) {
  if (const auto* text = text_arg(args, 0)) {
    Points points = points_of(*text);
    std::ranges::reverse(points);
    return Value(text_of(points));
  }
  if (!args[0].items()) return no_overload("reverse", args);
  return Value::list({args[0].items()->rbegin(), args[0].items()->rend()});
}

// ---- Lists and numbers ---------------------------------------------------------------------------

Result<Value> slice(Args args) {
  const auto* items = args[0].items();
  const Int *start = arg<Int>(args, 1), *end = arg<Int>(args, 2);
  if (!items || !start || !end) return no_overload("slice", args);
  if (*start < 0 || *end < *start || *end > static_cast<Int>(items->size())) {
    return error(fmt::format("cannot slice({}, {}) a list of {}", *start, *end, items->size()));
  }
  return Value::list({items->begin() + *start, items->begin() + *end});
}

Result<Value> distinct(Args args) {
  if (!args[0].items()) return no_overload("distinct", args);
  std::vector<Value> kept;
  for (const Value& item : *args[0].items()) {
    if (std::ranges::none_of(kept, [&](const Value& other) { return equal(item, other); }))
      kept.push_back(item);
  }
  return Value::list(std::move(kept));
}

Result<Value> flatten(Args args) {
  if (!args[0].items()) return no_overload("flatten", args);
  std::vector<Value> flat;
  for (const Value& item : *args[0].items()) {
    if (const auto* inner = item.items()) {
      flat.insert(flat.end(), inner->begin(), inner->end());
    } else {
      flat.push_back(item);
    }
  }
  return Value::list(std::move(flat));
}

Result<Value> sort(Args args) {
  if (!args[0].items()) return no_overload("sort", args);
  std::vector<Value> items = *args[0].items();
  for (const Value& item : items) {
    const auto order = compare(item, items.front());
    if (!order || *order == std::partial_ordering::unordered) return error("these values have no order");
  }
  std::ranges::sort(
      items, [](const Value& a, const Value& b) { return *compare(a, b) == std::partial_ordering::less; });
  return Value::list(std::move(items));
}

Result<Value> range(Args args) {
  const Int* count = arg<Int>(args, 0);
  if (!count) return no_overload("lists.range", args);
  if (*count > kLongestList) return fail(Code::kRefused, "a list of over 100000");
  std::vector<Value> items;
  for (Int i = 0; i < *count; ++i) items.emplace_back(i);
  return Value::list(std::move(items));
}

template <bool Greatest>
Result<Value> extreme(Args args) {
  const Args values = args.size() == 1 && args[0].items() ? Args(*args[0].items()) : args;
  if (values.empty()) return error("an empty list has no least and no greatest");
  const Value* best = nullptr;
  for (const Value& value : values) {
    if (!value.is_number()) return no_overload(Greatest ? "math.greatest" : "math.least", args);
    const auto wanted = Greatest ? std::partial_ordering::greater : std::partial_ordering::less;
    if (!best || *compare(value, *best) == wanted) best = &value;
  }
  return *best;
}

// ---- The table -----------------------------------------------------------------------------------

class SignatureReader {
 public:
  explicit SignatureReader(std::string_view text) : rest_(text) {}

  // "name(types) type", or ".name(target, types) type" for a member function.
  Signature read(std::string& name) {
    Signature signature;
    signature.is_member = rest_.starts_with('.');
    if (signature.is_member) rest_.remove_prefix(1);
    name = std::string(rest_.substr(0, rest_.find('(')));
    rest_.remove_prefix(name.size() + 1);
    while (!rest_.starts_with(')')) {
      if (rest_.starts_with(", ")) rest_.remove_prefix(2);
      signature.is_variadic = rest_.starts_with("...");
      if (signature.is_variadic) {
        rest_.remove_prefix(3);
      } else {
        signature.parameters.push_back(type());
      }
    }
    rest_.remove_prefix(2);
    signature.result = type();
    return signature;
  }

 private:
  Type type() {
    using Kind = Type::Kind;
    static const std::map<std::string_view, Kind> kKinds{
        {"int", Kind::kInt},     {"uint", Kind::kUint}, {"double", Kind::kDouble}, {"string", Kind::kString},
        {"bytes", Kind::kBytes}, {"bool", Kind::kBool}, {"dyn", Kind::kDyn},       {"type", Kind::kType},
        {"list", Kind::kList},   {"map", Kind::kMap}};
    const std::string_view word = rest_.substr(0, std::min(rest_.size(), rest_.find_first_of(".,() ")));
    rest_.remove_prefix(word.size());
    const auto kind = kKinds.find(word);
    if (kind == kKinds.end()) return {.kind = Kind::kParameter, .name = std::string(word)};
    Type type{.kind = kind->second};
    if (rest_.starts_with('(') && (type.is(Kind::kList) || type.is(Kind::kMap))) {
      do {
        rest_.remove_prefix(rest_.starts_with(", ") ? 2 : 1);
        type.of.push_back(this->type());
      } while (!rest_.starts_with(')'));
      rest_.remove_prefix(1);
    }
    return type;
  }

  std::string_view rest_;
};

bool less(std::partial_ordering order) {
  return order == std::partial_ordering::less;
}
bool greater(std::partial_ordering order) {
  return order == std::partial_ordering::greater;
}
bool at_most(std::partial_ordering order) {
  return less(order) || order == std::partial_ordering::equivalent;
}
bool at_least(std::partial_ordering order) {
  return greater(order) || order == std::partial_ordering::equivalent;
}

// Every pair of numeric types, and the other ordered types.
std::vector<std::string> relational(const std::string& name) {
  std::vector<std::string> texts;
  for (const char* type : {"string", "bool", "bytes"})
    texts.push_back(fmt::format("{}({}, {}) bool", name, type, type));
  for (const char* a : {"int", "uint", "double"}) {
    for (const char* b : {"int", "uint", "double"})
      texts.push_back(fmt::format("{}({}, {}) bool", name, a, b));
  }
  return texts;
}

std::vector<std::string> numeric(const std::string& name) {
  std::vector<std::string> texts;
  for (const char* type : {"int", "uint", "double"}) {
    texts.push_back(fmt::format("{}({}, {}) {}", name, type, type, type));
  }
  return texts;
}

struct Entry {
  std::vector<std::string> signatures;
  Result<Value> (*run)(Args);
};

std::vector<Function> make_table() {
  std::vector<std::string> plus = numeric("_+_");
  plus.insert(plus.end(),
              {"_+_(string, string) string", "_+_(bytes, bytes) bytes", "_+_(list(A), list(A)) list(A)"});
  std::vector<std::string> over = numeric("_%_");
  over.pop_back();
  const std::vector<Entry> entries{
      {plus, add},
      {numeric("_-_"), arithmetic<Minus>},
      {numeric("_*_"), arithmetic<Times>},
      {numeric("_/_"), divide},
      {over, modulo},
      {{"-_(int) int", "-_(double) double"}, negate},
      {{"!_(bool) bool"}, logical_not},
      {{"_==_(A, A) bool"}, is_equal},
      {{"_!=_(A, A) bool"}, is_unequal},
      {relational("_<_"), relation<less>},
      {relational("_<=_"), relation<at_most>},
      {relational("_>_"), relation<greater>},
      {relational("_>=_"), relation<at_least>},
      {{"@in(A, list(A)) bool", "@in(A, map(A, B)) bool"}, is_in},
      {{"int(int) int", "int(uint) int", "int(double) int", "int(string) int"}, to_int},
      {{"uint(uint) uint", "uint(int) uint", "uint(double) uint", "uint(string) uint"}, to_uint},
      {{"double(double) double", "double(int) double", "double(uint) double", "double(string) double"},
       to_double},
      {{"string(string) string", "string(int) string", "string(uint) string", "string(double) string",
        "string(bool) string", "string(bytes) string"},
       to_string},
      {{"bytes(bytes) bytes", "bytes(string) bytes"}, to_bytes},
      {{"bool(bool) bool", "bool(string) bool"}, to_bool},
      {{"type(A) type"}, type_of},
      {{"dyn(A) dyn"}, to_dyn},
      {{"json(A) string"}, to_json},
      {{"size(string) int", "size(bytes) int", "size(list(A)) int", "size(map(A, B)) int",
        ".size(string) int", ".size(bytes) int", ".size(list(A)) int", ".size(map(A, B)) int"},
       size},
      {{".contains(string, string) bool"}, contains},
      {{".startsWith(string, string) bool"}, starts_with},
      {{".endsWith(string, string) bool"}, ends_with},
      {{".matches(string, string) bool", "matches(string, string) bool"}, matches},
      {{".charAt(string, int) string"}, char_at},
      {{".indexOf(string, string) int", ".indexOf(string, string, int) int"}, index_of},
      {{".lastIndexOf(string, string) int", ".lastIndexOf(string, string, int) int"}, last_index_of},
      {{".join(list(string)) string", ".join(list(string), string) string"}, join_texts},
      {{".split(string, string) list(string)", ".split(string, string, int) list(string)"}, split},
      {{".replace(string, string, string) string", ".replace(string, string, string, int) string"}, replace},
      {{".lowerAscii(string) string"}, shift_case<'A', 'Z', 32>},
      {{".upperAscii(string) string"}, shift_case<'a', 'z', -32>},
      {{".substring(string, int) string", ".substring(string, int, int) string"}, substring},
      {{".trim(string) string"}, trim},
      {{".reverse(string) string", ".reverse(list(A)) list(A)"}, reverse},
      {{".slice(list(A), int, int) list(A)"}, slice},
      {{".distinct(list(A)) list(A)"}, distinct},
      {{".flatten(list(list(A))) list(A)"}, flatten},
      {{".sort(list(A)) list(A)"}, sort},
      {{"lists.range(int) list(int)"}, range},
      {{"math.least(int, ...) int", "math.least(double, ...) double", "math.least(list(A)) A"},
       extreme<false>},
      {{"math.greatest(int, ...) int", "math.greatest(double, ...) double", "math.greatest(list(A)) A"},
       extreme<true>},
  };
  std::vector<Function> table;
  for (const Entry& entry : entries) {
    Function function{.name = {}, .signatures = {}, .run = entry.run};
    for (const std::string& text : entry.signatures) {
      function.signatures.push_back(SignatureReader(text).read(function.name));
    }
    table.push_back(std::move(function));
  }
  return table;
}

}  // namespace

const std::vector<Function>& functions() {
  static const std::vector<Function> table = make_table();
  return table;
}

const Function* find_function(const std::string& name) {
  static const std::map<std::string, const Function*> index = [] {
    std::map<std::string, const Function*> made;
    for (const Function& function : functions()) made.emplace(function.name, &function);
    return made;
  }();
  const auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

std::string Signature::to_string(std::string_view name) const {
  std::vector<std::string> types;
  for (size_t i = is_member ? 1 : 0; i < parameters.size(); ++i) types.push_back(to_text(parameters[i]));
  if (is_variadic) types.emplace_back("...");
  return fmt::format("{}{}({}) {}", is_member ? to_text(parameters[0]) + "." : "", name,
                     fmt::join(types, ", "), to_text(result));
}

std::string_view why_not_supported(std::string_view name) {
  if (name == "timestamp" || name == "duration" || name.starts_with("getFullYear") ||
      name.starts_with("getMonth") || name.starts_with("getDay") || name.starts_with("getDate") ||
      name.starts_with("getHours") || name.starts_with("getMinutes") || name.starts_with("getSeconds") ||
      name.starts_with("getMilliseconds")) {
    return "timestamps and durations are not supported in this release";
  }
  return {};
}

}  // namespace headrace::expression
