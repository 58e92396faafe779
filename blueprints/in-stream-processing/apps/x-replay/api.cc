#include "api.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <charconv>
#include <mutex>

#include "base/time.h"

namespace headrace::replay {
namespace {

namespace js = boost::json;
using http::json_quote;
using http::Request;
using http::Responder;
using http::Response;

constexpr const char* kProblems = "https://api.twitter.com/2/problems/";
constexpr std::int64_t kWeekMs = 7LL * 24 * 3600 * 1000;
constexpr std::int64_t kIdEpochMs = 1288834974657;

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Response problem(int status, std::string body) {
  Response response{.status = status, .body = std::move(body)};
  response.headers.set("Content-Type", "application/problem+json");
  return response;
}

Response plain_problem(int status) {
  const auto title = http::reason_of(status);
  return problem(status, fmt::format(R"({{"title":"{0}","type":"about:blank","status":{1},"detail":"{0}"}})",
                                     title, status));
}

Response connection_problem(int status, std::string_view issue, std::string_view detail) {
  return problem(status, fmt::format(R"({{"title":"ConnectionException","detail":{},"connection_issue":"{}",)"
                                     R"("type":"{}streaming-connection"}})",
                                     json_quote(detail), issue, kProblems));
}

// X's answer to wrong parameters names each with its value.
struct Invalid {
  std::string parameter;
  std::string value;
  std::string message;
};

Response invalid_request(const std::vector<Invalid>& errors) {
  std::string list;
  for (const Invalid& error : errors)
    list += fmt::format(R"({}{{"parameters":{{{}:[{}]}},"message":{}}})", list.empty() ? "" : ",",
                        json_quote(error.parameter), json_quote(error.value), json_quote(error.message));
  return problem(400, fmt::format(R"({{"errors":[{}],"title":"Invalid Request",)"
                                  R"("detail":"One or more parameters to your request was invalid.",)"
                                  R"("type":"{}invalid-request"}})",
                                  list, kProblems));
}

// --- parameters ---------------------------------------------------------------------------------------

class Parameters {
 public:
  explicit Parameters(const http::Query& query) : query_(query) {}

  void only(std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : query_)
      if (std::ranges::find(known, key) == known.end()) {
        std::string list;
        for (const std::string_view name : known) list.append(list.empty() ? "" : ",").append(name);
        errors_.push_back(
            {key, value, fmt::format("The query parameter [{}] is not one of [{}]", key, list)});
      }
  }
  std::int64_t number(std::string_view key, std::int64_t otherwise, std::int64_t low, std::int64_t high) {
    const std::string* text = query_.find(key);
    if (!text) return otherwise;
    std::int64_t value = 0;
    const char* end = text->data() + text->size();
    if (std::from_chars(text->data(), end, value).ptr != end || text->empty() || value < low || value > high)
      errors_.push_back({std::string(key), *text,
                         fmt::format("The `{}` query parameter value [{}] is not between {} and {}", key,
                                     *text, low, high)});
    return value;
  }
  std::optional<std::int64_t> time(std::string_view key) {
    const std::string* text = query_.find(key);
    if (!text) return std::nullopt;
    const auto value = parse_rfc3339(*text);
    if (!value) {
      errors_.push_back(
          {std::string(key), *text,
           fmt::format("The `{}` query parameter value [{}] is not a valid RFC3339 timestamp", key, *text)});
      return std::nullopt;
    }
    return value->time_since_epoch().count();
  }
  std::optional<std::uint64_t> id(std::string_view key) {
    const std::string* text = query_.find(key);
    if (!text) return std::nullopt;
    std::uint64_t value = 0;
    const char* end = text->data() + text->size();
    if (std::from_chars(text->data(), end, value).ptr != end || text->empty()) {
      errors_.push_back({std::string(key), *text,
                         fmt::format("The `{}` query parameter value [{}] is not valid", key, *text)});
      return std::nullopt;
    }
    return value;
  }
  std::string text(std::string_view key) { return query_.get(key); }
  bool has(std::string_view key) const { return query_.has(key); }
  // The comma-separated values, each of which must be known.
  std::vector<std::string> list(std::string_view key, std::string_view known) {
    std::vector<std::string> values;
    std::string_view left = query_.find(key) ? std::string_view(*query_.find(key)) : std::string_view();
    while (!left.empty()) {
      const std::string_view value = left.substr(0, left.find(','));
      left.remove_prefix(std::min(left.size(), value.size() + 1));
      if (fmt::format(",{},", known).find(fmt::format(",{},", value)) == std::string::npos)
        errors_.push_back(
            {std::string(key), std::string(value),
             fmt::format("The `{}` query parameter value [{}] is not one of [{}]", key, value, known)});
      values.emplace_back(value);
    }
    return values;
  }
  void wrong(std::string_view key, std::string message) {
    errors_.push_back({std::string(key), query_.get(key), std::move(message)});
  }
  const std::vector<Invalid>& errors() const { return errors_; }

