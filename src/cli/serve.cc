#include "cli/serve.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "api/access.h"
#include "api/backend.h"
#include "api/routes.h"
#include "base/log.h"
#include "cli/show.h"
#include "cli/version.h"
#include "cluster/local/local_source.h"
#include "docker/engine_client.h"
#include "http/server.h"
#include "server/pump.h"
#include "store/sqlite_store.h"
#include "world/clock.h"
#include "world/entropy.h"
#include "world/files.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

// A virtual agent that was unplugged is certainly gone: what may move need not wait long for it.
constexpr Duration kUnreachable = 5s;

std::string from_environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

std::string home() {
  return from_environment("HOME", "/root");
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// The contents of a file that is made from `fresh` when it is absent.
Result<Secret> read_or_make(Files& files, const std::string& path, const std::string& fresh) {
  if (!files.exists(path)) {
    TRY_STATUS(files.make_folder(fs::path(path).parent_path().string()));
    TRY_STATUS(files.write(path, fresh, {.mode = 0600}));
  }
  TRY(std::string contents, files.read(path));
  if (fresh.ends_with("\n")) {
    while (!contents.empty() && contents.back() == '\n') contents.pop_back();
  }
  return Secret(std::move(contents));
}

Result<Secret> read_key(Files& files, Entropy& entropy, const ServeOptions& options) {
  const std::string inside = fs::weakly_canonical(options.state).string() + "/";
  if (fs::weakly_canonical(options.key_file).string().starts_with(inside)) {
    return fail(Code::kInvalid, fmt::format("the key file {} lies in the state folder", options.key_file),
                "keep it elsewhere (--key-file), so that a copy of the state gives no secret away");
  }
  TRY(Secret key, read_or_make(files, options.key_file, entropy.bytes(32)));
  if (key.reveal().size() != 32) {
    return fail(
        Code::kInvalid,
        fmt::format("the key file {} has {} bytes instead of 32", options.key_file, key.reveal().size()),
        "restore the file that this state was made with");
  }
  return key;
}

Result<std::string> server_id(Store& store, Entropy& entropy) {
  TRY(const auto stored, store.get("server", "id"));
  if (stored) return *stored;
  const std::string id = hex(entropy.bytes(6));
  TRY_STATUS(store.apply({Write{"server", "id", id}}));
  return id;
}

std::string metrics_of(const server::Pump& pump) {
  const auto snapshot = pump.snapshot();
  const auto counters = pump.counters();
  std::map<std::string, int> environments, instances;
  for (const auto& environment : *snapshot->environments) ++environments[environment.status];
  int ready = 0;
  for (const auto& app : *snapshot->apps) {
    for (const process::InstanceView& instance : app->instances) {
      ++instances[std::string(instance.state ? cluster::word_of(*instance.state) : "waiting")];
      ready += instance.ready;
    }
  }
  std::string text;
  const auto metric = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n{0} {3}\n", name, type, help, value);
  };
  const auto by_label = [&](std::string_view name, std::string_view help, std::string_view label,
                            const auto& values) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", name, help);
    for (const auto& [word, count] : values)
      text += fmt::format("{}{{{}=\"{}\"}} {}\n", name, label, word, count);
  };
  metric("headrace_apps", "gauge", "Apps known.", snapshot->apps->size());
  metric("headrace_instances_ready", "gauge", "Instances that are ready.", ready);
  by_label("headrace_instances", "Instances by their task's state.", "state", instances);
  by_label("headrace_environments", "Environments by status.", "status", environments);
  metric("headrace_agents_up", "gauge", "Agents that are up.",
         std::ranges::count_if(*snapshot->agents, [](const auto& view) { return view.agent->up; }));
  metric("headrace_inputs_total", "counter", "Events and requests given to the managers.", counters.inputs);
  metric("headrace_commits_total", "counter", "Commits made durable.", counters.commits);
  metric("headrace_store_groups_total", "counter", "Groups of commits written.", counters.groups);
  metric("headrace_store_failures_total", "counter", "Groups that could not be written at a try.",
         counters.failed_groups);
  return text;
}

// Generated secrets live as long as their environment.
void forget_secrets_of_destroyed(server::EventHub& hub, server::Vault& vault) {
  hub.watch(0, [&vault](const server::HubEvent& event) {
    if (event.type != "environment_gone") return;
    const std::string prefix = fmt::format("env/{}/", event.subject);
    for (const auto& secret : vault.list()) {
      if (!secret.name.starts_with(prefix)) continue;
      if (const Status removed = vault.remove(secret.name); !removed)
        log::warn("{}", removed.error().to_string());
    }
  });
}

// SIGTERM and SIGINT are taken by sigwait, so that the end is an ordinary path.
sigset_t block_end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

