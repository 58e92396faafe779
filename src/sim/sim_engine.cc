#include "sim/sim_engine.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::sim {
namespace {

using namespace docker;

constexpr std::size_t kEventsKept = 256;  // as the real engine
constexpr int kTerminated = 128 + 15;
constexpr int kKilled = 128 + 9;

std::unexpected<Error> missing(std::string_view what, std::string_view name) {
  return fail(Code::kNotFound, fmt::format("No such {}: {}", what, name));
}

}  // namespace

// ---- What a test does ----------------------------------------------------------------------------

void SimEngine::add_image(const std::string& name, Image image) {
  const std::scoped_lock lock(mutex_);
  images_[name] = images_[image.id] = std::move(image);
}

bool SimEngine::end(const std::string& name, int exit_code, const std::vector<std::string>& last_lines) {
  const std::scoped_lock lock(mutex_);
  const auto box = boxes_.find(name);
  if (box == boxes_.end() || box->second.container.state != ContainerState::kRunning) return false;
  box->second.lines.insert(box->second.lines.end(), last_lines.begin(), last_lines.end());
  finish(box->second, exit_code);
  return true;
}

void SimEngine::go_away(bool away) {
  const std::scoped_lock lock(mutex_);
  away_ = away;
  ++changes_;
  changed_.notify_all();
}

int SimEngine::creations() const {
  const std::scoped_lock lock(mutex_);
  return creations_;
}

// ---- The inside ----------------------------------------------------------------------------------

Status SimEngine::reachable() const {
  if (away_) return fail(Code::kUnavailable, "no Docker Engine answers", "start it");
  return {};
}

template <class Act>
auto SimEngine::change(std::string_view call, std::string_view name, Act act) -> decltype(act()) {
  const std::scoped_lock lock(mutex_);
  TRY_STATUS(reachable());
  const auto by_id = std::ranges::find(boxes_, name, [](const auto& box) { return box.second.container.id; });
  const std::string key(by_id == boxes_.end() ? name : by_id->first);
  const Mishap mishap = hooks_.mishap ? hooks_.mishap(call, key) : Mishap::kNone;
  if (mishap == Mishap::kFails) return fail(Code::kUnavailable, "no space left on device");
  catch_up(key);
  if (mishap == Mishap::kNone) return act();
  if (mishap == Mishap::kAnswerLost) (void)act();
  if (mishap == Mishap::kActsLate) {
    late_[key].push_back([act] { (void)act(); });
    hooks_.later([this, key] {
      const std::scoped_lock again(mutex_);
      catch_up(key);
    });
  }
  return fail(Code::kTimeout, "the engine did not answer in time");
}

void SimEngine::catch_up(const std::string& name) {
  const auto late = late_.extract(name);
  if (late.empty()) return;
  for (const auto& act : late.mapped()) act();
}

Result<SimEngine::Box*> SimEngine::find(std::string_view container) {
  TRY_STATUS(reachable());
  if (const auto found = boxes_.find(container); found != boxes_.end()) return &found->second;
  for (auto& [name, box] : boxes_) {
    if (box.container.id == container) return &box;
  }
  return missing("container", container);
}

void SimEngine::happen(const Box& box, std::string action) {
  events_.push_back({.action = std::move(action),
                     .labels = box.container.labels,
                     .time = std::chrono::system_clock::now()});
  if (events_.size() > kEventsKept) {
    events_.pop_front();
    ++first_event_;
  }
  ++changes_;
  changed_.notify_all();
}

void SimEngine::finish(Box& box, int exit_code) {
  if (box.container.state != ContainerState::kRunning) return;
  box.container.state = ContainerState::kExited;
  box.container.exit_code = exit_code;
  happen(box, "die");
  if (hooks_.ended) hooks_.ended(box.container);
}

bool SimEngine::matches(const Labels& labels, const LabelFilters& filters) {
  return std::ranges::all_of(filters, [&](const std::string& filter) {
    const auto equals = filter.find('=');
    const auto found = labels.find(filter.substr(0, equals));
    return found != labels.end() &&
           (equals == std::string::npos || found->second == filter.substr(equals + 1));
  });
}

// ---- Containers ----------------------------------------------------------------------------------

Result<std::string> SimEngine::version() {
  const std::scoped_lock lock(mutex_);
  TRY_STATUS(reachable());
  return "simulated";
}

Result<Machine> SimEngine::machine() {
  const std::scoped_lock lock(mutex_);
  TRY_STATUS(reachable());
  return Machine{.cpus = 8, .memory = Bytes::gib(16)};
}

Result<Image> SimEngine::inspect_image(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  TRY_STATUS(reachable());
  const auto found = images_.find(name);
  if (found == images_.end()) return missing("image", name);
  return found->second;
}

Result<std::string> SimEngine::create(const ContainerSpec& spec) {
  return change("create", spec.name, [this, spec]() -> Result<std::string> {
    if (!images_.contains(spec.image)) return missing("image", spec.image);
    if (boxes_.contains(spec.name)) {
      return fail(Code::kConflict, fmt::format("The container name \"/{}\" is already in use", spec.name));
    }
    Box& box = boxes_[spec.name];
    box.spec = spec;
    box.container = {.id = fmt::format("{:064x}", ++creations_), .name = spec.name, .labels = spec.labels};
    happen(box, "create");
    return box.container.id;
  });
}

Status SimEngine::start(std::string_view container) {
  return change("start", container, [this, name = std::string(container)]() -> Status {
    TRY(Box * box, find(name));
    if (box->container.state == ContainerState::kRunning) return {};
    box->container.state = ContainerState::kRunning;
    happen(*box, "start");
    if (hooks_.started) hooks_.started(box->spec);
    return {};
  });
}

