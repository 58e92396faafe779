#include "api/v2/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/json.h"
#include "api/v2/definition.h"
#include "api/v2/views.h"
#include "process/validation.h"

namespace headrace::api::v2 {
namespace {

using http::Request;
using http::Responder;
using http::Response;
using process::AppId;
using process::AppView;
using process::InstanceId;

// ---- Answers -------------------------------------------------------------------------------------

Response message(int status, std::string_view text) {
  return json_response(status, json::object{{"message", text}});
}

Response not_in_this_release(int status, std::string_view feature) {
  return message(status, fmt::format("{} is not in this release of Headrace", feature));
}

// An error of the process manager in Marathon's form.
Response response_of(const Error& error, const AppView* app = nullptr) {
  const std::string text =
      error.remedy.empty() ? error.message : fmt::format("{}; {}", error.message, error.remedy);
  if (error.code == Code::kInvalid) {
    return v2::response_of(Refusal{.message = "Object is not valid", .details = {{"/", {text}}}});
  }
  Refusal refusal{.status = http_status_of(error.code), .message = text};
  if (error.code == Code::kConflict && app && !app->deployments.empty()) {
    json::array deployments;
    for (const auto& id : app->deployments) deployments.push_back(json::object{{"id", id.str()}});
    refusal.extra["deployments"] = std::move(deployments);
  }
  return v2::response_of(refusal);
}

// Marathon gives every change a deployment; one that had nothing to do has ended before it is answered.
std::string deployment_id(const process::Accepted& accepted, Entropy& entropy) {
  return accepted.deployment ? accepted.deployment->str() : Random(entropy.seed()).uuid();
}

Response accepted_response(int status, const process::Accepted& accepted, Entropy& entropy) {
  const std::string id = deployment_id(accepted, entropy);
  Response response =
      json_response(status, json::object{{"version", accepted.version}, {"deploymentId", id}});
  response.headers.set("Marathon-Deployment-Id", id);
  return response;
}

bool flag(const Request& request, std::string_view name, bool otherwise = false) {
  const std::string* found = request.query.find(name);
  return found ? *found == "true" || found->empty() : otherwise;
}

AppId id_of(const Request& request) {
  return absolute_id(request.param("id"));
}

// What the routes share: who they ask and who they answer.
struct Edge {
  Backend& backend;
  std::shared_ptr<const server::Snapshot> snapshot() const { return backend.pump.snapshot(); }
  // Null, and answered 404, when there is no such app.
  std::shared_ptr<const AppView> app(const AppId& id, const Responder& responder) const {
    auto found = snapshot()->app(id);
    if (!found) responder.respond(message(404, fmt::format("App '{}' does not exist", id)));
    return found;
  }
  // Asks the process manager for a change and answers with the deployment.
  template <class Decide>
  void change(const AppId& id, int status, Responder responder, Decide decide) const {
    backend.pump.ask([decide = std::move(decide)](server::Managers& managers,
                                                  Now now) { return decide(managers.process(), now); },
                     [edge = *this, id, status, responder](Result<process::Accepted> accepted) {
                       responder.respond(accepted
                                             ? accepted_response(status, *accepted, edge.backend.entropy)
                                             : response_of(accepted.error(), edge.snapshot()->app(id).get()));
                     });
  }
};

// ---- Apps ----------------------------------------------------------------------------------------

// Refuses what a definition cannot say by itself: an image that does not exist, a path that is not the
// user's.
std::optional<Response> refusal_of(Backend& backend, const process::AppSpec& spec, const AppView* present) {
  if (const Status owned = process::refuse_environment_path(spec.id); !owned)
    return response_of(owned.error());
  const auto image_of = [](const process::AppSpec& each) -> std::string {
    const auto* service = std::get_if<process::Service>(&each.kind);
    return service ? service->settings.task.image : "";
  };
  const std::string image = image_of(spec);
  if (present && image_of(*present->spec) == image) return std::nullopt;
  const auto found = backend.resolve_image(image);
  if (found) return std::nullopt;
  if (found.error().code != Code::kNotFound) return response_of(found.error());
  return v2::response_of(Refusal{
      .message = "Object is not valid",
      .details = {
          {"/container/docker/image",
           {fmt::format("there is no image \"{}\" where tasks run; build or import it first", image)}}}});
}

void list_apps(const Edge& edge, const Request& request, Responder responder) {
  for (const char* name : {"embed", "label"}) {
    if (request.query.has(name))
      return void(responder.respond(not_in_this_release(422, fmt::format("\"{}\"", name))));
  }
  const auto lower = [](std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  const std::string id = lower(request.query.get("id")), cmd = lower(request.query.get("cmd"));
  json::array apps;
  const auto snapshot = edge.snapshot();
  for (const auto& app : *snapshot->apps) {
    if (lower(app->id.str()).find(id) == std::string::npos) continue;
    json::object object = to_json(*app, /*whole=*/false);
    const json::value* command = object.if_contains("cmd");
    if (!cmd.empty() && (!command || lower(std::string(command->as_string())).find(cmd) == std::string::npos))
      continue;
    apps.push_back(std::move(object));
  }
  responder.respond(json_response(200, json::object{{"apps", std::move(apps)}}));
}

void create_app(const Edge& edge, const Request& request, Responder responder, process::AppSpec spec,
                bool by_post) {
  if (auto refusal = refusal_of(edge.backend, spec, nullptr))
    return void(responder.respond(std::move(*refusal)));
  struct Created {
    process::Accepted accepted;
    AppView app;
  };
  const AppId id = spec.id;
  const bool force = flag(request, "force");
  edge.backend.pump.ask(
      [spec = std::move(spec), by_post, force](server::Managers& managers,
                                               Now now) mutable -> Result<process::Decision<Created>> {
        const AppId app = spec.id;
        TRY(auto decision,
            managers.process().put({std::move(spec)}, {}, /*must_be_new=*/by_post, force, now));
        return process::Decision<Created>{{decision.answer, *managers.process().app(app)},
                                          std::move(decision.commit)};
      },
      [edge, id, by_post, responder](Result<Created> created) {
        if (!created)
          return void(responder.respond(response_of(created.error(), edge.snapshot()->app(id).get())));
        Response response = by_post ? json_response(201, to_json(created->app, /*whole=*/false))
                                    : accepted_response(201, created->accepted, edge.backend.entropy);
        response.headers.set("Location", "/v2/apps" + id.str());
        if (created->accepted.deployment) {
          response.headers.set("Marathon-Deployment-Id", created->accepted.deployment->str());
        }
        responder.respond(std::move(response));
      });
}

void post_app(const Edge& edge, const Request& request, Responder responder) {
  auto spec = parse_app(request.body);
  if (!spec) return void(responder.respond(v2::response_of(spec.error())));
  create_app(edge, request, std::move(responder), std::move(*spec), /*by_post=*/true);
}

void put_app(const Edge& edge, const Request& request, Responder responder) {
  const AppId id = id_of(request);
  const auto present = edge.snapshot()->app(id);
  if (const Status owned = process::refuse_environment_path(id); !owned) {
    return void(responder.respond(response_of(owned.error())));
  }
  if (!present) {
    auto spec = parse_app(request.body, id.str());
    if (!spec) return void(responder.respond(v2::response_of(spec.error())));
    return create_app(edge, request, std::move(responder), std::move(*spec), /*by_post=*/false);
  }
  auto spec = parse_update(request.body, *present, flag(request, "partialUpdate", true));
  if (!spec) return void(responder.respond(v2::response_of(spec.error())));
  if (auto refusal = refusal_of(edge.backend, *spec, present.get())) {
    return void(responder.respond(std::move(*refusal)));
  }
  edge.change(
      id, 200, std::move(responder),
      [spec = std::move(*spec), force = flag(request, "force")](process::ProcessManager& manager, Now now) {
        return manager.put({spec}, {}, /*must_be_new=*/false, force, now);
      });
}

void get_app(const Edge& edge, const Request& request, Responder responder) {
  if (request.query.has("embed")) return void(responder.respond(not_in_this_release(422, "\"embed\"")));
  if (request.param("id").ends_with('*'))
    return void(responder.respond(not_in_this_release(404, "\"groups\"")));
  const auto app = edge.app(id_of(request), responder);
  if (app) responder.respond(json_response(200, json::object{{"app", to_json(*app, /*whole=*/true)}}));
}

// ---- Tasks ---------------------------------------------------------------------------------------

json::array tasks_json(const AppView& app) {
  json::array tasks;
  for (const process::InstanceView* each : tasks_of(app)) tasks.push_back(to_json(app, *each));
  return tasks;
}

void list_tasks(const Edge& edge, const Request& request, Responder responder) {
  std::vector<std::string> wanted = request.query.all("status");
  std::ranges::copy(request.query.all("status[]"), std::back_inserter(wanted));
  json::array tasks;
  const auto snapshot = edge.snapshot();
  for (const auto& app : *snapshot->apps) {
    for (const process::InstanceView* each : tasks_of(*app)) {
      const std::string_view status = each->state == cluster::TaskState::kRunning ? "running" : "staging";
      if (wanted.empty() || std::ranges::find(wanted, status) != wanted.end())
        tasks.push_back(to_json(*app, *each));
    }
  }
  responder.respond(json_response(200, json::object{{"tasks", std::move(tasks)}}));
}

// "<instance>._app.<n>" and an instance's own id both name the instance.
InstanceId instance_of(std::string_view task) {
  return InstanceId(std::string(task.substr(0, task.rfind("._app."))));
}

enum class KillAnswer { kTasks, kOneTask };

void kill(const Edge& edge, const Request& request, std::vector<InstanceId> instances, KillAnswer form,
          Responder responder) {
  const bool scale = flag(request, "scale");
  if (scale && flag(request, "wipe")) {
    return void(responder.respond(message(400, "You cannot use scale and wipe at the same time.")));
  }
  if (instances.empty()) {
    return void(responder.respond(json_response(200, json::object{{"tasks", json::array{}}})));
  }
  edge.backend.pump.ask(
      [instances = std::move(instances), scale, force = flag(request, "force")](server::Managers& managers,
                                                                                Now now) {
        return managers.process().kill(instances, {}, scale, force, now);
      },
      [edge, scale, form, responder](Result<process::Killed> killed) {
        if (!killed) return void(responder.respond(response_of(killed.error())));
        if (scale)
          return void(responder.respond(accepted_response(200, killed->accepted, edge.backend.entropy)));
        const auto snapshot = edge.snapshot();
        json::array tasks;
        for (const process::Killed::Task& task : killed->tasks) {
          if (const auto app = snapshot->app(task.app)) tasks.push_back(to_json(*app, task.instance));
        }
        json::object body;
        if (form == KillAnswer::kOneTask && !tasks.empty()) {
          body["task"] = tasks.front();
        } else {
          body["tasks"] = std::move(tasks);
        }
        responder.respond(json_response(200, body));
      });
}

void kill_tasks_of_app(const Edge& edge, const Request& request, Responder responder) {
  const auto app = edge.app(id_of(request), responder);
  if (!app) return;
  const std::string host = request.query.get("host");
  std::vector<InstanceId> instances;
  for (const process::InstanceView* each : tasks_of(*app)) {
    const bool is_there = each->claim && (each->claim->address == host ||
                                          (each->claim->agent && each->claim->agent->str() == host));
    if (host.empty() || host == "*" || is_there) instances.push_back(each->id);
  }
  kill(edge, request, std::move(instances), KillAnswer::kTasks, std::move(responder));
}

void kill_task(const Edge& edge, const Request& request, Responder responder) {
  const auto app = edge.app(id_of(request), responder);
  if (!app) return;
  const InstanceId instance = instance_of(request.param("task"));
  const auto is_it = [&](const process::InstanceView* each) { return each->id == instance; };
  if (std::ranges::none_of(tasks_of(*app), is_it)) {
    return void(
        responder.respond(message(404, fmt::format("Task '{}' does not exist", request.param("task")))));
  }
  kill(edge, request, {instance}, KillAnswer::kOneTask, std::move(responder));
}

void kill_tasks(const Edge& edge, const Request& request, Responder responder) {
  const auto body = parse_object(request.body);
  const json::value* ids = body ? body->if_contains("ids") : nullptr;
  if (!ids || !ids->is_array()) {
    return void(responder.respond(message(400, "the body has to be {\"ids\": [\"<task id>\", …]}")));
  }
  std::vector<InstanceId> instances;
  for (const json::value& each : ids->get_array()) {
    if (!each.is_string() || each.get_string().find(".instance-") == json::string::npos) {
      return void(responder.respond(message(400, fmt::format("{} is no task id", json::serialize(each)))));
    }
    instances.push_back(instance_of(each.get_string()));
  }
  kill(edge, request, std::move(instances), KillAnswer::kTasks, std::move(responder));
}

// ---- Deployments, queue, events, the server ------------------------------------------------------

void list_deployments(const Edge& edge, Responder responder) {
  json::array list;
  for (const process::DeploymentView& each : *edge.snapshot()->deployments) {
    if (each.verdict == process::DeploymentView::Verdict::kRunning) list.push_back(to_json(each));
  }
  responder.respond(json_response(200, list));
}

void cancel_deployment(const Edge& edge, const Request& request, Responder responder) {
  const bool force = flag(request, "force");
  edge.change(
      {}, force ? 202 : 200, std::move(responder),
      [id = process::DeploymentId(request.param("id")), force](process::ProcessManager& manager, Now now) {
        return manager.cancel_deployment(id, {}, /*leave=*/force, now);
      });
}

void list_queue(const Edge& edge, Responder responder) {
  json::array queue;
  const Wall now = edge.backend.clock.now().wall;
  const auto snapshot = edge.snapshot();
  for (const auto& app : *snapshot->apps) {
    if (json::value item = queue_item(*app, now); !item.is_null()) queue.push_back(std::move(item));
  }
  responder.respond(json_response(200, json::object{{"queue", std::move(queue)}}));
}

void reset_delay(const Edge& edge, const Request& request, Responder responder) {
  const AppId id = id_of(request);
  if (const Status owned = process::refuse_environment_path(id); !owned)
    return void(responder.respond(response_of(owned.error())));
  const auto app = edge.snapshot()->app(id);
  if (!app || queue_item(*app, edge.backend.clock.now().wall).is_null()) {
    return void(responder.respond(message(404, fmt::format("Application {} not found in tasks queue.", id))));
  }
  edge.backend.pump.ask(
      [id](server::Managers& managers, Now now) -> Result<process::Decision<bool>> {
        TRY(process::Commit commit, managers.process().reset_delay(id, {}, now));
        return process::Decision<bool>{true, std::move(commit)};
      },
      [responder](Result<bool> done) {
        responder.respond(done ? Response{.status = 204} : response_of(done.error()));
      });
}

void stream_events(const Edge& edge, const Request& request, Responder responder) {
  const std::string_view accept = request.headers.get("Accept");
  if (!accept.empty() && accept.find("text/event-stream") == accept.npos &&
      accept.find("*/*") == accept.npos) {
    return void(responder.respond(message(405, "events are sent as text/event-stream only")));
  }
  const std::vector<std::string> types = request.query.all("event_type");
  std::uint64_t after = 0;
  const std::string_view last = request.headers.get("Last-Event-ID");
  std::from_chars(last.data(), last.data() + last.size(), after);
  const http::EventStream stream = responder.stream_events();
  const json::object attached{{"eventType", "event_stream_attached"},
                              {"timestamp", to_rfc3339(edge.backend.clock.now().wall)},
                              {"remoteAddress", ""}};
  http::EventStream(stream).send("event_stream_attached", json::serialize(attached));
  const auto handle = std::make_shared<std::uint64_t>(0);
  // The watcher holds the stream; the stream's end takes the watcher away.
  *handle = edge.backend.events.watch(after, [stream, types](const server::HubEvent& event) {
    if (event.source != server::HubEvent::Source::kProcess) return;
    if (!types.empty() && std::ranges::find(types, event.type) == types.end()) return;
    http::EventStream(stream).send(event.type, event.json, std::to_string(event.id));
  });
  http::EventStream(stream).on_closed([edge, handle] { edge.backend.events.unwatch(*handle); });
}

json::object info(const Backend& backend) {
  return {
      {"name", "headrace"},
      {"version", backend.facts.version},
      {"buildref", backend.facts.version},
      {"elected", true},
      {"leader", backend.facts.address},
      {"frameworkId", backend.facts.id},
      {"marathon_config",
       {{"framework_name", "headrace"}, {"ha", false}, {"local_port_min", 20000}, {"local_port_max", 31999}}},
      {"zookeeper_config", json::object{}},
      {"http_config", json::object{}}};
}

void pong(const Request& request, const Responder& responder) {
  const bool wants_json = request.headers.get("Accept").find("application/json") != std::string_view::npos;
  responder.respond(wants_json ? message(200, "pong") : Response::text(200, "pong"));
}

void add_unsupported(http::Router& router) {
  const auto refuse = [&](std::string_view pattern, std::initializer_list<const char*> methods, int status,
                          std::string feature) {
    for (const char* method : methods) {
      router.add(method, pattern, [status, feature](Request, Responder responder) {
        responder.respond(not_in_this_release(status, feature));
      });
    }
  };
  refuse("/v2/apps", {"PATCH"}, 422, "PATCH");
  refuse("/v2/apps/{id*}", {"PATCH"}, 422, "PATCH");
  refuse("/v2/apps", {"PUT"}, 422, "PUT of several apps at once");
  refuse("/v2/apps/{id*}/versions", {"GET"}, 404, "\"versions\"");
  refuse("/v2/apps/{id*}/versions/{version}", {"GET"}, 404, "\"versions\"");
  for (const char* feature : {"groups", "pods", "plugins", "eventSubscriptions", "artifacts", "schemas"}) {
    const std::string path = fmt::format("/v2/{}", feature);
    const std::string quoted = fmt::format("\"{}\"", feature);
    refuse(path, {"GET", "POST", "PUT", "PATCH", "DELETE"}, 404, quoted);
    refuse(path + "/{rest*}", {"GET", "POST", "PUT", "PATCH", "DELETE"}, 404, quoted);
  }
}

}  // namespace

void add_v2_routes(http::Router& router, Backend& backend) {
  const Edge edge{backend};
  const auto to = [edge](auto handle) {
    return [edge, handle](const Request& request, Responder responder) {
      handle(edge, request, std::move(responder));
    };
  };
  router.get("/v2/apps", to(list_apps));
  router.post("/v2/apps", to(post_app));
  router.get("/v2/apps/{id*}", to(get_app));
  router.put("/v2/apps/{id*}", to(put_app));
  router.del("/v2/apps/{id*}", to([](const Edge& e, const Request& request, Responder responder) {
               const AppId id = id_of(request);
               e.change(id, 200, std::move(responder), [id](process::ProcessManager& manager, Now now) {
                 return manager.remove({id}, cluster::Volumes::kDestroy, {}, now);
               });
             }));
  router.post("/v2/apps/{id*}/restart", to([](const Edge& e, const Request& request, Responder responder) {
                const AppId id = id_of(request);
                e.change(id, 200, std::move(responder),
                         [id, force = flag(request, "force")](process::ProcessManager& manager, Now now) {
                           return manager.restart(id, {}, force, now);
                         });
              }));
  router.get("/v2/apps/{id*}/tasks", to([](const Edge& e, const Request& request, Responder responder) {
               const auto app = e.app(id_of(request), responder);
               if (app) responder.respond(json_response(200, json::object{{"tasks", tasks_json(*app)}}));
             }));
  router.del("/v2/apps/{id*}/tasks", to(kill_tasks_of_app));
  router.del("/v2/apps/{id*}/tasks/{task}", to(kill_task));
  router.get("/v2/tasks", to(list_tasks));
  router.post("/v2/tasks/delete", to(kill_tasks));
  router.get("/v2/deployments",
             [edge](const Request&, Responder responder) { list_deployments(edge, responder); });
  router.del("/v2/deployments/{id}", to(cancel_deployment));
  router.get("/v2/queue", [edge](const Request&, Responder responder) { list_queue(edge, responder); });
  router.del("/v2/queue/{id*}/delay", to(reset_delay));
  router.get("/v2/events", to(stream_events));
  router.get("/v2/info", [edge](const Request&, const Responder& responder) {
    responder.respond(json_response(200, info(edge.backend)));
  });
  router.get("/v2/leader", [edge](const Request&, const Responder& responder) {
    responder.respond(json_response(200, json::object{{"leader", edge.backend.facts.address}}));
  });
  router.get("/ping", pong);
  add_unsupported(router);
}

}  // namespace headrace::api::v2
