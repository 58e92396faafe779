// /opt/probe: the checks and launch steps of the platform's images, as one static program that starts in a
// millisecond.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "cql.h"
#include "kafka.h"
#include "web.h"

namespace {
using namespace headrace::probe;
using Words = std::vector<std::string>;

constexpr const char* kUsage =
    R"(usage: probe [--timeout SECONDS] CHECK       exit code 0: passed; 1: not, with the reason on stderr; 64: wrong usage
  tcp [ADDRESS] PORT          something listens
  http URL | PORT[/path]      an answer with status 200 to 399
  kafka                       broker NODE_ID is registered, not fenced and knows a controller (PORT_CLIENT)
  kafka-controller            the quorum has a leader (PORT_CONTROLLER)
  kafka-replicated            every partition of the brokers SERVERS has all its replicas in sync
  cassandra                   a query is answered (PORT_CQL)
  redis                       PING is answered with PONG (PORT_REDIS)
  spark-master, spark-worker  elected; registered (PORT_WEB)
 and STEP, which asks again until it succeeds or its time (60 s) is over, and ends with a line ::result::{json}
  create-topics NAME:PARTITIONS[:REPLICATION][:key=value]…   on the brokers SERVERS; without a topic: those in TOPICS, separated
                              by spaces; REPLICATION is the default; repeating it only adds what is missing
  cql FILE… | -e STATEMENTS   on the nodes SERVERS (port: PORT_CQL where an entry has none); FILE - is stdin;
                              ${NAME} is filled in from the environment; rows are printed as JSON
PORT is a number or the name of a port, `web` for the variable PORT_WEB. The address is BIND_ADDRESS, or HOST if that is not set.
)";

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? value : "";
}

Outcome<std::string> needed(const std::string& name) {
  std::string value = variable(name);
  if (value.empty()) return trouble(name + " is not set in the environment");
  return value;
}

// A number as it is, a name by its variable.
Outcome<std::string> port_of(const std::string& word) {
  if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos) return word;
  std::string name = "PORT_";
  for (char c : word) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return needed(name);
}

// Where this container's own process listens. A process that listens on every address is asked on loopback.
Outcome<Server> own(const std::string& port) {
  GET(std::string number, port_of(port));
  std::string address = variable("BIND_ADDRESS");
  if (address.empty()) {
    GET(address, needed("HOST"));
  }
  if (address == "0.0.0.0") address = "127.0.0.1";
  if (address == "::") address = "::1";
  return Server{address, number};
}

Outcome<void> check_url(std::string word, Deadline deadline) {
  constexpr std::string_view kScheme = "http://";
  bool url = word.starts_with(kScheme);
  if (url) word.erase(0, kScheme.size());
  size_t slash = std::min(word.find('/'), word.size());
  std::string path = slash < word.size() ? word.substr(slash) : "/";
  std::string place = word.substr(0, slash);
  if (!url) {
    GET(Server server, own(place));
    return check_http(server, path, deadline);
  }
  GET(auto servers, parse_servers(place, "80"));
  return check_http(servers[0], path, deadline);
}

Outcome<void> check_port(const Words& words, Deadline deadline) {
  GET(Server server, own(words.back()));
  if (words.size() == 2) server.address = words[0];
  GET([[maybe_unused]] Connection connection, Connection::open(server, deadline));
  return {};
}

Outcome<void> step_topics(Words words, Deadline deadline) {
  GET(std::string list, needed("SERVERS"));
  GET(auto servers, parse_servers(list));
  if (words.empty()) {
    GET(std::string topics, needed("TOPICS"));
    for (char* word = std::strtok(topics.data(), " \t\n"); word != nullptr;
         word = std::strtok(nullptr, " \t\n"))
      words.emplace_back(word);
  }
  std::vector<TopicWish> wishes;
  for (const auto& word : words) {
    GET(TopicWish wish, parse_topic(word, std::atoi(variable("REPLICATION").c_str())));
    wishes.push_back(std::move(wish));
  }
  GET(std::string result, create_topics(servers, wishes, deadline));
  std::printf("::result::%s\n", result.c_str());
  return {};
}

Outcome<void> step_cql(const Words& words, Deadline deadline) {
  GET(std::string list, needed("SERVERS"));
  GET(auto servers, parse_servers(list, variable("PORT_CQL")));
  std::vector<std::string> statements;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string text;
    if (words[i] == "-e" && i + 1 < words.size()) {
      text = words[++i];
    } else {
      std::ifstream file(words[i] == "-" ? "/dev/stdin" : words[i]);
      if (!file) return trouble(words[i] + ": " + std::strerror(errno));
      text.assign(std::istreambuf_iterator<char>(file), {});
    }
    GET(std::string filled,
        fill_in(text, [](const std::string& name) -> const char* { return std::getenv(name.c_str()); }));
    for (auto& statement : split_statements(filled)) statements.push_back(std::move(statement));
  }
  GET(std::string result, run_cql(servers, statements, deadline,
                                  [](const std::string& row) { std::printf("%s\n", row.c_str()); }));
  std::printf("::result::%s\n", result.c_str());
  return {};
}

using Check = Outcome<void> (*)(const Server&, Deadline);
struct OwnCheck {
  const char* name;
  const char* port;
  Check check;
};
constexpr OwnCheck kOwnChecks[] = {{"kafka-controller", "controller", check_controller},
                                   {"cassandra", "cql", check_cassandra},
                                   {"redis", "redis", check_redis},
                                   {"spark-master", "web", check_spark_master},
                                   {"spark-worker", "web", check_spark_worker}};

// Nothing: no such check, or not with these words.
Outcome<bool> run(const std::string& name, const Words& words, Deadline deadline) {
  auto known = [](Outcome<void> outcome) -> Outcome<bool> {
    if (!outcome) return std::unexpected(std::move(outcome).error());
    return true;
  };
  if (name == "tcp" && (words.size() == 1 || words.size() == 2)) return known(check_port(words, deadline));
  if (name == "http" && words.size() == 1) return known(check_url(words[0], deadline));
  if (name == "create-topics") return known(step_topics(words, deadline));
  if (name == "cql" && !words.empty()) return known(step_cql(words, deadline));
  if (!words.empty()) return false;
  if (name == "kafka") {
    GET(Server server, own("client"));
    GET(std::string node, needed("NODE_ID"));
    return known(check_broker(server, std::atoi(node.c_str()), deadline));
  }
  if (name == "kafka-replicated") {
    GET(std::string list, needed("SERVERS"));
    GET(auto servers, parse_servers(list));
    return known(check_replicated(servers, deadline));
  }
  for (const auto& each : kOwnChecks) {
    if (name != each.name) continue;
    GET(Server server, own(each.port));
    return known(each.check(server, deadline));
  }
  return false;
}

}  // namespace

int main(int count, char** values) {
  std::signal(SIGPIPE, SIG_IGN);
  Words words(values + 1, values + count);
  double seconds = 0;
  if (words.size() >= 2 && words[0] == "--timeout") {
    seconds = std::atof(words[1].c_str());
    words.erase(words.begin(), words.begin() + 2);
  }
  std::string name = words.empty() ? "" : words[0];
  if (!words.empty()) words.erase(words.begin());
  if (seconds <= 0) seconds = name == "create-topics" || name == "cql" ? 60 : 2;
  auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  auto outcome = run(name, words, deadline);
  if (outcome && *outcome) return 0;
  if (outcome) {
    std::fputs(kUsage, stderr);
    return 64;
  }
  std::fprintf(stderr, "%s: %s\n", name.c_str(), outcome.error().c_str());
  return 1;
}
