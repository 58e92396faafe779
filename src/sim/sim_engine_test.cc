#include "sim/sim_engine.h"

#include <gtest/gtest.h>

#include <thread>

namespace headrace::sim {
namespace {

using namespace docker;

class Engine : public ::testing::Test {
 protected:
  void SetUp() override { engine.add_image("image:1", {.id = "sha256:1"}); }
  std::string make(const std::string& name) {
    return *engine.create({.name = name, .image = "image:1", .labels = {{"mine", "yes"}}});
  }
  SimEngine engine;
};

TEST_F(Engine, AContainerIsCreatedStartedAndEnds) {
  make("a");
  ASSERT_TRUE(engine.start("a").has_value());
  ASSERT_TRUE(engine.start("a").has_value());
  EXPECT_EQ(engine.inspect("a")->state, ContainerState::kRunning);
  engine.end("a", 3, {"::result::{}"});
  EXPECT_EQ(engine.inspect("a")->exit_code, 3);
  std::string said;
  ASSERT_TRUE(engine
                  .logs("a", {},
                        [&](Output, std::string_view line) {
                          said += line;
                          return true;
                        },
                        {})
                  .has_value());
  EXPECT_EQ(said, "::result::{}\n");
  ASSERT_TRUE(engine.remove("a", false).has_value());
  EXPECT_EQ(engine.inspect("a").error().code, Code::kNotFound);
}

TEST_F(Engine, ANameIsGivenOnceAndAnUnknownImageIsRefused) {
  make("a");
  EXPECT_EQ(engine.create({.name = "a", .image = "image:1"}).error().code, Code::kConflict);
  EXPECT_EQ(engine.create({.name = "b", .image = "other"}).error().code, Code::kNotFound);
}

TEST_F(Engine, ALostAnswerHidesADeedThatWasDone) {
  engine.set_hooks({.mishap = [](auto, auto) { return SimEngine::Mishap::kAnswerLost; }});
  EXPECT_EQ(engine.create({.name = "a", .image = "image:1"}).error().code, Code::kTimeout);
  EXPECT_TRUE(engine.inspect("a").has_value());
}

TEST_F(Engine, ACallThatActsLateActsAfterItsAnswerWasGivenUp) {
  std::function<void()> act;
  engine.set_hooks({.mishap = [](auto, auto) { return SimEngine::Mishap::kActsLate; },
                    .later = [&](std::function<void()> late) { act = std::move(late); }});
  EXPECT_EQ(engine.create({.name = "a", .image = "image:1"}).error().code, Code::kTimeout);
  EXPECT_FALSE(engine.inspect("a").has_value());
  act();
  EXPECT_TRUE(engine.inspect("a").has_value());
}

TEST_F(Engine, AwayItAnswersNothingAndStreamsBreak) {
  make("a");
  Status ended;
  std::jthread stream(
      [&](std::stop_token stop) { ended = engine.events({}, [](const Event&) { return true; }, stop); });
  engine.go_away(true);
  EXPECT_EQ(engine.inspect("a").error().code, Code::kUnavailable);
  stream.join();
  EXPECT_EQ(ended.error().code, Code::kUnavailable);
  engine.go_away(false);
  EXPECT_TRUE(engine.inspect("a").has_value());
}

TEST_F(Engine, EventsTellTheEnd) {
  make("a");
  (void)engine.start("a");
  std::vector<std::string> actions;
  std::jthread stream([&] {
    (void)engine.events({.since = EngineTime{}, .labels = {"mine=yes"}},
                        [&](const Event& event) {
                          actions.push_back(event.action);
                          return event.action != "die";
                        },
                        {});
  });
  (void)engine.stop("a", 1s);
  stream.join();
  EXPECT_EQ(engine.inspect("a")->exit_code, 143);
  EXPECT_EQ(actions, (std::vector<std::string>{"create", "start", "die"}));
}

TEST_F(Engine, AVolumeInUseCannotBeRemoved) {
  (void)engine.create_volume("v", {{"mine", "yes"}});
  (void)engine.create({.name = "a", .image = "image:1", .mounts = {{.source = "v", .target = "/data"}}});
  EXPECT_EQ(engine.remove_volume("v").error().code, Code::kConflict);
  (void)engine.remove("a", false);
  EXPECT_TRUE(engine.remove_volume("v").has_value());
  EXPECT_EQ(engine.list_volumes({"mine"})->size(), 0u);
}

}  // namespace
}  // namespace headrace::sim
