#include "environment/render.h"

#include <fmt/format.h>

#include <cmath>

namespace headrace::environment {
namespace {

// A run-once step's share: enough for one small JVM tool.
constexpr cluster::Resources kStepResources{.cpus = 0.1, .memory = Bytes::mib(512), .disk = {}};
constexpr std::int64_t kMaxInstances = 1000;

// Evaluates templates of one service or step, remembering the first value that is not known yet.
class Renderer {
 public:
  Renderer(const Component& component, expression::Bindings bindings)
      : component_(component), bindings_(std::move(bindings)) {}

  static Result<Renderer> create(const State& state, const Component& component, const Local& local) {
    TRY(expression::Bindings bindings, bindings_of(state, component, local));
    return Renderer(component, std::move(bindings));
  }

  Result<std::string> text(const Template& value) {
    if (value.is_constant()) return value.render({});
    TRY(const expression::Value evaluated, evaluate(value));
    return evaluated.is_unknown() ? std::string() : text_of(evaluated);
  }

  Result<expression::Value> evaluate(const Template& value) {
    TRY(expression::Value evaluated, value.evaluate(bindings_));
    if (!evaluated.has_unknown()) return evaluated;
    if (waits_for_.empty()) waits_for_ = environment::waits_for(evaluated, component_);
    return expression::Value::unknown(waits_for_);
  }

  Result<std::vector<std::string>> texts(const std::vector<Template>& values) {
    std::vector<std::string> result;
    for (const Template& value : values) {
      TRY(std::string each, text(value));
      result.push_back(std::move(each));
    }
    return result;
  }

  Result<std::map<std::string, std::string>> texts(const std::map<std::string, Template>& values) {
    std::map<std::string, std::string> result;
    for (const auto& [name, value] : values) {
      TRY(result[name], text(value));
    }
    return result;
  }

  Result<std::vector<cluster::SecretFile>> secrets(const std::vector<SecretMount>& mounts) {
    std::vector<cluster::SecretFile> files;
    for (const SecretMount& mount : mounts) {
      TRY(const expression::Value value, evaluate(mount.secret));
      if (const SecretRef* secret = value.get_if<SecretRef>()) {
        files.push_back({mount.path, *secret});
      } else if (!value.is_unknown()) {
        return fail(mount.secret.problem(0, fmt::format("there is no secret to show at {}", mount.path),
                                         "headrace secret set <name>, and give its name as the parameter"));
      }
    }
    return files;
  }

  const std::string& waits_for() const { return waits_for_; }

