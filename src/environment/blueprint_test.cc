#include "environment/blueprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "environment/graph.h"

namespace headrace::environment {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kMain = R"(blueprint: stream
version: 1.2.0
description: A small platform.
parameters:
  brokers: { type: integer, default: 3, minimum: 1, maximum: 9 }
  ratio: { type: number, default: 1 }
  mode: { default: fast, enum: [fast, safe] }
  token: { secret: true, default: x-token }
  topics: { type: list, default: [tweets] }
profiles:
  laptop: { agents: 1, parameters: { brokers: 1 } }
images: { kafka: headrace/kafka, app: headrace/app }
interfaces:
  kafka/v1: { servers: string }
  http/v1: { url: string, port: integer }
components:
  web:
    parameters: { token: "${{ params.token }}", ratio: 2 }
  kafka:
    parameters: { brokers: "${{ params.brokers }}" }
outputs:
  address: "${{ components.web.http.url }}"
)";

constexpr const char* kKafka = R"(component: kafka
version: 1.0.0
parameters:
  brokers: { type: integer, default: 1 }
generated:
  cluster_id: { kind: uuid, encoding: base64url }
  directory: { kind: uuid, per: slot }
  password: { kind: password }
provides:
  kafka:
    type: kafka/v1
    servers: "${{ services.broker.members.map(m, m.address + ':' + string(m.ports.client)).join(',') }}"
services:
  broker:
    image: kafka
    count: "${{ params.brokers }}"
    identity: ordinal
    command: [run, "--id", "${{ self.slot }}"]
    env:
      LISTEN: "${{ self.address }}:${{ self.ports.client }}"
      DIRECTORY: "${{ generated.directory[self.slot] }}"
      CLUSTER: "${{ generated.cluster_id }}"
      CONTROLLERS: "${{ services.controller.ready.map(m, m.address).join(',') }}"
    secrets: { password: "${{ generated.password }}" }
    resources: { cpus: 0.5, memory: 1GiB }
    ports: [client]
    volumes: { data: { path: /var/lib/kafka, size: 10GiB } }
    spread: { by: agent, mode: preferred }
    ready: { command: [/opt/probe, kafka], grace: 2m }
  controller:
    image: kafka
    identity: ordinal
    ports: { quorum: { kind: per-slot } }
launch:
  - create-topics: { image: kafka, command: [create, "${{ item }}"], for_each: "${{ ['a', 'b'] }}", idempotent: true }
  - check: { image: kafka, every: 2s, timeout: 1m }
commands:
  settled: { steps: [ { wait: { image: kafka, every: 1s } } ] }
  scale:
    arguments: { to: { type: integer } }
    sets: [brokers]
    steps: [ { grow: { image: kafka, command: [grow, "${{ string(args.to) }}"] } } ]
)";

constexpr const char* kWeb = R"(component: web
version: 2.0.0
parameters:
  token: { secret: true }
  ratio: { type: number, default: 0.5 }
requires: { stream: { type: kafka/v1, on_change: restart } }
provides:
  http: { type: http/v1, url: "http://${{ services.app.members[0].address }}", port: "${{ services.app.members[0].ports.web }}" }
services:
  app:
    image: app
    env: { SERVERS: "${{ requires.stream.servers }}", ADDRESS: "${{ self.address }}:${{ self.ports.web }}" }
    secrets: { token: { value: "${{ params.token }}", path: /token } }
    ports: [web]
    ready: { http: { port: web, path: /health }, interval: 1s }
commands:
  more:
    arguments: { to: { type: integer, default: 2 } }
    steps: [ { grow: { scale: app, to: "${{ args.to }}" } } ]
)";

using Files = std::map<std::string, std::string>;

Files files() {
  return {{"blueprint.yaml", kMain}, {"components/kafka.yaml", kKafka}, {"components/web.yaml", kWeb}};
}
// The files with one text replaced by another.
Files changed(const std::string& file, const std::string& from, const std::string& to) {
  Files made = files();
  std::string& text = made.at(file);
  const size_t at = text.find(from);
  CHECK(at != std::string::npos);
  text.replace(at, from.size(), to);
  return made;
}
Files in_main(const std::string& from, const std::string& to) {
  return changed("blueprint.yaml", from, to);
}
Files in_kafka(const std::string& from, const std::string& to) {
  return changed("components/kafka.yaml", from, to);
}
Files in_web(const std::string& from, const std::string& to) {
  return changed("components/web.yaml", from, to);
}
std::vector<std::string> errors_of(const Files& source) {
  std::vector<std::string> texts;
  for (const Error& error : load_blueprint({source}).errors) texts.push_back(error.to_string());
  return texts;
}

