// /v2 over the real managers and pump, with a scripted cluster: requests in, Marathon's answers out.
#include "api/v2/routes.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <future>
#include <mutex>

#include "api/json.h"
#include "process/fake_cluster.h"
#include "store/memory_store.h"
#include "world/entropy.h"

namespace headrace::api::v2 {
namespace {

using ::testing::HasSubstr;

class NoTasks : public cluster::TaskAccess {
 public:
  Status logs(const cluster::TaskId&, const cluster::LogOptions&,
              const std::function<bool(std::string_view, std::string_view)>&, std::stop_token) override {
    return {};
  }
  Result<cluster::ExecResult> exec(const cluster::TaskId&, const std::vector<std::string>&,
                                   Duration) override {
    return cluster::ExecResult{};
  }
  Result<cluster::TaskStatistics> statistics(const cluster::TaskId&) override {
    return cluster::TaskStatistics{};
  }
};

class V2 : public ::testing::Test {
 protected:
  void SetUp() override {
    const Now now = clock_.now();
    auto process = process::ProcessManager::create({}, 1, {}, now);
    auto environment = environment::EnvironmentManager::create({}, 2, {}, now);
    ASSERT_TRUE(process && environment);
    auto managers = std::make_unique<server::Managers>(nullptr, std::move(*process), std::move(*environment));
    pump_ = std::make_unique<server::Pump>(
        store_, clock_, std::move(managers),
        server::Pump::Effects{.cluster = [this](cluster::Call call) { hand_over(call); }}, hub_);
    auto vault = server::Vault::open(store_, entropy_, Secret(std::string(32, 'k')));
    ASSERT_TRUE(vault);
    vault_ = std::move(*vault);
    backend_ = std::unique_ptr<Backend>(new Backend{
        .pump = *pump_,
        .events = hub_,
        .vault = *vault_,
        .tasks = tasks_,
        .clock = clock_,
        .entropy = entropy_,
        .facts = {.id = "server-1", .version = "1.2.3", .cluster = "fake", .address = "127.0.0.1:8080"},
        .resolve_image = [](const std::string& name) -> Result<std::string> {
          if (name == "missing:1") return fail(Code::kNotFound, "no such image");
          return "sha256:" + name;
        },
        .metrics = [] { return std::string(); }});
    add_v2_routes(router_, *backend_);
    pump_->start();
  }
  void TearDown() override { pump_->stop(); }

