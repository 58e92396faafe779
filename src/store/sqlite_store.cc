#include "store/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "store/folder_lock.h"

namespace headrace {
namespace {

// "Head" in the file's header: tells our file from any other SQLite database.
constexpr int kApplicationId = 0x48656164;
constexpr const char* kRestore = "restore the state folder from a backup";

// A rowid table with a unique key, not WITHOUT ROWID: measured with 100,000 records of 600 bytes in groups of
// 100, 38,000 inserts/s against 11,000 (of 2,000 bytes: 30,000 against 8,000, and half the file).
constexpr const char* kSchema = R"(
  CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    tab TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    UNIQUE (tab, key)
  );)";

// SQLite guards its structure, not the contents of a row: this finds a flipped bit in a value.
std::int64_t checksum_of(std::string_view table, std::string_view key, std::string_view value) {
  boost::crc_32_type crc;
  for (const std::string_view part : {table, std::string_view("", 1), key, std::string_view("", 1), value})
    crc.process_bytes(part.data(), part.size());
  return crc.checksum();
}

// The least text above all that begin with the prefix; nullopt when there is none.
std::optional<std::string> end_of(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (end.empty()) return std::nullopt;
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

// New entries of a folder (state.db, the folder itself) survive power loss only when the folder is synced.
Status sync_folder(const std::filesystem::path& folder) {
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = opened >= 0 && ::fsync(opened) == 0;
  const int number = errno;
  if (opened >= 0) ::close(opened);
  if (synced) return {};
  return fail(Code::kUnavailable, fmt::format("cannot sync {}: {}", folder.string(), std::strerror(number)));
}

}  // namespace

// One connection. Not thread-safe: the store holds the mutex.
class SqliteStore::Database {
 public:
  Database(FolderLock lock, std::string path) : lock_(std::move(lock)), path_(std::move(path)) {}
  Database(const Database&) = delete;
  ~Database() {
    for (sqlite3_stmt* statement : {put_, erase_, get_, scan_, begin_, commit_, rollback_})
      sqlite3_finalize(statement);
    sqlite3_close(sqlite_);
  }

  Status open(const Options& options);
  Status prepare();
  Status execute(const std::string& sql);
  Result<std::int64_t> number(const char* sql);
  Status begin() { return run(begin_); }
  Status commit() { return run(commit_); }
  // After an error SQLite may have rolled back by itself.
  void roll_back() {
    if (!sqlite3_get_autocommit(sqlite_)) (void)run(rollback_);
  }
  Status write(const Write& write);
  Result<std::vector<Entry>> scan(std::string_view table, std::string_view prefix);
  Result<std::optional<std::string>> get(std::string_view table, std::string_view key);
  const std::string& path() const { return path_; }

  std::mutex mutex;
  int format = 0;

 private:
  Status ask(const char* sql, sqlite3_stmt** statement);
  Status run(sqlite3_stmt* statement);
  Status check_whole();
  void bind(sqlite3_stmt* statement, int index, std::string_view text);
  Result<std::string> checked_value(sqlite3_stmt* row, std::string_view table, std::string_view key);
  Error error() const;

  FolderLock lock_;
  std::string path_;
  sqlite3* sqlite_ = nullptr;
  sqlite3_stmt *put_ = nullptr, *erase_ = nullptr, *get_ = nullptr, *scan_ = nullptr;
  sqlite3_stmt *begin_ = nullptr, *commit_ = nullptr, *rollback_ = nullptr;
};

Error SqliteStore::Database::error() const {
  const int code = sqlite_ ? sqlite3_extended_errcode(sqlite_) : SQLITE_NOMEM;
  const int number = sqlite_ ? sqlite3_system_errno(sqlite_) : 0;
  const std::string reason = fmt::format("{} ({})", sqlite3_errstr(code), code);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {Code::kUnavailable, "disk full: cannot write " + path_, "free space on its disk"};
    case SQLITE_IOERR:
      if (code == SQLITE_IOERR_CORRUPTFS) break;
      if (number == ENOSPC || number == EDQUOT)
        return {Code::kUnavailable, "disk full: cannot write " + path_, "free space on its disk"};
      return {
          Code::kUnavailable,
          fmt::format("{}: {}{}", path_, reason, number ? fmt::format(": {}", std::strerror(number)) : ""),
          "look at the health of its disk"};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return {Code::kUnavailable, fmt::format("cannot open {} for writing: {}", path_, reason),
              "see who owns it and its disk's free space"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Code::kConflict, fmt::format("another program has {} open", path_), "close it there"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_FORMAT: break;
    default: return {Code::kUnavailable, fmt::format("{}: {}", path_, reason), ""};
  }
  return {Code::kCorrupt, fmt::format("{} is damaged: {}", path_, reason), kRestore};
}

