// Values of parameters: their types and bounds, and the layers they come from.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "environment/blueprint_files.h"

namespace headrace::environment {
namespace {

using document::Decoder;
using document::Kind;
using document::Node;
using document::Problems;

void check_text(Decoder& decoder, const Parameter& parameter, const Node& value) {
  if (!parameter.choices.empty() &&
      std::ranges::find(parameter.choices, value.text) == parameter.choices.end()) {
    return decoder.report(
        value, fmt::format("\"{}\" is not one of {}", value.text, fmt::join(parameter.choices, ", ")),
        document::suggestion(value.text, parameter.choices));
  }
  decoder.obey(value,
               {.minimum = parameter.minimum, .maximum = parameter.maximum, .pattern = parameter.pattern},
               std::string_view(value.text));
}

}  // namespace

expression::Type type_of(Type type) {
  switch (type) {
    case Type::kSecret:
    case Type::kString: return expression::Type::string();
    case Type::kInteger: return expression::Type::integer();
    case Type::kNumber: return expression::Type::number();
    case Type::kBoolean: return expression::Type::boolean();
    case Type::kList: return expression::Type::list(expression::Type::dyn());
    case Type::kMap: return expression::Type::map(expression::Type::string(), expression::Type::dyn());
  }
  return expression::Type::dyn();
}

bool check_value(const Parameter& parameter, Node& value, Problems& problems) {
  if (parameter.type == Type::kNumber && value.is(Kind::kInteger)) value.kind = Kind::kNumber;
  static constexpr std::pair<Type, Kind> kKinds[] = {
      {Type::kString, Kind::kString},   {Type::kInteger, Kind::kInteger}, {Type::kNumber, Kind::kNumber},
      {Type::kBoolean, Kind::kBoolean}, {Type::kList, Kind::kList},       {Type::kMap, Kind::kMap}};
  const Kind wanted = std::ranges::find(kKinds, parameter.type, &std::pair<Type, Kind>::first)->second;
  Decoder decoder;
  decoder.within(parameter.name, [&] {
    const document::Rules bounds{.minimum = parameter.minimum, .maximum = parameter.maximum};
    if (!value.is(wanted)) {
      decoder.wrong_type(
          value, document::word_of(wanted),
          wanted == Kind::kString && value.is_scalar() && !value.is(Kind::kNull) ? "quote it" : "");
    } else if (wanted == Kind::kString) {
      check_text(decoder, parameter, value);
    } else if (wanted == Kind::kInteger || wanted == Kind::kNumber) {
      decoder.obey(value, bounds, value.number);
    } else if (wanted == Kind::kList) {
      decoder.obey_length(value, bounds, value.items.size(), "items");
    }
  });
  const bool good = decoder.problems().empty();
  std::ranges::move(decoder.problems(), std::back_inserter(problems));
  return good;
}

Values resolve_values(const std::string& whose, const std::string& what,
                      const std::map<std::string, Parameter>& known,
                      const std::map<std::string, std::string>& given, Values result) {
  for (const auto& [name, text] : given) {
    const auto parameter = known.find(name);
    if (parameter == known.end()) {
      result.errors.push_back({Code::kInvalid, fmt::format("{} has no {} \"{}\"", whose, what, name),
                               document::suggestion(name, names_of(known))});
      continue;
    }
    auto value = document::read_json(text, fmt::format("{} {}", what, name));
    if (!value) {
      result.errors.push_back(std::move(value.error()));
    } else if (check_value(parameter->second, *value, result.errors)) {
      result.values[name] = std::move(*value);
    }
  }
  for (const auto& [name, parameter] : known) {
    if (parameter.default_value) result.values.emplace(name, *parameter.default_value);
    if (result.values.contains(name) || given.contains(name)) continue;
    result.errors.push_back(
        {Code::kInvalid, fmt::format("the {} \"{}\" must be given", what, name), parameter.description});
  }
  return result;
}

Values resolve_parameters(const Blueprint& blueprint, const std::string& profile,
                          const std::map<std::string, std::string>& given) {
  Values result;
  if (const auto found = blueprint.profiles.find(profile); found != blueprint.profiles.end()) {
    result.values = found->second.parameters;
  } else if (!profile.empty()) {
    result.errors.push_back({Code::kInvalid, fmt::format("{} has no profile \"{}\"", blueprint.name, profile),
                             document::suggestion(profile, names_of(blueprint.profiles))});
  }
  return resolve_values(blueprint.name, "parameter", blueprint.parameters, given, std::move(result));
}

}  // namespace headrace::environment
