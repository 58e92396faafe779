#include "expression/type.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::expression {
namespace {

using Kind = Type::Kind;

}  // namespace

std::string_view word_of(Phase phase) {
  switch (phase) {
    case Phase::kFixed: return "fixed";
    case Phase::kGenerated: return "generated";
    case Phase::kPlaced: return "known after placement";
  }
  return "fixed";
}

Type Type::object(std::string what, std::map<std::string, Type> members) {
  return {.kind = Kind::kObject,
          .of = {},
          .members = std::make_shared<const std::map<std::string, Type>>(std::move(members)),
          .name = std::move(what)};
}

Type Type::at(Phase when) const& {
  Type type = *this;
  type.phase = std::max(phase, when);
  return type;
}
Type Type::only(Use how) const& {
  Type type = *this;
  type.use = std::max(use, how);
  return type;
}

std::string to_text(const Type& type) {
  static constexpr const char* kNames[] = {"dyn",    "null_type", "bool", "int", "uint", "double",
                                           "string", "bytes",     "list", "map", "",     "type"};
  switch (type.kind) {
    case Kind::kList: return fmt::format("list({})", to_text(type.of[0]));
    case Kind::kMap: return fmt::format("map({}, {})", to_text(type.of[0]), to_text(type.of[1]));
    case Kind::kObject:
    case Kind::kParameter: return type.name;
    default: return type.use == Use::kSecret ? "secret" : kNames[static_cast<size_t>(type.kind)];
  }
}

bool fits(const Type& from, const Type& to, std::map<std::string, Type>* bound) {
  if (to.is(Kind::kParameter)) {
    if (!bound) return true;
    const auto [place, is_new] = bound->emplace(to.name, from);
    if (is_new) return true;
    if (fits(from, place->second, bound)) return true;
    // A wider type already seen at the first use is as good: [] then [1].
    if (!fits(place->second, from, bound)) return false;
    place->second = from;
    return true;
  }
  if (from.is(Kind::kDyn) || to.is(Kind::kDyn)) return true;
  if (from.is(Kind::kObject) && to.is(Kind::kMap)) {
    return fits(Type::string(), to.of[0], bound) &&
           std::ranges::all_of(*from.members,
                               [&](const auto& member) { return fits(member.second, to.of[1], bound); });
  }
  if (from.kind != to.kind) return false;
  if (from.is(Kind::kObject)) {
    return std::ranges::equal(*from.members, *to.members, [](const auto& a, const auto& b) {
      return a.first == b.first && fits(a.second, b.second);
    });
  }
  return std::ranges::equal(from.of, to.of, [&](const Type& a, const Type& b) { return fits(a, b, bound); });
}

Type join(const Type& a, const Type& b) {
  Type joined = a;
  if (a.is(Kind::kDyn) || b.is(Kind::kDyn) || !fits(a, b)) {
    joined = Type::dyn();
  } else if (a.is(Kind::kList)) {
    joined = Type::list(join(a.of[0], b.of[0]));
  } else if (a.is(Kind::kMap) && b.is(Kind::kMap)) {
    joined = Type::map(join(a.of[0], b.of[0]), join(a.of[1], b.of[1]));
  }
  joined.phase = std::max(a.phase, b.phase);
  joined.use = std::max(a.use, b.use);
  return joined;
}

}  // namespace headrace::expression
