#include "expression/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::expression {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const Bindings& values() {
  static const Bindings made{
      {"params", Value::object({{"brokers", 3}, {"name", "kafka"}, {"token", SecretRef{"token", 1}}})},
      {"members", Value::list({Value::object({{"address", "127.0.0.2"}, {"port", 9092}}),
                               Value::object({{"address", "127.0.0.3"}, {"port", 9092}})})},
      {"later", Value::unknown("services.broker.members")},
      {"half", Value::object({{"known", 1}, {"waits", Value::unknown("requires.kafka.servers")}})},
      {"n", Value()},
  };
  return made;
}

// The result as JSON, or the error; bytes and types by name.
std::string result_of(std::string_view source, const Limits& limits = {}) {
  const auto expression = Expression::parse(source);
  if (!expression) return "syntax: " + expression.error().message;
  const auto value = expression->evaluate(values(), limits);
  if (!value) return "error: " + value.error().message;
  if (const auto* unknown = value->get_if<Unknown>()) {
    std::string text = "unknown:";
    for (const std::string& reference : unknown->references) text += " " + reference;
    return text;
  }
  return document::to_json(to_node(*value));
}

struct Case {
  std::string source;
  std::string expected;
};
void expect_all(const std::vector<Case>& cases) {
  for (const Case& each : cases) EXPECT_EQ(result_of(each.source), each.expected) << each.source;
}

TEST(Syntax, LiteralsOfEveryType) {
  expect_all({{"1", "1"},
              {"-9223372036854775808", "-9223372036854775808"},
              {"9223372036854775808", "syntax: 9223372036854775808 does not fit int"},
              {"0x1F", "31"},
              {"type(7u)", "\"uint\""},
              {"1.5e3", "1500"},
              {".5", "0.5"},
              {"'a' + \"b\"", "\"ab\""},
              {"'''a\n'b''''", "syntax: a string is not closed"},
              {"'''a\n'b'''", "\"a\\n'b\""},
              {"r'\\n'", "\"\\\\n\""},
              {"'\\u00e4\\x41\\101\\n'", "\"äAA\\n\""},
              {"size(b'\\xff\\xfe')", "2"},
              {"true && !false", "true"},
              {"null == n", "true"},
              {"[1, 2,]", "[1,2]"},
              {"{'a': 1, 2: 'b', true: []}", "{\"true\":[],\"2\":\"b\",\"a\":1}"},
              {"'a\nb'", "syntax: a string is not closed"},
              {"'\\q'", "syntax: an unknown escape in a string"},
              {"'\\ud800'", "syntax: an unknown escape in a string"}});
}

TEST(Syntax, PrecedenceAndAssociativity) {
  expect_all({{"1 + 2 * 3", "7"},
              {"(1 + 2) * 3", "9"},
              {"10 - 4 - 3", "3"},
              {"2 * 3 % 4", "2"},
              {"-2 + 3", "1"},
              {"--3", "3"},
              {"1 < 2 == true", "true"},
              {"true || false && false", "true"},
              {"false ? 1 : true ? 2 : 3", "2"},
              {"!true || true", "true"},
              {"1 in [1] && 2 in {2: 3}", "true"},
              {"params.brokers * 2 > 5 // a remark", "true"},
              {"params['name'].size()", "5"},
              {"params.`name`", "\"kafka\""}});
}

TEST(Syntax, MistakesNameWhatWasExpected) {
  expect_all({{"", "syntax: expected a value, found the end"},
              {"1 +", "syntax: expected a value, found the end"},
              {"(1", "syntax: expected \")\", found the end"},
              {"1 2", "syntax: expected an operator or the end, found \"2\""},
              {"a = b", "syntax: unexpected character '='"},
              {"a & b", "syntax: unexpected character '&'"},
              {"for", "syntax: \"for\" is a reserved word"},
              {"a.in", "syntax: \"in\" is a keyword"},
              {"has(a)", "syntax: has() takes one member selection"},
              {"[1].all(x.y, true)", "syntax: the first argument of all must be a plain name"},
              {"Point{x: 1}", "syntax: messages (Type{field: value}) are not supported"},
              {"a.?b", "syntax: optional selection (.?) is not supported"},
              {"1ux", "syntax: \"1ux\" is neither a number nor a name"}});
}

