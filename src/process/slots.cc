// Claims: gangs of slots, what the cluster answers about claims, and the numbers of fixed ports.
#include <fmt/format.h>

#include <algorithm>

#include "process/manager.h"
#include "process/task_env.h"

namespace headrace::process {
namespace {

// How often other numbers are tried for ports that are taken, before a person has to look.
constexpr int kPortAttempts = 100;

// Gangs of slots, whose claims must be released when nobody wants them any more; the others are claims that
// end with their task.
constexpr std::string_view kSlotsGang = "slots-";

bool is_chosen_by_us(const PortSpec& port) {
  return port.kind == PortKind::kPerSlot || (port.kind == PortKind::kFixed && !port.number);
}

}  // namespace

cluster::Want Manager::want_of(const Instance& instance) const {
  const App& app = *instance.app;
  cluster::Want want{.id = instance.claim,
                     .group = app.id.str(),
                     .resources = app.spec->resources,
                     .volumes = app.spec->volumes,
                     .constraints = app.spec->constraints,
                     .hold = instance.slot ? cluster::Hold::kUntilReleased : cluster::Hold::kWhileTaskRuns};
  for (const PortSpec& port : app.spec->ports) {
    cluster::PortWant wanted{
        .name = port.name, .protocol = port.protocol, .container_port = port.container_port};
    if (port.kind == PortKind::kFixed) wanted.number = app.ports.at(port.name);
    if (port.kind == PortKind::kPerSlot) wanted.number = instance.slot_ports.at(port.name);
    want.ports.push_back(std::move(wanted));
  }
  if (!instance.slot) want.task = task_of(app, instance);
  return want;
}

// All slots that need a claim in one turn are one gang: they know each other before any starts.
void Manager::claim_slots(std::vector<Instance*> instances) {
  const cluster::GangId gang(std::string(kSlotsGang) + random_.uuid());
  for (Instance* instance : instances) {
    const auto& parked = instance->app->parked;
    const auto kept = std::ranges::find(parked, *instance->slot, &Parked::slot);
    if (kept != parked.end()) {
      // The claim's id is what its volumes are found by.
      instance->claim = kept->claim;
      instance->tasks = std::max(instance->tasks, kept->epoch);
    } else {
      instance->claims += 1;
      instance->claim = cluster::ClaimId(fmt::format("{}.claim-{}", instance->id.str(), instance->claims));
    }
    instance->gang = gang;
    instance->claim_state = ClaimState::kPending;
    instance->claim_version = instance->app->want_version;
    instance->since = now_.wall;
    give_slot_ports(*instance);
    by_claim_[instance->claim] = instance;
    store(*instance);
  }
  by_gang_[gang] = std::move(instances);
  send_gang(gang);
}

void Manager::give_slot_ports(Instance& instance) {
  for (const PortSpec& port : instance.app->spec->ports) {
    if (port.kind != PortKind::kPerSlot || instance.slot_ports.contains(port.name)) continue;
    const auto number = ports_.take_free();
    CHECK(number.has_value(), "put() counts the ports it needs");
    instance.slot_ports[port.name] = *number;
  }
}

void Manager::send_gang(const cluster::GangId& gang) {
  cluster::ClaimGang call{{.id = gang}};
  for (const Instance* instance : by_gang_.at(gang)) call.gang.wants.push_back(want_of(*instance));
  emit(std::move(call));
}

// Takes a pending gang back; its members ask anew if they still want a claim.
void Manager::withdraw(cluster::GangId gang) {
  emit(cluster::WithdrawGang{gang});
  for (Instance* instance : std::vector(by_gang_.at(gang))) {
    if (instance->claim_state != ClaimState::kPending) continue;
    forget_claim(*instance);
    if (instance->alive) by_task_.erase(instance->task);
    instance->alive = false;
    instance->since = now_.wall;
    store(*instance);
    stir(*instance);
  }
}

void Manager::forget_claim(Instance& instance) {
  if (const auto found = by_gang_.find(instance.gang); found != by_gang_.end()) {
    std::erase(found->second, &instance);
    if (found->second.empty()) by_gang_.erase(found);
  }
  by_claim_.erase(instance.claim);
  instance.claim = {};
  instance.gang = {};
  instance.claim_state = ClaimState::kNone;
  instance.waiting.reset();
}

void Manager::hold(Instance& instance, const cluster::Claim& claim) {
  instance.granted = claim;
  instance.claim_state = ClaimState::kHeld;
  instance.waiting.reset();
  store(instance);
  unpark(*instance.app, claim.id);
  if (!instance.app->ports_pinned) {
    instance.app->ports_pinned = true;
    store(*instance.app);
  }
}

bool Manager::unpark(App& app, const cluster::ClaimId& claim) {
  if (parked_.erase(claim) == 0) return false;
  std::erase_if(app.parked, [&](const Parked& each) { return each.claim == claim; });
  store(app);
  return true;
}

// ---- What the cluster answers --------------------------------------------------------------------

void Manager::on_granted(const cluster::Granted& granted) {
  if (!by_gang_.contains(granted.gang)) {
    // Withdrawn meanwhile. A claim that carries a task ends with it, and the task is stopped on sight.
    if (!granted.gang.str().starts_with(kSlotsGang)) return;
    for (const cluster::Claim& claim : granted.claims) {
      // Kept: the claim may be one whose volumes were parked, and one that never ran has none.
      if (!by_claim_.contains(claim.id)) emit(cluster::ReleaseClaim{claim.id, cluster::Volumes::kKeep});
    }
    return;
  }
  for (const cluster::Claim& claim : granted.claims) {
    const auto found = by_claim_.find(claim.id);
    if (found == by_claim_.end() || found->second->claim_state != ClaimState::kPending) continue;
    Instance& instance = *found->second;
    hold(instance, claim);
    if (instance.slot) instance.since = now_.wall;
    stir(instance);
  }
}

void Manager::on_waiting(const cluster::Waiting& waiting) {
  const auto found = by_gang_.find(waiting.gang);
  // Withdrawn, but a crash came between.
  if (found == by_gang_.end()) return emit(cluster::WithdrawGang{waiting.gang});
  if (try_other_ports(waiting)) return;
  for (Instance* instance : found->second) {
    const bool waits = instance->claim_state == ClaimState::kPending ||
                       instance->claim_state == ClaimState::kChanging ||
                       (instance->alive && !instance->answered);
    const bool is_news = !instance->waiting || instance->waiting->sentence != waiting.sentence;
    if (!waits || !is_news) continue;
    instance->waiting = waiting;
    touch(*instance);
  }
}

void Manager::on_changed(const cluster::Changed& changed) {
  const auto found = by_claim_.find(changed.claim.id);
  if (found == by_claim_.end() || found->second->claim_state != ClaimState::kChanging) return;
  hold(*found->second, changed.claim);
  stir(*found->second);
}

void Manager::release(Instance& instance) {
  instance.destruction_asked = instance.destroy_volumes;
  emit(cluster::ReleaseClaim{
      instance.claim, instance.destroy_volumes ? cluster::Volumes::kDestroy : cluster::Volumes::kKeep});
}

void Manager::on_released(const cluster::Released& released) {
  if (const auto parked = parked_.find(released.claim); parked != parked_.end()) {
    if (parked->second->removing) unpark(*parked->second, released.claim);
    return;
  }
  const auto found = by_claim_.find(released.claim);
  if (found == by_claim_.end() || found->second->claim_state != ClaimState::kReleasing) return;
  Instance& instance = *found->second;
  App& app = *instance.app;
  // Its app was removed while its volumes were being kept.
  if (instance.destroy_volumes && !instance.destruction_asked) return release(instance);
  if (!instance.destroy_volumes && !app.spec->volumes.empty() && !app.removing) {
    app.parked.push_back({*instance.slot, released.claim, instance.tasks});
    parked_[released.claim] = &app;
    store(app);
  }
  erase(instance);
}

void Manager::on_claim_lost(const cluster::ClaimLost& lost) {
  if (const auto parked = parked_.find(lost.claim); parked != parked_.end())
    unpark(*parked->second, lost.claim);
  const auto found = by_claim_.find(lost.claim);
  if (found == by_claim_.end()) return;
  Instance& instance = *found->second;
  if (!instance.slot) {
    // It ends with its task: one that was placed is gone, one that was not is asked for anew.
    if (instance.waits_for_claim()) return withdraw(instance.gang);
    return on_ended(instance, {.state = cluster::TaskState::kGone, .message = lost.cause});
  }
  if (instance.alive && !instance.answered) {
    // Nothing can have been started under a claim that is lost.
    by_task_.erase(instance.task);
    instance.alive = false;
    instance.state = cluster::TaskState::kGone;
  }
  instance.claim_state = ClaimState::kLost;
  instance.since = now_.wall;
  instance.message = lost.cause;
  store(instance);
  stir(instance);
}

// ---- Fixed ports ---------------------------------------------------------------------------------

// Until its first grant an app may get other numbers where something else on the agents has taken them.
bool Manager::try_other_ports(const cluster::Waiting& waiting) {
  const auto is_taken = [](const cluster::AgentRefusal& refusal) { return refusal.code == "port-taken"; };
  if (std::ranges::none_of(waiting.refusals, is_taken)) return false;
  std::vector<App*> apps;
  for (const Instance* instance : by_gang_.at(waiting.gang)) {
    App* app = instance->app;
    if (instance->claim_state == ClaimState::kPending && !app->ports_pinned &&
        app->port_attempts < kPortAttempts && std::ranges::any_of(app->spec->ports, is_chosen_by_us) &&
        std::ranges::find(apps, app) == apps.end()) {
      apps.push_back(app);
    }
  }
  for (App* app : apps) {
    renumber(*app);
    std::set<cluster::GangId> gangs;
    for (const auto& each : app->instances) {
      if (each->claim_state == ClaimState::kPending) gangs.insert(each->gang);
    }
    for (const cluster::GangId& gang : gangs) withdraw(gang);
  }
  return !apps.empty();
}

void Manager::renumber(App& app) {
  std::vector<std::uint16_t> given_back;
  const auto replace = [&](std::uint16_t& number) {
    const auto other = ports_.take_free();
    if (!other) return;
    given_back.push_back(std::exchange(number, *other));
  };
  for (const PortSpec& port : app.spec->ports) {
    if (!is_chosen_by_us(port)) continue;
    if (port.kind == PortKind::kFixed) replace(app.ports.at(port.name));
    for (const auto& each : app.instances) {
      const auto number = each->slot_ports.find(port.name);
      if (number != each->slot_ports.end()) replace(number->second);
    }
  }
  for (const std::uint16_t number : given_back) ports_.give_back(number);
  app.port_attempts += 1;
  store(app);
}

}  // namespace headrace::process