 private:
  const http::Query& query_;
  std::vector<Invalid> errors_;
};

Fields fields_of(Parameters& parameters) {
  const auto tweet = parameters.list(
      "tweet.fields",
      "article,attachments,author_id,card_uri,community_id,context_annotations,conversation_id,created_at,"
      "display_text_range,edit_controls,edit_history_tweet_ids,entities,geo,id,in_reply_to_user_id,lang,"
      "media_metadata,"
      "non_public_metrics,note_tweet,organic_metrics,possibly_sensitive,promoted_metrics,public_metrics,"
      "referenced_tweets,reply_settings,scopes,source,suggested_source_links,text,withheld");
  const auto user = parameters.list("user.fields",
                                    "affiliation,confirmed_email,connection_status,created_at,description,"
                                    "entities,id,is_identity_verified,location,"
                                    "most_recent_tweet_id,name,parody,pinned_tweet_id,profile_banner_url,"
                                    "profile_image_url,protected,public_metrics,"
                                    "receives_your_dm,subscription,subscription_type,url,username,verified,"
                                    "verified_followers_count,verified_type,"
                                    "withheld");
  const auto place = parameters.list(
      "place.fields", "contained_within,country,country_code,full_name,geo,id,name,place_type");
  const auto expansions = parameters.list(
      "expansions",
      "article.cover_media,article.media_entities,attachments.media_keys,attachments.media_source_tweet,"
      "attachments.poll_ids,author_id,edit_history_tweet_ids,entities.mentions.username,geo.place_id,"
      "in_reply_to_user_id,entities.note.mentions.username,referenced_tweets.id,referenced_tweets.id.author_"
      "id,author_screen_name");
  const auto has = [](const std::vector<std::string>& list, std::string_view name) {
    return std::ranges::find(list, name) != list.end();
  };
  Fields fields{.author_id = has(tweet, "author_id"),
                .created_at = has(tweet, "created_at"),
                .lang = has(tweet, "lang"),
                .geo = has(tweet, "geo"),
                .public_metrics = has(tweet, "public_metrics"),
                .source = has(tweet, "source"),
                .expand_author = has(expansions, "author_id"),
                .expand_place = has(expansions, "geo.place_id"),
                .user_metrics = has(user, "public_metrics"),
                .user_description = has(user, "description"),
                .user_location = has(user, "location"),
                .user_created_at = has(user, "created_at"),
                .place_name = has(place, "name"),
                .place_country = has(place, "country") || has(place, "country_code")};
  // What is expanded is also named.
  fields.author_id |= fields.expand_author;
  fields.geo |= fields.expand_place;
  return fields;
}

// --- limits -------------------------------------------------------------------------------------------

// Requests in fixed windows, as X counts them.
class Limiter {
 public:
  Limiter(int limit, std::chrono::seconds window) : limit_(limit), window_(window) {}
  // Fills in the headers; false when the limit is passed.
  bool take(http::Headers& headers) {
    if (limit_ == 0) return true;
    const std::int64_t now = wall_ms() / 1000;
    std::lock_guard lock(mutex_);
    if (now >= reset_) {
      reset_ = now + window_.count();
      used_ = 0;
    }
    const bool granted = used_ < limit_;
    used_ += granted;
    headers.set("x-rate-limit-limit", std::to_string(limit_));
    headers.set("x-rate-limit-remaining", std::to_string(limit_ - used_));
    headers.set("x-rate-limit-reset", std::to_string(reset_));
    return granted;
  }

