#include "document/node.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <cmath>
#include <numeric>

#include "base/result.h"

namespace headrace::document {
namespace {

void write(const Node& node, int indent, std::string& out) {
  const auto line_break = [&](int depth) {
    if (indent >= 0) out += '\n' + std::string(static_cast<size_t>(depth) * 2, ' ');
  };
  const int inner = indent < 0 ? indent : indent + 1;
  switch (node.kind) {
    case Kind::kNull: out += "null"; return;
    case Kind::kBoolean: out += node.boolean ? "true" : "false"; return;
    case Kind::kInteger: out += fmt::format("{}", node.integer); return;
    case Kind::kNumber:
      // JSON has no infinity and no NaN: they are texts.
      out += std::isfinite(node.number) ? fmt::format("{}", node.number) : fmt::format("\"{}\"", node.number);
      return;
    case Kind::kString: out += boost::json::serialize(boost::json::string(node.text)); return;
    case Kind::kList: {
      out += '[';
      for (size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ',';
        line_break(inner);
        write(node.items[i], inner, out);
      }
      if (!node.items.empty()) line_break(indent);
      out += ']';
      return;
    }
    case Kind::kMap: {
      out += '{';
      for (size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ',';
        line_break(inner);
        out += boost::json::serialize(boost::json::string(node.items[i].key));
        out += indent < 0 ? ":" : ": ";
        write(node.items[i], inner, out);
      }
      if (!node.items.empty()) line_break(indent);
      out += '}';
      return;
    }
  }
}

// Levenshtein's distance with insert, delete, replace and swap of neighbours at cost 1 each.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = above;
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace

std::string_view word_of(Kind kind) {
  switch (kind) {
    case Kind::kNull: return "nothing";
    case Kind::kBoolean: return "a boolean";
    case Kind::kInteger: return "an integer";
    case Kind::kNumber: return "a number";
    case Kind::kString: return "a string";
    case Kind::kList: return "a list";
    case Kind::kMap: return "a map";
  }
  return "nothing";
}

Node Node::of(bool value) {
  return {.kind = Kind::kBoolean, .boolean = value, .text = value ? "true" : "false"};
}
Node Node::of(std::int64_t value) {
  return {.kind = Kind::kInteger,
          .integer = value,
          .number = static_cast<double>(value),
          .text = std::to_string(value)};
}
Node Node::of(double value) {
  return {.kind = Kind::kNumber, .number = value, .text = fmt::format("{}", value)};
}
Node Node::of(std::string_view value) {
  return {.kind = Kind::kString, .text = std::string(value), .style = Style::kQuoted};
}
Node Node::list() {
  return {.kind = Kind::kList};
}
Node Node::map() {
  return {.kind = Kind::kMap};
}
Node Node::list(std::vector<Node> items) {
  return {.kind = Kind::kList, .items = std::move(items)};
}
Node Node::map(std::vector<std::pair<std::string, Node>> members) {
  Node node{.kind = Kind::kMap};
  for (auto& [key, value] : members) node.set(std::move(key), std::move(value));
  return node;
}

const Node* Node::find(std::string_view name) const {
  if (kind != Kind::kMap) return nullptr;
  const auto found = std::ranges::find(items, name, &Node::key);
  return found == items.end() ? nullptr : &*found;
}

Node& Node::set(std::string name, Node value) {
  value.key = std::move(name);
  items.push_back(std::move(value));
  return items.back();
}

Place Node::place_of(size_t offset) const {
  if (place.line == 0) return place;
  const std::string_view before = std::string_view(text).substr(0, offset);
  const auto breaks = static_cast<int>(std::ranges::count(before, '\n'));
  Place result = place;
  if (style == Style::kBlock) {
    result.line += 1 + breaks;
    result.column = 1;
  } else if (breaks == 0) {
    result.column += static_cast<int>(offset) + (style == Style::kQuoted ? 1 : 0);
  }
  return result;
}

std::string to_json(const Node& node, bool indented) {
  std::string out;
  write(node, indented ? 0 : -1, out);
  return out;
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string* best = nullptr;
  size_t least = std::max<size_t>(1, name.size() / 3) + 1;  // farther than this is another word
  for (const std::string& candidate : candidates) {
    if (candidate.size() > name.size() + least || name.size() > candidate.size() + least) continue;
    if (const size_t d = distance(name, candidate); d < least) {
      least = d;
      best = &candidate;
    }
  }
  return best ? *best : std::string();
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  if (const std::string near = nearest(name, candidates); !near.empty()) {
    return fmt::format("did you mean \"{}\"?", near);
  }
  if (candidates.empty() || candidates.size() > 12) return {};
  return fmt::format("known here: {}", fmt::join(candidates, ", "));
}

}  // namespace headrace::document
