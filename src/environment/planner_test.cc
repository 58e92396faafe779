#include "environment/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace headrace::environment {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Files = std::map<std::string, std::string>;

// A blueprint of the source tree.
Files shipped(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(BLUEPRINTS) / name;
  Files files;
  for (const fs::path& folder : {root, root / "components"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() != ".yaml") continue;
      std::ifstream file(entry.path());
      files[fs::relative(entry.path(), root).string()] = {std::istreambuf_iterator<char>(file), {}};
    }
  }
  return files;
}

// One generation and what runs of it.
struct World {
  explicit World(const Files& files, const std::map<std::string, std::string>& given = {}) {
    Loaded loaded = load_blueprint({files});
    for (const Error& error : loaded.errors) ADD_FAILURE() << error.to_string();
    blueprint = loaded.blueprint;
    for (const auto& [image, reference] : blueprint->images)
      (*generation.mutable_images())[image] = "sha256:" + image;
    Values values = resolve_parameters(*blueprint, "", given);
    EXPECT_THAT(values.errors, IsEmpty());
    parameters = std::move(values.values);
  }
  State state() const { return {environment, *blueprint, generation, parameters, generated, apps}; }
  State over(const Apps& running) const {
    return {environment, *blueprint, generation, parameters, generated, running};
  }

  // Runs every service, providers first.
  void run_all() {
    int number = 0;
    for (const SlotGoal goal : {SlotGoal::kClaimed, SlotGoal::kRunning}) {
      for (const Component& component : blueprint->components) {
        for (const Service& service : component.services) {
          if (goal == SlotGoal::kClaimed && !service.ordinal) continue;
          const auto rendered = render_service(state(), component, service, goal);
          ASSERT_TRUE(rendered) << rendered.error().to_string();
          ASSERT_TRUE(rendered->spec) << rendered->waits_for;
          process::AppView& app = apps[rendered->spec->id];
          app.id = rendered->spec->id;
          app.spec = *rendered->spec;
          if (!app.instances.empty()) continue;
          for (int i = 0; i < wanted_instances(*rendered->spec); ++i) {
            process::InstanceView instance;
            instance.slot = i;
            instance.ready = true;
            instance.claim = cluster::Claim{.id = cluster::ClaimId(std::to_string(++number)),
                                            .agent = {},
                                            .address = "10.0.0." + std::to_string(number)};
            for (const Port& port : service.ports) instance.claim->ports[port.name] = 20000;
            app.instances.push_back(instance);
          }
        }
      }
    }
  }

  std::string environment = "demo";
  std::shared_ptr<const Blueprint> blueprint;
  records::Generation generation;
  std::map<std::string, document::Node> parameters;
  google::protobuf::Map<std::string, std::string> generated;
  Apps apps;
};

TEST(Render, ReplacementsOnFixedPortsComeOneAfterTheOtherAndOthersBeforeTheOldOnesGo) {
  const auto upgrade = [](const std::string& port, int count) {
    const World world(
        {{"blueprint.yaml", "blueprint: b\nversion: 1.0.0\nimages: { i: i }\ncomponents: { web: {} }\n"},
         {"components/web.yaml", "component: web\nversion: 1.0.0\nservices:\n  s: { image: i, count: " +
                                     std::to_string(count) + ", ports: " + port + " }\n"}});
    const Component& web = world.blueprint->components.front();
    const auto rendered = render_service(world.state(), web, web.services.front(), SlotGoal::kRunning);
    return std::get<process::Service>(rendered->spec->kind).upgrade;
  };
  EXPECT_EQ(upgrade("{ http: { kind: fixed } }", 1), (process::UpgradeStrategy{0, 0}));
  EXPECT_EQ(upgrade("{ http: { kind: fixed } }", 4), (process::UpgradeStrategy{0.75, 0}));
  EXPECT_EQ(upgrade("[http]", 1), process::UpgradeStrategy{});
}

