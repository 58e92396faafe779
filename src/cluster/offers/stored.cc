#include "cluster/offers/stored.h"

#include <fmt/format.h>

#include "cluster/offers/agent_table.h"
#include "cluster/offers/records.pb.h"

namespace headrace::cluster {
namespace {

template <class Repeated>
std::vector<std::string> strings(const Repeated& repeated) {
  return {repeated.begin(), repeated.end()};
}
template <class Map>
std::map<std::string, std::string> string_map(const Map& map) {
  return {map.begin(), map.end()};
}
template <class Map>
void copy(const std::map<std::string, std::string>& from, Map& to) {
  to.insert(from.begin(), from.end());
}

void put(const Check& check, stored::Check& to) {
  to.set_kind(static_cast<int>(check.kind));
  to.mutable_command()->Assign(check.command.begin(), check.command.end());
  to.set_path(check.path);
  to.set_port(check.port);
  to.set_interval_ms(check.interval.count());
  to.set_timeout_ms(check.timeout.count());
  to.set_grace_ms(check.grace.count());
  to.set_failures(check.failures);
}

Check get(const stored::Check& from) {
  return {.kind = static_cast<CheckKind>(from.kind()),
          .command = strings(from.command()),
          .path = from.path(),
          .port = from.port(),
          .interval = Duration(from.interval_ms()),
          .timeout = Duration(from.timeout_ms()),
          .grace = Duration(from.grace_ms()),
          .failures = from.failures()};
}

void put(const Task& task, stored::Task& to) {
  const TaskSpec& spec = task.spec;
  to.set_id(task.id.str());
  to.set_image(spec.image);
  to.mutable_entrypoint()->Assign(spec.entrypoint.begin(), spec.entrypoint.end());
  to.mutable_args()->Assign(spec.args.begin(), spec.args.end());
  copy(spec.env, *to.mutable_env());
  to.set_user(spec.user);
  to.set_working_dir(spec.working_dir);
  to.set_bridge(spec.network == Network::kBridge);
  if (spec.check) put(*spec.check, *to.mutable_check());
  for (const SecretFile& file : spec.secrets) {
    stored::SecretFile& secret = *to.add_secrets();
    secret.set_path(file.path);
    secret.set_secret(file.secret.name);
    secret.set_version(file.secret.version);
  }
  copy(spec.tmpfs, *to.mutable_tmpfs());
  to.set_read_only(spec.read_only);
  to.set_grace_ms(spec.grace.count());
  copy(spec.labels, *to.mutable_labels());
  to.mutable_host_mounts()->Assign(spec.host_mounts.begin(), spec.host_mounts.end());
  to.set_privileged(spec.privileged);
}

Task get(const stored::Task& from) {
  Task task{.id = TaskId(from.id()),
            .spec = {.image = from.image(),
                     .entrypoint = strings(from.entrypoint()),
                     .args = strings(from.args()),
                     .env = string_map(from.env()),
                     .user = from.user(),
                     .working_dir = from.working_dir(),
                     .network = from.bridge() ? Network::kBridge : Network::kHost,
                     .tmpfs = string_map(from.tmpfs()),
                     .read_only = from.read_only(),
                     .grace = Duration(from.grace_ms()),
                     .labels = string_map(from.labels()),
                     .host_mounts = strings(from.host_mounts()),
                     .privileged = from.privileged()}};
  if (from.has_check()) task.spec.check = get(from.check());
  for (const stored::SecretFile& file : from.secrets()) {
    task.spec.secrets.push_back({file.path(), {file.secret(), file.version()}});
  }
  return task;
}

void put(const Want& want, stored::Want& to) {
  to.set_id(want.id.str());
  to.set_group(want.group);
  const Demand demand = demand_of(want.resources);
  to.set_millicpus(demand.millicpus);
  to.set_memory(demand.memory);
  to.set_disk(demand.disk);
  for (const PortWant& port : want.ports) {
    stored::Port& each = *to.add_ports();
    each.set_name(port.name);
    if (port.number) each.set_number(*port.number);
    each.set_udp(port.protocol == Protocol::kUdp);
    if (port.container_port) each.set_container_port(*port.container_port);
  }
  for (const VolumeWant& volume : want.volumes) {
    stored::Volume& each = *to.add_volumes();
    each.set_name(volume.name);
    each.set_path(volume.path);
    each.set_size(volume.size.count);
  }
  for (const Constraint& constraint : want.constraints) {
    stored::Constraint& each = *to.add_constraints();
    each.set_field(constraint.field);
    each.set_op(static_cast<int>(constraint.op));
    each.set_value(constraint.value);
    each.set_preferred(constraint.preferred);
  }
  to.set_while_task_runs(want.hold == Hold::kWhileTaskRuns);
  if (want.task) put(*want.task, *to.mutable_task());
}

std::optional<std::uint16_t> number(bool has, std::uint32_t value) {
  return has ? std::optional(static_cast<std::uint16_t>(value)) : std::nullopt;
}

Want get(const stored::Want& from) {
  Want want{.id = ClaimId(from.id()),
            .group = from.group(),
            .resources = resources_of({from.millicpus(), from.memory(), from.disk()}),
            .hold = from.while_task_runs() ? Hold::kWhileTaskRuns : Hold::kUntilReleased};
  for (const stored::Port& port : from.ports()) {
    want.ports.push_back({.name = port.name(),
                          .number = number(port.has_number(), port.number()),
                          .protocol = port.udp() ? Protocol::kUdp : Protocol::kTcp,
                          .container_port = number(port.has_container_port(), port.container_port())});
  }
  for (const stored::Volume& volume : from.volumes()) {
    want.volumes.push_back({volume.name(), volume.path(), {volume.size()}});
  }
  for (const stored::Constraint& each : from.constraints()) {
    want.constraints.push_back(
        {each.field(), static_cast<Operator>(each.op()), each.value(), each.preferred()});
  }
  if (from.has_task()) want.task = get(from.task());
  return want;
}

template <class Message>
Result<Message> parse(const std::string& key, const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) {
    return fail(Code::kCorrupt, fmt::format("the claim book's record {} cannot be read", key));
  }
  return message;
}

}  // namespace

