// How long to wait before the next connection, as X's documentation asks ("Handling disconnections"):
// at once after an established stream dropped; then by the kind of failure, network errors linearly by 250 ms
// to 16 s, HTTP errors doubling from 5 s to 320 s, 429 doubling from one minute.
#pragma once

#include <algorithm>
#include <chrono>

namespace headrace::source {

class Backoff {
 public:
  using Wait = std::chrono::milliseconds;
  // scale < 1 makes tests quick.
  explicit Backoff(double scale = 1) : scale_(scale) {}

  // A stream was open for some time and ended. One that ends at once, again and again, counts as a network
  // error.
  Wait after_drop(std::chrono::milliseconds open_for) {
    if (open_for >= std::chrono::seconds(1) || attempts_ == 0) {
      attempts_ = open_for >= std::chrono::seconds(1) ? 0 : 1;
      kind_ = Kind::kNone;
      return Wait(0);
    }
    return after_network_error();
  }
  Wait after_network_error() { return scaled(std::min(count(Kind::kNetwork) * Wait(250), Wait(16'000))); }
  // status 0 never occurs: no answer is a network error.
  Wait after_http_status(int status) {
    const bool limited = status == 429;
    const int doublings = std::min(count(limited ? Kind::kLimited : Kind::kHttp) - 1, 10);
    return scaled(std::min((limited ? Wait(60'000) : Wait(5'000)) * (1 << doublings),
                           limited ? Wait(960'000) : Wait(320'000)));
  }

 private:
  enum class Kind { kNone, kNetwork, kHttp, kLimited };
  int count(Kind kind) {
    attempts_ = kind == kind_ ? attempts_ + 1 : 1;
    kind_ = kind;
    return attempts_;
  }
  Wait scaled(Wait wait) const { return std::chrono::duration_cast<Wait>(wait * scale_); }

  double scale_;
  Kind kind_ = Kind::kNone;
  int attempts_ = 0;
};

}  // namespace headrace::source