TEST(Blueprint, AGoodOneIsLoadedWholeAndInLaunchOrder) {
  const Loaded loaded = load_blueprint({files()});
  ASSERT_THAT(errors_of(files()), IsEmpty());
  const Blueprint& blueprint = *loaded.blueprint;
  EXPECT_EQ(blueprint.name, "stream");
  EXPECT_EQ(blueprint.digest.size(), 64u);
  EXPECT_EQ(blueprint.parameters.at("ratio").default_value->kind, document::Kind::kNumber);
  ASSERT_EQ(blueprint.components.size(), 2u);
  const Component& kafka = blueprint.components[0];
  const Component& web = blueprint.components[1];
  EXPECT_EQ(kafka.name, "kafka");
  EXPECT_EQ(web.bindings.at("stream"), (std::pair<std::string, std::string>("kafka", "kafka")));

  ASSERT_EQ(kafka.services.size(), 2u);
  EXPECT_EQ(kafka.services[0].name, "controller");  // the broker uses its `ready`
  const Service& broker = kafka.services[1];
  EXPECT_THAT(broker.after, ElementsAre("controller"));
  EXPECT_TRUE(broker.ordinal);
  EXPECT_EQ(broker.cpus, 0.5);
  EXPECT_EQ(broker.memory, Bytes::gib(1));
  EXPECT_EQ(broker.ports[0].kind, process::PortKind::kFixed);
  EXPECT_EQ(kafka.services[0].ports[0].kind, process::PortKind::kPerSlot);
  EXPECT_EQ(web.services[0].ports[0].kind, process::PortKind::kDynamic);
  EXPECT_EQ(broker.volumes[0].size, Bytes::gib(10));
  EXPECT_EQ(broker.constraints[0].field, "@agent");
  EXPECT_TRUE(broker.constraints[0].preferred);
  EXPECT_EQ(broker.ready->grace, 2min);
  EXPECT_EQ(broker.secrets[0].path, "/run/secrets/password");
  EXPECT_EQ(web.services[0].secrets[0].path, "/token");
  EXPECT_EQ(web.services[0].ready->kind, cluster::CheckKind::kHttp);
  EXPECT_EQ(web.services[0].ready->port, "web");

  EXPECT_EQ(kafka.launch[0].name, "create-topics");
  EXPECT_EQ(kafka.launch[1].kind, Step::Kind::kWaitUntil);
  EXPECT_THAT(kafka.launch[1].needs, ElementsAre("create-topics"));
  EXPECT_EQ(web.commands[0].steps[0].kind, Step::Kind::kScale);
  EXPECT_EQ(web.commands[0].arguments[0].default_value->integer, 2);
  EXPECT_EQ(web.settings.at("ratio").render({}), "2");
}

TEST(Blueprint, TheSameFilesGiveTheSameDigest) {
  EXPECT_EQ(load_blueprint({files()}).blueprint->digest, load_blueprint({files()}).blueprint->digest);
  EXPECT_NE(load_blueprint({files()}).blueprint->digest,
            load_blueprint({in_main("default: 3", "default: 4")}).blueprint->digest);
}

