// The grammar of CEL (langdef.md, "Syntax"): a lexer that is asked for one token at a time, and a parser by
// recursive descent with one function per level of precedence.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "expression/expression.h"

namespace headrace::expression {
namespace {

struct Token {
  enum class Kind { kEnd, kName, kQuotedName, kInt, kUint, kDouble, kString, kBytes, kSymbol };
  Kind kind = Kind::kEnd;
  std::string text;  // name, symbol, or the unescaped content
  Value value;       // of a literal
  size_t offset = 0;
  size_t end = 0;
};

// Thrown inside this file only: recursive descent without it checks for failure after every call.
struct SyntaxError {
  Problem problem;
};

[[noreturn]] void stop(size_t offset, std::string message, std::string remedy = {}) {
  throw SyntaxError{{offset, std::move(message), std::move(remedy)}};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name(char c) {
  return is_name_start(c) || is_digit(c);
}

class Lexer {
 public:
  Lexer(std::string_view source, size_t offset) : source_(source), at_(offset) {}

  Token next() {
    skip_space();
    Token token;
    token.offset = at_;
    if (at_ < source_.size()) read(token);
    token.end = at_;
    return token;
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  std::string_view rest() const { return source_.substr(at_); }

  void skip_space() {
    while (at_ < source_.size()) {
      if (rest().starts_with("//")) {
        at_ = std::min(source_.size(), source_.find('\n', at_));
      } else if (std::string_view(" \t\r\n\f").find(peek()) != std::string_view::npos) {
        ++at_;
      } else {
        return;
      }
    }
  }

  void read(Token& token) {
    const char c = peek();
    if (size_t prefix = string_prefix(); prefix != std::string_view::npos) return read_string(token, prefix);
    if (is_name_start(c)) {
      token.kind = Token::Kind::kName;
      while (is_name(peek())) token.text += source_[at_++];
    } else if (c == '`') {
      const size_t end = source_.find('`', at_ + 1);
      if (end == std::string_view::npos) stop(at_, "a name in backquotes is not closed");
      token.kind = Token::Kind::kQuotedName;
      token.text = source_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      read_number(token);
    } else {
      read_symbol(token);
    }
  }

  void read_symbol(Token& token) {
    token.kind = Token::Kind::kSymbol;
    for (const std::string_view symbol : {"==", "!=", "<=", ">=", "&&", "||"}) {
      if (rest().starts_with(symbol)) token.text = symbol;
    }
    if (token.text.empty()) {
      if (std::string_view("<>+-*/%!?:.,()[]{}").find(peek()) == std::string_view::npos) {
        stop(at_, fmt::format("unexpected character '{}'", rest().substr(0, 1)),
             peek() == '='   ? "equality is =="
             : peek() == '&' ? "and is &&"
             : peek() == '|' ? "or is ||"
                             : "");
      }
      token.text = peek();
    }
    at_ += token.text.size();
  }

  // The length of r, b, rb, … in front of a quote; npos where no string begins here.
  size_t string_prefix() const {
    size_t length = 0;
    while (length < 2 && std::string_view("rRbB").find(peek(length)) != std::string_view::npos &&
           peek(length)) {
      ++length;
    }
    const bool doubled = length == 2 && (peek(0) | 0x20) == (peek(1) | 0x20);
    const char quote = peek(length);
    return !doubled && (quote == '"' || quote == '\'') ? length : std::string_view::npos;
  }

  void read_number(Token& token) {
    const size_t start = at_;
    const bool hex = peek() == '0' && (peek(1) | 0x20) == 'x';
    bool is_double = false;
    if (hex) {
      at_ += 2;
      while (std::isxdigit(static_cast<unsigned char>(peek()))) ++at_;
    } else {
      while (is_digit(peek())) ++at_;
      if (peek() == '.' && is_digit(peek(1))) {
        is_double = true;
        for (++at_; is_digit(peek());) ++at_;
      }
      const size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if ((peek() | 0x20) == 'e' && is_digit(peek(1 + sign))) {
        is_double = true;
        for (at_ += 1 + sign; is_digit(peek());) ++at_;
      }
    }
    const std::string text(source_.substr(start, at_ - start));
    token.text = text;
    if (is_double) {
      token.kind = Token::Kind::kDouble;
      token.value = std::strtod(text.c_str(), nullptr);
      return;
    }
    std::uint64_t magnitude = 0;
    const char* first = text.data() + (hex ? 2 : 0);
    const auto [end, error] = std::from_chars(first, text.data() + text.size(), magnitude, hex ? 16 : 10);
    if (error != std::errc{}) stop(start, fmt::format("{} does not fit 64 bits", text));
    token.value = magnitude;
    token.kind = Token::Kind::kInt;
    if ((peek() | 0x20) == 'u') {
      ++at_;
      token.kind = Token::Kind::kUint;
    }
    if (is_name_start(peek()))
      stop(start,
           fmt::format("\"{}\" is neither a number nor a name", source_.substr(start, at_ - start + 1)));
  }

  void read_string(Token& token, size_t prefix) {
    bool raw = false, bytes = false;
    for (size_t i = 0; i < prefix; ++i) ((peek(i) | 0x20) == 'r' ? raw : bytes) = true;
    at_ += prefix;
    const char quote = peek();
    const std::string triple(3, quote);
    const std::string close = rest().starts_with(triple) ? triple : std::string(1, quote);
    const size_t start = at_;
    at_ += close.size();
    while (!rest().starts_with(close)) {
      if (at_ >= source_.size() || (close.size() == 1 && (peek() == '\n' || peek() == '\r'))) {
        stop(start, "a string is not closed");
      }
      if (peek() == '\\' && !raw) {
        read_escape(token.text, bytes);
      } else {
        token.text += source_[at_++];
      }
    }
    at_ += close.size();
    token.kind = bytes ? Token::Kind::kBytes : Token::Kind::kString;
    token.value = bytes ? Value(ByteText{token.text}) : Value(token.text);
  }

  void read_escape(std::string& out, bool bytes) {
    const size_t start = at_;
    const char kind = peek(1);
    static constexpr std::string_view kFrom = "abfnrtv\\?\"'`", kTo = "\a\b\f\n\r\t\v\\?\"'`";
    at_ += 2;
    if (const size_t simple = kFrom.find(kind); kind && simple != std::string_view::npos) {
      out += kTo[simple];
      return;
    }
    const bool octal = kind >= '0' && kind <= '3';
    size_t digits = octal ? 3 : (kind | 0x20) == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (octal) --at_;
    const std::string_view text = rest().substr(0, digits);
    std::uint32_t point = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), point, octal ? 8 : 16);
    const bool unicode = kind == 'u' || kind == 'U';
    if (digits == 0 || text.size() != digits || error != std::errc{} || end != text.data() + digits ||
        (bytes && unicode) || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
      stop(start, "an unknown escape in a string", "a backslash itself is \\\\; r'…' reads none");
    }
    at_ += digits;
    if (bytes) {
      out += static_cast<char>(point);
    } else {
      append_utf8(out, point);
    }
  }

  std::string_view source_;
  size_t at_;
};

class Parser {
 public:
  Parser(std::string_view source, size_t offset, const Limits& limits)
      : lexer_(source, offset), limits_(limits) {
    advance();
  }

