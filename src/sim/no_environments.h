// An environment manager that has none: for worlds about apps alone.
#pragma once

#include <vector>

#include "environment/environment_manager.h"

namespace headrace::sim {

class NoEnvironments final : public environment::EnvironmentManager {
  template <class T>
  using Answer = Result<environment::Decision<T>>;
  static std::unexpected<Error> none() { return fail(Code::kUnsupported, "this world has no environments"); }

 public:
  Answer<environment::PlanView> plan(const environment::Wish&, Now) override { return none(); }
  Answer<environment::PlanView> plan_destroy(const environment::EnvironmentId&, Now) override {
    return none();
  }
  Answer<environment::OperationView> launch(const environment::Wish&, Now) override { return none(); }
  Answer<environment::OperationView> apply(const environment::PlanId&, const std::string&, Now) override {
    return none();
  }
  Answer<environment::OperationView> command(const environment::EnvironmentId&, const std::string&,
                                             const std::map<std::string, std::string>&, const std::string&,
                                             Now) override {
    return none();
  }
  Answer<environment::OperationView> destroy(const environment::EnvironmentId&, bool, const std::string&,
                                             Now) override {
    return none();
  }
  Answer<environment::OperationView> cancel(const environment::OperationId&, const std::string&,
                                            Now) override {
    return none();
  }
  environment::Commit on_app_changed(const process::AppView&, Now) override { return {}; }
  environment::Commit on_app_removed(const process::AppId&, Now) override { return {}; }
  environment::Commit on_refused(const process::Owner&, const Error&, Now) override { return {}; }
  environment::Commit on_start(std::span<const process::AppView>, Now) override { return {}; }
  environment::Commit on_time(Now) override { return {}; }
  std::optional<Monotonic> next_deadline() const override { return std::nullopt; }
  std::vector<environment::EnvironmentView> environments() const override { return {}; }
  std::vector<environment::OperationView> operations() const override { return {}; }
  std::optional<environment::PlanView> plan_of(const environment::PlanId&) const override {
    return std::nullopt;
  }
};

}  // namespace headrace::sim
