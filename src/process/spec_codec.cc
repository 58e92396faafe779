#include "process/spec_codec.h"

namespace headrace::process {
namespace {

template <class Map>
void put_map(const std::map<std::string, std::string>& from, Map& to) {
  for (const auto& [key, value] : from) to[key] = value;
}
template <class Map>
std::map<std::string, std::string> map_from(const Map& from) {
  return {from.begin(), from.end()};
}
template <class List>
std::vector<std::string> list_from(const List& from) {
  return {from.begin(), from.end()};
}

void put(const cluster::Check& check, records::Check& to) {
  to.set_kind(number_of(check.kind));
  for (const std::string& word : check.command) to.add_command(word);
  to.set_path(check.path);
  to.set_port(check.port);
  to.set_interval(check.interval.count());
  to.set_timeout(check.timeout.count());
  to.set_grace(check.grace.count());
  to.set_failures(check.failures);
}

Result<cluster::Check> check_from(const records::Check& from) {
  cluster::Check check;
  TRY(check.kind, enum_from(from.kind(), cluster::CheckKind::kTcp));
  check.command = list_from(from.command());
  check.path = from.path();
  check.port = from.port();
  check.interval = Duration(from.interval());
  check.timeout = Duration(from.timeout());
  check.grace = Duration(from.grace());
  check.failures = from.failures();
  return check;
}

void put(const cluster::TaskSpec& task, records::TaskSpec& to) {
  to.set_image(task.image);
  for (const std::string& word : task.entrypoint) to.add_entrypoint(word);
  for (const std::string& word : task.args) to.add_args(word);
  put_map(task.env, *to.mutable_env());
  to.set_user(task.user);
  to.set_working_dir(task.working_dir);
  to.set_network(number_of(task.network));
  if (task.check) put(*task.check, *to.mutable_check());
  for (const cluster::SecretFile& file : task.secrets) {
    records::SecretFile& secret = *to.add_secrets();
    secret.set_path(file.path);
    secret.set_name(file.secret.name);
    secret.set_version(file.secret.version);
  }
  put_map(task.tmpfs, *to.mutable_tmpfs());
  to.set_read_only(task.read_only);
  to.set_grace(task.grace.count());
  put_map(task.labels, *to.mutable_labels());
  for (const std::string& mount : task.host_mounts) to.add_host_mounts(mount);
  to.set_privileged(task.privileged);
}

Result<Template> template_from(const records::TaskSpec& from) {
  Template settings;
  cluster::TaskSpec& task = settings.task;
  task.image = from.image();
  task.entrypoint = list_from(from.entrypoint());
  task.args = list_from(from.args());
  task.env = map_from(from.env());
  task.user = from.user();
  task.working_dir = from.working_dir();
  TRY(task.network, enum_from(from.network(), cluster::Network::kBridge));
  if (from.has_check()) {
    TRY(task.check, check_from(from.check()));
  }
  for (const records::SecretFile& file : from.secrets()) {
    task.secrets.push_back({.path = file.path(), .secret = {.name = file.name(), .version = file.version()}});
  }
  task.tmpfs = map_from(from.tmpfs());
  task.read_only = from.read_only();
  task.grace = Duration(from.grace());
  task.labels = map_from(from.labels());
  task.host_mounts = list_from(from.host_mounts());
  task.privileged = from.privileged();
  return settings;
}

void put_kind(const Service& service, records::Spec& to) {
  records::Service& record = *to.mutable_service();
  record.set_instances(service.instances);
  put(service.settings.task, *record.mutable_settings());
  record.set_minimum_health_capacity(service.upgrade.minimum_health_capacity);
  record.set_maximum_over_capacity(service.upgrade.maximum_over_capacity);
}
void put_kind(const Ordinal& ordinal, records::Spec& to) {
  records::Ordinal& record = *to.mutable_ordinal();
  for (const SlotSpec& slot : ordinal.slots) {
    records::Slot& each = *record.add_slots();
    each.set_slot(slot.slot);
    each.set_goal(number_of(slot.goal));
    each.set_version(slot.version);
    if (slot.settings) put(slot.settings->task, *each.mutable_settings());
  }
}
void put_kind(const RunOnce& run_once, records::Spec& to) {
  records::RunOnce& record = *to.mutable_run_once();
  put(run_once.settings.task, *record.mutable_settings());
  if (run_once.timeout) record.set_timeout(run_once.timeout->count());
}
// Refused by validation, hence never stored.
void put_kind(const Daemon&, records::Spec&) {}
void put_kind(const Pod&, records::Spec&) {}

Result<Kind> kind_from(const records::Spec& from) {
  if (from.has_service()) {
    Service service{.instances = from.service().instances(),
                    .upgrade = {.minimum_health_capacity = from.service().minimum_health_capacity(),
                                .maximum_over_capacity = from.service().maximum_over_capacity()}};
    TRY(service.settings, template_from(from.service().settings()));
    return service;
  }
  if (from.has_ordinal()) {
    Ordinal ordinal;
    for (const records::Slot& record : from.ordinal().slots()) {
      SlotSpec slot{.slot = record.slot(), .version = record.version()};
      TRY(slot.goal, enum_from(record.goal(), SlotSpec::Goal::kStopped));
      if (record.has_settings()) {
        TRY(slot.settings, template_from(record.settings()));
      }
      ordinal.slots.push_back(std::move(slot));
    }
    return ordinal;
  }
  if (from.has_run_once()) {
    RunOnce run_once;
    TRY(run_once.settings, template_from(from.run_once().settings()));
    if (from.run_once().has_timeout()) run_once.timeout = Duration(from.run_once().timeout());
    return run_once;
  }
  return fail(Code::kCorrupt, fmt::format("the stored app {} has no kind", from.id()));
}

}  // namespace

records::Spec spec_record(const AppSpec& spec) {
  records::Spec to;
  to.set_id(spec.id.str());
  std::visit([&](const auto& kind) { put_kind(kind, to); }, spec.kind);
  to.mutable_resources()->set_cpus(spec.resources.cpus);
  to.mutable_resources()->set_memory(spec.resources.memory.count);
  to.mutable_resources()->set_disk(spec.resources.disk.count);
  for (const PortSpec& port : spec.ports) {
    records::Port& record = *to.add_ports();
    record.set_name(port.name);
    record.set_kind(number_of(port.kind));
    if (port.number) record.set_number(*port.number);
    if (port.container_port) record.set_container_port(*port.container_port);
    record.set_protocol(number_of(port.protocol));
    put_map(port.labels, *record.mutable_labels());
  }
  for (const cluster::VolumeWant& volume : spec.volumes) {
    records::Volume& record = *to.add_volumes();
    record.set_name(volume.name);
    record.set_path(volume.path);
    record.set_size(volume.size.count);
  }
  for (const cluster::Constraint& constraint : spec.constraints) {
    records::Constraint& record = *to.add_constraints();
    record.set_field(constraint.field);
    record.set_op(number_of(constraint.op));
    record.set_value(constraint.value);
    record.set_preferred(constraint.preferred);
  }
  to.set_backoff_initial(spec.backoff.initial.count());
  to.set_backoff_factor(spec.backoff.factor);
  to.set_backoff_maximum(spec.backoff.maximum.count());
  put_map(spec.labels, *to.mutable_labels());
  to.set_v2_definition(spec.v2_definition);
  return to;
}

Result<AppSpec> spec_from(const records::Spec& from) {
  AppSpec spec;
  spec.id = AppId(from.id());
  TRY(spec.kind, kind_from(from));
  spec.resources = {.cpus = from.resources().cpus(),
                    .memory = {from.resources().memory()},
                    .disk = {from.resources().disk()}};
  for (const records::Port& record : from.ports()) {
    PortSpec port{.name = record.name(), .labels = map_from(record.labels())};
    TRY(port.kind, enum_from(record.kind(), PortKind::kPerSlot));
    TRY(port.protocol, enum_from(record.protocol(), cluster::Protocol::kUdp));
    if (record.has_number()) port.number = static_cast<std::uint16_t>(record.number());
    if (record.has_container_port())
      port.container_port = static_cast<std::uint16_t>(record.container_port());
    spec.ports.push_back(std::move(port));
  }
  for (const records::Volume& record : from.volumes()) {
    spec.volumes.push_back({.name = record.name(), .path = record.path(), .size = {record.size()}});
  }
  for (const records::Constraint& record : from.constraints()) {
    cluster::Constraint constraint{
        .field = record.field(), .value = record.value(), .preferred = record.preferred()};
    TRY(constraint.op, enum_from(record.op(), cluster::Operator::kMaxPer));
    spec.constraints.push_back(std::move(constraint));
  }
  spec.backoff = {.initial = Duration(from.backoff_initial()),
                  .factor = from.backoff_factor(),
                  .maximum = Duration(from.backoff_maximum())};
  spec.labels = map_from(from.labels());
  spec.v2_definition = from.v2_definition();
  return spec;
}

}  // namespace headrace::process
