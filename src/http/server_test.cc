#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "http/client.h"

namespace headrace::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A socket spoken to by hand, for what a proper client never sends.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    CHECK(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const timeval longest{.tv_sec = 20};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
  }
  ~RawClient() { close(); }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  bool send(std::string_view text) {
    return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  // Reads until the text holds `until`, or the other side closes when empty.
  std::string read(std::string_view until = {}) {
    std::string text;
    char piece[4096];
    while (until.empty() || text.find(until) == std::string::npos) {
      const ssize_t n = ::recv(socket_, piece, sizeof piece, 0);
      if (n <= 0) break;
      text.append(piece, static_cast<size_t>(n));
    }
    return text;
  }
  void receive_buffer(int bytes) { ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes); }

 private:
  int socket_;
};

class ServerTest : public testing::Test {
 protected:
  void serve(ServerOptions options = {}) {
    router_.get("/hello/{name}", [](const Request& request, const Responder& responder) {
      responder.respond(Response::text(200, "hello " + request.param("name")));
    });
    router_.post("/echo", [](const Request& request, const Responder& responder) {
      responder.respond(Response::text(200, request.body));
    });
    router_.get("/peer", [](const Request& request, const Responder& responder) {
      responder.respond(Response::text(200, request.peer == Peer::kUnix ? "unix" : "tcp"));
    });
    server_ = std::make_unique<Server>(std::move(router_), std::move(options));
    port_ = server_->listen_tcp("127.0.0.1", 0).value();
    server_->start();
  }
  Client client() const { return Client::to("http://127.0.0.1:" + std::to_string(port_)).value(); }

