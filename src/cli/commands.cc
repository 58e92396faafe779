#include "cli/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <sstream>

#include "api/json.h"
#include "cli/follow.h"
#include "cli/show.h"
#include "environment/blueprint.h"
#include "expression/expression.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 1 << 20;

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::kNotFound, fmt::format("{} cannot be read", path.string()));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The YAML files of a blueprint's folder. Images, applications and data beside them are not sent.
Result<environment::BlueprintSource> read_blueprint(const std::string& folder) {
  environment::BlueprintSource source;
  if (!fs::exists(fs::path(folder) / "blueprint.yaml")) {
    return fail(Code::kNotFound, fmt::format("{} has no blueprint.yaml", folder),
                "name a blueprint's folder, such as blueprints/hello");
  }
  for (const char* below : {".", "components"}) {
    const fs::path room = fs::path(folder) / below;
    if (!fs::is_directory(room)) continue;
    for (const auto& entry : fs::directory_iterator(room)) {
      if (!entry.is_regular_file() || entry.path().extension() != ".yaml") continue;
      if (entry.file_size() > kMaxFileBytes) {
        return fail(Code::kRefused, fmt::format("{} is larger than 1 MiB", entry.path().string()));
      }
      TRY(source.files[fs::relative(entry.path(), folder).string()], read_file(entry.path()));
    }
  }
  return source;
}

// name=value; a value that is JSON is taken as such, else as a string.
Result<json::object> assignments(const std::vector<std::string>& list) {
  json::object object;
  for (const std::string& each : list) {
    const size_t equals = each.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(Code::kInvalid, fmt::format("\"{}\" is not of the form name=value", each));
    }
    json::error_code error;
    json::value value = json::parse(each.substr(equals + 1), error);
    object[each.substr(0, equals)] = error ? json::value(each.substr(equals + 1)) : std::move(value);
  }
  return object;
}

Result<json::object> body_of(const WishArguments& wish) {
  json::object body{{"name", wish.name}, {"atomic", wish.atomic}};
  if (!wish.folder.empty()) {
    TRY(const environment::BlueprintSource source, read_blueprint(wish.folder));
    body["files"] = json::value_from(source.files);
  }
  if (!wish.profile.empty()) body["profile"] = wish.profile;
  if (!wish.ttl.empty()) body["ttl"] = wish.ttl;
  TRY(body["parameters"], assignments(wish.set));
  return body;
}

Exit print(const Context& context, const json::value& answer, const std::string& text) {
  if (context.as_json) {
    fmt::print("{}\n", json::serialize(answer));
  } else {
    fmt::print("{}", text);
  }
  return Exit::kDone;
}

Exit refused(const Context& context, const Error& error) {
  const auto& all = context.client->errors();
  return all.size() > 1 ? report_all(context, all) : report(context, error);
}

// One GET, shown.
template <class Show>
Exit get_and_show(const Context& context, const std::string& target, Show show) {
  const auto answer = context.client->get(target);
  if (!answer) return refused(context, answer.error());
  return print(context, *answer, show(*answer));
}

struct Subject {
  json::value value;
  bool is_operation = false;
};

// What people name in one word: an environment, else an operation.
Result<Subject> find_subject(const client::Client& client, const std::string& name) {
  auto environment = client.get("/v1/environments/" + name);
  if (environment) return Subject{*std::move(environment), false};
  if (environment.error().code != Code::kNotFound) return std::unexpected(std::move(environment).error());
  auto operation = client.get("/v1/operations/" + name);
  if (operation) return Subject{*std::move(operation), true};
  if (operation.error().code != Code::kNotFound) return std::unexpected(std::move(operation).error());
  return fail(Code::kNotFound, fmt::format("there is no environment and no operation {}", name),
              "headrace list");
}

Exit begun(const Context& context, const Result<json::value>& operation, const WishArguments& wish) {
  if (!operation) return refused(context, operation.error());
  if (wish.wait) return follow_operation(context, *operation, wish.timeout);
  return print(context, *operation,
               fmt::format("{} {} has begun; follow it: headrace status {}\n", text_at(*operation, "kind"),
                           text_at(*operation, "id"), text_at(*operation, "environment")));
}

}  // namespace

Exit report(const Context& context, const Error& error) {
  return report_all(context, {error});
}

Exit report_all(const Context& context, const std::vector<Error>& errors) {
  if (context.as_json) {
    json::array list;
    for (const Error& error : errors) list.push_back(api::to_json(error));
    fmt::print("{}\n", json::serialize(json::object{{"errors", std::move(list)}}));
  }
  for (const Error& error : errors) fmt::print(stderr, "{}", show_error(error));
  return exit_of(errors.front().code);
}

Exit show_status(const Context& context, const std::string& subject) {
  if (!subject.empty()) {
    const auto found = find_subject(*context.client, subject);
    if (!found) return report(context, found.error());
    return print(context, found->value,
                 found->is_operation ? show_operation(found->value) : show_environment(found->value));
  }
  const auto status = context.client->get("/v1/status");
  if (!status) return report(context, status.error());
  const auto environments = context.client->get("/v1/environments");
  if (!environments) return report(context, environments.error());
  json::object both{{"server", *status}, {"environments", environments->at("environments")}};
  return print(context, both, show_server(*status) + "\n" + show_environments(*environments));
}

