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

Values resolve_parameters(const Blueprint& blueprint, const std::string& profile,
                          const std::map<std::string, std::string>& given) {
  Values result;
  for (const auto& [name, parameter] : blueprint.parameters) {
    if (parameter.default_value) result.values[name] = *parameter.default_value;
  }
  if (const auto found = blueprint.profiles.find(profile); found != blueprint.profiles.end()) {
    for (const auto& [name, value] : found->second.parameters) result.values[name] = value;
  } else if (!profile.empty()) {
    std::vector<std::string> known;
    for (const auto& [name, each] : blueprint.profiles) known.push_back(name);
    result.errors.push_back({Code::kInvalid,
                             fmt::format("{} has no profile \"{}\"", blueprint.name, profile),
                             document::suggestion(profile, known),
                             {},
                             {}});
  }
  for (const auto& [name, text] : given) {
    const auto parameter = blueprint.parameters.find(name);
    if (parameter == blueprint.parameters.end()) {
      std::vector<std::string> known;
      for (const auto& [each, unused] : blueprint.parameters) known.push_back(each);
      result.errors.push_back({Code::kInvalid,
                               fmt::format("{} has no parameter \"{}\"", blueprint.name, name),
                               document::suggestion(name, known),
                               {},
                               {}});
      continue;
    }
    auto value = document::read_json(text, "parameter " + name);
    if (!value) {
      result.errors.push_back(std::move(value.error()));
    } else if (check_value(parameter->second, *value, result.errors)) {
      result.values[name] = std::move(*value);
    }
  }
  for (const auto& [name, parameter] : blueprint.parameters) {
    if (result.values.contains(name) || given.contains(name)) continue;
    result.errors.push_back({Code::kInvalid,
                             fmt::format("the parameter \"{}\" must be given", name),
                             parameter.description,
                             {},
                             {}});
  }
  return result;
}

}  // namespace headrace::environment
