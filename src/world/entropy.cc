#include "world/entropy.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "base/result.h"

namespace headrace {

std::uint64_t Entropy::seed() {
  const std::string random = bytes(sizeof(std::uint64_t));
  std::uint64_t value = 0;
  std::memcpy(&value, random.data(), sizeof value);
  return value;
}

std::string SystemEntropy::bytes(std::size_t count) {
  std::string out(count, '\0');
  for (std::size_t got = 0; got < count;) {
    const ssize_t n = getrandom(out.data() + got, count - got, 0);
    CHECK(n > 0 || errno == EINTR, "the kernel gives no random bytes");
    if (n > 0) got += static_cast<std::size_t>(n);
  }
  return out;
}

}  // namespace headrace
