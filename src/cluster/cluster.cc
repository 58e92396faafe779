#include "cluster/cluster.h"

#include "base/result.h"

namespace headrace::cluster {

std::string_view word_of(TaskState state) {
  switch (state) {
    case TaskState::kStarting: return "starting";
    case TaskState::kRunning: return "running";
    case TaskState::kFinished: return "finished";
    case TaskState::kFailed: return "failed";
    case TaskState::kKilled: return "killed";
    case TaskState::kGone: return "gone";
    case TaskState::kUnreachable: return "unreachable";
  }
  CHECK(false, "unknown task state");
  return {};
}

}  // namespace headrace::cluster
