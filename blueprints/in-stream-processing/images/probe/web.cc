#include "web.h"

#include <algorithm>
#include <cstdlib>

namespace headrace::probe {

Outcome<HttpAnswer> http_get(const Server& server, const std::string& path, Deadline deadline) {
  GET(Connection connection, Connection::open(server, deadline));
  DO(connection.send("GET " + path + " HTTP/1.0\r\nHost: " + server.text() +
                     "\r\nConnection: close\r\n\r\n"));
  GET(std::string status, connection.read_line());
  if (!status.starts_with("HTTP/1.") || status.size() < 12)
    return trouble(server.text() + ": does not speak HTTP");
  HttpAnswer answer{.status = std::atoi(status.substr(9, 3).c_str())};
  std::string rest;
  while (rest.size() < 1 << 20) {
    GET(std::string more, connection.read_some());
    if (more.empty()) break;
    rest += more;
  }
  size_t head = rest.find("\r\n\r\n");
  if (head != std::string::npos) answer.body = rest.substr(head + 4);
  return answer;
}

Outcome<void> check_http(const Server& server, const std::string& path, Deadline deadline) {
  GET(HttpAnswer answer, http_get(server, path, deadline));
  if (answer.status < 200 || answer.status >= 400) {
    return trouble(server.text() + path + ": answers with status " + std::to_string(answer.status));
  }
  return {};
}

Outcome<void> check_redis(const Server& server, Deadline deadline) {
  GET(Connection connection, Connection::open(server, deadline));
  DO(connection.send("PING\r\n"));
  GET(std::string line, connection.read_line());
  if (line != "+PONG") return trouble(server.text() + ": answers PING with " + line);
  return {};
}

namespace {

// The text value of the first `"key" : "value"` in Spark's JSON page; empty if there is none.
std::string text_of(const std::string& json, const std::string& key) {
  size_t at = json.find("\"" + key + "\"");
  if (at == std::string::npos) return {};
  at = json.find_first_not_of(" \t\r\n:", at + key.size() + 2);
  if (at == std::string::npos || json[at] != '"') return {};
  size_t end = std::min(json.find('"', at + 1), json.size());
  return json.substr(at + 1, end - at - 1);
}

Outcome<std::string> spark_page(const Server& web, Deadline deadline) {
  GET(HttpAnswer answer, http_get(web, "/json/", deadline));
  if (answer.status != 200)
    return trouble(web.text() + "/json/: answers with status " + std::to_string(answer.status));
  return answer.body;
}

}  // namespace

Outcome<void> check_spark_master(const Server& web, Deadline deadline) {
  GET(std::string page, spark_page(web, deadline));
  size_t last =
      page.rfind("\"status\"");  // applications have a status too, drivers as well; the master's comes last
  std::string status = last == std::string::npos ? "" : text_of(page.substr(last), "status");
  if (status != "ALIVE")
    return trouble("the master is " + (status.empty() ? "in no known state" : status) + ", not ALIVE");
  return {};
}

Outcome<void> check_spark_worker(const Server& web, Deadline deadline) {
  GET(std::string page, spark_page(web, deadline));
  if (!text_of(page, "masterurl").starts_with("spark://"))
    return trouble("the worker is not registered with a master yet");
  return {};
}

}  // namespace headrace::probe
