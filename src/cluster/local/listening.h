// Which TCP ports of this machine are taken, from the kernel's tables.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace headrace::cluster {

// Ports in state LISTEN on this IPv4 address or on all addresses. table: /proc/net/tcp's text.
std::set<std::uint16_t> listening_ports(std::string_view table, std::string_view table6,
                                        const std::string& address);
// The same, read now.
std::set<std::uint16_t> listening_ports(const std::string& address);

}  // namespace headrace::cluster