  Expr expression() {
    const Nesting nesting(*this);
    Expr condition = binary(0);
    if (!take("?")) return condition;
    Expr then = binary(0);
    expect(":");
    Expr otherwise = expression();
    const size_t offset = condition.offset;
    return make(Expr::Kind::kConditional, offset, {},
                {std::move(condition), std::move(then), std::move(otherwise)});
  }

  const Token& token() const { return token_; }
  [[noreturn]] void unexpected(std::string_view wanted) const {
    const std::string found =
        token_.kind == Token::Kind::kEnd ? "the end" : fmt::format("\"{}\"", token_.text);
    stop(token_.offset, fmt::format("expected {}, found {}", wanted, found));
  }

 private:
  // Bounds the recursion of this parser, whatever the input.
  struct Nesting {
    explicit Nesting(Parser& owner) : parser(owner) {
      if (++parser.nesting_ > parser.limits_.depth) {
        stop(parser.token_.offset, fmt::format("nested deeper than {}", parser.limits_.depth));
      }
    }
    ~Nesting() { --parser.nesting_; }
    Nesting(const Nesting&) = delete;
    Parser& parser;
  };

  void advance() { token_ = lexer_.next(); }
  bool at(std::string_view symbol) const {
    return token_.kind == Token::Kind::kSymbol && token_.text == symbol;
  }
  bool take(std::string_view symbol) {
    if (!at(symbol)) return false;
    advance();
    return true;
  }
  void expect(std::string_view symbol) {
    if (!take(symbol)) unexpected(fmt::format("\"{}\"", symbol));
  }

