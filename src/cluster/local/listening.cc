#include "cluster/local/listening.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <fstream>
#include <sstream>

namespace headrace::cluster {
namespace {

constexpr std::string_view kListen = "0A";

std::string read(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

std::set<std::uint16_t> listening_ports(std::string_view table, std::string_view table6,
                                        const std::string& address) {
  in_addr wanted{};
  inet_pton(AF_INET, address.c_str(), &wanted);
  const std::string hex = fmt::format("{:08X}", wanted.s_addr);
  const std::string mapped = "0000000000000000FFFF0000" + hex;
  std::set<std::uint16_t> ports;
  for (const std::string_view each : {table, table6}) {
    std::istringstream lines{std::string(each)};
    std::string line, number, local, remote, state;
    std::getline(lines, line);  // headings
    while (std::getline(lines, line)) {
      std::istringstream(line) >> number >> local >> remote >> state;
      const size_t colon = local.find(':');
      if (state != kListen || colon == std::string::npos) continue;
      const std::string host = local.substr(0, colon);
      const bool all = host.find_first_not_of('0') == std::string::npos;
      if (all || host == hex || host == mapped) {
        ports.insert(static_cast<std::uint16_t>(std::stoi(local.substr(colon + 1), nullptr, 16)));
      }
    }
  }
  return ports;
}

std::set<std::uint16_t> listening_ports(const std::string& address) {
  return listening_ports(read("/proc/net/tcp"), read("/proc/net/tcp6"), address);
}

}  // namespace headrace::cluster