Status SimEngine::stop(std::string_view container, Duration) {
  return change("stop", container, [this, name = std::string(container)]() -> Status {
    TRY(Box * box, find(name));
    finish(*box, kTerminated);
    return {};
  });
}

Status SimEngine::kill(std::string_view container, std::string_view) {
  return change("kill", container, [this, name = std::string(container)]() -> Status {
    TRY(Box * box, find(name));
    if (box->container.state != ContainerState::kRunning) {
      return fail(Code::kConflict, fmt::format("Container {} is not running", name));
    }
    finish(*box, kKilled);
    return {};
  });
}

Status SimEngine::remove(std::string_view container, bool force) {
  return change("remove", container, [this, name = std::string(container), force]() -> Status {
    TRY(Box * box, find(name));
    if (box->container.state == ContainerState::kRunning) {
      if (!force) return fail(Code::kConflict, "You cannot remove a running container");
      finish(*box, kKilled);
    }
    happen(*box, "destroy");
    boxes_.erase(std::string(box->container.name));
    return {};
  });
}

Result<Container> SimEngine::inspect(std::string_view container) {
  const std::scoped_lock lock(mutex_);
  TRY(const Box* box, find(container));
  const std::string name = box->container.name;
  catch_up(name);
  TRY(box, find(name));
  return box->container;
}

Result<std::vector<Container>> SimEngine::list(const LabelFilters& labels, bool also_stopped) {
  const std::scoped_lock lock(mutex_);
  TRY_STATUS(reachable());
  std::vector<Container> found;
  for (const auto& [name, box] : boxes_) {
    const bool shown = also_stopped || box.container.state == ContainerState::kRunning;
    if (shown && matches(box.container.labels, labels)) found.push_back(box.container);
  }
  return found;
}

Status SimEngine::logs(std::string_view container, const LogQuery& query, const OutputSink& sink,
                       std::stop_token stop) {
  Lock lock(mutex_);
  std::size_t next = 0;
  {
    TRY(const Box* box, find(container));
    const std::size_t size = box->lines.size();
    if (query.tail && size > static_cast<std::size_t>(*query.tail))
      next = size - static_cast<std::size_t>(*query.tail);
  }
  while (!stop.stop_requested()) {
    TRY(const Box* box, find(container));
    std::vector<std::string> lines(box->lines.begin() + static_cast<std::ptrdiff_t>(next), box->lines.end());
    next = box->lines.size();
    const bool running = box->container.state == ContainerState::kRunning;
    lock.unlock();
    for (const std::string& line : lines) {
      if (!sink(Output::kStdout, line + "\n")) return {};
    }
    lock.lock();
    if (!query.follow || !running) return {};
    changed_.wait(lock, stop, [&, seen = changes_] { return changes_ != seen; });
  }
  return {};
}

Result<Usage> SimEngine::usage(std::string_view container) {
  const std::scoped_lock lock(mutex_);
  TRY([[maybe_unused]] const Box* box, find(container));
  return Usage{.memory = Bytes::mib(10)};
}

Result<ExecResult> SimEngine::exec(std::string_view container, const std::vector<std::string>&, Duration,
                                   Bytes) {
  const std::scoped_lock lock(mutex_);
  TRY(const Box* box, find(container));
  if (box->container.state != ContainerState::kRunning) {
    return fail(Code::kConflict, fmt::format("Container {} is not running", container));
  }
  return hooks_.exec ? hooks_.exec(box->container) : ExecResult{};
}

// ---- Volumes and events --------------------------------------------------------------------------

Status SimEngine::create_volume(std::string_view name, const Labels& labels) {
  return change("create_volume", name, [this, name = std::string(name), labels]() -> Status {
    volumes_.try_emplace(name, labels);
    return {};
  });
}

Status SimEngine::remove_volume(std::string_view name) {
  return change("remove_volume", name, [this, name = std::string(name)]() -> Status {
    for (const auto& [box_name, box] : boxes_) {
      for (const Mount& mount : box.spec.mounts) {
        if (mount.kind == Mount::Kind::kVolume && mount.source == name) {
          return fail(Code::kConflict, fmt::format("volume {} is in use by {}", name, box_name));
        }
      }
    }
    const auto found = volumes_.find(name);
    if (found == volumes_.end()) return missing("volume", name);
    if (hooks_.volume_removed) hooks_.volume_removed(found->second);
    volumes_.erase(found);
    return {};
  });
}

Result<std::vector<Volume>> SimEngine::list_volumes(const LabelFilters& labels) {
  const std::scoped_lock lock(mutex_);
  TRY_STATUS(reachable());
  std::vector<Volume> found;
  for (const auto& [name, its_labels] : volumes_) {
    if (matches(its_labels, labels)) found.push_back({name, its_labels});
  }
  return found;
}

Status SimEngine::events(const EventQuery& query, const std::function<bool(const Event&)>& sink,
                         std::stop_token stop) {
  Lock lock(mutex_);
  TRY_STATUS(reachable());
  std::uint64_t next = query.since ? first_event_ : first_event_ + events_.size();
  while (!stop.stop_requested()) {
    TRY_STATUS(reachable());
    next = std::max(next, first_event_);
    while (next < first_event_ + events_.size()) {
      const Event event = events_[next++ - first_event_];
      const bool asked =
          query.actions.empty() || std::ranges::find(query.actions, event.action) != query.actions.end();
      if (!asked || !matches(event.labels, query.labels) || (query.since && event.time < *query.since))
        continue;
      lock.unlock();
      const bool goes_on = sink(event);
      lock.lock();
      if (!goes_on) return {};
    }
    changed_.wait(lock, stop, [&] { return away_ || next < first_event_ + events_.size(); });
  }
  return {};
}

}  // namespace headrace::sim