Exit list(const Context& context) {
  return get_and_show(context, "/v1/environments", show_environments);
}
Exit agents(const Context& context) {
  return get_and_show(context, "/v1/agents", show_agents);
}

Exit plug(const Context& context, const std::string& agent, bool plugged) {
  const auto done = context.client->post(fmt::format("/v1/agents/{}/{}", agent, plugged ? "plug" : "unplug"),
                                         json::object{});
  if (!done) return report(context, done.error());
  return print(context, *done, fmt::format("{} is {}\n", agent, plugged ? "plugged in again" : "unplugged"));
}

Exit logs(const Context& context, const std::string& environment, const std::string& component, int tail,
          bool follow) {
  const auto view = context.client->get("/v1/environments/" + environment);
  if (!view) return report(context, view.error());
  const std::string service =
      component.find('/') == std::string::npos ? "" : component.substr(component.find('/') + 1);
  const std::string wanted = component.substr(0, component.find('/'));
  struct Log {
    std::string service, task;
    std::string kept;  // what is kept of a step that has ended
  };
  std::vector<Log> logs;
  for (const json::value& each : view->at("components").as_array()) {
    if (!wanted.empty() && text_at(each, "name") != wanted) continue;
    for (const json::value& app : each.at("services").as_array()) {
      const std::string id = text_at(app, "id");
      const std::string name = id.substr(id.rfind('/') + 1);
      if (!service.empty() && name != service) continue;
      const json::value* outcome = app.get_object().if_contains("outcome");
      for (const json::value& instance : app.at("instances").as_array()) {
        const std::string task = text_at(instance, "task");
        if (!task.empty()) logs.push_back({name, task, outcome ? text_at(*outcome, "log_tail") : ""});
      }
    }
  }
  if (logs.empty()) {
    return report(context, {Code::kNotFound, fmt::format("no task of {} {} runs now", environment, component),
                            fmt::format("headrace status {}", environment)});
  }
  const auto show = [&](const Log& log, std::string_view line) {
    if (context.as_json) {
      fmt::print("{}\n",
                 json::serialize(json::object{{"service", log.service}, {"task", log.task}, {"line", line}}));
    } else {
      fmt::print("{}{}\n", logs.size() > 1 ? log.service + " | " : "", line);
    }
    if (follow) std::fflush(stdout);
    return true;
  };
  const auto read = [&](const Log& log) -> Status {
    std::istringstream kept(log.kept);
    for (std::string line; std::getline(kept, line);) show(log, line);
    if (!log.kept.empty()) return {};
    const client::Client own = *context.client;
    return own.lines(fmt::format("/v1/tasks/{}/logs?tail={}&follow={}", log.task, tail, follow),
                     [&](std::string_view line) { return show(log, line); });
  };
  std::vector<std::future<Status>> readers;  // one after the other, but all at once where each may go on
  for (const Log& log : logs)
    readers.push_back(std::async(follow ? std::launch::async : std::launch::deferred, read, std::cref(log)));
  Exit exit = Exit::kDone;
  for (std::future<Status>& reader : readers) {
    const Status done = reader.get();
    if (!done && done.error().code != Code::kNotFound) exit = report(context, done.error());
  }
  return exit;
}

Exit events(const Context& context, const std::string& environment) {
  const std::string query = environment.empty() ? "" : "?environment=" + environment;
  const Status done = context.client->events("/v1/events" + query, [&](const http::Event& event) {
    if (context.as_json) {
      fmt::print("{}\n", json::serialize(
                             json::object{{"event", event.event}, {"data", event.data}, {"id", event.id}}));
    } else {
      fmt::print("{:<28} {}\n", event.event, event.data);
    }
    std::fflush(stdout);
    return true;
  });
  return done ? Exit::kDone : report(context, done.error());
}

Exit explain(const Context& context, const std::string& subject) {
  if (subject.starts_with('/')) return get_and_show(context, "/v1/apps" + subject, explain_app);
  const std::string name = subject.substr(0, subject.find('/'));
  const std::string component = subject.size() > name.size() ? subject.substr(name.size() + 1) : "";
  const auto found = find_subject(*context.client, name);
  if (!found) return report(context, found.error());
  if (found->is_operation) return print(context, found->value, explain_operation(found->value));
  const auto& components = found->value.at("components").as_array();
  if (!component.empty() && std::ranges::none_of(components, [&](const json::value& each) {
        return text_at(each, "name") == component;
      })) {
    return report(context, {Code::kNotFound, fmt::format("{} has no component {}", name, component),
                            fmt::format("headrace status {}", name)});
  }
  std::string text = explain_environment(found->value, component);
  json::value operation;
  if (const std::string id = text_at(found->value, "operation"); !id.empty()) {
    if (auto running = context.client->get("/v1/operations/" + id)) {
      operation = *std::move(running);
      text += explain_operation(operation, text);
    }
  }
  if (text.empty()) text = fmt::format("{} is {}; nothing waits\n", name, text_at(found->value, "status"));
  return print(context, json::object{{"environment", found->value}, {"operation", operation}}, text);
}