TEST(Blueprint, UnknownNamesAreReportedWithTheirPlaceAndTheNearestKnownOne) {
  EXPECT_THAT(
      errors_of(in_kafka("image: kafka\n    count", "image: kafak\n    count")),
      ElementsAre("components/kafka.yaml:15:12: services.broker.image: there is no image \"kafak\"; did "
                  "you mean \"kafka\"?"));
  EXPECT_THAT(errors_of(in_main("  kafka:\n    param", "  kafak:\n    param")),
              ElementsAre("blueprint.yaml:20:5: components.kafak: there is no component \"kafak\": no file "
                          "components/kafak.yaml; did you mean \"kafka\"?"));
  EXPECT_THAT(errors_of(in_main("{ brokers: \"", "{ broker: \"")),
              Contains("blueprint.yaml:20:27: components.kafka.parameters.broker: kafka has no parameter "
                       "\"broker\"; did you mean \"brokers\"?"));
  EXPECT_THAT(errors_of(in_main("parameters: { brokers: 1 }", "parameters: { broker: 1 }")),
              Contains(HasSubstr("profiles.laptop.parameters.broker: there is no parameter \"broker\"")));
  EXPECT_THAT(errors_of(in_kafka("sets: [brokers]", "sets: [broker]")),
              Contains(HasSubstr("commands.scale.sets: there is no parameter \"broker\"")));
  EXPECT_THAT(errors_of(in_web("scale: app,", "scale: ap,")),
              Contains(HasSubstr("commands.more.steps.grow.scale: there is no service \"ap\"")));
  EXPECT_THAT(errors_of(in_web("port: web, path", "port: wob, path")),
              Contains(HasSubstr("services.app.ready: there is no port \"wob\"")));
  EXPECT_THAT(errors_of(in_kafka("every: 2s,", "needs: [nothing], every: 2s,")),
              Contains(HasSubstr("launch.check.needs: there is no step \"nothing\"")));
  EXPECT_THAT(
      errors_of(in_kafka("component: kafka", "component: cassandra")),
      Contains("components/kafka.yaml:1:12: component: the file of \"kafka\" describes \"cassandra\"; "
               "name the file after its component"));
}

TEST(Blueprint, UnknownFieldsAndWrongTypesOfAllFilesAreReportedAtOnce) {
  Files bad = in_kafka("identity: ordinal\n    command", "identiy: ordinal\n    command");
  bad["components/web.yaml"] = "component: web\nversion: 1\nservices: { app: { ports: web } }\n";
  EXPECT_THAT(
      errors_of(bad),
      ElementsAre(
          HasSubstr("components/kafka.yaml:17:5: services.broker: unknown field \"identiy\"; did "
                    "you mean \"identity\"?"),
          HasSubstr("components/web.yaml:2:10: version: expected a string, found an integer 1"),
          HasSubstr(
              "components/web.yaml:3:27: services.app.ports: expected a map by name, or a list of names"),
          HasSubstr("components/web.yaml:3:18: services.app: the field \"image\" is missing")));
  EXPECT_THAT(
      errors_of({{"components/kafka.yaml", kKafka}}),
      ElementsAre("blueprint.yaml: there is no blueprint.yaml; a blueprint is a folder that holds one"));
  EXPECT_THAT(errors_of(in_main("version: 1.2.0", "version: { x")),
              ElementsAre(HasSubstr("blueprint.yaml:")));
}

TEST(Blueprint, ExpressionsAreTypedAgainstParametersAndInterfaces) {
  EXPECT_THAT(
      errors_of(in_kafka("count: \"${{ params.brokers }}\"", "count: \"${{ params.brokrs }}\"")),
      ElementsAre("components/kafka.yaml:16:24: services.broker.count: unknown parameter \"brokrs\"; did "
                  "you mean \"brokers\"?"));
  EXPECT_THAT(errors_of(in_kafka("count: \"${{ params.brokers }}\"", "count: \"${{ 'many' }}\"")),
              ElementsAre(HasSubstr("services.broker.count: expected an integer, found string")));
  EXPECT_THAT(errors_of(in_web("requires.stream.servers", "requires.stream.server")),
              ElementsAre(HasSubstr("unknown attribute of kafka/v1 \"server\"; did you mean \"servers\"?")));
  EXPECT_THAT(errors_of(in_web("requires.stream.servers", "services.app.members")),
              Contains(HasSubstr("app would wait for itself")));
  EXPECT_THAT(errors_of(in_web("port: \"${{ services.app.members[0].ports.web }}\"", "port: high")),
              ElementsAre(HasSubstr("provides.http.port: expected integer, found string")));
  EXPECT_THAT(errors_of(in_web(", port: \"${{ services.app.members[0].ports.web }}\"", "")),
              ElementsAre(HasSubstr("provides.http: the attribute \"port\" of http/v1 is missing")));
  EXPECT_THAT(errors_of(in_main("components.web.http.url", "components.web.http.uri")),
              ElementsAre(HasSubstr("unknown attribute of http/v1 \"uri\"; did you mean \"url\"?")));
  EXPECT_THAT(errors_of(in_main("ratio: 2", "ratio: \"${{ params.brokers }}\"")),
              ElementsAre(HasSubstr("expected number, found int; double(…) turns an integer into a number")));
  EXPECT_THAT(errors_of(in_main("ratio: 2", "ratio: lots")),
              ElementsAre(HasSubstr("ratio: expected a number, found the string \"lots\"")));
  EXPECT_THAT(errors_of(in_main("token: \"${{ params.token }}\", ", "")),
              ElementsAre(HasSubstr("the parameter \"token\" of web has no default and must be given")));
}

