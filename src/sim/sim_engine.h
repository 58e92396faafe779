// A Docker Engine in memory, for tests of cluster/local without containers: real threads and streams, no
// processes. Containers run until a test ends them; the engine can be taken away, and answers can be lost
// after the deed was done.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
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
  // The container's process ends with this code, after saying these lines.
  void end(const std::string& name, int exit_code, const std::vector<std::string>& last_lines = {});
  // While away every call answers kUnavailable and streams break; containers go on.
  void go_away(bool away);
  // The next so many changing calls act, but their answers are lost (kTimeout).
  void lose_answers(int calls);
  // What exec answers in the containers whose name begins so.
  void set_exec(const std::string& prefix, docker::ExecResult result);
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
    docker::Container container;
    std::vector<docker::Mount> mounts;
    std::vector<std::string> lines;
  };
  using Lock = std::unique_lock<std::mutex>;

  Status reachable() const;
  // The deed is done; whether the caller hears of it is another matter.
  Status answered();
  Result<Box*> find(std::string_view container);
  void happen(const Box& box, std::string action);
  void finish(Box& box, int exit_code);
  static bool matches(const docker::Labels& labels, const docker::LabelFilters& filters);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t changes_ = 0;  // wakes who waits
  bool away_ = false;
  int lost_answers_ = 0;
  int creations_ = 0;
  std::map<std::string, docker::Image, std::less<>> images_;
  std::map<std::string, Box, std::less<>> boxes_;  // by name
  std::map<std::string, docker::Labels, std::less<>> volumes_;
  std::map<std::string, docker::ExecResult> execs_;
  std::deque<docker::Event> events_;
  std::uint64_t first_event_ = 0;  // the number of events_.front()
};

}  // namespace headrace::sim
