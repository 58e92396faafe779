#include "api/access.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "api/json.h"

namespace headrace::api {
namespace {

// "127.0.0.1:8080" -> "127.0.0.1", "[::1]:80" -> "[::1]"
std::string_view name_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool is_loopback(std::string_view name) {
  return name == "localhost" || name == "[::1]" || name.starts_with("127.");
}

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

http::Filter access_filter(AccessRules rules) {
  return [rules = std::move(rules)](http::Request& request) -> std::optional<http::Response> {
    if (request.peer == http::Peer::kUnix) {
      request.principal = "local user";
      return std::nullopt;
    }
    const auto is_ours = [&](std::string_view name) {
      return is_loopback(name) || std::ranges::find(rules.hosts, name) != rules.hosts.end();
    };
    const std::string_view host = name_of(request.headers.get("Host"));
    if (!is_ours(host)) {
      return error_response({Code::kRefused, fmt::format("This server is not \"{}\"", host),
                             "call it by its address, or start it with --host-name"});
    }
    std::string_view origin = request.headers.get("Origin");
    if (!origin.empty()) {
      const size_t scheme = origin.find("://");
      if (scheme == std::string_view::npos || !is_ours(name_of(origin.substr(scheme + 3)))) {
        return error_response({Code::kRefused, "Pages of other sites may not call this server", {}});
      }
    }
    if (request.path == "/ping") return std::nullopt;
    constexpr std::string_view kScheme = "Bearer ";
    std::string_view given = request.headers.get("Authorization");
    if (!given.starts_with(kScheme) || rules.token.reveal().empty() ||
        !is_same(given.substr(kScheme.size()), rules.token.reveal())) {
      http::Response response = error_response(
          {Code::kUnauthorized, "No or a wrong token",
           "send \"Authorization: Bearer <token>\" with the token from the server's token file"});
      response.headers.set("WWW-Authenticate", "Bearer realm=\"headrace\"");
      return response;
    }
    request.principal = "token";
    return std::nullopt;
  };
}

}  // namespace headrace::api
