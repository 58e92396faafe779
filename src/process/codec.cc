#include "process/codec.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "process/records.pb.h"
#include "process/spec_codec.h"

namespace headrace::process {
namespace {

// Equal values give equal bytes: maps are written in order of their keys.
template <class Message>
std::string bytes_of(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

template <class Message>
Result<Message> parse(const std::string& bytes, std::string_view what) {
  Message message;
  if (message.ParseFromString(bytes)) return message;
  return fail(Code::kCorrupt, fmt::format("the stored record of {} cannot be read", what),
              "restore the state folder from a backup");
}

std::int64_t millis(Wall time) {
  return time.time_since_epoch().count();
}
Wall wall(std::int64_t millis) {
  return Wall(Duration(millis));
}

// Deadlines are stored as what remains of them.
std::int64_t left(Monotonic until, Now now) {
  return std::max<std::int64_t>(0, (until - now.mono).count());
}

template <class Map>
void put_ports(const std::map<std::string, std::uint16_t>& from, Map& to) {
  for (const auto& [name, number] : from) to[name] = number;
}
template <class Map>
std::map<std::string, std::uint16_t> ports_from(const Map& from) {
  std::map<std::string, std::uint16_t> ports;
  for (const auto& [name, number] : from) ports[name] = static_cast<std::uint16_t>(number);
  return ports;
}

}  // namespace

std::string encode_format() {
  records::Meta meta;
  meta.set_format(kFormat);
  return bytes_of(meta);
}

Status decode_format(const std::string& bytes) {
  TRY(const auto meta, parse<records::Meta>(bytes, "the process manager's format"));
  if (meta.format() > kFormat) {
    return fail(Code::kCorrupt,
                fmt::format("the state of the process manager has format {}, this release knows up to {}",
                            meta.format(), kFormat),
                "start the newer release of Headrace that wrote it");
  }
  return {};
}

std::string encode_app(const App& app) {
  records::App record;
  *record.mutable_spec() = spec_record(*app.spec);
  record.set_version(app.version);
  record.set_config_version(app.config_version);
  record.set_last_scaling(millis(app.last_scaling));
  record.set_last_config_change(millis(app.last_config_change));
  put_ports(app.ports, *record.mutable_ports());
  record.set_ports_pinned(app.ports_pinned);
  record.set_port_attempts(app.port_attempts);
  record.set_removing(app.removing);
  record.set_destroy_volumes(app.destroy_volumes);
  record.set_paused(app.paused);
  record.set_want_version(app.want_version);
  for (const Parked& parked : app.parked) {
    records::Parked& to = *record.add_parked();
    to.set_slot(parked.slot);
    to.set_claim(parked.claim.str());
    to.set_epoch(parked.epoch);
  }
  return bytes_of(record);
}

Result<App> decode_app(const std::string& bytes) {
  TRY(const auto record, parse<records::App>(bytes, "an app"));
  TRY(AppSpec spec, spec_from(record.spec()));
  App app;
  app.id = spec.id;
  app.spec = std::move(spec);
  app.version = record.version();
  TRY(app.version_at, parse_rfc3339(record.version()));
  app.config_version = record.config_version();
  app.last_scaling = wall(record.last_scaling());
  app.last_config_change = wall(record.last_config_change());
  app.ports = ports_from(record.ports());
  app.ports_pinned = record.ports_pinned();
  app.port_attempts = record.port_attempts();
  app.removing = record.removing();
  app.destroy_volumes = record.destroy_volumes();
  app.paused = record.paused();
  app.want_version = record.want_version();
  for (const records::Parked& from : record.parked()) {
    app.parked.push_back({from.slot(), cluster::ClaimId(from.claim()), from.epoch()});
  }
  app.dirty = false;
  return app;
}

std::string encode_delay(const App& app, Now now) {
  records::Delay record;
  record.set_failures(app.delay.failures);
  if (app.delay.until) record.set_left(left(*app.delay.until, now));
  if (app.failure) {
    record.set_task(app.failure->task.str());
    record.set_agent(app.failure->agent.str());
    record.set_host(app.failure->host);
    record.set_message(app.failure->message);
    record.set_state(number_of(app.failure->state));
    record.set_version(app.failure->version);
    record.set_at(millis(app.failure->at));
  }
  return bytes_of(record);
}

Status decode_delay(const std::string& bytes, App& app, Now now) {
  TRY(const auto record, parse<records::Delay>(bytes, "a delay"));
  app.delay.failures = record.failures();
  if (record.has_left() && record.left() > 0) app.delay.until = now.mono + Duration(record.left());
  if (record.has_at()) {
    TRY(const cluster::TaskState state, enum_from(record.state(), cluster::TaskState::kUnreachable));
    app.failure = TaskFailure{.task = cluster::TaskId(record.task()),
                              .agent = cluster::AgentId(record.agent()),
                              .host = record.host(),
                              .message = record.message(),
                              .state = state,
                              .version = record.version(),
                              .at = wall(record.at())};
  }
  return {};
}

std::string encode_outcome(const Outcome& outcome) {
  records::Outcome record;
  record.set_succeeded(outcome.succeeded);
  record.set_unknown(outcome.unknown);
  if (outcome.exit_code) record.set_exit_code(*outcome.exit_code);
  record.set_message(outcome.message);
  record.set_result(outcome.result);
  record.set_log_tail(outcome.log_tail);
  return bytes_of(record);
}

Result<Outcome> decode_outcome(const std::string& bytes) {
  TRY(const auto record, parse<records::Outcome>(bytes, "an outcome"));
  Outcome outcome{.succeeded = record.succeeded(),
                  .unknown = record.unknown(),
                  .message = record.message(),
                  .result = record.result(),
                  .log_tail = record.log_tail()};
  if (record.has_exit_code()) outcome.exit_code = record.exit_code();
  return outcome;
}

std::string encode_instance(const Instance& instance, Now now) {
  records::Instance record;
  record.set_app(instance.app->id.str());
  record.set_order(instance.order);
  if (instance.slot) record.set_slot(*instance.slot);
  record.set_version(instance.version);
  record.set_goal(number_of(instance.goal));
  record.set_destroy_volumes(instance.destroy_volumes);
  record.set_tasks(instance.tasks);
  record.set_claims(instance.claims);
  record.set_restarts(instance.restarts);
  record.set_claim_state(number_of(instance.claim_state));
  record.set_claim(instance.claim.str());
  record.set_gang(instance.gang.str());
  if (instance.granted) {
    records::Claim& claim = *record.mutable_granted();
    claim.set_id(instance.granted->id.str());
    if (instance.granted->agent) claim.set_agent(instance.granted->agent->str());
    claim.set_address(instance.granted->address);
    put_ports(instance.granted->ports, *claim.mutable_ports());
  }
  record.set_claim_version(instance.claim_version);
  put_ports(instance.slot_ports, *record.mutable_slot_ports());
  record.set_task(instance.task.str());
  record.set_alive(instance.alive);
  record.set_answered(instance.answered);
  record.set_stopping(instance.stopping);
  record.set_stop_reason(number_of(instance.stop_reason));
  record.set_grace(instance.grace.count());
  record.set_checked(instance.checked);
  record.set_passed(instance.passed);
  if (instance.state) record.set_state(number_of(*instance.state));
  record.set_health(number_of(instance.health));
  if (instance.exit_code) record.set_exit_code(*instance.exit_code);
  record.set_message(instance.message);
  record.set_since(millis(instance.since));
  record.set_staged(millis(instance.staged));
  if (instance.started) record.set_started(millis(*instance.started));
  if (instance.ready_since) record.set_ready_since(millis(*instance.ready_since));
  record.set_failures(instance.delay.failures);
  if (instance.delay.until) record.set_delay_left(left(*instance.delay.until, now));
  if (instance.unreachable_until) record.set_unreachable_left(left(*instance.unreachable_until, now));
  if (instance.times_out) record.set_timeout_left(left(*instance.times_out, now));
  record.set_given_up(instance.given_up);
  return bytes_of(record);
}

Result<std::pair<AppId, std::unique_ptr<Instance>>> decode_instance(const InstanceId& id,
                                                                    const std::string& bytes, Now now) {
  TRY(const auto record, parse<records::Instance>(bytes, "an instance"));
  auto decoded = std::make_unique<Instance>();
  Instance& instance = *decoded;
  instance.id = id;
  instance.order = record.order();
  if (record.has_slot()) instance.slot = record.slot();
  instance.version = record.version();
  TRY(instance.goal, enum_from(record.goal(), Goal::kGone));
  instance.destroy_volumes = record.destroy_volumes();
  instance.tasks = record.tasks();
  instance.claims = record.claims();
  instance.restarts = record.restarts();
  TRY(instance.claim_state, enum_from(record.claim_state(), ClaimState::kLost));
  instance.claim = cluster::ClaimId(record.claim());
  instance.gang = cluster::GangId(record.gang());
  if (record.has_granted()) {
    const records::Claim& from = record.granted();
    cluster::Claim claim{
        .id = cluster::ClaimId(from.id()), .address = from.address(), .ports = ports_from(from.ports())};
    if (from.has_agent()) claim.agent = cluster::AgentId(from.agent());
    instance.granted = std::move(claim);
  }
  instance.claim_version = record.claim_version();
  instance.slot_ports = ports_from(record.slot_ports());
  instance.task = cluster::TaskId(record.task());
  instance.alive = record.alive();
  instance.answered = record.answered();
  instance.stopping = record.stopping();
  TRY(instance.stop_reason, enum_from(record.stop_reason(), StopReason::kUnreachable));
  instance.grace = Duration(record.grace());
  instance.checked = record.checked();
  instance.passed = record.passed();
  if (record.has_state()) {
    TRY(instance.state, enum_from(record.state(), cluster::TaskState::kUnreachable));
  }
  TRY(instance.health, enum_from(record.health(), cluster::Health::kUnhealthy));
  if (record.has_exit_code()) instance.exit_code = record.exit_code();
  instance.message = record.message();
  instance.since = wall(record.since());
  instance.staged = wall(record.staged());
  if (record.has_started()) instance.started = wall(record.started());
  if (record.has_ready_since()) instance.ready_since = wall(record.ready_since());
  instance.delay.failures = record.failures();
  if (record.has_delay_left() && record.delay_left() > 0) {
    instance.delay.until = now.mono + Duration(record.delay_left());
  }
  if (record.has_unreachable_left()) {
    instance.unreachable_until = now.mono + Duration(record.unreachable_left());
  }
  if (record.has_timeout_left()) instance.times_out = now.mono + Duration(record.timeout_left());
  instance.given_up = record.given_up();
  // How long it ran before this process began is not known; what is known is "at least from now".
  if (instance.alive) instance.asked = now.mono;
  if (instance.state == cluster::TaskState::kRunning) instance.running_from = now.mono;
  if (instance.stopping) instance.stop_again = now.mono;
  instance.dirty = false;
  return std::pair(AppId(record.app()), std::move(decoded));
}

std::string encode_deployment(const Deployment& deployment, Now now) {
  records::Deployment record;
  record.set_order(deployment.order);
  record.set_version(deployment.version);
  for (const Deployment::Action& action : deployment.actions) {
    records::Action& to = *record.add_actions();
    to.set_app(action.what.app.str());
    to.set_action(action.what.action);
    if (action.before) *to.mutable_before() = spec_record(**action.before);
  }
  record.set_verdict(number_of(deployment.verdict));
  if (deployment.cause) {
    record.set_cause_code(deployment.cause->code);
    record.set_cause_sentence(deployment.cause->sentence);
    record.set_cause_since(millis(deployment.cause->since));
    if (deployment.cause->deadline) record.set_cause_deadline(millis(*deployment.cause->deadline));
    record.set_cause_remedy(deployment.cause->remedy);
  }
  record.set_started(millis(deployment.started));
  if (deployment.until) record.set_left(left(*deployment.until, now));
  if (deployment.deadline) record.set_deadline(millis(*deployment.deadline));
  if (deployment.ended) record.set_ended(millis(*deployment.ended));
  return bytes_of(record);
}

Result<Deployment> decode_deployment(const DeploymentId& id, const std::string& bytes, Now now) {
  TRY(const auto record, parse<records::Deployment>(bytes, "a deployment"));
  Deployment deployment;
  deployment.id = id;
  deployment.order = record.order();
  deployment.version = record.version();
  for (const records::Action& from : record.actions()) {
    Deployment::Action action{.what = {.app = AppId(from.app()), .action = from.action()}};
    if (from.has_before()) {
      TRY(AppSpec before, spec_from(from.before()));
      action.before = Shared<AppSpec>(std::move(before));
    }
    deployment.actions.push_back(std::move(action));
  }
  TRY(deployment.verdict, enum_from(record.verdict(), DeploymentView::Verdict::kCancelled));
  if (record.has_cause_since()) {
    deployment.cause = Cause{.code = record.cause_code(),
                             .sentence = record.cause_sentence(),
                             .since = wall(record.cause_since()),
                             .remedy = record.cause_remedy()};
    if (record.has_cause_deadline()) deployment.cause->deadline = wall(record.cause_deadline());
  }
  deployment.started = wall(record.started());
  if (record.has_left()) deployment.until = now.mono + Duration(record.left());
  if (record.has_deadline()) deployment.deadline = wall(record.deadline());
  if (record.has_ended()) deployment.ended = wall(record.ended());
  return deployment;
}

}  // namespace headrace::process
