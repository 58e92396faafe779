// The running replay: publishes the corpus at its rate and feeds the open streams. Thread-safe.
//
// Time line: positions below `history` are published from the beginning; then begin() starts the clock and
// position history + n is published n/rate later, in groups of `burst`, until the limit.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "corpus.h"
#include "http/responder.h"
#include "rule.h"

namespace headrace::replay {

struct StreamRule {
  std::string id;
  std::string value;
  std::string tag;
  Rule rule;
};

// Which fields an answer shows, from tweet.fields, user.fields, place.fields and expansions.
struct Fields {
  bool author_id = false, created_at = false, lang = false, geo = false, public_metrics = false,
       source = false;
  bool expand_author = false, expand_place = false;
  bool user_metrics = false, user_description = false, user_location = false, user_created_at = false;
  bool place_name = false, place_country = false;
};

// The pieces of a post's JSON, as X names them.
std::string data_json(const Post& post, const Fields& fields);
std::string user_json(const Author& author, const Fields& fields);
std::string place_json(const Post& post, const Fields& fields);
std::string includes_json(const std::vector<Post>& posts,
                          const Fields& fields);  // "" when nothing is expanded

struct ReplayOptions {
  std::optional<std::int64_t> start_ms;  // of the first position behind the history; none: when it begins
  std::uint64_t limit = UINT64_MAX;      // positions
  std::uint64_t burst = 1;
  enum class Begin { kAtOnce, kOnConnect, kOnRequest } begin = Begin::kOnConnect;
};

class Replay {
 public:
  Replay(Corpus corpus, ReplayOptions options);
  ~Replay();

  struct State {
    std::uint64_t published = 0;
    std::uint64_t limit = 0;
    std::uint64_t history = 0;
    bool running = false;
    std::size_t streams = 0;
  };
  State state() const;
  // Starts the clock if it stands. With a number, that many more positions are published.
  void begin(std::optional<std::uint64_t> more);

  // A snapshot of the corpus with its clock, and how many positions are published.
  std::pair<Corpus, std::uint64_t> published() const;

  std::vector<StreamRule> rules() const;
  void set_rules(std::vector<StreamRule> rules);

  // Joins the live posts, after the matching ones created in the last `backfill` before now.
  void connect(http::BodyStream stream, const Fields& fields, std::chrono::milliseconds backfill);
  std::size_t streams();
  // Ends every stream, with X's message for operational disconnects first unless abrupt.
  void disconnect(bool abrupt);

 private:
  struct Stream {
    http::BodyStream body;
    Fields fields;
  };
  void run();
  std::uint64_t due(std::chrono::steady_clock::time_point now) const;
  std::string line_of(const Post& post, const Fields& fields) const;
  void emit(std::uint64_t position);
  void begin_clock();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Corpus corpus_;
  ReplayOptions options_;
  std::uint64_t published_;
  bool running_ = false;
  bool stopping_ = false;
  std::uint64_t clock_base_ = 0;  // published when the clock was last started
  std::chrono::steady_clock::time_point clock_start_;
  std::vector<Stream> streams_;
  std::vector<StreamRule> rules_;
  std::thread thread_;
};

}  // namespace headrace::replay
