#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "cql.h"
#include "kafka.h"
#include "web.h"

namespace headrace::probe {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

Deadline soon() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(5);
}

// A server on loopback that takes one connection and answers each read with the next of its replies; without
// one it closes, or keeps silent when told so.
class FakeServer {
 public:
  explicit FakeServer(std::vector<std::string> replies, bool silent = false) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, replies = std::move(replies), silent] {
      int peer = accept(listener_, nullptr, nullptr);
      char bytes[4096];
      for (const auto& reply : replies) {
        ssize_t got = recv(peer, bytes, sizeof bytes, 0);
        if (got <= 0) break;
        received_.emplace_back(bytes, static_cast<size_t>(got));
        if (::send(peer, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
      }
      while (silent && recv(peer, bytes, sizeof bytes, 0) > 0) {
      }
      close(peer);
    });
  }
  ~FakeServer() {
    if (thread_.joinable()) thread_.join();
    close(listener_);
  }
  Server server() const { return {"127.0.0.1", port_}; }
  const std::vector<std::string>& received() {
    thread_.join();
    return received_;
  }

 private:
  int listener_ = -1;
  std::string port_;
  std::thread thread_;
  std::vector<std::string> received_;
};

std::string error_of(const Outcome<void>& outcome) {
  return outcome ? "" : outcome.error();
}

