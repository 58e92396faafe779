#include "source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/time.h"

namespace headrace::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::int64_t wall_ms() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Until a rate limit ends, at least a second and at most its window.
milliseconds until_reset(std::int64_t reset_s) {
  return std::clamp(milliseconds(reset_s * 1000 - wall_ms()), milliseconds(1'000), milliseconds(900'000));
}

}  // namespace

Source::Source(SourceOptions options, XClient x, Producer& producer)
    : options_(std::move(options)), x_(std::move(x)), producer_(producer), backoff_(options_.backoff_scale) {
  for (const Movie& movie : options_.movies) slugs_.insert(movie.slug);
}

Source::~Source() {
  stop();
}

void Source::start() {
  stream_thread_ = std::thread([this] { read_stream(); });
  search_thread_ = std::thread([this] { search_gaps(); });
}

void Source::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  stop_.request_stop();
  producer_.stop();
  if (stream_thread_.joinable()) stream_thread_.join();
  if (search_thread_.joinable()) search_thread_.join();
}

Source::Health Source::health() const {
  std::lock_guard lock(mutex_);
  const bool kafka = producer_.is_connected();
  was_ready_ = was_ready_ || (connected_ && kafka);
  return {was_ready_, connected_, kafka, connected_ ? "" : cause_, gaps_.size()};
}