 private:
  int limit_;
  std::chrono::seconds window_;
  std::mutex mutex_;
  int used_ = 0;
  std::int64_t reset_ = 0;
};

// --- endpoints ----------------------------------------------------------------------------------------

class Api {
 public:
  Api(Replay& replay, ApiOptions options)
      : replay_(replay),
        options_(std::move(options)),
        search_(options_.search_limit, options_.window),
        stream_(options_.stream_limit, options_.window),
        rules_read_(options_.rules_read_limit, options_.window),
        rules_write_(options_.rules_write_limit, options_.window) {}

  // nullopt when the caller may go on.
  std::optional<Response> refuse(const Request& request) const {
    const std::string_view authorization = request.headers.get("Authorization");
    const bool bearer = authorization.starts_with("Bearer ") && authorization.size() > 7;
    if (bearer && (options_.token.empty() || authorization.substr(7) == options_.token)) return std::nullopt;
    return plain_problem(401);
  }

  Response search(const Request& request);
  void stream(const Request& request, const Responder& responder);
  Response list_rules(const Request& request);
  Response change_rules(const Request& request);
  Response state() const;

  Replay& replay_;
  ApiOptions options_;
  Limiter search_, stream_, rules_read_, rules_write_;
  std::mutex connecting_;  // one connect at a time, so that the limit on streams holds
  std::mutex rules_mutex_;
  std::uint64_t next_rule_ = 1;
  std::atomic<int> fail_status_ = 0;
  std::atomic<int> fail_times_ = 0;

