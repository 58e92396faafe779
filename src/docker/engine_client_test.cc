// The client against an engine that answers as the test wants: what a healthy engine does not do on demand.
#include "docker/engine_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <latch>
#include <mutex>
#include <thread>

namespace headrace::docker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Answers each request with the bytes that `answer` gives for its first line, then closes; "HOLD" keeps the
// connection open without a word.
class ScriptedEngine {
 public:
  explicit ScriptedEngine(std::function<std::string(const std::string&)> answer)
      : answer_(std::move(answer)) {
    char folder[] = "/tmp/headrace-engine-XXXXXX";
    CHECK(mkdtemp(folder) != nullptr);
    folder_ = folder;
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CHECK(::listen(listener_, 16) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedEngine() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    for (const int held : held_) ::close(held);
    ::close(listener_);
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/docker.sock"; }
  std::unique_ptr<Engine> client(Duration timeout = 5s) const { return connect_engine({path(), timeout}); }
  std::vector<std::string> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (int peer; (peer = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      std::string request;
      char piece[4096];
      while (request.find("\r\n\r\n") == request.npos) {
        const ssize_t n = ::read(peer, piece, sizeof piece);
        if (n <= 0) break;
        request.append(piece, static_cast<std::size_t>(n));
      }
      const std::string line = request.substr(0, request.find(" HTTP/"));
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(line);
      }
      const std::string bytes = line == "GET /version" ? version : answer_(line);
      if (bytes == "HOLD") {
        held_.push_back(peer);
        continue;
      }
      (void)!::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ::close(peer);
    }
  }

  std::function<std::string(const std::string&)> answer_;
  std::string folder_;
  int listener_ = -1;
  std::thread thread_;
  std::vector<int> held_;
  std::mutex mutex_;
  std::vector<std::string> requests_;

 public:
  std::string version = json(R"({"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"})");

  static std::string json(std::string_view body, std::string_view status = "200 OK") {
    return fmt::format("HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                       status, body.size(), body);
  }
};

TEST(EngineClientTest, WithoutAnEngineTheErrorSaysHowToStartOne) {
  const auto engine = connect_engine({.socket = "/tmp/headrace-no-such-socket"});
  const auto version = engine->version();
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code, Code::kUnavailable);
  EXPECT_THAT(version.error().message, HasSubstr("/tmp/headrace-no-such-socket"));
  EXPECT_THAT(version.error().remedy, HasSubstr("make up"));
  EXPECT_EQ(engine->start("x").error().code, Code::kUnavailable);
  EXPECT_EQ(engine->events({}, [](const Event&) { return true; }).error().code, Code::kUnavailable);
}

TEST(EngineClientTest, AnEngineThatSaysNothingIsATimeout) {
  const ScriptedEngine scripted([](const std::string&) { return "HOLD"; });
  const auto engine = scripted.client(100ms);
  EXPECT_EQ(engine->inspect("x").error().code, Code::kTimeout);
  EXPECT_EQ(engine->start("x").error().code, Code::kTimeout);
}

TEST(EngineClientTest, AnEngineThatDiesInTheMiddleOfAnAnswerIsUnavailable) {
  ScriptedEngine scripted([](const std::string& line) -> std::string {
    if (line.contains("/none/")) return "";
    if (line.contains("/head/")) return "HTTP/1.1 200 OK\r\nContent-Le";
    if (line.contains("/body/")) return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":";
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Id\"\r\n";
  });
  const auto engine = scripted.client();
  for (const char* container : {"none", "head", "body", "chunk"})
    EXPECT_EQ(engine->inspect(container).error().code, Code::kUnavailable) << container;
}

TEST(EngineClientTest, WhatIsNoEngineIsNotTakenForOne) {
  ScriptedEngine scripted([](const std::string&) { return "SSH-2.0-OpenSSH\r\n\r\n"; });
  EXPECT_EQ(scripted.client()->inspect("x").error().code, Code::kUnavailable);
  scripted.version = ScriptedEngine::json("<html>");
  const auto other = scripted.client()->version();
  EXPECT_EQ(other.error().code, Code::kUnavailable);
  EXPECT_THAT(other.error().message, HasSubstr("no Docker Engine"));
}

TEST(EngineClientTest, TheApiVersionIsTheNewestThatBothKnow) {
  const auto asked_with = [](const char* newest, const char* oldest) {
    ScriptedEngine scripted([](const std::string&) { return ScriptedEngine::json("[]"); });
    scripted.version = ScriptedEngine::json(
        fmt::format(R"({{"Version":"x","ApiVersion":"{}","MinAPIVersion":"{}"}})", newest, oldest));
    const auto engine = scripted.client();
    EXPECT_TRUE(engine->list({}, true));
    EXPECT_TRUE(engine->list({}, true));
    const auto requests = scripted.requests();
    EXPECT_EQ(requests.size(), 3u) << "the version is asked once";
    return requests.back().substr(4, requests.back().find('/', 5) - 4);
  };
  EXPECT_EQ(asked_with("1.41", "1.12"), "/v1.41");
  EXPECT_EQ(asked_with("1.40", "1.12"), "/v1.40");
  EXPECT_EQ(asked_with("1.52", "1.44"), "/v1.44");
}

TEST(EngineClientTest, DockersAnswersBecomeOurCodesAndNameWhatWasAsked) {
  std::string status, message;
  ScriptedEngine scripted([&](const std::string&) {
    return ScriptedEngine::json(fmt::format(R"({{"message":"{}"}})", message), status);
  });
  const auto engine = scripted.client();
  const auto error_of = [&](std::string now_status, std::string now_message) {
    status = std::move(now_status);
    message = std::move(now_message);
    return engine->start("kafka-1").error();
  };
  EXPECT_EQ(error_of("404 Not Found", "No such container: kafka-1").code, Code::kNotFound);
  EXPECT_EQ(error_of("409 Conflict", "is being removed").code, Code::kConflict);
  EXPECT_EQ(error_of("400 Bad Request", "invalid mount").code, Code::kInvalid);
  EXPECT_EQ(error_of("500 Internal Server Error", "something").code, Code::kUnavailable);
  const Error port = error_of("500 Internal Server Error",
                              "driver failed: Bind for 127.0.0.1:9092 failed: port is already allocated");
  EXPECT_EQ(port.code, Code::kRefused);
  EXPECT_THAT(port.message,
              testing::AllOf(HasSubstr("start the container kafka-1"), HasSubstr("127.0.0.1:9092")));
  const Error space = error_of("500 Internal Server Error", "write /var/x: no space left on device");
  EXPECT_EQ(space.code, Code::kUnavailable);
  EXPECT_THAT(space.remedy, HasSubstr("free space"));
}

TEST(EngineClientTest, NamesCannotChangeTheRequest) {
  ScriptedEngine scripted([](const std::string&) { return ScriptedEngine::json("{}"); });
  const auto engine = scripted.client();
  EXPECT_TRUE(engine->inspect("../images/x?force=1&a b\r\nX: y"));
  EXPECT_THAT(scripted.requests().back(),
              testing::EndsWith("/containers/..%2Fimages%2Fx%3Fforce%3D1%26a%20b%0D%0AX%3A%20y/json"));
  EXPECT_TRUE(engine->inspect_image("127.0.0.1:5000/kafka:1"));
  EXPECT_THAT(scripted.requests().back(), testing::EndsWith("/images/127.0.0.1%3A5000%2Fkafka%3A1/json"));
}

TEST(EngineClientTest, EventsEndUnavailableWhenTheEngineGoesAwayAndOkWhenStopped) {
  const std::string event =
      R"({"Type":"container","Action":"exec_start: sh -c x","Actor":{"ID":"abc","Attributes":)"
      R"({"name":"n","image":"i","a":"b"}},"timeNano":1700000000123456789})"
      "\n";
  ScriptedEngine dying([&](const std::string&) {
    const std::string two = event + event;
    // The second event arrives cut in two chunks.
    return fmt::format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n{:x}\r\n{}\r\n",
                       event.size() + 9, two.substr(0, event.size() + 9), event.size() - 9,
                       two.substr(event.size() + 9));
  });
  std::vector<Event> seen;
  const auto ended = dying.client()->events(
      {.since = EngineTime(1'700'000'000'000'000'001ns), .labels = {"a=b"}}, [&](const Event& got) {
        seen.push_back(got);
        return true;
      });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Code::kUnavailable);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].action, "exec_start");
  EXPECT_EQ(seen[1].labels, (Labels{{"a", "b"}}));
  EXPECT_EQ(seen[1].time, EngineTime(1'700'000'000'123'456'789ns));
  EXPECT_THAT(dying.requests().back(), HasSubstr("since=1700000000.000000001"));

  const ScriptedEngine silent([](const std::string&) { return "HOLD"; });
  const auto engine = silent.client();
  std::jthread follower([&](std::stop_token stop) {
    EXPECT_TRUE(engine->events({}, [](const Event&) { return true; }, stop));
    EXPECT_TRUE(engine->logs("x", {.follow = true}, [](Output, std::string_view) { return true; }, stop));
  });
  follower.request_stop();
}

}  // namespace
}  // namespace headrace::docker
