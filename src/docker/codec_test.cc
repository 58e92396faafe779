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
                   .entrypoint = std::vector<std::string>{},
                   .command = {"run", "it"},
                   .host_name = "mill",
                   .ports = {{53, 5300, "127.0.0.2", Protocol::kUdp}, {53, 0, "", Protocol::kUdp}},
                   .extra_hosts = {"kafka:127.0.0.3"},
                   .cpus = 1.5,
                   .memory = Bytes::mib(1),
                   .kill_on_out_of_memory = false,
                   .mounts = {{Mount::Kind::kBind, "/on/host", "/in", true},
                              {Mount::Kind::kTmpfs, "", "/t", false, Bytes::kib(4)}},
                   .privileged = true,
                   .add_capabilities = {"NET_ADMIN"},
                   .init = true,
                   .stop_signal = "SIGINT",
                   .stop_grace = 1500ms,
                   .log_max_size = Bytes::mib(2),
                   .log_max_files = 5}));
  EXPECT_EQ(at(body, "/Cmd"), (json::array{"run", "it"}));
  EXPECT_EQ(at(body, "/Entrypoint"), json::array{""});
  EXPECT_EQ(at(body, "/Hostname"), "mill");
  EXPECT_EQ(at(body, "/StopSignal"), "SIGINT");
  EXPECT_EQ(at(body, "/StopTimeout"), 2) << "never less than asked";
  EXPECT_EQ(at(body, "/ExposedPorts"), (json::object{{"53/udp", json::object{}}}));
  EXPECT_EQ(at(body, "/HostConfig/PortBindings/53~1udp"),
            (json::array{json::object{{"HostIp", "127.0.0.2"}, {"HostPort", "5300"}},
                         json::object{{"HostIp", ""}, {"HostPort", ""}}}));
  EXPECT_EQ(at(body, "/HostConfig/NetworkMode"), "bridge");
  EXPECT_EQ(at(body, "/HostConfig/ExtraHosts"), json::array{"kafka:127.0.0.3"});
  EXPECT_EQ(at(body, "/HostConfig/NanoCpus"), 1'500'000'000);
  EXPECT_EQ(at(body, "/HostConfig/Memory"), 1 << 20);
  EXPECT_EQ(at(body, "/HostConfig/MemorySwap"), 1 << 20) << "no swap beyond the limit";
  EXPECT_EQ(at(body, "/HostConfig/OomKillDisable"), true);
  EXPECT_EQ(at(body, "/HostConfig/Mounts/0"),
            (json::object{{"Type", "bind"}, {"Target", "/in"}, {"Source", "/on/host"}, {"ReadOnly", true}}));
  EXPECT_EQ(at(body, "/HostConfig/Mounts/1/TmpfsOptions/SizeBytes"), 4096);
  EXPECT_EQ(at(body, "/HostConfig/Privileged"), true);
  EXPECT_EQ(at(body, "/HostConfig/CapAdd"), json::array{"NET_ADMIN"});
  EXPECT_EQ(at(body, "/HostConfig/Init"), true);
  EXPECT_EQ(at(body, "/HostConfig/SecurityOpt"), json::array{"no-new-privileges"});
  EXPECT_EQ(at(body, "/HostConfig/LogConfig/Config"),
            (json::object{{"max-size", "2097152"}, {"max-file", "5"}}));
}

TEST(CodecTest, WhatASpecDoesNotSayIsLeftToTheImageAndTheEngine) {
  const json::value body = json::parse(create_body({.name = "n", .image = "i"}));
  for (const char* field : {"/Cmd", "/Entrypoint", "/StopSignal", "/StopTimeout", "/HostConfig/Memory",
                            "/HostConfig/MemorySwap", "/HostConfig/NanoCpus", "/HostConfig/PidsLimit"})
    EXPECT_TRUE(at(body, field).is_null()) << field;
}

TEST(CodecTest, UsageIsReadFromBothGenerationsOfControlGroups) {
  const json::value one = json::parse(R"({
      "cpu_stats": {"cpu_usage": {"total_usage": 18446744073}},
      "memory_stats": {"usage": 1000, "limit": 5000, "stats": {"total_inactive_file": 300}},
      "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
      "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 7}, {"op": "Write", "value": 8}]}})");
  const Usage usage = usage_from(JsonView(&one));
  EXPECT_EQ(usage.cpu.count(), 18446744073);
  EXPECT_EQ(usage.memory, Bytes{700});
  EXPECT_EQ(usage.received, Bytes{11});
  EXPECT_EQ(usage.sent, Bytes{22});
  EXPECT_EQ(usage.read, Bytes{7});
  const json::value two = json::parse(R"({
      "memory_stats": {"usage": 1000, "stats": {"inactive_file": 400}},
      "blkio_stats": {"io_service_bytes_recursive": [{"op": "write", "value": 8}]}})");
  EXPECT_EQ(usage_from(JsonView(&two)).memory, Bytes{600});
  EXPECT_EQ(usage_from(JsonView(&two)).written, Bytes{8});
  const json::value none =
      json::parse(R"({"memory_stats": {}, "blkio_stats": {"io_service_bytes_recursive": null}})");
  EXPECT_EQ(usage_from(JsonView(&none)).memory, Bytes{});
}

TEST(CodecTest, AContainerThatNeverRanHasNoTimes) {
  const json::value answer =
      json::parse(R"({"Id": "abc", "Name": "/n", "Created": "2026-11-23T09:00:00.123456789Z",
      "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"},
      "Config": {"Labels": null}, "Mounts": null, "NetworkSettings": {"Ports": {"80/tcp": null}}})");
  const Container container = container_from_inspect(JsonView(&answer));
  EXPECT_EQ(container.state, ContainerState::kCreated);
  EXPECT_FALSE(container.started_at || container.finished_at);
  EXPECT_EQ(to_rfc3339(container.created_at), "2026-11-23T09:00:00.123Z");
  EXPECT_TRUE(container.ports.empty());
}

}  // namespace
}  // namespace headrace::docker
