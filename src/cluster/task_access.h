// Looking into tasks, beside the seam: for people and for the API's edge, never for managers.
// Implementations are called from I/O threads and may block within the given time limit.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cluster/cluster.h"

namespace headrace::cluster {

struct LogOptions {
  int tail = 200;       // last lines; -1: all that is kept
  bool follow = false;  // go on until the task ends
  bool timestamps = false;
};

struct ExecResult {
  int exit_code = 0;
  std::string output;  // both streams, ≤ 1 MiB
};

struct TaskStatistics {
  double cpu_seconds = 0;
  Bytes memory;
};

class TaskAccess {
 public:
  virtual ~TaskAccess() = default;
  // Calls on_line(stream, line) for each line (a longer one in pieces of 64 KiB) until it says false, `stop`
  // is requested or there are no more. stream is "stdout" or "stderr".
  virtual Status logs(const TaskId& task, const LogOptions& options,
                      const std::function<bool(std::string_view stream, std::string_view line)>& on_line,
                      std::stop_token stop = {}) = 0;
  virtual Result<ExecResult> exec(const TaskId& task, const std::vector<std::string>& command,
                                  Duration timeout) = 0;
  virtual Result<TaskStatistics> statistics(const TaskId& task) = 0;
};

}  // namespace headrace::cluster
