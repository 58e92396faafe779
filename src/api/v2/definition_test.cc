// Marathon's definitions: what is accepted and how it is understood, and everything that is refused.
#include "api/v2/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/v2/views.h"

namespace headrace::api::v2 {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

const process::Service& service_of(const process::AppSpec& spec) {
  return std::get<process::Service>(spec.kind);
}

std::map<std::string, std::string> errors_of(std::string_view body) {
  const auto parsed = parse_app(body);
  EXPECT_FALSE(parsed) << body;
  std::map<std::string, std::string> errors;
  if (parsed) return errors;
  for (const auto& [path, list] : parsed.error().details)
    errors[path] = fmt::format("{}", fmt::join(list, "; "));
  return errors;
}

// A valid app with more fields.
std::string with(std::string_view more) {
  return fmt::format(R"json({{"id": "/web", "container": {{"docker": {{"image": "web:1"}}}}, {}}})json",
                     more);
}

TEST(Definition, TheSmallestAppGetsMarathonsDefaults) {
  const auto spec =
      parse_app(R"json({"id": "web", "cmd": "sleep 100", "container": {"docker": {"image": "web:1"}}})json");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->id.str(), "/web");
  EXPECT_EQ(service_of(*spec).instances, 1);
  EXPECT_EQ(spec->resources, (cluster::Resources{.cpus = 1, .memory = Bytes::mib(128)}));
  EXPECT_EQ(spec->backoff, process::Backoff{});
  EXPECT_EQ(service_of(*spec).settings.task.entrypoint, std::vector<std::string>{"/bin/sh"});
  EXPECT_EQ(service_of(*spec).settings.task.args, (std::vector<std::string>{"-c", "sleep 100"}));
  ASSERT_EQ(spec->ports.size(), 1u);
  EXPECT_EQ(spec->ports[0].name, "default");
  EXPECT_EQ(spec->ports[0].kind, process::PortKind::kDynamic);
}

TEST(Definition, EveryFieldIsUnderstood) {
  const auto spec = parse_app(R"json({
    "id": "/shop/web", "args": ["serve", "$(date)"], "user": "www", "env": {"A": "1", "B": "$(HOST)"},
    "instances": 3, "cpus": 0.25, "mem": 64, "disk": 10,
    "container": {"type": "DOCKER", "docker": {"image": "web:1"},
                  "portMappings": [{"containerPort": 80, "hostPort": 0, "name": "http", "labels": {"VIP_0": "x"}},
                                   {"containerPort": 53, "hostPort": 5353, "protocol": "udp"}]},
    "networks": [{"mode": "container/bridge"}],
    "healthChecks": [{"protocol": "HTTP", "path": "/health", "portIndex": 0, "gracePeriodSeconds": 5,
                      "intervalSeconds": 2, "timeoutSeconds": 1, "maxConsecutiveFailures": 4}],
    "constraints": [["hostname", "UNIQUE"], ["rack", "LIKE", "r[12]"], ["@hostname", "MAX_PER", "2"]],
    "labels": {"team": "a"}, "backoffSeconds": 2, "backoffFactor": 1.5, "maxLaunchDelaySeconds": 60,
    "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.2},
    "taskKillGracePeriodSeconds": 7})json");
  ASSERT_TRUE(spec);
  const cluster::TaskSpec& task = service_of(*spec).settings.task;
  EXPECT_EQ(task.args, (std::vector<std::string>{"serve", "$$(date)"})) << "users' texts are literal";
  EXPECT_EQ(task.env.at("B"), "$$(HOST)");
  EXPECT_EQ(task.user, "www");
  EXPECT_EQ(task.network, cluster::Network::kBridge);
  EXPECT_EQ(task.grace, 7s);
  EXPECT_EQ(spec->resources.cpus, 0.25);
  ASSERT_EQ(spec->ports.size(), 2u);
  EXPECT_EQ(spec->ports[0].container_port, 80);
  EXPECT_EQ(spec->ports[0].kind, process::PortKind::kDynamic);
  EXPECT_EQ(spec->ports[1].name, "port1");
  EXPECT_EQ(spec->ports[1].number, 5353);
  EXPECT_EQ(spec->ports[1].protocol, cluster::Protocol::kUdp);
  EXPECT_EQ(*task.check, (cluster::Check{.kind = cluster::CheckKind::kHttp,
                                         .path = "/health",
                                         .port = "http",
                                         .interval = 2s,
                                         .timeout = 1s,
                                         .grace = 5s,
                                         .failures = 4}));
  ASSERT_EQ(spec->constraints.size(), 3u);
  EXPECT_EQ(spec->constraints[1].op, cluster::Operator::kLike);
  EXPECT_EQ(spec->constraints[2].field, "hostname");
  EXPECT_EQ(service_of(*spec).upgrade.maximum_over_capacity, 0.2);
  EXPECT_EQ(spec->backoff, (process::Backoff{.initial = 2s, .factor = 1.5, .maximum = 60s}));
}

