// The client against the real Docker Engine of this machine, with an image of one static busybox.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <latch>
#include <mutex>
#include <thread>

#include "docker/engine_client.h"
#include "http/client.h"

namespace headrace::docker {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct TarEntry {
  std::string name;  // a folder ends with '/'
  std::string contents;
  int mode = 0644;
  std::string link = {};
};

// ustar, as POSIX has it.
std::string tar_of(const std::vector<TarEntry>& entries) {
  std::string out;
  for (const TarEntry& entry : entries) {
    char header[512] = {};
    const auto put = [&](int at, const std::string& text) {
      std::memcpy(header + at, text.data(), text.size());
    };
    put(0, entry.name);
    put(100, fmt::format("{:07o}", entry.mode));
    put(108, "0000000");
    put(116, "0000000");
    put(124, fmt::format("{:011o}", entry.contents.size()));
    put(136, "00000000000");
    put(148, "        ");
    header[156] = entry.name.ends_with('/') ? '5' : entry.link.empty() ? '0' : '2';
    put(157, entry.link);
    put(257, std::string("ustar\0"
                         "00",
                         8));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    out.append(header, sizeof header);
    out += entry.contents;
    out.append((512 - entry.contents.size() % 512) % 512, '\0');
  }
  return out.append(1024, '\0');
}

std::string busybox() {
  for (const char* path : {"/bin/busybox", "/usr/bin/busybox"}) {
    std::ifstream file(path, std::ios::binary);
    if (file) return {std::istreambuf_iterator<char>(file), {}};
  }
  return {};
}

// Until true, for at most so long: for what the engine does on its own.
bool eventually(const std::function<bool()>& holds) {
  for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;) {
    if (holds()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  CHECK(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = connect_engine({}).release();
    const std::string program = busybox();
    ASSERT_FALSE(program.empty()) << "install busybox-static";
    std::vector<TarEntry> files{{"bin/", "", 0755}, {"bin/busybox", program, 0755}, {"tmp/", "", 01777}};
    for (const char* name :
         {"sh", "sleep", "echo", "cat", "seq", "wget", "httpd", "id", "kill", "head", "touch"})
      files.push_back({fmt::format("bin/{}", name), "", 0777, "busybox"});
    image_ = fmt::format("headrace-engine-test:{}", ::getpid());
    const auto made = docker().request(
        "POST",
        fmt::format("/images/create?fromSrc=-&repo=headrace-engine-test&tag={}&changes={}&changes=USER%207:8",
                    ::getpid(), http::percent_encode("ENV PATH=/bin FROM_IMAGE=yes")),
        {}, tar_of(files));
    ASSERT_TRUE(made) << made.error().to_string();
    ASSERT_EQ(made->status, 200) << made->body;
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(docker().request("DELETE", fmt::format("/images/{}?force=1", image_))->status, 200);
    delete engine_;
  }
  ~EngineTest() override {
    for (const auto& container : engine_->list({our_label()}, true).value())
      EXPECT_TRUE(engine_->remove(container.id, true));
    for (const Volume& volume : engine_->list_volumes({our_label()}).value())
      EXPECT_TRUE(engine_->remove_volume(volume.name));
  }
  // What the engine can do and Headrace does not need: making images.
  static http::Client docker() { return http::Client::to("unix:" + EngineOptions().socket).value(); }

  static std::string our_label() { return fmt::format("headrace.engine-test={}", ::getpid()); }
  static Labels our_labels() { return {{"headrace.engine-test", std::to_string(::getpid())}}; }
  static std::string name_of(std::string_view what) {
    return fmt::format("engine-test-{}-{}", ::getpid(), what);
  }

  // A container that runs a shell script on host networking.
  static ContainerSpec script(std::string_view name, std::string text) {
    return {.name = name_of(name),
            .image = image_,
            .command = {"sh", "-c", std::move(text)},
            .labels = our_labels(),
            .network = "host"};
  }
  // Created and started; its id.
  static std::string run(const ContainerSpec& spec) {
    const auto id = engine_->create(spec);
    EXPECT_TRUE(id) << id.error().to_string();
    const auto started = engine_->start(*id);
    EXPECT_TRUE(started) << started.error().to_string();
    return *id;
  }
  static std::string log_of(std::string_view container, LogQuery query = {}) {
    std::string out;
    EXPECT_TRUE(engine_->logs(container, query, [&](Output, std::string_view text) {
      out += text;
      return true;
    }));
    return out;
  }
  // Its exit code, once it has ended.
  static int end_of(std::string_view container) {
    EXPECT_TRUE(
        eventually([&] { return engine_->inspect(container).value().state == ContainerState::kExited; }));
    return engine_->inspect(container).value().exit_code;
  }
  static std::string output_of(const ContainerSpec& spec) {
    const std::string id = run(spec);
    end_of(id);
    return log_of(id);
  }

  static inline Engine* engine_ = nullptr;
  static inline std::string image_;
};

TEST_F(EngineTest, TheEngineAndItsMachineDescribeThemselves) {
  EXPECT_FALSE(engine_->version().value().empty());
  const Machine machine = engine_->machine().value();
  EXPECT_GE(machine.cpus, 1);
  EXPECT_GT(machine.memory, Bytes::mib(256));
}

TEST_F(EngineTest, AnImageIsInspectedByNameAndId) {
  const Image image = engine_->inspect_image(image_).value();
  EXPECT_THAT(image.id, testing::StartsWith("sha256:"));
  EXPECT_EQ(image.user, "7:8");
  EXPECT_EQ(engine_->inspect_image(image.id).value().id, image.id);
  const auto absent = engine_->inspect_image("no/such-image:1");
  EXPECT_EQ(absent.error().code, Code::kNotFound);
  EXPECT_THAT(absent.error().message, HasSubstr("No such image: no/such-image:1"));
}

TEST_F(EngineTest, AContainerRunsToItsEndAndTellsItsExitCode) {
  const std::string id = run(script("run", "echo out; echo err >&2; exit 3"));
  EXPECT_EQ(end_of(id), 3);
  const Container container = engine_->inspect(id).value();
  EXPECT_EQ(container.state, ContainerState::kExited);
  EXPECT_EQ(container.name, name_of("run"));
  EXPECT_EQ(container.labels, our_labels());
  std::string out, err;
  ASSERT_TRUE(engine_->logs(id, {}, [&](Output output, std::string_view text) {
    (output == Output::kStdout ? out : err) += text;
    return true;
  }));
  EXPECT_EQ(out, "out\n");
  EXPECT_EQ(err, "err\n");
}

TEST_F(EngineTest, ANameInUseIsAConflictAndTheContainerIsFoundByIt) {
  const std::string id = engine_->create(script("twice", "true")).value();
  const auto again = engine_->create(script("twice", "true"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kConflict);
  EXPECT_EQ(engine_->inspect(name_of("twice")).value().id, id);
  EXPECT_EQ(engine_->inspect(name_of("twice")).value().state, ContainerState::kCreated);
}

TEST_F(EngineTest, StartAndStopOfWhatIsThereAlreadyAreOk) {
  const std::string id = run(script("again", "sleep 100"));
  EXPECT_TRUE(engine_->start(id));
  EXPECT_TRUE(engine_->stop(id, 0s));
  EXPECT_TRUE(engine_->stop(id, 0s));
  EXPECT_EQ(engine_->kill(id, "SIGTERM").error().code, Code::kConflict);
  EXPECT_TRUE(engine_->remove(id, false));
  EXPECT_EQ(engine_->start(id).error().code, Code::kNotFound);
  EXPECT_EQ(engine_->remove(id, false).error().code, Code::kNotFound);
}

TEST_F(EngineTest, StopGivesTheProcessItsGraceToEndWell) {
  // trap runs when the shell is between commands, so it waits in the background.
  const std::string polite = run(script("polite", "trap 'echo bye; exit 5' TERM; echo up; sleep 100 & wait"));
  ASSERT_TRUE(eventually([&] { return log_of(polite) == "up\n"; }));
  ASSERT_TRUE(engine_->stop(polite, 10s));
  EXPECT_EQ(engine_->inspect(polite).value().exit_code, 5);
  EXPECT_EQ(log_of(polite), "up\nbye\n");

  const std::string stubborn = run(script("stubborn", "trap '' TERM; echo up; while true; do sleep 1; done"));
  ASSERT_TRUE(eventually([&] { return log_of(stubborn) == "up\n"; }));
  const auto before = std::chrono::steady_clock::now();
  ASSERT_TRUE(engine_->stop(stubborn, 1s));
  EXPECT_GE(std::chrono::steady_clock::now() - before, 1s);
  EXPECT_EQ(engine_->inspect(stubborn).value().exit_code, 137);
}

TEST_F(EngineTest, TheSpecReachesTheProcess) {
  ContainerSpec spec = script("spec", R"(exec 2>&1; echo "$PATH $FROM_IMAGE $MINE"; id -u;
      cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null;
      echo in: $PWD; echo x > /denied; echo x > /scratch/f && echo wrote; cat /proc/self/status)");
  spec.env = {"MINE=a b=c"};
  spec.user = "1234:1234";
  spec.working_folder = "/tmp";
  spec.memory = Bytes::mib(64);
  spec.cpu_shares = 512;
  spec.read_only_root = true;
  spec.drop_capabilities = {"ALL"};
  spec.tmpfs = {{"/scratch", "mode=1777"}};
  const std::string out = output_of(spec);
  EXPECT_THAT(out, HasSubstr("/bin yes a b=c\n1234\n"));
  EXPECT_THAT(out, HasSubstr("67108864\nin: /tmp\n"));
  EXPECT_THAT(out, HasSubstr("Read-only file system"));
  EXPECT_THAT(out, HasSubstr("wrote\n"));
  EXPECT_THAT(out, HasSubstr("CapBnd:\t0000000000000000"));
  EXPECT_THAT(out, HasSubstr("NoNewPrivs:\t1"));
}

TEST_F(EngineTest, AnEntryPointMayBeOnesOwn) {
  ContainerSpec own = script("own-entry", "");
  own.entrypoint = {"echo", "entered"};
  own.command = {"with", "words"};
  EXPECT_EQ(output_of(own), "entered with words\n");
}

TEST_F(EngineTest, MembersOnHostNetworkingReachEachOtherByTheirOwnLoopbackAddresses) {
  const int port = free_port();
  run(script("server", fmt::format("echo hello > /tmp/f; httpd -f -h /tmp -p 127.0.9.1:{}", port)));
  const std::string client = run(script(
      "client",
      fmt::format(
          "for i in $(seq 200); do wget -q -O - http://127.0.9.1:{}/f && exit 0; sleep 0.05; done; exit 1",
          port)));
  EXPECT_EQ(end_of(client), 0);
  EXPECT_THAT(log_of(client), HasSubstr("hello\n"));
}

TEST_F(EngineTest, ABridgePortIsPublishedAndATakenOneIsRefusedByName) {
  const int port = free_port();
  ContainerSpec spec = script("bridged", "echo from the bridge > /tmp/f; httpd -f -h /tmp -p 80");
  spec.network = "bridge";
  spec.ports = {{.container_port = 80, .host_port = port, .host_ip = "127.0.0.1"}};
  run(spec);
  const auto server = http::Client::to(fmt::format("http://127.0.0.1:{}", port)).value();
  EXPECT_TRUE(eventually([&] {
    const auto answer = server.request("GET", "/f");
    return answer && answer->body == "from the bridge\n";
  }));

  spec.name = name_of("bridged-2");
  const std::string second = engine_->create(spec).value();
  const auto refused = engine_->start(second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);
  EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(port)));
}

TEST_F(EngineTest, WhatTheEngineDoesNotAcceptIsTheCallersError) {
  ContainerSpec no_image = script("no-image", "true");
  no_image.image = "headrace-no-such-image:1";
  EXPECT_EQ(engine_->create(no_image).error().code, Code::kNotFound);
  ContainerSpec no_source = script("no-source", "true");
  no_source.mounts = {{Mount::Kind::kBind, "/no/such/folder", "/data"}};
  EXPECT_EQ(engine_->create(no_source).error().code, Code::kInvalid);
  ContainerSpec no_program = script("no-program", "");
  no_program.command = {"no-such-program"};
  const std::string id = engine_->create(no_program).value();
  const auto failed = engine_->start(id);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInvalid);
  EXPECT_THAT(failed.error().message, HasSubstr("no-such-program"));
}

