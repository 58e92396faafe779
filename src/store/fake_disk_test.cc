#include "store/fake_disk.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/result.h"

namespace headrace {

constexpr std::int64_t kSector = 512;

struct FakeFile : sqlite3_file {
  FakeDisk* disk;
  std::shared_ptr<FakeDisk::File> file;
};

// sqlite3_vfs with the methods that SQLite needs in exclusive locking mode: no shared memory.
struct FakeVfs : sqlite3_vfs {
  static FakeDisk& disk_of(sqlite3_vfs* vfs) { return *static_cast<FakeDisk*>(vfs->pAppData); }
  static FakeFile& of(sqlite3_file* file) { return *static_cast<FakeFile*>(file); }
  static std::string short_name(const char* path) {
    const std::string whole = path ? path : "";
    return whole.substr(whole.rfind('/') + 1);
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* raw, int flags, int* out_flags) {
    FakeDisk& disk = disk_of(vfs);
    raw->pMethods = nullptr;
    if (disk.dead_) return SQLITE_IOERR;
    std::shared_ptr<FakeDisk::File> file = std::make_shared<FakeDisk::File>();
    if (path) {
      auto& known = disk.files_[short_name(path)];
      if (!known && !(flags & SQLITE_OPEN_CREATE))
        return disk.files_.erase(short_name(path)), SQLITE_CANTOPEN;
      if (!known) known = file;
      file = known;
    }
    auto* opened = new (raw) FakeFile;
    opened->disk = &disk;
    opened->file = std::move(file);
    opened->pMethods = &methods();
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
  }

  static int remove(sqlite3_vfs* vfs, const char* path, int) {
    FakeDisk& disk = disk_of(vfs);
    if (disk.fails(false)) return SQLITE_IOERR_DELETE;
    return disk.files_.erase(short_name(path)) ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
  }
  static int access(sqlite3_vfs* vfs, const char* path, int, int* out) {
    *out = disk_of(vfs).files_.contains(short_name(path));
    return SQLITE_OK;
  }
  static int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
    return sqlite3_snprintf(size, out, "%s", path), SQLITE_OK;
  }

  static const sqlite3_io_methods& methods() {
    static const sqlite3_io_methods table = [] {
      sqlite3_io_methods m{};
      m.iVersion = 1;
      m.xClose = [](sqlite3_file* raw) { return of(raw).~FakeFile(), SQLITE_OK; };
      m.xRead = [](sqlite3_file* raw, void* to, int count, sqlite3_int64 offset) {
        const std::string& seen = of(raw).file->seen;
        const auto have = std::clamp<std::int64_t>(static_cast<std::int64_t>(seen.size()) - offset, 0, count);
        if (have > 0) std::memcpy(to, seen.data() + offset, static_cast<std::size_t>(have));
        std::memset(static_cast<char*>(to) + have, 0, static_cast<std::size_t>(count - have));
        return have == count ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
      };
      m.xWrite = [](sqlite3_file* raw, const void* from, int count, sqlite3_int64 offset) {
        FakeDisk::File& file = *of(raw).file;
        const bool grows = offset + count > static_cast<std::int64_t>(file.seen.size());
        if (of(raw).disk->fails(grows)) return of(raw).disk->full_ ? SQLITE_FULL : SQLITE_IOERR_WRITE;
        file.pending.push_back(
            {offset, std::string(static_cast<const char*>(from), static_cast<std::size_t>(count))});
        FakeDisk::apply(file.pending.back(), file.seen);
        return SQLITE_OK;
      };
      m.xTruncate = [](sqlite3_file* raw, sqlite3_int64 size) {
        if (of(raw).disk->fails(false)) return SQLITE_IOERR_TRUNCATE;
        of(raw).file->pending.push_back({.truncate_to = size});
        FakeDisk::apply(of(raw).file->pending.back(), of(raw).file->seen);
        return SQLITE_OK;
      };
      m.xSync = [](sqlite3_file* raw, int) {
        FakeDisk::File& file = *of(raw).file;
        const bool failed = of(raw).disk->fails(false);
        if (failed && of(raw).disk->dead_) return SQLITE_IOERR_FSYNC;
        // After a failed fsync Linux takes the pages for written: they stay readable and a later sync keeps
        // nothing of them.
        if (!failed) {
          for (const auto& change : file.pending) FakeDisk::apply(change, file.durable);
          file.exists_for_sure = true;
        }
        file.pending.clear();
        return failed ? SQLITE_IOERR_FSYNC : SQLITE_OK;
      };
      m.xFileSize = [](sqlite3_file* raw, sqlite3_int64* size) {
        return *size = static_cast<sqlite3_int64>(of(raw).file->seen.size()), SQLITE_OK;
      };
      m.xLock = [](sqlite3_file*, int) { return SQLITE_OK; };
      m.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
      m.xCheckReservedLock = [](sqlite3_file*, int* out) { return *out = 0, SQLITE_OK; };
      m.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
      m.xSectorSize = [](sqlite3_file*) { return static_cast<int>(kSector); };
      // None: neither atomic nor ordered writes are promised.
      m.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
      return m;
    }();
    return table;
  }
};