Exit validate(const Context& context, const std::string& folder) {
  const auto source = read_blueprint(folder);
  if (!source) return report(context, source.error());
  const environment::Loaded loaded = environment::load_blueprint(*source);
  if (!loaded.blueprint) return report_all(context, loaded.errors);
  return print(
      context,
      json::object{{"name", loaded.blueprint->name}, {"version", loaded.blueprint->version}, {"valid", true}},
      fmt::format("{} {}: valid ({}, {})\n", loaded.blueprint->name, loaded.blueprint->version,
                  counted(std::ssize(loaded.blueprint->components), "component"),
                  counted(std::ssize(loaded.blueprint->parameters), "parameter")));
}

Exit plan(const Context& context, const WishArguments& wish, bool destroy) {
  auto body =
      destroy ? Result<json::object>(json::object{{"name", wish.name}, {"destroy", true}}) : body_of(wish);
  if (!body) return report(context, body.error());
  const auto made = context.client->post("/v1/plans", *body);
  if (!made) return refused(context, made.error());
  return print(context, *made,
               show_plan(*made) + fmt::format("\nNothing was changed. To do it: headrace apply --plan {}\n",
                                              text_at(*made, "id")));
}

Exit launch(const Context& context, const WishArguments& wish) {
  const auto body = body_of(wish);
  if (!body) return report(context, body.error());
  return begun(context, context.client->post("/v1/environments", *body), wish);
}

Exit apply(const Context& context, const WishArguments& wish, const std::string& plan_id) {
  std::string id = plan_id;
  if (id.empty()) {
    const auto body = body_of(wish);
    if (!body) return report(context, body.error());
    const auto made = context.client->post("/v1/plans", *body);
    if (!made) return refused(context, made.error());
    if (!context.as_json) fmt::print("{}\n", show_plan(*made));
    id = text_at(*made, "id");
    if (made->at("steps").as_array().empty() && made->at("differences").as_array().empty()) {
      return print(context, *made, "Nothing to do.\n");
    }
  }
  return begun(context, context.client->post(fmt::format("/v1/plans/{}/apply", id), json::object{}), wish);
}

Exit run_command(const Context& context, const std::string& environment, const std::string& command,
                 const std::vector<std::string>& arguments, const WishArguments& wait) {
  const auto body = assignments(arguments);
  if (!body) return report(context, body.error());
  return begun(
      context,
      context.client->post(fmt::format("/v1/environments/{}/commands/{}", environment, command), *body),
      wait);
}

// `scale` of a component: its command of that name, which sets one parameter.
Exit scale(const Context& context, const std::string& environment, const std::string& component, int count,
           const WishArguments& wait) {
  return begun(
      context,
      context.client->post(fmt::format("/v1/environments/{}/commands/{}.scale", environment, component),
                           json::object{{"count", count}}),
      wait);
}

Exit destroy(const Context& context, const std::string& environment, bool keep_volumes,
             const WishArguments& wait) {
  return begun(
      context,
      context.client->remove(fmt::format("/v1/environments/{}?keep_volumes={}", environment, keep_volumes)),
      wait);
}

Exit cancel(const Context& context, const std::string& operation) {
  const auto done = context.client->remove("/v1/operations/" + operation);
  if (!done) return report(context, done.error());
  return print(context, *done, fmt::format("operation {} is {}\n", operation, text_at(*done, "state")));
}

Exit set_secret(const Context& context, const std::string& name, const std::string& file) {
  std::string value;
  if (file.empty() || file == "-") {
    value.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (value.ends_with('\n')) value.pop_back();
  } else {
    auto read = read_file(file);
    if (!read) return report(context, read.error());
    value = *std::move(read);
  }
  const auto done = context.client->put_text("/v1/secrets/" + name, std::move(value));
  if (!done) return report(context, done.error());
  return print(context, *done, fmt::format("secret {} has version {}\n", name, text_at(*done, "version")));
}

Exit list_secrets(const Context& context) {
  return get_and_show(context, "/v1/secrets", show_secrets);
}

Exit eval(const Context& context, const std::string& text, const std::vector<std::string>& values) {
  const auto given = assignments(values);
  if (!given) return report(context, given.error());
  const auto parsed = expression::Expression::parse(text);
  if (!parsed) {
    return report(context, {Code::kInvalid,
                            parsed.error().message,
                            parsed.error().remedy,
                            {"expression", 1, static_cast<int>(parsed.error().offset) + 1},
                            {}});
  }
  expression::Bindings bindings;
  for (const auto& [name, value] : *given) {
    const auto node = document::read_json(json::serialize(value), std::string(name));
    if (!node) return report(context, node.error());
    bindings[std::string(name)] = expression::from_node(*node);
  }
  const auto result = parsed->evaluate(bindings);
  if (!result) return report(context, result.error());
  const std::string shown = document::to_json(expression::to_node(*result), !context.as_json);
  fmt::print("{}\n", shown);
  return Exit::kDone;
}

}  // namespace headrace::cli
