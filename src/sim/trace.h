// One line for people about what goes between the parts of the world.
#pragma once

#include <string>

#include "cluster/offers/offer.h"
#include "environment/environment_manager.h"
#include "process/app.h"

namespace headrace::sim {

std::string line_of(const cluster::SourceCall& call);
std::string line_of(const cluster::SourceEvent& event);
std::string line_of(const cluster::Call& call);
std::string line_of(const cluster::Event& event);
std::string line_of(const process::AppView& app);
std::string line_of(const environment::EnvironmentView& view);
std::string line_of(const environment::OperationView& operation);

}  // namespace headrace::sim
