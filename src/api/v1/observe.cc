// /v1: what can be seen (status, agents, apps, logs, events) and the secrets.
#include "api/v1/observe.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stop_token>
#include <thread>

#include "api/v1/views.h"

namespace headrace::api::v1 {
namespace {

using http::Request;
using http::Responder;

constexpr size_t kLogBytesAhead = 256 << 10;  // how far a log may run ahead of its reader
constexpr Duration kLogPause = 5ms;           // before it looks again

void status(Backend& backend, Responder responder) {
  const auto snapshot = backend.pump.snapshot();
  const auto counters = backend.pump.counters();
  int tasks = 0;
  for (const auto& app : *snapshot->apps) {
    tasks +=
        static_cast<int>(std::ranges::count_if(app->instances, [](const process::InstanceView& instance) {
          return instance.state == cluster::TaskState::kRunning;
        }));
  }
  responder.respond(json_response(200, json::object{{"server", backend.facts.id},
                                                    {"version", backend.facts.version},
                                                    {"cluster", backend.facts.cluster},
                                                    {"address", backend.facts.address},
                                                    {"started", api::to_json(backend.facts.started)},
                                                    {"now", api::to_json(backend.clock.now().wall)},
                                                    {"store_cause", api::to_json(backend.pump.store_cause())},
                                                    {"environments", snapshot->environments->size()},
                                                    {"apps", snapshot->apps->size()},
                                                    {"running_tasks", tasks},
                                                    {"agents", snapshot->agents->size()},
                                                    {"commits", counters.commits},
                                                    {"groups", counters.groups},
                                                    {"failed_groups", counters.failed_groups}}));
}

void agents(Backend& backend, Responder responder) {
  json::array list;
  const auto snapshot = backend.pump.snapshot();
  for (const server::AgentView& agent : *snapshot->agents) list.push_back(to_json(agent));
  responder.respond(json_response(200, json::object{{"agents", std::move(list)}}));
}

void plug(Backend& backend, const Request& request, Responder responder, bool plugged) {
  const Status done = backend.plug_agent(cluster::AgentId(request.param("id")), plugged);
  responder.respond(
      done ? json_response(200, json::object{{"agent", request.param("id")}, {"plugged", plugged}})
           : error_response(done.error()));
}

void apps(Backend& backend, Responder responder) {
  json::array list;
  const auto snapshot = backend.pump.snapshot();
  for (const auto& app : *snapshot->apps) list.push_back(to_json(*app));
  responder.respond(json_response(200, json::object{{"apps", std::move(list)}}));
}

void app(Backend& backend, const Request& request, Responder responder) {
  const process::AppId id("/" + request.param("id"));
  const auto found = backend.pump.snapshot()->app(id);
  responder.respond(found ? json_response(200, to_json(*found))
                          : error_response({Code::kNotFound, fmt::format("there is no app {}", id), {}}));
}

// Streams one task's log in a thread of its own: following may last as long as the task.
void logs(Backend& backend, const Request& request, Responder responder) {
  cluster::LogOptions options;
  const std::string tail = request.query.get("tail", "200");
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), options.tail);
  if (error != std::errc{} || end != tail.data() + tail.size()) {
    return void(responder.respond(
        error_response({Code::kInvalid, fmt::format("tail=\"{}\" is no number of lines", tail), {}})));
  }
  options.follow = request.query.get("follow") == "true";
  options.timestamps = request.query.get("timestamps") == "true";
  if (!backend.log_readers.enter()) {
    return void(responder.respond(
        error_response({Code::kUnavailable, "too many logs are read now", "end another reader"})));
  }
  const cluster::TaskId task(request.param("task"));
  std::thread([&backend, task, options, responder] {
    // Whether there is such a log has to be known before the answer begins.
    const Status there = backend.tasks.logs(task, {.tail = 0}, [](auto, auto) { return true; });
    if (!there) {
      responder.respond(error_response(there.error()));
    } else {
      std::stop_source gone;
      http::BodyStream stream = responder.stream({.heartbeat = ""});
      stream.on_closed([gone]() mutable { gone.request_stop(); });
      (void)backend.tasks.logs(
          task, options,
          [&](std::string_view, std::string_view line) {
            // A reader who takes nothing for too long is dropped by the server, and the stream closed.
            while (stream.queued_bytes() > kLogBytesAhead && !stream.is_closed())
              std::this_thread::sleep_for(kLogPause);
            return stream.write(fmt::format("{}\n", line));
          },
          gone.get_token());
      stream.close();
    }
    backend.log_readers.leave();
  }).detach();
}

