#include "replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/time.h"
#include "http/message.h"

namespace headrace::replay {
namespace {

using http::json_quote;
using std::chrono::steady_clock;

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string time_text(std::int64_t ms) {
  return to_rfc3339(Wall(Duration(ms)));
}

// A place's id is its name's hash, as stable as the corpus.
std::string place_id(const std::string& name) {
  std::uint64_t hash = 1469598103934665603u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return fmt::format("{:016x}", hash);
}

}  // namespace

std::string data_json(const Post& post, const Fields& fields) {
  std::string json = fmt::format(R"({{"id":"{}","text":{},"edit_history_tweet_ids":["{}"])", post.id,
                                 json_quote(post.text), post.id);
  const auto out = std::back_inserter(json);
  if (fields.author_id) fmt::format_to(out, R"(,"author_id":"{}")", post.author.id);
  if (fields.created_at) fmt::format_to(out, R"(,"created_at":"{}")", time_text(post.created_ms));
  if (fields.lang) json += R"(,"lang":"en")";
  if (fields.source) json += ",\"source\":\"x-replay (synthetic)\"";
  if (fields.geo && !post.place.empty())
    fmt::format_to(out, R"(,"geo":{{"place_id":"{}"}})", place_id(post.place));
  if (fields.public_metrics)
    json += R"(,"public_metrics":{"retweet_count":0,"reply_count":0,"like_count":0,"quote_count":0,)"
            R"("bookmark_count":0,"impression_count":0})";
  return json + "}";
}

std::string user_json(const Author& author, const Fields& fields) {
  std::string json = fmt::format(R"({{"id":"{}","name":"Synthetic {}","username":"{}")", author.id,
                                 author.user_name.substr(author.user_name.find('_') + 1), author.user_name);
  const auto out = std::back_inserter(json);
  if (fields.user_created_at) json += R"(,"created_at":"2020-01-01T00:00:00.000Z")";
  if (fields.user_description)
    json += R"(,"description":"Synthetic author made by x-replay; no real person.")";
  if (fields.user_location) json += R"(,"location":"synthetic")";
  if (fields.user_metrics)
    fmt::format_to(out,
                   R"(,"public_metrics":{{"followers_count":{},"following_count":0,"tweet_count":1,)"
                   R"("listed_count":0}})",
                   author.followers);
  return json + "}";
}

std::string place_json(const Post& post, const Fields& fields) {
  std::string json =
      fmt::format(R"({{"id":"{}","full_name":{})", place_id(post.place), json_quote(post.place));
  if (fields.place_name) json += fmt::format(R"(,"name":{})", json_quote(post.place));
  if (fields.place_country) json += R"(,"country":"Synthetic","country_code":"ZZ")";
  return json + "}";
}

std::string includes_json(const std::vector<Post>& posts, const Fields& fields) {
  std::string users, places;
  std::set<std::string> seen;
  for (const Post& post : posts) {
    if (fields.expand_author && seen.insert(post.author.id).second)
      users.append(users.empty() ? "" : ",").append(user_json(post.author, fields));
    if (fields.expand_place && !post.place.empty() && seen.insert(post.place).second)
      places.append(places.empty() ? "" : ",").append(place_json(post, fields));
  }
  std::string json;
  if (!users.empty()) json = fmt::format(R"("users":[{}])", users);
  if (!places.empty()) json += fmt::format(R"({}"places":[{}])", json.empty() ? "" : ",", places);
  return json.empty() ? "" : "{" + json + "}";
}

Replay::Replay(Corpus corpus, ReplayOptions options)
    : corpus_(std::move(corpus)), options_(options), published_(corpus_.options().history) {
  corpus_.start_at(options_.start_ms.value_or(wall_ms()));
  published_ = std::min(published_, options_.limit);
  if (options_.begin == ReplayOptions::Begin::kAtOnce) begin_clock();
  thread_ = std::thread([this] { run(); });
}

Replay::~Replay() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Replay::State Replay::state() const {
  std::lock_guard lock(mutex_);
  return {published_, options_.limit, corpus_.options().history, running_ && published_ < options_.limit,
          streams_.size()};
}

void Replay::begin(std::optional<std::uint64_t> more) {
  {
    std::lock_guard lock(mutex_);
    if (more) options_.limit = published_ + *more;
    // After an idle time the clock starts anew, or everything missed would be due at once.
    if (!running_ || more) begin_clock();
  }
  changed_.notify_all();
}

void Replay::begin_clock() {
  if (!options_.start_ms && published_ <= corpus_.options().history) corpus_.go_live_at(wall_ms());
  running_ = true;
  clock_base_ = published_;
  clock_start_ = steady_clock::now();
}

std::pair<Corpus, std::uint64_t> Replay::published() const {
  std::lock_guard lock(mutex_);
  return {corpus_, published_};
}

std::vector<StreamRule> Replay::rules() const {
  std::lock_guard lock(mutex_);
  return rules_;
}

void Replay::set_rules(std::vector<StreamRule> rules) {
  std::lock_guard lock(mutex_);
  rules_ = std::move(rules);
}

std::string Replay::line_of(const Post& post, const Fields& fields) const {
  Subject subject(post.text);
  subject.user_name = post.author.user_name;
  subject.has_place = !post.place.empty();
  std::string matching;
  for (const StreamRule& rule : rules_)
    if (rule.rule.matches(subject))
      matching += fmt::format(R"({}{{"id":"{}","tag":{}}})", matching.empty() ? "" : ",", rule.id,
                              json_quote(rule.tag));
  if (matching.empty()) return "";
  const std::string includes = includes_json({post}, fields);
  return fmt::format(R"({{"data":{}{}{},"matching_rules":[{}]}})"
                     "\r\n",
                     data_json(post, fields), includes.empty() ? "" : R"(,"includes":)", includes, matching);
}

void Replay::connect(http::BodyStream stream, const Fields& fields, std::chrono::milliseconds backfill) {
  {
    std::lock_guard lock(mutex_);
    if (backfill.count() > 0 && published_ > 0) {
      const std::int64_t since = corpus_.created_ms(published_ - 1) - backfill.count();
      std::uint64_t first = published_;
      while (first > 0 && corpus_.created_ms(first - 1) >= since) --first;
      std::string missed;
      for (std::uint64_t position = first; position < published_; ++position)
        if (corpus_.kind(position) == Corpus::Kind::kFresh) missed += line_of(corpus_.post(position), fields);
      if (!missed.empty()) stream.write(std::move(missed));
    }
    streams_.push_back({std::move(stream), fields});
    if (!running_ && options_.begin == ReplayOptions::Begin::kOnConnect) begin_clock();
  }
  changed_.notify_all();
}

std::size_t Replay::streams() {
  std::lock_guard lock(mutex_);
  std::erase_if(streams_, [](const Stream& stream) { return stream.body.is_closed(); });
  return streams_.size();
}

void Replay::disconnect(bool abrupt) {
  std::lock_guard lock(mutex_);
  for (Stream& stream : streams_) {
    if (!abrupt)
      stream.body.write(
          R"({"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect",)"
          R"("detail":"This stream has been disconnected upstream for operational reasons.",)"
          R"("type":"https://api.twitter.com/2/problems/operational-disconnect"}]})"
          "\r\n");
    stream.body.close();
  }
  streams_.clear();
}

std::uint64_t Replay::due(steady_clock::time_point now) const {
  if (!running_) return published_;
  const double seconds = std::chrono::duration<double>(now - clock_start_).count();
  const auto since = static_cast<std::uint64_t>(seconds * corpus_.options().rate);
  return std::min(options_.limit, clock_base_ + since / options_.burst * options_.burst);
}

void Replay::emit(std::uint64_t position) {
  if (streams_.empty()) return;
  if (corpus_.kind(position) == Corpus::Kind::kMalformed) {
    for (Stream& stream : streams_) stream.body.write(corpus_.malformed_line(position) + "\r\n");
    return;
  }
  const Post post = corpus_.post(corpus_.original(position));
  for (Stream& stream : streams_)
    if (std::string line = line_of(post, stream.fields); !line.empty()) stream.body.write(std::move(line));
}

void Replay::run() {
  // Fine enough that a post is late by no more than a few milliseconds, coarse enough to cost nothing.
  const auto step =
      std::chrono::microseconds(std::clamp(static_cast<int>(1e6 / corpus_.options().rate / 4), 1'000, 5'000));
  constexpr std::uint64_t kChunk = 500;  // positions under one lock, so that requests get in between
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::uint64_t until = std::min(due(steady_clock::now()), published_ + kChunk);
    if (until == published_) {
      if (!running_ || published_ >= options_.limit)
        changed_.wait(lock);
      else
        changed_.wait_for(lock, step);
      continue;
    }
    for (; published_ < until; ++published_) emit(published_);
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

}  // namespace headrace::replay
