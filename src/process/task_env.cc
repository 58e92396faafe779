#include "process/task_env.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>

namespace headrace::process {
namespace {

// Marathon exports labels whose value is shorter than this.
constexpr std::size_t kLongestLabel = 512;

std::string variable_name(std::string_view label) {
  std::string name;
  for (const char c : label) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
      name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    } else if (name.empty() || name.back() != '_') {
      name += '_';
    }
  }
  return name;
}

// As the JVM prints a double, which clients have parsed for years: "1.0", "0.25".
std::string decimal(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? fmt::format("{:.1f}", value)
                                                              : fmt::format("{}", value);
}

double mebibytes(Bytes size) {
  return static_cast<double>(size.count) / static_cast<double>(Bytes::mib(1).count);
}

void add_marathon(const App& app, const Instance& instance, cluster::TaskSpec& task) {
  // emplace: what the user set stays.
  task.env.emplace("MESOS_TASK_ID", instance.task.str());
  task.env.emplace("MARATHON_APP_ID", app.id.str());
  task.env.emplace("MARATHON_APP_VERSION", app.config_version);
  task.env.emplace("MARATHON_APP_DOCKER_IMAGE", task.image);
  task.env.emplace("MARATHON_APP_RESOURCE_CPUS", decimal(app.spec->resources.cpus));
  task.env.emplace("MARATHON_APP_RESOURCE_MEM", decimal(mebibytes(app.spec->resources.memory)));
  task.env.emplace("MARATHON_APP_RESOURCE_DISK", decimal(mebibytes(app.spec->resources.disk)));
  task.env.emplace("MARATHON_APP_RESOURCE_GPUS", "0");
  task.env.emplace("MARATHON_APP_ENFORCE_GROUP_ROLE", "false");
  std::string names;
  for (const auto& [label, value] : app.spec->labels) {
    if (value.size() >= kLongestLabel) continue;
    const std::string name = variable_name(label);
    names += (names.empty() ? "" : " ") + name;
    task.env.emplace("MARATHON_APP_LABEL_" + name, value);
  }
  task.env.emplace("MARATHON_APP_LABELS", names);
}

}  // namespace

cluster::Task task_of(const App& app, const Instance& instance) {
  const Template* settings = template_of(*app.spec, instance.slot);
  CHECK(settings != nullptr);
  cluster::Task task{.id = instance.task, .spec = settings->task};
  add_marathon(app, instance, task.spec);
  if (instance.slot) {
    task.spec.env["HEADRACE_SLOT"] = std::to_string(*instance.slot);
    task.spec.env["HEADRACE_EPOCH"] = std::to_string(instance.tasks);
  }
  task.spec.labels.emplace("MESOS_TASK_ID", instance.task.str());
  return task;
}

}  // namespace headrace::process
