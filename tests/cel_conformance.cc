// Runs the public conformance cases of CEL (Go module cel.dev/expr) against this implementation. Cases about
// what is left out (messages, timestamps and durations, string formatting, containers) are skipped and
// counted.
//   cmake -B <folder> -DCEL_SPEC=<the module's folder, as `go mod download -json cel.dev/expr@v0.25.3` says>
//   ninja -C <folder> cel_conformance && <folder>/cel_conformance
#include <fmt/format.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>

#include <fstream>
#include <sstream>

#include "cel/expr/conformance/test/simple.pb.h"
#include "expression/expression.h"

namespace headrace::expression {
namespace {

namespace spec = cel::expr;

std::optional<Value> value_from(const spec::Value& from) {
  switch (from.kind_case()) {
    case spec::Value::kNullValue: return Value();
    case spec::Value::kBoolValue: return Value(from.bool_value());
    case spec::Value::kInt64Value: return Value(std::int64_t{from.int64_value()});
    case spec::Value::kUint64Value: return Value(std::uint64_t{from.uint64_value()});
    case spec::Value::kDoubleValue: return Value(from.double_value());
    case spec::Value::kStringValue: return Value(from.string_value());
    case spec::Value::kBytesValue: return Value(ByteText{from.bytes_value()});
    case spec::Value::kTypeValue: return Value(TypeName{from.type_value()});
    case spec::Value::kListValue: {
      std::vector<Value> items;
      for (const spec::Value& each : from.list_value().values()) {
        auto item = value_from(each);
        if (!item) return std::nullopt;
        items.push_back(std::move(*item));
      }
      return Value::list(std::move(items));
    }
    case spec::Value::kMapValue: {
      std::map<Value, Value, KeyOrder> entries;
      for (const auto& each : from.map_value().entries()) {
        auto key = value_from(each.key()), value = value_from(each.value());
        if (!key || !value) return std::nullopt;
        entries.emplace(std::move(*key), std::move(*value));
      }
      return Value::map(std::move(entries));
    }
    default: return std::nullopt;  // messages, enums
  }
}

std::optional<Type> type_from(const spec::Type& from) {
  using Kind = Type::Kind;
  if (from.has_null()) return Type{.kind = Kind::kNull};
  if (from.has_dyn()) return Type::dyn();
  if (from.has_type()) return Type{.kind = Kind::kType};
  switch (from.primitive()) {
    case spec::Type::BOOL: return Type::boolean();
    case spec::Type::INT64: return Type::integer();
    case spec::Type::UINT64: return Type{.kind = Kind::kUint};
    case spec::Type::DOUBLE: return Type::number();
    case spec::Type::STRING: return Type::string();
    case spec::Type::BYTES: return Type{.kind = Kind::kBytes};
    default: break;
  }
  if (from.has_list_type()) {
    const auto element = type_from(from.list_type().elem_type());
    return element ? std::optional(Type::list(*element)) : std::nullopt;
  }
  if (from.has_map_type()) {
    const auto key = type_from(from.map_type().key_type()), value = type_from(from.map_type().value_type());
    return key && value ? std::optional(Type::map(*key, *value)) : std::nullopt;
  }
  return std::nullopt;
}

// Identical, not only equal: 1 is not 1u here, and NaN is NaN.
bool same(const Value& a, const Value& b) {
  if (a.data().index() != b.data().index()) return false;
  if (const auto* number = a.get_if<double>()) {
    return *number == *b.get_if<double>() ||
           (*number != *number && *b.get_if<double>() != *b.get_if<double>());
  }
  return equal(a, b);
}

struct Tally {
  int passed = 0, failed = 0, skipped = 0;
};

bool is_out_of_scope(const spec::conformance::test::SimpleTest& test) {
  static constexpr std::string_view kWords[] = {"TestAllTypes", "google.protobuf", "timestamp(", "duration(",
                                                ".format(",     "strings.quote",   "proto",      "optional"};
  for (const std::string_view word : kWords) {
    if (test.expr().find(word) != std::string::npos) return true;
  }
  return !test.container().empty() || test.disable_macros();
}

// Empty: passed. None: skipped.
std::optional<std::string> run(const spec::conformance::test::SimpleTest& test) {
  if (is_out_of_scope(test)) return std::nullopt;
  Scope scope;
  Bindings bindings;
  for (const spec::Decl& decl : test.type_env()) {
    const auto type = decl.has_ident() ? type_from(decl.ident().type()) : std::nullopt;
    if (!type || decl.name().find('.') != std::string::npos) return std::nullopt;
    scope[decl.name()] = *type;
  }
  for (const auto& [name, bound] : test.bindings()) {
    const auto value = value_from(bound.value());
    if (!value || name.find('.') != std::string::npos) return std::nullopt;
    bindings[name] = *value;
  }
  const bool wants_error = test.has_eval_error() || test.has_any_eval_errors();
  const auto expression = Expression::parse(test.expr());
  if (!expression) return wants_error ? "" : "syntax: " + expression.error().message;
  if (!test.disable_check()) {
    std::vector<Problem> problems;
    expression->check(scope, problems);
    if (!problems.empty()) return wants_error ? "" : "check: " + problems.front().message;
  }
  if (test.check_only()) return "";
  const auto result = expression->evaluate(bindings);
  if (!result) return wants_error ? "" : "error: " + result.error().message;
  if (wants_error) return "no error, but " + document::to_json(to_node(*result));
  const bool has_value = test.has_value() || test.has_typed_result();
  const auto wanted =
      !has_value ? Value(true) : value_from(test.has_value() ? test.value() : test.typed_result().result());
  if (!wanted) return std::nullopt;
  if (same(*result, *wanted)) return "";
  return fmt::format("{} instead of {}", document::to_json(to_node(*result)),
                     document::to_json(to_node(*wanted)));
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Knows the message types that the cases mention.
class Messages : public google::protobuf::TextFormat::Finder {
 public:
  Messages() {
    google::protobuf::FileDescriptorSet files;
    CHECK(files.ParseFromString(contents_of(CEL_MESSAGES)));
    for (const auto& file : files.file()) CHECK(pool_.BuildFile(file));
  }
  const google::protobuf::Descriptor* FindAnyType(const google::protobuf::Message&, const std::string&,
                                                  const std::string& name) const override {
    return pool_.FindMessageTypeByName(name);
  }
  const google::protobuf::FieldDescriptor* FindExtension(google::protobuf::Message*,
                                                         const std::string& name) const override {
    return pool_.FindExtensionByName(name);
  }

 private:
  google::protobuf::DescriptorPool pool_;
};

Tally run_file(const std::string& name, google::protobuf::TextFormat::Parser& parser) {
  Tally tally;
  spec::conformance::test::SimpleTestFile tests;
  CHECK(parser.ParseFromString(contents_of(fmt::format(CEL_SPEC "/tests/simple/testdata/{}.textproto", name)),
                               &tests));
  for (const auto& section : tests.section()) {
    for (const auto& test : section.test()) {
      const auto failure = run(test);
      ++(!failure ? tally.skipped : failure->empty() ? tally.passed : tally.failed);
      if (!failure || failure->empty()) continue;
      fmt::print("FAILED {}/{}/{}: {}\n    {}\n", name, section.name(), test.name(), *failure, test.expr());
    }
  }
  fmt::print("{:14} {:4} passed {:4} failed {:4} skipped\n", name, tally.passed, tally.failed, tally.skipped);
  return tally;
}

}  // namespace
}  // namespace headrace::expression

int main() {
  using namespace headrace::expression;
  const Messages messages;
  google::protobuf::TextFormat::Parser parser;
  parser.SetFinder(&messages);
  Tally all;
  for (const char* name :
       {"basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists", "logic",
        "macros", "namespace", "parse", "plumbing", "string", "string_ext"}) {
    const Tally tally = run_file(name, parser);
    all.passed += tally.passed;
    all.failed += tally.failed;
    all.skipped += tally.skipped;
  }
  fmt::print("{} passed, {} failed, {} skipped\n", all.passed, all.failed, all.skipped);
  return all.failed == 0 ? 0 : 1;
}
