#include "docker/engine_client.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <fstream>
#include <mutex>
#include <thread>

#include "docker/codec.h"
#include "docker/frames.h"
#include "http/client.h"

namespace headrace::docker {
namespace {

namespace json = boost::json;
using http::Call;
using http::percent_encode;
using OnData = std::function<bool(std::string_view)>;

// The newest API that codec.cc was written for; older and newer engines are met where they overlap.
constexpr int kApiMinor = 41;

std::string container_path(std::string_view container, std::string_view rest) {
  return fmt::format("/containers/{}{}", percent_encode(container), rest);
}

std::string seconds_of(EngineTime time) {
  const std::int64_t count = time.time_since_epoch().count();
  return fmt::format("{}.{:09}", count / 1'000'000'000, count % 1'000'000'000);
}

// Keeps the end of what is written.
class Tail {
 public:
  explicit Tail(Bytes bound) : bound_(static_cast<std::size_t>(bound.count)) {}
  void append(std::string_view text) {
    kept_ += text;
    if (kept_.size() > 2 * bound_ + 4096) trim();
  }
  std::string take() {
    trim();
    return std::move(kept_);
  }

 private:
  void trim() {
    if (kept_.size() > bound_) kept_.erase(0, kept_.size() - bound_);
  }
  std::size_t bound_;
  std::string kept_;
};

// Kills a command that outlived its exec. Docker has no call for it, so we do it where that is surely right:
// the engine's process id is that of a process in this container's cgroup as we see it, too.
void kill_where_we_may(std::int64_t pid, std::string_view container_id) {
  std::ifstream file(fmt::format("/proc/{}/cgroup", pid));
  const std::string groups{std::istreambuf_iterator<char>(file), {}};
  if (pid > 1 && !container_id.empty() && groups.contains(container_id))
    ::kill(static_cast<pid_t>(pid), SIGKILL);
}

class EngineClient : public Engine {
 public:
  explicit EngineClient(EngineOptions options) : options_(std::move(options)) {}

  Result<std::string> version() override;
  Result<Machine> machine() override;
  Result<Image> inspect_image(std::string_view name) override;
  Result<std::string> create(const ContainerSpec& spec) override;
  Status start(std::string_view container) override;
  Status stop(std::string_view container, Duration grace) override;
  Status kill(std::string_view container, std::string_view signal) override;
  Status remove(std::string_view container, bool force) override;
  Result<Container> inspect(std::string_view container) override;
  Result<std::vector<Container>> list(const LabelFilters& labels, bool also_stopped) override;
  Status logs(std::string_view container, const LogQuery& query, const OutputSink& sink,
              std::stop_token stop) override;
  Result<Usage> usage(std::string_view container) override;
  Result<ExecResult> exec(std::string_view container, const std::vector<std::string>& command,
                          Duration timeout, Bytes bound) override;
  Status create_volume(std::string_view name, const Labels& labels) override;
  Status remove_volume(std::string_view name) override;
  Result<std::vector<Volume>> list_volumes(const LabelFilters& labels) override;
  Status events(const EventQuery& query, const std::function<bool(const Event&)>& sink,
                std::stop_token stop) override;

 private:
  Call get(std::string target) const { return {.target = std::move(target), .timeout = options_.timeout}; }
  Call post(std::string target, std::string body = {}) const {
    Call call{
        .method = "POST", .target = std::move(target), .body = std::move(body), .timeout = options_.timeout};
    if (!call.body.empty()) call.headers.set("Content-Type", "application/json");
    return call;
  }
  Call removal(std::string target) const {
    return {.method = "DELETE", .target = std::move(target), .timeout = options_.timeout};
  }
  Result<http::Response> send(const Call& call, const OnData* on_data) const;
  Result<std::string> prefix();
  // Sends, and turns an answer of 4xx and 5xx into an error that says what we were `doing`. With on_data the
  // body of a 2xx answer goes there; a call that was stopped is then Ok.
  Result<http::Response> ask(Call call, std::string_view doing, const OnData* on_data = nullptr);
  Status act(Call call, std::string_view doing) {
    TRY([[maybe_unused]] const auto ignored, ask(std::move(call), doing));
    return {};
  }
  // The JSON of the answer.
  Result<json::value> read(Call call, std::string_view doing);
  Result<int> exec_exit_code(const std::string& id);