std::string encode(const StoredGang& gang) {
  stored::GangRecord record;
  record.set_sequence(gang.sequence);
  for (const Want& want : gang.gang.wants) put(want, *record.add_wants());
  return record.SerializeAsString();
}

std::string encode(const StoredClaim& claim) {
  stored::ClaimRecord record;
  put(claim.want, *record.mutable_want());
  record.set_gang(claim.gang.str());
  record.set_agent(claim.claim.agent.value_or(AgentId()).str());
  record.set_address(claim.claim.address);
  record.mutable_ports()->insert(claim.claim.ports.begin(), claim.claim.ports.end());
  record.set_phase(static_cast<stored::ClaimRecord::Phase>(claim.phase));
  record.set_written(claim.written);
  if (claim.change) put(*claim.change, *record.mutable_change());
  record.set_destroy(claim.destroy);
  return record.SerializeAsString();
}

std::string encode(const StoredTask& task) {
  stored::TaskRecord record;
  record.set_claim(task.claim.str());
  record.set_started(task.started);
  record.set_stop(task.stop);
  if (!task.started) put(task.task, *record.mutable_task());
  return record.SerializeAsString();
}

Result<StoredGang> decode_gang(const std::string& key, const std::string& bytes) {
  TRY(const auto record, parse<stored::GangRecord>(key, bytes));
  StoredGang gang{.sequence = record.sequence(), .gang = {.id = GangId(key)}};
  for (const stored::Want& want : record.wants()) gang.gang.wants.push_back(get(want));
  return gang;
}

Result<StoredClaim> decode_claim(const std::string& key, const std::string& bytes) {
  TRY(const auto record, parse<stored::ClaimRecord>(key, bytes));
  StoredClaim claim{.want = get(record.want()),
                    .gang = GangId(record.gang()),
                    .claim = {.id = ClaimId(key),
                              .agent = AgentId(record.agent()),
                              .address = record.address(),
                              .ports = {record.ports().begin(), record.ports().end()}},
                    .phase = static_cast<ClaimPhase>(record.phase()),
                    .written = record.written(),
                    .destroy = record.destroy()};
  if (record.has_change()) claim.change = get(record.change());
  return claim;
}

Result<StoredTask> decode_task(const std::string& key, const std::string& bytes) {
  TRY(const auto record, parse<stored::TaskRecord>(key, bytes));
  StoredTask task{.claim = ClaimId(record.claim()),
                  .started = record.started(),
                  .stop = record.stop(),
                  .task = {.id = TaskId(key)}};
  if (record.has_task()) task.task = get(record.task());
  task.task.id = TaskId(key);
  return task;
}

}  // namespace headrace::cluster
