// The static checker: types, unknown names with the nearest known one, when a value is known, and what may be
// done with it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "document/node.h"
#include "expression/expression.h"
#include "expression/functions.h"

namespace headrace::expression {
namespace {

using Kind = Type::Kind;

class Checker {
 public:
  Checker(const Scope& scope, std::vector<Problem>& problems) : scope_(scope), problems_(problems) {}

  Type check(const Expr& expr) {
    switch (expr.kind) {
      case Expr::Kind::kLiteral: return {.kind = kind_of(expr.literal)};
      case Expr::Kind::kName: return name(expr);
      case Expr::Kind::kSelect: return member(expr, expr.name);
      case Expr::Kind::kHas: return Type::boolean().at(member(expr, expr.name).phase);
      case Expr::Kind::kIndex: return index(expr);
      case Expr::Kind::kCall: return call(expr);
      case Expr::Kind::kAnd:
      case Expr::Kind::kOr: {
        Phase phase = Phase::kFixed;
        for (const Expr& arg : expr.args) {
          const Type type = boolean(arg);
          phase = std::max(phase, type.phase);
        }
        return Type::boolean().at(phase);
      }
      case Expr::Kind::kConditional: return conditional(expr);
      case Expr::Kind::kList: return list(expr);
      case Expr::Kind::kMap: return map(expr);
      case Expr::Kind::kMacro: return macro(expr);
    }
    return Type::dyn();
  }

 private:
  void report(const Expr& expr, std::string message, std::string remedy = {}) {
    problems_.push_back({expr.offset, std::move(message), std::move(remedy)});
  }

  Type name(const Expr& expr) {
    const auto local =
        std::ranges::find(locals_.rbegin(), locals_.rend(), expr.name, &std::pair<std::string, Type>::first);
    if (local != locals_.rend()) return local->second;
    if (const auto found = scope_.find(expr.name); found != scope_.end()) return found->second;
    if (is_type_name(expr.name)) return {.kind = Kind::kType};
    std::vector<std::string> known;
    for (const auto& [each, type] : scope_) known.push_back(each);
    for (const auto& [each, type] : locals_) known.push_back(each);
    report(expr, fmt::format("unknown name \"{}\"", expr.name), document::suggestion(expr.name, known));
    return Type::dyn();
  }

  // expr.args[0].field
  Type member(const Expr& expr, const std::string& field) {
    const Type base = check(expr.args[0]);
    switch (base.kind) {
      case Kind::kDyn: return base;
      case Kind::kMap: return base.of[1].at(base.phase).only(base.use);
      case Kind::kObject: {
        const auto found = base.members->find(field);
        if (found != base.members->end()) return found->second.at(base.phase).only(base.use);
        std::vector<std::string> known;
        for (const auto& [each, type] : *base.members) known.push_back(each);
        std::string remedy = document::suggestion(field, known);
        // services.tweet-source reads as a subtraction.
        for (const std::string& each : known) {
          if (each.starts_with(field + "-"))
            remedy = fmt::format("a name with hyphens is written ['{}']", each);
        }
        if (known.empty()) remedy = "there are none here";
        report(expr, fmt::format("unknown {} \"{}\"", base.name, field), std::move(remedy));
        return Type::dyn();
      }
      default: report(expr, fmt::format("{} has no field \"{}\"", to_text(base), field)); return Type::dyn();
    }
  }

