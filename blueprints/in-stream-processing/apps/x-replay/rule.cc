#include "rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace headrace::replay {
namespace {

constexpr size_t kMaxLength = 1024;
constexpr int kMaxDepth = 50;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '\'' || static_cast<unsigned char>(c) >= 0x80;
}

std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens;
  std::string token;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    const bool sign =
        (c == '#' || c == '@' || c == '$') && token.empty() && i + 1 < text.size() && in_word(text[i + 1]);
    if (in_word(c) || sign)
      token += lower(c);
    else if (!token.empty())
      tokens.push_back(std::exchange(token, {}));
  }
  return tokens;
}

}  // namespace

Subject::Subject(std::string_view text) : tokens(tokens_of(text)) {}

struct Rule::Node {
  enum class Kind { kAll, kAny, kNot, kPhrase, kFrom, kAlways, kNever, kPlace } kind;
  std::vector<std::shared_ptr<const Node>> parts;
  std::vector<std::string> phrase;
  bool stands_alone = false;  // X refuses rules without a positive standalone operator

  bool matches(const Subject& subject) const {
    const auto part = [&](const auto& node) { return node->matches(subject); };
    switch (kind) {
      case Kind::kAll: return std::ranges::all_of(parts, part);
      case Kind::kAny: return std::ranges::any_of(parts, part);
      case Kind::kNot: return !parts[0]->matches(subject);
      case Kind::kPhrase: return !std::ranges::search(subject.tokens, phrase).empty();
      case Kind::kFrom: return subject.user_name == phrase[0];
      case Kind::kAlways: return true;
      case Kind::kNever: return false;
      case Kind::kPlace: return subject.has_place;
    }
    return false;
  }
};

namespace {

using Node = Rule::Node;
using NodePtr = std::shared_ptr<const Node>;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<NodePtr> parse() {
    TRY(NodePtr root, any(0));
    skip_blanks();
    if (at_ < text_.size()) return wrong(fmt::format("extraneous input '{}'", text_[at_]));
    if (!root->stands_alone)
      return fail(Code::kInvalid, "Rules must contain at least one positive, standalone operator.");
    return root;
  }

 private:
  std::unexpected<Error> wrong(std::string_view what) const {
    return fail(Code::kInvalid, fmt::format("{} (at position {})", what, at_ + 1));
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool next_is_or() const {
    return text_.substr(at_, 2) == "OR" &&
           (at_ + 2 >= text_.size() || text_[at_ + 2] == ' ' || text_[at_ + 2] == '(');
  }

  static NodePtr join(Node::Kind kind, std::vector<NodePtr> parts) {
    if (parts.size() == 1) return parts[0];
    const auto alone = [](const NodePtr& part) { return part->stands_alone; };
    const bool stands =
        kind == Node::Kind::kAll ? std::ranges::any_of(parts, alone) : std::ranges::all_of(parts, alone);
    return std::make_shared<Node>(Node{.kind = kind, .parts = std::move(parts), .stands_alone = stands});
  }

  // AND binds closer than OR.
  Result<NodePtr> any(int depth) {
    if (depth > kMaxDepth) return wrong("the rule is nested too deeply");
    std::vector<NodePtr> parts;
    while (true) {
      TRY(NodePtr part, all(depth));
      parts.push_back(std::move(part));
      skip_blanks();
      if (!next_is_or()) return join(Node::Kind::kAny, std::move(parts));
      at_ += 2;
    }
  }

  Result<NodePtr> all(int depth) {
    std::vector<NodePtr> parts;
    for (skip_blanks(); at_ < text_.size() && text_[at_] != ')' && !next_is_or(); skip_blanks()) {
      TRY(NodePtr part, one(depth));
      parts.push_back(std::move(part));
    }
    if (parts.empty()) return wrong("no viable alternative at input");
    return join(Node::Kind::kAll, std::move(parts));
  }

  Result<NodePtr> one(int depth) {
    if (text_[at_] == '-') {
      ++at_;
      if (at_ >= text_.size() || text_[at_] == ' ' || text_[at_] == '-')
        return wrong("a term must follow '-'");
      TRY(NodePtr part, one(depth));
      return std::make_shared<Node>(Node{.kind = Node::Kind::kNot, .parts = {std::move(part)}});
    }
    if (text_[at_] == '(') {
      ++at_;
      TRY(NodePtr inner, any(depth + 1));
      if (at_ >= text_.size() || text_[at_] != ')') return wrong("missing ')'");
      ++at_;
      return inner;
    }
    if (text_[at_] == '"') {
      const size_t end = text_.find('"', at_ + 1);
      if (end == std::string_view::npos) return wrong("missing closing '\"'");
      const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      return phrase(inside);
    }
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != '(' && text_[at_] != ')' &&
           text_[at_] != '"')
      ++at_;
    const std::string_view term = text_.substr(begin, at_ - begin);
    const size_t colon = term.find(':');
    if (colon == std::string_view::npos) return phrase(term);
    return operation(term.substr(0, colon), term.substr(colon + 1));
  }

  Result<NodePtr> phrase(std::string_view text) {
    std::vector<std::string> tokens = tokens_of(text);
    if (tokens.empty()) return wrong(fmt::format("'{}' holds no word", text));
    return std::make_shared<Node>(
        Node{.kind = Node::Kind::kPhrase, .phrase = std::move(tokens), .stands_alone = true});
  }

  Result<NodePtr> operation(std::string_view name, std::string_view value) {
    if (value.empty()) return wrong(fmt::format("the operator '{}:' has no value", name));
    const auto node = [](Node::Kind kind, bool alone) {
      return std::make_shared<Node>(Node{.kind = kind, .stands_alone = alone});
    };
    if (name == "lang") return node(value == "en" ? Node::Kind::kAlways : Node::Kind::kNever, false);
    if (name == "from") {
      std::string user(value.starts_with('@') ? value.substr(1) : value);
      std::ranges::transform(user, user.begin(), lower);
      return std::make_shared<Node>(
          Node{.kind = Node::Kind::kFrom, .phrase = {std::move(user)}, .stands_alone = true});
    }
    if (name == "to" || name == "url" || name == "retweets_of" || name == "conversation_id" ||
        name == "context" || name == "entity" || name == "place" || name == "place_country")
      return node(Node::Kind::kNever, true);
    constexpr std::array kIs = {"retweet", "reply", "quote", "verified", "nullcast"};
    constexpr std::array kHas = {"links", "media", "images", "videos", "video_link", "cashtags"};
    if (name == "is" && std::ranges::find(kIs, value) != kIs.end()) return node(Node::Kind::kNever, false);
    if (name == "has" && std::ranges::find(kHas, value) != kHas.end()) return node(Node::Kind::kNever, false);
    if (name == "has" && value == "geo") return node(Node::Kind::kPlace, false);
    return wrong(fmt::format("Reference to invalid operator '{}:{}'", name, value));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<Rule> Rule::parse(std::string_view text) {
  if (text.empty()) return fail(Code::kInvalid, "The rule is empty.");
  if (text.size() > kMaxLength)
    return fail(Code::kInvalid, fmt::format("Rules must be less than {} characters.", kMaxLength));
  TRY(NodePtr root, Parser(text).parse());
  Rule rule;
  rule.root_ = std::move(root);
  return rule;
}

bool Rule::matches(const Subject& subject) const {
  return root_->matches(subject);
}

}  // namespace headrace::replay
