#include "http/router.h"

#include <gtest/gtest.h>

namespace headrace::http {
namespace {

class RouterTest : public testing::Test {
 protected:
  // Adds a route that answers with its own pattern and captures.
  void add(const char* method, const char* pattern) {
    router_.add(method, pattern, [pattern](const Request& request, const Responder& responder) {
      std::string text = pattern;
      for (const auto& [name, value] : request.params) text += " " + name + "=" + value;
      responder.respond(Response::text(200, text));
    });
  }
  Response ask(const char* method, std::string target) {
    Response answer{.status = 0};
    Request request{.method = method, .target = target, .path = target};
    router_.route(std::move(request), respond_to([&](Response response) { answer = std::move(response); }));
    return answer;
  }
  Router router_;
};

TEST_F(RouterTest, TheMostSpecificPatternWins) {
  add("GET", "/v2/apps/{id*}");
  add("GET", "/v2/apps/{id*}/versions/{version}");
  add("GET", "/v2/apps/{id*}/versions");
  add("GET", "/v2/apps");
  add("GET", "/v2/{kind}/list");
  EXPECT_EQ(ask("GET", "/v2/apps").body, "/v2/apps");
  EXPECT_EQ(ask("GET", "/v2/apps/a").body, "/v2/apps/{id*} id=a");
  EXPECT_EQ(ask("GET", "/v2/apps/a/b/c").body, "/v2/apps/{id*} id=a/b/c");
  EXPECT_EQ(ask("GET", "/v2/apps/a/b/versions").body, "/v2/apps/{id*}/versions id=a/b");
  EXPECT_EQ(ask("GET", "/v2/apps/a/b/versions/7").body, "/v2/apps/{id*}/versions/{version} id=a/b version=7");
  EXPECT_EQ(ask("GET", "/v2/apps/versions").body, "/v2/apps/{id*} id=versions");
  EXPECT_EQ(ask("GET", "/v2/x/list").body, "/v2/{kind}/list kind=x");
}

TEST_F(RouterTest, TrailingAndDoubledSlashesCountForNothing) {
  add("GET", "/v2/apps/{id*}/tasks");
  add("GET", "/");
  EXPECT_EQ(ask("GET", "/v2/apps//a/b/tasks/").body, "/v2/apps/{id*}/tasks id=a/b");
  EXPECT_EQ(ask("GET", "/").body, "/");
}

TEST_F(RouterTest, CapturesArriveDecodedAndAnEncodedSlashStaysInItsSegment) {
  add("GET", "/things/{name}");
  EXPECT_EQ(ask("GET", "/things/a%2Fb%20c?x=/y").body, "/things/{name} name=a/b c");
}

TEST_F(RouterTest, UnknownPathsAre404AndOtherMethods405WithAllow) {
  add("GET", "/a");
  add("POST", "/a");
  EXPECT_EQ(ask("GET", "/b").status, 404);
  EXPECT_EQ(ask("GET", "/b").headers.get("content-type"), "application/json");
  EXPECT_EQ(ask("DELETE", "/a").status, 405);
  EXPECT_EQ(ask("DELETE", "/a").headers.get("allow"), "GET, HEAD, POST");
  EXPECT_EQ(ask("HEAD", "/a").status, 200);
}

TEST_F(RouterTest, DotSegmentsAndBrokenEscapesAreRefused) {
  add("GET", "/files/{path*}");
  for (const char* target : {"/files/../etc", "/files/%2e%2e/etc", "/files/.", "/files/%zz"})
    EXPECT_EQ(ask("GET", target).status, 400) << target;
}

TEST_F(RouterTest, AFallbackTakesWhatNoPatternFits) {
  add("GET", "/a");
  router_.otherwise([](const Request& request, const Responder& responder) {
    responder.respond(Response::text(200, "page " + request.path));
  });
  EXPECT_EQ(ask("GET", "/anything").body, "page /anything");
  EXPECT_EQ(ask("PUT", "/a").status, 405);
}

TEST_F(RouterTest, APatternTwiceForOneMethodIsADefect) {
  add("GET", "/a/{x}");
  EXPECT_DEATH(add("GET", "/a/{y}"), "one handler");
}

}  // namespace
}  // namespace headrace::http