  Type index(const Expr& expr) {
    const Expr& key_expr = expr.args[1];
    if (const auto* text = key_expr.literal.get_if<std::string>();
        key_expr.kind == Expr::Kind::kLiteral && text) {
      return member(expr, *text);
    }
    const Type base = check(expr.args[0]);
    const Type key = check(key_expr);
    refuse_restricted(expr, key);
    const Phase phase = std::max(base.phase, key.phase);
    switch (base.kind) {
      case Kind::kDyn: return base.at(phase);
      case Kind::kList:
        if (!key.is(Kind::kInt) && !key.is(Kind::kUint) && !key.is(Kind::kDouble) && !key.is(Kind::kDyn)) {
          report(key_expr, fmt::format("a list is indexed by int, not {}", to_text(key)));
        }
        return base.of[0].at(phase).only(base.use);
      case Kind::kMap:
        if (!fits(key, base.of[0])) {
          report(key_expr, fmt::format("the keys are {}, not {}", to_text(base.of[0]), to_text(key)));
        }
        return base.of[1].at(phase).only(base.use);
      case Kind::kObject: {
        if (!fits(key, Type::string()))
          report(key_expr, fmt::format("the keys are string, not {}", to_text(key)));
        Type result = base.members->empty() ? Type::dyn() : base.members->begin()->second;
        for (const auto& [each, type] : *base.members) result = join(result, type);
        return result.at(phase);
      }
      default: report(expr, fmt::format("{} cannot be indexed", to_text(base))); return Type::dyn().at(phase);
    }
  }

  // Secrets and what only the cluster fills in are passed on whole, never computed with.
  bool refuse_restricted(const Expr& at, const Type& type) {
    if (type.use == Use::kFree) return false;
    report(at,
           type.use == Use::kSecret
               ? "a secret cannot be computed with"
               : "this value exists only inside the container and cannot be computed with",
           type.use == Use::kSecret ? "pass it on whole: \"${{ … }}\" under secrets"
                                    : "insert it into text: \"${{ … }}\"");
    return true;
  }

  Type boolean(const Expr& expr) {
    const Type type = check(expr);
    if (!refuse_restricted(expr, type) && !fits(type, Type::boolean())) {
      report(expr, fmt::format("expected bool, found {}", to_text(type)));
    }
    return type;
  }

  Type conditional(const Expr& expr) {
    const Type condition = boolean(expr.args[0]);
    const Type then = check(expr.args[1]), otherwise = check(expr.args[2]);
    if (!fits(then, otherwise) && !fits(otherwise, then)) {
      report(expr, fmt::format("the two sides of ?: differ: {} and {}", to_text(then), to_text(otherwise)),
             "dyn(…) around one allows it");
    }
    return join(then, otherwise).at(condition.phase);
  }

  Type list(const Expr& expr) {
    if (expr.args.empty()) return Type::list({.kind = Kind::kDyn});
    Type element;
    Phase phase = Phase::kFixed;
    for (size_t i = 0; i < expr.args.size(); ++i) {
      const Type type = check(expr.args[i]);
      refuse_restricted(expr.args[i], type);
      phase = std::max(phase, type.phase);
      element = i == 0 ? type : join(element, type);
    }
    return Type::list(element).at(phase);
  }

  Type map(const Expr& expr) {
    if (expr.args.empty()) return Type::map(Type::dyn(), Type::dyn());
    Type key, value;
    Phase phase = Phase::kFixed;
    for (size_t i = 0; i < expr.args.size(); i += 2) {
      const Type next_key = check(expr.args[i]), next_value = check(expr.args[i + 1]);
      static constexpr Kind kKeys[] = {Kind::kDyn, Kind::kBool, Kind::kInt, Kind::kUint, Kind::kString};
      if (std::ranges::find(kKeys, next_key.kind) == std::end(kKeys)) {
        report(expr.args[i], fmt::format("{} cannot be a key", to_text(next_key)));
      }
      refuse_restricted(expr.args[i], next_key);
      refuse_restricted(expr.args[i + 1], next_value);
      phase = std::max({phase, next_key.phase, next_value.phase});
      key = i == 0 ? next_key : join(key, next_key);
      value = i == 0 ? next_value : join(value, next_value);
    }
    return Type::map(key, value).at(phase);
  }

