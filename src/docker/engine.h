// The Docker Engine as Headrace uses it: blocking calls, plain values, every failure a Result. The real form
// is engine_client.h; src/sim has a simulated one. Nothing here knows of tasks, claims or agents.
//
// Contract of every form:
//   * Calls may come from several threads at once.
//   * `container` is an id or a name; labels are how a caller finds its own again.
//   * A call that streams (follow, events) ends with Ok when its stop_token is stopped.
// Errors, alike for every call:
//   kNotFound     no such container, image or volume
//   kConflict     a name in use (the container is there: `find` it), or a state that forbids the call
//   kInvalid      the engine does not accept the description
//   kRefused      "port is already allocated": the message names it
//   kUnavailable  no engine answers, or "no space left on device"; the remedy says what to do
//   kTimeout      the engine did not answer in time; whether it acted is unknown
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace headrace::docker {

using Labels = std::map<std::string, std::string>;
// A label that must be there: "key" or "key=value".
using LabelFilters = std::vector<std::string>;
// The engine's own time has nanoseconds; log and event positions need them all.
using EngineTime = std::chrono::sys_time<std::chrono::nanoseconds>;

struct Machine {
  int cpus = 0;
  Bytes memory;
};

struct Image {
  std::string id;    // "sha256:..."
  std::string user;  // that its processes run as; empty: root
};

enum class Protocol { kTcp, kUdp };

struct PortBinding {
  int container_port = 0;
  int host_port = 0;    // 0: the engine picks one
  std::string host_ip;  // empty: every address of the machine
  Protocol protocol = Protocol::kTcp;
};

struct Mount {
  enum class Kind { kVolume, kBind };
  Kind kind = Kind::kVolume;
  std::string source;  // name of the volume or path on the machine
  std::string target;
  bool read_only = false;
};

struct ContainerSpec {
  std::string name;
  std::string image;                    // name or id
  std::vector<std::string> entrypoint;  // empty: the image's
  std::vector<std::string> command;     // empty: the image's
  std::vector<std::string> env;         // "NAME=value"
  Labels labels;
  std::string user;  // empty: the image's
  std::string working_folder;
  std::string network = "bridge";  // "host", "bridge", "none" or a network's name
  std::vector<PortBinding> ports;  // bridge only
  std::int64_t cpu_shares = 0;     // weight under contention; 0: the engine's
  Bytes memory;                    // hard limit, no swap beyond it; 0: none
  std::vector<Mount> mounts;
  std::map<std::string, std::string> tmpfs;  // path -> mount(8) options: "exec,size=64m"
  bool read_only_root = false;
  bool privileged = false;                     // whoever sets it has asked the space's policy
  std::vector<std::string> drop_capabilities;  // "ALL"
  std::optional<Duration> stop_grace;          // whole seconds; before SIGKILL
};

enum class ContainerState { kCreated, kRunning, kPaused, kRestarting, kRemoving, kExited, kDead };

// As inspect shows it; `list` gives what its answer holds: id, name, state and labels.
struct Container {
  std::string id;
  std::string name;  // without the slash
  ContainerState state = ContainerState::kCreated;
  Labels labels;
  int exit_code = 0;
  bool out_of_memory = false;
  std::string error;  // why the last start failed
};

enum class Output { kStdout, kStderr };

// Called in the streaming call's own thread; false ends the stream.
using OutputSink = std::function<bool(Output, std::string_view)>;

struct LogQuery {
  std::optional<int> tail;  // last lines; nullopt: all
  bool follow = false;      // until the container ends or the caller stops
  bool timestamps = false;  // RFC 3339 before each line
};

struct ExecResult {
  int exit_code = 0;
  std::string out;
  std::string err;
};

struct Usage {
  std::chrono::nanoseconds cpu{0};  // since the container's start
  Bytes memory;                     // without page cache that can go
};

struct Volume {
  std::string name;
  Labels labels;
};

struct EventQuery {
  std::optional<EngineTime> since;  // replays from there first (the engine keeps the last 256)
  LabelFilters labels;
  std::vector<std::string> actions;  // "start", "die", "oom", "destroy"; empty: all
};

// Of a container. Exec events arrive too unless `actions` says otherwise.
struct Event {
  std::string action;
  Labels labels;
  EngineTime time;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Of the engine: "20.10.24".
  virtual Result<std::string> version() = 0;
  virtual Result<Machine> machine() = 0;
  virtual Result<Image> inspect_image(std::string_view name) = 0;

  // Returns the id.
  virtual Result<std::string> create(const ContainerSpec& spec) = 0;
  // A container that runs already is Ok.
  virtual Status start(std::string_view container) = 0;
  // Its stop signal, then SIGKILL after `grace` (whole seconds); returns when it has ended. Ended already is
  // Ok.
  virtual Status stop(std::string_view container, Duration grace) = 0;
  // kConflict if it does not run.
  virtual Status kill(std::string_view container, std::string_view signal) = 0;
  // With its anonymous volumes (the ones the image declared); named volumes always stay. `force`: kills it
  // first.
  virtual Status remove(std::string_view container, bool force) = 0;
  virtual Result<Container> inspect(std::string_view container) = 0;
  virtual Result<std::vector<Container>> list(const LabelFilters& labels, bool also_stopped) = 0;

  virtual Status logs(std::string_view container, const LogQuery& query, const OutputSink& sink,
                      std::stop_token stop = {}) = 0;
  // Engines of version 20.10 take up to a second for the answer.
  virtual Result<Usage> usage(std::string_view container) = 0;

  // Runs a command inside and waits for it. Output beyond `bound` per stream is dropped, the end of it kept.
  // kTimeout: the command was killed where this process may, else it goes on.
  virtual Result<ExecResult> exec(std::string_view container, const std::vector<std::string>& command,
                                  Duration timeout, Bytes bound = Bytes::kib(64)) = 0;

  // There already: Ok, its labels stay as they were.
  virtual Status create_volume(std::string_view name, const Labels& labels) = 0;
  // kConflict while a container uses it.
  virtual Status remove_volume(std::string_view name) = 0;
  virtual Result<std::vector<Volume>> list_volumes(const LabelFilters& labels) = 0;

  // Calls `sink` per container event until stopped (Ok), until sink says false (Ok), or until the engine goes
  // away (kUnavailable): the caller connects again with `since` = the last time seen, and drops doubles.
  virtual Status events(const EventQuery& query, const std::function<bool(const Event&)>& sink,
                        std::stop_token stop = {}) = 0;
};

}  // namespace headrace::docker
