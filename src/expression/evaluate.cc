// Evaluation: errors are values, && and || absorb them (langdef.md, "Logical operators"), Unknown spreads
// like an error but wins over one, since it may still become the value that decides.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "expression/expression.h"
#include "expression/functions.h"

namespace headrace::expression {
namespace {

class Evaluator {
 public:
  Evaluator(const Bindings& bindings, std::int64_t cost) : bindings_(bindings), cost_(cost) {}

  Result<Value> run(const Expr& expr) {
    Result<Value> result = evaluate(expr);
    if (cost_ < 0) return fail(Code::kRefused, "the expression costs too much to evaluate");
    return result;
  }

 private:
  static std::unexpected<Error> error(std::string message) {
    return fail(Code::kInvalid, std::move(message));
  }

  bool pay(size_t units) {
    cost_ -= static_cast<std::int64_t>(units);
    return cost_ >= 0;
  }
  static std::unexpected<Error> too_costly() { return fail(Code::kRefused, "too costly"); }

  // What was made is paid for in full: [a, a] costs twice what a does, or a few steps of doubling would make
  // a value that nobody can compare or print in time.
  Result<Value> paid(Result<Value> made) {
    if (made && !pay(made->weight())) return too_costly();
    return made;
  }

  Result<Value> evaluate(const Expr& expr) {
    if (!pay(1)) return too_costly();
    switch (expr.kind) {
      case Expr::Kind::kLiteral: return expr.literal;
      case Expr::Kind::kName: return name(expr);
      case Expr::Kind::kSelect: {
        TRY(const Value base, evaluate(expr.args[0]));
        return member(base, expr.name);
      }
      case Expr::Kind::kHas: {
        TRY(const Value base, evaluate(expr.args[0]));
        if (base.is_unknown()) return base;
        if (!base.entries()) return error(fmt::format("{} has no fields", type_name(base)));
        return Value(base.find(Value(expr.name)) != nullptr);
      }
      case Expr::Kind::kIndex: return index(expr);
      case Expr::Kind::kCall: return call(expr);
      case Expr::Kind::kAnd:
      case Expr::Kind::kOr: {
        const bool decides = expr.kind == Expr::Kind::kOr;
        Result<Value> left = evaluate(expr.args[0]);
        if (is_bool(left, decides)) return left;
        return combine(std::move(left), evaluate(expr.args[1]), decides);
      }
      case Expr::Kind::kConditional: {
        TRY(const Value condition, evaluate(expr.args[0]));
        if (condition.is_unknown()) return condition;
        const auto* flag = condition.get_if<bool>();
        if (!flag) return error(fmt::format("no such overload: {} ? :", type_name(condition)));
        return evaluate(expr.args[*flag ? 1 : 2]);
      }
      case Expr::Kind::kList: return paid(list(expr));
      case Expr::Kind::kMap: return paid(map(expr));
      case Expr::Kind::kMacro: return paid(macro(expr));
    }
    return error("unknown syntax");
  }

  static bool is_bool(const Result<Value>& value, bool wanted) {
    const auto* flag = value ? value->get_if<bool>() : nullptr;
    return flag && *flag == wanted;
  }

  // && (decides = false) and || (decides = true): the deciding value wins over Unknown, which wins over
  // errors.
  static Result<Value> combine(Result<Value> left, Result<Value> right, bool decides) {
    if (is_bool(left, decides)) return left;
    if (is_bool(right, decides)) return right;
    const bool left_waits = left && left->is_unknown(), right_waits = right && right->is_unknown();
    if (left_waits && right_waits) return merge_unknown({*left, *right});
    if (left_waits) return left;
    if (right_waits) return right;
    for (Result<Value>* side : {&left, &right}) {
      if (!*side) return std::move(*side);
      if (!(*side)->get_if<bool>()) {
        return error(fmt::format("no such overload: {} {}", decides ? "||" : "&&", type_name(**side)));
      }
    }
    return Value(!decides);
  }

  Result<Value> name(const Expr& expr) {
    for (auto local = locals_.rbegin(); local != locals_.rend(); ++local) {
      if (*local->first == expr.name) return local->second;
    }
    if (const auto found = bindings_.find(expr.name); found != bindings_.end()) return found->second;
    if (is_type_name(expr.name)) return Value(TypeName{expr.name});
    return error(fmt::format("undeclared reference to \"{}\"", expr.name));
  }

  static Result<Value> member(const Value& base, const std::string& field) {
    if (base.is_unknown()) return base;
    if (!base.entries()) return error(fmt::format("{} has no field \"{}\"", type_name(base), field));
    const Value* found = base.find(Value(field));
    if (!found) return error(fmt::format("no such key: {}", field));
    return *found;
  }

  // A number that is whole, as int; for indexes and keys.
  static std::optional<std::int64_t> whole(const Value& value) {
    if (const auto* integer = value.get_if<std::int64_t>()) return *integer;
    if (const auto* wide = value.get_if<std::uint64_t>(); wide && *wide < (1ull << 63)) {
      return static_cast<std::int64_t>(*wide);
    }
    if (const auto* number = value.get_if<double>();
        number && *number > -0x1p63 && *number < 0x1p63 &&
        static_cast<double>(static_cast<std::int64_t>(*number)) == *number) {
      return static_cast<std::int64_t>(*number);
    }
    return std::nullopt;
  }

