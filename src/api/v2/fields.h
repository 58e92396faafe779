// Reading Marathon's JSON strictly: every error at once, each at its path, in Marathon's form.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace headrace::api::v2 {

namespace json = boost::json;

// Marathon's error body: {"message": …, "details": [{"path": …, "errors": […]}]}.
struct Refusal {
  int status = 422;
  std::string message;
  std::vector<std::pair<std::string, std::vector<std::string>>> details;
  json::object extra;  // further members, "deployments" of a locked app
};
http::Response response_of(const Refusal& refusal);

// What is wrong with a definition, by path ("/container/docker/image", "/ports(0)").
class Errors {
 public:
  void add(const std::string& path, std::string error) { by_path_[path].push_back(std::move(error)); }
  // A value of the wrong JSON type.
  void add_type(const std::string& path, std::string_view expected);
  // A documented feature of Marathon that this release does not have.
  void add_unsupported(const std::string& path, std::string_view feature);
  bool empty() const { return by_path_.empty(); }
  Refusal refusal() const;

 private:
  std::map<std::string, std::vector<std::string>> by_path_;
  std::size_t types_ = 0;  // how many are of add_type
};

// One object being read. A field that is never asked for is unknown and refused with the nearest known name;
// null counts as absent.
class Fields {
 public:
  Fields(const json::value& value, std::string path, Errors& errors);
  ~Fields();
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  // nullptr when absent.
  const json::value* find(const char* name);
  bool has(const char* name) { return find(name) != nullptr; }
  std::string text(const char* name, std::string_view otherwise = {});
  double number(const char* name, double otherwise, double least = 0);
  std::int64_t integer(const char* name, std::int64_t otherwise, std::int64_t least = 0,
                       std::int64_t most = 1'000'000'000);
  bool boolean(const char* name, bool otherwise);
  std::vector<std::string> texts(const char* name);
  std::map<std::string, std::string> text_map(const char* name);
  // Calls read(value, path) for each element.
  template <class Read>
  void each(const char* name, Read read) {
    const json::value* found = find(name);
    if (!found) return;
    if (!found->is_array()) return errors_.add_type(at(name), "jsarray");
    std::size_t index = 0;
    for (const json::value& value : found->get_array()) {
      read(value, at(name) + "(" + std::to_string(index++) + ")");
    }
  }
  // Known to Marathon, and written by GET, but nothing that a client may set.
  void accept(std::initializer_list<const char*> names);
  // Refused with the feature's name when present and not empty, zero, false or null.
  void unsupported(const char* name, std::string_view feature);
  std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  const json::object* object_ = nullptr;
  std::string path_;
  Errors& errors_;
  std::vector<std::string> known_;
};

// Objects by sorted keys, without nulls, whole numbers as integers: equal definitions are equal texts.
json::value canonical(const json::value& value);

}  // namespace headrace::api::v2
