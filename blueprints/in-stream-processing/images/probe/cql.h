// Cassandra's native protocol (v4), as far as readiness and schema files need it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "wire.h"

namespace headrace::probe {

// The statements of a CQL text: split at `;` outside strings, quoted names, $$ bodies, comments and batches;
// without comments.
std::vector<std::string> split_statements(std::string_view text);

// ${NAME} and ${NAME:-otherwise} by the values of `value_of`; an error names the first that has none.
Outcome<std::string> fill_in(std::string_view text,
                             const std::function<const char*(const std::string&)>& value_of);

struct CqlError {
  int code = 0;  // Cassandra's error code; 0: the connection failed
  std::string message;
  // A repeat may succeed: the node is overloaded, starting, or too few replicas answered in time.
  bool passes_by_itself() const { return code == 0 || (code >= 0x1000 && code < 0x2000); }
};

class Cql {
 public:
  static Outcome<Cql> open(const Server& server, Deadline deadline);  // after STARTUP
  struct Answer {
    std::vector<std::vector<std::string>> rows;  // cells as they came; a null is empty
    bool schema_changed = false;
    std::string next_page;
  };
  std::expected<Answer, CqlError> query(std::string_view statement, const std::string& page = {});
  // True when all live nodes that this one knows have the same schema version.
  Outcome<bool> schema_agreed();
  Connection& connection() { return connection_; }

 private:
  explicit Cql(Connection connection) : connection_(std::move(connection)) {}
  std::expected<std::pair<int, Reader>, CqlError> call(int opcode, const Writer& body);
  Connection connection_;
};

// The node takes queries: one on system.local is answered.
Outcome<void> check_cassandra(const Server& server, Deadline deadline);

// Runs statements in order at QUORUM (LOCAL_ONE for schema does not matter); after a schema change waits
// until the nodes agree. What passes by itself is tried again, on the next server, until the deadline:
// statements must be idempotent. `on_row` gets each row of each SELECT as JSON. Gives the JSON of a step's
// result.
Outcome<std::string> run_cql(const std::vector<Server>& servers, const std::vector<std::string>& statements,
                             Deadline deadline, const std::function<void(const std::string&)>& on_row);

}  // namespace headrace::probe