// "step <- what it needs"
std::vector<std::string> lines_of(const std::vector<records::Step>& steps) {
  std::vector<std::string> lines;
  for (const records::Step& step : steps) {
    std::string line = step.id() + " <-";
    for (const std::string& need : step.needs()) line += " " + need + ",";
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> places_of(const Change& change) {
  std::vector<std::string> places;
  for (const records::Difference& each : change.differences)
    places.push_back(each.place() + ": " + each.effect());
  return places;
}

Change change_of(const World& before, const World& after) {
  auto change = plan_change(before.state(), after.over(before.apps));
  EXPECT_TRUE(change) << change.error().to_string();
  return change ? *change : Change{};
}

TEST(Planner, HelloStartsRedisThenTheWeb) {
  const auto change = plan_launch(World(shipped("hello")).state());
  ASSERT_TRUE(change);
  EXPECT_THAT(lines_of(change->steps),
              ElementsAre("redis: place <-", "redis/server: start <- redis: place,",
                          "redis: ready <- redis/server: start,", "web/web: start <- redis: ready,",
                          "web: ready <- web/web: start,"));
}

TEST(Planner, ThePlatformStartsInTheOrderOfItsBindingsOnly) {
  const auto change = plan_launch(World(shipped("in-stream-processing")).state());
  ASSERT_TRUE(change) << change.error().to_string();
  std::map<std::string, std::set<std::string>> needs;
  std::set<std::string> before;
  for (const records::Step& step : change->steps) {
    needs[step.id()] = {step.needs().begin(), step.needs().end()};
    for (const std::string& need : step.needs()) EXPECT_TRUE(before.contains(need)) << step.id() << need;
    before.insert(step.id());
  }
  using Set = std::set<std::string>;
  for (const char* free :
       {"kafka: place", "cassandra: place", "redis: place", "spark: place", "x-replay/server: start"})
    EXPECT_EQ(needs.at(free), Set{}) << free;
  EXPECT_EQ(needs.at("topics/create-topics"), Set{"kafka: ready"});
  EXPECT_EQ(needs.at("schema/load"), Set{"cassandra: ready"});
  EXPECT_EQ(needs.at("spark/worker: start"), (Set{"spark: place", "spark/master: start"}));
  EXPECT_EQ(needs.at("sentiment: place"),
            (Set{"topics: ready", "schema: ready", "redis: ready", "spark: ready"}));
  EXPECT_EQ(needs.at("tweet-source/source: start"), (Set{"x-replay: ready", "topics: ready"}));
  EXPECT_EQ(needs.at("dashboard/web: start"), (Set{"schema: ready", "x-replay: ready"}));
}

TEST(Planner, WhatRunsAsWantedIsLeftOut) {
  World world(shipped("hello"));
  world.run_all();
  EXPECT_THAT(plan_launch(world.state())->steps, IsEmpty());
  EXPECT_THAT(change_of(world, world).steps, IsEmpty());
  EXPECT_THAT(change_of(world, world).differences, IsEmpty());
}

TEST(Planner, MoreOfAStatelessServiceIsAScaleAndNothingElse) {
  World before(shipped("hello"));
  before.run_all();
  const Change change = change_of(before, World(shipped("hello"), {{"webs", "3"}}));
  EXPECT_THAT(lines_of(change.steps), ElementsAre("web/web: start <-", "web: ready <- web/web: start,"));
  EXPECT_EQ(change.steps.front().action(), "scale from 1 to 3");
  EXPECT_THAT(places_of(change),
              ElementsAre("parameters.webs: ", "components.web.services.web.count: scale"));
}

TEST(Planner, MoreOfAServiceOnFixedPortsIsAScaleToo) {
  Files files = shipped("hello");
  std::string& web = files.at("components/web.yaml");
  web.replace(web.find("ports: [http]"), std::string_view("ports: [http]").size(),
              "ports: { http: { kind: fixed } }");
  World before(files);
  before.run_all();
  const Change change = change_of(before, World(files, {{"webs", "3"}}));
  EXPECT_EQ(change.steps.front().action(), "scale from 1 to 3");
}

TEST(Planner, ADifferenceOfTheEnvironmentIsNamedAndReplaces) {
  World before(shipped("hello"));
  before.run_all();
  const Change change = change_of(before, World(shipped("hello"), {{"greeting", "\"Hi\""}}));
  EXPECT_EQ(change.steps.front().action(), "replace 1 instance, rolling");
  EXPECT_THAT(places_of(change), Contains("components.web.services.web.env.GREETING: replace"));
  EXPECT_EQ(change.differences.back().before(), "Hello");
  EXPECT_EQ(change.differences.back().after(), "Hi");
}

TEST(Planner, ALaunchStepRunsAgainWhenItsValuesChanged) {
  World before(shipped("in-stream-processing"));
  for (const char* key : {"kafka/cluster_id", "kafka/directory_id/0"}) before.generated[key] = key;
  before.run_all();
  World after(shipped("in-stream-processing"), {{"retention_days", "7"}});
  after.generated = before.generated;
  const Change change = change_of(before, after);
  EXPECT_THAT(change.refusals, IsEmpty());
  EXPECT_THAT(lines_of(change.steps), ElementsAre("schema/load <-", "schema: ready <- schema/load,"));
}

TEST(Planner, RestartingOrScalingAnOrdinalServiceIsRefused) {
  World before(shipped("in-stream-processing"));
  for (const char* key : {"kafka/cluster_id", "kafka/directory_id/0"}) before.generated[key] = key;
  before.run_all();
  World after(shipped("in-stream-processing"), {{"cassandra_nodes", "2"}});
  after.generated = before.generated;
  const Change change = change_of(before, after);
  ASSERT_THAT(change.refusals, SizeIs(1));
  EXPECT_EQ(change.refusals.front().code, Code::kUnsupported);
  EXPECT_THAT(change.refusals.front().message, HasSubstr("scale the ordinal service cassandra/node"));
}

TEST(Planner, WhatIsNotKnownYetIsLeftUntouched) {
  World before(shipped("hello"));
  before.run_all();
  // The address of redis is lost: what web's environment would be cannot be said.
  process::AppView& redis = before.apps.at(process::AppId("/env/demo/redis/server"));
  process::InstanceView instance = *redis.instances.front();
  instance.claim.reset();
  redis.instances = {instance};
  EXPECT_THAT(change_of(before, World(shipped("hello"))).steps, IsEmpty());
}

TEST(Planner, DestroyStopsDependentsFirst) {
  const World world(shipped("hello"));
  EXPECT_THAT(lines_of(plan_destroy(*world.blueprint)),
              ElementsAre("web: stop <-", "redis: stop <- web: stop,"));
}

TEST(Planner, DestroyStopsWhatUsesAServiceOfItsComponentFirst) {
  const World world(shipped("in-stream-processing"));
  const std::vector<std::string> lines = lines_of(plan_destroy(*world.blueprint));
  EXPECT_THAT(lines, Contains("kafka/broker: stop <- topics: stop,"));
  EXPECT_THAT(lines, Contains("kafka: stop <- topics: stop, kafka/broker: stop,"));
  EXPECT_THAT(lines, Contains("spark/worker: stop <- sentiment: stop,"));
  EXPECT_THAT(lines, Contains("spark: stop <- sentiment: stop, spark/worker: stop,"));
}

TEST(Planner, AStopOrderOfThreeServicesIsFollowedBackwards) {
  const World world({{"blueprint.yaml", R"(blueprint: chain
version: 1.0.0
images: { a: x/a }
components: { chain: {} }
)"},
                     {"components/chain.yaml", R"(component: chain
version: 1.0.0
services:
  a: { image: a, identity: ordinal, env: { B: "${{ services.b.members[0].address }}" } }
  b: { image: a, identity: ordinal, env: { C: "${{ services.c.members[0].address }}" } }
  c: { image: a, identity: ordinal }
)"}});
  EXPECT_THAT(lines_of(plan_destroy(*world.blueprint)),
              ElementsAre("chain/a: stop <-", "chain/b: stop <- chain/a: stop,",
                          "chain: stop <- chain/a: stop, chain/b: stop,"));
}

TEST(Planner, ARemovedProviderStopsAfterItsDependentsHaveChanged) {
  World before(shipped("hello"));
  before.run_all();
  Files files = shipped("hello");
  const auto cut = [](std::string& text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  };
  cut(files["blueprint.yaml"], "  redis: {}\n", "");
  cut(files["components/web.yaml"], "requires:\n  redis: { type: redis/v1 }\n", "");
  cut(files["components/web.yaml"], "REDIS: \"${{ requires.redis.address }}\", ", "");
  files.erase("components/redis.yaml");
  EXPECT_THAT(
      lines_of(change_of(before, World(files)).steps),
      ElementsAre("web/web: start <-", "web: ready <- web/web: start,", "redis: stop <- web: ready,"));
}

TEST(Planner, AThousandComponentsArePlannedInMilliseconds) {
  // Each is bound to the two before it: evaluated anew at every level this would never end.
  constexpr int kComponents = 1000;
  std::string main = "blueprint: big\nversion: 1.0.0\ndescription: Big\nimages: { a: x/a }\ninterfaces:\n";
  std::string uses = "components:\n";
  Files files;
  for (int i = 0; i < kComponents; ++i) {
    main += fmt::format("  i{}/v1: {{ address: string }}\n", i);
    uses += fmt::format("  c{}: {{}}\n", i);
    std::string text = fmt::format("component: c{}\nversion: 1.0.0\n", i), env = "{ A: a";
    if (i > 1) text += "requires:\n";
    for (int j = i - 2; i > 1 && j < i; ++j) {
      text += fmt::format("  r{}: {{ type: i{}/v1 }}\n", j, j);
      env += fmt::format(", R{}: \"${{{{ requires.r{}.address }}}}\"", j, j);
    }
    const std::string first = i > 1 ? fmt::format("requires.r{}.address", i - 1) : "'x'";
    text += fmt::format("provides:\n  p: {{ type: i{}/v1, address: \"${{{{ {} }}}}\" }}\n", i, first);
    text += fmt::format("services:\n  s: {{ image: a, env: {} }} }}\n", env);
    files[fmt::format("components/c{}.yaml", i)] = text;
  }
  files["blueprint.yaml"] = main + uses;
  const World world(files);
  const auto begun = std::chrono::steady_clock::now();
  const auto change = plan_launch(world.state());
  const auto took = std::chrono::steady_clock::now() - begun;
  ASSERT_TRUE(change) << change.error().to_string();
  EXPECT_THAT(change->steps, SizeIs(2 * kComponents));
  std::cout << "planned 1,000 components in " << std::chrono::duration<double, std::milli>(took).count()
            << " ms\n";
  EXPECT_LT(took, std::chrono::seconds(2));
}

}  // namespace
}  // namespace headrace::environment