TEST(Blueprint, WhatMustBeKnownWhenPlannedCannotDependOnPlacement) {
  EXPECT_THAT(errors_of(in_kafka("count: \"${{ params.brokers }}\"",
                                 "count: \"${{ services.controller.members.size() }}\"")),
              ElementsAre(HasSubstr("services.broker.count: this must be known before anything is placed")));
  EXPECT_THAT(errors_of(in_kafka("cpus: 0.5", "cpus: \"${{ double(self.slot) }}\"")),
              ElementsAre(HasSubstr("unknown name \"self\"")));
  EXPECT_THAT(errors_of(in_web("${{ self.address }}:", "${{ self.address.size() }}:")),
              ElementsAre(HasSubstr("exists only inside the container and cannot be computed with")));
}

TEST(Blueprint, ASecretGoesOnlyWhereSecretsMayGo) {
  EXPECT_THAT(
      errors_of(in_web("SERVERS: \"${{ requires.stream.servers }}\"", "SERVERS: \"${{ params.token }}\"")),
      ElementsAre(HasSubstr("services.app.env.SERVERS: a secret cannot go here; only files under")));
  EXPECT_THAT(
      errors_of(in_web("SERVERS: \"${{ requires.stream.servers }}\"", "SERVERS: \"x${{ params.token }}\"")),
      ElementsAre(HasSubstr("a secret cannot be a part of a text")));
  EXPECT_THAT(
      errors_of(in_web("value: \"${{ params.token }}\"", "value: \"${{ requires.stream.servers }}\"")),
      ElementsAre(HasSubstr("services.app.secrets.token: this is not a secret")));
  EXPECT_THAT(
      errors_of(in_kafka("servers: \"${{ services", "servers: \"${{ true ? generated.password : services")),
      ElementsAre(HasSubstr("provides.kafka.servers: a secret cannot go here")));
  EXPECT_THAT(errors_of(in_main("token: \"${{ params.token }}\"", "token: \"${{ params.mode }}\"")),
              ElementsAre(HasSubstr("the parameter \"token\" takes a secret")));
  EXPECT_THAT(
      errors_of(in_main("address: \"${{ components.web.http.url }}\"", "address: \"${{ params.token }}\"")),
      ElementsAre(HasSubstr("a secret cannot be an output")));
  EXPECT_THAT(errors_of(in_kafka("kind: password }", "kind: password, per: slot }")),
              Contains(HasSubstr("not supported in this release: a password per slot")));
}

TEST(Blueprint, MissingAndAmbiguousBindingsAndOtherVersionsAreNamed) {
  EXPECT_THAT(errors_of(in_main("  kafka/v1: { servers: string }",
                                "  kafka/v1: { servers: string }\n  kafka/v2: { servers: string }")),
              IsEmpty());
  Files other_version = in_main("  kafka/v1: { servers: string }",
                                "  kafka/v1: { servers: string }\n  kafka/v2: { servers: string }");
  other_version["components/web.yaml"].replace(other_version["components/web.yaml"].find("kafka/v1"), 8,
                                               "kafka/v2");
  EXPECT_THAT(
      errors_of(other_version),
      ElementsAre("blueprint.yaml:19:5: components.web.bind.stream: \"stream\" of web is not bound: no "
                  "component provides kafka/v2; kafka.kafka is kafka/v1"));
  EXPECT_THAT(
      errors_of(in_web("type: kafka/v1", "type: kafka/v3")),
      Contains(HasSubstr("requires.stream.type: there is no interface \"kafka/v3\", only \"kafka/v1\"")));
  const Files two = in_main("  kafka:\n", "  second: { component: kafka }\n  kafka:\n");
  EXPECT_THAT(
      errors_of(two),
      ElementsAre("blueprint.yaml:18:5: components.web.bind.stream: \"stream\" of web could be bound to "
                  "kafka.kafka or second.kafka; say which: bind: { stream: kafka.kafka }"));
  Files chosen = two;
  chosen["blueprint.yaml"].replace(chosen["blueprint.yaml"].find("  web:\n"), 7,
                                   "  web:\n    bind: { stream: second }\n");
  EXPECT_THAT(errors_of(chosen), IsEmpty());
  EXPECT_THAT(errors_of(in_main("  web:\n", "  web:\n    bind: { strem: kafka }\n")),
              ElementsAre(HasSubstr("web requires nothing named \"strem\"; did you mean \"stream\"?")));
  EXPECT_THAT(errors_of(in_main("  web:\n", "  web:\n    bind: { stream: kafca }\n")),
              ElementsAre(HasSubstr("there is no component \"kafca\"; did you mean \"kafka\"?")));
  EXPECT_THAT(errors_of(in_main("  web:\n", "  web:\n    bind: { stream: \"shared:kafka\" }\n")),
              ElementsAre(HasSubstr("not supported in this release: binding to another environment")));
}

