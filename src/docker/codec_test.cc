#include "docker/codec.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace headrace::docker {
namespace {

namespace json = boost::json;

json::value at(const json::value& body, const char* pointer) {
  boost::system::error_code error;
  const json::value* found = body.find_pointer(pointer, error);
  return found ? *found : json::value();
}

TEST(CodecTest, EveryFieldOfASpecReachesTheEngine) {
  const json::value body = json::parse(
      create_body({.name = "n",
                   .image = "i:1",
                   .entrypoint = {"enter"},
                   .command = {"run", "it"},
                   .ports = {{53, 5300, "127.0.0.2", Protocol::kUdp}, {53, 0, "", Protocol::kUdp}},
                   .memory = Bytes::mib(1),
                   .mounts = {{Mount::Kind::kBind, "/on/host", "/in", true},
                              {Mount::Kind::kVolume, "data", "/data", false}},
                   .privileged = true,
                   .stop_grace = 1500ms}));
  EXPECT_EQ(at(body, "/Cmd"), (json::array{"run", "it"}));
  EXPECT_EQ(at(body, "/Entrypoint"), json::array{"enter"});
  EXPECT_EQ(at(body, "/StopTimeout"), 2) << "never less than asked";
  EXPECT_EQ(at(body, "/ExposedPorts"), (json::object{{"53/udp", json::object{}}}));
  EXPECT_EQ(at(body, "/HostConfig/PortBindings/53~1udp"),
            (json::array{json::object{{"HostIp", "127.0.0.2"}, {"HostPort", "5300"}},
                         json::object{{"HostIp", ""}, {"HostPort", ""}}}));
  EXPECT_EQ(at(body, "/HostConfig/NetworkMode"), "bridge");
  EXPECT_EQ(at(body, "/HostConfig/Memory"), 1 << 20);
  EXPECT_EQ(at(body, "/HostConfig/MemorySwap"), 1 << 20) << "no swap beyond the limit";
  EXPECT_EQ(at(body, "/HostConfig/Mounts/0"),
            (json::object{{"Type", "bind"}, {"Target", "/in"}, {"Source", "/on/host"}, {"ReadOnly", true}}));
  EXPECT_EQ(at(body, "/HostConfig/Mounts/1/Type"), "volume");
  EXPECT_EQ(at(body, "/HostConfig/Privileged"), true);
  EXPECT_EQ(at(body, "/HostConfig/SecurityOpt"), json::array{"no-new-privileges"});
  EXPECT_EQ(at(body, "/HostConfig/LogConfig/Config"),
            (json::object{{"max-size", "16777216"}, {"max-file", "3"}}));
}

TEST(CodecTest, WhatASpecDoesNotSayIsLeftToTheImageAndTheEngine) {
  const json::value body = json::parse(create_body({.name = "n", .image = "i"}));
  for (const char* field : {"/Cmd", "/Entrypoint", "/StopTimeout", "/HostConfig/Memory",
                            "/HostConfig/MemorySwap", "/HostConfig/CpuShares"})
    EXPECT_TRUE(at(body, field).is_null()) << field;
}

TEST(CodecTest, UsageIsReadFromBothGenerationsOfControlGroups) {
  const json::value one = json::parse(R"({
      "cpu_stats": {"cpu_usage": {"total_usage": 18446744073}},
      "memory_stats": {"usage": 1000, "limit": 5000, "stats": {"total_inactive_file": 300}}})");
  const Usage usage = usage_from(JsonView(&one));
  EXPECT_EQ(usage.cpu.count(), 18446744073);
  EXPECT_EQ(usage.memory, Bytes{700});
  const json::value two =
      json::parse(R"({"memory_stats": {"usage": 1000, "stats": {"inactive_file": 400}}})");
  EXPECT_EQ(usage_from(JsonView(&two)).memory, Bytes{600});
  const json::value none = json::parse(R"({"memory_stats": {}})");
  EXPECT_EQ(usage_from(JsonView(&none)).memory, Bytes{});
}

TEST(CodecTest, WhatTheEngineLeavesOutOfAContainerIsEmpty) {
  const json::value answer = json::parse(
      R"({"Id": "abc", "Name": "/n", "State": {"Status": "created"}, "Config": {"Labels": null}})");
  const Container container = container_from_inspect(JsonView(&answer));
  EXPECT_EQ(container.name, "n");
  EXPECT_EQ(container.state, ContainerState::kCreated);
  EXPECT_TRUE(container.labels.empty());
  EXPECT_EQ(container.exit_code, 0);
}

}  // namespace
}  // namespace headrace::docker