Status SqliteStore::Database::execute(const std::string& sql) {
  if (sqlite3_exec(sqlite_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return fail(error());
  return {};
}

Status SqliteStore::Database::ask(const char* sql, sqlite3_stmt** statement) {
  if (sqlite3_prepare_v3(sqlite_, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, nullptr) != SQLITE_OK)
    return fail(error());
  return {};
}

Result<std::int64_t> SqliteStore::Database::number(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  TRY_STATUS(ask(sql, &statement));
  Result<std::int64_t> value = 0;
  if (sqlite3_step(statement) == SQLITE_ROW)
    value = sqlite3_column_int64(statement, 0);
  else
    value = fail(error());
  sqlite3_finalize(statement);
  return value;
}

Status SqliteStore::Database::run(sqlite3_stmt* statement) {
  const int code = sqlite3_step(statement);
  Status status;
  if (code != SQLITE_DONE) status = fail(error());
  sqlite3_reset(statement);
  return status;
}

void SqliteStore::Database::bind(sqlite3_stmt* statement, int index, std::string_view text) {
  const char* start = text.data() ? text.data() : "";
  sqlite3_bind_text(statement, index, start, static_cast<int>(text.size()), SQLITE_STATIC);
}

Status SqliteStore::Database::open(const Options& options) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path_.c_str(), &sqlite_, flags, options.vfs) != SQLITE_OK) return fail(error());
  // Exclusive: we are the one writer, and so the log's index stays in memory and needs no third file.
  TRY_STATUS(
      execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
  TRY_STATUS(execute(fmt::format(
      "PRAGMA wal_autocheckpoint = {}; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -32000;",
      options.checkpoint_pages)));
  return check_whole();
}

Status SqliteStore::Database::check_whole() {
  sqlite3_stmt* check = nullptr;
  // integrity_check, not quick_check: only the former compares the index with the table.
  TRY_STATUS(ask("PRAGMA integrity_check(1)", &check));
  Status status;
  if (sqlite3_step(check) != SQLITE_ROW) {
    status = fail(error());
  } else {
    const std::string verdict = reinterpret_cast<const char*>(sqlite3_column_text(check, 0));
    if (verdict != "ok")
      status = fail(Code::kCorrupt, fmt::format("{} is damaged: {}", path_, verdict), kRestore);
  }
  sqlite3_finalize(check);
  return status;
}

Status SqliteStore::Database::prepare() {
  TRY_STATUS(
      ask("INSERT INTO records (tab, key, value, checksum) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tab, key) "
          "DO UPDATE SET value = excluded.value, checksum = excluded.checksum",
          &put_));
  TRY_STATUS(ask("DELETE FROM records WHERE tab = ?1 AND key = ?2", &erase_));
  TRY_STATUS(ask("SELECT key, value, checksum FROM records WHERE tab = ?1 AND key = ?2", &get_));
  TRY_STATUS(
      ask("SELECT key, value, checksum FROM records WHERE tab = ?1 AND key >= ?2 "
          "AND (?3 IS NULL OR key < ?3) ORDER BY key",
          &scan_));
  TRY_STATUS(ask("BEGIN IMMEDIATE", &begin_));
  TRY_STATUS(ask("COMMIT", &commit_));
  return ask("ROLLBACK", &rollback_);
}

Status SqliteStore::Database::write(const Write& write) {
  sqlite3_stmt* statement = write.value ? put_ : erase_;
  bind(statement, 1, write.table);
  bind(statement, 2, write.key);
  if (write.value) {
    sqlite3_bind_blob64(statement, 3, write.value->data() ? write.value->data() : "", write.value->size(),
                        SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, checksum_of(write.table, write.key, *write.value));
  }
  return run(statement);
}

// The value of a row (key, value, checksum) of get_ or scan_.
Result<std::string> SqliteStore::Database::checked_value(sqlite3_stmt* row, std::string_view table,
                                                         std::string_view key) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, 1));
  std::string value(bytes ? bytes : "", static_cast<std::size_t>(sqlite3_column_bytes(row, 1)));
  if (sqlite3_column_int64(row, 2) == checksum_of(table, key, value)) return value;
  return fail(Code::kCorrupt, fmt::format("{}: the record {} of table {} is damaged", path_, key, table),
              kRestore);
}

