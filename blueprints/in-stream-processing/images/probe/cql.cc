#include "cql.h"

#include <strings.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <thread>

namespace headrace::probe {

namespace {
enum Opcode { kError = 0, kStartup = 1, kReady = 2, kAuthenticate = 3, kQuery = 7, kResult = 8 };
enum ResultKind { kRows = 2, kSchemaChange = 5 };
constexpr int kQuorum = 4;
constexpr int kSkipMetadata = 0x02, kPageSize = 0x04, kPagingState = 0x08;
constexpr int kHasMorePages = 0x02;
constexpr int kHasWarnings = 0x08;
constexpr int kRowsOfPage = 1000;
constexpr auto kPause = std::chrono::milliseconds(250);

bool starts_with_word(std::string_view text, std::string_view word) {
  return text.size() > word.size() && strncasecmp(text.data(), word.data(), word.size()) == 0 &&
         std::isspace(static_cast<unsigned char>(text[word.size()]));
}

bool ends_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && strncasecmp(text.end() - word.size(), word.data(), word.size()) == 0;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}
}  // namespace

std::vector<std::string> split_statements(std::string_view text) {
  std::vector<std::string> statements;
  std::string current;
  auto finish = [&] {
    if (auto body = trim(current); !body.empty()) statements.emplace_back(body);
    current.clear();
  };
  // From `at` up to and including the next `end`; to the end of the text if there is none.
  auto through = [&](size_t at, std::string_view end) {
    size_t found = text.find(end, at);
    return found == std::string_view::npos ? text.size() : found + end.size();
  };
  for (size_t at = 0; at < text.size();) {
    std::string_view two = text.substr(at, 2);
    size_t next = at + 1;
    bool comment = two == "--" || two == "//" || two == "/*";
    if (comment) {
      next = two == "/*" ? through(at + 2, "*/") : through(at, "\n");
    } else if (two == "$$") {
      next = through(at + 2, "$$");
    } else if (text[at] == '\'' || text[at] == '"') {
      next = through(at + 1, text.substr(at, 1));  // a doubled quote simply opens the next piece
    } else if (text[at] == ';') {
      std::string_view body = trim(current);
      if (starts_with_word(body, "BEGIN") && !ends_with_word(body, "APPLY BATCH")) {
        current += ';';
      } else {
        finish();
      }
      at = next;
      continue;
    }
    current += comment ? std::string_view("\n") : text.substr(at, next - at);
    at = next;
  }
  finish();
  return statements;
}

Outcome<std::string> fill_in(std::string_view text,
                             const std::function<const char*(const std::string&)>& value_of) {
  std::string out;
  for (;;) {
    size_t begin = text.find("${");
    size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
    if (end == std::string_view::npos) return out.append(text);
    std::string name(text.substr(begin + 2, end - begin - 2));
    size_t otherwise = name.find(":-");
    const char* value = value_of(name.substr(0, otherwise));
    if (value == nullptr && otherwise == std::string::npos)
      return trouble("${" + name + "} has no value in the environment");
    out.append(text.substr(0, begin)).append(value != nullptr ? value : name.substr(otherwise + 2));
    text.remove_prefix(end + 1);
  }
}

std::expected<std::pair<int, Reader>, CqlError> Cql::call(int opcode, const Writer& body) {
  auto lost = [](std::string reason) { return std::unexpected(CqlError{0, std::move(reason)}); };
  Writer frame;
  frame.i8(4).i8(0).i16(0).i8(opcode).long_string(body.bytes());
  if (auto sent = connection_.send(frame.bytes()); !sent) return lost(sent.error());
  auto head = connection_.read(9);
  if (!head) return lost(head.error());
  Reader header(std::move(*head));
  int version = static_cast<uint8_t>(header.i8());
  int flags = header.i8();
  header.i16();  // stream
  int kind = header.i8();
  int32_t size = header.i32();
  if (version < 0x81 || version > 0x86 || size < 0 || size > 256 << 20) {
    return lost(connection_.server().text() + ": does not speak CQL's protocol");
  }
  auto bytes = connection_.read(static_cast<size_t>(size));
  if (!bytes) return lost(bytes.error());
  Reader reader(std::move(*bytes));
  if (flags & kHasWarnings) {
    for (int left = reader.i16(); left > 0 && reader.ok(); --left) reader.string();
  }
  if (kind == kError) {
    int code = reader.i32();
    return std::unexpected(CqlError{code, reader.string()});
  }
  return std::pair(kind, std::move(reader));
}

Outcome<Cql> Cql::open(const Server& server, Deadline deadline) {
  GET(Connection connection, Connection::open(server, deadline));
  Cql cql(std::move(connection));
  auto answer = cql.call(kStartup, Writer().i16(1).string("CQL_VERSION").string("3.0.0"));
  if (!answer) return trouble(server.text() + ": " + answer.error().message);
  if (answer->first == kAuthenticate)
    return trouble(server.text() + ": asks for a password, which this program has none of");
  if (answer->first != kReady) return trouble(server.text() + ": unexpected answer to STARTUP");
  return cql;
}

