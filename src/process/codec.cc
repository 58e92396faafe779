#include "process/codec.h"

#include <fmt/format.h>

#include "base/wire.h"
#include "cluster/fields.h"

// Field numbers and enumerators are only ever added; a change of meaning is a new format number with a
// migration.
namespace headrace::process {

// ---- The wanted state ----------------------------------------------------------------------------

template <class Io>
void fields(Io& io, Template& settings) {
  fields(io, settings.task);
}

template <class Io>
void fields(Io& io, SlotSpec& slot) {
  io(1, slot.slot);
  io(2, slot.goal, SlotSpec::Goal::kStopped);
  io(3, slot.version);
  io(4, slot.settings);
}

template <class Io>
void fields(Io& io, Service& service) {
  io(1, service.instances);
  io(2, service.settings);
  io(3, service.upgrade.minimum_health_capacity);
  io(4, service.upgrade.maximum_over_capacity);
}

template <class Io>
void fields(Io& io, Ordinal& ordinal) {
  io(1, ordinal.slots);
}

template <class Io>
void fields(Io& io, RunOnce& run_once) {
  io(1, run_once.settings);
  io(2, run_once.timeout);
}

template <class Io>
void fields(Io& io, PortSpec& port) {
  io(1, port.name);
  io(2, port.kind, PortKind::kPerSlot);
  io(3, port.number);
  io(4, port.container_port);
  io(5, port.protocol, cluster::Protocol::kUdp);
  io(6, port.labels);
}

template <class Alternative, class Io>
void alternative(Io& io, int number, Kind& kind) {
  if constexpr (Io::kReads) {
    if (io.has(number)) io(number, kind.emplace<Alternative>());
  } else if (const auto* held = std::get_if<Alternative>(&kind)) {
    io(number, *held);
  }
}

template <class Io>
void fields(Io& io, AppSpec& spec) {
  io(1, spec.id);
  // The kinds that validation refuses are never stored.
  alternative<Service>(io, 2, spec.kind);
  alternative<Ordinal>(io, 3, spec.kind);
  alternative<RunOnce>(io, 4, spec.kind);
  if constexpr (Io::kReads) {
    if (!io.has(2) && !io.has(3) && !io.has(4)) io.refuse("the app has no kind");
  }
  io(5, spec.resources);
  io(6, spec.ports);
  io(7, spec.volumes);
  io(8, spec.constraints);
  io(9, spec.backoff.initial);
  io(10, spec.backoff.factor);
  io(11, spec.backoff.maximum);
  io(12, spec.labels);
  io(13, spec.v2_definition);
}

template <class Io>
void fields(Io& io, Shared<AppSpec>& spec) {
  if constexpr (Io::kReads) {
    AppSpec read;
    fields(io, read);
    spec = std::move(read);
  } else {
    fields(io, const_cast<AppSpec&>(*spec));  // written only
  }
}

// ---- Tables --------------------------------------------------------------------------------------

template <class Io>
void fields(Io& io, Parked& parked) {
  io(1, parked.slot);
  io(2, parked.claim);
  io(3, parked.epoch);
}

template <class Io>
void fields(Io& io, App& app) {
  io(1, app.spec);
  io(2, app.version);
  io(3, app.last_scaling);
  io(4, app.last_config_change);
  io(5, app.ports);
  io(6, app.ports_pinned);
  io(7, app.port_attempts);
  io(8, app.removing);
  io(9, app.destroy_volumes);
  io(10, app.paused);
  io(11, app.want_version);
  io(12, app.parked);
  io(13, app.config_version);
}

template <class Io>
void delay_fields(Io& io, App& app) {
  io(1, app.delay.failures);
  io.left(2, app.delay.until);
  std::optional<Wall> failed_at;
  if (app.failure) failed_at = app.failure->at;
  io(9, failed_at);
  if (!failed_at) return;
  TaskFailure& failure = app.failure ? *app.failure : app.failure.emplace();
  failure.at = *failed_at;
  io(3, failure.task);
  io(4, failure.agent);
  io(5, failure.host);
  io(6, failure.message);
  io(7, failure.state, cluster::TaskState::kUnreachable);
  io(8, failure.version);
}

template <class Io>
void fields(Io& io, Outcome& outcome) {
  io(1, outcome.succeeded);
  io(2, outcome.unknown);
  io(3, outcome.exit_code);
  io(4, outcome.message);
  io(5, outcome.result);
  io(6, outcome.log_tail);
}

template <class Io>
void instance_fields(Io& io, Instance& instance, AppId& app) {
  io(1, app);
  io(2, instance.order);
  io(3, instance.slot);
  io(4, instance.version);
  io(5, instance.goal, Goal::kGone);
  io(6, instance.destroy_volumes);
  io(7, instance.tasks);
  io(8, instance.claims);
  io(9, instance.restarts);
  io(10, instance.claim_state, ClaimState::kLost);
  io(11, instance.claim);
  io(12, instance.gang);
  io(13, instance.granted);
  io(14, instance.claim_version);
  io(15, instance.slot_ports);
  io(16, instance.task);
  io(17, instance.alive);
  io(18, instance.answered);
  io(19, instance.stopping);
  io(20, instance.stop_reason, StopReason::kUnreachable);
  io(21, instance.state, cluster::TaskState::kUnreachable);
  io(22, instance.health, cluster::Health::kUnhealthy);
  io(23, instance.passed);
  io(24, instance.exit_code);
  io(25, instance.message);
  io(26, instance.since);
  io(27, instance.staged);
  io(28, instance.started);
  io(29, instance.ready_since);
  io(30, instance.delay.failures);
  io.left(31, instance.delay.until);
  io.left(32, instance.unreachable_until);
  io.left(33, instance.times_out);
  io(34, instance.given_up);
  io(35, instance.checked);
  io(36, instance.grace);
}

template <class Io>
void fields(Io& io, Deployment::Action& action) {
  io(1, action.what.app);
  io(2, action.what.action);
  io(3, action.before);
}

template <class Io>
void fields(Io& io, Deployment& deployment) {
  io(1, deployment.order);
  io(2, deployment.version);
  io(3, deployment.actions);
  io(4, deployment.verdict, DeploymentView::Verdict::kCancelled);
  std::optional<Wall> waits_since;
  if (deployment.cause) waits_since = deployment.cause->since;
  io(7, waits_since);
  if (waits_since) {
    Cause& cause = deployment.cause ? *deployment.cause : deployment.cause.emplace();
    cause.since = *waits_since;
    io(5, cause.code);
    io(6, cause.sentence);
    io(8, cause.deadline);
    io(9, cause.remedy);
  }
  io(10, deployment.started);
  io.left(11, deployment.until);
  io(12, deployment.deadline);
  io(13, deployment.ended);
}

std::string encode_format() {
  wire::Writer io;
  io(1, kFormat);
  return io.take();
}

Status decode_format(const std::string& bytes) {
  wire::Reader io(bytes);
  int format = 0;
  io(1, format);
  TRY_STATUS(io.end("the process manager's format"));
  if (format <= kFormat) return {};
  return fail(Code::kCorrupt,
              fmt::format("the state of the process manager has format {}, this release knows up to {}",
                          format, kFormat),
              "start the newer release of Headrace that wrote it");
}

std::string encode_app(const App& app) {
  return wire::encode(app);
}

Result<App> decode_app(const std::string& bytes) {
  TRY(App app, wire::decode<App>(bytes, "an app"));
  app.id = app.spec->id;
  TRY(app.version_at, parse_rfc3339(app.version));
  app.dirty = false;
  return app;
}

std::string encode_delay(const App& app, Now now) {
  wire::Writer io(now);
  delay_fields(io, const_cast<App&>(app));  // written only
  return io.take();
}

Status decode_delay(const std::string& bytes, App& app, Now now) {
  wire::Reader io(bytes, now);
  delay_fields(io, app);
  return io.end("a delay");
}

std::string encode_outcome(const Outcome& outcome) {
  return wire::encode(outcome);
}

Result<Outcome> decode_outcome(const std::string& bytes) {
  return wire::decode<Outcome>(bytes, "an outcome");
}

std::string encode_instance(const Instance& instance, Now now) {
  wire::Writer io(now);
  instance_fields(io, const_cast<Instance&>(instance), instance.app->id);  // written only
  return io.take();
}

Result<std::pair<AppId, std::unique_ptr<Instance>>> decode_instance(const InstanceId& id,
                                                                    const std::string& bytes, Now now) {
  auto instance = std::make_unique<Instance>();
  AppId app;
  wire::Reader io(bytes, now);
  instance_fields(io, *instance, app);
  TRY_STATUS(io.end("an instance"));
  instance->id = id;
  // How long it ran before this process began is not known; what is known is "at least from now".
  if (instance->alive) instance->asked = now.mono;
  if (instance->state == cluster::TaskState::kRunning) instance->running_from = now.mono;
  if (instance->stopping) instance->stop_again = now.mono;
  instance->dirty = false;
  return std::pair(std::move(app), std::move(instance));
}

std::string encode_deployment(const Deployment& deployment, Now now) {
  return wire::encode(deployment, now);
}

Result<Deployment> decode_deployment(const DeploymentId& id, const std::string& bytes, Now now) {
  TRY(Deployment deployment, wire::decode<Deployment>(bytes, "a deployment", now));
  deployment.id = id;
  return deployment;
}

}  // namespace headrace::process
