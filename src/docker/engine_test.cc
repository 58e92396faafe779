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
    const auto id =
        engine_->import_image(tar_of(files), image_, {"ENV PATH=/bin FROM_IMAGE=yes", "USER 7:8"});
    ASSERT_TRUE(id) << id.error().to_string();
    image_id_ = *id;
  }
  static void TearDownTestSuite() {
    EXPECT_TRUE(engine_->remove_image(image_, true));
    delete engine_;
  }
  ~EngineTest() override {
    for (const auto& container : engine_->list({our_label()}, true).value())
      EXPECT_TRUE(engine_->remove(container.id, {.force = true}));
    for (const Volume& volume : engine_->list_volumes({our_label()}).value())
      EXPECT_TRUE(engine_->remove_volume(volume.name));
  }

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
  static std::string output_of(const ContainerSpec& spec) {
    const std::string id = run(spec);
    EXPECT_TRUE(engine_->wait(id));
    return log_of(id);
  }

  static inline Engine* engine_ = nullptr;
  static inline std::string image_, image_id_;
};

TEST_F(EngineTest, TheEngineAndItsMachineDescribeThemselves) {
  EXPECT_THAT(engine_->version().value().api, HasSubstr("1."));
  const Machine machine = engine_->machine().value();
  EXPECT_GE(machine.cpus, 1);
  EXPECT_GT(machine.memory, Bytes::mib(256));
  EXPECT_FALSE(machine.root_folder.empty());
}

TEST_F(EngineTest, AnImportedImageIsInspectedByNameAndId) {
  const Image image = engine_->inspect_image(image_).value();
  EXPECT_EQ(image.id, image_id_);
  EXPECT_EQ(image.user, "7:8");
  EXPECT_THAT(image.env, UnorderedElementsAre("PATH=/bin", "FROM_IMAGE=yes"));
  EXPECT_THAT(image.tags, Contains(image_));
  EXPECT_EQ(engine_->inspect_image(image_id_).value().id, image_id_);
  EXPECT_EQ(engine_->inspect_image("no/such-image:1").error().code, Code::kNotFound);
  EXPECT_FALSE(engine_->import_image("this is no tar", "headrace-bad:1", {}));
}

TEST_F(EngineTest, AContainerRunsToItsEndAndTellsItsExitCode) {
  const std::string id = run(script("run", "echo out; echo err >&2; exit 3"));
  EXPECT_EQ(engine_->wait(id).value(), 3);
  const Container container = engine_->inspect(id).value();
  EXPECT_EQ(container.state, ContainerState::kExited);
  EXPECT_EQ(container.exit_code, 3);
  EXPECT_EQ(container.name, name_of("run"));
  EXPECT_EQ(container.image, image_id_);
  EXPECT_TRUE(container.started_at && container.finished_at &&
              *container.started_at <= *container.finished_at);
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
  EXPECT_TRUE(engine_->remove(id, {}));
  EXPECT_EQ(engine_->start(id).error().code, Code::kNotFound);
  EXPECT_EQ(engine_->remove(id, {}).error().code, Code::kNotFound);
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
  ContainerSpec spec =
      script("spec", R"(exec 2>&1; echo "$PATH $FROM_IMAGE $MINE"; id -u; cat /proc/self/limits | head -10;
      cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null;
      cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null;
      echo in: $PWD; echo x > /denied; echo x > /scratch/f && echo wrote; cat /proc/self/status)");
  spec.env = {"MINE=a b=c"};
  spec.user = "1234:1234";
  spec.working_folder = "/tmp";
  spec.memory = Bytes::mib(64);
  spec.pids = 77;
  spec.cpus = 0.5;
  spec.cpu_shares = 512;
  spec.read_only_root = true;
  spec.drop_capabilities = {"ALL"};
  spec.ulimits = {{"nofile", 1000, 2000}};
  spec.mounts = {{Mount::Kind::kTmpfs, "", "/scratch", false, Bytes::mib(1)}};
  const std::string out = output_of(spec);
  EXPECT_THAT(out, HasSubstr("/bin yes a b=c\n1234\n"));
  EXPECT_THAT(out, testing::ContainsRegex("Max open files +1000 +2000"));
  EXPECT_THAT(out, HasSubstr("67108864\n77\nin: /tmp\n"));
  EXPECT_THAT(out, HasSubstr("Read-only file system"));
  EXPECT_THAT(out, HasSubstr("wrote\n"));
  EXPECT_THAT(out, HasSubstr("CapBnd:\t0000000000000000"));
  EXPECT_THAT(out, HasSubstr("NoNewPrivs:\t1"));
}

TEST_F(EngineTest, AnEntryPointIsTheImagesOrOnesOwnOrNone) {
  ContainerSpec own = script("own-entry", "");
  own.entrypoint = std::vector<std::string>{"echo", "entered"};
  own.command = {"with", "words"};
  EXPECT_EQ(output_of(own), "entered with words\n");
  ContainerSpec none = script("no-entry", "echo plain");
  none.entrypoint = std::vector<std::string>{};
  EXPECT_EQ(output_of(none), "plain\n");
}