  Result<Value> index(const Expr& expr) {
    TRY(const Value base, evaluate(expr.args[0]));
    TRY(const Value key, evaluate(expr.args[1]));
    if (base.is_unknown() || key.is_unknown()) return merge_unknown({base, key});
    if (const auto* items = base.items()) {
      const auto at = whole(key);
      if (!at) return error(fmt::format("a list has no index of type {}", type_name(key)));
      if (*at < 0 || static_cast<size_t>(*at) >= items->size()) {
        return error(fmt::format("index out of range: {} of {}", *at, items->size()));
      }
      return (*items)[static_cast<size_t>(*at)];
    }
    if (!base.entries()) return error(fmt::format("{} cannot be indexed", type_name(base)));
    if (key.is_number() || key.get_if<bool>() || key.get_if<std::string>()) {
      if (const Value* found = base.find(key)) return *found;
    }
    return error(fmt::format("no such key: {}", to_text(key).value_or(type_name(key))));
  }

  Result<Value> call(const Expr& expr) {
    std::vector<Value> args;
    bool waits = false;
    for (const Expr& arg : expr.args) {
      Result<Value> value = evaluate(arg);
      if (!value) return value;
      waits = waits || value->has_unknown();
      args.push_back(std::move(*value));
    }
    if (waits) return merge_unknown(args);
    for (const Value& arg : args) {
      if (!pay(arg.weight())) return too_costly();
    }
    const std::span<const Overload> overloads = overloads_of(expr.name);
    const auto overload = std::ranges::find_if(overloads, [&](const Overload& each) {
      return each.takes(args.size(), expr.is_member) && each.accepts(args);
    });
    if (overload == overloads.end()) return no_overload(expr, args);
    return paid(overload->run(args));
  }

  static std::unexpected<Error> no_overload(const Expr& expr, const std::vector<Value>& args) {
    if (overloads_of(expr.name).empty()) return error(fmt::format("unknown function \"{}\"", expr.name));
    std::vector<std::string> types;
    for (const Value& arg : args) types.push_back(type_name(arg));
    return error(fmt::format("no such overload: {}({})", expr.name, fmt::join(types, ", ")));
  }

  Result<Value> list(const Expr& expr) {
    std::vector<Value> items;
    for (const Expr& arg : expr.args) {
      TRY(Value item, evaluate(arg));
      items.push_back(std::move(item));
    }
    return Value::list(std::move(items));
  }

  Result<Value> map(const Expr& expr) {
    std::map<Value, Value, KeyOrder> entries;
    for (size_t i = 0; i < expr.args.size(); i += 2) {
      TRY(Value key, evaluate(expr.args[i]));
      TRY(Value value, evaluate(expr.args[i + 1]));
      if (key.is_unknown()) return key;
      if (key.get_if<double>() || (!key.is_number() && !key.get_if<bool>() && !key.get_if<std::string>())) {
        return error(fmt::format("unsupported key type: {}", type_name(key)));
      }
      if (!entries.emplace(key, std::move(value)).second) {
        return error(fmt::format("repeated key: {}", to_text(key).value_or("?")));
      }
    }
    return Value::map(std::move(entries));
  }

  Result<Value> macro(const Expr& expr) {
    TRY(const Value range, evaluate(expr.args[0]));
    if (range.is_unknown()) return range;
    std::vector<Value> keys;
    const std::vector<Value>* items = range.items();
    if (const auto* entries = range.entries()) {
      for (const auto& [key, value] : *entries) keys.push_back(key);
      items = &keys;
    }
    if (!items) return error(fmt::format("{}() needs a list or a map, not {}", expr.name, type_name(range)));
    if (expr.name == "all" || expr.name == "exists") return quantify(expr, *items, expr.name == "exists");
    return comprehend(expr, *items);
  }

  Result<Value> with_local(const Expr& macro, const Value& item, const Expr& body) {
    locals_.emplace_back(&macro.variable, item);
    Result<Value> result = evaluate(body);
    locals_.pop_back();
    return result;
  }

  Result<Value> quantify(const Expr& expr, const std::vector<Value>& items, bool decides) {
    Result<Value> result = Value(!decides);
    for (const Value& item : items) {
      result = combine(std::move(result), with_local(expr, item, expr.args[1]), decides);
      if (is_bool(result, decides) || cost_ < 0) break;
    }
    return result;
  }

  // map, filter and exists_one: errors are not absorbed.
  Result<Value> comprehend(const Expr& expr, const std::vector<Value>& items) {
    const bool is_map = expr.name == "map";
    const Expr* predicate = is_map && expr.args.size() == 2 ? nullptr : &expr.args[1];
    std::vector<Value> kept, waiting;
    for (const Value& item : items) {
      bool keep = true;
      if (predicate) {
        TRY(const Value verdict, with_local(expr, item, *predicate));
        if (verdict.is_unknown()) {
          waiting.push_back(verdict);
          continue;
        }
        const auto* flag = verdict.get_if<bool>();
        if (!flag) return error(fmt::format("{}() needs a bool, not {}", expr.name, type_name(verdict)));
        keep = *flag;
      }
      if (!keep) continue;
      if (is_map) {
        TRY(Value mapped, with_local(expr, item, expr.args.back()));
        kept.push_back(std::move(mapped));
      } else {
        kept.push_back(item);
      }
    }
    if (!waiting.empty()) return merge_unknown(waiting);
    if (expr.name == "exists_one") return Value(kept.size() == 1);
    return Value::list(std::move(kept));
  }

  const Bindings& bindings_;
  std::int64_t cost_;
  std::vector<std::pair<const std::string*, Value>> locals_;
};

}  // namespace

Result<Value> Expression::evaluate(const Bindings& bindings, const Limits& limits) const {
  return Evaluator(bindings, limits.cost).run(*root_);
}

}  // namespace headrace::expression