TEST(Blueprint, CyclesAreRefusedNamingTheirPath) {
  Files cycle = in_kafka("services:\n", "requires: { page: { type: http/v1 } }\nservices:\n");
  EXPECT_THAT(
      errors_of(cycle),
      ElementsAre(
          "blueprint.yaml:20:5: components.kafka: components require each other: kafka → web → kafka"));
  EXPECT_THAT(errors_of(in_kafka("ports: { quorum", "after: [broker]\n    ports: { quorum")),
              ElementsAre(HasSubstr("services wait for each other: broker → controller → broker")));
  EXPECT_THAT(errors_of(in_kafka("for_each:", "needs: [check], for_each:")),
              ElementsAre(HasSubstr("steps need each other: check → create-topics → check")));
}

TEST(Blueprint, SlotsAreNeededByWhatBelongsToThem) {
  EXPECT_THAT(errors_of(in_kafka("identity: ordinal\n    command", "command")),
              Contains(HasSubstr("services.broker: volumes need slots; set identity: ordinal")));
  EXPECT_THAT(errors_of(in_kafka("identity: ordinal\n    ports", "ports")),
              Contains(HasSubstr("a port per slot needs slots")));
}

TEST(Blueprint, AStepIsOfExactlyOneKind) {
  EXPECT_THAT(errors_of(in_web("grow: { scale: app, ", "grow: { ")),
              Contains(HasSubstr("a step has exactly one of image and scale")));
  EXPECT_THAT(errors_of(in_web("grow: { scale: app, ", "grow: { image: app, scale: app, ")),
              Contains(HasSubstr("a step has exactly one of image and scale")));
}

TEST(Blueprint, WhatIsNotBuiltIsRefusedByItsNameWithItsPlace) {
  EXPECT_THAT(
      errors_of(in_web("grow: { scale: app, to: \"${{ args.to }}\" }", "grow: { restart: app }")),
      ElementsAre("components/web.yaml:19:24: commands.more.steps.grow.restart: not supported in this "
                  "release: a restart step"));
  EXPECT_THAT(
      errors_of(in_web("grow: { scale: app, to: \"${{ args.to }}\" }", "grow: { call: kafka.settled }")),
      ElementsAre(
          HasSubstr("not supported in this release: a step that calls a command of another component")));
  EXPECT_THAT(
      errors_of(in_kafka("{ image: kafka, command: [grow, \"${{ string(args.to) }}\"] }",
                         "{ scale: broker, to: \"${{ args.to }}\" }")),
      ElementsAre(HasSubstr(
          "commands.scale.steps.grow.scale: not supported in this release: a step that scales an ordinal")));
  EXPECT_THAT(errors_of(in_kafka("    ready: {", "    update: { gate: settled }\n    ready: {")),
              ElementsAre(HasSubstr("services.broker.update: not supported in this release: update.gate")));
  EXPECT_THAT(
      errors_of(in_web("on_change: restart", "on_change: reload")),
      ElementsAre(HasSubstr(
          "components/web.yaml:6:50: requires.stream.on_change: not supported in this release: on_change: "
          "reload")));
}

TEST(Blueprint, ArgumentsOfCommandsAreChecked) {
  EXPECT_THAT(errors_of(in_web("{ type: integer, default: 2 }", "{ type: integer, default: two }")),
              ElementsAre(HasSubstr("to: expected an integer, found the string \"two\"")));
  EXPECT_THAT(errors_of(in_web("commands:\n", "commands:\n  rename: { sets: [token] }\n")),
              ElementsAre(HasSubstr("commands.rename.sets: a command cannot set a secret")));
}