TEST_F(EngineTest, MembersOnHostNetworkingReachEachOtherByTheirOwnLoopbackAddresses) {
  const int port = free_port();
  run(script("server", fmt::format("echo hello > /tmp/f; httpd -f -h /tmp -p 127.0.9.1:{}", port)));
  const std::string client = run(script(
      "client",
      fmt::format(
          "for i in $(seq 200); do wget -q -O - http://127.0.9.1:{}/f && exit 0; sleep 0.05; done; exit 1",
          port)));
  EXPECT_EQ(engine_->wait(client).value(), 0);
  EXPECT_THAT(log_of(client), HasSubstr("hello\n"));
}

TEST_F(EngineTest, ABridgePortIsPublishedAndATakenOneIsRefusedByName) {
  const int port = free_port();
  ContainerSpec spec = script("bridged", "echo from $HOSTNAME > /tmp/f; httpd -f -h /tmp -p 80");
  spec.network = "bridge";
  spec.host_name = "mill";
  spec.ports = {{.container_port = 80, .host_port = port, .host_ip = "127.0.0.1"}};
  const std::string id = run(spec);
  const Container container = engine_->inspect(id).value();
  EXPECT_THAT(container.ports, ElementsAre(spec.ports[0]));
  EXPECT_FALSE(container.address.empty());
  EXPECT_THAT(engine_->list({our_label()}, false).value()[0].ports, ElementsAre(spec.ports[0]));
  const std::string client = run(script(
      "bridge-client",
      fmt::format("for i in $(seq 200); do wget -q -O - http://{}/f && exit 0; sleep 0.05; done; exit 1",
                  container.address)));
  EXPECT_EQ(engine_->wait(client).value(), 0);
  EXPECT_THAT(log_of(client), HasSubstr("from mill\n"));

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
  const auto now = std::chrono::time_point_cast<EngineTime::duration>(std::chrono::system_clock::now());
  EXPECT_EQ(log_of(id, {.since = now + 1h}), "");
  EXPECT_EQ(log_of(id, {.since = now - 1h}), "line 1\nline 2\nline 3\n");
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

  std::jthread waiter(
      [&](std::stop_token token) { EXPECT_EQ(engine_->wait(id, token).value(), std::nullopt); });
  waiter.request_stop();
}

TEST_F(EngineTest, ACommandInsideGivesItsOutputAndExitCode) {
  const std::string id = run(script("exec", "sleep 1000"));
  const auto result = engine_->exec(
      id, {.command = {"sh", "-c", "echo out $X; echo err >&2; id -u; exit 4"}, .env = {"X=1"}, .user = "99"},
      10s);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->exit_code, 4);
  EXPECT_EQ(result->out, "out 1\n99\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_FALSE(result->cut);
  const auto absent = engine_->exec(id, {.command = {"no-such-program"}}, 10s).value();
  EXPECT_THAT(absent.exit_code, testing::AnyOf(126, 127));
}

TEST_F(EngineTest, OfMoreOutputThanTheBoundTheEndIsKept) {
  const std::string id = run(script("much", "sleep 1000"));
  const auto result = engine_->exec(id, {.command = {"seq", "100000"}}, 30s, Bytes::kib(1)).value();
  EXPECT_EQ(result.out.size(), 1024u);
  EXPECT_TRUE(result.out.ends_with("99999\n100000\n"));
  EXPECT_TRUE(result.cut);
}

TEST_F(EngineTest, ACommandThatTakesTooLongIsATimeoutAndDoesNotLiveOn) {
  const std::string id = run(script("slow", "sleep 1000"));
  const auto result = engine_->exec(id, {.command = {"sleep", "987"}}, 300ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kTimeout);
  EXPECT_THAT(result.error().message, HasSubstr("300ms"));
  if (::getuid() == 0) {
    EXPECT_TRUE(eventually([&] {
      return engine_->exec(id, {.command = {"sh", "-c", "cat /proc/[0-9]*/cmdline"}}, 10s)
                 .value()
                 .out.find("987") == std::string::npos;
    }));
  }
}

TEST_F(EngineTest, NoCommandRunsInWhatDoesNotRun) {
  const std::string id = engine_->create(script("still", "true")).value();
  EXPECT_EQ(engine_->exec(id, {.command = {"true"}}, 10s).error().code, Code::kConflict);
  EXPECT_EQ(engine_->exec("no-such-container", {.command = {"true"}}, 10s).error().code, Code::kNotFound);
}

std::string rest_of(Attached& attached) {
  std::string out;
  while (auto chunk = attached.read().value()) out += chunk->bytes;
  return out;
}

TEST_F(EngineTest, AnAttachedCommandIsSpokenWith) {
  const std::string id = run(script("attached", "sleep 1000"));
  const auto attached =
      engine_->exec_attached(id, {.command = {"sh", "-c", "cat; echo done >&2; exit 6"}}).value();
  ASSERT_TRUE(attached->write("hello\n"));
  EXPECT_EQ(attached->read().value()->bytes, "hello\n");
  ASSERT_TRUE(attached->close_input());
  const auto last = attached->read().value();
  EXPECT_EQ(last->output, Output::kStderr);
  EXPECT_EQ(last->bytes, "done\n");
  EXPECT_EQ(rest_of(*attached), "");
  EXPECT_EQ(attached->exit_code().value(), 6);
}

