// Queries of X's search and filtered stream: keywords, "phrases", #tags, @mentions, operators, OR, grouping,
// negation. What the corpus can never hold (retweets, links, media) is understood and matches nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace::replay {

// What a rule looks at.
struct Subject {
  explicit Subject(std::string_view text);
  std::vector<std::string> tokens;  // lower case, "#tag" and "@name" with their sign
  std::string user_name;
  bool has_place = false;
};

class Rule {
 public:
  // kInvalid: the message says what is wrong, as X's `details` do.
  static Result<Rule> parse(std::string_view text);
  bool matches(const Subject& subject) const;

  struct Node;

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace headrace::replay
