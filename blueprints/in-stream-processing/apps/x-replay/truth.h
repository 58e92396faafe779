// What the platform's tables must hold after the first `limit` positions of a corpus, computed from how the
// posts were built; no classifier is asked.
#pragma once

#include <string>

#include "base/result.h"
#include "corpus.h"

namespace headrace::replay {

// One JSON object:
//   lines, tweets, duplicates, malformed    counts; duplicates and malformed lie behind the history only
//   movies   {slug: {positive, negative, neutral}}
//   minutes  [{movie, minute (ms), group, positive, negative, neutral}] in the order of movie, minute, group
//   posts    {"<movie>/<id>": {movie, id, sentiment, score, group, user, followers, created_ms, place, text}}
Result<std::string> truth_of(const Corpus& corpus, std::uint64_t limit);

}  // namespace headrace::replay