// Refused, and answered: what was generated belongs to its environment.
bool is_generated(const std::string& name, const Responder& responder) {
  if (!name.starts_with("env/")) return false;
  responder.respond(
      error_response({Code::kConflict, fmt::format("the secret {} belongs to its environment", name),
                      "choose a name that does not begin with env/"}));
  return true;
}

bool fits(const server::HubEvent& event, const std::string& environment, const std::string& operation) {
  if (!operation.empty()) return event.operation == operation;
  if (environment.empty()) return true;
  return event.subject == environment || event.subject.starts_with(fmt::format("/env/{}/", environment));
}

}  // namespace

void stream_events(Backend& backend, const Request& request, Responder responder,
                   const std::string& environment, const std::string& operation) {
  std::uint64_t after = 0;
  const std::string_view last = request.headers.get("Last-Event-ID");
  std::from_chars(last.data(), last.data() + last.size(), after);
  const http::EventStream stream = responder.stream_events();
  // The watcher holds the stream; the stream's end takes the watcher away.
  const auto handle = std::make_shared<std::uint64_t>(0);
  *handle = backend.events.watch(after, [stream, environment, operation](const server::HubEvent& event) {
    if (!fits(event, environment, operation)) return;
    http::EventStream(stream).send(event.type, event.json, std::to_string(event.id));
  });
  http::EventStream(stream).on_closed([&backend, handle] { backend.events.unwatch(*handle); });
}

void add_observe_routes(http::Router& router, Backend& backend) {
  router.get("/v1/status", [&](Request, Responder responder) { status(backend, responder); });
  router.get("/v1/agents", [&](Request, Responder responder) { agents(backend, responder); });
  router.post("/v1/agents/{id}/unplug",
              [&](Request request, Responder responder) { plug(backend, request, responder, false); });
  router.post("/v1/agents/{id}/plug",
              [&](Request request, Responder responder) { plug(backend, request, responder, true); });
  router.get("/v1/apps", [&](Request, Responder responder) { apps(backend, responder); });
  router.get("/v1/apps/{id*}",
             [&](Request request, Responder responder) { app(backend, request, responder); });
  router.get("/v1/tasks/{task}/logs",
             [&](Request request, Responder responder) { logs(backend, request, responder); });
  router.get("/v1/events", [&](Request request, Responder responder) {
    stream_events(backend, request, responder, request.query.get("environment"), {});
  });
  router.get("/v1/secrets", [&](Request, Responder responder) {
    json::array list;
    for (const auto& secret : backend.vault.list()) {
      list.push_back(json::object{{"name", secret.name}, {"version", secret.version}});
    }
    responder.respond(json_response(200, json::object{{"secrets", std::move(list)}}));
  });
  router.put("/v1/secrets/{name*}", [&](Request request, Responder responder) {
    const std::string name = request.param("name");
    if (is_generated(name, responder)) return;
    const auto version = backend.vault.set(name, Secret(std::move(request.body)));
    responder.respond(version ? json_response(200, json::object{{"name", name}, {"version", *version}})
                              : error_response(version.error()));
  });
  router.del("/v1/secrets/{name*}", [&](Request request, Responder responder) {
    const std::string name = request.param("name");
    if (is_generated(name, responder)) return;
    const Status removed = backend.vault.remove(name);
    responder.respond(removed ? json_response(200, json::object{{"name", name}})
                              : error_response(removed.error()));
  });
}

}  // namespace headrace::api::v1
