// What the command's exit code means; the table in docs/cli.md is checked against this one.
#pragma once

#include "base/result.h"

namespace headrace::cli {

enum class Exit {
  kDone = 0,
  kFailed = 1,   // what was asked for began and did not succeed
  kInvalid = 2,  // the command line, a file or a value is wrong
  kNotFound = 3,
  kConflict = 4,     // exists already, another operation runs, a plan is out of date
  kUnavailable = 5,  // no server, or it cannot work now
  kTimeout = 6,
  kRefused = 7,      // not allowed, or wrong token
  kUnsupported = 8,  // a feature this release does not have
};

constexpr Exit exit_of(Code code) {
  switch (code) {
    case Code::kInvalid: return Exit::kInvalid;
    case Code::kNotFound: return Exit::kNotFound;
    case Code::kConflict: return Exit::kConflict;
    case Code::kUnavailable: return Exit::kUnavailable;
    case Code::kTimeout: return Exit::kTimeout;
    case Code::kRefused:
    case Code::kUnauthorized: return Exit::kRefused;
    case Code::kUnsupported: return Exit::kUnsupported;
    case Code::kCorrupt:
    case Code::kInternal: return Exit::kFailed;
  }
  return Exit::kFailed;
}

}  // namespace headrace::cli