  Expr make(Expr::Kind kind, size_t offset, std::string name, std::vector<Expr> args) {
    if (++size_ > limits_.size) stop(offset, fmt::format("more than {} parts", limits_.size));
    Expr expr{.kind = kind, .name = std::move(name), .args = std::move(args), .offset = offset};
    for (const Expr& arg : expr.args) expr.depth = std::max(expr.depth, arg.depth + 1);
    if (expr.depth > limits_.depth) stop(offset, fmt::format("nested deeper than {}", limits_.depth));
    return expr;
  }

  // Left-associative levels, loosest first. The conditional binds looser, unary and member tighter.
  Expr binary(size_t level) {
    static const std::vector<std::vector<std::string_view>> kLevels{
        {"||"}, {"&&"}, {"<", "<=", ">=", ">", "==", "!=", "in"}, {"+", "-"}, {"*", "/", "%"}};
    if (level == kLevels.size()) return unary();
    Expr left = binary(level + 1);
    while (true) {
      const auto& symbols = kLevels[level];
      const bool is_in = token_.kind == Token::Kind::kName && token_.text == "in";
      const bool is_operator = (token_.kind == Token::Kind::kSymbol || is_in) &&
                               std::ranges::find(symbols, token_.text) != symbols.end();
      if (!is_operator) return left;
      const Token op = token_;
      advance();
      Expr right = binary(level + 1);
      const Expr::Kind kind = op.text == "&&"   ? Expr::Kind::kAnd
                              : op.text == "||" ? Expr::Kind::kOr
                                                : Expr::Kind::kCall;
      left = make(kind, op.offset, is_in ? "@in" : fmt::format("_{}_", op.text),
                  {std::move(left), std::move(right)});
    }
  }

  Expr unary() {
    const Nesting nesting(*this);
    const size_t offset = token_.offset;
    if (take("!")) return make(Expr::Kind::kCall, offset, "!_", {unary()});
    if (take("-")) {
      // -9223372036854775808 is one literal: its magnitude alone is no int.
      if (token_.kind == Token::Kind::kInt || token_.kind == Token::Kind::kDouble) {
        return members(literal(offset, true));
      }
      return make(Expr::Kind::kCall, offset, "-_", {unary()});
    }
    return members(primary());
  }

  Expr members(Expr expr) {
    while (true) {
      const size_t offset = token_.offset;
      if (take(".")) {
        if (at("?")) stop(offset, "optional selection (.?) is not supported");
        if (token_.kind != Token::Kind::kName && token_.kind != Token::Kind::kQuotedName)
          unexpected("a name");
        if (is_keyword(token_))
          stop(token_.offset, fmt::format("\"{}\" is a keyword", token_.text), "use ['…']");
        const Token name = token_;
        advance();
        expr = token_.kind == Token::Kind::kSymbol && token_.text == "(" && name.kind == Token::Kind::kName
                   ? call(name, std::move(expr), true)
                   : make(Expr::Kind::kSelect, name.offset, name.text, {std::move(expr)});
      } else if (take("[")) {
        if (at("?")) stop(offset, "optional indexing ([?]) is not supported");
        Expr index = expression();
        expect("]");
        expr = make(Expr::Kind::kIndex, offset, {}, {std::move(expr), std::move(index)});
      } else if (at("{") && (expr.kind == Expr::Kind::kName || expr.kind == Expr::Kind::kSelect)) {
        stop(offset, "messages (Type{field: value}) are not supported", "a map is {'field': value}");
      } else {
        return expr;
      }
    }
  }

