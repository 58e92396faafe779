#include "base/result.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace headrace {

std::string_view word_of(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not_found";
    case Code::kConflict: return "conflict";
    case Code::kUnsupported: return "unsupported";
    case Code::kUnauthorized: return "unauthorized";
    case Code::kRefused: return "refused";
    case Code::kUnavailable: return "unavailable";
    case Code::kTimeout: return "timeout";
    case Code::kCorrupt: return "corrupt";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

std::string Error::to_string() const {
  std::string text;
  if (!place.file.empty()) {
    text = place.line > 0 ? fmt::format("{}:{}:{}: ", place.file, place.line, place.column)
                          : fmt::format("{}: ", place.file);
  }
  text += message;
  for (const std::string& outer : context) text += fmt::format(" ({})", outer);
  if (!remedy.empty()) text += fmt::format("; {}", remedy);
  return text;
}

Error Error::within(std::string what) const& {
  Error wrapped = *this;
  wrapped.context.push_back(std::move(what));
  return wrapped;
}

Error Error::within(std::string what) && {
  context.push_back(std::move(what));
  return std::move(*this);
}

void check_failed(const char* condition, const char* file, int line, std::string_view message) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s %.*s\n", file, line, condition,
               static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace headrace
