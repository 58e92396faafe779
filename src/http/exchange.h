// What lies between a handler's threads and a connection's coroutine: the answer to one request, and the
// queue of an open stream. Private to the server: the only header of this folder with Asio in it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "http/message.h"
#include "http/responder.h"

namespace headrace::http {

namespace asio = boost::asio;
using asio::awaitable;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr auto kForever = std::chrono::hours(24 * 365);

// A one-place mailbox between any thread and one coroutine on its strand.
class Wake {
 public:
  explicit Wake(const asio::any_io_executor& executor) : timer_(executor) {}
  // From any thread; `self` keeps the owner of this Wake alive until the wake-up has run.
  template <class Owner>
  void notify(const std::shared_ptr<Owner>& self) {
    asio::post(timer_.get_executor(), [this, weak = std::weak_ptr<Owner>(self)] {
      if (const auto alive = weak.lock()) {
        notified_ = true;
        timer_.cancel();
      }
    });
  }
  // On the strand only. True when notified, false when the time passed first.
  awaitable<bool> wait(std::chrono::milliseconds longest) {
    if (!notified_) {
      timer_.expires_after(longest);
      co_await timer_.async_wait(kToken);
    }
    co_return std::exchange(notified_, false);
  }

 private:
  asio::steady_timer timer_;
  bool notified_ = false;
};

// A handle for any thread; the end of the last one runs `at_end`.
template <class Interface, class State>
std::shared_ptr<Interface> handle_of(std::shared_ptr<State> state, void (*at_end)(State&)) {
  Interface* const face = state.get();
  return {face, [state = std::move(state), at_end](Interface*) { at_end(*state); }};
}

// The queue of one open stream, between its producers and its connection.
class Streaming final : public BodyStream::Sink, public std::enable_shared_from_this<Streaming> {
 public:
  Streaming(std::shared_ptr<void> server, const asio::any_io_executor& executor, StreamOptions options)
      : server_(std::move(server)), executor_(executor), options_(std::move(options)), wake_(executor) {}

  bool write(std::string text) override {
    bool fits = true;
    {
      std::lock_guard lock(mutex_);
      if (closed_ || dropped_) return false;
      fits = pending_.empty() || pending_.size() + text.size() <= options_.max_queued_bytes;
      dropped_ = !fits;
      if (fits) pending_ += text;
    }
    if (fits)
      wake_.notify(shared_from_this());
    else
      asio::post(executor_, [self = shared_from_this()] { self->cut_off(); });
    return fits;
  }
  // No more writes; what is queued is still sent.
  void close() override {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(closed_, true)) return;
      // Never in the caller's thread: it may hold a lock that the callback wants.
      if (on_closed_) asio::post(executor_, std::exchange(on_closed_, nullptr));
    }
    wake_.notify(shared_from_this());
  }
  bool is_closed() const override {
    std::lock_guard lock(mutex_);
    return closed_ || dropped_;
  }
  size_t queued_bytes() const override {
    std::lock_guard lock(mutex_);
    return pending_.size();
  }
  void on_closed(std::function<void()> callback) override {
    {
      std::lock_guard lock(mutex_);
      if (!closed_) {
        on_closed_ = std::move(callback);
        return;
      }
    }
    callback();
  }

  // What to write next: queued text, a heartbeat, or "" when the stream has ended.
  awaitable<std::string> next() {
    const bool beats = !options_.heartbeat.empty();
    while (true) {
      {
        std::lock_guard lock(mutex_);
        if (dropped_ || gone_) co_return "";
        if (!pending_.empty()) co_return std::exchange(pending_, {});
        if (closed_) co_return "";
      }
      if (!co_await wake_.wait(beats ? options_.heartbeat_every : kForever) && beats)
        co_return options_.heartbeat;
    }
  }
  void consumer_gone() {
    {
      std::lock_guard lock(mutex_);
      gone_ = true;
    }
    close();
  }
  // A slow consumer was dropped: it must not take the cut for a whole body.
  bool is_dropped() const {
    std::lock_guard lock(mutex_);
    return dropped_;
  }
  // On the connection's strand: how to end a write that the slow consumer blocks.
  void set_cut_off(std::function<void()> cut) { cut_ = std::move(cut); }
  const StreamOptions& options() const { return options_; }

 private:
  void cut_off() {
    if (cut_) cut_();
    consumer_gone();
  }

  std::shared_ptr<void> server_;  // outlives wake_
  asio::any_io_executor executor_;
  StreamOptions options_;
  Wake wake_;
  std::function<void()> cut_;
  mutable std::mutex mutex_;
  std::string pending_;
  bool closed_ = false;   // no more writes
  bool dropped_ = false;  // too slow: nothing more is sent
  bool gone_ = false;
  std::function<void()> on_closed_;
};

// The answer to one request, filled once by a Responder and awaited by the connection.
struct Answer final : Responder::Exchange, std::enable_shared_from_this<Answer> {
  Answer(std::shared_ptr<void> owner, const asio::any_io_executor& strand)
      : server(std::move(owner)), executor(strand), wake(strand) {}

  bool give(std::optional<Response> whole, std::shared_ptr<Streaming> opened) {
    {
      std::lock_guard lock(mutex);
      if (std::exchange(given, true)) return false;
      response = std::move(whole);
      streaming = std::move(opened);
    }
    wake.notify(shared_from_this());
    return true;
  }
  bool respond(Response whole) override { return give(std::move(whole), nullptr); }
  std::shared_ptr<BodyStream::Sink> stream(StreamOptions opening) override {
    auto state = std::make_shared<Streaming>(server, executor, std::move(opening));
    auto handle = handle_of<BodyStream::Sink>(state, +[](Streaming& stream) { stream.close(); });
    return give(std::nullopt, std::move(state)) ? handle : nullptr;
  }
  Responder responder() {
    return Responder(handle_of<Responder::Exchange>(
        shared_from_this(),
        +[](Answer& answer) { answer.respond(Response::error(500, "The request was not answered.")); }));
  }

  std::shared_ptr<void> server;  // outlives wake
  asio::any_io_executor executor;
  Wake wake;
  std::mutex mutex;
  bool given = false;
  std::optional<Response> response;
  std::shared_ptr<Streaming> streaming;
};

}  // namespace headrace::http
