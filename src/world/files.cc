#include "world/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace headrace {
namespace {

namespace fs = std::filesystem;

Error error_of(std::string_view doing, const std::string& path, int number) {
  Error error{.message = fmt::format("cannot {} {}: {}", doing, path, std::strerror(number))};
  switch (number) {
    case ENOENT:
    case ENOTDIR: error.code = Code::kNotFound; break;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP: error.code = Code::kRefused; break;
    case ENOSPC:
    case EDQUOT:
      error.code = Code::kUnavailable;
      error.remedy = "free space on its disk";
      break;
    default: error.code = Code::kUnavailable;
  }
  return error;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  operator int() const { return number_; }

 private:
  int number_;
};

Status sync_folder(const std::string& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened < 0 || ::fsync(opened) != 0) return fail(error_of("sync", folder, errno));
  return {};
}

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

// The temporary file goes when anything fails before the rename.
Status write_new(const std::string& path, std::string_view contents, const Files::Access& access) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file < 0) return fail(error_of("create", path, errno));
  while (!contents.empty()) {
    const ssize_t n = ::write(file, contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(error_of("write", path, errno));
    contents.remove_prefix(static_cast<std::size_t>(n));
  }
  // Owner before mode: changing the owner clears set-id bits.
  if (access.owner && ::fchown(file, access.owner->user, access.owner->group) != 0)
    return fail(error_of("change the owner of", path, errno));
  if (::fchmod(file, access.mode) != 0) return fail(error_of("set the mode of", path, errno));
  if (::fsync(file) != 0) return fail(error_of("sync", path, errno));
  return {};
}

}  // namespace

Result<std::string> SystemFiles::read(const std::string& path, Bytes at_most) const {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file < 0) return fail(error_of("read", path, errno));
  std::string contents;
  char part[16384];
  while (true) {
    const ssize_t n = ::read(file, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(error_of("read", path, errno));
    if (n == 0) return contents;
    contents.append(part, static_cast<std::size_t>(n));
    if (std::cmp_greater(contents.size(), at_most.count))
      return fail(Code::kRefused, fmt::format("{} is larger than {}", path, to_text(at_most)));
  }
}

Status SystemFiles::write(const std::string& path, std::string_view contents, Access access) {
  const std::string folder = folder_of(path);
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());  // left by a crash
  if (auto written = write_new(fresh, contents, access); !written) {
    ::unlink(fresh.c_str());
    return written;
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    const int number = errno;
    ::unlink(fresh.c_str());
    return fail(error_of("put in place", path, number));
  }
  return sync_folder(folder);
}

Status SystemFiles::make_folder(const std::string& path, Access access) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(error_of("make the folder", path, error.value()));
  if (access.owner && ::chown(path.c_str(), access.owner->user, access.owner->group) != 0)
    return fail(error_of("change the owner of", path, errno));
  if (::chmod(path.c_str(), access.mode) != 0) return fail(error_of("set the mode of", path, errno));
  return sync_folder(folder_of(path));
}

Result<std::vector<std::string>> SystemFiles::list(const std::string& folder) const {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename());
  if (error) return fail(error_of("list", folder, error.value()));
  std::ranges::sort(names);
  return names;
}

bool SystemFiles::exists(const std::string& path) const {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

Status SystemFiles::remove(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return fail(error_of("remove", path, error.value()));
  return {};
}

Result<Files::Space> SystemFiles::space(const std::string& path) const {
  struct statvfs status{};
  if (::statvfs(path.c_str(), &status) != 0) return fail(error_of("measure", path, errno));
  const auto bytes = [&](auto blocks) { return Bytes{static_cast<std::int64_t>(blocks * status.f_frsize)}; };
  return Space{.total = bytes(status.f_blocks), .free = bytes(status.f_bavail)};
}

}  // namespace headrace
