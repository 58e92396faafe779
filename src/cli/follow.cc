#include "cli/follow.h"

#include <fmt/format.h>

#include <cstdio>
#include <thread>

#include "base/time.h"
#include "cli/show.h"

namespace headrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Duration kLook = 250ms;
constexpr Duration kRemind =
    5s;  // a wait that lasts is told again after so long, then after twice as long each time

class Progress {
 public:
  explicit Progress(std::FILE* out) : out_(out) {}

  // Tells what changed since the last look, and what has waited long.
  void look(const json::value& environment) {
    for (const json::value& component : environment.at("components").as_array()) {
      const std::string name = text_at(component, "name");
      const std::string state = text_at(component, "state");
      const json::value* cause = component.get_object().if_contains("cause");
      const std::string sentence = cause && cause->is_object() ? text_at(*cause, "sentence") : "";
      Told& told = told_[name];
      const auto now = Clock::now();
      const bool changed = told.state != state;
      const bool long_wait = !sentence.empty() && state != "waiting" && now - told.at >= told.remind;
      if (!changed && !long_wait) continue;
      if (changed) told.since = now;
      told.remind = changed ? kRemind : told.remind * 2;
      const auto waited = std::chrono::duration_cast<std::chrono::seconds>(now - told.since).count();
      print(name, state, changed ? sentence : fmt::format("{} (for {}s)", sentence, waited));
      told.state = state;
      told.at = now;
    }
  }

  void print(const std::string& what, const std::string& state, const std::string& text) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    std::string line = fmt::format("{:7.1f}s  {:<14} {:<10} {}", seconds, what, state, text);
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print(out_, "{}\n", line);
    std::fflush(out_);
  }

 private:
  struct Told {
    std::string state;
    Clock::time_point since, at;
    Duration remind = kRemind;
  };
  std::FILE* out_;
  Clock::time_point start_ = Clock::now();
  std::map<std::string, Told> told_;
};

}  // namespace

Exit follow_operation(const Context& context, const json::value& begun, const std::string& timeout) {
  const std::string id = text_at(begun, "id"), environment = text_at(begun, "environment");
  const auto limit = parse_duration(timeout);
  if (!limit) return report(context, limit.error());
  const auto deadline = Clock::now() + *limit;
  Progress progress(context.as_json ? stderr : stdout);
  while (true) {
    const auto operation = context.client->get("/v1/operations/" + id);
    if (!operation) return report(context, operation.error());
    if (const auto view = context.client->get("/v1/environments/" + environment)) progress.look(*view);
    const std::string state = text_at(*operation, "state");
    if (state != "running") {
      if (context.as_json) fmt::print("{}\n", json::serialize(*operation));
      const std::string kind = text_at(*operation, "kind");
      if (state == "done") {
        progress.print(environment, kind == "destroy" ? "destroyed" : "done", fmt::format("{} {}", kind, id));
        return Exit::kDone;
      }
      const json::value& cause = operation->at("cause");
      fmt::print(stderr, "{} {} {}: {}\n", kind, id, state,
                 cause.is_object() ? text_at(cause, "sentence") : "");
      if (cause.is_object() && !text_at(cause, "remedy").empty())
        fmt::print(stderr, "  {}\n", text_at(cause, "remedy"));
      return Exit::kFailed;
    }
    if (Clock::now() >= deadline) {
      return report(
          context,
          {Code::kTimeout, fmt::format("{} {} still runs after {}", text_at(*operation, "kind"), id, timeout),
           fmt::format("it goes on; look with: headrace explain {}", environment)});
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace headrace::cli
