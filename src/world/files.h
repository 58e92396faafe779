// Small files, behind an interface: what the server keeps beside its store (keys, secrets for containers,
// the command line's context). Not for state: that is the store's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace headrace {

struct FileOwner {
  unsigned user = 0;
  unsigned group = 0;
};

class Files {
 public:
  struct Access {
    unsigned mode = 0600;
    std::optional<FileOwner> owner;  // as this process, if not said
  };
  struct Space {
    Bytes total;
    Bytes free;  // for this user
  };

  virtual ~Files() = default;

  // The whole file. Errors: kNotFound, kRefused (more than `at_most`, or not ours to read), kUnavailable.
  virtual Result<std::string> read(const std::string& path, Bytes at_most = Bytes::mib(16)) const = 0;
  // Puts a file in place of the former one, whole or not at all, and durable when it returns. Readers of the
  // path see the old or the new contents. Errors: kNotFound (no such folder), kRefused, kUnavailable (disk
  // full).
  virtual Status write(const std::string& path, std::string_view contents, Access access) = 0;
  Status write(const std::string& path, std::string_view contents) { return write(path, contents, Access{}); }
  // Makes a folder and the missing ones above it; `access` goes to the last, also when it was there.
  virtual Status make_folder(const std::string& path, Access access) = 0;
  Status make_folder(const std::string& path) { return make_folder(path, Access{.mode = 0700}); }
  // Names in a folder, ascending. Errors: kNotFound.
  virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;
  virtual bool exists(const std::string& path) const = 0;
  // A file, or a folder with all in it; what is absent is no error. Symbolic links are removed, not followed.
  virtual Status remove(const std::string& path) = 0;
  // Of the file system that holds the path.
  virtual Result<Space> space(const std::string& path) const = 0;
};

class SystemFiles : public Files {
 public:
  using Files::make_folder;
  using Files::write;
  Result<std::string> read(const std::string& path, Bytes at_most = Bytes::mib(16)) const override;
  Status write(const std::string& path, std::string_view contents, Access access) override;
  Status make_folder(const std::string& path, Access access) override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  bool exists(const std::string& path) const override;
  Status remove(const std::string& path) override;
  Result<Space> space(const std::string& path) const override;
};

}  // namespace headrace
