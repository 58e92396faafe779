// The default store: SQLite in one state folder, write-ahead log, full sync (state.db, state.db-wal), and
// `lock`, which names the process that serves the folder.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "store/store.h"

namespace headrace {

class SqliteStore : public Store {
 public:
  struct Options {
    // migrations[i] leads from format i+1 to i+2; the newest format is their count + 1.
    std::span<const Migration> migrations;
    // Pages (4 KiB) in the log before they move to the main file: some milliseconds of a commit now and then.
    int checkpoint_pages = 4000;
    // SQLite's name of the file layer; nullptr is the operating system's. Tests inject faults here.
    const char* vfs = nullptr;
  };

  // Opens or creates the store in `folder` (created too, mode 0700) and migrates it.
  // Errors: kConflict (another process serves this folder; names its pid), kRefused (written by a newer
  // Headrace), kCorrupt (no Headrace state, or damaged), kUnavailable (cannot be read or written now).
  static Result<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& folder, Options options);
  static Result<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& folder) {
    return open(folder, {});
  }
  ~SqliteStore() override;

  Status apply_group(std::span<const Commit> commits) override;
  Result<std::vector<Entry>> scan(std::string_view table, std::string_view prefix = {}) const override;
  Result<std::optional<std::string>> get(std::string_view table, std::string_view key) const override;

  // The format number that the file holds now.
  int format() const;

 private:
  class Database;
  explicit SqliteStore(std::unique_ptr<Database> database);
  Status bring_to_newest(std::span<const Migration> migrations);
  Status migrate(Migration migration);
  std::unique_ptr<Database> database_;
};

}  // namespace headrace
