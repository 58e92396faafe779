// One server per state folder: a lock of the kernel on the file `lock` in it, which goes with its process
// whatever ends it. The file holds the process id, for the message only.
#pragma once

#include <filesystem>
#include <utility>

#include "base/result.h"

namespace headrace {

class FolderLock {
 public:
  // Errors: kConflict, naming the process that holds it; kUnavailable.
  static Result<FolderLock> take(const std::filesystem::path& folder);

  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace headrace