TEST(Evaluation, ArithmeticReportsOverflowAndDivisionByZero) {
  expect_all({{"9223372036854775807 + 1", "error: integer overflow"},
              {"-9223372036854775808 - 1", "error: integer overflow"},
              {"-(-9223372036854775808)", "error: integer overflow"},
              {"-9223372036854775808 / -1", "error: integer overflow"},
              {"-9223372036854775808 % -1", "error: integer overflow"},
              {"4611686018427387904 * 2", "error: integer overflow"},
              {"0u - 1u", "error: unsigned integer overflow"},
              {"1 / 0", "error: division by zero"},
              {"1u % 0u", "error: modulus by zero"},
              {"1.0 / 0.0 > 1e300", "true"},
              {"-7 / 2", "-3"},
              {"-7 % 2", "-1"},
              {"1 + 1u", "error: no such overload: _+_(int, uint)"}});
}

TEST(Evaluation, NumbersCompareByValueAcrossTypes) {
  expect_all({{"dyn(1) == 1u", "true"},
              {"dyn(1) == 1.0", "true"},
              {"1 < 2u && 2u < 2.5", "true"},
              {"-1 < 0u", "true"},
              {"9223372036854775807 < 9223372036854775808.0", "false"},
              {"18446744073709551615u > 9223372036854775807", "true"},
              {"0.0 / 0.0 == 0.0 / 0.0", "false"},
              {"dyn(1) == '1'", "false"},
              {"[1, 2.0] == [1u, 2]", "true"},
              {"{1: 'a'} == {1u: 'a'}", "true"},
              {"{1: 'a'}[1u]", "\"a\""},
              {"{1: 'a'}[1.0]", "\"a\""},
              {"1.0 in [1]", "true"},
              {"'b' > 'a' && true > false && b'b' > b'a'", "true"},
              {"[1] < [2]", "error: no such overload: _<_(list, list)"}});
}

TEST(Evaluation, AndOrAbsorbErrorsFromEitherSide) {
  expect_all({{"false && 1 / 0 > 1", "false"},
              {"1 / 0 > 1 && false", "false"},
              {"true || 1 / 0 > 1", "true"},
              {"1 / 0 > 1 || true", "true"},
              {"1 / 0 > 1 && true", "error: division by zero"},
              {"1 / 0 > 1 || false", "error: division by zero"},
              {"true && 1", "error: no such overload: && int"},
              {"true ? 1 : 1 / 0", "1"},
              {"1 ? 2 : 3", "error: no such overload: int ? :"}});
}

TEST(Evaluation, MacrosOverListsAndMaps) {
  expect_all(
      {{"[1, 2, 3].all(x, x > 0)", "true"},
       {"[1, 2, 0].all(x, 4 / x > 5)", "false"},
       {"[0, 2].exists(x, 4 / x == 2)", "true"},
       {"[0, 1].exists(x, 4 / x == 2)", "error: division by zero"},
       {"[].all(x, false)", "true"},
       {"[].exists(x, true)", "false"},
       {"[1, 2, 2].exists_one(x, x == 2)", "false"},
       {"[1, 2].exists_one(x, x == 2)", "true"},
       {"[1, 2].map(x, x * 2)", "[2,4]"},
       {"[1, 2, 3].map(x, x > 1, x * 2)", "[4,6]"},
       {"[1, 2, 3].filter(x, x != 2)", "[1,3]"},
       {"{'a': 1, 'b': 2}.filter(k, k > 'a')", "[\"b\"]"},
       {"[1, 2].map(x, [3, 4].map(y, x * y))", "[[3,4],[6,8]]"},
       {"[1].map(x, [2].map(x, x))", "[[2]]"},
       {"members.map(m, m.address + ':' + string(m.port)).join(',')", "\"127.0.0.2:9092,127.0.0.3:9092\""},
       {"has(params.brokers) && !has(params.nothing)", "true"},
       {"'ab'.all(x, true)", "error: all() needs a list or a map, not string"}});
}

