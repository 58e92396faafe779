// Checks of parts that speak HTTP or Redis' protocol.
#pragma once

#include <string>

#include "wire.h"

namespace headrace::probe {

struct HttpAnswer {
  int status = 0;
  std::string body;  // at most 1 MiB
};
Outcome<HttpAnswer> http_get(const Server& server, const std::string& path, Deadline deadline);

Outcome<void> check_http(const Server& server, const std::string& path, Deadline deadline);  // 200 to 399
Outcome<void> check_redis(const Server& server, Deadline deadline);      // loaded, takes commands
Outcome<void> check_spark_master(const Server& web, Deadline deadline);  // elected
Outcome<void> check_spark_worker(const Server& web, Deadline deadline);  // registered with its master

}  // namespace headrace::probe
