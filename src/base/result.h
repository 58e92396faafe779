// Errors as values. Every fallible function of Headrace returns Result<T>; broken invariants end the
// process through CHECK. See docs/architecture.md, "Errors are values".
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace {

// What kind of thing went wrong; decides HTTP statuses and exit codes in one place each
// (api/http_status.h, cli/exit_codes.h).
enum class Code {
  kInvalid,       // the caller's input is wrong: what and where is in the message
  kNotFound,      // the named thing does not exist
  kConflict,      // the thing exists already, is owned by another, or has moved on
  kUnsupported,   // a documented feature that this release does not have; message names it
  kUnauthorized,  // no or wrong credentials
  kRefused,       // a policy or a bound forbids it
  kUnavailable,   // a dependency (Docker Engine, store, server) does not answer now
  kTimeout,       // a deadline passed
  kCorrupt,       // stored data cannot be read
  kInternal,      // a defect of ours
};

// The stable lower-case word for a code, as shown in API answers ("not_found").
std::string_view word_of(Code code);

// A position in a file a person wrote. line and column count from 1; 0 means unknown.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
  bool operator==(const Place&) const = default;
};

struct Error {
  Code code = Code::kInternal;
  std::string message;               // one sentence, no trailing newline
  std::string remedy;                // what the reader can do, or empty
  Place place;                       // where in an input, if known
  std::vector<std::string> context;  // outermost last: "while reading blueprint.yaml"

  // "file:3:7: message (while …); remedy" on one line.
  std::string to_string() const;
  // The same error with one more enclosing context.
  Error within(std::string what) const&;
  Error within(std::string what) &&;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Code code, std::string message, std::string remedy = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(remedy), {}, {}});
}
inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

[[noreturn]] void check_failed(const char* condition, const char* file, int line, std::string_view message);

}  // namespace headrace

#define HEADRACE_CONCAT_INNER(a, b) a##b
#define HEADRACE_CONCAT(a, b) HEADRACE_CONCAT_INNER(a, b)

// TRY(auto x, expression): declares x from the value, or returns the error to the caller.
#define TRY(declaration, ...)                                                   \
  auto HEADRACE_CONCAT(try_, __LINE__) = (__VA_ARGS__);                         \
  if (!HEADRACE_CONCAT(try_, __LINE__))                                         \
    return std::unexpected(std::move(HEADRACE_CONCAT(try_, __LINE__)).error()); \
  declaration = *std::move(HEADRACE_CONCAT(try_, __LINE__))

// TRY_STATUS(expression): returns the error of a Status to the caller.
#define TRY_STATUS(...) \
  if (auto try_status = (__VA_ARGS__); !try_status) return std::unexpected(std::move(try_status).error())

// The same two inside a coroutine.
#define CO_TRY(declaration, ...)                                                   \
  auto HEADRACE_CONCAT(try_, __LINE__) = (__VA_ARGS__);                            \
  if (!HEADRACE_CONCAT(try_, __LINE__))                                            \
    co_return std::unexpected(std::move(HEADRACE_CONCAT(try_, __LINE__)).error()); \
  declaration = *std::move(HEADRACE_CONCAT(try_, __LINE__))
#define CO_TRY_STATUS(...) \
  if (auto try_status = (__VA_ARGS__); !try_status) co_return std::unexpected(std::move(try_status).error())

// An invariant: ends the process with the place when it does not hold, in every build.
#define CHECK(condition, ...) \
  ((condition) ? void(0) : ::headrace::check_failed(#condition, __FILE__, __LINE__, "" __VA_ARGS__))
