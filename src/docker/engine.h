// The Docker Engine as Headrace uses it: blocking calls, plain values, every failure a Result. The real form
// is engine_client.h; src/sim has a simulated one. Nothing here knows of tasks, claims or agents.
//
// Contract of every form:
//   * Calls may come from several threads at once.
//   * `container` is an id or a name; labels are how a caller finds its own again.
//   * A call that streams (follow, events, wait) ends with Ok when its stop_token is stopped.
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
#include <memory>
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

struct Version {
  std::string engine;  // "20.10.24"
  std::string api;     // "1.41"
};

struct Machine {
  std::string name;
  int cpus = 0;
  Bytes memory;
  std::string root_folder;  // where images and volumes lie: whose free space counts
  int running_containers = 0;
};

struct Image {
  std::string id;  // "sha256:..."
  std::vector<std::string> tags;
  std::vector<std::string> env;  // "NAME=value"
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::string user;
  std::string working_folder;
  Labels labels;
  Bytes size;
};

enum class Protocol { kTcp, kUdp };

struct PortBinding {
  int container_port = 0;
  int host_port = 0;    // 0: the engine picks one
  std::string host_ip;  // empty: every address of the machine
  Protocol protocol = Protocol::kTcp;
  bool operator==(const PortBinding&) const = default;
};

struct Mount {
  enum class Kind { kVolume, kBind, kTmpfs };
  Kind kind = Kind::kVolume;
  std::string source;  // name of the volume or path on the machine; empty for tmpfs
  std::string target;
  bool read_only = false;
  Bytes tmpfs_size;  // 0: the engine's default
  bool operator==(const Mount&) const = default;
};

struct Ulimit {
  std::string name;  // "nofile"
  std::int64_t soft = 0;
  std::int64_t hard = 0;
  bool operator==(const Ulimit&) const = default;
};

struct ContainerSpec {
  std::string name;
  std::string image;                                   // name or id
  std::optional<std::vector<std::string>> entrypoint;  // nullopt: the image's; empty: none
  std::vector<std::string> command;                    // empty: the image's
  std::vector<std::string> env;                        // "NAME=value"
  Labels labels;
  std::string user;  // empty: the image's
  std::string working_folder;
  std::string host_name;                 // not with host networking
  std::string network = "bridge";        // "host", "bridge", "none" or a network's name
  std::vector<PortBinding> ports;        // bridge only
  std::vector<std::string> extra_hosts;  // "name:address"
  double cpus = 0;                       // hard ceiling; 0: none
  std::int64_t cpu_shares = 0;           // weight under contention; 0: the engine's
  Bytes memory;                          // hard limit, no swap beyond it; 0: none
  bool kill_on_out_of_memory = true;
  std::int64_t pids = 0;  // 0: no limit
  std::vector<Mount> mounts;
  std::map<std::string, std::string> tmpfs;  // path -> mount(8) options: "exec,size=64m"
  std::vector<Ulimit> ulimits;
  bool read_only_root = false;
  bool privileged = false;                     // whoever sets it has asked the space's policy
  std::vector<std::string> drop_capabilities;  // "ALL"
  std::vector<std::string> add_capabilities;
  bool no_new_privileges = true;
  bool init = false;                    // a tiny init as process 1 that reaps children
  std::string stop_signal;              // empty: the image's, else SIGTERM
  std::optional<Duration> stop_grace;   // whole seconds; before SIGKILL
  Bytes log_max_size = Bytes::mib(16);  // json-file, rotated
  int log_max_files = 3;
};

enum class ContainerState { kCreated, kRunning, kPaused, kRestarting, kRemoving, kExited, kDead };
std::string_view word_of(ContainerState state);

// As inspect shows it; `list` gives what its answer holds: all but exit, error, pid, start and finish.
struct Container {
  std::string id;
  std::string name;   // without the slash
  std::string image;  // the image id
  ContainerState state = ContainerState::kCreated;
  Labels labels;
  std::vector<PortBinding> ports;  // as bound, when running
  std::string address;             // on its bridge network; empty with host networking
  int exit_code = 0;
  bool out_of_memory = false;
  std::string error;     // why the last start failed
  std::int64_t pid = 0;  // on the machine; 0 when it does not run
  Wall created_at;
  std::optional<Wall> started_at;
  std::optional<Wall> finished_at;
  std::vector<Mount> mounts;
};

enum class Output { kStdout, kStderr };

// Called in the streaming call's own thread; false ends the stream.
using OutputSink = std::function<bool(Output, std::string_view)>;

struct LogQuery {
  std::optional<int> tail;  // last lines; nullopt: all
  std::optional<EngineTime> since;
  bool follow = false;      // until the container ends or the caller stops
  bool timestamps = false;  // RFC 3339 before each line
};

struct ExecSpec {
  std::vector<std::string> command;
  std::vector<std::string> env;
  std::string user;
  std::string working_folder;
  bool terminal = false;  // interactive only: a TTY, everything arrives as stdout
};

