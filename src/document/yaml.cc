#include <fmt/format.h>
#include <re2/re2.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "document/node.h"

namespace headrace::document {
namespace {

// Thrown from yaml-cpp's event handler, whose interface knows no other way out; caught in read_yaml.
struct Stop {
  Error error;
};

[[noreturn]] void stop(Code code, Place place, std::string message, std::string remedy = {}) {
  throw Stop{{code, std::move(message), std::move(remedy), std::move(place), {}}};
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

// YAML 1.2.2 section 10.3.2 (core schema), applied to a plain scalar.
void resolve_plain(Node& node) {
  static const RE2 kInteger("[-+]?[0-9]+"), kOctal("[-+]?0[0-9]+|0o[0-7]+"), kHex("0x[0-9a-fA-F]+"),
      kNumber("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
      kNotFinite("[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)");
  const std::string& text = node.text;
  const auto parse = [&](std::string_view digits, int base) {
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), node.integer, base);
    if (error != std::errc{}) stop(Code::kInvalid, node.place, fmt::format("{} does not fit 64 bits", text));
    node.kind = Kind::kInteger;
    node.number = static_cast<double>(node.integer);
  };
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) {
    node.kind = Kind::kNull;
  } else if (is_one_of(text, {"true", "True", "TRUE"})) {
    node.kind = Kind::kBoolean;
    node.boolean = true;
  } else if (is_one_of(text, {"false", "False", "FALSE"})) {
    node.kind = Kind::kBoolean;
  } else if (RE2::FullMatch(text, kOctal)) {
    stop(Code::kInvalid, node.place, fmt::format("{} may be read as an octal number", text),
         "quote it if it is text, or write the number without its leading zero");
  } else if (RE2::FullMatch(text, kInteger)) {
    parse(text, 10);
  } else if (RE2::FullMatch(text, kHex)) {
    parse(std::string_view(text).substr(2), 16);
  } else if (RE2::FullMatch(text, kNumber)) {
    node.kind = Kind::kNumber;
    node.number = std::strtod(text.c_str(), nullptr);
    if (!std::isfinite(node.number)) {
      stop(Code::kInvalid, node.place, fmt::format("{} is too large a number", text));
    }
  } else if (RE2::FullMatch(text, kNotFinite)) {
    stop(Code::kInvalid, node.place, fmt::format("{} is not a finite number", text),
         "quote it if it is text");
  }
}

class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view source, const std::string& file, const Limits& limits)
      : source_(source), file_(file), limits_(limits) {}

  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(scalar(mark, ""), anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = scalar(mark, value);
    if (tag == "?") {
      resolve_plain(node);
    } else if (tag == "!") {
      node.kind = Kind::kString;
      const char first = mark.pos >= 0 && static_cast<size_t>(mark.pos) < source_.size()
                             ? source_[static_cast<size_t>(mark.pos)]
                             : '"';
      node.style = first == '|' || first == '>' ? Node::Style::kBlock : Node::Style::kQuoted;
    } else {
      refuse_tag(mark, tag);
    }
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      stop(Code::kInvalid, place_of(mark), "this alias stands inside the value that it names");
    }
    count(size_of(found->second), mark);
    Node copy = found->second;
    add(std::move(copy), 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::kList);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map that is being read; a map also remembers the key that waits for its value.
  struct Frame {
    Node node;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key;
    Place key_place = {};
    std::set<std::string> keys = {};
  };

  Place place_of(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  Node scalar(const YAML::Mark& mark, std::string text) {
    count(1, mark);
    Node node;
    node.kind = text.empty() ? Kind::kNull : Kind::kString;
    node.text = std::move(text);
    node.place = place_of(mark);
    return node;
  }

  // How many values' worth of memory a copy takes: a long text counts for several.
  static size_t size_of(const Node& node) {
    size_t size = 1 + (node.text.size() + node.key.size()) / 64;
    for (const Node& item : node.items) size += size_of(item);
    return size;
  }

  void count(size_t more, const YAML::Mark& mark) {
    nodes_ += more;
    if (nodes_ > limits_.nodes) {
      stop(Code::kRefused, place_of(mark), fmt::format("more than {} values", limits_.nodes));
    }
  }

  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    stop(Code::kInvalid, place_of(mark), fmt::format("the tag {} is not supported", tag),
         "leave it out; quote a value that is to be text");
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
    if (tag != "?" && tag != "!" && !tag.empty()) refuse_tag(mark, tag);
    count(1, mark);
    if (static_cast<int>(stack_.size()) >= limits_.depth) {
      stop(Code::kRefused, place_of(mark), fmt::format("nested deeper than {}", limits_.depth));
    }
    Node node;
    node.kind = kind;
    node.place = place_of(mark);
    stack_.push_back({std::move(node), anchor, false, {}, {}});
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    add(std::move(frame.node), frame.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == Kind::kMap && !frame.has_key) return take_key(frame, node);
    if (anchor != 0) anchors_[anchor] = node;
    node.key = std::exchange(frame.key, {});
    node.key_place = frame.key_place;
    frame.node.items.push_back(std::move(node));
    frame.has_key = false;
  }

  void take_key(Frame& frame, const Node& node) {
    if (!node.is_scalar()) stop(Code::kInvalid, node.place, "a key must be text, not a list or a map");
    if (node.text == "<<" && node.style == Node::Style::kPlain) {
      stop(Code::kInvalid, node.place, "merge keys (<<) are not supported", "write the fields out");
    }
    if (!frame.keys.insert(node.text).second) {
      const auto first = std::ranges::find(frame.node.items, node.text, &Node::key);
      stop(Code::kInvalid, node.place,
           fmt::format("the key \"{}\" is here twice; first at line {}", node.text, first->key_place.line));
    }
    frame.key = node.text;
    frame.key_place = node.place;
    frame.has_key = true;
  }

  std::string_view source_;
  const std::string& file_;
  const Limits& limits_;
  Node root_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t nodes_ = 0;
};

