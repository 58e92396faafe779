// Runs the checks of tasks: TCP and HTTP from here, COMMAND in the container. TCP and HTTP every 200 ms until
// the first pass, COMMAND every second; then at the check's interval. It only reports; results are told on
// change.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include "cluster/cluster.h"

namespace headrace::docker {
class Engine;
}

namespace headrace::cluster {

class Checks {
 public:
  // Called from a check thread: a task became ready, unhealthy, or ready again. message says why it is
  // unhealthy.
  using Report = std::function<void(const TaskId&, Health, const std::string& message)>;

  Checks(docker::Engine& engine, Report report, int threads = 4);
  ~Checks();

  // was_ready: its first pass has been seen before (an adopted task): it starts at the slow pace.
  void add(const TaskId& task, const Claim& claim, const Check& check, bool was_ready);
  void remove(const TaskId& task);

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    TaskId task;
    Claim claim;
    Check check;
    Clock::time_point started;
    bool was_ready = false;
    Health health = Health::kUnknown;
    int failures = 0;
    bool removed = false;
  };
  struct Due {
    Clock::time_point at;
    std::shared_ptr<Entry> entry;
    bool operator<(const Due& other) const { return at > other.at; }
  };

  void run(std::stop_token stop);
  void settle(Entry& entry, const Status& result);

  docker::Engine& engine_;
  Report report_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::priority_queue<Due> due_;
  std::map<TaskId, std::shared_ptr<Entry>> entries_;
  std::vector<std::jthread> threads_;
};

}  // namespace headrace::cluster