TEST(Evaluation, Conversions) {
  expect_all(
      {{"int('-42') + int(2u) + int(1.9)", "-39"},
       {"int(1e19)", "error: integer overflow"},
       {"int('4x')", "error: \"4x\" is not of type int"},
       {"uint(-1)", "error: unsigned integer overflow"},
       {"double('1.5') + double(1)", "2.5"},
       {"string(1.5) + string(7u) + string(true) + string(b'ok')", "\"1.57trueok\""},
       {"string(b'\\xff')", "error: invalid UTF-8 in bytes, cannot convert to string"},
       {"string([1])", "error: no such overload: string(list)"},
       {"bool('t') && !bool('False')", "true"},
       {"bool('yes')", "error: \"yes\" is not of type bool"},
       {"type(1) == int && type('') == string && type(null) == null_type && type(int) == type", "true"},
       {"bytes('ä') == b'\\xc3\\xa4'", "true"},
       {"json({'a': [1, true, null, 'x']})", R"("{\"a\":[1,true,null,\"x\"]}")"}});
}

TEST(Evaluation, TextFunctionsCountCodePoints) {
  expect_all({{"size('ä€𝄞')", "3"},
              {"'tacocat'.indexOf('c', 3)", "4"},
              {"'ä€ä'.lastIndexOf('ä')", "2"},
              {"'ä€'.charAt(1)", "\"€\""},
              {"'x'.charAt(2)", "error: index out of range: 2"},
              {"'a,b,c'.split(',')", "[\"a\",\"b\",\"c\"]"},
              {"'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]"},
              {"'ä€'.split('')", "[\"ä\",\"€\"]"},
              {"'aXbX'.replace('X', '-')", "\"a-b-\""},
              {"'aXbX'.replace('X', '-', 1)", "\"a-bX\""},
              {"'äb'.replace('', '_')", "\"_ä_b_\""},
              {"'  \\u2003x '.trim()", "\"x\""},
              {"'äBC'.lowerAscii() + 'äbc'.upperAscii()", "\"äbcäBC\""},
              {"'hello'.substring(1, 3)", "\"el\""},
              {"'hello'.substring(3, 1)", "error: invalid substring range: start 3, end 1"},
              {"'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')", "true"},
              {"'k-17'.matches('^k-[0-9]+$')", "true"},
              {"'x'.matches('(')", "error: bad pattern: missing ): ("},
              {"'ab'.reverse()", "\"ba\""}});
}

TEST(Evaluation, ListHelpers) {
  expect_all({{"math.least(params.brokers, 5)", "3"},
              {"math.greatest([1, 7, 3])", "7"},
              {"math.least([])", "error: an empty list has no least and no greatest"},
              {"lists.range(3)", "[0,1,2]"},
              {"lists.range(1000000)", "error: a list of over 100000"},
              {"[3, 1, 2].sort()", "[1,2,3]"},
              {"[1, 'a'].sort()", "error: these values have no order"},
              {"[1, 2, 1].distinct()", "[1,2]"},
              {"int('+5')", "5"},
              {"int('+-5')", "error: \"+-5\" is not of type int"},
              {"[[1], [2, 3]].flatten()", "[1,2,3]"},
              {"[1, 2, 3].slice(1, 3)", "[2,3]"},
              {"[1, 2].slice(1, 3)", "error: cannot slice(1, 3) a list of 2"},
              {"[1, 2].reverse()", "[2,1]"},
              {"[1] + [2]", "[1,2]"},
              {"[1, 2][2]", "error: index out of range: 2 of 2"},
              {"{'a': 1}.b", "error: no such key: b"},
              {"{'a': 1, 'a': 2}", "error: repeated key: a"},
              {"nothing", "error: undeclared reference to \"nothing\""},
              {"duration('1s')", "error: unknown function \"duration\""}});
}

TEST(Evaluation, WhatIsNotPlacedYetGivesUnknownWithItsReferences) {
  expect_all({{"later.map(m, m.address).join(',')", "unknown: services.broker.members"},
              {"half.waits + ':' + later", "unknown: requires.kafka.servers services.broker.members"},
              {"half.known + 1", "2"},
              {"size(half)", "unknown: requires.kafka.servers"},
              {"later == 1 && false", "false"},
              {"later == 1 || true", "true"},
              {"later == 1 || 1 / 0 > 0", "unknown: services.broker.members"},
              {"later ? 1 : 2", "unknown: services.broker.members"},
              {"[1, 2].exists(x, x == 2 || later)", "true"},
              {"[1, 2].filter(x, later)", "unknown: services.broker.members"},
              {"[1, later][0]", "1"},
              {"has(half.waits)", "true"}});
}

TEST(Evaluation, CostDepthAndSizeAreBounded) {
  const std::string range = "lists.range(1000)";
  EXPECT_EQ(result_of(range + ".all(x, " + range + ".all(y, " + range + ".all(z, true)))"),
            "error: the expression costs too much to evaluate");
  EXPECT_EQ(result_of("true || " + range + ".all(x, true)", {.cost = 3}), "true");
  EXPECT_THAT(result_of(std::string(1000, '(') + "1" + std::string(1000, ')')), HasSubstr("nested deeper"));
  EXPECT_THAT(result_of(std::string(100'000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(result_of(std::string(100'000, '!') + "true"), HasSubstr("nested deeper"));
  std::string sum = "1";
  for (int i = 0; i < 300; ++i) sum += " + 1";
  EXPECT_THAT(result_of(sum), HasSubstr("nested deeper"));
  std::string list = "[1";
  for (int i = 0; i < 6000; ++i) list += ",1";
  EXPECT_THAT(result_of(list + "]"), HasSubstr("more than 5000 parts"));
  std::string doubling = "'xxxxxxxxxxxxxxxx'";
  for (int i = 0; i < 40; ++i) doubling = "[" + doubling + "].map(s, s + s)[0]";
  EXPECT_THAT(result_of(doubling), HasSubstr("error: "));
}

// Copies share memory, so such a value is made in no time; printing or comparing it would take for ever.
TEST(Evaluation, AValueThatHoldsItselfTwiceIsPaidForInFull) {
  std::string list = "[1]", map = "{'a': 1}";
  for (int i = 0; i < 40; ++i) {
    list += ".map(x, [x, x])";
    map = "[" + map + "].map(m, {'a': m, 'b': m})[0]";
  }
  for (const std::string& value : {list, map, "json(" + list + ")", list + " == " + list}) {
    EXPECT_EQ(result_of(value), "error: the expression costs too much to evaluate") << value.substr(0, 40);
  }
}

TEST(Evaluation, ManyDistinctValuesAreFoundInTime) {
  EXPECT_EQ(result_of("lists.range(60000).distinct().size()"), "60000");
  EXPECT_EQ(result_of("[[1], [1, 2], [1], {'a': 1}, 1, 1u, 'a', b'a', b'a'].distinct().size()"), "6");
  EXPECT_EQ(result_of("lists.range(1000).map(x, [x]).distinct()"),
            "error: distinct() of over 200 lists or maps");
}

// ---- Checker -------------------------------------------------------------------------------------

Scope scope() {
  const Type member = Type::object(
      "field of a member", {{"slot", Type::integer()}, {"address", Type::string().at(Phase::kPlaced)}});
  return {{"params", Type::object("parameter", {{"brokers", Type::integer()},
                                                {"name", Type::string()},
                                                {"ratio", Type::number()},
                                                {"tags", Type::list(Type::string())},
                                                {"token", Type::string().only(Use::kSecret)}})},
          {"generated", Type::object("generated value", {{"id", Type::string().at(Phase::kGenerated)}})},
          {"services",
           Type::object("service",
                        {{"tweet-source", Type::object("field of a service", {})},
                         {"broker", Type::object("field of a service",
                                                 {{"members", Type::list(member).at(Phase::kPlaced)}})}})},
          {"self", Type::object("field of self",
                                {{"address", Type::string().at(Phase::kPlaced).only(Use::kInsert)}})},
          {"any", Type::dyn()}};
}

// "type, phase" of a good expression, or its problems.
std::string checked(std::string_view source) {
  const auto expression = Expression::parse(source);
  if (!expression) return "syntax: " + expression.error().message;
  std::vector<Problem> problems;
  const Type type = expression->check(scope(), problems);
  std::string text;
  for (const Problem& each : problems) {
    text += (text.empty() ? "" : " | ") + std::to_string(each.offset) + ": " + each.message;
    if (!each.remedy.empty()) text += "; " + each.remedy;
  }
  return text.empty() ? to_text(type) + ", " + std::string(word_of(type.phase)) : text;
}

TEST(Checker, TypesAndPhasesFollowFromTheScope) {
  const std::vector<Case> cases{
      {"params.brokers + 1", "int, fixed"},
      {"generated.id + params.name", "string, generated"},
      {"services.broker.members.map(m, m.address)", "list(string), known after placement"},
      {"services.broker.members.map(m, m.slot).exists(s, s > 1)", "bool, known after placement"},
      {"services.broker.members.size() > 1 ? 'a' : 'b'", "string, known after placement"},
      {"params.brokers > 2 && has(params.name)", "bool, fixed"},
      {"[1, 2].map(x, string(x))", "list(string), fixed"},
      {"[1, 'a']", "list(dyn), fixed"},
      {"[] + [1]", "list(dyn), fixed"},
      {"{'a': 1}", "map(string, int), fixed"},
      {"{'a': 1}.a", "int, fixed"},
      {"math.least(3, params.brokers)", "int, fixed"},
      {"params.tags[0].size()", "int, fixed"},
      {"any.thing + 1", "int, fixed"},
      {"type(1) == int", "bool, fixed"},
      {"params.brokers < params.ratio", "bool, fixed"},
      {"params.token", "secret, fixed"},
      {"true ? params.token : params.token", "secret, fixed"},
      {"self.address", "string, known after placement"},
  };
  for (const Case& each : cases) EXPECT_EQ(checked(each.source), each.expected) << each.source;
}

TEST(Checker, EveryMistakeIsNamedWithTheNearestKnownName) {
  const std::vector<Case> cases{
      {"params.brokrs", "7: unknown parameter \"brokrs\"; did you mean \"brokers\"?"},
      {"parms.brokers", "0: unknown name \"parms\"; did you mean \"params\"?"},
      {"params['brokrs']", "6: unknown parameter \"brokrs\"; did you mean \"brokers\"?"},
      {"services.tweet-source",
       "9: unknown service \"tweet\"; a name with hyphens is written ['tweet-source'] | 15: unknown name "
       "\"source\"; known here: any, generated, params, self, services"},
      {"'a' + 1", "4: \"+\" cannot take string and int; string(…) turns a value into text"},
      {"1 == 'a'", "2: \"==\" cannot take int and string"},
      {"params.name && true", "7: expected bool, found string"},
      {"params.brokers ? 1 : 2", "7: expected bool, found int"},
      {"true ? 1 : 'a'", "0: the two sides of ?: differ: int and string; dyn(…) around one allows it"},
      {"params.name.contans('a')", "12: unknown function \"contans\"; did you mean \"contains\"?"},
      {"params.name.contains(1)",
       "12: contains() cannot take (string, int); it is string.contains(string) bool"},
      {"params.brokers.x", "15: int has no field \"x\""},
      {"params.brokers.all(x, true)", "7: all() needs a list or a map, not int"},
      {"params.tags['a']", "11: list(string) has no field \"a\""},
      {"timestamp('x')", "0: timestamp(): timestamps and durations are not supported in this release"},
      {"params.token + 'x'",
       "7: a secret cannot be computed with; pass it on whole: \"${{ … }}\" under secrets"},
      {"[params.token]", "8: a secret cannot be computed with; pass it on whole: \"${{ … }}\" under secrets"},
      {"params.token == 'x'",
       "7: a secret cannot be computed with; pass it on whole: \"${{ … }}\" under secrets"},
      {"params[params.name] + 'x'",
       "6: a secret cannot be computed with; pass it on whole: \"${{ … }}\" under secrets"},
      {"self.address.size()",
       "5: this value exists only inside the container and cannot be computed with; "
       "insert it into text: \"${{ … }}\""},
      {"params.a + params.b",
       "7: unknown parameter \"a\"; known here: brokers, name, ratio, tags, token | 18: "
       "unknown parameter \"b\"; known here: brokers, name, ratio, tags, token"},
  };
  for (const Case& each : cases) EXPECT_EQ(checked(each.source), each.expected) << each.source;
}

TEST(References, AreFoundWithoutEvaluating) {
  const auto found = [](std::string_view source) {
    std::vector<std::string> texts;
    const auto expression = Expression::parse(source);
    for (const Reference& each : expression->references()) texts.push_back(each.to_string());
    return texts;
  };
  using testing::ElementsAre;
  EXPECT_THAT(found("params.x + requires.kafka.servers"), ElementsAre("params.x", "requires.kafka.servers"));
  EXPECT_THAT(found("services.broker.members.map(m, m.address + params.y)"),
              ElementsAre("services.broker.members", "params.y"));
  EXPECT_THAT(found("services['tweet-source'].members[0].address"),
              ElementsAre("services.tweet-source.members.0.address"));
  EXPECT_THAT(found("params.map[params.key].x"), ElementsAre("params.key", "params.map"));
  EXPECT_THAT(found("has(a.b) || a.b == a.b"), ElementsAre("a.b"));
  EXPECT_THAT(found("[1, 2].map(x, x)"), IsEmpty());
}

}  // namespace
}  // namespace headrace::expression