Result<std::uint16_t> listen_on(http::Server& server, const std::string& address) {
  const size_t colon = address.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string::npos ||
      std::from_chars(address.data() + colon + 1, address.data() + address.size(), port).ec != std::errc{}) {
    return fail(Code::kInvalid, fmt::format("--listen {} is no address:port", address),
                "such as 127.0.0.1:8080");
  }
  const std::string host = address.substr(0, colon);
  if (!host.starts_with("127.") && host != "::1") {
    return fail(Code::kUnsupported,
                fmt::format("listening on {} needs TLS, which this release does not have", host),
                "listen on a loopback address and put a TLS proxy in front");
  }
  return server.listen_tcp(host, port);
}

}  // namespace

std::string default_socket() {
  return from_environment("HEADRACE_SOCKET", default_serve_options().state + "/headrace.sock");
}

ServeOptions default_serve_options() {
  ServeOptions options;
  const std::string state = from_environment("XDG_STATE_HOME", home() + "/.local/state") + "/headrace";
  const std::string config = from_environment("XDG_CONFIG_HOME", home() + "/.config") + "/headrace";
  options.state = from_environment("HEADRACE_STATE", state);
  options.socket = from_environment("HEADRACE_SOCKET", "");
  options.key_file = from_environment("HEADRACE_KEY_FILE", config + "/key");
  options.token_file = from_environment("HEADRACE_TOKEN_FILE", config + "/token");
  options.runtime_dir = from_environment("HEADRACE_RUNTIME_DIR", "/run/headrace");
  return options;
}

Status serve(ServeOptions options) {
  const sigset_t end_signals = block_end_signals();
  if (options.socket.empty()) options.socket = options.state + "/headrace.sock";
  SystemClock clock;
  SystemEntropy entropy;
  SystemFiles files;

  TRY(const auto store, SqliteStore::open(options.state));
  TRY(const std::string id, server_id(*store, entropy));
  TRY(Secret key, read_key(files, entropy, options));
  TRY(const auto vault, server::Vault::open(*store, entropy, std::move(key)));
  TRY(auto managers, server::load_managers(*store,
                                           {.book = cluster::LocalSource::traits(),
                                            .process = {.unreachable_deadline = kUnreachable},
                                            .seed = [&] { return entropy.seed(); }},
                                           clock.now()));

  const auto engine = docker::connect_engine({.socket = options.docker_socket});
  server::EventHub hub;
  std::unique_ptr<cluster::LocalSource> local;
  server::Pump pump(*store, clock, std::move(managers),
                    {.source = [&](cluster::SourceCall call) { local->call(std::move(call)); }}, hub);
  TRY(local, cluster::LocalSource::start(
                 {.server_id = id,
                  .agents = options.agents,
                  .state_dir = options.state,
                  .runtime_dir = options.runtime_dir},
                 *engine, [&](const SecretRef& ref) { return vault->resolve(ref); },
                 [&](cluster::SourceEvent event) { pump.post(std::move(event)); }));

  api::Backend backend{
      .pump = pump,
      .events = hub,
      .vault = *vault,
      .tasks = *local,
      .clock = clock,
      .entropy = entropy,
      .facts = {.id = id,
                .version = kVersion,
                .cluster = "local",
                .address = options.listen,
                .started = clock.now().wall},
      .resolve_image = [&](const std::string& name) -> Result<std::string> {
        TRY(const docker::Image image, engine->inspect_image(name));
        return image.id;
      },
      .plug_agent = [&](const cluster::AgentId& agent,
                        bool plugged) { return plugged ? local->plug(agent) : local->unplug(agent); },
      .metrics = [&] { return metrics_of(pump); },
  };
  api::AccessRules access;
  access.hosts = options.host_names;
  if (!options.listen.empty()) {
    TRY(access.token, read_or_make(files, options.token_file, hex(entropy.bytes(24)) + "\n"));
  }
  http::ServerOptions http_options;
  http_options.filter = api::access_filter(std::move(access));
  http::Server server(api::make_router(backend), std::move(http_options));
  TRY_STATUS(server.listen_unix(options.socket));
  if (!options.listen.empty()) {
    TRY(const std::uint16_t port, listen_on(server, options.listen));
    log::info("TCP with token on port {}", port);
  }

  forget_secrets_of_destroyed(hub, *vault);
  pump.start();
  server.start();
  log::info("Headrace {} serves {} ({}, state in {})", kVersion, options.socket,
            counted(options.agents, "agent"), options.state);
  int signal = 0;
  sigwait(&end_signals, &signal);
  log::info("Ending on signal {}; tasks go on running", signal);
  server.stop();
  backend.log_readers.wait_until_none();
  pump.stop();
  local.reset();  // before the pump that its threads post to
  return {};
}

}  // namespace headrace::cli
