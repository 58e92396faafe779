#include "server/managers.h"

#include <utility>

namespace headrace::server {
namespace {

// More messages in one turn than any real change makes: two managers answering each other for ever.
constexpr int kMessagesPerTurn = 2'000'000;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

Result<std::vector<Record>> records_of(const Store& store, const std::vector<std::string>& tables) {
  std::vector<Record> records;
  for (const std::string& table : tables) {
    TRY(auto entries, store.scan(table));
    for (Entry& entry : entries) records.push_back({table, std::move(entry.key), std::move(entry.value)});
  }
  return records;
}

bool shows_agents(const cluster::Event& event) {
  return std::holds_alternative<cluster::AgentChanged>(event) ||
         std::holds_alternative<cluster::Disconnected>(event) ||
         std::holds_alternative<cluster::Ready>(event);
}

}  // namespace

Managers::Managers(std::unique_ptr<cluster::ClaimBook> book, std::unique_ptr<process::ProcessManager> process,
                   std::unique_ptr<environment::EnvironmentManager> environment)
    : book_(std::move(book)), process_(std::move(process)), environment_(std::move(environment)) {}

Managers::~Managers() = default;

void Managers::route(cluster::BookCommit commit, Turn& turn) {
  for (cluster::Event& event : commit.events) {
    touched_.agents = touched_.agents || shows_agents(event);
    pending_.push_back(std::move(event));
  }
  TurnCommit out{.writes = std::move(commit.writes), .source_calls = std::move(commit.calls)};
  if (!out.empty()) turn.push_back(std::move(out));
}

void Managers::route(process::Commit commit, Turn& turn) {
  TurnCommit out{.writes = std::move(commit.writes), .app_events = std::move(commit.events)};
  for (cluster::Call& call : commit.calls) {
    if (book_) {
      pending_.push_back(std::move(call));
    } else {
      out.cluster_calls.push_back(std::move(call));
    }
  }
  for (process::AppView& view : commit.changed) {
    touched_.apps.push_back(view.id);
    if (process::ProcessManager::is_environment_path(view.id)) pending_.push_back(std::move(view));
  }
  for (process::AppId& app : commit.removed) {
    touched_.apps.push_back(app);
    if (process::ProcessManager::is_environment_path(app)) pending_.push_back(std::move(app));
  }
  if (!out.empty()) turn.push_back(std::move(out));
}

void Managers::route(environment::Commit commit, Turn& turn) {
  touched_.environments = touched_.environments || !commit.writes.empty() || !commit.events.empty();
  TurnCommit out{.writes = std::move(commit.writes), .environment_events = std::move(commit.events)};
  for (environment::ProcessCall& call : commit.calls) pending_.push_back(std::move(call));
  if (!out.empty()) turn.push_back(std::move(out));
}

void Managers::dispatch_call(const environment::ProcessCall& call, Turn& turn, Now now) {
  const process::Owner& owner =
      std::visit([](const auto& each) -> const process::Owner& { return each.owner; }, call);
  auto decision = std::visit(
      Overloaded{[&](const environment::PutApps& put) {
                   return process_->put(put.specs, put.owner, /*must_be_new=*/false, /*force=*/true, now);
                 },
                 [&](const environment::RemoveApps& remove) {
                   return process_->remove(remove.apps, remove.volumes, remove.owner, now);
                 }},
      call);
  if (decision) {
    route(std::move(decision->commit), turn);
  } else {
    route(environment_->on_refused(owner, decision.error(), now), turn);
  }
}

void Managers::dispatch(const Message& message, Turn& turn, Now now) {
  std::visit(Overloaded{
                 [&](const cluster::Call& call) { route(book_->on_call(call, now), turn); },
                 [&](const cluster::Event& event) { route(process_->on_cluster(event, now), turn); },
                 [&](const environment::ProcessCall& call) { dispatch_call(call, turn, now); },
                 [&](const process::AppView& app) { route(environment_->on_app_changed(app, now), turn); },
                 [&](const process::AppId& app) { route(environment_->on_app_removed(app, now), turn); },
             },
             message);
}

void Managers::drain(Turn& turn, Now now) {
  int routed = 0;
  while (!pending_.empty()) {
    CHECK(++routed < kMessagesPerTurn, "managers answer each other without end");
    const Message message = std::move(pending_.front());
    pending_.pop_front();
    dispatch(message, turn, now);
  }
}

Managers::Turn Managers::on_start(Now now) {
  Turn turn;
  // The environment manager first hears what the process manager already knows, then asks for what it is
  // owed.
  const std::vector<process::AppView> apps = process_->apps();
  route(process_->on_start(now), turn);
  drain(turn, now);
  route(environment_->on_start(apps, now), turn);
  drain(turn, now);
  touched_.environments = touched_.agents = true;
  for (const process::AppView& app : apps) touched_.apps.push_back(app.id);
  return turn;
}

Managers::Turn Managers::on_source(const cluster::SourceEvent& event, Now now) {
  CHECK(book_ != nullptr);
  Turn turn;
  route(book_->on_source(event, now), turn);
  drain(turn, now);
  return turn;
}

Managers::Turn Managers::on_cluster(const cluster::Event& event, Now now) {
  Turn turn;
  touched_.agents = touched_.agents || shows_agents(event);
  route(process_->on_cluster(event, now), turn);
  drain(turn, now);
  return turn;
}

Managers::Turn Managers::on_time(Now now) {
  Turn turn;
  const auto due = [&](const auto& manager) {
    const auto deadline = manager.next_deadline();
    return deadline && *deadline <= now.mono;
  };
  if (book_ && due(*book_)) route(book_->on_time(now), turn);
  if (due(*process_)) route(process_->on_time(now), turn);
  if (due(*environment_)) route(environment_->on_time(now), turn);
  drain(turn, now);
  return turn;
}

std::optional<Monotonic> Managers::next_deadline() const {
  std::optional<Monotonic> next;
  const auto consider = [&](std::optional<Monotonic> deadline) {
    if (deadline && (!next || *deadline < *next)) next = deadline;
  };
  if (book_) consider(book_->next_deadline());
  consider(process_->next_deadline());
  consider(environment_->next_deadline());
  return next;
}

Managers::Turn Managers::absorb(process::Commit commit, Now now) {
  Turn turn;
  route(std::move(commit), turn);
  drain(turn, now);
  return turn;
}

Managers::Turn Managers::absorb(environment::Commit commit, Now now) {
  Turn turn;
  route(std::move(commit), turn);
  drain(turn, now);
  return turn;
}

Touched Managers::take_touched() {
  return std::exchange(touched_, {});
}

Result<std::unique_ptr<Managers>> load_managers(const Store& store, const LoadOptions& options, Now now) {
  std::unique_ptr<cluster::ClaimBook> book;
  if (options.book) {
    TRY(const auto records, records_of(store, cluster::ClaimBook::tables()));
    TRY(book, cluster::ClaimBook::create(*options.book, options.seed(), records, now));
  }
  TRY(const auto process_records, records_of(store, process::ProcessManager::tables()));
  TRY(auto process, process::ProcessManager::create(options.process, options.seed(), process_records, now));
  TRY(const auto environment_records, records_of(store, environment::EnvironmentManager::tables()));
  TRY(auto environment,
      environment::EnvironmentManager::create({}, options.seed(), environment_records, now));
  return std::make_unique<Managers>(std::move(book), std::move(process), std::move(environment));
}

}  // namespace headrace::server
