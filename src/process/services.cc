// How many instances a service has, and of which version: scaling and rolling replacement.
#include <algorithm>
#include <cmath>

#include "process/manager.h"

namespace headrace::process {
namespace {

// 0.1 * 30 is a little more than 3 in binary: shares are rounded with this in mind.
constexpr double kRounding = 1e-9;

// The least worth keeping first: what does not run, then the youngest (Marathon's YOUNGEST_FIRST).
int worth(const Instance& instance) {
  if (instance.is_unreachable()) return 0;
  if (!instance.alive || !instance.answered) return 1;
  if (instance.state != cluster::TaskState::kRunning) return 2;
  return instance.is_ready() ? 4 : 3;
}

}  // namespace

// Marathon's arithmetic (reference 1.4): at least ceil(n·minimumHealthCapacity) stay ready by our own action,
// at most floor(n·(1+maximumOverCapacity)) exist; where both leave no room, one more may exist.
void Manager::converge_service(App& app) {
  const auto& service = std::get<Service>(app.spec->kind);
  std::vector<Instance*> present, earlier;
  int ready = 0, leaving = 0;
  for (const auto& each : app.instances) {
    if (each->goal == Goal::kGone) {
      leaving += each->alive && !each->is_unreachable() ? 1 : 0;
      continue;
    }
    (each->version == app.config_version || !each->alive ? present : earlier).push_back(each.get());
    ready += each->is_ready() ? 1 : 0;
  }
  if (app.paused) return;
  const int wanted = service.instances;
  const int least = static_cast<int>(std::ceil(wanted * service.upgrade.minimum_health_capacity - kRounding));
  int most = static_cast<int>(std::floor(wanted * (1 + service.upgrade.maximum_over_capacity) + kRounding));
  if (!earlier.empty() && most <= wanted && least >= wanted) most = wanted + 1;

  // What is not ready adds nothing to health: it goes first.
  std::ranges::sort(earlier, {}, [](const Instance* each) { return std::pair(worth(*each), each->order); });
  for (Instance* instance : earlier) {
    const bool is_ready = instance->is_ready();
    if (is_ready && ready <= least) break;
    ready -= is_ready ? 1 : 0;
    leaving += instance->alive && !instance->is_unreachable() ? 1 : 0;
    std::erase(present, instance);
    dismiss(*instance);
  }
  const int kept = static_cast<int>(
      std::ranges::count_if(earlier, [](const Instance* each) { return each->goal != Goal::kGone; }));
  int exist = static_cast<int>(present.size()) + kept + leaving;
  for (int i = static_cast<int>(present.size()); i < wanted && exist < std::max(most, wanted); ++i, ++exist) {
    add_instance(app, std::nullopt);
  }
  if (static_cast<int>(present.size()) > wanted) scale_down(present, static_cast<std::size_t>(wanted));
}

void Manager::scale_down(std::vector<Instance*>& instances, std::size_t wanted) {
  std::ranges::sort(instances, {}, [](const Instance* each) {
    return std::pair(worth(*each), -static_cast<std::int64_t>(each->order));
  });
  const std::size_t surplus = instances.size() - wanted;
  for (std::size_t i = 0; i < surplus; ++i) dismiss(*instances[i]);
}

void Manager::dismiss(Instance& instance) {
  instance.goal = Goal::kGone;
  store(instance);
  stir(instance);
}

}  // namespace headrace::process