std::expected<Cql::Answer, CqlError> Cql::query(std::string_view statement, const std::string& page) {
  Writer body;
  body.long_string(statement)
      .i16(kQuorum)
      .i8(kSkipMetadata | kPageSize | (page.empty() ? 0 : kPagingState))
      .i32(kRowsOfPage);
  if (!page.empty()) body.long_string(page);
  auto called = call(kQuery, body);
  if (!called) return std::unexpected(std::move(called).error());
  auto& [opcode, reader] = *called;
  Answer answer;
  if (opcode != kResult) return std::unexpected(CqlError{-1, "unexpected answer to a query"});
  int kind = reader.i32();
  answer.schema_changed = kind == kSchemaChange;
  if (kind != kRows) return answer;
  int flags = reader.i32();
  int columns = reader.i32();
  if (flags & kHasMorePages) answer.next_page = reader.bytes();
  for (int left = reader.count(); left > 0 && reader.ok(); --left) {
    auto& row = answer.rows.emplace_back();
    for (int cell = 0; cell < columns && reader.ok(); ++cell) row.push_back(reader.bytes());
  }
  return answer;
}

Outcome<bool> Cql::schema_agreed() {
  std::vector<std::string> versions;
  for (const char* table : {"system.local", "system.peers_v2"}) {
    auto answer = query(std::string("SELECT schema_version FROM ") + table);
    if (!answer) return trouble(answer.error().message);
    for (auto& row : answer->rows) {
      if (!row[0].empty()) versions.push_back(row[0]);
    }
  }
  return std::ranges::adjacent_find(versions, std::ranges::not_equal_to()) == versions.end();
}

Outcome<void> check_cassandra(const Server& server, Deadline deadline) {
  GET(Cql cql, Cql::open(server, deadline));
  auto answer = cql.query("SELECT bootstrapped FROM system.local");
  if (!answer) return trouble(server.text() + ": " + answer.error().message);
  if (answer->rows.empty() || answer->rows[0][0] != "COMPLETED") {
    return trouble(server.text() + ": answers, but has not yet joined its ring");
  }
  return {};
}

namespace {

std::string one_line(std::string_view statement) {
  std::string text(statement.substr(0, 120));
  std::ranges::replace(text, '\n', ' ');
  return text;
}

// SELECT gives cells in as many forms as CQL has types; SELECT JSON gives text.
std::string as_json(const std::string& statement) {
  constexpr std::string_view kSelect = "SELECT";
  if (!starts_with_word(statement, kSelect)) return statement;
  std::string_view rest = trim(std::string_view(statement).substr(kSelect.size()));
  return starts_with_word(rest, "JSON") ? statement : "SELECT JSON " + std::string(rest);
}

// One statement to its end on one connection. An error with code 0 or that passes by itself asks for another
// try.
std::expected<int64_t, CqlError> run_statement(Cql& cql, const std::string& statement, Deadline deadline,
                                               const std::function<void(const std::string&)>& on_row) {
  int64_t rows = 0;
  bool changed = false;
  std::string page;
  do {
    cql.connection().deadline = deadline;
    auto answer = cql.query(statement, page);
    if (!answer) return std::unexpected(std::move(answer).error());
    changed |= answer->schema_changed;
    page = std::move(answer->next_page);
    for (const auto& row : answer->rows) {
      ++rows;
      if (!row.empty()) on_row(row[0]);
    }
  } while (!page.empty());
  while (changed) {
    auto agreed = cql.schema_agreed();
    if (!agreed) return std::unexpected(CqlError{0, agreed.error()});
    if (*agreed) break;
    if (std::chrono::steady_clock::now() > deadline)
      return std::unexpected(CqlError{0, "the nodes do not agree on the schema"});
    std::this_thread::sleep_for(kPause);
  }
  return rows;
}

}  // namespace

Outcome<std::string> run_cql(const std::vector<Server>& servers, const std::vector<std::string>& statements,
                             Deadline deadline, const std::function<void(const std::string&)>& on_row) {
  size_t turn = 0;
  auto cql = Outcome<Cql>(trouble("not connected"));
  int64_t rows = 0;
  for (const std::string& statement : statements) {
    for (std::string shown;;) {
      std::string reason;
      if (!cql)
        cql = Cql::open(servers[turn++ % servers.size()],
                        std::min(deadline, std::chrono::steady_clock::now() + std::chrono::seconds(5)));
      if (cql) {
        auto done = run_statement(*cql, as_json(statement), deadline, on_row);
        if (done) {
          rows += *done;
          break;
        }
        reason = done.error().message;
        if (!done.error().passes_by_itself()) return trouble(reason + " in: " + one_line(statement));
        cql = trouble(reason);
      }
      reason = cql.error();
      if (std::chrono::steady_clock::now() + kPause > deadline)
        return trouble("time is over: " + reason + " in: " + one_line(statement));
      if (shown != reason) std::fprintf(stderr, "cql: %s; trying again\n", (shown = reason).c_str());
      std::this_thread::sleep_for(kPause);
    }
  }
  return "{\"statements\":" + std::to_string(statements.size()) + ",\"rows\":" + std::to_string(rows) + "}";
}

}  // namespace headrace::probe
