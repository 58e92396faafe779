// The stored form of the seam's values (base/wire.h), for all who keep them: the claim book and the process
// manager. Enumerators and numbers here are never changed.
#pragma once

#include "base/wire.h"
#include "cluster/cluster.h"

namespace headrace::cluster {

template <class Io>
void fields(Io& io, Resources& resources) {
  io(1, resources.cpus);
  io(2, resources.memory);
  io(3, resources.disk);
}

template <class Io>
void fields(Io& io, VolumeWant& volume) {
  io(1, volume.name);
  io(2, volume.path);
  io(3, volume.size);
}

template <class Io>
void fields(Io& io, Constraint& constraint) {
  io(1, constraint.field);
  io(2, constraint.op, Operator::kMaxPer);
  io(3, constraint.value);
  io(4, constraint.preferred);
}

template <class Io>
void fields(Io& io, Check& check) {
  io(1, check.kind, CheckKind::kTcp);
  io(2, check.command);
  io(3, check.path);
  io(4, check.port);
  io(5, check.interval);
  io(6, check.timeout);
  io(7, check.grace);
  io(8, check.failures);
}

template <class Io>
void fields(Io& io, SecretFile& file) {
  io(1, file.path);
  io(2, file.secret.name);
  io(3, file.secret.version);
}

// `first` is the number of its first field: the claim book keeps a task's id before them.
template <class Io>
void fields(Io& io, TaskSpec& task, int first = 1) {
  io(first, task.image);
  io(first + 1, task.entrypoint);
  io(first + 2, task.args);
  io(first + 3, task.env);
  io(first + 4, task.user);
  io(first + 5, task.working_dir);
  io(first + 6, task.network, Network::kBridge);
  io(first + 7, task.check);
  io(first + 8, task.secrets);
  io(first + 9, task.tmpfs);
  io(first + 10, task.read_only);
  io(first + 11, task.grace);
  io(first + 12, task.labels);
  io(first + 13, task.host_mounts);
  io(first + 14, task.privileged);
}

template <class Io>
void fields(Io& io, Claim& claim) {
  io(1, claim.id);
  io(2, claim.agent);
  io(3, claim.address);
  io(4, claim.ports);
}

}  // namespace headrace::cluster