std::string_view line_of(std::string_view text, int line) {
  for (; line > 0 && !text.empty(); --line) {
    const size_t end = text.find('\n');
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// An unquoted expression is the usual cause: ": ", " #", "{" and "}" mean something to YAML.
std::string remedy_for(std::string_view text, int line) {
  for (const int near : {line, line - 1}) {
    if (near >= 0 && line_of(text, near).find("${{") != std::string_view::npos) {
      return "quote the value that holds ${{ … }}: key: \"${{ … }}\"";
    }
  }
  if (line_of(text, line).find('\t') != std::string_view::npos) return "indent with spaces, not tabs";
  return {};
}

}  // namespace

Result<Node> read_yaml(std::string_view text, std::string file, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return fail({Code::kRefused, fmt::format("larger than {} bytes", limits.bytes), {}, {file, 0, 0}, {}});
  }
  try {
    // yaml-cpp takes a quoted text that is never closed for closed at the end of the file, but not at "...".
    std::istringstream stream(std::string(text) + (text.ends_with('\n') ? "...\n" : "\n...\n"));
    YAML::Parser parser(stream);
    Builder builder(text, file, limits);
    parser.HandleNextDocument(builder);
    Node root = builder.take();
    if (root.is(Kind::kNull)) {
      return fail({Code::kInvalid, "the document is empty", {}, {std::move(file), 1, 1}, {}});
    }
    Builder second(text, file, limits);
    if (parser.HandleNextDocument(second)) {
      return fail(
          {Code::kInvalid, "more than one document", "keep one document in a file", second.take().place, {}});
    }
    return root;
  } catch (Stop& stopped) {
    return fail(std::move(stopped.error));
  } catch (const YAML::Exception& error) {
    Place place{std::move(file), error.mark.line + 1, error.mark.column + 1};
    const bool is_open = error.msg == YAML::ErrorMsg::DOC_IN_SCALAR;
    std::string message = is_open ? "a quoted text is never closed" : error.msg;
    return fail(
        {Code::kInvalid, std::move(message), remedy_for(text, error.mark.line), std::move(place), {}});
  }
}

}  // namespace headrace::document