 private:
  Response add_rules(const js::array& wanted, bool dry_run);
  Response delete_rules(const js::object& wanted, bool dry_run);
};

Response Api::search(const Request& request) {
  Response answer = Response::json(200, "");
  if (!search_.take(answer.headers)) {
    Response refused = plain_problem(429);
    for (const auto& [name, value] : answer.headers)
      if (name.starts_with("x-")) refused.headers.set(name, value);
    return refused;
  }
  Parameters parameters(request.query);
  parameters.only({"query", "start_time", "end_time", "since_id", "until_id", "max_results", "next_token",
                   "pagination_token", "sort_order", "tweet.fields", "expansions", "media.fields",
                   "poll.fields", "user.fields", "place.fields"});
  const Fields fields = fields_of(parameters);
  const auto max_results = static_cast<size_t>(parameters.number("max_results", 10, 10, 100));
  const auto start = parameters.time("start_time");
  const auto end = parameters.time("end_time");
  const auto since = parameters.id("since_id");
  const auto until = parameters.id("until_id");
  const auto token = parameters.id(parameters.has("next_token") ? "next_token" : "pagination_token");
  const auto [corpus, published] = replay_.published();
  const std::int64_t now = published > 0 ? corpus.created_ms(published - 1) : wall_ms();
  if (!parameters.has("query")) parameters.wrong("query", "The `query` query parameter can not be empty");
  if (start && *start < now - kWeekMs)
    parameters.wrong("start_time",
                     fmt::format("Invalid 'start_time':'{}'. 'start_time' must be on or after {}.",
                                 parameters.text("start_time"), to_rfc3339(Wall(Duration(now - kWeekMs)))));
  if (since && static_cast<std::int64_t>(*since >> 22) + kIdEpochMs < now - kWeekMs)
    parameters.wrong("since_id", fmt::format("'since_id' must be a tweet id created after {}. Please use a "
                                             "'since_id' that is larger.",
                                             to_rfc3339(Wall(Duration(now - kWeekMs)))));
  Rule rule;
  if (parameters.has("query")) {
    auto parsed = Rule::parse(parameters.text("query"));
    if (parsed)
      rule = *std::move(parsed);
    else
      parameters.wrong("query", "There were errors processing your request: " + parsed.error().message);
  }
  if (!parameters.errors().empty()) {
    Response refused = invalid_request(parameters.errors());
    for (const auto& [name, value] : answer.headers)
      if (name.starts_with("x-")) refused.headers.set(name, value);
    return refused;
  }
  // Newest first; the token is the position behind the next page.
  std::vector<Post> page;
  std::uint64_t position = token ? std::min(*token, published) : published;
  const std::int64_t oldest = std::max(start.value_or(now - kWeekMs), now - kWeekMs);
  std::optional<std::uint64_t> next;
  while (position > 0) {
    const std::uint64_t candidate = position - 1;
    if (corpus.created_ms(candidate) < oldest || (since && corpus.id(candidate) <= *since)) break;
    --position;
    if (corpus.kind(candidate) != Corpus::Kind::kFresh || (end && corpus.created_ms(candidate) >= *end) ||
        (until && corpus.id(candidate) >= *until))
      continue;
    Post post = corpus.post(candidate);
    Subject subject(post.text);
    subject.user_name = post.author.user_name;
    subject.has_place = !post.place.empty();
    if (!rule.matches(subject)) continue;
    if (page.size() == max_results) {
      next = candidate + 1;
      break;
    }
    page.push_back(std::move(post));
  }
  std::string data;
  for (const Post& post : page) data.append(data.empty() ? "" : ",").append(data_json(post, fields));
  std::string meta = fmt::format(R"("result_count":{})", page.size());
  if (!page.empty())
    meta = fmt::format(R"("newest_id":"{}","oldest_id":"{}",{})", page.front().id, page.back().id, meta);
  if (next) meta += fmt::format(R"(,"next_token":"{}")", *next);
  const std::string includes = includes_json(page, fields);
  answer.body =
      fmt::format("{{{}{}\"meta\":{{{}}}}}", page.empty() ? "" : fmt::format("\"data\":[{}],", data),
                  includes.empty() ? "" : fmt::format("\"includes\":{},", includes), meta);
  return answer;
}

void Api::stream(const Request& request, const Responder& responder) {
  http::Headers limits;
  if (!stream_.take(limits)) {
    Response refused = plain_problem(429);
    for (const auto& [name, value] : limits) refused.headers.set(name, value);
    responder.respond(std::move(refused));
    return;
  }
  if (fail_times_ > 0) {
    --fail_times_;
    responder.respond(plain_problem(fail_status_));
    return;
  }
  Parameters parameters(request.query);
  parameters.only({"backfill_minutes", "start_time", "end_time", "tweet.fields", "expansions", "media.fields",
                   "poll.fields", "user.fields", "place.fields"});
  const Fields fields = fields_of(parameters);
  const auto backfill = parameters.number("backfill_minutes", 0, 0, 5);
  if (!parameters.errors().empty()) {
    responder.respond(invalid_request(parameters.errors()));
    return;
  }
  if (replay_.rules().empty()) {
    responder.respond(
        connection_problem(409, "RuleConfigurationIssue",
                           "You must define rules using the POST /2/tweets/search/stream/rules endpoint "
                           "before connecting to filtered stream."));
    return;
  }
  std::lock_guard lock(connecting_);
  if (options_.max_streams > 0 && replay_.streams() >= options_.max_streams) {
    Response refused = connection_problem(
        429, "TooManyConnections", "This stream is currently at the maximum allowed connection limit.");
    for (const auto& [name, value] : limits) refused.headers.set(name, value);
    responder.respond(std::move(refused));
    return;
  }
  http::BodyStream body = responder.stream({.content_type = "application/json; charset=utf-8",
                                            .headers = limits,
                                            .max_queued_bytes = options_.max_queued_bytes,
                                            .heartbeat = "\r\n",
                                            .heartbeat_every = options_.keep_alive});
  replay_.connect(std::move(body), fields, std::chrono::minutes(backfill));
}

std::string rule_json(const StreamRule& rule) {
  return fmt::format(R"({{"id":"{}","value":{}{}}})", rule.id, json_quote(rule.value),
                     rule.tag.empty() ? "" : fmt::format(",\"tag\":{}", json_quote(rule.tag)));
}

std::string sent_now() {
  return to_rfc3339(Wall(Duration(wall_ms())));
}

Response Api::list_rules(const Request& request) {
  Response answer = Response::json(200, "");
  if (!rules_read_.take(answer.headers)) return plain_problem(429);
  const std::string ids = "," + request.query.get("ids") + ",";
  std::string data;
  size_t count = 0;
  for (const StreamRule& rule : replay_.rules()) {
    if (request.query.has("ids") && ids.find("," + rule.id + ",") == std::string::npos) continue;
    data.append(data.empty() ? "" : ",").append(rule_json(rule));
    ++count;
  }
  answer.body = fmt::format(R"({{{}"meta":{{"sent":"{}","result_count":{}}}}})",
                            count ? fmt::format(R"("data":[{}],)", data) : "", sent_now(), count);
  return answer;
}

Response Api::change_rules(const Request& request) {
  http::Headers limits;
  if (!rules_write_.take(limits)) return plain_problem(429);
  const auto malformed = [](std::string message) {
    return problem(400, fmt::format(R"({{"errors":[{{"message":{}}}],"title":"Invalid Request",)"
                                    R"("detail":"One or more parameters to your request was invalid.",)"
                                    R"("type":"{}invalid-request"}})",
                                    json_quote(message), kProblems));
  };
  boost::system::error_code ec;
  const js::value body = js::parse(request.body, ec);
  if (ec || !body.is_object())
    return malformed("Requests with bodies must have content-type of application/json.");
  const js::object& object = body.get_object();
  const js::value* add = object.if_contains("add");
  const js::value* remove = object.if_contains("delete");
  const bool dry_run = request.query.get("dry_run") == "true";
  std::lock_guard lock(rules_mutex_);
  if (add && add->is_array() && !add->get_array().empty() && !remove)
    return add_rules(add->get_array(), dry_run);
  if (remove && remove->is_object() && !add) return delete_rules(remove->get_object(), dry_run);
  return malformed(
      "The body must hold either `add`, a list of rules, or `delete`, an object with `ids` or `values`.");
}

Response Api::add_rules(const js::array& wanted, bool dry_run) {
  std::vector<StreamRule> rules = replay_.rules();
  std::vector<StreamRule> created;
  std::string errors;
  size_t invalid = 0;
  const auto refuse = [&](std::string error) {
    errors.append(errors.empty() ? "" : ",").append(error);
    ++invalid;
  };
  if (rules.size() + wanted.size() > options_.max_rules)
    return problem(422, fmt::format(R"({{"title":"RulesCapExceeded","detail":"Rule cap of {} exceeded.",)"
                                    R"("type":"{}rule-cap"}})",
                                    options_.max_rules, kProblems));
  for (const js::value& entry : wanted) {
    const js::value* value = entry.is_object() ? entry.get_object().if_contains("value") : nullptr;
    const js::value* tag = entry.is_object() ? entry.get_object().if_contains("tag") : nullptr;
    StreamRule rule{.value = value && value->is_string() ? std::string(value->get_string()) : "",
                    .tag = tag && tag->is_string() ? std::string(tag->get_string()) : ""};
    const auto same = std::ranges::find(rules, rule.value, &StreamRule::value);
    if (same != rules.end()) {
      refuse(fmt::format(R"({{"value":{},"id":"{}","title":"DuplicateRule","type":"{}duplicate-rules"}})",
                         json_quote(rule.value), same->id, kProblems));
      continue;
    }
    auto parsed = Rule::parse(rule.value);
    if (!parsed) {
      refuse(fmt::format(
          R"({{"value":{},"details":[{}],"title":"UnprocessableEntity","type":"{}invalid-rules"}})",
          json_quote(rule.value), json_quote(parsed.error().message), kProblems));
      continue;
    }
    rule.rule = *std::move(parsed);
    rule.id = std::to_string(1'500'000'000'000'000'000 + next_rule_++);
    rules.push_back(rule);
    created.push_back(std::move(rule));
  }
  if (!dry_run) replay_.set_rules(rules);
  std::string data;
  for (const StreamRule& rule : created) data.append(data.empty() ? "" : ",").append(rule_json(rule));
  const size_t valid = created.size();
  return Response::json(
      201,
      fmt::format(
          R"({{{}"meta":{{"sent":"{}","summary":{{"created":{},"not_created":{},"valid":{},"invalid":{}}}}}{}}})",
          valid ? fmt::format(R"("data":[{}],)", data) : "", sent_now(), dry_run ? 0 : valid,
          dry_run ? valid + invalid : invalid, valid, invalid,
          errors.empty() ? "" : fmt::format(R"(,"errors":[{}])", errors)));
}

Response Api::delete_rules(const js::object& wanted, bool dry_run) {
  std::vector<StreamRule> rules = replay_.rules();
  size_t deleted = 0;
  std::string errors;
  size_t missing = 0;
  const auto remove = [&](const js::value* names, std::string StreamRule::* field, const char* kind) {
    if (!names || !names->is_array()) return;
    for (const js::value& name : names->get_array()) {
      const std::string text = name.is_string() ? std::string(name.get_string()) : js::serialize(name);
      const auto count = std::erase_if(rules, [&](const StreamRule& rule) { return rule.*field == text; });
      deleted += count;
      if (count > 0) continue;
      ++missing;
      errors += fmt::format(
          R"({}{{"errors":[{{"parameters":{{}},"message":"Rule does not exist"}}],"{}":{},)"
          R"("title":"Invalid Request","detail":"One or more parameters to your request was invalid.",)"
          R"("type":"{}invalid-request"}})",
          errors.empty() ? "" : ",", kind, json_quote(text), kProblems);
    }
  };
  remove(wanted.if_contains("ids"), &StreamRule::id, "id");
  remove(wanted.if_contains("values"), &StreamRule::value, "value");
  if (!dry_run) replay_.set_rules(std::move(rules));
  return Response::json(
      200, fmt::format(R"({{"meta":{{"sent":"{}","summary":{{"deleted":{},"not_deleted":{}}}}}{}}})",
                       sent_now(), dry_run ? 0 : deleted, missing,
                       errors.empty() ? "" : fmt::format(R"(,"errors":[{}])", errors)));
}

Response Api::state() const {
  const Replay::State state = replay_.state();
  return Response::json(
      200,
      fmt::format(R"({{"synthetic":true,"published":{},"limit":{},"history":{},"running":{},"streams":{}}})",
                  state.published, state.limit, state.history, state.running, state.streams));
}

}  // namespace