  Router router_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(ServerTest, AnswersARequest) {
  serve({.headers = {{"Server", "headrace"}}});
  const auto answer = client().request("GET", "/hello/you?x=1");
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hello you");
  EXPECT_EQ(answer->headers.get("Server"), "headrace");
  EXPECT_FALSE(answer->headers.get("Date").empty());
}

TEST_F(ServerTest, ErrorsOfTheLibraryAreJson) {
  serve();
  const auto missing = client().request("GET", "/nothing");
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(missing->body, R"({"message":"There is nothing at /nothing."})");
  EXPECT_EQ(client().request("PUT", "/echo")->status, 405);
}

TEST_F(ServerTest, KeepsAConnectionAndAnswersPipelinedRequestsInOrder) {
  serve();
  RawClient raw(port_);
  raw.send(
      "GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "GET /hello/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string text = raw.read();
  const size_t a = text.find("hello a"), abc = text.find("abc"), b = text.find("hello b");
  EXPECT_LT(a, abc);
  EXPECT_LT(abc, b);
  EXPECT_NE(b, std::string::npos);
}

TEST_F(ServerTest, AHeadRequestGetsTheLengthWithoutTheBody) {
  serve();
  RawClient raw(port_);
  raw.send("HEAD /hello/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string text = raw.read();
  EXPECT_NE(text.find("Content-Length: 7"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\n"));
}

TEST_F(ServerTest, AMalformedRequestIs400) {
  serve();
  for (const char* text :
       {"nonsense\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"}) {
    RawClient raw(port_);
    raw.send(text);
    const std::string answer = raw.read();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << text << "\n" << answer;
    EXPECT_NE(answer.find(R"({"message":")"), std::string::npos);
  }
}

TEST_F(ServerTest, ABodyOverTheLimitIs413WithAJsonError) {
  serve({.max_body_bytes = 1000});
  EXPECT_EQ(client().request("POST", "/echo", {}, std::string(1000, 'x'))->status, 200);
  const auto announced = client().request("POST", "/echo", {}, std::string(3 << 20, 'x'));
  ASSERT_TRUE(announced) << announced.error().to_string();
  EXPECT_EQ(announced->status, 413);
  EXPECT_EQ(announced->body, R"({"message":"The body is larger than 1000 bytes."})");
  RawClient chunked(port_);
  chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
               std::string(2000, 'x') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(chunked.read("}").starts_with("HTTP/1.1 413 "));
}

TEST_F(ServerTest, HeadersAndAddressesHaveLimits) {
  serve({.max_header_bytes = 4000, .max_uri_bytes = 500});
  EXPECT_EQ(client().request("GET", "/hello/" + std::string(600, 'a'))->status, 414);
  EXPECT_EQ(client().request("GET", "/hello/a", {{"X-Big", std::string(5000, 'a')}})->status, 431);
  EXPECT_EQ(client().request("GET", "/hello/a", {{"X-Fine", std::string(3000, 'a')}})->status, 200);
}

TEST_F(ServerTest, ConnectionsHaveALimitAndItFreesAgain) {
  serve({.max_connections = 1});
  {
    RawClient first(port_);
    first.send("GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(first.read("hello a").find("200 OK"), std::string::npos);
    EXPECT_EQ(client().request("GET", "/hello/b")->status, 503);
  }
  for (int i = 0; i < 1000 && client().request("GET", "/hello/b")->status != 200; ++i)
    std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(client().request("GET", "/hello/b")->status, 200);
}

TEST_F(ServerTest, AClientThatSendsItsHeadersSlowlyIsCutOff) {
  serve({.header_timeout = milliseconds(150)});
  RawClient slow(port_);
  const auto begin = std::chrono::steady_clock::now();
  slow.send("GET /hello/a HTTP/1.1\r\n");
  std::thread drip([&] {
    for (int i = 0; i < 200 && slow.send("X: y\r\n"); ++i) std::this_thread::sleep_for(milliseconds(10));
  });
  EXPECT_EQ(slow.read(), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(2));
  drip.join();
}

TEST_F(ServerTest, ABodyThatNeverEndsIsCutOffAndOthersAreServedMeanwhile) {
  serve({.threads = 1, .body_timeout = milliseconds(150)});
  RawClient slow(port_);
  slow.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(client().request("GET", "/hello/a")->status, 200);
  EXPECT_EQ(slow.read(), "");
}

TEST_F(ServerTest, ExpectContinueIsAnsweredBeforeTheBody) {
  serve();
  RawClient raw(port_);
  raw.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(raw.read("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("ok");
  EXPECT_NE(raw.read("ok").find("200 OK"), std::string::npos);
}

TEST_F(ServerTest, AResponderMayAnswerLaterFromAnotherThreadAndOnlyOnce) {
  std::promise<Responder> taken;
  router_.get("/later", [&](const Request&, const Responder& responder) { taken.set_value(responder); });
  serve();
  auto answer = std::async([&] { return client().request("GET", "/later"); });
  Responder responder = taken.get_future().get();
  EXPECT_TRUE(responder.respond(Response::text(202, "now")));
  EXPECT_FALSE(responder.respond(Response::text(200, "again")));
  EXPECT_TRUE(responder.stream().is_closed());
  EXPECT_EQ(answer.get()->body, "now");
}

TEST_F(ServerTest, ARequestNobodyAnswersIs500) {
  router_.get("/forgotten", [](const Request&, const Responder&) {});
  router_.get("/throws", [](const Request&, const Responder&) { throw std::runtime_error("defect"); });
  serve();
  EXPECT_EQ(client().request("GET", "/forgotten")->status, 500);
  const auto thrown = client().request("GET", "/throws");
  EXPECT_EQ(thrown->status, 500);
  EXPECT_EQ(thrown->body.find("defect"), std::string::npos);
}

TEST_F(ServerTest, TheFilterRunsBeforeRouting) {
  router_.get("/who", [](const Request& request, const Responder& responder) {
    responder.respond(Response::text(200, request.principal));
  });
  serve({.filter = [](Request& request) -> std::optional<Response> {
    if (request.headers.get("Authorization") != "Bearer t") return Response::error(401, "Who are you?");
    request.principal = "t's owner";
    return std::nullopt;
  }});
  EXPECT_EQ(client().request("GET", "/unrouted")->status, 401);
  EXPECT_EQ(client().request("GET", "/who", {{"authorization", "Bearer t"}})->body, "t's owner");
}

TEST_F(ServerTest, AHeaderValueCannotAddHeaders) {
  router_.get("/x", [](const Request&, const Responder& responder) {
    responder.respond({.status = 200, .headers = {{"X-A", "a\r\nX-B: b"}}, .body = ""});
  });
  serve();
  const auto answer = client().request("GET", "/x");
  EXPECT_EQ(answer->headers.find("X-B"), nullptr);
}

TEST_F(ServerTest, AUnixSocketIsForItsOwnerOnlyAndAStaleOneIsReplaced) {
  const std::string path = testing::TempDir() + "headrace-http-" + std::to_string(::getpid()) + ".sock";
  {
    const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(stale);
  }
  Router router;
  router.get("/peer", [](const Request& request, const Responder& responder) {
    responder.respond(Response::text(200, request.peer == Peer::kUnix ? "unix" : "tcp"));
  });
  Server server(std::move(router));
  ASSERT_TRUE(server.listen_unix(path));
  server.start();
  struct stat mode{};
  ASSERT_EQ(::stat(path.c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0777, 0600U);
  EXPECT_EQ(Client::to("unix:" + path)->request("GET", "/peer")->body, "unix");
  Server second{Router()};
  EXPECT_EQ(second.listen_unix(path).error().code, Code::kConflict);
  server.stop();
  EXPECT_NE(::stat(path.c_str(), &mode), 0);
}

TEST_F(ServerTest, ATakenPortIsAConflict) {
  serve();
  Server second{Router()};
  EXPECT_EQ(second.listen_tcp("127.0.0.1", port_).error().code, Code::kConflict);
  EXPECT_EQ(second.listen_tcp("localhost.", 0).error().code, Code::kInvalid);
}

// --- streams ------------------------------------------------------------------------------------------

class StreamTest : public ServerTest {
 protected:
  // The stream that the next GET /events opens.
  EventStream opened() { return streams_.get_future().get(); }
  void serve_events(milliseconds heartbeat = seconds(10), size_t max_queued = 1 << 20,
                    ServerOptions options = {}) {
    router_.get("/events", [this, heartbeat, max_queued](const Request&, const Responder& responder) {
      streams_.set_value(responder.stream_events(heartbeat, max_queued));
    });
    serve(std::move(options));
  }
  std::promise<EventStream> streams_;
};

TEST_F(StreamTest, EventsArriveInOrderAndTheStreamEndsWhenClosed) {
  serve_events();
  std::promise<int> open;
  auto got = std::async([&] {
    std::vector<std::string> events;
    const Call call{.target = "/events", .on_open = [&](const Response& r) { open.set_value(r.status); }};
    const auto answer = client().stream_events(call, [&](const Event& event) {
      events.push_back(event.event + ":" + event.data + ":" + event.id);
      return true;
    });
    EXPECT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(answer->headers.get("content-type"), "text/event-stream");
    return events;
  });
  EventStream stream = opened();
  EXPECT_EQ(open.get_future().get(), 200);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(stream.send("tick", std::to_string(i), std::to_string(i)));
  stream.close();
  EXPECT_FALSE(stream.send("tick", "late"));
  EXPECT_EQ(got.get(), (std::vector<std::string>{"tick:0:0", "tick:1:1", "tick:2:2"}));
}

TEST_F(StreamTest, TheLastHandleClosesTheStream) {
  serve_events();
  auto got = std::async(
      [&] { return client().stream({.target = "/events"}, [](std::string_view) { return true; }); });
  EventStream stream = opened();
  stream.send("a", "b");
  stream = EventStream();
  streams_ = std::promise<EventStream>();
  EXPECT_TRUE(got.get());
}

TEST_F(StreamTest, AQuietStreamSendsHeartbeats) {
  serve_events(milliseconds(20));
  RawClient raw(port_);
  raw.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EventStream stream = opened();
  EXPECT_NE(raw.read(":\n\n").find(":\n\n"), std::string::npos);
}

TEST_F(StreamTest, AConsumerThatGoesAwayIsReported) {
  serve_events();
  std::promise<void> closed;
  auto raw = std::make_unique<RawClient>(port_);
  raw->send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EventStream stream = opened();
  stream.on_closed([&] { closed.set_value(); });
  raw->read("\r\n\r\n");
  raw.reset();
  EXPECT_EQ(closed.get_future().wait_for(seconds(10)), std::future_status::ready);
  EXPECT_TRUE(stream.is_closed());
  EXPECT_FALSE(stream.send("a", "b"));
}

TEST_F(StreamTest, ASlowConsumerIsDroppedAtTheBoundOfItsQueue) {
  serve_events(seconds(10), 64 << 10);
  RawClient slow(port_);
  slow.receive_buffer(4096);
  slow.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EventStream stream = opened();
  std::promise<void> closed;
  stream.on_closed([&] { closed.set_value(); });
  const std::string data(10'000, 'x');
  int sent = 0;
  while (sent < 100'000 && stream.send("big", data)) ++sent;
  EXPECT_LT(sent, 100'000);
  EXPECT_EQ(closed.get_future().wait_for(seconds(10)), std::future_status::ready);
  EXPECT_FALSE(slow.read().ends_with("0\r\n\r\n"));  // the cut does not look like a whole body
}

TEST_F(StreamTest, AnHttp10ClientGetsAStreamWithoutChunks) {
  serve_events();
  RawClient old(port_);
  old.send("GET /events HTTP/1.0\r\n\r\n");
  EventStream stream = opened();
  stream.send("a", "b");
  stream.close();
  const std::string text = old.read();
  EXPECT_EQ(text.find("chunked"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\nevent: a\ndata: b\n\n"));
}

TEST_F(StreamTest, StoppingTheServerEndsStreamsAndWaitingRequests) {
  std::promise<Responder> taken;
  router_.get("/later", [&](const Request&, const Responder& responder) { taken.set_value(responder); });
  serve_events();
  auto events = std::async(
      [&] { return client().stream({.target = "/events"}, [](std::string_view) { return true; }); });
  auto later = std::async([&] { return client().request("GET", "/later"); });
  EventStream stream = opened();
  Responder responder = taken.get_future().get();
  server_->stop();
  EXPECT_FALSE(events.get().has_value());
  EXPECT_EQ(later.get()->status, 503);
  EXPECT_TRUE(stream.is_closed());
  EXPECT_FALSE(responder.respond(Response::text(200, "late")));
  server_.reset();  // handles outlive the server
  EXPECT_FALSE(stream.send("a", "b"));
}

// --- client -------------------------------------------------------------------------------------------

TEST_F(StreamTest, TheClientStopsAStreamWhenItsCallbackHasEnough) {
  serve_events();
  auto got = std::async(
      [&] { return client().stream_lines({.target = "/events"}, [](std::string_view) { return false; }); });
  EventStream stream = opened();
  stream.send("a", "b");
  EXPECT_EQ(got.get()->status, 200);
}

TEST_F(StreamTest, TheClientCanBeCancelledFromAnotherThread) {
  serve_events();
  std::stop_source stop;
  auto got = std::async([&] {
    return client().stream({.target = "/events", .stop = stop.get_token()},
                           [](std::string_view) { return true; });
  });
  EventStream stream = opened();
  const Call shared{.target = "/hello/a", .stop = stop.get_token()};
  EXPECT_TRUE(client().request(shared));  // several calls may share it
  stop.request_stop();
  EXPECT_EQ(got.get().error().message, "The call was cancelled.");
  EXPECT_FALSE(client().request(shared).has_value());
}

TEST_F(StreamTest, TheClientEndsASilentStream) {
  serve_events();
  const auto got = client().stream({.target = "/events", .idle_timeout = milliseconds(50)},
                                   [](std::string_view) { return true; });
  EXPECT_EQ(got.error().code, Code::kTimeout);
}

TEST_F(StreamTest, ADeadlineForAWholeStreamEndsOneThatGoesOn) {
  serve_events();
  auto got = std::async([&] {
    return client().stream({.target = "/events", .timeout = milliseconds(300), .whole = true},
                           [](std::string_view) { return true; });
  });
  EventStream stream = opened();
  while (!stream.is_closed()) {  // until the client has gone
    if (stream.queued_bytes() == 0) stream.send("tick", "tock");
    std::this_thread::yield();
  }
  EXPECT_EQ(got.get().error().code, Code::kTimeout);
}

TEST_F(ServerTest, TheClientHasDeadlinesAndBounds) {
  std::promise<Responder> taken;
  router_.get("/never", [&](const Request&, const Responder& responder) { taken.set_value(responder); });
  serve();
  EXPECT_EQ(client().request("GET", "/never", {}, "", milliseconds(50)).error().code, Code::kTimeout);
  taken.get_future().get().respond(Response::text(200, ""));
  const Call bounded{
      .method = "POST", .target = "/echo", .body = std::string(100, 'x'), .max_body_bytes = 10};
  EXPECT_EQ(client().request(bounded).error().code, Code::kRefused);
  EXPECT_EQ(Client::to("http://127.0.0.1:1")->request("GET", "/").error().code, Code::kUnavailable);
  EXPECT_FALSE(Client::to("ftp://x"));
  EXPECT_FALSE(Client::to("http://x:y"));
}

TEST_F(ServerTest, AnAddressMayHoldAPathBeforeEveryTarget) {
  serve();
  const auto below = Client::to("http://127.0.0.1:" + std::to_string(port_) + "/hello/");
  EXPECT_EQ(below->request("GET", "/a")->body, "hello a");
}

TEST_F(ServerTest, AnEmptyAnswerHasNoBody) {
  router_.del("/x", [](const Request&, const Responder& responder) { responder.respond({.status = 204}); });
  serve();
  const auto answer = client().request("DELETE", "/x");
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(answer->headers.find("Content-Length"), nullptr);
}

TEST_F(ServerTest, ManyClientsAtOnceAreAllAnswered) {
  serve();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        if (const auto answer = client().request("POST", "/echo", {}, std::to_string(i));
            answer && answer->body == std::to_string(i))
          ++good;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
}

}  // namespace
}  // namespace headrace::http
