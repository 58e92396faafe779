#include "docker/engine_client.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <mutex>
#include <thread>

#include "docker/codec.h"
#include "docker/frames.h"
#include "docker/transport.h"

namespace headrace::docker {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// The newest API that codec.cc was written for; older and newer engines are met where they overlap.
constexpr int kApiMinor = 41;
constexpr std::size_t kLargestAnswer = 64 << 20;

// Percent-encodes all but unreserved characters (RFC 3986) and the ones named.
std::string encoded(std::string_view text, std::string_view also_plain = {}) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-_.~").contains(c) ||
        also_plain.contains(c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string container_path(std::string_view container, std::string_view rest) {
  return fmt::format("/containers/{}{}", encoded(container), rest);
}
std::string image_path(std::string_view name, std::string_view rest) {
  return fmt::format("/images/{}{}", encoded(name, "/:@"), rest);
}
std::string volume_path(std::string_view name) {
  return "/volumes/" + encoded(name);
}

std::string seconds_of(EngineTime time) {
  const std::int64_t count = time.time_since_epoch().count();
  return fmt::format("{}.{:09}", count / 1'000'000'000, count % 1'000'000'000);
}

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

// Keeps the end of what is written.
class Tail {
 public:
  explicit Tail(Bytes bound) : bound_(static_cast<std::size_t>(bound.count)) {}
  void append(std::string_view text) {
    kept_ += text;
    total_ += text.size();
    if (kept_.size() > 2 * bound_ + 4096) trim();
  }
  bool cut() const { return total_ > bound_; }
  std::string take() {
    trim();
    return std::move(kept_);
  }

 private:
  void trim() {
    if (kept_.size() > bound_) kept_.erase(0, kept_.size() - bound_);
  }
  std::size_t bound_, total_ = 0;
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

  Result<Version> version() override;
  Result<Machine> machine() override;
  Result<Image> inspect_image(std::string_view name) override;
  Result<std::string> import_image(std::string_view tar, std::string_view name,
                                   const std::vector<std::string>& changes) override;
  Status remove_image(std::string_view name, bool force) override;
  Result<std::string> create(const ContainerSpec& spec) override;
  Status start(std::string_view container) override;
  Status stop(std::string_view container, Duration grace) override;
  Status kill(std::string_view container, std::string_view signal) override;
  Result<std::optional<int>> wait(std::string_view container, std::stop_token stop) override;
  Status remove(std::string_view container, Removal how) override;
  Result<Container> inspect(std::string_view container) override;
  Result<std::vector<Container>> list(const LabelFilters& labels, bool also_stopped) override;
  Status logs(std::string_view container, const LogQuery& query, const OutputSink& sink,
              std::stop_token stop) override;
  Result<Usage> usage(std::string_view container) override;
  Result<ExecResult> exec(std::string_view container, const ExecSpec& spec, Duration timeout,
                          Bytes bound) override;
  Result<std::unique_ptr<Attached>> exec_attached(std::string_view container, const ExecSpec& spec) override;
  Result<std::string> get_archive(std::string_view container, std::string_view path, Bytes at_most) override;
  Status put_archive(std::string_view container, std::string_view folder, std::string_view tar) override;
  Result<Volume> create_volume(std::string_view name, const Labels& labels) override;
  Status remove_volume(std::string_view name) override;
  Result<Volume> inspect_volume(std::string_view name) override;
  Result<std::vector<Volume>> list_volumes(const LabelFilters& labels) override;
  Status events(const EventQuery& query, const std::function<bool(const Event&)>& sink,
                std::stop_token stop) override;

  // Sends and turns an answer of 4xx and 5xx into an error that says what we were `doing`.
  Result<std::unique_ptr<Exchange>> ask(Request request, std::string_view doing, Deadline deadline,
                                        const Interrupt* interrupt = nullptr);
  Result<json::value> call(Request request, std::string_view doing, Deadline deadline);
  Result<json::value> call(Request request, std::string_view doing) {
    return call(std::move(request), doing, after(options_.timeout));
  }
  Status act(Request request, std::string_view doing, Duration extra = {}) {
    TRY([[maybe_unused]] const auto ignored,
        call(std::move(request), doing, after(options_.timeout + extra)));
    return {};
  }
  // kConflict while it runs.
  Result<int> exec_exit_code(const std::string& id);
  Status resize(const std::string& id, int columns, int rows);

 private:
  static Deadline after(Duration duration) { return Clock::now() + duration; }
  Result<std::string> prefix();
  Result<std::string> create_exec(std::string_view container, const ExecSpec& spec, bool with_input);
  Status collect(const std::string& id, Tail& out, Tail& err, Deadline deadline);

  const EngineOptions options_;
  std::mutex mutex_;
  std::string prefix_;  // "/v1.41", once an engine has answered
};

// An exec with its connection taken over as a stream in both directions.
class AttachedExec : public Attached {
 public:
  AttachedExec(EngineClient& client, std::string id, std::unique_ptr<Exchange> exchange, bool terminal)
      : client_(client), id_(std::move(id)), exchange_(std::move(exchange)), terminal_(terminal) {}

  Status write(std::string_view bytes) override { return exchange_->write(bytes); }
  Status close_input() override { return exchange_->close_input(); }
  Result<std::optional<Chunk>> read(std::stop_token stop) override {
    const Interrupt interrupt(std::move(stop));
    while (ready_.empty()) {
      TRY(std::optional<std::string> piece, exchange_->read(std::nullopt, &interrupt));
      if (!piece) return std::nullopt;
      if (terminal_) return Chunk{Output::kStdout, *std::move(piece)};
      frames_.feed(*piece, [&](Output output, std::string_view text) {
        if (!ready_.empty() && ready_.back().output == output)
          ready_.back().bytes += text;
        else
          ready_.push_back({output, std::string(text)});
        return true;
      });
    }
    Chunk chunk = std::move(ready_.front());
    ready_.erase(ready_.begin());
    return chunk;
  }
  Status resize(int columns, int rows) override { return client_.resize(id_, columns, rows); }
  Result<int> exit_code() override { return client_.exec_exit_code(id_); }

 private:
  EngineClient& client_;
  const std::string id_;
  const std::unique_ptr<Exchange> exchange_;
  const bool terminal_;
  Frames frames_;
  std::vector<Chunk> ready_;
};

Result<std::string> EngineClient::prefix() {
  std::lock_guard lock(mutex_);
  if (prefix_.empty()) {
    const Deadline deadline = after(options_.timeout);
    TRY(const auto exchange,
        Exchange::start(options_.socket, {.method = "GET", .target = "/version"}, deadline));
    TRY(const std::string body, exchange->read_all(kLargestAnswer, deadline));
    boost::system::error_code error;
    const json::value answer = json::parse(body, error);
    const auto minor = [&](const char* key, int absent) {
      const std::string text = JsonView(&answer)[key].text();
      return text.starts_with("1.") ? std::atoi(text.c_str() + 2) : absent;
    };
    const int newest = minor("ApiVersion", 0), oldest = minor("MinAPIVersion", 0);
    if (exchange->status() != 200 || error || newest == 0)
      return fail(Code::kUnavailable, fmt::format("what answers at {} is no Docker Engine", options_.socket));
    prefix_ = fmt::format("/v1.{}", std::max(oldest, std::min(newest, kApiMinor)));
  }
  return prefix_;
}

Result<std::unique_ptr<Exchange>> EngineClient::ask(Request request, std::string_view doing,
                                                    Deadline deadline, const Interrupt* interrupt) {
  const auto said = [&](Error error) { return fail(std::move(error).within(fmt::format("to {}", doing))); };
  auto before = prefix();
  if (!before) return said(std::move(before).error());
  request.target.insert(0, *before);
  auto exchange = Exchange::start(options_.socket, request, deadline, interrupt);
  if (!exchange) return said(std::move(exchange).error());
  const int status = (*exchange)->status();
  if (status < 400) return exchange;
  auto body = (*exchange)->read_all(kLargestAnswer, deadline);
  if (!body) return said(std::move(body).error());
  boost::system::error_code error;
  const json::value answer = json::parse(*body, error);
  return fail(error_from(status, error ? *body : JsonView(&answer)["message"].text(), doing));
}

Result<json::value> EngineClient::call(Request request, std::string_view doing, Deadline deadline) {
  TRY(const auto exchange, ask(std::move(request), doing, deadline));
  TRY(const std::string body, exchange->read_all(kLargestAnswer, deadline));
  if (body.empty()) return json::value();
  boost::system::error_code error;
  json::value answer = json::parse(body, error);
  if (error) return fail(Code::kInternal, fmt::format("the Docker Engine's answer to {} is not JSON", doing));
  return answer;
}

Result<Version> EngineClient::version() {
  TRY(const json::value answer, call({.method = "GET", .target = "/version"}, "ask its version"));
  return Version{.engine = JsonView(&answer)["Version"].text(),
                 .api = JsonView(&answer)["ApiVersion"].text()};
}

Result<Machine> EngineClient::machine() {
  TRY(const json::value answer, call({.method = "GET", .target = "/info"}, "ask about its machine"));
  const JsonView json(&answer);
  return Machine{.name = json["Name"].text(),
                 .cpus = static_cast<int>(json["NCPU"].number()),
                 .memory = Bytes{json["MemTotal"].number()},
                 .root_folder = json["DockerRootDir"].text(),
                 .running_containers = static_cast<int>(json["ContainersRunning"].number())};
}

Result<Image> EngineClient::inspect_image(std::string_view name) {
  TRY(const json::value answer, call({.method = "GET", .target = image_path(name, "/json")},
                                     fmt::format("inspect the image {}", name)));
  return image_from(JsonView(&answer));
}

Result<std::string> EngineClient::import_image(std::string_view tar, std::string_view name,
                                               const std::vector<std::string>& changes) {
  const std::string doing = fmt::format("import the image {}", name);
  const auto colon = name.find(':', name.rfind('/') == name.npos ? 0 : name.rfind('/'));
  std::string target = fmt::format("/images/create?fromSrc=-&repo={}", encoded(name.substr(0, colon)));
  if (colon != name.npos) target += "&tag=" + encoded(name.substr(colon + 1));
  for (const std::string& change : changes) target += "&changes=" + encoded(change);
  const Deadline deadline = after(options_.timeout + 5min);  // the engine unpacks the whole tar
  TRY(const auto exchange,
      ask({.method = "POST", .target = std::move(target), .body = tar, .content_type = "application/x-tar"},
          doing, deadline));
  TRY(const std::string body, exchange->read_all(kLargestAnswer, deadline));
  // Progress, one JSON object a line; the last names the image, and an error comes under status 200.
  std::string id;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = std::min(body.find('\n', at), body.size());
    boost::system::error_code error;
    const json::value line = json::parse({body.data() + at, end - at}, error);
    at = end + 1;
    if (error) continue;
    if (const JsonView problem = JsonView(&line)["error"])
      return fail(error_from(500, problem.text(), doing));
    if (const std::string status = JsonView(&line)["status"].text(); status.starts_with("sha256:"))
      id = status;
  }
  if (id.empty()) return fail(Code::kUnavailable, fmt::format("cannot {}: the engine named no image", doing));
  return id;
}

Status EngineClient::remove_image(std::string_view name, bool force) {
  return act({.method = "DELETE", .target = image_path(name, force ? "?force=1" : "")},
             fmt::format("remove the image {}", name));
}

Result<std::string> EngineClient::create(const ContainerSpec& spec) {
  const std::string body = create_body(spec);
  TRY(const json::value answer,
      call({.method = "POST", .target = "/containers/create?name=" + encoded(spec.name), .body = body},
           fmt::format("create the container {}", spec.name)));
  return JsonView(&answer)["Id"].text();
}

Status EngineClient::start(std::string_view container) {
  return act({.method = "POST", .target = container_path(container, "/start")},
             fmt::format("start the container {}", container));
}

Status EngineClient::stop(std::string_view container, Duration grace) {
  const std::int64_t seconds = whole_seconds(grace);
  return act({.method = "POST", .target = container_path(container, fmt::format("/stop?t={}", seconds))},
             fmt::format("stop the container {}", container), std::chrono::seconds(seconds));
}

Status EngineClient::kill(std::string_view container, std::string_view signal) {
  return act({.method = "POST", .target = container_path(container, "/kill?signal=" + encoded(signal))},
             fmt::format("send {} to the container {}", signal, container));
}

Result<std::optional<int>> EngineClient::wait(std::string_view container, std::stop_token stop) {
  const Interrupt interrupt(std::move(stop));
  const std::string doing = fmt::format("wait for the container {}", container);
  TRY(const auto exchange,
      ask({.method = "POST", .target = container_path(container, "/wait")}, doing, std::nullopt, &interrupt));
  std::string body;
  while (exchange->status() != 0) {
    TRY(const std::optional<std::string> piece, exchange->read(std::nullopt, &interrupt));
    if (!piece) break;
    body += *piece;
  }
  if (body.empty()) return std::nullopt;
  boost::system::error_code error;
  const json::value answer = json::parse(body, error);
  if (error) return std::nullopt;  // stopped in the middle of the answer
  if (const JsonView problem = JsonView(&answer)["Error"])
    return fail(error_from(500, problem["Message"].text(), doing));
  return static_cast<int>(JsonView(&answer)["StatusCode"].number());
}

Status EngineClient::remove(std::string_view container, Removal how) {
  const std::string doing = fmt::format("remove the container {}", container);
  const std::string query = fmt::format("?v={:d}&force={:d}", how.anonymous_volumes, how.force);
  const Status removed = act({.method = "DELETE", .target = container_path(container, query)}, doing);
  if (removed || !removed.error().message.contains("already in progress")) return removed;
  // Another call removes it: ours is done when that one is.
  const Status gone =
      act({.method = "POST", .target = container_path(container, "/wait?condition=removed")}, doing);
  return gone || gone.error().code == Code::kNotFound ? Status() : gone;
}

Result<Container> EngineClient::inspect(std::string_view container) {
  TRY(const json::value answer, call({.method = "GET", .target = container_path(container, "/json")},
                                     fmt::format("inspect the container {}", container)));
  return container_from_inspect(JsonView(&answer));
}

Result<std::vector<Container>> EngineClient::list(const LabelFilters& labels, bool also_stopped) {
  TRY(const json::value answer, call({.method = "GET",
                                      .target = fmt::format("/containers/json?all={:d}&filters={}",
                                                            also_stopped, encoded(filters(labels)))},
                                     "list containers"));
  std::vector<Container> out;
  for (const JsonView& item : JsonView(&answer).items()) out.push_back(container_from_list(item));
  return out;
}

Status EngineClient::logs(std::string_view container, const LogQuery& query, const OutputSink& sink,
                          std::stop_token stop) {
  const Interrupt interrupt(std::move(stop));
  std::string target = container_path(
      container,
      fmt::format("/logs?stdout=1&stderr=1&follow={:d}&timestamps={:d}", query.follow, query.timestamps));
  if (query.tail) target += fmt::format("&tail={}", *query.tail);
  if (query.since) target += "&since=" + seconds_of(*query.since);
  const Deadline deadline = query.follow ? Deadline() : after(options_.timeout);
  TRY(const auto exchange, ask({.method = "GET", .target = std::move(target)},
                               fmt::format("read the log of {}", container), deadline, &interrupt));
  Frames frames;
  while (exchange->status() != 0) {
    TRY(const std::optional<std::string> piece, exchange->read(deadline, &interrupt));
    if (!piece || !frames.feed(*piece, sink)) break;
  }
  return {};
}

Result<Usage> EngineClient::usage(std::string_view container) {
  TRY(const json::value answer,
      call({.method = "GET", .target = container_path(container, "/stats?stream=0&one-shot=1")},
           fmt::format("measure the container {}", container)));
  return usage_from(JsonView(&answer));
}

Result<std::string> EngineClient::create_exec(std::string_view container, const ExecSpec& spec,
                                              bool with_input) {
  const std::string body = exec_body(spec, with_input);
  TRY(const json::value answer,
      call({.method = "POST", .target = container_path(container, "/exec"), .body = body},
           fmt::format("run a command in {}", container)));
  return JsonView(&answer)["Id"].text();
}

Result<int> EngineClient::exec_exit_code(const std::string& id) {
  // The output ends a moment before the engine has noted the end.
  const Deadline deadline = after(1s);
  while (true) {
    TRY(const json::value answer,
        call({.method = "GET", .target = fmt::format("/exec/{}/json", id)}, "learn a command's exit code"));
    const JsonView json(&answer);
    if (!json["Running"].flag() && json["ExitCode"]) return static_cast<int>(json["ExitCode"].number());
    if (Clock::now() > *deadline) return fail(Code::kConflict, "the command still runs");
    std::this_thread::sleep_for(5ms);
  }
}

Status EngineClient::resize(const std::string& id, int columns, int rows) {
  return act({.method = "POST", .target = fmt::format("/exec/{}/resize?h={}&w={}", id, rows, columns)},
             "resize a terminal");
}

Status EngineClient::collect(const std::string& id, Tail& out, Tail& err, Deadline deadline) {
  TRY(const auto exchange, ask({.method = "POST",
                                .target = fmt::format("/exec/{}/start", id),
                                .body = R"({"Detach":false,"Tty":false})"},
                               "run a command", deadline));
  Frames frames;
  while (true) {
    TRY(const std::optional<std::string> piece, exchange->read(deadline));
    if (!piece) return {};
    frames.feed(*piece, [&](Output output, std::string_view text) {
      (output == Output::kStdout ? out : err).append(text);
      return true;
    });
  }
}

Result<ExecResult> EngineClient::exec(std::string_view container, const ExecSpec& spec, Duration timeout,
                                      Bytes bound) {
  TRY(const std::string id, create_exec(container, spec, false));
  Tail out(bound), err(bound);
  if (auto done = collect(id, out, err, after(timeout)); !done) {
    if (done.error().code != Code::kTimeout) return fail(std::move(done).error());
    const auto left = call({.method = "GET", .target = fmt::format("/exec/{}/json", id)}, "end a command");
    if (left) kill_where_we_may(JsonView(&*left)["Pid"].number(), JsonView(&*left)["ContainerID"].text());
    return fail(Code::kTimeout,
                fmt::format("the command in {} did not end within {}", container, to_text(timeout)));
  }
  TRY(const int exit_code, exec_exit_code(id));
  const bool cut = out.cut() || err.cut();
  return ExecResult{.exit_code = exit_code, .out = out.take(), .err = err.take(), .cut = cut};
}

Result<std::unique_ptr<Attached>> EngineClient::exec_attached(std::string_view container,
                                                              const ExecSpec& spec) {
  TRY(std::string id, create_exec(container, spec, true));
  const std::string body = fmt::format(R"({{"Detach":false,"Tty":{}}})", spec.terminal);
  TRY(auto exchange,
      ask({.method = "POST", .target = fmt::format("/exec/{}/start", id), .body = body, .upgrade = true},
          fmt::format("run a command in {}", container), after(options_.timeout)));
  if (exchange->status() != 101)
    return fail(Code::kUnavailable, "the Docker Engine did not hand over the stream");
  return std::make_unique<AttachedExec>(*this, std::move(id), std::move(exchange), spec.terminal);
}

Result<std::string> EngineClient::get_archive(std::string_view container, std::string_view path,
                                              Bytes at_most) {
  const std::string doing = fmt::format("copy {} from {}", path, container);
  const Deadline deadline = after(options_.timeout);
  TRY(const auto exchange,
      ask({.method = "GET", .target = container_path(container, "/archive?path=" + encoded(path))}, doing,
          deadline));
  auto tar = exchange->read_all(static_cast<std::size_t>(at_most.count), deadline);
  if (!tar) return fail(std::move(tar).error().within("to " + doing));
  return tar;
}

Status EngineClient::put_archive(std::string_view container, std::string_view folder, std::string_view tar) {
  return act({.method = "PUT",
              .target = container_path(container, "/archive?path=" + encoded(folder)),
              .body = tar,
              .content_type = "application/x-tar"},
             fmt::format("copy files into {}", container));
}

Result<Volume> EngineClient::create_volume(std::string_view name, const Labels& labels) {
  json::object wanted;
  for (const auto& [key, value] : labels) wanted[key] = value;
  const std::string body =
      json::serialize(json::object{{"Name", std::string(name)}, {"Labels", std::move(wanted)}});
  TRY(const json::value answer, call({.method = "POST", .target = "/volumes/create", .body = body},
                                     fmt::format("create the volume {}", name)));
  return volume_from(JsonView(&answer));
}

Status EngineClient::remove_volume(std::string_view name) {
  return act({.method = "DELETE", .target = volume_path(name)}, fmt::format("remove the volume {}", name));
}

Result<Volume> EngineClient::inspect_volume(std::string_view name) {
  TRY(const json::value answer,
      call({.method = "GET", .target = volume_path(name)}, fmt::format("inspect the volume {}", name)));
  return volume_from(JsonView(&answer));
}

Result<std::vector<Volume>> EngineClient::list_volumes(const LabelFilters& labels) {
  TRY(const json::value answer,
      call({.method = "GET", .target = "/volumes?filters=" + encoded(filters(labels))}, "list volumes"));
  std::vector<Volume> out;
  for (const JsonView& item : JsonView(&answer)["Volumes"].items()) out.push_back(volume_from(item));
  return out;
}

Status EngineClient::events(const EventQuery& query, const std::function<bool(const Event&)>& sink,
                            std::stop_token stop) {
  const Interrupt interrupt(stop);
  std::string target = "/events?filters=" + encoded(filters(query));
  if (query.since) target += "&since=" + seconds_of(*query.since);
  TRY(const auto exchange,
      ask({.method = "GET", .target = std::move(target)}, "follow its events", std::nullopt, &interrupt));
  std::string buffer;
  while (true) {
    if (stop.stop_requested()) return {};
    TRY(const std::optional<std::string> piece, exchange->read(std::nullopt, &interrupt));
    if (!piece && !stop.stop_requested())
      return fail(Code::kUnavailable, "the Docker Engine ended its stream of events");
    if (piece) buffer += *piece;
    for (std::size_t end; (end = buffer.find('\n')) != buffer.npos; buffer.erase(0, end + 1)) {
      boost::system::error_code error;
      const json::value line = json::parse({buffer.data(), end}, error);
      if (error) return fail(Code::kInternal, "an event from the Docker Engine is not JSON");
      if (!sink(event_from(JsonView(&line)))) return {};
    }
  }
}

}  // namespace

std::unique_ptr<Engine> connect_engine(EngineOptions options) {
  return std::make_unique<EngineClient>(std::move(options));
}

}  // namespace headrace::docker
