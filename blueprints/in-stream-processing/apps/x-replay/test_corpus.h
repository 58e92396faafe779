// The corpus that the tests share: the real model and movies.
#pragma once

#include <fstream>
#include <iterator>

#include "corpus.h"

namespace headrace::replay {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline CorpusOptions real_options() {
  return {.seed = 42,
          .movies = parse_movies(read_file(MOVIES_FILE)).value(),
          .words = parse_words(read_file(MODEL_FOLDER "/words.csv")).value(),
          .threshold = std::atof(read_file(MODEL_FOLDER "/threshold.txt").c_str())};
}

inline Corpus make_corpus(CorpusOptions options = real_options()) {
  Corpus corpus = Corpus::make(std::move(options)).value();
  corpus.start_at(1'795'000'000'000);
  return corpus;
}

}  // namespace headrace::replay
