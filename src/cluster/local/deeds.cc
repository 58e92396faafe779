#include "cluster/local/deeds.h"

#include <fmt/format.h>

#include <utility>

namespace headrace::cluster {
namespace {

constexpr std::size_t kLogTailBytes = 64 << 10;
constexpr int kLogTailLines = 500;

Status unless_missing(Status status) {
  if (!status && status.error().code == Code::kNotFound) return {};
  return status;
}

struct Doer {
  docker::Engine& engine;
  const Surroundings& around;

  docker::LabelFilters ours() const { return {"headrace.server=" + around.server_id}; }

  // None: there is none of ours. What somebody else gave this name is never touched.
  Result<std::optional<docker::Container>> find(const TaskId& task) const {
    auto container = engine.inspect(container_name(task));
    if (!container && container.error().code != Code::kNotFound) return fail(container.error());
    if (!container) return std::nullopt;
    const auto label = container->labels.find("headrace.server");
    if (label == container->labels.end() || label->second != around.server_id) return std::nullopt;
    return std::move(*container);
  }

  Status operator()(const StartContainer& deed) const {
    if (deed.launch) TRY_STATUS(create(*deed.launch));
    return engine.start(container_name(deed.task));
  }

  Status create(const Launch& launch) const {
    TRY(const auto mounts, around.show_secrets(launch));
    // Volumes are made first, with our labels: by its labels a volume's owner is known.
    for (const VolumeWant& volume : launch.volumes) {
      TRY_STATUS(engine.create_volume(
          volume_name(around.server_id, launch.claim.id, volume.name),
          {{"headrace.server", around.server_id}, {"headrace.claim", launch.claim.id.str()}}));
    }
    const auto created = engine.create(container_spec(around.server_id, launch, mounts));
    if (created) return {};
    if (created.error().code != Code::kConflict) return fail(created.error());
    TRY(const auto container, find(launch.task.id));
    if (!container) return fail(created.error());
    return {};
  }

  Status operator()(const StopContainer& deed) const {
    return unless_missing(engine.stop(container_name(deed.task), deed.grace));
  }

  Status operator()(const CutContainer& deed) const {
    const Status cut = unless_missing(engine.kill(container_name(deed.task), "SIGKILL"));
    if (!cut && cut.error().code == Code::kConflict) return {};  // it does not run
    return cut;
  }

  Result<LookAtContainer::Answer> operator()(const LookAtContainer& deed) const {
    LookAtContainer::Answer seen;
    TRY(seen.container, find(deed.task));
    if (!seen.container || seen.container->state != docker::ContainerState::kExited) return seen;
    (void)engine.logs(seen.container->id, {.tail = kLogTailLines},
                      [&](docker::Output, std::string_view bytes) {
                        seen.log_tail += bytes;
                        return seen.log_tail.size() < 4 * kLogTailBytes;
                      });
    if (seen.log_tail.size() > kLogTailBytes) seen.log_tail.erase(0, seen.log_tail.size() - kLogTailBytes);
    return seen;
  }

  Status operator()(const RemoveContainer& deed) const {
    TRY(const auto container, find(deed.task));
    if (container) TRY_STATUS(unless_missing(engine.remove(container->id, /*force=*/true)));
    around.hide_secrets(deed.task);
    return {};
  }

  Status operator()(const RemoveVolumes& deed) const {
    docker::LabelFilters filters = ours();
    filters.push_back("headrace.claim=" + deed.claim.str());
    TRY(const auto volumes, engine.list_volumes(filters));
    std::set<std::string> names;
    for (const docker::Volume& volume : volumes) names.insert(volume.name);
    for (const std::string& name : deed.names) names.insert(volume_name(around.server_id, deed.claim, name));
    for (const std::string& name : names) TRY_STATUS(unless_missing(engine.remove_volume(name)));
    return {};
  }

  Result<RunCheck::Answer> operator()(const RunCheck& deed) const {
    const Check& check = deed.check;
    if (check.kind == CheckKind::kCommand) {
      const auto done = engine.exec(container_name(deed.task), check.command, check.timeout);
      if (!done && done.error().code == Code::kUnavailable) return fail(done.error());
      if (!done) return RunCheck::Answer{done.error().message};
      if (done->exit_code == 0) return RunCheck::Answer{};
      const std::string& output = done->err.empty() ? done->out : done->err;
      return RunCheck::Answer{
          fmt::format("{} ends with {}: {}", check.command.front(), done->exit_code, output.substr(0, 200))};
    }
    const auto port = deed.claim.ports.find(check.port);
    if (port == deed.claim.ports.end()) {
      return RunCheck::Answer{
          fmt::format("the check names the port \"{}\", which the task does not have", check.port)};
    }
    const Status passed = around.probe(deed.claim, port->second, check);
    return passed ? RunCheck::Answer{} : RunCheck::Answer{passed.error().message};
  }

  Result<Survey::Answer> operator()(const Survey& deed) const {
    Survey::Answer answer;
    if (deed.count_containers) {
      TRY(answer.machine, engine.machine());
      TRY(answer.containers, engine.list(ours(), /*also_stopped=*/true));
    } else {
      TRY([[maybe_unused]] const auto version, engine.version());
    }
    for (const std::string& address : deed.addresses) answer.listening[address] = around.listening(address);
    return answer;
  }
};

}  // namespace

AnyDone perform(Deed deed, docker::Engine& engine, const Surroundings& around) {
  return std::visit(
      [&]<class D>(D& each) -> AnyDone {
        auto answer = Doer{engine, around}(each);
        return Done<D>{std::move(each), std::move(answer)};
      },
      deed);
}

}  // namespace headrace::cluster