Result<std::vector<Entry>> SqliteStore::Database::scan(std::string_view table, std::string_view prefix) {
  const std::optional<std::string> end = end_of(prefix);
  bind(scan_, 1, table);
  bind(scan_, 2, prefix);
  if (end)
    bind(scan_, 3, *end);
  else
    sqlite3_bind_null(scan_, 3);
  std::vector<Entry> entries;
  Status status;
  int code = SQLITE_OK;
  while (status && (code = sqlite3_step(scan_)) == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(scan_, 0));
    std::string key(text, static_cast<std::size_t>(sqlite3_column_bytes(scan_, 0)));
    if (auto value = checked_value(scan_, table, key))
      entries.push_back({std::move(key), *std::move(value)});
    else
      status = fail(std::move(value).error());
  }
  if (status && code != SQLITE_DONE) status = fail(error());
  sqlite3_reset(scan_);
  if (!status) return fail(std::move(status).error());
  return entries;
}

Result<std::optional<std::string>> SqliteStore::Database::get(std::string_view table, std::string_view key) {
  bind(get_, 1, table);
  bind(get_, 2, key);
  Result<std::optional<std::string>> found = std::nullopt;
  if (const int code = sqlite3_step(get_); code == SQLITE_ROW)
    found = checked_value(get_, table, key);
  else if (code != SQLITE_DONE)
    found = fail(error());
  sqlite3_reset(get_);
  return found;
}

SqliteStore::SqliteStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}
SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::filesystem::path& folder, Options options) {
  std::error_code problem;
  const bool is_new = std::filesystem::create_directories(folder, problem);
  if (problem)
    return fail(Code::kUnavailable,
                fmt::format("cannot make the state folder {}: {}", folder.string(), problem.message()));
  if (is_new) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, problem);
  TRY(FolderLock lock, FolderLock::take(folder));
  std::unique_ptr<SqliteStore> store(
      new SqliteStore(std::make_unique<Database>(std::move(lock), folder / "state.db")));
  TRY_STATUS(store->database_->open(options));
  TRY_STATUS(store->bring_to_newest(options.migrations));
  TRY_STATUS(sync_folder(folder));
  if (is_new) TRY_STATUS(sync_folder(std::filesystem::absolute(folder).parent_path()));
  return store;
}

Status SqliteStore::bring_to_newest(std::span<const Migration> migrations) {
  Database& database = *database_;
  const int newest = static_cast<int>(migrations.size()) + 1;
  TRY(const std::int64_t tables, database.number("SELECT count(*) FROM sqlite_master"));
  TRY(const std::int64_t application, database.number("PRAGMA application_id"));
  if (tables == 0) {
    TRY_STATUS(
        database.execute(fmt::format("BEGIN IMMEDIATE; {} PRAGMA application_id = {}; "
                                     "PRAGMA user_version = {}; COMMIT;",
                                     kSchema, kApplicationId, newest)));
  } else if (application != kApplicationId) {
    return fail(Code::kCorrupt, database.path() + " is an SQLite file, but none of Headrace's",
                "give this server a state folder of its own");
  }
  TRY_STATUS(database.prepare());
  TRY(const std::int64_t found, database.number("PRAGMA user_version"));
  if (found > newest)
    return fail(Code::kRefused,
                fmt::format("{} has format {}, written by a newer Headrace; this one knows formats up to {}",
                            database.path(), found, newest),
                "run the newer Headrace, or restore a backup from before its first start");
  database.format = static_cast<int>(found);
  for (; database.format < newest; ++database.format) {
    if (auto done = migrate(migrations[static_cast<std::size_t>(database.format) - 1]); !done)
      return fail(std::move(done).error().within(
          fmt::format("while bringing {} from format {} to the next", database.path(), database.format)));
  }
  return {};
}

// One step with its format number in one transaction: a crash leaves the old format or the new.
Status SqliteStore::migrate(Migration migration) {
  Database& database = *database_;
  TRY_STATUS(database.begin());
  const Status done = [&]() -> Status {
    TRY(const std::vector<Write> writes, migration(*this));
    for (const Write& write : writes) TRY_STATUS(database.write(write));
    TRY_STATUS(database.execute(fmt::format("PRAGMA user_version = {}", database.format + 1)));
    return database.commit();
  }();
  if (!done) database.roll_back();
  return done;
}

Status SqliteStore::apply_group(std::span<const Commit> commits) {
  std::lock_guard lock(database_->mutex);
  TRY_STATUS(database_->begin());
  const Status done = [&]() -> Status {
    for (const Commit& commit : commits)
      for (const Write& write : commit) TRY_STATUS(database_->write(write));
    return database_->commit();
  }();
  if (!done) database_->roll_back();
  return done;
}

Result<std::vector<Entry>> SqliteStore::scan(std::string_view table, std::string_view prefix) const {
  std::lock_guard lock(database_->mutex);
  return database_->scan(table, prefix);
}

Result<std::optional<std::string>> SqliteStore::get(std::string_view table, std::string_view key) const {
  std::lock_guard lock(database_->mutex);
  return database_->get(table, key);
}

int SqliteStore::format() const {
  return database_->format;
}

}  // namespace headrace