  static bool is_keyword(const Token& token) {
    return token.kind == Token::Kind::kName &&
           (token.text == "in" || token.text == "true" || token.text == "false" || token.text == "null");
  }

  Expr literal(size_t offset, bool negative) {
    Token token = token_;
    advance();
    if (token.kind == Token::Kind::kInt) {
      const std::uint64_t magnitude = *token.value.get_if<std::uint64_t>();
      if (magnitude > (1ull << 63) - (negative ? 0 : 1)) {
        stop(token.offset, fmt::format("{} does not fit int", token.text), "an unsigned number ends with u");
      }
      token.value = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
    } else if (negative) {
      token.value = -*token.value.get_if<double>();
    }
    Expr expr = make(Expr::Kind::kLiteral, offset, {}, {});
    expr.literal = std::move(token.value);
    return expr;
  }

  Expr constant(Value value) {
    Expr expr = make(Expr::Kind::kLiteral, token_.offset, {}, {});
    expr.literal = std::move(value);
    advance();
    return expr;
  }

  Expr primary() {
    const size_t offset = token_.offset;
    switch (token_.kind) {
      case Token::Kind::kInt:
      case Token::Kind::kUint:
      case Token::Kind::kDouble:
      case Token::Kind::kString:
      case Token::Kind::kBytes: return literal(offset, false);
      case Token::Kind::kName: return name();
      default: break;
    }
    if (take("(")) {
      Expr inner = expression();
      expect(")");
      return inner;
    }
    if (take("[")) return make(Expr::Kind::kList, offset, {}, arguments("]"));
    if (take("{")) return make(Expr::Kind::kMap, offset, {}, map_entries());
    if (take(".") && token_.kind == Token::Kind::kName) return name();
    unexpected("a value");
  }

  Expr name() {
    if (token_.text == "true") return constant(true);
    if (token_.text == "false") return constant(false);
    if (token_.text == "null") return constant(Value());
    static const std::set<std::string_view> kReserved{
        "as", "break", "const", "continue", "else",      "for",    "function", "if",   "import",
        "in", "let",   "loop",  "package",  "namespace", "return", "var",      "void", "while"};
    if (kReserved.contains(token_.text)) {
      stop(token_.offset, fmt::format("\"{}\" is a reserved word", token_.text));
    }
    const Token name = token_;
    advance();
    if (at("(")) return call(name, {}, false);
    return make(Expr::Kind::kName, name.offset, name.text, {});
  }

  std::vector<Expr> arguments(std::string_view close) {
    std::vector<Expr> args;
    while (!at(close)) {
      if (at("?")) stop(token_.offset, "optional elements (?) are not supported");
      args.push_back(expression());
      if (!take(",")) break;
    }
    expect(close);
    return args;
  }

  std::vector<Expr> map_entries() {
    std::vector<Expr> entries;
    while (!at("}")) {
      if (at("?")) stop(token_.offset, "optional entries (?) are not supported");
      entries.push_back(expression());
      expect(":");
      entries.push_back(expression());
      if (!take(",")) break;
    }
    expect("}");
    return entries;
  }

  Expr call(const Token& name, Expr target, bool is_member) {
    expect("(");
    std::vector<Expr> args = arguments(")");
    if (!is_member && name.text == "has") return has(name, std::move(args));
    static const std::set<std::string_view> kMacros{"all", "exists", "exists_one", "map", "filter"};
    const size_t wanted = name.text == "map" && args.size() == 3 ? 3 : 2;
    if (is_member && kMacros.contains(name.text) && args.size() == wanted) {
      if (args[0].kind != Expr::Kind::kName) {
        stop(args[0].offset, fmt::format("the first argument of {} must be a plain name", name.text));
      }
      std::string variable = args[0].name;
      args[0] = std::move(target);
      Expr macro = make(Expr::Kind::kMacro, name.offset, name.text, std::move(args));
      macro.variable = std::move(variable);
      return macro;
    }
    // Functions of a namespace: math.least(1, 2).
    const bool is_qualified =
        is_member && target.kind == Expr::Kind::kName && (target.name == "math" || target.name == "lists");
    if (is_qualified) {
      return make(Expr::Kind::kCall, target.offset, target.name + "." + name.text, std::move(args));
    }
    if (is_member) args.insert(args.begin(), std::move(target));
    Expr expr = make(Expr::Kind::kCall, name.offset, name.text, std::move(args));
    expr.is_member = is_member;
    return expr;
  }