FakeDisk::FakeDisk() : layer_(std::make_unique<FakeVfs>()) {
  static std::atomic<int> count = 0;
  name_ = fmt::format("faulty-{}", ++count);
  sqlite3_initialize();
  const sqlite3_vfs* system = sqlite3_vfs_find(nullptr);
  FakeVfs& vfs = *layer_;
  static_cast<sqlite3_vfs&>(vfs) = {};
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(FakeFile);
  vfs.mxPathname = 512;
  vfs.zName = name_.c_str();
  vfs.pAppData = this;
  vfs.xOpen = FakeVfs::open;
  vfs.xDelete = FakeVfs::remove;
  vfs.xAccess = FakeVfs::access;
  vfs.xFullPathname = FakeVfs::full_path;
  vfs.xRandomness = system->xRandomness;
  vfs.xSleep = system->xSleep;
  vfs.xCurrentTime = system->xCurrentTime;
  vfs.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

FakeDisk::~FakeDisk() {
  sqlite3_vfs_unregister(layer_.get());
}

void FakeDisk::apply(const Change& change, std::string& contents) {
  if (change.truncate_to >= 0) {
    contents.resize(static_cast<std::size_t>(change.truncate_to));
    return;
  }
  const auto offset = static_cast<std::size_t>(change.offset);
  if (contents.size() < offset + change.bytes.size()) contents.resize(offset + change.bytes.size());
  contents.replace(offset, change.bytes.size(), change.bytes);
}

void FakeDisk::fail_at(int operation, Fault fault) {
  fail_at_ = operations_ + operation;
  fault_ = fault;
}

bool FakeDisk::fails(bool grows) {
  ++operations_;
  const bool now = operations_ == fail_at_;
  if (now && fault_ == Fault::kPowerCut) dead_ = true;
  if (now && fault_ == Fault::kFull) full_ = true;
  return dead_ || (full_ && grows) || (now && fault_ == Fault::kError);
}

std::string& FakeDisk::contents(const std::string& file_name) {
  auto& file = files_[file_name];
  CHECK(file != nullptr, "no such file on the faulty disk");
  return file->seen;
}

std::unique_ptr<FakeDisk> FakeDisk::after_power_loss(Random& random) const {
  auto found = std::make_unique<FakeDisk>();
  for (const auto& [name, file] : files_) {
    // A file that was never synced may have no entry in its folder yet.
    if (!file->exists_for_sure && random.chance(0.5)) continue;
    std::string contents = file->durable;
    const double kept = static_cast<double>(random.below(5)) / 4;
    for (const Change& change : file->pending) {
      if (change.truncate_to >= 0) {
        if (random.chance(kept)) apply(change, contents);
        continue;
      }
      // Sectors of one write reach the disk each for itself.
      for (std::int64_t at = 0; at < static_cast<std::int64_t>(change.bytes.size());) {
        const std::int64_t length = kSector - (change.offset + at) % kSector;
        Change sector{change.offset + at,
                      change.bytes.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(length))};
        if (random.chance(kept)) apply(sector, contents);
        at += length;
      }
    }
    found->files_[name] = std::make_shared<File>(File{contents, contents, {}, true});
  }
  return found;
}

}  // namespace headrace
