#include "backoff.h"

#include <gtest/gtest.h>

namespace headrace::source {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, ADroppedStreamIsOpenedAgainAtOnceUnlessItNeverLasts) {
  Backoff backoff;
  EXPECT_EQ(backoff.after_drop(1h), 0ms);
  EXPECT_EQ(backoff.after_drop(1h), 0ms);
  EXPECT_EQ(backoff.after_drop(10ms), 0ms);
  EXPECT_EQ(backoff.after_drop(10ms), 250ms);
  EXPECT_EQ(backoff.after_drop(10ms), 500ms);
  EXPECT_EQ(backoff.after_drop(1h), 0ms);
}

TEST(Backoff, NetworkErrorsWaitLinearlyUpToSixteenSeconds) {
  Backoff backoff;
  EXPECT_EQ(backoff.after_network_error(), 250ms);
  EXPECT_EQ(backoff.after_network_error(), 500ms);
  for (int i = 0; i < 100; ++i) backoff.after_network_error();
  EXPECT_EQ(backoff.after_network_error(), 16s);
}

TEST(Backoff, HttpErrorsDoubleFromFiveSecondsAndLimitsFromAMinute) {
  Backoff backoff;
  EXPECT_EQ(backoff.after_http_status(503), 5s);
  EXPECT_EQ(backoff.after_http_status(502), 10s);
  EXPECT_EQ(backoff.after_http_status(401), 20s);
  EXPECT_EQ(backoff.after_http_status(429), 1min);
  EXPECT_EQ(backoff.after_http_status(429), 2min);
  for (int i = 0; i < 100; ++i) backoff.after_http_status(503);
  EXPECT_EQ(backoff.after_http_status(503), 320s);
  for (int i = 0; i < 100; ++i) backoff.after_http_status(429);
  EXPECT_EQ(backoff.after_http_status(429), 16min);
}

}  // namespace
}  // namespace headrace::source
