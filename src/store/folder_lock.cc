#include "store/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace headrace {

Result<FolderLock> FolderLock::take(const std::filesystem::path& folder) {
  const std::string path = folder / "lock";
  // Closed on exec: a child process must not keep the lock alive.
  FolderLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const auto problem = [&] {
    return fail(Code::kUnavailable, fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
  };
  if (lock.descriptor_ < 0) return problem();
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return problem();
    char text[32] = {};
    const bool named = ::pread(lock.descriptor_, text, sizeof text - 1, 0) > 0;
    const std::string holder = named ? fmt::format("process {}", std::atol(text)) : "another process";
    return fail(Code::kConflict,
                fmt::format("{} already serves the state folder {}", holder, folder.string()),
                "stop it, or give this server a state folder of its own");
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.descriptor_, 0) != 0 ||
      ::pwrite(lock.descriptor_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return problem();
  return lock;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace headrace
