// `headrace`: server, command line. Only parses arguments; what commands do is in src/cli.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/serve.h"
#include "cli/show.h"
#include "cli/version.h"

namespace {

using namespace headrace;
using cli::Exit;

struct Arguments {
  cli::Context context;
  cli::ServeOptions serve = cli::default_serve_options();
  cli::WishArguments wish;
  std::string output = "text", token_file, subject, plan, operation, file, expression, command;
  std::vector<std::string> values;
  int tail = 200, count = 0;
  bool follow = false, keep_volumes = false, destroy = false;
};

constexpr const char* kExitCodes =
    "\nExit codes: 0 done, 1 failed, 2 invalid, 3 not found, 4 conflict, 5 unavailable, 6 timeout, 7 "
    "refused, "
    "8 unsupported";

void add_server(CLI::App& app, Arguments& given, Exit& exit) {
  CLI::App* server =
      app.add_subcommand("server", "Run the server until a signal; tasks go on running after it");
  server->add_option("--state", given.serve.state, "Folder of the state")->capture_default_str();
  server->add_option("--socket", given.serve.socket,
                     "Unix socket of the API (default: <state>/headrace.sock)");
  server->add_option("--listen", given.serve.listen, "address:port for TCP with a token, loopback only");
  server
      ->add_option("--host-name", given.serve.host_names,
                   "A name that TCP callers may call it by, beside loopback's; may repeat")
      ->allow_extra_args(false);
  server->add_option("--token-file", given.serve.token_file, "Token of TCP, made if absent")
      ->capture_default_str();
  server
      ->add_option("--key-file", given.serve.key_file,
                   "Key of the secrets, made if absent; not in the state folder")
      ->capture_default_str();
  server->add_option("--agents", given.serve.agents, "How many virtual agents this machine is shown as")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  server->add_option("--docker-socket", given.serve.docker_socket, "The Docker Engine")
      ->capture_default_str();
  server->add_option("--runtime-dir", given.serve.runtime_dir, "Folder on tmpfs for containers' secret files")
      ->capture_default_str();
  server->add_option("--log-level", given.serve.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  server->callback([&] {
    if (given.serve.log_level == "debug") log::set_level(log::Level::kDebug);
    if (given.serve.log_level == "warning") log::set_level(log::Level::kWarning);
    if (given.serve.log_level == "error") log::set_level(log::Level::kError);
    const Status ended = cli::serve(given.serve);
    exit = ended ? Exit::kDone : cli::report(given.context, ended.error());
  });
}

void add_waiting(CLI::App* command, Arguments& given) {
  command->add_flag("--wait", given.wish.wait, "Wait for the end, showing progress");
  command->add_option("--timeout", given.wish.timeout, "How long to wait; the operation goes on after")
      ->capture_default_str();
}

void add_wish(CLI::App* command, Arguments& given) {
  command->add_option("--profile", given.wish.profile, "Named set of parameters of the blueprint");
  command->add_option("--set", given.wish.set, "parameter=value, may repeat")->allow_extra_args(false);
}

void add_environments(CLI::App& app, Arguments& given, Exit& exit) {
  CLI::App* validate = app.add_subcommand("validate", "Check a blueprint's folder; needs no server");
  validate->add_option("folder", given.wish.folder)->required();
  validate->callback([&] { exit = cli::validate(given.context, given.wish.folder); });

  CLI::App* plan = app.add_subcommand("plan", "Show what a launch or change would do; changes nothing");
  plan->add_option("name", given.wish.name, "The environment")->required();
  plan->add_option("folder", given.wish.folder, "The blueprint; default: the one it has");
  plan->add_flag("--destroy", given.destroy, "Plan its removal instead");
  add_wish(plan, given);
  plan->callback([&] { exit = cli::plan(given.context, given.wish, given.destroy); });

  CLI::App* launch = app.add_subcommand("launch", "Launch a blueprint as a new environment");
  launch->add_option("name", given.wish.name, "The environment")->required();
  launch->add_option("folder", given.wish.folder, "The blueprint")->required();
  launch->add_option("--ttl", given.wish.ttl, "Destroy it after so long, such as 2h");
  launch->add_flag("--atomic", given.wish.atomic, "If the launch fails, destroy what it made");
  add_wish(launch, given);
  add_waiting(launch, given);
  launch->callback([&] { exit = cli::launch(given.context, given.wish); });

  CLI::App* apply = app.add_subcommand("apply", "Do a plan, or plan and do a change at once");
  apply->add_option("name", given.wish.name, "The environment");
  apply->add_option("folder", given.wish.folder, "The blueprint; default: the one it has");
  apply->add_option("--plan", given.plan, "The plan to do, exactly");
  add_wish(apply, given);
  add_waiting(apply, given);
  apply->callback([&] {
    if (given.plan.empty() == given.wish.name.empty()) {
      throw CLI::ValidationError("apply", "name an environment, or a plan with --plan");
    }
    exit = cli::apply(given.context, given.wish, given.plan);
  });

  CLI::App* scale = app.add_subcommand("scale", "Scale a component by its scale command");
  scale->add_option("environment", given.wish.name)->required();
  scale->add_option("component", given.subject)->required();
  scale->add_option("count", given.count)->required()->check(CLI::Range(0, 1000));
  add_waiting(scale, given);
  scale->callback(
      [&] { exit = cli::scale(given.context, given.wish.name, given.subject, given.count, given.wish); });

  CLI::App* run = app.add_subcommand("run", "Run a component's command");
  run->add_option("environment", given.wish.name)->required();
  run->add_option("command", given.command, "component.command")->required();
  run->add_option("arguments", given.values, "name=value …");
  add_waiting(run, given);
  run->callback([&] {
    exit = cli::run_command(given.context, given.wish.name, given.command, given.values, given.wish);
  });

  CLI::App* destroy = app.add_subcommand("destroy", "Stop and remove an environment with its data");
  destroy->add_option("name", given.wish.name)->required();
  destroy->add_flag("--keep-volumes", given.keep_volumes, "Keep the data volumes");
  add_waiting(destroy, given);
  destroy->callback(
      [&] { exit = cli::destroy(given.context, given.wish.name, given.keep_volumes, given.wish); });

  CLI::App* cancel = app.add_subcommand("cancel", "End a running operation");
  cancel->add_option("operation", given.operation)->required();
  cancel->callback([&] { exit = cli::cancel(given.context, given.operation); });
}

void add_looking(CLI::App& app, Arguments& given, Exit& exit) {
  CLI::App* status = app.add_subcommand("status", "The server, one environment, or one operation");
  status->add_option("subject", given.subject, "environment or operation; default: the server");
  status->callback([&] { exit = cli::show_status(given.context, given.subject); });

  app.add_subcommand("list", "Environments")->callback([&] { exit = cli::list(given.context); });

  CLI::App* explain = app.add_subcommand("explain", "Every wait: why, since when, until when, what to do");
  explain
      ->add_option("subject", given.subject,
                   "environment, environment/component, operation, or the /path of an app")
      ->required();
  explain->callback([&] { exit = cli::explain(given.context, given.subject); });

  CLI::App* logs = app.add_subcommand("logs", "Output of an environment's tasks");
  logs->add_option("environment", given.wish.name)->required();
  logs->add_option("component", given.subject, "component or component/service; default: all");
  logs->add_option("--tail", given.tail, "Last lines of each; -1: all")->capture_default_str();
  logs->add_flag("-f,--follow", given.follow, "Go on until interrupted");
  logs->callback(
      [&] { exit = cli::logs(given.context, given.wish.name, given.subject, given.tail, given.follow); });

  CLI::App* events = app.add_subcommand("events", "What happens, as it happens");
  events->add_option("environment", given.subject);
  events->callback([&] { exit = cli::events(given.context, given.subject); });

  app.add_subcommand("agents", "Machines of the cluster")->callback([&] {
    exit = cli::agents(given.context);
  });
  CLI::App* agent = app.add_subcommand("agent", "Take a virtual agent away, or bring it back");
  agent->require_subcommand(1);
  for (const bool plugged : {false, true}) {
    CLI::App* each = agent->add_subcommand(
        plugged ? "plug" : "unplug", plugged ? "Bring it back" : "Pull its plug: all that runs on it ends");
    each->add_option("agent", given.subject)->required();
    each->callback([&, plugged] { exit = cli::plug(given.context, given.subject, plugged); });
  }

  CLI::App* secret = app.add_subcommand("secret", "Secrets that blueprints refer to");
  secret->require_subcommand(1);
  CLI::App* set = secret->add_subcommand("set", "A new version, read from a file or standard input");
  set->add_option("name", given.subject)->required();
  set->add_option("--file", given.file, "Where the value stands; default: standard input");
  set->callback([&] { exit = cli::set_secret(given.context, given.subject, given.file); });
  secret->add_subcommand("list", "Names and versions")->callback([&] {
    exit = cli::list_secrets(given.context);
  });

  CLI::App* eval =
      app.add_subcommand("eval", "Evaluate an expression, for authors of blueprints; needs no server");
  eval->add_option("expression", given.expression)->required();
  eval->add_option("values", given.values, "name=value …");
  eval->callback([&] { exit = cli::eval(given.context, given.expression, given.values); });

  app.add_subcommand("version", "This program's version")->callback([&] {
    fmt::print("{}\n", given.context.as_json ? fmt::format("{{\"version\":\"{}\"}}", cli::kVersion)
                                             : fmt::format("headrace {}", cli::kVersion));
  });
}

}  // namespace

int main(int argc, char** argv) {
  Arguments given;
  Exit exit = Exit::kDone;
  CLI::App app("Headrace runs a whole application of many clustered parts as one thing.");
  app.require_subcommand(1);
  app.fallthrough();
  app.option_defaults()->always_capture_default(false);
  const char* server = std::getenv("HEADRACE_SERVER");
  const char* token = std::getenv("HEADRACE_TOKEN");
  std::string address = server && *server ? server : "unix:" + cli::default_socket();
  app.add_option("--server", address, "unix:/path or http://host:port (HEADRACE_SERVER)");
  app.add_option("--token-from", given.token_file, "File with the token for TCP");
  app.add_option("--output", given.output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.parse_complete_callback([&] {
    given.context.as_json = given.output == "json";
    std::string word = token ? token : "";
    if (!given.token_file.empty()) {
      std::ifstream file(given.token_file);
      std::getline(file, word);
    }
    auto client = client::Client::connect(address, word);
    if (!client) throw CLI::ValidationError("--server", client.error().to_string());
    given.context.client = *std::move(client);
  });
  add_server(app, given, exit);
  add_environments(app, given, exit);
  add_looking(app, given, exit);
  for (CLI::App* command : app.get_subcommands({})) command->footer(kExitCodes);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Exit::kInvalid);
  }
  return static_cast<int>(exit);
}