TEST_F(EngineTest, ListGivesWhatCarriesTheLabelAndStoppedOnesOnlyWhenAsked) {
  ContainerSpec spec = script("listed", "sleep 100");
  spec.labels["role"] = "broker";
  const std::string running = run(spec);
  const std::string created = engine_->create(script("idle", "true")).value();
  const auto ids = [&](LabelFilters labels, bool also_stopped) {
    labels.push_back(our_label());
    std::vector<std::string> out;
    for (const Container& container : engine_->list(labels, also_stopped).value())
      out.push_back(container.id);
    return out;
  };
  EXPECT_THAT(ids({}, true), UnorderedElementsAre(running, created));
  EXPECT_THAT(ids({}, false), ElementsAre(running));
  EXPECT_THAT(ids({"role=broker"}, true), ElementsAre(running));
  EXPECT_THAT(ids({"role"}, true), ElementsAre(running));
  EXPECT_THAT(ids({"role=controller"}, true), IsEmpty());
}

TEST_F(EngineTest, LogsAreFollowedUntilTheContainerEnds) {
  const std::string id = run(script("follow", "for i in 1 2 3; do echo line $i; sleep 0.2; done"));
  EXPECT_EQ(log_of(id, {.follow = true}), "line 1\nline 2\nline 3\n");
  EXPECT_EQ(log_of(id, {.tail = 1}), "line 3\n");
  EXPECT_EQ(log_of(id, {.tail = 0}), "");
  const std::string stamped = log_of(id, {.tail = 1, .timestamps = true});
  EXPECT_THAT(stamped, AllOf(testing::StartsWith("20"), HasSubstr("Z line 3\n")));
}