TEST(Blueprint, AServiceStopsBeforeWhatItRefersTo) {
  const auto stops = [](const Files& source) {
    std::map<std::string, std::vector<std::string>> stops;
    const Loaded loaded = load_blueprint({source});
    for (const Error& error : loaded.errors) ADD_FAILURE() << error.to_string();
    for (const Service& service : loaded.blueprint->find("kafka")->services)
      stops[service.name] = service.stops_before;
    return stops;
  };
  using Names = std::vector<std::string>;
  // `ready` means order at the start too; members of a service with slots only at the end.
  EXPECT_EQ(stops(files()).at("broker"), Names{"controller"});
  const Files members = in_kafka("controller.ready.map", "controller.members.map");
  EXPECT_EQ(stops(members).at("broker"), Names{"controller"});
  EXPECT_EQ(load_blueprint({members}).blueprint->find("kafka")->services[1].after, Names{});
  // Both ways: neither is first.
  Files both = members;
  std::string& kafka = both.at("components/kafka.yaml");
  kafka.replace(kafka.find("    ports: { quorum"), 0,
                "    env: { BROKERS: \"${{ services.broker.members.map(m, m.address).join(',') }}\" }\n");
  EXPECT_EQ(stops(both).at("broker"), Names{});
}

TEST(Blueprint, EveryShippedOneLoads) {
  namespace fs = std::filesystem;
  const fs::path root = BLUEPRINTS;
  for (const char* name : {"hello", "in-stream-processing"}) {
    Files source;
    for (const fs::path& folder : {root / name, root / name / "components"}) {
      for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() != ".yaml") continue;
        std::ifstream file(entry.path());
        source[fs::relative(entry.path(), root / name).string()] = {std::istreambuf_iterator<char>(file), {}};
      }
    }
    EXPECT_THAT(errors_of(source), IsEmpty());
  }
}

TEST(Parameters, LayersAreDefaultsThenProfileThenGiven) {
  const Loaded loaded = load_blueprint({files()});
  const Values values =
      resolve_parameters(*loaded.blueprint, "laptop", {{"mode", "\"safe\""}, {"ratio", "3"}});
  EXPECT_THAT(values.errors, IsEmpty());
  EXPECT_EQ(values.values.at("brokers").integer, 1);
  EXPECT_EQ(values.values.at("mode").text, "safe");
  EXPECT_EQ(values.values.at("ratio").kind, document::Kind::kNumber);
  EXPECT_EQ(values.values.at("topics").items.size(), 1u);
}

TEST(Parameters, EveryBadValueIsReported) {
  const Loaded loaded = load_blueprint({files()});
  const Values values = resolve_parameters(
      *loaded.blueprint, "labtop",
      {{"brokers", "10"}, {"mode", "\"fest\""}, {"ratio", "\"x\""}, {"topics", "{"}, {"brokres", "1"}});
  std::vector<std::string> texts;
  for (const Error& error : values.errors) texts.push_back(error.to_string());
  EXPECT_THAT(
      texts,
      ElementsAre("stream has no profile \"labtop\"; did you mean \"laptop\"?",
                  "parameter brokers:1:1: brokers: 10 is above the maximum 9",
                  "stream has no parameter \"brokres\"; did you mean \"brokers\"?",
                  "parameter mode:1:1: mode: \"fest\" is not one of fast, safe; did you mean \"fast\"?",
                  "parameter ratio:1:1: ratio: expected a number, found the string \"x\"",
                  HasSubstr("parameter topics:1:2: not JSON")));
}

TEST(Schema, EditorsAreToldOfEveryField) {
  for (const std::string& schema : {blueprint_schema(), component_schema()}) {
    EXPECT_TRUE(document::read_json(schema, "schema"));
    EXPECT_THAT(schema, HasSubstr("\"additionalProperties\": false"));
  }
  EXPECT_THAT(component_schema(), HasSubstr("\"identity\""));
}

TEST(Graph, TheOrderTakesWhatIsNeededFirst) {
  EXPECT_THAT(order_of({{"a", {"c"}}, {"b", {}}, {"c", {}}}).names, ElementsAre("b", "c", "a"));
  EXPECT_THAT(order_of({{"a", {"b"}}, {"b", {"c"}}, {"c", {"b"}}, {"d", {}}}).cycle,
              ElementsAre("b", "c", "b"));
}

}  // namespace
}  // namespace headrace::environment