  Type macro(const Expr& expr) {
    const Type range = check(expr.args[0]);
    refuse_restricted(expr.args[0], range);
    Type element;
    switch (range.kind) {
      case Kind::kList:
      case Kind::kMap: element = range.of[0]; break;
      case Kind::kObject: element = Type::string(); break;
      case Kind::kDyn: break;
      default:
        report(expr.args[0], fmt::format("{}() needs a list or a map, not {}", expr.name, to_text(range)));
    }
    locals_.emplace_back(expr.variable, element.at(range.phase));
    const bool is_map = expr.name == "map";
    const bool has_filter = !is_map || expr.args.size() == 3;
    Phase phase = range.phase;
    if (has_filter) phase = std::max(phase, boolean(expr.args[1]).phase);
    Type result;
    if (is_map) {
      result = check(expr.args.back());
      refuse_restricted(expr.args.back(), result);
      phase = std::max(phase, result.phase);
    }
    locals_.pop_back();
    if (is_map) return Type::list(result).at(phase);
    return (expr.name == "filter" ? Type::list(element) : Type::boolean()).at(phase);
  }

  Type call(const Expr& expr) {
    std::vector<Type> args;
    Phase phase = Phase::kFixed;
    bool restricted = false;
    for (const Expr& arg : expr.args) {
      args.push_back(check(arg));
      phase = std::max(phase, args.back().phase);
      restricted = restricted || refuse_restricted(arg, args.back());
    }
    const std::span<const Overload> overloads = overloads_of(expr.name);
    Type result;
    int matching = 0;
    for (const Overload& overload : overloads) {
      std::map<std::string, Type> bound;
      bool matches = overload.takes(args.size(), expr.is_member);
      for (size_t i = 0; matches && i < args.size(); ++i) {
        matches = fits(args[i], overload.parameter(i), &bound);
      }
      if (!matches) continue;
      const Type candidate = substitute(overload.result, bound);
      result = matching++ == 0 ? candidate : join(result, candidate);
    }
    if (overloads.empty()) {
      report_unknown_function(expr);
    } else if (matching == 0 && !restricted) {
      report_no_overload(expr, overloads, args);
    }
    return result.at(phase);
  }

  static Type substitute(const Type& type, const std::map<std::string, Type>& bound) {
    if (type.is(Kind::kParameter)) {
      const auto found = bound.find(type.name);
      if (found == bound.end()) return Type::dyn();
      Type result = found->second;
      result.phase = Phase::kFixed;
      return result;
    }
    Type result = type;
    for (Type& inner : result.of) inner = substitute(inner, bound);
    return result;
  }

  void report_unknown_function(const Expr& expr) {
    if (const std::string_view why = why_not_supported(expr.name); !why.empty()) {
      return report(expr, fmt::format("{}(): {}", expr.name, why));
    }
    report(expr, fmt::format("unknown function \"{}\"", expr.name),
           document::suggestion(expr.name, function_names()));
  }

  void report_no_overload(const Expr& expr, std::span<const Overload> overloads,
                          const std::vector<Type>& args) {
    std::vector<std::string> types;
    for (const Type& arg : args) types.push_back(to_text(arg));
    const bool is_operator = !std::isalpha(static_cast<unsigned char>(expr.name.front()));
    if (is_operator) {
      std::string symbol = expr.name == "@in" ? "in" : expr.name;
      std::erase(symbol, '_');
      return report(expr, fmt::format("\"{}\" cannot take {}", symbol, fmt::join(types, " and ")),
                    symbol == "+" ? "string(…) turns a value into text" : "");
    }
    std::vector<std::string> forms;
    for (const Overload& overload : overloads) forms.push_back(overload.to_string(expr.name));
    report(expr, fmt::format("{}() cannot take ({})", expr.name, fmt::join(types, ", ")),
           fmt::format("it is {}", fmt::join(forms, ", ")));
  }

  const Scope& scope_;
  std::vector<Problem>& problems_;
  std::vector<std::pair<std::string, Type>> locals_;
};

}  // namespace

Type Expression::check(const Scope& scope, std::vector<Problem>& problems) const {
  return Checker(scope, problems).check(*root_);
}

}  // namespace headrace::expression