struct ExecResult {
  int exit_code = 0;
  std::string out;
  std::string err;
  bool cut = false;  // there was more than the bound
};

// An attached process: one thread may write while another reads.
class Attached {
 public:
  struct Chunk {
    Output output = Output::kStdout;
    std::string bytes;
  };
  virtual ~Attached() = default;
  virtual Status write(std::string_view bytes) = 0;
  virtual Status close_input() = 0;
  // The next output; nullopt at its end or when stopped.
  virtual Result<std::optional<Chunk>> read(std::stop_token stop = {}) = 0;
  virtual Status resize(int columns, int rows) = 0;
  // After the end of the output. kConflict while it runs.
  virtual Result<int> exit_code() = 0;
};

struct Usage {
  std::chrono::nanoseconds cpu{0};  // since the container's start
  Bytes memory;                     // without page cache that can go
  Bytes memory_limit;
  std::int64_t pids = 0;
  Bytes received, sent;  // 0 with host networking
  Bytes read, written;   // block devices
};

struct Volume {
  std::string name;
  Labels labels;
  std::string mount_point;
};

struct EventQuery {
  std::optional<EngineTime> since;  // replays from there first (the engine keeps the last 256)
  LabelFilters labels;
  std::vector<std::string> actions;  // "start", "die", "oom", "destroy"; empty: all
};

// Of a container. Exec events arrive too unless `actions` says otherwise.
struct Event {
  std::string action;
  std::string container;  // id
  std::string name;
  Labels labels;
  std::optional<int> exit_code;  // of "die"
  EngineTime time;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual Result<Version> version() = 0;
  virtual Result<Machine> machine() = 0;

  virtual Result<Image> inspect_image(std::string_view name) = 0;
  // A file system as tar becomes an image called `name` ("probe:1"); changes are Dockerfile lines
  // ("ENTRYPOINT [...]"). Returns its id.
  virtual Result<std::string> import_image(std::string_view tar, std::string_view name,
                                           const std::vector<std::string>& changes) = 0;
  virtual Status remove_image(std::string_view name, bool force) = 0;

  // Returns the id.
  virtual Result<std::string> create(const ContainerSpec& spec) = 0;
  // A container that runs already is Ok.
  virtual Status start(std::string_view container) = 0;
  // Its stop signal, then SIGKILL after `grace` (whole seconds); returns when it has ended. Ended already is
  // Ok.
  virtual Status stop(std::string_view container, Duration grace) = 0;
  // kConflict if it does not run.
  virtual Status kill(std::string_view container, std::string_view signal) = 0;
  // Waits for the end; nullopt when stopped. Of one that never started: at once, with exit code 0.
  virtual Result<std::optional<int>> wait(std::string_view container, std::stop_token stop = {}) = 0;
  struct Removal {
    bool force = false;             // kill it first
    bool anonymous_volumes = true;  // the ones the image declared; named volumes always stay
  };
  virtual Status remove(std::string_view container, Removal how) = 0;
  virtual Result<Container> inspect(std::string_view container) = 0;
  virtual Result<std::vector<Container>> list(const LabelFilters& labels, bool also_stopped) = 0;

  virtual Status logs(std::string_view container, const LogQuery& query, const OutputSink& sink,
                      std::stop_token stop = {}) = 0;
  // Engines of version 20.10 take up to a second for the answer.
  virtual Result<Usage> usage(std::string_view container) = 0;

  // Runs a command inside and waits for it. Output beyond `bound` per stream is dropped, the end of it kept.
  // kTimeout: the command was killed where this process may, else it goes on.
  virtual Result<ExecResult> exec(std::string_view container, const ExecSpec& spec, Duration timeout,
                                  Bytes bound = Bytes::kib(64)) = 0;
  virtual Result<std::unique_ptr<Attached>> exec_attached(std::string_view container,
                                                          const ExecSpec& spec) = 0;

  // A file or folder as tar. kRefused above `at_most`.
  virtual Result<std::string> get_archive(std::string_view container, std::string_view path,
                                          Bytes at_most) = 0;
  // Unpacks a tar into a folder that exists. What is put before the first start into tmpfs is lost.
  virtual Status put_archive(std::string_view container, std::string_view folder, std::string_view tar) = 0;

  // There already: Ok, its labels stay as they were.
  virtual Result<Volume> create_volume(std::string_view name, const Labels& labels) = 0;
  // kConflict while a container uses it.
  virtual Status remove_volume(std::string_view name) = 0;
  virtual Result<Volume> inspect_volume(std::string_view name) = 0;
  virtual Result<std::vector<Volume>> list_volumes(const LabelFilters& labels) = 0;

  // Calls `sink` per container event until stopped (Ok), until sink says false (Ok), or until the engine goes
  // away (kUnavailable): the caller connects again with `since` = the last time seen, and drops doubles.
  virtual Status events(const EventQuery& query, const std::function<bool(const Event&)>& sink,
                        std::stop_token stop = {}) = 0;
};

}  // namespace headrace::docker