http::Router make_api(Replay& replay, ApiOptions options) {
  auto api = std::make_shared<Api>(replay, std::move(options));
  http::Router router;
  const auto guarded = [&](std::string_view method, std::string_view pattern, auto handle) {
    router.add(method, pattern, [api, handle](const Request& request, const Responder& responder) {
      if (auto refused = api->refuse(request))
        responder.respond(*std::move(refused));
      else
        handle(*api, request, responder);
    });
  };
  guarded("GET", "/2/tweets/search/recent", [](Api& a, const Request& request, const Responder& responder) {
    responder.respond(a.search(request));
  });
  guarded("GET", "/2/tweets/search/stream",
          [](Api& a, const Request& request, const Responder& responder) { a.stream(request, responder); });
  guarded("GET", "/2/tweets/search/stream/rules",
          [](Api& a, const Request& request, const Responder& responder) {
            responder.respond(a.list_rules(request));
          });
  guarded("POST", "/2/tweets/search/stream/rules",
          [](Api& a, const Request& request, const Responder& responder) {
            responder.respond(a.change_rules(request));
          });
  guarded("GET", "/replay",
          [](Api& a, const Request&, const Responder& responder) { responder.respond(a.state()); });
  guarded("POST", "/replay/start", [](Api& a, const Request& request, const Responder& responder) {
    Parameters parameters(request.query);
    const auto limit = parameters.number("limit", 0, 1, INT64_MAX);
    if (!parameters.errors().empty()) return void(responder.respond(invalid_request(parameters.errors())));
    a.replay_.begin(limit > 0 ? std::optional(static_cast<std::uint64_t>(limit)) : std::nullopt);
    responder.respond(a.state());
  });
  guarded("POST", "/replay/disconnect", [](Api& a, const Request& request, const Responder& responder) {
    a.replay_.disconnect(request.query.get("abrupt") == "true");
    responder.respond(a.state());
  });
  guarded("POST", "/replay/fail", [](Api& a, const Request& request, const Responder& responder) {
    Parameters parameters(request.query);
    const auto status = parameters.number("status", 503, 400, 599);
    const auto times = parameters.number("times", 1, 0, 1000);
    if (!parameters.errors().empty()) return void(responder.respond(invalid_request(parameters.errors())));
    a.fail_status_ = static_cast<int>(status);
    a.fail_times_ = static_cast<int>(times);
    responder.respond(a.state());
  });
  router.get("/health", [](const Request&, const Responder& responder) {
    responder.respond(Response::json(200, R"({"status":"up","synthetic":true})"));
  });
  router.get("/", [](const Request&, const Responder& responder) {
    responder.respond(Response::json(
        200,
        R"({"name":"x-replay","synthetic":true,"description":"Speaks the X API v2 and serves synthetic posts. )"
        R"(Nothing here was written by a person or comes from X."})"));
  });
  router.otherwise([](const Request&, const Responder& responder) { responder.respond(plain_problem(404)); });
  return router;
}

}  // namespace headrace::replay
