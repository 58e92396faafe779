#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "document/decoder.h"
#include "document/node.h"

namespace headrace::document {
namespace {

using testing::HasSubstr;

std::string yaml_error(std::string_view text, const Limits& limits = {}) {
  const auto node = read_yaml(text, "a.yaml", limits);
  return node ? "no error" : node.error().to_string();
}
std::string json_error(std::string_view text, const Limits& limits = {}) {
  const auto node = read_json(text, "a.json", limits);
  return node ? "no error" : node.error().to_string();
}
// What YAML's core schema makes of a plain scalar, as JSON.
std::string resolved(const std::string& scalar) {
  const auto node = read_yaml("a: " + scalar, "a.yaml");
  return node ? to_json(*node->find("a")) : node.error().to_string();
}

TEST(Yaml, EveryValueKnowsItsPlace) {
  const auto root = read_yaml("a: 1\nb:\n  - x\n  - { c: 'y' }\n", "a.yaml");
  ASSERT_TRUE(root);
  EXPECT_EQ(to_json(*root), R"({"a":1,"b":["x",{"c":"y"}]})");
  EXPECT_EQ(root->find("a")->place, (Place{"a.yaml", 1, 4}));
  EXPECT_EQ(root->find("b")->items[0].place, (Place{"a.yaml", 3, 5}));
  EXPECT_EQ(root->find("b")->items[1].find("c")->place, (Place{"a.yaml", 4, 10}));
}

TEST(Yaml, ScalarsFollowTheCoreSchemaOf12) {
  for (const char* text : {"yes", "no", "on", "off", "Yes", "y", "0b1", "1_000", "12:30", "2026-11-23"}) {
    EXPECT_EQ(resolved(text), '"' + std::string(text) + '"');
  }
  EXPECT_EQ(resolved("true"), "true");
  EXPECT_EQ(resolved("FALSE"), "false");
  EXPECT_EQ(resolved("~"), "null");
  EXPECT_EQ(resolved(""), "null");
  EXPECT_EQ(resolved("-17"), "-17");
  EXPECT_EQ(resolved("+17"), "17");
  EXPECT_EQ(resolved("0x1F"), "31");
  EXPECT_EQ(resolved("1.50"), "1.5");
  EXPECT_EQ(resolved("1e3"), "1000");
  EXPECT_EQ(resolved("'17'"), "\"17\"");
  EXPECT_EQ(resolved("''"), "\"\"");
}

TEST(Yaml, WhatReadersDisagreeAboutIsRefusedWithItsPlace) {
  EXPECT_THAT(yaml_error("a: 0123"), HasSubstr("a.yaml:1:4: 0123 may be read as an octal"));
  EXPECT_THAT(yaml_error("a: 0o17"), HasSubstr("octal"));
  EXPECT_THAT(yaml_error("a: 1\nb: 2\na: 3"),
              HasSubstr("a.yaml:3:1: the key \"a\" is here twice; first at line 1"));
  EXPECT_THAT(yaml_error("a: &x {b: 1}\nc:\n  <<: *x\n"), HasSubstr("a.yaml:3:3: merge keys"));
  EXPECT_THAT(yaml_error("a: 1\n---\nb: 2\n"), HasSubstr("a.yaml:3:1: more than one document"));
  EXPECT_THAT(yaml_error("a: !!binary aGk=\n"), HasSubstr("a.yaml:1:4: the tag"));
  EXPECT_THAT(yaml_error("a: .inf\n"), HasSubstr("not a finite number"));
  EXPECT_THAT(yaml_error("a: 1e999\n"), HasSubstr("too large"));
  EXPECT_THAT(yaml_error("a: 99999999999999999999\n"), HasSubstr("does not fit 64 bits"));
  EXPECT_THAT(yaml_error("? [a]\n: b\n"), HasSubstr("a key must be text"));
  EXPECT_THAT(yaml_error("# nothing\n"), HasSubstr("empty"));
  EXPECT_THAT(yaml_error("a: \"x\n"), HasSubstr("a.yaml:2:1: a quoted text is never closed"));
}

TEST(Yaml, ASyntaxErrorNearAnExpressionSaysToQuoteIt) {
  for (const char* text :
       {"a: { count: ${{ params.brokers }} }\n", "a: ${{ {'x': 1}.x }}: b\n", "a: [ ${{ x }}, b ]\n"}) {
    EXPECT_THAT(yaml_error(text), HasSubstr("quote the value that holds ${{")) << text;
  }
  EXPECT_THAT(yaml_error("a: { b\n"), testing::Not(HasSubstr("quote the value")));
}

TEST(Yaml, AliasesStandForTheirValueButCannotExplode) {
  const auto root = read_yaml("a: &x [1, 2]\nb: *x\n", "a.yaml");
  ASSERT_TRUE(root);
  EXPECT_EQ(to_json(*root->find("b")), "[1,2]");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string line = "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) line += (j ? ", *a" : "*a") + std::to_string(i - 1);
    bomb += line + "]\n";
  }
  EXPECT_THAT(yaml_error(bomb), HasSubstr("more than 200000 values"));
  std::string copies = "a: &a " + std::string(500'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 50; ++i) copies += ", *a";
  EXPECT_THAT(yaml_error(copies + "]\n"), HasSubstr("more than 200000 values")) << "25 MB of text";
  EXPECT_THAT(yaml_error("a: &x [*x]\n"), HasSubstr("inside the value that it names"));
}

TEST(Yaml, DepthAndSizeAreBounded) {
  EXPECT_THAT(yaml_error(std::string(100, '[') + std::string(100, ']')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(yaml_error(std::string(100'000, '[')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(yaml_error("a: " + std::string(100, 'x'), {.bytes = 50}), HasSubstr("larger than 50 bytes"));
}

TEST(Yaml, APlaceInsideAScalarIsExactWhereItCanBe) {
  const auto root = read_yaml("a: plain\nb: \"quoted\"\nc: |\n  one\n  two\n", "a.yaml");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->find("a")->place_of(2), (Place{"a.yaml", 1, 6}));
  EXPECT_EQ(root->find("b")->place_of(2), (Place{"a.yaml", 2, 7}));
  EXPECT_EQ(root->find("c")->place_of(5), (Place{"a.yaml", 5, 1}));
}

TEST(Json, EveryValueKnowsItsPlace) {
  const auto root = read_json("{\"a\": 1,\n \"b\": [true, null, -2.5e1, \"\\u00e4\\n\", {}]}\n", "a.json");
  ASSERT_TRUE(root) << root.error().to_string();
  EXPECT_EQ(to_json(*root), "{\"a\":1,\"b\":[true,null,-25,\"ä\\n\",{}]}");
  EXPECT_EQ(root->find("a")->place, (Place{"a.json", 1, 7}));
  EXPECT_EQ(root->find("b")->place, (Place{"a.json", 2, 7}));
  EXPECT_EQ(root->find("b")->items[2].place, (Place{"a.json", 2, 20}));
  EXPECT_EQ(root->find("b")->items[4].place, (Place{"a.json", 2, 40}));
}

TEST(Json, MistakesAreReportedWithTheirPlace) {
  EXPECT_THAT(json_error("{\"a\": 1,\n \"b\": tru}"), HasSubstr("a.json:2:"));
  EXPECT_THAT(json_error("{\"a\": 1, \"a\": 2}"), HasSubstr("a.json:1:10: the key \"a\" is here twice"));
  EXPECT_THAT(json_error("{\"a\": 1"), HasSubstr("not JSON"));
  EXPECT_THAT(json_error(""), HasSubstr("not JSON"));
  EXPECT_THAT(json_error("{} x"), HasSubstr("a.json:1:4: not JSON"));
  EXPECT_THAT(json_error("[1,]"), HasSubstr("not JSON"));
  EXPECT_THAT(json_error("{\"a\": 18446744073709551615}"), HasSubstr("does not fit"));
  EXPECT_THAT(json_error("[1e400]"), HasSubstr("a.json:1:2: the number is too large"));
  EXPECT_THAT(json_error("[\"\xff\"]"), HasSubstr("not JSON"));
  EXPECT_THAT(json_error(std::string(100, '[')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(json_error("[1, 2, 3]", {.nodes = 2}), HasSubstr("more than 2 values"));
}

TEST(Json, WhatIsWrittenIsJsonAlsoForNumbersThatJsonDoesNotHave) {
  EXPECT_EQ(to_json(Node::list({Node::of(1.5), Node::of(HUGE_VAL), Node::of(-HUGE_VAL)})),
            R"([1.5,"inf","-inf"])");
}

TEST(Nearest, ATypoFindsItsName) {
  const std::vector<std::string> known{"brokers", "partitions", "retention"};
  EXPECT_EQ(nearest("brokrs", known), "brokers");
  EXPECT_EQ(nearest("borkers", known), "brokers");
  EXPECT_EQ(nearest("cassandra", known), "");
  EXPECT_EQ(suggestion("brokrs", known), "did you mean \"brokers\"?");
}

// ---- Decoder -------------------------------------------------------------------------------------

enum class Colour { kRed, kGreen };
Words<Colour> words_of(const Colour*) {
  return {{"red", Colour::kRed}, {"green", Colour::kGreen}};
}

struct Wheel {
  std::string name;
  int spokes = 8;
  bool operator==(const Wheel&) const = default;
};
const Table<Wheel>& table_of(const Wheel*) {
  static const Table<Wheel> table =
      Table<Wheel>("wheel", "A wheel.")
          .required("name", &Wheel::name, "Its name.", {.pattern = "[a-z]+", .pattern_says = "small letters"})
          .optional("spokes", &Wheel::spokes, "How many.", {.minimum = 1, .maximum = 64})
          .shorthand(
              [](Decoder&, const Node& node, Wheel& wheel) {
                wheel.name = node.text;
                return node.is(Kind::kString);
              },
              SchemaBuilder::typed("string"));
  return table;
}

struct Mill {
  Colour colour = Colour::kGreen;
  std::vector<Wheel> wheels;
  std::map<std::string, double> weights;
  std::optional<Duration> pause;
  Bytes sack = Bytes::mib(1);
  bool runs = false;
};
const Table<Mill>& table_of(const Mill*) {
  static const Table<Mill> table = Table<Mill>("mill", "A mill.")
                                       .optional("colour", &Mill::colour, "Its colour.")
                                       .required("wheels", &Mill::wheels, "Its wheels.", {.minimum = 1})
                                       .optional("weights", &Mill::weights, "By name.", {.pattern = "[a-z]+"})
                                       .optional("pause", &Mill::pause, "Between sacks.", {.maximum = 60'000})
                                       .optional("sack", &Mill::sack, "Size of one.")
                                       .optional("runs", &Mill::runs, "Now.")
                                       .unsupported("sails", "wind mills")
                                       .check([](Decoder& decoder, const Node& node, Mill& mill) {
                                         if (mill.runs && mill.wheels.size() > 2)
                                           decoder.report(node, "too many wheels to run");
                                       });
  return table;
}

Checked<Mill> mill_of(std::string_view text) {
  return decode<Mill>(*read_yaml(text, "mill.yaml"));
}
std::vector<std::string> problems_of(std::string_view text) {
  std::vector<std::string> lines;
  if (const auto mill = mill_of(text); !mill) {
    for (const Error& error : mill.error()) lines.push_back(error.to_string());
  }
  return lines;
}

TEST(Decoder, AStructIsReadWithItsDefaults) {
  const auto mill = mill_of("colour: red\nwheels: [{name: a, spokes: 3}, b]\nweights: {x: 1}\npause: 1m\n");
  ASSERT_TRUE(mill);
  EXPECT_EQ(mill->colour, Colour::kRed);
  EXPECT_EQ(mill->wheels, (std::vector<Wheel>{{"a", 3}, {"b", 8}}));
  EXPECT_EQ(mill->weights.at("x"), 1.0);
  EXPECT_EQ(mill->pause, 60s);
  EXPECT_EQ(mill->sack, Bytes::mib(1));
}

TEST(Decoder, EveryMistakeIsReportedAtOnceWithPlacePathAndRemedy) {
  EXPECT_THAT(
      problems_of("color: red\n"
                  "wheels:\n"
                  "  - {name: UP, spokes: 65}\n"
                  "  - {spokes: many}\n"
                  "  - 7\n"
                  "weights: {x: heavy}\n"
                  "pause: 30\n"
                  "sack: 3 bushels\n"
                  "runs: yes\n"
                  "sails: 4\n"),
      testing::ElementsAre(
          "mill.yaml:1:1: unknown field \"color\"; did you mean \"colour\"?",
          "mill.yaml:3:12: wheels[0].name: \"UP\" must consist of small letters",
          "mill.yaml:3:24: wheels[0].spokes: 65 is above the maximum 64",
          "mill.yaml:4:14: wheels[1].spokes: expected an integer, found the string \"many\"",
          "mill.yaml:4:5: wheels[1]: the field \"name\" is missing",
          "mill.yaml:5:5: wheels[2]: expected a map (wheel), found an integer 7",
          "mill.yaml:6:14: weights.x: expected a number, found the string \"heavy\"",
          "mill.yaml:7:8: pause: expected a duration such as 30s, found an integer 30; write its unit: "
          "90s, 2h, 1m30s",
          "mill.yaml:8:7: sack: \"3 bushels\" is not a size; write a number with a unit, such as 512MiB "
          "or 10GB",
          "mill.yaml:9:7: runs: expected true or false, found the string \"yes\"; YAML 1.2 knows only "
          "true and false",
          "mill.yaml:10:1: sails: not supported in this release: wind mills"));
}

TEST(Decoder, BoundsWordsAndCrossFieldRulesHold) {
  EXPECT_THAT(problems_of("wheels: []\n"),
              testing::ElementsAre("mill.yaml:1:9: wheels: 0 items are too few; at least 1"));
  EXPECT_THAT(problems_of("wheels: [a]\ncolour: gren\npause: 2h\nweights: {X: 1}\n"),
              testing::ElementsAre("mill.yaml:2:9: colour: \"gren\" is not one of red, green; did you mean "
                                   "\"green\"?",
                                   "mill.yaml:3:8: pause: 2h is above the maximum 60000",
                                   "mill.yaml:4:11: weights.X: \"X\" does not match [a-z]+"));
  EXPECT_THAT(problems_of("wheels: [a, b, c]\nruns: true\n"),
              testing::ElementsAre("mill.yaml:1:1: too many wheels to run"));
  EXPECT_THAT(problems_of("[1]"), testing::ElementsAre("mill.yaml:1:1: expected a map (mill), found a list"));
}

TEST(Decoder, ProblemsCombineToOneErrorALineEach) {
  const Error all = combined(mill_of("wheels: [1]\nruns: 2\n").error());
  EXPECT_EQ(all.to_string(),
            "mill.yaml:1:10: wheels[0]: expected a map (wheel), found an integer 1\n"
            "mill.yaml:2:7: runs: expected true or false, found an integer 2");
}

TEST(Decoder, TheSchemaComesFromTheSameTables) {
  const std::string schema = to_json(schema_of<Mill>());
  EXPECT_THAT(schema, HasSubstr(R"("$ref":"#/$defs/mill")"));
  EXPECT_THAT(schema, HasSubstr(R"("colour":{"enum":["red","green"],"description":"Its colour."})"));
  EXPECT_THAT(schema, HasSubstr(R"("wheels":{"type":"array","items":{"$ref":"#/$defs/wheel"},"minItems":1)"));
  EXPECT_THAT(schema, HasSubstr(R"("spokes":{"type":"integer","minimum":1,"maximum":64)"));
  EXPECT_THAT(schema, HasSubstr(R"("required":["wheels"],"additionalProperties":false)"));
  EXPECT_THAT(schema, testing::Not(HasSubstr("sails")));
  EXPECT_TRUE(read_json(schema, "schema.json"));
}

}  // namespace
}  // namespace headrace::document
