#include "cluster/local/checks.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cluster/local/container_spec.h"
#include "docker/engine.h"
#include "http/client.h"

namespace headrace::cluster {
namespace {

constexpr Duration kFastCheck = 200ms, kFastCommand = 1s;

Status connect_to(const std::string& address, std::uint16_t port, Duration timeout) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return fail(Code::kUnavailable, "no socket to check with");
  const std::unique_ptr<const int, void (*)(const int*)> closer(&descriptor,
                                                                [](const int* each) { close(*each); });
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &target.sin_addr);
  const auto refuse = [&](int error) {
    return fail(Code::kUnavailable,
                fmt::format("{}:{} does not accept connections: {}", address, port, std::strerror(error)));
  };
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0) return {};
  if (errno != EINPROGRESS) return refuse(errno);
  pollfd waiting{descriptor, POLLOUT, 0};
  if (poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return refuse(ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return refuse(error);
  return {};
}

Status get_from(const std::string& address, std::uint16_t port, const std::string& path, Duration timeout) {
  TRY(const http::Client client, http::Client::to(fmt::format("http://{}:{}", address, port)));
  TRY(const http::Response response, client.request("GET", path, {}, {}, timeout));
  if (response.status >= 200 && response.status < 400) return {};
  return fail(Code::kUnavailable,
              fmt::format("GET {} answers {}: {}", path, response.status, response.body.substr(0, 200)));
}

}  // namespace

Checks::Checks(docker::Engine& engine, Report report, int threads)
    : engine_(engine), report_(std::move(report)) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this](std::stop_token stop) { run(stop); });
}

Checks::~Checks() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Checks::add(const TaskId& task, const Claim& claim, const Check& check, bool was_ready) {
  const auto entry = std::make_shared<Entry>(
      Entry{.task = task, .claim = claim, .check = check, .started = Clock::now(), .was_ready = was_ready});
  const std::scoped_lock lock(mutex_);
  if (const auto old = entries_.find(task); old != entries_.end()) old->second->removed = true;
  entries_[task] = entry;
  due_.push({Clock::now(), entry});
  changed_.notify_one();
}

void Checks::remove(const TaskId& task) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(task);
  if (found == entries_.end()) return;
  found->second->removed = true;
  entries_.erase(found);
}

void Checks::run(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (due_.empty()) {
      changed_.wait(lock, stop, [&] { return !due_.empty(); });
      continue;
    }
    if (const auto at = due_.top().at; at > Clock::now()) {
      changed_.wait_until(lock, stop, at, [&] { return !due_.empty() && due_.top().at < at; });
      continue;
    }
    const std::shared_ptr<Entry> entry = due_.top().entry;
    due_.pop();
    if (entry->removed) continue;
    lock.unlock();
    const Check& check = entry->check;
    const auto port = entry->claim.ports.find(check.port);
    Status result =
        fail(Code::kInvalid,
             fmt::format("the check names the port \"{}\", which the task does not have", check.port));
    if (check.kind == CheckKind::kCommand) {
      const auto done = engine_.exec(container_name(entry->task), check.command, check.timeout);
      if (done && done->exit_code == 0) {
        result = {};
      } else if (done) {
        const std::string& output = done->err.empty() ? done->out : done->err;
        result = fail(Code::kUnavailable, fmt::format("{} ends with {}: {}", check.command.front(),
                                                      done->exit_code, output.substr(0, 200)));
      } else {
        result = std::unexpected(done.error());
      }
    } else if (port != entry->claim.ports.end()) {
      result = check.kind == CheckKind::kTcp
                   ? connect_to(entry->claim.address, port->second, check.timeout)
                   : get_from(entry->claim.address, port->second, check.path, check.timeout);
    }
    lock.lock();
    if (entry->removed) continue;
    lock.unlock();
    settle(*entry, result);
    lock.lock();
    const Duration fast = check.kind == CheckKind::kCommand ? kFastCommand : kFastCheck;
    const bool hurry = !entry->was_ready || entry->health == Health::kUnhealthy;
    due_.push({Clock::now() + (hurry ? std::min(fast, check.interval) : check.interval), entry});
    changed_.notify_one();
  }
}

// An entry is settled by one thread at a time: it is due again only after.
void Checks::settle(Entry& entry, const Status& result) {
  if (result) {
    entry.failures = 0;
    entry.was_ready = true;
    if (entry.health != Health::kReady) {
      entry.health = Health::kReady;
      report_(entry.task, Health::kReady, {});
    }
    return;
  }
  const bool in_grace = !entry.was_ready && Clock::now() < entry.started + entry.check.grace;
  if (in_grace) return;
  ++entry.failures;
  // Before the first pass the check runs faster than its interval: failures count by the interval's measure.
  const auto since_start =
      std::chrono::duration_cast<Duration>(Clock::now() - entry.started) - entry.check.grace;
  const bool enough = entry.was_ready ? entry.failures >= entry.check.failures
                                      : since_start >= entry.check.interval * entry.check.failures;
  if (entry.check.failures > 0 && enough && entry.health != Health::kUnhealthy) {
    entry.health = Health::kUnhealthy;
    report_(entry.task, Health::kUnhealthy, result.error().message);
  }
}

}  // namespace headrace::cluster