  http::Response request(std::string method, std::string path, std::string body = {},
                         http::Headers headers = {}) {
    std::promise<http::Response> answered;
    auto answer = answered.get_future();
    http::Request request{.method = std::move(method), .target = path, .headers = std::move(headers)};
    const auto question = path.find('?');
    request.path = path.substr(0, question);
    if (question != std::string::npos) request.query = *http::Query::parse(path.substr(question + 1));
    request.body = std::move(body);
    router_.route(std::move(request), http::respond_to([&](http::Response response) {
                    answered.set_value(std::move(response));
                  }));
    if (answer.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer to " << method << " " << path;
      return {};
    }
    return answer.get();
  }
  void subscribe(const std::string& path, http::Responder responder) {
    http::Request request{.method = "GET", .target = path, .path = path.substr(0, path.find('?'))};
    if (path.find('?') != std::string::npos)
      request.query = *http::Query::parse(path.substr(path.find('?') + 1));
    router_.route(std::move(request), std::move(responder));
  }
  json::value get(std::string path) {
    const http::Response response = request("GET", std::move(path));
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(response.body);
  }
  // Waits, bounded, until what GET gives fits.
  template <class Fits>
  json::value await(const std::string& path, Fits fits) {
    for (int i = 0; i < 2000; ++i) {
      json::value value = get(path);
      if (fits(value)) return value;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << path << " never fitted: " << get(path);
    return {};
  }
  void await_running(const std::string& app, int count) {
    await("/v2/apps" + app, [&](const json::value& v) {
      return v.at("app").at("tasksRunning") == count && v.at("app").at("deployments").as_array().empty();
    });
  }
  static std::string web(int instances, std::string_view more = "") {
    return fmt::format(
        R"({{"id": "/web", "instances": {}, "container": {{"docker": {{"image": "web:1"}}}}{}}})", instances,
        more);
  }

  std::mutex mutex_;
  process::testing::FakeCluster cluster_;

 private:
  void hand_over(const cluster::Call& call) {
    const std::lock_guard lock(mutex_);
    cluster_.on_call(call);
    for (; !cluster_.events.empty(); cluster_.events.pop_front()) {
      if (std::holds_alternative<cluster::Ready>(cluster_.events.front())) cluster_.ready = true;
      pump_->post(std::move(cluster_.events.front()));
    }
  }

  SystemClock clock_;
  SystemEntropy entropy_;
  MemoryStore store_;
  server::EventHub hub_;
  NoTasks tasks_;
  std::unique_ptr<server::Vault> vault_;
  std::unique_ptr<server::Pump> pump_;
  std::unique_ptr<Backend> backend_;
  http::Router router_;
};

TEST_F(V2, AnAppIsCreatedShownScaledAndDeleted) {
  const http::Response created = request("POST", "/v2/apps", web(2));
  ASSERT_EQ(created.status, 201) << created.body;
  EXPECT_EQ(created.headers.get("Location"), "/v2/apps/web");
  const json::value app = json::parse(created.body);
  EXPECT_EQ(app.at("tasksRunning"), 0);
  EXPECT_EQ(app.at("deployments").at(0).at("id").as_string(), created.headers.get("Marathon-Deployment-Id"));
  await_running("/web", 2);
  EXPECT_EQ(get("/v2/apps").at("apps").as_array().size(), 1u);
  EXPECT_EQ(get("/v2/apps?id=WE").at("apps").as_array().size(), 1u);
  EXPECT_EQ(get("/v2/apps?id=other").at("apps").as_array().size(), 0u);
  EXPECT_EQ(get("/v2/apps/web/tasks").at("tasks").as_array().size(), 2u);
  EXPECT_EQ(get("/v2/tasks?status=running").at("tasks").as_array().size(), 2u);
  const http::Response scaled = request("PUT", "/v2/apps//web", R"({"instances": 3})");
  EXPECT_EQ(scaled.status, 200) << scaled.body;
  EXPECT_TRUE(json::parse(scaled.body).as_object().contains("deploymentId"));
  await_running("/web", 3);
  EXPECT_EQ(request("DELETE", "/v2/apps/web").status, 200);
  await("/v2/apps", [](const json::value& v) { return v.at("apps").as_array().empty(); });
  const http::Response again = request("DELETE", "/v2/apps/web");
  EXPECT_EQ(again.status, 404);
  EXPECT_THAT(again.body, HasSubstr("App '/web' does not exist"));
}

TEST_F(V2, PutCreatesWhatDoesNotExistAndAnEqualOneChangesNothing) {
  EXPECT_EQ(request("PUT", "/v2/apps/web", web(1)).status, 201);
  await_running("/web", 1);
  const std::string version(get("/v2/apps/web").at("app").at("version").as_string());
  const http::Response same = request("PUT", "/v2/apps/web", web(1));
  EXPECT_EQ(same.status, 200);
  EXPECT_EQ(std::string(json::parse(same.body).at("version").as_string()), version);
  EXPECT_EQ(request("POST", "/v2/apps", web(1)).status, 409);
}

TEST_F(V2, ErrorsHaveMarathonsForm) {
  const http::Response invalid = request("POST", "/v2/apps", R"({"id": "/a", "cpus": "x", "instnces": 1})");
  EXPECT_EQ(invalid.status, 422);
  EXPECT_THAT(invalid.body, HasSubstr(R"("path":"/instnces")"));
  EXPECT_EQ(request("POST", "/v2/apps", "{").status, 400);
  EXPECT_EQ(request("GET", "/v2/apps/none").status, 404);
  const http::Response image =
      request("POST", "/v2/apps", R"({"id": "/a", "container": {"docker": {"image": "missing:1"}}})");
  EXPECT_EQ(image.status, 422);
  EXPECT_THAT(image.body, HasSubstr("/container/docker/image"));
  EXPECT_EQ(request("DELETE", "/v2/deployments/none").status, 404);
  EXPECT_EQ(request("DELETE", "/v2/apps/a/tasks?scale=true&wipe=true").status, 404);
}

TEST_F(V2, AppsOfEnvironmentsCannotBeWritten) {
  for (const char* method : {"PUT", "DELETE"}) {
    const http::Response refused = request(method, "/v2/apps/env/demo/kafka/broker", R"({"instances": 2})");
    EXPECT_EQ(refused.status, 409) << refused.body;
    EXPECT_THAT(refused.body, HasSubstr("demo"));
  }
  EXPECT_EQ(request("POST", "/v2/apps?force=true",
                    R"({"id": "/env/demo/x", "container": {"docker": {"image": "i"}}})")
                .status,
            409);
}

TEST_F(V2, ARunningDeploymentLocksItsAppAndCanBeCancelled) {
  {
    const std::lock_guard lock(mutex_);
    cluster_.grants = false;
  }
  ASSERT_EQ(request("POST", "/v2/apps", web(1)).status, 201);
  const json::value deployments = get("/v2/deployments");
  ASSERT_EQ(deployments.as_array().size(), 1u);
  EXPECT_EQ(deployments.at(0).at("affectedApps").at(0), "/web");
  EXPECT_EQ(deployments.at(0).at("currentActions").at(0).at("action"), "StartApplication");
  const http::Response locked = request("PUT", "/v2/apps/web", R"({"instances": 2})");
  EXPECT_EQ(locked.status, 409);
  EXPECT_EQ(json::parse(locked.body).at("deployments").at(0).at("id"), deployments.at(0).at("id"));
  const json::value queue = get("/v2/queue");
  ASSERT_EQ(queue.at("queue").as_array().size(), 1u);
  EXPECT_EQ(queue.at("queue").at(0).at("count"), 1);
  EXPECT_FALSE(queue.at("queue").at(0).at("instances").at(0).at("sentence").as_string().empty());
  EXPECT_EQ(request("DELETE", "/v2/queue/web/delay").status, 204);
  const std::string id(deployments.at(0).at("id").as_string());
  EXPECT_EQ(request("DELETE", "/v2/deployments/" + id).status, 200);
  await("/v2/apps", [](const json::value& v) { return v.at("apps").as_array().empty(); });
  EXPECT_EQ(request("DELETE", "/v2/queue/web/delay").status, 404);
}

TEST_F(V2, TasksAreKilledAndReplacedOrScaledAway) {
  ASSERT_EQ(request("POST", "/v2/apps", web(3)).status, 201);
  await_running("/web", 3);
  const std::string task(get("/v2/apps/web/tasks").at("tasks").at(0).at("id").as_string());
  const http::Response killed = request("DELETE", "/v2/apps/web/tasks/" + task);
  EXPECT_EQ(std::string(json::parse(killed.body).at("task").at("id").as_string()), task);
  await("/v2/apps/web/tasks", [&](const json::value& v) {
    return v.at("tasks").as_array().size() == 3 && json::serialize(v).find(task) == std::string::npos;
  });
  const std::string other(get("/v2/apps/web/tasks").at("tasks").at(0).at("id").as_string());
  const http::Response scaled =
      request("POST", "/v2/tasks/delete?scale=true", fmt::format(R"({{"ids": ["{}"]}})", other));
  EXPECT_EQ(scaled.status, 200) << scaled.body;
  await_running("/web", 2);
  EXPECT_EQ(get("/v2/apps/web").at("app").at("instances"), 2);
  EXPECT_EQ(request("DELETE", "/v2/apps/web/tasks/" + other).status, 404);
  EXPECT_EQ(request("POST", "/v2/tasks/delete", R"({"ids": ["nonsense"]})").status, 400);
  EXPECT_EQ(request("DELETE", "/v2/apps/web/tasks?scale=true&wipe=true").status, 400);
}

// A consumer of a stream that keeps what it was sent.
class Consumer : public http::Responder::Exchange, public http::BodyStream::Sink {
 public:
  static http::Responder responder(const std::shared_ptr<Consumer>& consumer) {
    consumer->self_ = consumer;
    return http::Responder(consumer);
  }
  bool respond(http::Response) override { return false; }
  std::shared_ptr<http::BodyStream::Sink> stream(http::StreamOptions) override { return self_.lock(); }
  bool write(std::string text) override {
    const std::lock_guard lock(mutex_);
    text_ += text;
    return true;
  }
  void close() override {}
  bool is_closed() const override { return false; }
  std::size_t queued_bytes() const override { return 0; }
  void on_closed(std::function<void()>) override {}
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
  std::weak_ptr<Consumer> self_;
};

TEST_F(V2, EventsAreStreamedAndFilteredByType) {
  const auto all = std::make_shared<Consumer>(), some = std::make_shared<Consumer>();
  subscribe("/v2/events", Consumer::responder(all));
  subscribe("/v2/events?event_type=deployment_success&event_type=app_terminated_event",
            Consumer::responder(some));
  ASSERT_EQ(request("POST", "/v2/apps", web(1)).status, 201);
  await_running("/web", 1);
  for (int i = 0; i < 2000 && some->text().find("deployment_success") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_THAT(all->text(), HasSubstr("event: event_stream_attached"));
  EXPECT_THAT(all->text(), HasSubstr("event: status_update_event"));
  EXPECT_THAT(some->text(), HasSubstr("event: deployment_success"));
  EXPECT_EQ(some->text().find("status_update_event"), std::string::npos);
  EXPECT_EQ(request("GET", "/v2/events", "", {{"Accept", "application/json"}}).status, 405);
}

TEST_F(V2, WhatIsNotInThisReleaseIsNamed) {
  EXPECT_THAT(request("GET", "/v2/groups").body, HasSubstr("groups"));
  EXPECT_EQ(request("PUT", "/v2/groups/a/b", "{}").status, 404);
  EXPECT_EQ(request("GET", "/v2/pods/x").status, 404);
  EXPECT_EQ(request("PATCH", "/v2/apps/web", "{}").status, 422);
  EXPECT_EQ(request("PUT", "/v2/apps", "[]").status, 422);
  EXPECT_EQ(request("GET", "/v2/apps?embed=apps.tasks").status, 422);
  EXPECT_EQ(request("GET", "/v2/apps/web/versions").status, 404);
}

TEST_F(V2, InfoAndPing) {
  const json::value info = get("/v2/info");
  EXPECT_EQ(info.at("version"), "1.2.3");
  EXPECT_EQ(info.at("leader"), "127.0.0.1:8080");
  EXPECT_EQ(request("GET", "/ping").body, "pong");
  EXPECT_EQ(request("GET", "/ping", "", {{"Accept", "application/json"}}).body, R"({"message":"pong"})");
}

}  // namespace
}  // namespace headrace::api::v2
