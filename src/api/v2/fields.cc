#include "api/v2/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "document/node.h"

namespace headrace::api::v2 {
namespace {

bool is_nothing(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return true;
    case json::kind::bool_: return !value.get_bool();
    case json::kind::int64: return value.get_int64() == 0;
    case json::kind::uint64: return value.get_uint64() == 0;
    case json::kind::double_: return value.get_double() == 0;
    case json::kind::string: return value.get_string().empty();
    case json::kind::array: return value.get_array().empty();
    case json::kind::object: return value.get_object().empty();
  }
  return false;
}

}  // namespace

http::Response response_of(const Refusal& refusal) {
  json::object body{{"message", refusal.message}};
  if (!refusal.details.empty()) {
    json::array details;
    for (const auto& [path, errors] : refusal.details) {
      details.push_back(json::object{{"path", path}, {"errors", json::value_from(errors)}});
    }
    body["details"] = std::move(details);
  }
  for (const auto& [name, value] : refusal.extra) body[name] = value;
  return http::Response::json(refusal.status, json::serialize(body));
}

void Errors::add_type(const std::string& path, std::string_view expected) {
  add(path, fmt::format("error.expected.{}", expected));
  types_ += 1;
}

void Errors::add_unsupported(const std::string& path, std::string_view feature) {
  add(path, fmt::format("{} is not in this release of Headrace", feature));
}

Refusal Errors::refusal() const {
  Refusal refusal;
  std::size_t count = 0;
  for (const auto& [path, errors] : by_path_) {
    refusal.details.emplace_back(path, errors);
    count += errors.size();
  }
  refusal.message = count == types_ ? "Invalid JSON" : "Object is not valid";
  return refusal;
}

Fields::Fields(const json::value& value, std::string path, Errors& errors)
    : path_(std::move(path)), errors_(errors) {
  if (value.is_object()) {
    object_ = &value.get_object();
  } else {
    errors_.add_type(path_.empty() ? "/" : path_, "jsobject");
  }
}

Fields::~Fields() {
  if (!object_) return;
  for (const auto& [key, value] : *object_) {
    const std::string name(key);
    if (std::ranges::find(known_, name) != known_.end()) continue;
    const std::string near = document::nearest(name, known_);
    errors_.add(at(name),
                near.empty() ? "unknown field" : fmt::format("unknown field; did you mean \"{}\"?", near));
  }
}

const json::value* Fields::find(const char* name) {
  known_.emplace_back(name);
  const json::value* found = object_ ? object_->if_contains(name) : nullptr;
  return found && !found->is_null() ? found : nullptr;
}

std::string Fields::text(const char* name, std::string_view otherwise) {
  const json::value* found = find(name);
  if (found && found->is_string()) return std::string(found->get_string());
  if (found) errors_.add_type(at(name), "jsstring");
  return std::string(otherwise);
}

double Fields::number(const char* name, double otherwise, double least) {
  const json::value* found = find(name);
  if (!found) return otherwise;
  json::error_code error;
  const double number = found->to_number<double>(error);
  if (error) {
    errors_.add_type(at(name), "jsnumber");
    return otherwise;
  }
  if (number < least) errors_.add(at(name), fmt::format("must be at least {}", least));
  return number;
}

std::int64_t Fields::integer(const char* name, std::int64_t otherwise, std::int64_t least,
                             std::int64_t most) {
  const json::value* found = find(name);
  if (!found) return otherwise;
  json::error_code error;
  const auto number = found->to_number<std::int64_t>(error);
  if (error) {
    errors_.add_type(at(name), "jsnumber");
    return otherwise;
  }
  if (number < least || number > most) errors_.add(at(name), fmt::format("must be {} to {}", least, most));
  return number;
}

bool Fields::boolean(const char* name, bool otherwise) {
  const json::value* found = find(name);
  if (found && found->is_bool()) return found->get_bool();
  if (found) errors_.add_type(at(name), "jsboolean");
  return otherwise;
}

std::vector<std::string> Fields::texts(const char* name) {
  std::vector<std::string> texts;
  each(name, [&](const json::value& value, const std::string& path) {
    if (!value.is_string()) return errors_.add_type(path, "jsstring");
    texts.emplace_back(value.get_string());
  });
  return texts;
}

std::map<std::string, std::string> Fields::text_map(const char* name) {
  std::map<std::string, std::string> map;
  const json::value* found = find(name);
  if (!found) return map;
  if (!found->is_object()) {
    errors_.add_type(at(name), "jsobject");
    return map;
  }
  for (const auto& [key, value] : found->get_object()) {
    const std::string path = fmt::format("{}/{}", at(name), std::string_view(key));
    if (value.is_object() && value.get_object().contains("secret")) {
      errors_.add_unsupported(path, "a secret in the environment (\"secrets\")");
    } else if (!value.is_string()) {
      errors_.add_type(path, "jsstring");
    } else {
      map.emplace(key, value.get_string());
    }
  }
  return map;
}

void Fields::accept(std::initializer_list<const char*> names) {
  known_.insert(known_.end(), names.begin(), names.end());
}

void Fields::unsupported(const char* name, std::string_view feature) {
  const json::value* found = find(name);
  if (found && !is_nothing(*found)) errors_.add_unsupported(at(name), feature);
}

json::value canonical(const json::value& value) {
  if (value.is_object()) {
    std::map<std::string_view, const json::value*> sorted;
    for (const auto& [key, each] : value.get_object()) {
      if (!each.is_null()) sorted.emplace(key, &each);
    }
    json::object object;
    for (const auto& [key, each] : sorted) object[key] = canonical(*each);
    return object;
  }
  if (value.is_array()) {
    json::array array;
    for (const json::value& each : value.get_array()) array.push_back(canonical(each));
    return array;
  }
  if (value.is_double()) {
    const double number = value.get_double();
    if (number == std::floor(number) && std::abs(number) < 9e15) return static_cast<std::int64_t>(number);
  }
  if (value.is_uint64() && value.get_uint64() < 1ull << 62)
    return static_cast<std::int64_t>(value.get_uint64());
  return value;
}

}  // namespace headrace::api::v2