TEST(Definition, RequiredPortsAreFixedOnTheHost) {
  const auto spec = parse_app(with(
      R"json("requirePorts": true, "portDefinitions": [{"port": 8080, "name": "http"}, {"port": 0}])json"));
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->ports[0].number, 8080);
  EXPECT_EQ(spec->ports[1].kind, process::PortKind::kDynamic);
  const auto not_required = parse_app(with(R"json("portDefinitions": [{"port": 8080, "name": "http"}])json"));
  EXPECT_EQ(not_required->ports[0].kind, process::PortKind::kDynamic);
  EXPECT_TRUE(parse_app(with(R"json("portDefinitions": [])json"))->ports.empty());
}

TEST(Definition, ACommandCheckRunsInTheShell) {
  const auto spec =
      parse_app(with(R"json("healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}}])json"));
  ASSERT_TRUE(spec);
  EXPECT_EQ(service_of(*spec).settings.task.check->command,
            (std::vector<std::string>{"/bin/sh", "-c", "true"}));
}

TEST(Definition, AnUnknownFieldIsRefusedWithTheNearestName) {
  const auto errors =
      errors_of(with(R"json("instnces": 2, "upgradeStrategy": {"minimumHealthCapcity": 1})json"));
  EXPECT_THAT(errors.at("/instnces"), HasSubstr("did you mean \"instances\"?"));
  EXPECT_THAT(errors.at("/upgradeStrategy/minimumHealthCapcity"), HasSubstr("minimumHealthCapacity"));
}

TEST(Definition, EveryErrorIsInOneAnswerWithItsPath) {
  const auto errors =
      errors_of(R"json({"id": "/UPPER", "cpus": -1, "instances": "two", "cmd": "a", "args": ["b"],
    "container": {"docker": {"image": ""}},
    "healthChecks": [{"protocol": "TCP", "portIndex": 4}], "constraints": [["a"], ["a", "NEAR"]],
    "networks": [{"mode": "sideways"}]})json");
  for (const char* path :
       {"/id", "/cpus", "/instances", "/", "/container/docker/image", "/healthChecks(0)/portIndex",
        "/constraints(0)", "/constraints(1)", "/networks(0)/mode"}) {
    EXPECT_TRUE(errors.contains(path)) << path;
  }
  EXPECT_EQ(errors.at("/instances"), "error.expected.jsnumber");
}

