// A Docker Engine in memory: containers without processes, that run until somebody ends them. It may be
// called by real threads with streams (tests of the edge), or in virtual time (sim_local.h), where what goes
// wrong with a call is asked for.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "docker/engine.h"

namespace headrace::sim {

class SimEngine : public docker::Engine {
 public:
  // ---- What a test does to it ----
  void add_image(const std::string& name, docker::Image image);
  // The container's process ends with this code, after saying these lines; false: no such one runs.
  bool end(const std::string& name, int exit_code, const std::vector<std::string>& last_lines = {});
  // While away every call answers kUnavailable and streams break; containers go on.
  void go_away(bool away);
  // What becomes of a changing call. Lost answers are kTimeout. One that acts late does so at the latest
  // before the next change or inspection of the same container, as the real engine locks each; one that is
  // not yet created is not there to be locked.
  enum class Mishap { kNone, kAnswerLost, kActsLate, kFails };
  struct Hooks {
    // Before each changing call; `name`: of the container or volume. May throw: the caller dies in the
    // middle.
    std::function<Mishap(std::string_view call, std::string_view name)> mishap;
    std::function<void(std::function<void()>)> later;  // where calls may act late
    std::function<void(const docker::ContainerSpec&)> started;
    std::function<void(const docker::Container&)> ended;
    std::function<void(const docker::Labels&)> volume_removed;
    std::function<docker::ExecResult(const docker::Container&)> exec;
  };
  // They are called with the engine's lock held.
  void set_hooks(Hooks hooks) { hooks_ = std::move(hooks); }
  int creations() const;  // containers made since the beginning

  // ---- Engine ----
  Result<std::string> version() override;
  Result<docker::Machine> machine() override;
  Result<docker::Image> inspect_image(std::string_view name) override;
  Result<std::string> create(const docker::ContainerSpec& spec) override;
  Status start(std::string_view container) override;
  Status stop(std::string_view container, Duration grace) override;
  Status kill(std::string_view container, std::string_view signal) override;
  Status remove(std::string_view container, bool force) override;
  Result<docker::Container> inspect(std::string_view container) override;
  Result<std::vector<docker::Container>> list(const docker::LabelFilters& labels, bool also_stopped) override;
  Status logs(std::string_view container, const docker::LogQuery& query, const docker::OutputSink& sink,
              std::stop_token stop) override;
  Result<docker::Usage> usage(std::string_view container) override;
  Result<docker::ExecResult> exec(std::string_view container, const std::vector<std::string>& command,
                                  Duration timeout, Bytes bound) override;
  Status create_volume(std::string_view name, const docker::Labels& labels) override;
  Status remove_volume(std::string_view name) override;
  Result<std::vector<docker::Volume>> list_volumes(const docker::LabelFilters& labels) override;
  Status events(const docker::EventQuery& query, const std::function<bool(const docker::Event&)>& sink,
                std::stop_token stop) override;

 private:
  struct Box {
    docker::ContainerSpec spec;
    docker::Container container;
    std::vector<std::string> lines;
  };
  using Lock = std::unique_lock<std::mutex>;

  Status reachable() const;
  // Runs a changing call, or something goes wrong with it.
  template <class Act>
  auto change(std::string_view call, std::string_view name, Act act) -> decltype(act());
  Result<Box*> find(std::string_view container);
  void happen(const Box& box, std::string action);
  void finish(Box& box, int exit_code);
  static bool matches(const docker::Labels& labels, const docker::LabelFilters& filters);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t changes_ = 0;  // wakes who waits
  bool away_ = false;
  void catch_up(const std::string& name);

  int creations_ = 0;
  Hooks hooks_;
  std::map<std::string, std::vector<std::function<void()>>> late_;  // calls that have not acted yet, by name
  std::map<std::string, docker::Image, std::less<>> images_;
  std::map<std::string, Box, std::less<>> boxes_;  // by name
  std::map<std::string, docker::Labels, std::less<>> volumes_;
  std::deque<docker::Event> events_;
  std::uint64_t first_event_ = 0;  // the number of events_.front()
};

}  // namespace headrace::sim