TEST_F(EngineTest, FollowingEndsAtOnceWhenStoppedOrWhenTheSinkWantsNoMore) {
  const std::string id = run(script("forever", "echo one; sleep 1000"));
  std::stop_source stop;
  std::latch seen(1);
  std::jthread follower([&] {
    EXPECT_TRUE(engine_->logs(
        id, {.follow = true},
        [&](Output, std::string_view) {
          seen.count_down();
          return true;
        },
        stop.get_token()));
  });
  seen.wait();
  stop.request_stop();
  follower.join();
  EXPECT_TRUE(engine_->logs(id, {.follow = true}, [](Output, std::string_view) { return false; }));
}

TEST_F(EngineTest, ACommandInsideGivesItsOutputAndExitCode) {
  const std::string id = run(script("exec", "sleep 1000"));
  const auto result = engine_->exec(id, {"sh", "-c", "echo out; echo err >&2; exit 4"}, 10s);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->exit_code, 4);
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  const auto absent = engine_->exec(id, {"no-such-program"}, 10s).value();
  EXPECT_THAT(absent.exit_code, testing::AnyOf(126, 127));
}

TEST_F(EngineTest, OfMoreOutputThanTheBoundTheEndIsKept) {
  const std::string id = run(script("much", "sleep 1000"));
  const auto result = engine_->exec(id, {"seq", "100000"}, 30s, Bytes::kib(1)).value();
  EXPECT_EQ(result.out.size(), 1024u);
  EXPECT_TRUE(result.out.ends_with("99999\n100000\n"));
}