  const EngineOptions options_;
  std::mutex mutex_;
  std::string prefix_;  // "/v1.41", once an engine has answered
};

Result<http::Response> EngineClient::send(const Call& call, const OnData* on_data) const {
  TRY(const auto client, http::Client::to("unix:" + options_.socket));
  auto answer = on_data ? client.stream(call, *on_data) : client.request(call);
  if (answer || answer.error().code == Code::kRefused) return answer;
  if (answer.error().code == Code::kTimeout) {
    return fail(Code::kTimeout, "the Docker Engine did not answer in time",
                "see whether it is overloaded: docker ps");
  }
  const bool forbidden = ::access(options_.socket.c_str(), R_OK | W_OK) != 0 && errno == EACCES;
  return fail(Code::kUnavailable,
              fmt::format("no Docker Engine answers at {}: {}", options_.socket, answer.error().message),
              forbidden ? "let this user use it: sudo usermod -aG docker \"$USER\", then log in again"
                        : "start it: `make up` does, or: dockerd &");
}

Result<std::string> EngineClient::prefix() {
  std::lock_guard lock(mutex_);
  if (prefix_.empty()) {
    TRY(const http::Response response, send(get("/version"), nullptr));
    boost::system::error_code error;
    const json::value answer = json::parse(response.body, error);
    const auto minor = [&](const char* key) {
      const std::string text = JsonView(&answer)[key].text();
      return text.starts_with("1.") ? std::atoi(text.c_str() + 2) : 0;
    };
    const int newest = minor("ApiVersion"), oldest = minor("MinAPIVersion");
    if (!response.ok() || error || newest == 0)
      return fail(Code::kUnavailable, fmt::format("what answers at {} is no Docker Engine", options_.socket));
    prefix_ = fmt::format("/v1.{}", std::max(oldest, std::min(newest, kApiMinor)));
  }
  return prefix_;
}

Result<http::Response> EngineClient::ask(Call call, std::string_view doing, const OnData* on_data) {
  const auto said = [&](Error error) { return fail(std::move(error).within(fmt::format("to {}", doing))); };
  auto before = prefix();
  if (!before) return said(std::move(before).error());
  call.target.insert(0, *before);
  auto answer = send(call, on_data);
  if (!answer && on_data && call.stop.stop_requested()) return http::Response();
  if (!answer) return said(std::move(answer).error());
  if (answer->status < 400) return answer;
  boost::system::error_code error;
  const json::value problem = json::parse(answer->body, error);
  return fail(error_from(answer->status, error ? answer->body : JsonView(&problem)["message"].text(), doing));
}

Result<json::value> EngineClient::read(Call call, std::string_view doing) {
  TRY(const http::Response response, ask(std::move(call), doing));
  boost::system::error_code error;
  json::value answer = json::parse(response.body, error);
  if (error) return fail(Code::kInternal, fmt::format("the Docker Engine's answer to {} is not JSON", doing));
  return answer;
}

Result<std::string> EngineClient::version() {
  TRY(const json::value answer, read(get("/version"), "ask its version"));
  return JsonView(&answer)["Version"].text();
}

Result<Machine> EngineClient::machine() {
  TRY(const json::value answer, read(get("/info"), "ask about its machine"));
  const JsonView json(&answer);
  return Machine{.cpus = static_cast<int>(json["NCPU"].number()), .memory = Bytes{json["MemTotal"].number()}};
}

Result<Image> EngineClient::inspect_image(std::string_view name) {
  TRY(const json::value answer, read(get(fmt::format("/images/{}/json", percent_encode(name))),
                                     fmt::format("inspect the image {}", name)));
  return image_from(JsonView(&answer));
}

Result<std::string> EngineClient::create(const ContainerSpec& spec) {
  TRY(const json::value answer,
      read(post("/containers/create?name=" + percent_encode(spec.name), create_body(spec)),
           fmt::format("create the container {}", spec.name)));
  return JsonView(&answer)["Id"].text();
}

Status EngineClient::start(std::string_view container) {
  return act(post(container_path(container, "/start")), fmt::format("start the container {}", container));
}

Status EngineClient::stop(std::string_view container, Duration grace) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(grace);
  Call call = post(container_path(container, fmt::format("/stop?t={}", seconds.count())));
  call.timeout += seconds;
  return act(std::move(call), fmt::format("stop the container {}", container));
}

Status EngineClient::kill(std::string_view container, std::string_view signal) {
  return act(post(container_path(container, "/kill?signal=" + percent_encode(signal))),
             fmt::format("send {} to the container {}", signal, container));
}

Status EngineClient::remove(std::string_view container, bool force) {
  const std::string doing = fmt::format("remove the container {}", container);
  const Status removed =
      act(removal(container_path(container, fmt::format("?v=1&force={:d}", force))), doing);
  if (removed || !removed.error().message.contains("already in progress")) return removed;
  // Another call removes it: ours is done when that one is.
  const Status gone = act(post(container_path(container, "/wait?condition=removed")), doing);
  return gone || gone.error().code == Code::kNotFound ? Status() : gone;
}

Result<Container> EngineClient::inspect(std::string_view container) {
  TRY(const json::value answer,
      read(get(container_path(container, "/json")), fmt::format("inspect the container {}", container)));
  return container_from_inspect(JsonView(&answer));
}

Result<std::vector<Container>> EngineClient::list(const LabelFilters& labels, bool also_stopped) {
  TRY(const json::value answer, read(get(fmt::format("/containers/json?all={:d}&filters={}", also_stopped,
                                                     percent_encode(filters(labels)))),
                                     "list containers"));
  std::vector<Container> out;
  for (const JsonView& item : JsonView(&answer).items()) out.push_back(container_from_list(item));
  return out;
}

Status EngineClient::logs(std::string_view container, const LogQuery& query, const OutputSink& sink,
                          std::stop_token stop) {
  Call call = get(container_path(container, fmt::format("/logs?stdout=1&stderr=1&follow={:d}&timestamps={:d}",
                                                        query.follow, query.timestamps)));
  if (query.tail) call.target += fmt::format("&tail={}", *query.tail);
  call.whole = !query.follow;
  call.stop = std::move(stop);
  Frames frames;
  const OnData on_data = [&](std::string_view piece) { return frames.feed(piece, sink); };
  TRY([[maybe_unused]] const auto ended,
      ask(std::move(call), fmt::format("read the log of {}", container), &on_data));
  return {};
}

Result<Usage> EngineClient::usage(std::string_view container) {
  TRY(const json::value answer, read(get(container_path(container, "/stats?stream=0&one-shot=1")),
                                     fmt::format("measure the container {}", container)));
  return usage_from(JsonView(&answer));
}

Result<int> EngineClient::exec_exit_code(const std::string& id) {
  // The output ends a moment before the engine has noted the end.
  const auto deadline = std::chrono::steady_clock::now() + 1s;
  while (true) {
    TRY(const json::value answer, read(get(fmt::format("/exec/{}/json", id)), "learn a command's exit code"));
    const JsonView json(&answer);
    if (!json["Running"].flag() && json["ExitCode"]) return static_cast<int>(json["ExitCode"].number());
    if (std::chrono::steady_clock::now() > deadline) return fail(Code::kConflict, "the command still runs");
    std::this_thread::sleep_for(5ms);
  }
}

Result<ExecResult> EngineClient::exec(std::string_view container, const std::vector<std::string>& command,
                                      Duration timeout, Bytes bound) {
  const std::string doing = fmt::format("run a command in {}", container);
  TRY(const json::value made, read(post(container_path(container, "/exec"), exec_body(command)), doing));
  const std::string id = JsonView(&made)["Id"].text();
  Call call = post(fmt::format("/exec/{}/start", id), R"({"Detach":false,"Tty":false})");
  call.timeout = timeout;
  call.whole = true;
  Tail out(bound), err(bound);
  Frames frames;
  const OnData on_data = [&](std::string_view piece) {
    return frames.feed(piece, [&](Output output, std::string_view text) {
      (output == Output::kStdout ? out : err).append(text);
      return true;
    });
  };
  if (auto done = ask(std::move(call), doing, &on_data); !done) {
    if (done.error().code != Code::kTimeout) return fail(std::move(done).error());
    const auto left = read(get(fmt::format("/exec/{}/json", id)), "end a command");
    if (left) kill_where_we_may(JsonView(&*left)["Pid"].number(), JsonView(&*left)["ContainerID"].text());
    return fail(Code::kTimeout,
                fmt::format("the command in {} did not end within {}", container, to_text(timeout)));
  }
  TRY(const int exit_code, exec_exit_code(id));
  return ExecResult{.exit_code = exit_code, .out = out.take(), .err = err.take()};
}

Status EngineClient::create_volume(std::string_view name, const Labels& labels) {
  return act(post("/volumes/create", volume_body(name, labels)), fmt::format("create the volume {}", name));
}

Status EngineClient::remove_volume(std::string_view name) {
  return act(removal("/volumes/" + percent_encode(name)), fmt::format("remove the volume {}", name));
}

Result<std::vector<Volume>> EngineClient::list_volumes(const LabelFilters& labels) {
  TRY(const json::value answer,
      read(get("/volumes?filters=" + percent_encode(filters(labels))), "list volumes"));
  std::vector<Volume> out;
  for (const JsonView& item : JsonView(&answer)["Volumes"].items())
    out.push_back({.name = item["Name"].text(), .labels = item["Labels"].labels()});
  return out;
}

Status EngineClient::events(const EventQuery& query, const std::function<bool(const Event&)>& sink,
                            std::stop_token stop) {
  Call call = get("/events?filters=" + percent_encode(filters(query)));
  if (query.since) call.target += "&since=" + seconds_of(*query.since);
  call.stop = stop;
  http::LineReader lines;
  Status ended = fail(Code::kUnavailable, "the Docker Engine ended its stream of events");
  const OnData on_data = [&](std::string_view piece) {
    return lines.feed(piece, [&](std::string_view text) {
      boost::system::error_code error;
      const json::value line = json::parse(json::string_view(text.data(), text.size()), error);
      if (error) {
        ended = fail(Code::kInternal, "an event from the Docker Engine is not JSON");
        return false;
      }
      if (sink(event_from(JsonView(&line)))) return true;
      ended = {};
      return false;
    });
  };
  TRY([[maybe_unused]] const auto answer, ask(std::move(call), "follow its events", &on_data));
  return stop.stop_requested() ? Status() : ended;
}

}  // namespace

std::unique_ptr<Engine> connect_engine(EngineOptions options) {
  return std::make_unique<EngineClient>(std::move(options));
}

}  // namespace headrace::docker
