#include "expression/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::expression {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Bindings values() {
  return {{"params", Value::object({{"n", 3}, {"host", "a"}, {"list", Value::list({1})}})},
          {"later", Value::unknown("services.x.members")}};
}
std::expected<Template, Error> template_of(std::string_view yaml) {
  const auto root = document::read_yaml("v: " + std::string(yaml), "a.yaml");
  return Template::parse(*root->find("v"));
}
std::string json_of(std::string_view yaml) {
  const auto made = template_of(yaml);
  if (!made) return made.error().to_string();
  const auto value = made->evaluate(values());
  return value ? document::to_json(to_node(*value)) : value.error().to_string();
}
std::string rendered(std::string_view yaml) {
  const auto text = template_of(yaml)->render(values());
  return text ? *text : text.error().to_string();
}

TEST(Template, ASingleExpressionKeepsItsTypeAndMixedTextIsText) {
  EXPECT_EQ(json_of("\"${{ params.n }}\""), "3");
  EXPECT_EQ(json_of("${{ params.n + 1 }}"), "4");
  EXPECT_EQ(json_of("\"n=${{ params.n }}\""), "\"n=3\"");
  EXPECT_EQ(json_of("\"${{ params.host }}:${{ params.n }}\""), "\"a:3\"");
  EXPECT_EQ(json_of("\"${{ {'a': {'b': 1}}['a']['b'] }}\""), "1");
  EXPECT_EQ(json_of("\"${{ 'a}}b' }}\""), "\"a}}b\"");
  EXPECT_EQ(json_of("7"), "7");
  EXPECT_EQ(json_of("true"), "true");
  EXPECT_EQ(json_of("plain"), "\"plain\"");
  EXPECT_EQ(json_of("\"\""), "\"\"");
  EXPECT_EQ(json_of("\"$${{ literal }} $HOME ${x} {{ y }}\""), "\"${{ literal }} $HOME ${x} {{ y }}\"");
}

TEST(Template, RenderingGivesTextAsWritten) {
  EXPECT_EQ(rendered("1.50"), "1.50");
  EXPECT_EQ(rendered("\"${{ params.n }}\""), "3");
  EXPECT_EQ(rendered("\"x ${{ later }}\""), "a.yaml:1:5: waits for services.x.members");
  EXPECT_THAT(rendered("\"${{ params.list }}\""), HasSubstr("list has no text"));
}

TEST(Template, MistakesHaveTheirPlaceInTheFile) {
  EXPECT_EQ(json_of("\"${{ 1 + }}\""), "a.yaml:1:13: expected a value, found \"}\"");
  EXPECT_THAT(json_of("${{ 'a #b' }}"), HasSubstr("quote the value"));
  EXPECT_EQ(json_of("\"a ${{ 1 / 0 }}\""), "a.yaml:1:7: division by zero");
  EXPECT_EQ(json_of("\"${{ params.list }} x\""), "a.yaml:1:5: list cannot be inserted into text");
}

TEST(Template, CheckingFindsSecretsListsAndTypos) {
  const Scope scope{{"params", Type::object("parameter", {{"n", Type::integer()},
                                                          {"list", Type::list(Type::string())},
                                                          {"token", Type::string().only(Use::kSecret)}})}};
  const auto problems_of = [&](std::string_view yaml) {
    document::Problems problems;
    template_of(yaml)->check(scope, problems);
    std::vector<std::string> texts;
    for (const Error& each : problems) texts.push_back(each.to_string());
    return texts;
  };
  EXPECT_THAT(problems_of("\"${{ params.token }}\""), ElementsAre());
  EXPECT_THAT(
      problems_of("\"x ${{ params.token }}\""),
      ElementsAre(
          "a.yaml:1:7: a secret cannot be a part of a text; pass it on whole as a file under secrets"));
  EXPECT_THAT(problems_of("\"x ${{ params.list }} ${{ params.m }}\""),
              ElementsAre("a.yaml:1:7: list(string) cannot be inserted into text; join it: ….join(',')",
                          "a.yaml:1:37: unknown parameter \"m\"; did you mean \"n\"?"));
}

TEST(Template, ReferencesComeFromAllItsExpressions) {
  std::vector<std::string> found;
  for (const Reference& each : template_of("\"${{ a.b }}/${{ c }}\"")->references())
    found.push_back(each.to_string());
  EXPECT_THAT(found, ElementsAre("a.b", "c"));
}

TEST(Template, IsReadByTheDecoder) {
  const auto root = document::read_yaml("{a: \"${{ 1 }}\", b: [1]}", "a.yaml");
  const auto decoded = document::decode<std::map<std::string, Template>>(*root);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error()[0].to_string(),
            "a.yaml:1:20: b: expected a value or an expression, found a list");
}

}  // namespace
}  // namespace headrace::expression
