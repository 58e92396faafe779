// What a task is started with beyond its template: Marathon's variables, slot and epoch.
#pragma once

#include "process/model.h"

namespace headrace::process {

// The present task of an instance (instance.task). Needs an instance that is to run something.
cluster::Task task_of(const App& app, const Instance& instance);

}  // namespace headrace::process