TEST(Wire, AReaderPastTheEndGivesNothingAndSaysSo) {
  Reader reader(
      std::string("\x00\x05"
                  "ab",
                  4));
  EXPECT_EQ(reader.string(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.i32(), 0);
}

TEST(Wire, ADamagedCountNeverExceedsTheBytes) {
  EXPECT_EQ(Reader(std::string("\x7f\xff\xff\xff", 4)).count(), 0);
}

TEST(Wire, ServersTakeTheGivenPortWhereTheyHaveNone) {
  auto servers = parse_servers("a:1,b,,c:3", "9");
  ASSERT_TRUE(servers);
  EXPECT_EQ(servers->size(), 3u);
  EXPECT_EQ((*servers)[1].text(), "b:9");
  EXPECT_THAT(parse_servers("a").error(), HasSubstr("no port"));
  EXPECT_THAT(parse_servers("").error(), HasSubstr("empty"));
}

TEST(Wire, ASilentServerEndsTheCheckAtTheDeadline) {
  FakeServer silent({}, true);
  auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(error_of(check_redis(silent.server(), begin + milliseconds(50))),
              HasSubstr("no answer in time"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST(Wire, AServerThatIsNotThereIsNamed) {
  EXPECT_THAT(error_of(check_redis({"127.0.0.1", "1"}, soon())),
              HasSubstr("127.0.0.1:1: Connection refused"));
}

TEST(Redis, PongPassesAndLoadingDoesNot) {
  FakeServer ready({"+PONG\r\n"});
  EXPECT_EQ(error_of(check_redis(ready.server(), soon())), "");
  FakeServer loading({"-LOADING Redis is loading the dataset in memory\r\n"});
  EXPECT_THAT(error_of(check_redis(loading.server(), soon())), HasSubstr("LOADING"));
}

TEST(Http, StatusesBelow400Pass) {
  FakeServer good({"HTTP/1.1 204 No Content\r\n\r\n"});
  EXPECT_EQ(error_of(check_http(good.server(), "/health", soon())), "");
  EXPECT_THAT(good.received()[0], HasSubstr("GET /health HTTP/1.0\r\n"));
  FakeServer bad({"HTTP/1.1 503 Unavailable\r\n\r\n"});
  EXPECT_THAT(error_of(check_http(bad.server(), "/", soon())), HasSubstr("503"));
  FakeServer other({"220 smtp\r\n"});
  EXPECT_THAT(error_of(check_http(other.server(), "/", soon())), HasSubstr("does not speak HTTP"));
}

std::string ok(std::string body) {
  return "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + body;
}

TEST(Spark, TheMastersOwnStatusCountsNotItsDrivers) {
  FakeServer standby({ok(R"({"completeddrivers":[{"status" : "ALIVE"}], "status" : "STANDBY"})")});
  EXPECT_THAT(error_of(check_spark_master(standby.server(), soon())), HasSubstr("STANDBY"));
  FakeServer alive({ok(R"({"activedrivers":[], "status" : "ALIVE"})")});
  EXPECT_EQ(error_of(check_spark_master(alive.server(), soon())), "");
}

TEST(Spark, AWorkerIsReadyOnceItHasAMaster) {
  FakeServer alone({ok(R"({"id":"worker-1", "masterurl" : "", "cores" : 2})")});
  EXPECT_THAT(error_of(check_spark_worker(alone.server(), soon())), HasSubstr("not registered"));
  FakeServer registered({ok(R"({"masterurl" : "spark://127.0.0.1:7077"})")});
  EXPECT_EQ(error_of(check_spark_worker(registered.server(), soon())), "");
}

std::string kafka_frame(const Writer& body, bool flexible = false) {
  Writer answer;
  answer.i32(1);  // the first correlation id
  if (flexible) answer.i8(0);
  answer.raw(body.bytes());
  return Writer().long_string(answer.bytes()).bytes();
}

Writer metadata(std::vector<int> brokers, int controller) {
  Writer body;
  body.i32(0).i32(static_cast<int64_t>(brokers.size()));
  for (int id : brokers) body.i32(id).string("127.0.0.1").i32(9092).i16(-1);
  body.string("cluster").i32(controller);
  body.i32(1).i16(0).string("tweets").i8(0).i32(1);                             // one topic of one partition
  return body.i16(0).i32(0).i32(101).i32(2).i32(101).i32(102).i32(1).i32(101);  // two replicas, one in sync
}

TEST(Kafka, ABrokerIsReadyOnceItIsAmongTheUnfenced) {
  FakeServer ready({kafka_frame(metadata({101, 102}, 102))});
  EXPECT_EQ(error_of(check_broker(ready.server(), 101, soon())), "");
  FakeServer fenced({kafka_frame(metadata({102}, 102))});
  EXPECT_THAT(error_of(check_broker(fenced.server(), 101, soon())), HasSubstr("still fenced"));
  FakeServer alone({kafka_frame(metadata({}, -1))});
  EXPECT_THAT(error_of(check_broker(alone.server(), 101, soon())), HasSubstr("no controller"));
}

TEST(Kafka, AReplicaOutOfSyncHoldsTheGate) {
  FakeServer server({kafka_frame(metadata({101}, 101))});
  EXPECT_THAT(error_of(check_replicated({server.server()}, soon())), HasSubstr("1 of 2 replicas in sync"));
}

TEST(Kafka, AnAnswerCutShortIsAnError) {
  FakeServer server({Writer().i32(8).i32(1).i32(0).bytes()});
  EXPECT_THAT(error_of(check_broker(server.server(), 101, soon())), HasSubstr("cut short"));
  FakeServer other({"HTTP/1.1 400 Bad Request\r\n\r\n"});
  EXPECT_THAT(error_of(check_broker(other.server(), 101, soon())), HasSubstr("does not speak Kafka"));
}

TEST(Kafka, AControllerIsReadyOnceItsQuorumHasALeader) {
  auto described = [](int leader) {
    return kafka_frame(Writer().i32(0).i16(0).i8(0).i8(2).i8(4).raw("abc").i32(leader).i8(1), true);
  };
  FakeServer leading({described(1)});
  EXPECT_EQ(error_of(check_controller(leading.server(), soon())), "");
  FakeServer electing({described(-1)});
  EXPECT_THAT(error_of(check_controller(electing.server(), soon())), HasSubstr("no leader"));
}

TEST(Kafka, TopicsAreReadFromOneWord) {
  auto wish = parse_topic("tweets:6:3:retention.ms=1000:cleanup.policy=compact", 1);
  ASSERT_TRUE(wish);
  EXPECT_EQ(wish->partitions, 6);
  EXPECT_EQ(wish->replication, 3);
  EXPECT_THAT(wish->config,
              ElementsAre(testing::Pair("cleanup.policy", "compact"), testing::Pair("retention.ms", "1000")));
  EXPECT_EQ(parse_topic("tweets:6:a=b", 2)->replication, 2);
  EXPECT_THAT(parse_topic("tweets:six", 1).error(), HasSubstr("expected NAME"));
  EXPECT_THAT(parse_topic("tweets:1:2:3", 1).error(), HasSubstr("expected NAME"));
  EXPECT_THAT(parse_topic("tweets:1", 0).error(), HasSubstr("no replication"));
}

std::string cql_frame(int opcode, const Writer& body, int flags = 0) {
  return Writer().i8(0x84).i8(flags).i16(0).i8(opcode).long_string(body.bytes()).bytes();
}

TEST(CqlText, SemicolonsInStringsCommentsNamesAndBatchesDoNotSplit) {
  EXPECT_THAT(split_statements("SELECT 'a;''b'; -- no; statement\nSELECT \"c;d\" /* ; */ ;; "
                               "BEGIN BATCH INSERT 1; INSERT 2; APPLY BATCH; $$ e;f $$ // end"),
              ElementsAre("SELECT 'a;''b'", "SELECT \"c;d\"", "BEGIN BATCH INSERT 1; INSERT 2; APPLY BATCH",
                          "$$ e;f $$"));
}

TEST(CqlText, VariablesAreFilledInOrNamed) {
  auto value_of = [](const std::string& name) { return name == "KEYSPACE" ? "social" : nullptr; };
  EXPECT_EQ(*fill_in("USE ${KEYSPACE}; ${RF:-1}", value_of), "USE social; 1");
  EXPECT_THAT(fill_in("${NONE}", value_of).error(), HasSubstr("${NONE}"));
}

TEST(Cassandra, ANodeIsReadyOnceItIsBootstrapped) {
  auto rows = [](std::string_view cell) {
    return cql_frame(8, Writer().i32(2).i32(4).i32(1).i32(1).long_string(cell));
  };
  FakeServer ready({cql_frame(2, Writer()), rows("COMPLETED")});
  EXPECT_EQ(error_of(check_cassandra(ready.server(), soon())), "");
  FakeServer joining({cql_frame(2, Writer()), rows("IN_PROGRESS")});
  EXPECT_THAT(error_of(check_cassandra(joining.server(), soon())), HasSubstr("not yet joined"));
  FakeServer failing({cql_frame(2, Writer()), cql_frame(0, Writer().i32(0x1001).string("overloaded"))});
  EXPECT_THAT(error_of(check_cassandra(failing.server(), soon())), HasSubstr("overloaded"));
  FakeServer closed({cql_frame(3, Writer().string("PasswordAuthenticator"))});
  EXPECT_THAT(error_of(check_cassandra(closed.server(), soon())), HasSubstr("password"));
}

TEST(Cassandra, SelectsAreAskedForAsJsonPageByPageAndWarningsSkipped) {
  Writer first;  // flags: more pages, no metadata
  first.i16(1).string("careful").i32(2).i32(0x06).i32(1).long_string("next").i32(1).long_string("{\"a\": 1}");
  FakeServer server({cql_frame(2, Writer()), cql_frame(8, first, 0x08),
                     cql_frame(8, Writer().i32(2).i32(4).i32(1).i32(1).long_string("{\"a\": 2}"))});
  std::vector<std::string> rows;
  auto result = run_cql({server.server()}, {"select a FROM t"}, soon(),
                        [&](const std::string& row) { rows.push_back(row); });
  EXPECT_EQ(result.value_or("failed"), R"({"statements":1,"rows":2})");
  EXPECT_THAT(rows, ElementsAre("{\"a\": 1}", "{\"a\": 2}"));
  EXPECT_THAT(server.received()[1], HasSubstr("SELECT JSON a FROM t"));
}

TEST(Cassandra, AWrongStatementFailsAtOnceAndAnOverloadIsTriedAgain) {
  FakeServer wrong(
      {cql_frame(2, Writer()), cql_frame(0, Writer().i32(0x2000).string("line 1:0 no viable alternative"))});
  auto result = run_cql({wrong.server()}, {"NONSENSE"}, soon(), [](const std::string&) {});
  EXPECT_THAT(result.error(), HasSubstr("no viable alternative in: NONSENSE"));

  FakeServer busy({cql_frame(2, Writer()), cql_frame(0, Writer().i32(0x1001).string("overloaded"))});
  FakeServer other({cql_frame(2, Writer()), cql_frame(8, Writer().i32(1))});
  result = run_cql({busy.server(), other.server()}, {"INSERT"}, soon(), [](const std::string&) {});
  EXPECT_EQ(result.value_or("failed"), R"({"statements":1,"rows":0})");
}

}  // namespace
}  // namespace headrace::probe