TEST(Definition, WhatCannotBeReadIsRefusedAsMarathonDoes) {
  EXPECT_EQ(parse_app("{").error().status, 400);
  EXPECT_EQ(parse_app("{").error().message, "Invalid JSON");
  EXPECT_EQ(parse_app("[]").error().status, 400);
  const auto types = parse_app(with(R"json("cpus": "x")json"));
  EXPECT_EQ(types.error().status, 422);
  EXPECT_EQ(types.error().message, "Invalid JSON");
  EXPECT_EQ(parse_app(with(R"json("cpus": -1)json")).error().message, "Object is not valid");
  EXPECT_EQ(parse_app(std::string(10'000, '[')).error().status, 400) << "depth is bounded";
}

struct Case {
  const char* body;
  const char* path;
};

TEST(Definition, WhatThisReleaseDoesNotHaveIsNamedNotIgnored) {
  const std::vector<Case> cases{
      {R"json("fetch": [{"uri": "http://x"}])json", "/fetch"},
      {R"json("gpus": 1)json", "/gpus"},
      {R"json("readinessChecks": [{}])json", "/readinessChecks"},
      {R"json("dependencies": ["/db"])json", "/dependencies"},
      {R"json("secrets": {"a": {"source": "b"}})json", "/secrets"},
      {R"json("env": {"A": {"secret": "a"}})json", "/env/A"},
      {R"json("resourceLimits": {"cpus": 2})json", "/resourceLimits"},
      {R"json("role": "prod")json", "/role"},
      {R"json("killSelection": "OLDEST_FIRST")json", "/killSelection"},
      {R"json("unreachableStrategy": "disabled")json", "/unreachableStrategy"},
      {R"json("networks": [{"mode": "container", "name": "overlay"}])json", "/networks(0)"},
      {R"json("healthChecks": [{"protocol": "HTTPS"}])json", "/healthChecks(0)/protocol"},
      {R"json("healthChecks": [{"protocol": "TCP"}, {"protocol": "TCP"}])json", "/healthChecks(1)"},
      {R"json("constraints": [["@zone", "UNIQUE"]])json", "/constraints(0)"},
      {R"json("uris": ["http://x"])json", "/uris"},
      {R"json("ports": [80])json", "/ports"},
      {R"json("ipAddress": {"networkName": "x"})json", "/ipAddress"},
  };
  for (const Case& each : cases) {
    EXPECT_THAT(errors_of(with(each.body)), Contains(Pair(each.path, HasSubstr("not in this release"))));
  }
  const auto volumes =
      errors_of(R"json({"id": "/a", "container": {"docker": {"image": "i", "privileged": true},
    "volumes": [{"containerPath": "/a", "hostPath": "/etc", "mode": "RO"},
                {"containerPath": "d", "mode": "RW", "persistent": {"size": 10}}]}})json");
  EXPECT_THAT(volumes.at("/container/volumes(0)"), HasSubstr("refused"));
  EXPECT_THAT(volumes.at("/container/volumes(1)"), HasSubstr("persistent volume"));
  EXPECT_THAT(volumes.at("/container/docker/privileged"), HasSubstr("refused"));
  EXPECT_THAT(errors_of(R"json({"id": "/a", "cmd": "x"})json").at("/container"), HasSubstr("image"));
  EXPECT_THAT(errors_of(R"json({"id": "/a", "version": "2020-01-01T00:00:00.000Z"})json").at("/version"),
              HasSubstr("versions"));
}

TEST(Definition, NetworksAndPortsMustFitTogether) {
  EXPECT_THAT(errors_of(with(R"json("networks": [{"mode": "container/bridge"}], "portDefinitions": [])json")),
              Contains(Pair("/portDefinitions", HasSubstr("only allowed with host-networking"))));
  EXPECT_TRUE(errors_of(R"json({"id": "/a", "container": {"docker": {"image": "i"},
    "portMappings": [{"containerPort": 80}]}})json")
                  .contains("/container/portMappings"));
}

TEST(Definition, EqualDefinitionsAreEqualWhateverTheirOrderAndNotation) {
  const auto a = parse_app(R"json({"id": "/a", "cpus": 1.0, "labels": {"x": "1", "y": "2"}, "user": null,
                               "container": {"docker": {"image": "i"}, "type": "DOCKER"}})json");
  const auto b = parse_app(R"json({"container": {"type": "DOCKER", "docker": {"image": "i"}},
                               "labels": {"y": "2", "x": "1"}, "cpus": 1, "id": "a"})json");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*a, *b);
}

// ---- Updates and what GET shows ------------------------------------------------------------------

process::AppView view_of(process::AppSpec spec) {
  process::AppView view{.id = spec.id, .version = "2026-11-23T00:00:00.000Z"};
  view.spec = std::move(spec);
  return view;
}