TEST_F(EngineTest, ACommandThatTakesTooLongIsATimeoutAndDoesNotLiveOn) {
  const std::string id = run(script("slow", "sleep 1000"));
  const auto result = engine_->exec(id, {"sleep", "987"}, 300ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kTimeout);
  EXPECT_THAT(result.error().message, HasSubstr("300ms"));
  if (::getuid() == 0) {
    EXPECT_TRUE(eventually([&] {
      return engine_->exec(id, {"sh", "-c", "cat /proc/[0-9]*/cmdline"}, 10s).value().out.find("987") ==
             std::string::npos;
    }));
  }
}

TEST_F(EngineTest, NoCommandRunsInWhatDoesNotRun) {
  const std::string id = engine_->create(script("still", "true")).value();
  EXPECT_EQ(engine_->exec(id, {"true"}, 10s).error().code, Code::kConflict);
  EXPECT_EQ(engine_->exec("no-such-container", {"true"}, 10s).error().code, Code::kNotFound);
}

TEST_F(EngineTest, AVolumeOutlivesItsContainersAndIsHeldWhileUsed) {
  const std::string name = name_of("volume");
  EXPECT_TRUE(engine_->create_volume(name, our_labels()));
  EXPECT_TRUE(engine_->create_volume(name, our_labels())) << "it is there already";
  ContainerSpec writer = script("writer", "echo kept > /data/f");
  writer.user = "0";
  writer.mounts = {{Mount::Kind::kVolume, name, "/data"}};
  const std::string id = run(writer);
  end_of(id);
  EXPECT_EQ(engine_->remove_volume(name).error().code, Code::kConflict);
  ASSERT_TRUE(engine_->remove(id, false));
  ContainerSpec reader = script("reader", "cat /data/f; echo x > /data/g");
  reader.mounts = {{Mount::Kind::kVolume, name, "/data", true}};
  EXPECT_THAT(output_of(reader), AllOf(HasSubstr("kept\n"), HasSubstr("Read-only")));
  const auto volumes = engine_->list_volumes({our_label()}).value();
  ASSERT_EQ(volumes.size(), 1u);
  EXPECT_EQ(volumes[0].name, name);
  EXPECT_EQ(volumes[0].labels, our_labels());
  ASSERT_TRUE(engine_->remove(name_of("reader"), false));
  ASSERT_TRUE(engine_->remove_volume(name));
  EXPECT_THAT(engine_->list_volumes({our_label()}).value(), IsEmpty());
}

