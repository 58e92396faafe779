// Deployments: durable reports of changes that users follow. They decide nothing; the apps converge with and
// after them. Each ends: done, or at its deadline with what was missing, or replaced.
#include <fmt/format.h>

#include <algorithm>

#include "process/codec.h"
#include "process/manager.h"

namespace headrace::process {
namespace {

constexpr std::size_t kEndedKept = 100;

}  // namespace

DeploymentId Manager::open_deployment(std::vector<Deployment::Action> actions, const std::string& version) {
  Deployment deployment{.order = next_order_++,
                        .id = DeploymentId(random_.uuid()),
                        .version = version,
                        .actions = std::move(actions),
                        .started = now_.wall,
                        .until = now_.mono + options_.deployment_deadline,
                        .deadline = now_.wall + options_.deployment_deadline};
  const DeploymentId id = deployment.id;
  for (const Deployment::Action& action : deployment.actions) {
    App* app = find(action.what.app);
    if (!app) continue;
    app->deployments.push_back(id);
    touch(*app);
    if (!app->removing) commit_.events.push_back(app_posted(*app, now_));
  }
  commit_.events.push_back(deployment_event("deployment_info", deployment, now_));
  deployments_.emplace(id, std::move(deployment));
  commit_.deployments_changed = true;
  return id;
}

void Manager::cancel_deployments_of(App& app, const std::string& sentence) {
  for (const DeploymentId& id : std::vector(app.deployments)) {
    end(deployments_.at(id), DeploymentView::Verdict::kCancelled,
        Cause{.code = "replaced", .sentence = sentence, .since = now_.wall});
  }
}

void Manager::end(Deployment& deployment, DeploymentView::Verdict verdict, std::optional<Cause> cause) {
  deployment.verdict = verdict;
  deployment.cause = std::move(cause);
  deployment.ended = now_.wall;
  deployment.until.reset();
  if (const auto armed = deployment_timer_of_.find(deployment.id); armed != deployment_timer_of_.end()) {
    deployment_timers_.erase({armed->second, deployment.id});
    deployment_timer_of_.erase(armed);
  }
  for (const Deployment::Action& action : deployment.actions) {
    App* app = find(action.what.app);
    if (app && std::erase(app->deployments, deployment.id) > 0) touch(*app);
  }
  write(deployment);
  const bool succeeded = verdict == DeploymentView::Verdict::kSucceeded;
  for (const char* type : {succeeded ? "deployment_step_success" : "deployment_step_failure",
                           succeeded ? "deployment_success" : "deployment_failed"}) {
    commit_.events.push_back(deployment_event(type, deployment, now_));
  }
  ended_.push_back(deployment.id);
  if (ended_.size() <= kEndedKept) return;
  commit_.writes.push_back({kDeployments, ended_.front().str(), std::nullopt});
  deployments_.erase(ended_.front());
  ended_.pop_front();
}

void Manager::check_deployment(const DeploymentId& id) {
  const auto found = deployments_.find(id);
  if (found == deployments_.end()) return;
  Deployment& deployment = found->second;
  if (deployment.verdict != DeploymentView::Verdict::kRunning) return;
  if (is_done(deployment)) return end(deployment, DeploymentView::Verdict::kSucceeded, std::nullopt);
  if (deployment.until && *deployment.until <= now_.mono) {
    Cause cause{.code = "deadline",
                .sentence = fmt::format("Not done within {}: {}", to_text(options_.deployment_deadline),
                                        lack_of(deployment)),
                .since = now_.wall,
                .remedy = "mend the cause, then change or restart the app"};
    return end(deployment, DeploymentView::Verdict::kFailed, std::move(cause));
  }
  if (deployment_timer_of_.contains(id)) return;
  // New, or a while has passed: what remains of its deadline is stored.
  write(deployment);
  const Monotonic next = std::min(*deployment.until, now_.mono + options_.refresh);
  deployment_timer_of_[id] = next;
  deployment_timers_.emplace(next, id);
}

bool Manager::is_done(const Deployment& deployment) const {
  return std::ranges::all_of(deployment.actions, [&](const Deployment::Action& action) {
    const App* app = find(action.what.app);
    return !app || (!app->removing && app->settled);
  });
}

std::string Manager::lack_of(const Deployment& deployment) const {
  for (const Deployment::Action& action : deployment.actions) {
    const App* app = find(action.what.app);
    if (app && (app->removing || !app->settled)) return fmt::format("{}: {}", app->id.str(), app->lack);
  }
  return "nothing is missing any more";
}

void Manager::write(const Deployment& deployment) {
  commit_.writes.push_back({kDeployments, deployment.id.str(), encode_deployment(deployment, now_)});
  commit_.deployments_changed = true;
}

DeploymentView Manager::view_of(const Deployment& deployment) const {
  DeploymentView view{.id = deployment.id,
                      .version = deployment.version,
                      .verdict = deployment.verdict,
                      .cause = deployment.cause,
                      .started = deployment.started,
                      .deadline = deployment.deadline,
                      .ended = deployment.ended};
  for (const Deployment::Action& action : deployment.actions) view.actions.push_back(action.what);
  if (deployment.verdict == DeploymentView::Verdict::kRunning) {
    view.cause = Cause{.code = "converging",
                       .sentence = lack_of(deployment),
                       .since = deployment.started,
                       .deadline = deployment.deadline};
  }
  return view;
}

std::vector<DeploymentView> Manager::deployments() const {
  std::vector<const Deployment*> sorted;
  for (const auto& [id, deployment] : deployments_) sorted.push_back(&deployment);
  std::ranges::sort(sorted, {}, &Deployment::order);
  std::vector<DeploymentView> views;
  for (const Deployment* each : sorted) views.push_back(view_of(*each));
  return views;
}

}  // namespace headrace::process
