// A small pool in which work of one key runs in order and different keys run side by side.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace headrace::cluster {

class Strands {
 public:
  using Work = std::function<void()>;
  explicit Strands(int threads);
  ~Strands();  // work not begun is dropped
  void post(const std::string& key, Work work);

 private:
  void run(std::stop_token stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, std::deque<Work>>
      waiting_;  // a key's entry exists while any work of it waits or runs
  std::deque<std::string> runnable_;
  std::vector<std::jthread> threads_;
};

}  // namespace headrace::cluster