bool Source::wait(milliseconds time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

void Source::note(std::string cause) {
  std::lock_guard lock(mutex_);
  if (cause != cause_) log::warn("{}", cause);
  cause_ = std::move(cause);
}

// --- the stream ---------------------------------------------------------------------------------------

void Source::find_resume_point() {
  while (wait(milliseconds(0))) {
    if (!producer_.is_connected()) {
      note(fmt::format("Waiting for Kafka's topic {}", options_.kafka.topic));
      wait(milliseconds(100));
      continue;
    }
    const auto newest = newest_id(options_.kafka, milliseconds(15'000));
    if (newest) {
      newest_id_ = *newest;
      reach_back_ = options_.restart_overlap;
      if (newest_id_ > 0) log::info("The topic ends with post {}; going on from there", newest_id_);
      return;
    }
    note(newest.error().to_string());
    wait(milliseconds(1'000));
  }
}

void Source::read_stream() {
  find_resume_point();
  while (wait(milliseconds(0))) {
    const auto rules = x_.sync_rules(options_.movies, stop_.get_token());
    std::optional<XError> error;
    if (rules) {
      for (const std::string& complaint : *rules) log::error("X refuses a rule: {}", complaint);
      open_since_ = {};
      const auto ended = x_.stream(
          options_.backfill_minutes, options_.dead_after, stop_.get_token(), [this] { opened(); },
          [this](std::string_view line) { return take_line(line); });
      {
        std::lock_guard lock(mutex_);
        connected_ = false;
      }
      if (ended) {
        const auto open_for = std::chrono::duration_cast<milliseconds>(steady_clock::now() - open_since_);
        note(fmt::format("The stream ended after {}", to_text(Duration(open_for))));
        wait(backoff_.after_drop(open_for));
        continue;
      }
      error = ended.error();
    } else {
      error = rules.error();
    }
    if (!wait(milliseconds(0))) break;
    ++metrics_.failed_connects;
    note(error->text);
    milliseconds pause =
        error->status == 0 ? backoff_.after_network_error() : backoff_.after_http_status(error->status);
    wait(pause);
  }
}

void Source::opened() {
  ++metrics_.connects;
  open_since_ = steady_clock::now();
  const bool first = !opened_before_;
  opened_before_ = true;
  std::uint64_t since = 0;
  bool wanted = true;
  if (newest_id_ > 0) {
    since = id_at(time_of(newest_id_) - reach_back_.count());
  } else if (first) {
    const std::string& asked = options_.search_since;
    wanted = !asked.empty();
    if (const auto duration = parse_duration(asked))
      since = id_at(wall_ms() - duration->count());
    else if (const auto time = parse_rfc3339(asked))
      since = id_at(time->time_since_epoch().count());
  } else {
    // Nothing was seen yet: whatever was published while we were away is younger than the start.
    since = id_at(wall_ms() - options_.restart_overlap.count());
  }
  reach_back_ = options_.overlap;
  {
    std::lock_guard lock(mutex_);
    connected_ = true;
    was_ready_ = was_ready_ || producer_.is_connected();
    const auto now = steady_clock::now();
    for (std::size_t movie = 0; wanted && movie < options_.movies.size(); ++movie) {
      const auto waiting = std::ranges::find_if(
          gaps_, [&](const Gap& gap) { return gap.movie == movie && !gap.begun && gap.due <= now; });
      if (waiting != gaps_.end())
        waiting->since_id = std::min(waiting->since_id, since);
      else
        gaps_.push_back({movie, since});
      // The last seconds before the opening are found only when X has indexed them.
      const std::int64_t young = wall_ms() - options_.search_lag.count() - options_.overlap.count();
      if (options_.search_lag.count() > 0)
        gaps_.push_back({movie, std::max(since, id_at(young)), now + options_.search_lag});
    }
  }
  changed_.notify_all();
  log::info("The stream is open{}", wanted ? "; searching for what it missed" : "");
}

bool Source::take_line(std::string_view line) {
  if (line.empty()) return true;  // X keeps the connection alive
  ++metrics_.lines;
  const std::int64_t now = wall_ms();
  auto read = read_stream_line(line, slugs_, now);
  if (auto* malformed = std::get_if<Malformed>(&read)) {
    ++metrics_.malformed;
    return producer_.put(malformed->record);
  }
  if (auto* notice = std::get_if<Notice>(&read)) {
    ++metrics_.notices;
    note("X says: " + notice->text);
    return true;  // X ends the stream by itself if it means to
  }
  const auto& posts = std::get<Posts>(read);
  ++metrics_.posts;
  metrics_.read_delay_ms = now - time_of(posts.newest_id);
  for (const Record& record : posts.records) {
    if (!producer_.put(record)) return false;
    ++metrics_.records;
  }
  newest_id_ = std::max(newest_id_, posts.newest_id);
  return true;
}

// --- the searches -------------------------------------------------------------------------------------

void Source::search_gaps() {
  Backoff backoff(options_.backoff_scale);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = steady_clock::now();
    // A movie's next gap waits for the one begun.
    const auto can_go = [&](const Gap& gap) {
      return gap.due <= now && (gap.begun || std::ranges::none_of(gaps_, [&](const Gap& other) {
                                  return other.begun && other.movie == gap.movie;
                                }));
    };
    const auto gap = std::ranges::find_if(gaps_, can_go);
    if (gap == gaps_.end()) {
      if (gaps_.empty())
        changed_.wait(lock);
      else
        changed_.wait_until(lock, std::ranges::min_element(gaps_, {}, &Gap::due)->due);
      continue;
    }
    gap->begun = true;  // from now on only this thread touches it
    lock.unlock();
    const Step step = read_page(*gap, backoff);
    lock.lock();
    if (step.done)
      gaps_.erase(gap);
    else if (step.pause.count() > 0)
      gaps_.splice(gaps_.end(), gaps_, gap);  // the other movies' turn first
    changed_.wait_for(lock, step.pause, [this] { return stopping_; });
  }
}

// Neither done nor a pause: at once again, unless stop() came meanwhile.
Source::Step Source::read_page(Gap& gap, Backoff& backoff) {
  const Movie& movie = options_.movies[gap.movie];
  const auto found = x_.search({.query = movie.query, .since_id = gap.since_id, .next_token = gap.next_token},
                               stop_.get_token());
  if (!found) {
    const XError& error = found.error();
    if (!wait(milliseconds(0))) return {};
    ++metrics_.failed_searches;
    if (error.status == 400 && gap.since_id > 0) {
      // Older than X's seven days: what X still has is all there is.
      log::warn("Search for {}: {}; searching everything X still has", movie.slug, error.text);
      gap.since_id = 0;
      gap.next_token.clear();
      return {};
    }
    if (error.status == 400) {
      log::error("Search for {}: {}; left out", movie.slug, error.text);
      return {.done = true};
    }
    log::warn("Search for {}: {}", movie.slug, error.text);
    return {.pause = error.status == 429 && error.reset_s > 0 ? until_reset(error.reset_s)
                     : error.status == 0                      ? backoff.after_network_error()
                                                              : backoff.after_http_status(error.status)};
  }
  const auto page = read_search_page(found->body, movie.slug, wall_ms());
  if (!page) {
    log::error("Search for {}: {}", movie.slug, page.error().to_string());
    ++metrics_.failed_searches;
    return {.pause = backoff.after_http_status(500)};
  }
  ++metrics_.search_pages;
  backoff = Backoff(options_.backoff_scale);
  for (const Record& record : page->records) {
    if (!producer_.put(record)) return {};
    ++(record.key == "malformed" ? metrics_.malformed : metrics_.records);
  }
  gap.next_token = page->next_token;
  return {.done = gap.next_token.empty(),
          .pause = found->remaining == 0 ? until_reset(found->reset_s) : milliseconds(0)};
}

}  // namespace headrace::source
