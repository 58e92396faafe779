// The edge of cluster/local: real threads and clock, an engine in memory.
#include "cluster/local/local_source.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "cluster/local/probe.h"
#include "http/server.h"
#include "sim/sim_engine.h"

namespace headrace::cluster {
namespace {

class Edge : public ::testing::Test {
 protected:
  Edge() {
    std::string name = ::testing::TempDir() + "headrace-local-XXXXXX";
    folder = mkdtemp(name.data());
    engine.add_image("image:1", {.id = "sha256:1"});
    start();
  }
  ~Edge() override {
    source.reset();
    std::filesystem::remove_all(folder);
  }
  void start() {
    source.reset();
    source = *LocalSource::start(
        {.server_id = "me", .agents = 2, .state_dir = folder, .runtime_dir = folder + "/run"}, engine,
        [](const SecretRef&) -> Result<Secret> { return Secret("hidden"); },
        [this](SourceEvent event) {
          const std::scoped_lock lock(mutex);
          events.push_back(std::move(event));
          changed.notify_all();
        });
  }
  // Waits for the next event of which this holds, at most 20 seconds.
  template <class T>
  bool comes(const std::function<bool(const T&)>& holds) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, [&] {
      for (; next < events.size(); ++next) {
        const T* event = std::get_if<T>(&events[next]);
        if (event != nullptr && holds(*event)) return true;
      }
      return false;
    });
  }
  bool becomes(TaskState state) {
    return comes<SourceStatus>([&](const SourceStatus& each) { return each.status.state == state; });
  }

  std::string folder;
  sim::SimEngine engine;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<SourceEvent> events;
  std::size_t next = 0;
  std::unique_ptr<LocalSource> source;
};

TEST_F(Edge, ATaskRunsIsFoundByTheNextServerAndItsEndIsToldAtOnce) {
  ASSERT_TRUE(comes<SourceConnected>([](const auto& each) { return each.agents.size() == 2; }));
  source->call(Launch{.agent = AgentId("agent-1"),
                      .claim = {ClaimId("c1"), AgentId("agent-1"), "127.0.0.1", {}},
                      .task = {TaskId("t1"), {.image = "image:1", .check = std::nullopt}}});
  ASSERT_TRUE(becomes(TaskState::kRunning));
  start();
  ASSERT_TRUE(becomes(TaskState::kRunning));
  ASSERT_TRUE(comes<SourceConnected>([](const auto&) { return true; }));
  EXPECT_EQ(engine.creations(), 1);
  engine.end("hr-t1", 0, {"::result::{}"});
  EXPECT_TRUE(becomes(TaskState::kFinished));
}

TEST_F(Edge, AnUnpluggedAgentStaysSoAcrossARestartOfTheServer) {
  ASSERT_TRUE(comes<SourceConnected>([](const auto&) { return true; }));
  ASSERT_TRUE(source->unplug(AgentId("agent-2")).has_value());
  EXPECT_EQ(source->unplug(AgentId("agent-9")).error().code, Code::kNotFound);
  start();
  ASSERT_TRUE(comes<SourceConnected>([](const auto& each) { return !each.agents[1].up; }));
  ASSERT_TRUE(source->plug(AgentId("agent-2")).has_value());
  EXPECT_TRUE(comes<SourceAgent>([](const auto& each) { return each.agent.up; }));
}

TEST(Probe, TcpPassesWhereSomebodyListensAndHttpFrom200To399) {
  http::Router router;
  router.get("/well", [](http::Request, http::Responder responder) { responder.respond({.status = 204}); });
  router.get("/ill", [](http::Request, http::Responder responder) { responder.respond({.status = 500}); });
  http::Server server(std::move(router));
  const std::uint16_t port = *server.listen_tcp("127.0.0.1", 0);
  server.start();
  const Claim claim{.id = ClaimId("c1"), .agent = std::nullopt, .address = "127.0.0.1", .ports = {}};
  const auto ask = [&](CheckKind kind, const char* path) {
    return probe(claim, port, {.kind = kind, .command = {}, .path = path, .port = ""});
  };
  EXPECT_TRUE(ask(CheckKind::kTcp, "").has_value());
  EXPECT_TRUE(ask(CheckKind::kHttp, "/well").has_value());
  EXPECT_FALSE(ask(CheckKind::kHttp, "/ill").has_value());
  server.stop();
  EXPECT_FALSE(ask(CheckKind::kTcp, "").has_value());
  EXPECT_FALSE(ask(CheckKind::kHttp, "/well").has_value());
}

}  // namespace
}  // namespace headrace::cluster
