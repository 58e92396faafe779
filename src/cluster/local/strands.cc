#include "cluster/local/strands.h"

#include <utility>

namespace headrace::cluster {

Strands::Strands(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this](std::stop_token stop) { run(stop); });
}

Strands::~Strands() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Strands::post(const std::string& key, Work work) {
  const std::scoped_lock lock(mutex_);
  const auto [entry, is_new] = waiting_.try_emplace(key);
  entry->second.push_back(std::move(work));
  if (is_new) runnable_.push_back(key);
  changed_.notify_one();
}

void Strands::run(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !runnable_.empty(); })) {
    if (stop.stop_requested()) return;
    const std::string key = std::move(runnable_.front());
    runnable_.pop_front();
    Work work = std::move(waiting_.at(key).front());
    waiting_.at(key).pop_front();
    lock.unlock();
    work();
    lock.lock();
    if (waiting_.at(key).empty()) {
      waiting_.erase(key);
    } else {
      runnable_.push_back(key);
      changed_.notify_one();
    }
  }
}

}  // namespace headrace::cluster