 private:
  const Component& component_;
  expression::Bindings bindings_;
  std::string waits_for_;
};

Result<cluster::Check> render_check(const Ready& ready, Renderer& renderer) {
  cluster::Check check{.kind = ready.kind,
                       .path = ready.path,
                       .port = ready.port,
                       .interval = ready.interval,
                       .timeout = ready.timeout,
                       .grace = ready.grace,
                       .failures = ready.failures};
  TRY(check.command, renderer.texts(ready.command));
  return check;
}

Result<cluster::TaskSpec> render_task(const State& state, const Component& component, const Service& service,
                                      Renderer& renderer) {
  cluster::TaskSpec task{.image = state.generation.images().at(service.image),
                         .user = service.user,
                         .tmpfs = service.tmpfs,
                         .read_only = service.read_only,
                         .grace = service.grace,
                         .labels = service.labels};
  TRY(task.entrypoint, renderer.texts(service.entrypoint));
  TRY(task.args, renderer.texts(service.command));
  TRY(task.env, renderer.texts(service.env));
  TRY(task.secrets, renderer.secrets(service.secrets));
  if (service.ready) {
    TRY(task.check, render_check(*service.ready, renderer));
  }
  task.labels.insert({{"headrace.environment", state.environment},
                      {"headrace.component", component.name},
                      {"headrace.service", service.name}});
  task.env.emplace("HEADRACE_ENVIRONMENT", state.environment);
  task.env.emplace("HEADRACE_COMPONENT", component.name);
  task.env.emplace("HEADRACE_SERVICE", service.name);
  return task;
}

Result<cluster::Resources> render_resources(const Service& service, Renderer& renderer) {
  cluster::Resources resources{.cpus = service.cpus, .memory = service.memory, .disk = {}};
  if (!service.cpus_template.empty()) {
    TRY(const std::string text, renderer.text(service.cpus_template));
    if (renderer.waits_for().empty()) resources.cpus = std::strtod(text.c_str(), nullptr);
  }
  if (!service.memory_template.empty()) {
    TRY(const std::string text, renderer.text(service.memory_template));
    if (renderer.waits_for().empty()) {
      TRY(resources.memory, parse_bytes(text));
    }
  }
  return resources;
}

Result<process::Kind> render_slots(const State& state, const Component& component, const Service& service,
                                   SlotGoal goal, int count, std::string& waits_for) {
  process::Ordinal ordinal;
  for (int slot = 0; slot < count; ++slot) {
    process::SlotSpec spec{.slot = slot};
    if (goal == SlotGoal::kRunning) {
      TRY(Renderer renderer, Renderer::create(state, component, {.slot = slot, .service = &service}));
      TRY(cluster::TaskSpec task, render_task(state, component, service, renderer));
      if (waits_for.empty()) waits_for = renderer.waits_for();
      spec.goal = process::SlotSpec::Goal::kRunning;
      spec.version = fingerprint(task);
      spec.settings = process::Template{std::move(task)};
    }
    ordinal.slots.push_back(std::move(spec));
  }
  return ordinal;
}

}  // namespace

process::AppId app_id(const std::string& environment, const std::string& component,
                      const std::string& service) {
  return process::AppId(fmt::format("/env/{}/{}/{}", environment, component, service));
}

int wanted_instances(const process::AppSpec& spec) {
  if (const auto* service = std::get_if<process::Service>(&spec.kind)) return service->instances;
  if (const auto* ordinal = std::get_if<process::Ordinal>(&spec.kind))
    return static_cast<int>(ordinal->slots.size());
  return 1;
}

bool is_placed(const process::AppView& app, int wanted) {
  int claimed = 0;
  for (const process::InstanceView& instance : app.instances) {
    claimed += instance.claim.has_value() && instance.goal != process::Goal::kGone;
  }
  return claimed >= wanted;
}

bool is_ready(const process::AppView& app, int wanted) {
  int ready = 0;
  for (const process::InstanceView& instance : app.instances) {
    if (instance.goal == process::Goal::kGone) return false;
    ready += instance.ready;
  }
  return ready >= wanted;
}

Result<int> count_of(const State& state, const Component& component, const Service& service) {
  if (service.count.empty()) return 1;
  TRY(Renderer renderer, Renderer::create(state, component, {}));
  TRY(const expression::Value value, renderer.evaluate(service.count));
  const std::int64_t* count = value.get_if<std::int64_t>();
  if (!count || *count < 0 || *count > kMaxInstances) {
    return fail(service.count.problem(
        0,
        fmt::format("the count of {}/{} is {}, not a number from 0 to {}", component.name, service.name,
                    value.is_unknown() ? "known only after placement" : text_of(value), kMaxInstances),
        "let it depend on parameters only"));
  }
  return static_cast<int>(*count);
}

// A fixed port is free on an agent only once the instance that held it has ended: one after the other makes
// room for its replacement. Otherwise the new ones are ready before the old ones go.
process::UpgradeStrategy upgrade_of(const Service& service, int count) {
  const bool is_fixed = std::ranges::any_of(
      service.ports, [](const Port& port) { return port.kind == process::PortKind::kFixed; });
  if (!is_fixed || count == 0) return {};
  return {.minimum_health_capacity = (count - 1.0) / count, .maximum_over_capacity = 0};
}

Result<Rendered> render_service(const State& state, const Component& component, const Service& service,
                                SlotGoal goal, std::optional<int> wanted) {
  int count = wanted.value_or(0);
  if (!wanted) {
    TRY(count, count_of(state, component, service));
  }
  TRY(Renderer renderer, Renderer::create(state, component, {.slot = std::nullopt, .service = &service}));
  process::AppSpec spec{.id = app_id(state.environment, component.name, service.name),
                        .constraints = service.constraints,
                        .labels = {{"headrace.component", component.name}}};
  TRY(spec.resources, render_resources(service, renderer));
  for (const Port& port : service.ports) {
    spec.ports.push_back({.name = port.name, .kind = port.kind, .protocol = port.protocol});
  }
  for (const Volume& volume : service.volumes) {
    spec.volumes.push_back({.name = volume.name, .path = volume.path, .size = volume.size});
  }
  std::string waits_for;
  if (service.ordinal) {
    TRY(spec.kind, render_slots(state, component, service, goal, count, waits_for));
  } else {
    TRY(cluster::TaskSpec task, render_task(state, component, service, renderer));
    spec.kind = process::Service{
        .instances = count, .settings = {std::move(task)}, .upgrade = upgrade_of(service, count)};
  }
  if (waits_for.empty()) waits_for = renderer.waits_for();
  if (!waits_for.empty()) return Rendered{std::nullopt, std::move(waits_for)};
  return Rendered{std::move(spec), {}};
}

Result<Rendered> render_step(const State& state, const Component& component, const Step& step,
                             const Local& local, process::AppId id) {
  TRY(Renderer renderer, Renderer::create(state, component, local));
  cluster::TaskSpec task{.image = state.generation.images().at(step.image)};
  TRY(task.entrypoint, renderer.texts(step.entrypoint));
  TRY(task.args, renderer.texts(step.command));
  TRY(task.env, renderer.texts(step.env));
  TRY(task.secrets, renderer.secrets(step.secrets));
  if (!renderer.waits_for().empty()) return Rendered{std::nullopt, renderer.waits_for()};
  return Rendered{
      process::AppSpec{.id = std::move(id),
                       .kind = process::RunOnce{.settings = {std::move(task)}, .timeout = step.timeout},
                       .resources = kStepResources,
                       .labels = {{"headrace.component", component.name}}},
      {}};
}

std::string fingerprint(const cluster::TaskSpec& task) {
  // FNV-1a over every field that a restart would be needed for, each with a separator that no field holds.
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    hash = (hash ^ 0x1ffu) * 0x100000001b3u;
  };
  add(task.image);
  for (const std::string& part : task.entrypoint) add(part);
  add("args");
  for (const std::string& part : task.args) add(part);
  for (const auto* map : {&task.env, &task.tmpfs, &task.labels}) {
    add("map");
    for (const auto& [key, value] : *map) {
      add(key);
      add(value);
    }
  }
  for (const cluster::SecretFile& file : task.secrets) {
    add(file.path);
    add(fmt::format("{}@{}", file.secret.name, file.secret.version));
  }
  add(fmt::format("{} {} {} {}", task.user, task.working_dir, task.read_only, task.grace.count()));
  if (task.check) {
    const cluster::Check& check = *task.check;
    add(fmt::format("{} {} {} {} {} {} {}", static_cast<int>(check.kind), check.path, check.port,
                    check.interval.count(), check.timeout.count(), check.grace.count(), check.failures));
    for (const std::string& part : check.command) add(part);
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace headrace::environment
