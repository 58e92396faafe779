// Secrets: AES-256-GCM records in the store, with the key in a file outside the state folder.
// Values leave only through resolve(), to the cluster that puts them into files of a container.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "store/store.h"
#include "world/entropy.h"

namespace headrace::server {

class Vault {
 public:
  // key: 32 bytes. kCorrupt when a stored secret does not open with it (another key file, or damage).
  static Result<std::unique_ptr<Vault>> open(Store& store, Entropy& entropy, Secret key);

  // Stores a new version and returns its number, from 1. Names: [a-z0-9][a-z0-9-/.]{0,127}; values ≤ 64 KiB.
  Result<int> set(const std::string& name, const Secret& value);
  // Like set, but leaves a present one as it is and returns its latest version: for generated secrets.
  Result<int> ensure(const std::string& name, const std::function<Secret()>& make);
  Result<Secret> resolve(const SecretRef& ref) const;
  std::optional<int> latest_version(const std::string& name) const;
  Status remove(const std::string& name);
  struct Listed {
    std::string name;
    int version = 0;
  };
  std::vector<Listed> list() const;

 private:
  Vault(Store& store, Entropy& entropy, Secret key)
      : store_(store), entropy_(entropy), key_(std::move(key)) {}
  std::string seal(const std::string& place, const Secret& value) const;
  Result<Secret> open_sealed(const std::string& place, const std::string& sealed) const;

  Store& store_;
  Entropy& entropy_;
  Secret key_;
  mutable std::mutex mutex_;
  std::map<std::string, int> latest_;
};

}  // namespace headrace::server