TEST(Definition, APartialUpdateKeepsWhatItLeavesOut) {
  const auto view = view_of(*parse_app(with(R"json("instances": 4, "cpus": 2, "labels": {"a": "b"})json")));
  const auto scaled = parse_update(R"json({"instances": 7})json", view, true);
  ASSERT_TRUE(scaled);
  EXPECT_EQ(service_of(*scaled).instances, 7);
  EXPECT_EQ(scaled->resources.cpus, 2);
  process::AppSpec same = *scaled;
  std::get<process::Service>(same.kind).instances = 4;
  EXPECT_EQ(same, *view.spec) << "nothing but the number of instances differs";
  const auto changed = parse_update(R"json({"cpus": 3})json", view, true);
  EXPECT_EQ(service_of(*changed).instances, 4);
  const auto whole = parse_update(with(R"json("cpus": 3)json"), view, false);
  EXPECT_EQ(service_of(*whole).instances, 1);
  EXPECT_FALSE(parse_update(R"json({"id": "/other"})json", view, true));
}

TEST(Definition, WhatGetShowsCanBePutBackUnchanged) {
  auto view = view_of(*parse_app(with(R"json("instances": 2, "healthChecks": [{"protocol": "TCP"}])json")));
  json::object shown = to_json(view, true);
  EXPECT_EQ(shown.at("id"), "/web");
  EXPECT_EQ(shown.at("instances"), 2);
  EXPECT_EQ(shown.at("upgradeStrategy").at("minimumHealthCapacity"), 1);
  EXPECT_EQ(shown.at("networks").at(0).at("mode"), "host");
  shown.erase("version");  // as Marathon's clients do
  const auto again = parse_update(json::serialize(shown), view, true);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *view.spec);
}

TEST(Views, AnAppOfAnEnvironmentIsShownInTheSameForm) {
  process::AppSpec spec{.id = process::AppId("/env/demo/kafka/broker")};
  process::Ordinal ordinal;
  ordinal.slots.push_back({.slot = 0,
                           .goal = process::SlotSpec::Goal::kRunning,
                           .version = "v1",
                           .settings = process::Template{{.image = "sha256:1", .env = {{"A", "1"}}}}});
  spec.kind = ordinal;
  spec.ports = {{.name = "client", .kind = process::PortKind::kFixed}};
  process::AppView view = view_of(std::move(spec));
  view.fixed_ports["client"] = 20001;
  const json::object shown = to_json(view, false);
  EXPECT_EQ(shown.at("container").at("docker").at("image"), "sha256:1");
  EXPECT_EQ(shown.at("portDefinitions").at(0).at("port"), 20001);
  EXPECT_EQ(shown.at("instances"), 1);
}

TEST(Views, ATaskIsShownWithItsPlace) {
  process::AppView view =
      view_of(*parse_app(with(R"json("portDefinitions": [{"port": 0, "name": "http"}])json")));
  process::InstanceView instance{.id = process::InstanceId("web.instance-1"),
                                 .version = "v",
                                 .state = cluster::TaskState::kRunning,
                                 .ready = true,
                                 .task = cluster::TaskId("web.instance-1._app.1"),
                                 .claim = cluster::Claim{.id = cluster::ClaimId("c"),
                                                         .agent = cluster::AgentId("agent-1"),
                                                         .address = "127.1.0.1",
                                                         .ports = {{"http", 31000}}}};
  view.instances.push_back(instance);
  instance.state.reset();
  instance.cause =
      Cause{.code = "no-memory", .sentence = "No agent has 2GiB free.", .remedy = "ask for less"};
  view.instances.push_back(instance);
  const json::object shown = to_json(view, true);
  EXPECT_EQ(shown.at("tasksRunning"), 1);
  ASSERT_EQ(shown.at("tasks").as_array().size(), 1u);
  const json::value& task = shown.at("tasks").at(0);
  EXPECT_EQ(task.at("id"), "web.instance-1._app.1");
  EXPECT_EQ(task.at("host"), "127.1.0.1");
  EXPECT_EQ(task.at("ports").at(0), 31000);
  EXPECT_EQ(task.at("state"), "TASK_RUNNING");
  const json::value item = queue_item(view, {});
  EXPECT_EQ(item.at("count"), 1);
  EXPECT_EQ(item.at("instances").at(0).at("sentence"), "No agent has 2GiB free.");
  EXPECT_EQ(item.at("processedOffersSummary").at("rejectSummaryLastOffers").at(0).at("reason"),
            "InsufficientMemory");
  view.instances.pop_back();
  EXPECT_TRUE(queue_item(view, {}).is_null());
}

}  // namespace
}  // namespace headrace::api::v2