TEST_F(EngineTest, EventsTellALifeInOrderAlsoWhenAskedAfterwards) {
  const auto begin = std::chrono::time_point_cast<EngineTime::duration>(std::chrono::system_clock::now());
  ContainerSpec spec = script("life", "exit 9");
  spec.labels["role"] = "mayfly";
  std::vector<Event> live;
  std::latch first(1), last(1);
  std::jthread follower([&](std::stop_token stop) {
    EXPECT_TRUE(engine_->events(
        {.since = begin, .labels = {our_label()}},
        [&](const Event& event) {
          live.push_back(event);
          if (event.action == "create") first.count_down();
          if (event.action == "destroy") last.count_down();
          return true;
        },
        stop));
  });
  const std::string id = run(spec);
  first.wait();
  end_of(id);
  ASSERT_TRUE(engine_->remove(id, false));
  last.wait();
  follower.request_stop();
  follower.join();

  std::vector<Event> replayed;
  ASSERT_TRUE(
      engine_->events({.since = begin, .labels = {our_label()}, .actions = {"start", "die", "destroy"}},
                      [&](const Event& event) {
                        replayed.push_back(event);
                        return event.action != "destroy";
                      }));
  const auto actions = [](const std::vector<Event>& events) {
    std::vector<std::string> out;
    for (const Event& event : events) out.push_back(event.action);
    return out;
  };
  EXPECT_THAT(actions(live), ElementsAre("create", "start", "die", "destroy"));
  EXPECT_THAT(actions(replayed), ElementsAre("start", "die", "destroy"));
  EXPECT_EQ(live[2].labels, spec.labels);
  EXPECT_GE(live[0].time, begin);
  EXPECT_EQ(live[1].time, replayed[0].time);
}

TEST_F(EngineTest, UsageIsMeasuredWhileItRuns) {
  ContainerSpec spec = script("busy", "while true; do :; done");
  spec.memory = Bytes::mib(32);
  const std::string id = run(spec);
  EXPECT_TRUE(eventually([&] { return engine_->usage(id).value().cpu > 50ms; }));
  const Usage usage = engine_->usage(id).value();
  EXPECT_GT(usage.memory, Bytes{});
}

TEST_F(EngineTest, AContainerThatOutgrowsItsMemoryIsSeenToHave) {
  ContainerSpec spec = script("greedy", "x=xxxxxxxx; while true; do x=$x$x; done");
  spec.memory = Bytes::mib(16);
  const std::string id = run(spec);
  EXPECT_EQ(end_of(id), 137);
  EXPECT_TRUE(engine_->inspect(id).value().out_of_memory);
}

TEST_F(EngineTest, SeveralThreadsUseOneEngine) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const std::string id = run(script(fmt::format("thread-{}", t), fmt::format("exit {}", t)));
      EXPECT_EQ(end_of(id), t);
      EXPECT_TRUE(engine_->remove(id, false));
      EXPECT_EQ(engine_->inspect(id).error().code, Code::kNotFound);
    });
  }
}

}  // namespace
}  // namespace headrace::docker
