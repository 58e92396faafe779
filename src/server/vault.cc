#include "server/vault.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <charconv>

namespace headrace::server {
namespace {

constexpr const char* kTable = "secrets";
constexpr size_t kNonceBytes = 12, kTagBytes = 16, kMaxValueBytes = 64 << 10;

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextFree>;

const unsigned char* bytes_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

std::string key_of(const std::string& name, int version) {
  return fmt::format("{}@{:08}", name, version);
}

Status check_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-/._";
  if (name.empty() || name.size() > 128 || name.find_first_not_of(kAllowed) != std::string::npos ||
      name.front() == '-' || name.front() == '/') {
    return fail(Code::kInvalid, fmt::format("\"{}\" is no name for a secret", name),
                "use at most 128 of a-z 0-9 - / . _, a letter or digit first");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Vault>> Vault::open(Store& store, Entropy& entropy, Secret key) {
  CHECK(key.reveal().size() == 32, "AES-256 needs 32 bytes");
  std::unique_ptr<Vault> vault(new Vault(store, entropy, std::move(key)));
  TRY(const auto entries, store.scan(kTable));
  for (const Entry& entry : entries) {
    const size_t at = entry.key.rfind('@');
    int version = 0;
    if (at == std::string::npos ||
        std::from_chars(entry.key.data() + at + 1, entry.key.data() + entry.key.size(), version).ec !=
            std::errc{}) {
      return fail(Code::kCorrupt, fmt::format("a stored secret has the unreadable key \"{}\"", entry.key));
    }
    if (auto opened = vault->open_sealed(entry.key, entry.value); !opened)
      return fail(std::move(opened).error());
    int& latest = vault->latest_[entry.key.substr(0, at)];
    latest = std::max(latest, version);
  }
  return vault;
}

std::string Vault::seal(const std::string& place, const Secret& value) const {
  std::string sealed = entropy_.bytes(kNonceBytes);
  const std::string& plain = value.reveal();
  std::string cipher(plain.size(), '\0'), tag(kTagBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int length = 0;
  // The place (name and version) is authenticated, so that a record cannot be put under another name.
  CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key_.reveal()),
                           bytes_of(sealed)) == 1);
  CHECK(EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(place), static_cast<int>(place.size())) ==
        1);
  CHECK(EVP_EncryptUpdate(context.get(), bytes_of(cipher), &length, bytes_of(plain),
                          static_cast<int>(plain.size())) == 1);
  CHECK(EVP_EncryptFinal_ex(context.get(), bytes_of(cipher) + length, &length) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1);
  return sealed + tag + cipher;
}

Result<Secret> Vault::open_sealed(const std::string& place, const std::string& sealed) const {
  const auto refuse = [&] {
    return fail(Code::kCorrupt, fmt::format("the stored secret \"{}\" does not open with this key", place),
                "start the server with the key file it was stored under (--key-file)");
  };
  if (sealed.size() < kNonceBytes + kTagBytes) return refuse();
  std::string tag = sealed.substr(kNonceBytes, kTagBytes);
  const std::string cipher = sealed.substr(kNonceBytes + kTagBytes);
  std::string plain(cipher.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool opened = EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key_.reveal()),
                                         bytes_of(sealed)) == 1 &&
                      EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(place),
                                        static_cast<int>(place.size())) == 1 &&
                      EVP_DecryptUpdate(context.get(), bytes_of(plain), &length, bytes_of(cipher),
                                        static_cast<int>(cipher.size())) == 1 &&
                      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
                      EVP_DecryptFinal_ex(context.get(), bytes_of(plain) + length, &length) == 1;
  if (!opened) return refuse();
  return Secret(std::move(plain));
}

Result<int> Vault::set(const std::string& name, const Secret& value) {
  TRY_STATUS(check_name(name));
  if (value.reveal().size() > kMaxValueBytes) {
    return fail(Code::kRefused, "a secret may have at most 64 KiB",
                "store a reference to larger data instead");
  }
  const std::scoped_lock lock(mutex_);
  const auto found = latest_.find(name);
  const int version = found == latest_.end() ? 1 : found->second + 1;
  const std::string key = key_of(name, version);
  TRY_STATUS(store_.apply({Write{kTable, key, seal(key, value)}}));
  latest_[name] = version;
  return version;
}

Result<int> Vault::ensure(const std::string& name, const std::function<Secret()>& make) {
  if (const auto version = latest_version(name)) return *version;
  return set(name, make());
}

Result<Secret> Vault::resolve(const SecretRef& ref) const {
  const std::string key = key_of(ref.name, ref.version);
  TRY(const auto sealed, store_.get(kTable, key));
  if (!sealed) {
    return fail(Code::kNotFound,
                fmt::format("there is no version {} of the secret \"{}\"", ref.version, ref.name),
                fmt::format("headrace secret set {}", ref.name));
  }
  return open_sealed(key, *sealed);
}

std::optional<int> Vault::latest_version(const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  const auto found = latest_.find(name);
  if (found == latest_.end()) return std::nullopt;
  return found->second;
}

Status Vault::remove(const std::string& name) {
  const std::scoped_lock lock(mutex_);
  const auto found = latest_.find(name);
  if (found == latest_.end()) return fail(Code::kNotFound, fmt::format("there is no secret \"{}\"", name));
  Store::Commit commit;
  for (int version = 1; version <= found->second; ++version) {
    commit.push_back({kTable, key_of(name, version), std::nullopt});
  }
  TRY_STATUS(store_.apply(std::move(commit)));
  latest_.erase(found);
  return {};
}

std::vector<Vault::Listed> Vault::list() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Listed> listed;
  for (const auto& [name, version] : latest_) listed.push_back({name, version});
  return listed;
}

}  // namespace headrace::server
