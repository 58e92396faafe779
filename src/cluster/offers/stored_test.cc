#include "cluster/offers/stored.h"

#include <gmock/gmock.h>

namespace headrace::cluster {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

const Want kWant{
    .id = ClaimId("c"),
    .group = "/a",
    .resources = {.cpus = 0.25, .memory = {5}},
    .ports = {{.name = "http", .number = 20001, .protocol = Protocol::kUdp}},
    .volumes = {{.name = "d", .path = "/d", .size = {9}}},
    .hold = Hold::kWhileTaskRuns,
    .task = Task{
        .id = TaskId("t"),
        .spec = {
            .image = "i",
            .network = Network::kBridge,
            .check =
                Check{.kind = CheckKind::kTcp, .path = "", .interval = 3ms, .timeout = 0s, .failures = 0},
            .grace = 4ms,
            .host_mounts = {"/a:/b:ro"},
            .privileged = true}}};

void expect_the_claim(const Result<StoredClaim>& claim) {
  ASSERT_TRUE(claim) << claim.error().to_string();
  EXPECT_EQ(claim->want, kWant);
  EXPECT_EQ(claim->gang.str(), "g");
  EXPECT_EQ(claim->claim, (Claim{.id = ClaimId("c"),
                                 .agent = AgentId("agent-1"),
                                 .address = "127.0.0.1",
                                 .ports = {{"http", 20001}}}));
  EXPECT_EQ(claim->phase, ClaimPhase::kParked);
  EXPECT_TRUE(claim->written);
  EXPECT_FALSE(claim->change || claim->destroy);
}

// The first was written by `protoc --encode` from the message definitions that this format began with.
TEST(Stored, AClaimComesBackAlsoAsProtobufWroteIt) {
  const std::string bytes = from_hex(
      "0a460a016312022f6118fa012005320c0a046874747010a19c0118013a090a016412022f6418094801521d0a01741201"
      "6940014a040802280368047a082f613a2f623a726f8001011201671a076167656e742d3122093132372e302e302e312a"
      "0a0a046874747010a19c0130023801");
  const auto claim = decode_claim("c", bytes);
  expect_the_claim(claim);
  expect_the_claim(decode_claim("c", encode(*claim)));
}

TEST(Stored, GangsAndTasksComeBackAndATaskThatStartedIsOnlyItsId) {
  const StoredGang gang{.sequence = 7, .gang = {.id = GangId("g"), .wants = {kWant, kWant}}};
  const auto gang_back = decode_gang("g", encode(gang));
  ASSERT_TRUE(gang_back);
  EXPECT_EQ(gang_back->sequence, 7u);
  EXPECT_EQ(gang_back->gang, gang.gang);

  StoredTask task{.claim = ClaimId("c"), .stop = true, .task = *kWant.task};
  const auto task_back = decode_task("t", encode(task));
  ASSERT_TRUE(task_back);
  EXPECT_TRUE(task_back->stop);
  EXPECT_EQ(task_back->task, task.task);
  task.started = true;
  EXPECT_EQ(decode_task("t", encode(task))->task.spec.image, "");
}

TEST(Stored, WhatIsNoRecordIsCorruptAndNamed) {
  const auto claim = decode_claim("claim-9", "garbage");
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().code, Code::kCorrupt);
  EXPECT_THAT(claim.error().message, testing::HasSubstr("claim-9"));
  EXPECT_FALSE(decode_claim("c", "\x30\x09")) << "a phase of a newer release";
}

}  // namespace
}  // namespace headrace::cluster