  Expr has(const Token& name, std::vector<Expr> args) {
    if (args.size() != 1 || args[0].kind != Expr::Kind::kSelect) {
      stop(name.offset, "has() takes one member selection", "has(a.b)");
    }
    args[0].kind = Expr::Kind::kHas;
    return std::move(args[0]);
  }

  Lexer lexer_;
  const Limits& limits_;
  Token token_;
  int nesting_ = 0;
  size_t size_ = 0;
};

// Adds the path that `expr` ends, and what is referred to inside it. True while expr is still a plain path.
bool add_references(const Expr& expr, std::vector<std::string>& locals, Reference& path,
                    std::vector<Reference>& found) {
  const auto visit = [&](const Expr& inner) {
    Reference inner_path;
    if (add_references(inner, locals, inner_path, found)) found.push_back(std::move(inner_path));
  };
  switch (expr.kind) {
    case Expr::Kind::kName:
      if (std::ranges::find(locals, expr.name) != locals.end()) return false;
      path = {{expr.name}, expr.offset};
      return true;
    case Expr::Kind::kSelect:
    case Expr::Kind::kHas:
      if (!add_references(expr.args[0], locals, path, found)) return false;
      path.path.push_back(expr.name);
      return true;
    case Expr::Kind::kIndex: {
      const bool is_path = add_references(expr.args[0], locals, path, found);
      const auto key =
          expr.args[1].kind == Expr::Kind::kLiteral ? to_text(expr.args[1].literal) : std::nullopt;
      if (!key) visit(expr.args[1]);
      if (is_path && key) path.path.push_back(*key);
      if (is_path && !key) found.push_back(std::move(path));
      return is_path && key;
    }
    case Expr::Kind::kMacro:
      visit(expr.args[0]);
      locals.push_back(expr.variable);
      for (size_t i = 1; i < expr.args.size(); ++i) visit(expr.args[i]);
      locals.pop_back();
      return false;
    default:
      for (const Expr& arg : expr.args) visit(arg);
      return false;
  }
}

}  // namespace

std::expected<Expression, Problem> Expression::parse_prefix(std::string_view source, size_t& offset,
                                                            const Limits& limits) {
  try {
    Parser parser(source, offset, limits);
    Expr root = parser.expression();
    offset = parser.token().offset;
    return Expression(std::move(root));
  } catch (SyntaxError& error) {
    return std::unexpected(std::move(error.problem));
  }
}

std::expected<Expression, Problem> Expression::parse(std::string_view source, const Limits& limits) {
  try {
    Parser parser(source, 0, limits);
    Expr root = parser.expression();
    if (parser.token().kind != Token::Kind::kEnd) parser.unexpected("an operator or the end");
    return Expression(std::move(root));
  } catch (SyntaxError& error) {
    return std::unexpected(std::move(error.problem));
  }
}

std::vector<Reference> Expression::references() const {
  std::vector<Reference> found;
  std::vector<std::string> locals;
  Reference path;
  if (add_references(*root_, locals, path, found)) found.push_back(std::move(path));
  std::vector<Reference> unique;
  for (Reference& each : found) {
    if (std::ranges::find(unique, each) == unique.end()) unique.push_back(std::move(each));
  }
  return unique;
}

std::string Reference::to_string() const {
  std::string text;
  for (const std::string& step : path) text += (text.empty() ? "" : ".") + step;
  return text;
}

}  // namespace headrace::expression
