#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <optional>
#include <set>

#include "document/node.h"

namespace headrace::document {
namespace {

namespace json = boost::json;

// Receives Boost.JSON's events. The parser is fed token by token (see read_json), so `here` is the place of
// the token at hand and `scalar` that of the last string, number or word.
struct Handler {
  static constexpr size_t max_object_size = SIZE_MAX;
  static constexpr size_t max_array_size = SIZE_MAX;
  static constexpr size_t max_key_size = SIZE_MAX;
  static constexpr size_t max_string_size = SIZE_MAX;

  struct Frame {
    Node node;
    std::string key;
    Place key_place = {};
    std::set<std::string> keys = {};
  };

  const Limits& limits;
  Place here;
  Place scalar;
  std::vector<Frame> stack;
  Node root;
  std::string text;
  size_t nodes = 0;
  std::optional<Error> refused;

  bool refuse(Code code, Place place, std::string message, json::error_code& ec) {
    refused = Error{code, std::move(message), {}, std::move(place), {}};
    ec = json::error::syntax;
    return false;
  }

  bool add(Node node, json::error_code& ec) {
    if (++nodes > limits.nodes) {
      return refuse(Code::kRefused, node.place, fmt::format("more than {} values", limits.nodes), ec);
    }
    if (stack.empty()) {
      root = std::move(node);
    } else {
      Frame& frame = stack.back();
      node.key = std::exchange(frame.key, {});
      node.key_place = frame.key_place;
      frame.node.items.push_back(std::move(node));
    }
    return true;
  }

  bool open(Kind kind) {
    Node node;
    node.kind = kind;
    node.place = here;
    stack.push_back({std::move(node), {}});
    return true;
  }
  bool close(json::error_code& ec) {
    Node node = std::move(stack.back().node);
    stack.pop_back();
    return add(std::move(node), ec);
  }
  bool add_scalar(Node node, json::error_code& ec) {
    node.place = scalar;
    return add(std::move(node), ec);
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return open(Kind::kMap); }
  bool on_object_end(size_t, json::error_code& ec) { return close(ec); }
  bool on_array_begin(json::error_code&) { return open(Kind::kList); }
  bool on_array_end(size_t, json::error_code& ec) { return close(ec); }
  bool on_key_part(json::string_view part, size_t, json::error_code&) {
    text += std::string_view(part);
    return true;
  }
  bool on_key(json::string_view part, size_t, json::error_code& ec) {
    text += std::string_view(part);
    Frame& frame = stack.back();
    if (!frame.keys.insert(text).second) {
      return refuse(Code::kInvalid, scalar, fmt::format("the key \"{}\" is here twice", text), ec);
    }
    frame.key = std::exchange(text, {});
    frame.key_place = scalar;
    return true;
  }
  bool on_string_part(json::string_view part, size_t, json::error_code&) {
    text += std::string_view(part);
    return true;
  }
  bool on_string(json::string_view part, size_t, json::error_code& ec) {
    text += std::string_view(part);
    return add_scalar(Node::of(std::string_view(std::exchange(text, {}))), ec);
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view, json::error_code& ec) {
    return add_scalar(Node::of(value), ec);
  }
  bool on_uint64(std::uint64_t value, json::string_view, json::error_code& ec) {
    return refuse(Code::kInvalid, scalar, fmt::format("{} does not fit a signed integer", value), ec);
  }
  bool on_double(double value, json::string_view, json::error_code& ec) {
    if (!std::isfinite(value)) return refuse(Code::kInvalid, scalar, "the number is too large", ec);
    return add_scalar(Node::of(value), ec);
  }
  bool on_bool(bool value, json::error_code& ec) { return add_scalar(Node::of(value), ec); }
  bool on_null(json::error_code& ec) { return add_scalar(Node(), ec); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

// The length of the token at the front of `text`; only as exact as needed to know where values begin: what is
// wrong with a token is the parser's word.
size_t token_length(std::string_view text) {
  const char first = text.front();
  if (first == '"') {
    for (size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        return i + 1;
      }
    }
    return text.size();
  }
  static constexpr std::string_view kAlone = "{}[],: \t\r\n";
  if (kAlone.find(first) != std::string_view::npos) return 1;
  return std::min(text.size(), text.find_first_of("{}[],:\" \t\r\n"));
}

}  // namespace

Result<Node> read_json(std::string_view text, std::string file, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return fail({Code::kRefused, fmt::format("larger than {} bytes", limits.bytes), {}, {file, 0, 0}, {}});
  }
  json::parse_options options;
  options.max_depth = static_cast<size_t>(limits.depth);
  const Place start{std::move(file), 1, 1};
  json::basic_parser<Handler> parser(options, Handler{.limits = limits, .here = start, .scalar = start});
  Handler& handler = parser.handler();
  json::error_code error;
  Place at = start;
  while (!text.empty() && !error) {
    const std::string_view token = text.substr(0, token_length(text));
    static constexpr std::string_view kNoScalar = "{}[],: \t\r\n";
    handler.here = at;
    const bool is_scalar = kNoScalar.find(token.front()) == std::string_view::npos;
    if (is_scalar) handler.scalar = at;
    const bool was_done = parser.done();
    parser.write_some(true, token.data(), token.size(), error);
    if (was_done && is_scalar) error = json::error::extra_data;
    if (error) break;
    if (token == "\n") {
      ++at.line;
      at.column = 1;
    } else {
      at.column += static_cast<int>(token.size());
    }
    text.remove_prefix(token.size());
  }
  if (!error) {
    handler.here = at;
    parser.write_some(false, "", 0, error);
  }
  if (handler.refused) return fail(std::move(*handler.refused));
  if (error == json::error::too_deep) {
    return fail({Code::kRefused, fmt::format("nested deeper than {}", limits.depth), {}, at, {}});
  }
  if (error) return fail({Code::kInvalid, "not JSON: " + error.message(), {}, at, {}});
  return std::move(handler.root);
}

}  // namespace headrace::document
