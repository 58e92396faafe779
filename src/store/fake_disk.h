// A disk that forgets: an SQLite file layer in memory for tests. It counts the operations that change
// something (write, truncate, sync, delete), fails or stops at the n-th, and shows what a machine finds after
// power loss: what was synced, plus any part of what was not, in 512-byte sectors.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"

namespace headrace {

class FakeDisk {
 public:
  enum class Fault {
    kNone,
    kError,     // the operation fails and does nothing; a failed sync loses what it should have kept, as in
                // Linux
    kFull,      // no space left: writes that make a file longer fail, until make_space()
    kPowerCut,  // this operation and all after it fail: the program is dead
  };

  FakeDisk();
  ~FakeDisk();
  FakeDisk(const FakeDisk&) = delete;

  // For SqliteStore::Options; files of this disk are seen under this name only.
  const char* vfs() const { return name_.c_str(); }
  // The fault happens at the n-th changing operation from now, counted from 1.
  void fail_at(int operation, Fault fault);
  void make_space() { full_ = false; }
  int operations() const { return operations_; }
  // The disk as found after the power came back; which unsynced sectors reached it is drawn.
  std::unique_ptr<FakeDisk> after_power_loss(Random& random) const;
  // The whole contents of a file, to damage it.
  std::string& contents(const std::string& file_name);

 private:
  friend struct FakeFile;
  friend struct FakeVfs;
  struct Change {
    std::int64_t offset = 0;
    std::string bytes;              // written there, or
    std::int64_t truncate_to = -1;  // the length it was cut to
  };
  struct File {
    std::string seen;             // as the program reads it
    std::string durable;          // as it certainly is on the disk
    std::vector<Change> pending;  // not synced yet
    bool exists_for_sure = false;
  };

  static void apply(const Change& change, std::string& contents);
  // Counts an operation; true: it must fail.
  bool fails(bool grows);

  std::string name_;
  std::unique_ptr<struct FakeVfs> layer_;
  std::map<std::string, std::shared_ptr<File>> files_;  // by file name without its folder
  int operations_ = 0;
  int fail_at_ = -1;
  Fault fault_ = Fault::kNone;
  bool dead_ = false, full_ = false;
};

}  // namespace headrace