TEST_F(EngineTest, ATerminalEchoesAndIsResizedAndReadingStopsWhenAsked) {
  const std::string id = run(script("terminal", "sleep 1000"));
  const auto attached = engine_->exec_attached(id, {.command = {"sh"}, .terminal = true}).value();
  EXPECT_TRUE(attached->resize(120, 40));
  ASSERT_TRUE(attached->write("echo $((6*7)); exit\n"));
  EXPECT_THAT(rest_of(*attached), HasSubstr("\r\n42\r\n"));

  const auto silent = engine_->exec_attached(id, {.command = {"cat"}}).value();
  std::jthread reader([&](std::stop_token stop) { EXPECT_EQ(silent->read(stop).value(), std::nullopt); });
  reader.request_stop();
  reader.join();
  EXPECT_EQ(silent->exit_code().error().code, Code::kConflict);
}

TEST_F(EngineTest, FilesGoInAndOutAsTar) {
  const std::string id = engine_->create(script("files", "cat /tmp/in; echo out > /tmp/out")).value();
  ASSERT_TRUE(engine_->put_archive(id, "/tmp", tar_of({{"in", "carried\n"}})));
  ASSERT_TRUE(engine_->start(id));
  ASSERT_TRUE(engine_->wait(id));
  EXPECT_EQ(log_of(id), "carried\n");
  EXPECT_THAT(engine_->get_archive(id, "/tmp/out", Bytes::mib(1)).value(), HasSubstr("out\n"));
  EXPECT_EQ(engine_->get_archive(id, "/bin/busybox", Bytes::kib(1)).error().code, Code::kRefused);
  EXPECT_EQ(engine_->get_archive(id, "/no/such", Bytes::mib(1)).error().code, Code::kNotFound);
  EXPECT_EQ(engine_->put_archive(id, "/no/such", tar_of({{"in", "x"}})).error().code, Code::kNotFound);
}

TEST_F(EngineTest, AVolumeOutlivesItsContainersAndIsHeldWhileUsed) {
  const std::string name = name_of("volume");
  EXPECT_EQ(engine_->create_volume(name, our_labels()).value().labels, our_labels());
  EXPECT_EQ(engine_->create_volume(name, our_labels()).value().name, name);
  ContainerSpec writer = script("writer", "echo kept > /data/f");
  writer.user = "0";
  writer.mounts = {{Mount::Kind::kVolume, name, "/data"}};
  const std::string id = run(writer);
  ASSERT_TRUE(engine_->wait(id));
  EXPECT_THAT(engine_->inspect(id).value().mounts, ElementsAre(writer.mounts[0]));
  EXPECT_EQ(engine_->remove_volume(name).error().code, Code::kConflict);
  ASSERT_TRUE(engine_->remove(id, {}));
  ContainerSpec reader = script("reader", "cat /data/f; echo x > /data/g");
  reader.mounts = {{Mount::Kind::kVolume, name, "/data", true}};
  EXPECT_THAT(output_of(reader), AllOf(HasSubstr("kept\n"), HasSubstr("Read-only")));
  EXPECT_EQ(engine_->list_volumes({our_label()}).value().size(), 1u);
  EXPECT_FALSE(engine_->inspect_volume(name).value().mount_point.empty());
  ASSERT_TRUE(engine_->remove(name_of("reader"), {}));
  ASSERT_TRUE(engine_->remove_volume(name));
  EXPECT_EQ(engine_->inspect_volume(name).error().code, Code::kNotFound);
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
  ASSERT_TRUE(engine_->wait(id));
  ASSERT_TRUE(engine_->remove(id, {}));
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
  EXPECT_EQ(live[2].container, id);
  EXPECT_EQ(live[2].name, name_of("life"));
  EXPECT_EQ(live[2].exit_code, 9);
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
  EXPECT_EQ(usage.memory_limit, Bytes::mib(32));
  EXPECT_GT(usage.memory, Bytes{});
  EXPECT_GE(usage.pids, 1);
}

TEST_F(EngineTest, AContainerThatOutgrowsItsMemoryIsSeenToHave) {
  ContainerSpec spec = script("greedy", "x=xxxxxxxx; while true; do x=$x$x; done");
  spec.memory = Bytes::mib(16);
  const std::string id = run(spec);
  EXPECT_EQ(engine_->wait(id).value(), 137);
  EXPECT_TRUE(engine_->inspect(id).value().out_of_memory);
}

TEST_F(EngineTest, SeveralThreadsUseOneEngine) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const std::string id = run(script(fmt::format("thread-{}", t), fmt::format("exit {}", t)));
      EXPECT_EQ(engine_->wait(id).value(), t);
      EXPECT_TRUE(engine_->remove(id, {}));
      EXPECT_EQ(engine_->inspect(id).error().code, Code::kNotFound);
    });
  }
}

}  // namespace
}  // namespace headrace::docker
