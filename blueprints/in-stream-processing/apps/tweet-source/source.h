// From X to Kafka without a gap.
//
//   the stream thread:  rules in step with the movies → filtered stream → Kafka, reconnecting for ever
//   the search thread:  recent searches that fill in what the stream missed → Kafka
//
// A search is asked for once a stream is open, so what is published from then on comes by the stream and what
// was published before by the search; posts in both are de-duplicated by the job. After a restart the newest
// id in the topic tells how far an earlier run got. Kafka's bounded queue stops both threads while Kafka is
// away.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "backoff.h"
#include "http/client.h"
#include "producer.h"
#include "x_client.h"
#include "x_post.h"

namespace headrace::source {

struct SourceOptions {
  std::vector<Movie> movies;
  KafkaOptions kafka;
  // History to read when the topic has none yet: "" none, "all" X's whole week, a duration ("2h") or a time.
  std::string search_since;
  int backfill_minutes = 0;                            // of the stream; X grants it to some accounts only
  std::chrono::milliseconds dead_after{21'000};        // X keeps alive every 20 s
  std::chrono::milliseconds search_lag{30'000};        // posts younger than that may not be found yet
  std::chrono::milliseconds overlap{10'000};           // ids are not quite in the order of the stream
  std::chrono::milliseconds restart_overlap{300'000};  // searches that a crash may have cut off
  double backoff_scale = 1;
};

class Source {
 public:
  Source(SourceOptions options, XClient x, Producer& producer);
  ~Source();
  void start();
  // Stops reading; what is in Kafka's queue stays there to be flushed.
  void stop();

  struct Metrics {
    std::atomic<std::uint64_t> lines = 0, posts = 0, records = 0, malformed = 0, notices = 0;
    std::atomic<std::uint64_t> connects = 0, failed_connects = 0, search_pages = 0, failed_searches = 0;
    std::atomic<std::int64_t> read_delay_ms = 0;  // of the newest post: from its creation to our reading
  };
  const Metrics& metrics() const { return metrics_; }

  struct Health {
    bool was_ready = false;  // connected to both, at least once
    bool x = false;
    bool kafka = false;
    std::string x_cause;  // why not
    std::size_t searches_open = 0;
  };
  Health health() const;

 private:
  // What the stream missed of a movie; searched page by page. One that is not begun grows with what is missed
  // next, so a movie has few however often the stream drops.
  struct Gap {
    std::size_t movie;
    std::uint64_t since_id;                          // 0: all that X still has
    std::chrono::steady_clock::time_point due = {};  // X's index is behind
    bool begun = false;
    std::string next_token = {};
  };
  // After a page: whether the gap needs no more, and how long to let X rest.
  struct Step {
    bool done = false;
    std::chrono::milliseconds pause{0};
  };
  void read_stream();
  void search_gaps();
  Step read_page(Gap& gap, Backoff& backoff);
  bool take_line(std::string_view line);
  void opened();
  void find_resume_point();
  // False when stop() came meanwhile.
  bool wait(std::chrono::milliseconds time);
  void note(std::string cause);

  SourceOptions options_;
  XClient x_;
  Producer& producer_;
  std::set<std::string> slugs_;
  Metrics metrics_;

  // Of the stream thread.
  Backoff backoff_;
  std::uint64_t newest_id_ = 0;
  bool opened_before_ = false;
  std::chrono::steady_clock::time_point open_since_;
  std::chrono::milliseconds reach_back_{0};

  std::stop_source stop_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool connected_ = false;
  mutable bool was_ready_ = false;  // noticed by health()
  std::string cause_ = "starting";
  std::list<Gap> gaps_;
  std::thread stream_thread_, search_thread_;
};

}  // namespace headrace::source
