// /v1: blueprints, plans, environments, operations.
#include "api/v1/environments.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/v1/observe.h"
#include "api/v1/views.h"
#include "api/v1/wish.h"

namespace headrace::api::v1 {
namespace {

using environment::EnvironmentId;
using environment::OperationId;
using environment::OperationView;
using environment::PlanId;
using environment::PlanView;
using http::Request;
using http::Responder;
using server::Managers;

void answer_errors(Responder responder, const std::vector<Error>& errors) {
  json::array list;
  for (const Error& error : errors) list.push_back(api::to_json(error));
  responder.respond(
      json_response(http_status_of(errors.front().code),
                    json::object{{"error", api::to_json(errors.front())}, {"errors", std::move(list)}}));
}

// Answers with the view once its commit is durable.
template <class View>
auto answer_with(Responder responder, int status) {
  return [responder, status](Result<View> view) {
    responder.respond(view ? json_response(status, to_json(*view)) : error_response(view.error()));
  };
}

void describe(const environment::Blueprint& blueprint, Responder responder) {
  json::array components, parameters, profiles;
  for (const environment::Component& component : blueprint.components) {
    json::array services, commands, needs;
    for (const auto& service : component.services) services.push_back(json::string(service.name));
    for (const auto& command : component.commands) commands.push_back(json::string(command.name));
    for (const auto& [name, binding] : component.bindings) needs.push_back(json::string(binding.first));
    components.push_back(json::object{{"name", component.name},
                                      {"version", component.version},
                                      {"services", std::move(services)},
                                      {"commands", std::move(commands)},
                                      {"needs", std::move(needs)}});
  }
  for (const auto& [name, parameter] : blueprint.parameters) {
    json::object object{{"name", name}, {"description", parameter.description}, {"secret", parameter.secret}};
    if (parameter.default_value) object["default"] = json::parse(document::to_json(*parameter.default_value));
    parameters.push_back(std::move(object));
  }
  for (const auto& [name, profile] : blueprint.profiles) {
    profiles.push_back(
        json::object{{"name", name}, {"description", profile.description}, {"agents", profile.agents}});
  }
  responder.respond(json_response(200, json::object{{"name", blueprint.name},
                                                    {"version", blueprint.version},
                                                    {"description", blueprint.description},
                                                    {"digest", blueprint.digest},
                                                    {"components", std::move(components)},
                                                    {"parameters", std::move(parameters)},
                                                    {"profiles", std::move(profiles)},
                                                    {"images", json::value_from(blueprint.images)}}));
}

void validate(const Request& request, Responder responder) {
  const auto body = parse_object(request.body);
  if (!body) return void(responder.respond(error_response(body.error())));
  const auto source = source_of(*body);
  if (!source) return void(responder.respond(error_response(source.error())));
  const environment::Loaded loaded = environment::load_blueprint(*source);
  if (!loaded.blueprint) return answer_errors(responder, loaded.errors);
  describe(*loaded.blueprint, responder);
}

void list_blueprints(Backend& backend, Responder responder) {
  std::map<std::pair<std::string, std::string>, json::array> users;
  for (const auto& environment : *backend.pump.snapshot()->environments) {
    users[{environment.blueprint, environment.blueprint_version}].push_back(
        json::string(environment.name.str()));
  }
  json::array list;
  for (auto& [key, environments] : users) {
    list.push_back(json::object{
        {"name", key.first}, {"version", key.second}, {"environments", std::move(environments)}});
  }
  responder.respond(json_response(200, json::object{{"blueprints", std::move(list)}}));
}

// Calls `then(wish)` with what the body asks for, or answers its errors.
template <class Then>
void with_wish(Backend& backend, const Request& request, Responder responder, Then then) {
  const auto body = parse_object(request.body);
  if (!body) return void(responder.respond(error_response(body.error())));
  Prepared prepared = prepare_wish(backend, *body);
  if (!prepared.wish) return answer_errors(responder, prepared.errors);
  then(std::move(*prepared.wish));
}

void make_plan(Backend& backend, const Request& request, Responder responder) {
  // A plan to destroy names only the environment.
  if (const auto body = parse_object(request.body); body && bool_member(*body, "destroy").value_or(false)) {
    const auto name = string_member(*body, "name");
    return backend.pump.ask(
        [id = EnvironmentId(name.value_or(""))](Managers& managers, Now now) {
          return managers.environment().plan_destroy(id, now);
        },
        answer_with<PlanView>(responder, 200));
  }
  with_wish(backend, request, responder, [&](environment::Wish wish) {
    backend.pump.ask([wish = std::move(wish)](Managers& managers,
                                              Now now) { return managers.environment().plan(wish, now); },
                     answer_with<PlanView>(responder, 200));
  });
}

void launch(Backend& backend, const Request& request, Responder responder) {
  with_wish(backend, request, responder, [&](environment::Wish wish) {
    backend.pump.ask([wish = std::move(wish)](Managers& managers,
                                              Now now) { return managers.environment().launch(wish, now); },
                     answer_with<OperationView>(responder, 202));
  });
}

void run_command(Backend& backend, const Request& request, Responder responder) {
  const auto body = request.body.empty() ? json::object{} : parse_object(request.body);
  if (!body) return void(responder.respond(error_response(body.error())));
  std::map<std::string, std::string> arguments;
  for (const auto& [name, value] : *body) arguments[name] = json::serialize(value);
  backend.pump.ask(
      [environment = EnvironmentId(request.param("name")), command = request.param("command"), arguments,
       by = request.principal](Managers& managers, Now now) {
        return managers.environment().command(environment, command, arguments, by, now);
      },
      answer_with<OperationView>(responder, 202));
}

void show_environment(Backend& backend, const Request& request, Responder responder) {
  const auto snapshot = backend.pump.snapshot();
  for (const auto& environment : *snapshot->environments) {
    if (environment.name.str() == request.param("name")) {
      return void(responder.respond(json_response(200, to_json(environment, snapshot.get()))));
    }
  }
  responder.respond(error_response(
      {Code::kNotFound, fmt::format("there is no environment {}", request.param("name")), "headrace list"}));
}

void list_environments(Backend& backend, Responder responder) {
  json::array list;
  for (const auto& environment : *backend.pump.snapshot()->environments) list.push_back(to_json(environment));
  responder.respond(json_response(200, json::object{{"environments", std::move(list)}}));
}

void show_operation(Backend& backend, const Request& request, Responder responder) {
  const auto operations = backend.pump.snapshot()->operations;
  const auto found = std::ranges::find(*operations, OperationId(request.param("id")), &OperationView::id);
  if (found == operations->end()) {
    return void(responder.respond(
        error_response({Code::kNotFound, fmt::format("there is no operation {}", request.param("id")), {}})));
  }
  responder.respond(json_response(200, to_json(*found)));
}

void list_operations(Backend& backend, const Request& request, Responder responder) {
  json::array list;
  for (const OperationView& operation : *backend.pump.snapshot()->operations) {
    const std::string environment = request.query.get("environment");
    if (environment.empty() || operation.environment.str() == environment) list.push_back(to_json(operation));
  }
  responder.respond(json_response(200, json::object{{"operations", std::move(list)}}));
}

}  // namespace

void add_environment_routes(http::Router& router, Backend& backend) {
  router.get("/v1/blueprints", [&](Request, Responder responder) { list_blueprints(backend, responder); });
  router.post("/v1/blueprints", [](Request request, Responder responder) { validate(request, responder); });
  router.post("/v1/plans",
              [&](Request request, Responder responder) { make_plan(backend, request, responder); });
  router.post("/v1/plans/{id}/apply", [&](Request request, Responder responder) {
    backend.pump.ask([id = PlanId(request.param("id")), by = request.principal](
                         Managers& managers, Now now) { return managers.environment().apply(id, by, now); },
                     answer_with<OperationView>(responder, 202));
  });
  router.get("/v1/environments",
             [&](Request, Responder responder) { list_environments(backend, responder); });
  router.post("/v1/environments",
              [&](Request request, Responder responder) { launch(backend, request, responder); });
  router.get("/v1/environments/{name}",
             [&](Request request, Responder responder) { show_environment(backend, request, responder); });
  router.del("/v1/environments/{name}", [&](Request request, Responder responder) {
    backend.pump.ask(
        [id = EnvironmentId(request.param("name")), keep = request.query.get("keep_volumes") == "true",
         by = request.principal](Managers& managers, Now now) {
          return managers.environment().destroy(id, keep, by, now);
        },
        answer_with<OperationView>(responder, 202));
  });
  router.post("/v1/environments/{name}/commands/{command}",
              [&](Request request, Responder responder) { run_command(backend, request, responder); });
  router.get("/v1/operations",
             [&](Request request, Responder responder) { list_operations(backend, request, responder); });
  router.get("/v1/operations/{id}",
             [&](Request request, Responder responder) { show_operation(backend, request, responder); });
  router.del("/v1/operations/{id}", [&](Request request, Responder responder) {
    backend.pump.ask([id = OperationId(request.param("id")), by = request.principal](
                         Managers& managers, Now now) { return managers.environment().cancel(id, by, now); },
                     answer_with<OperationView>(responder, 200));
  });
  router.get("/v1/operations/{id}/events", [&](Request request, Responder responder) {
    stream_events(backend, request, responder, {}, request.param("id"));
  });
}

}  // namespace headrace::api::v1
