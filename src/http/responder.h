// How a handler answers: once, now or later, from any thread; or with a stream that stays open.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace headrace::http {

// An open answer of unknown length. A cheap handle: copies mean the same stream. Every method may be called
// from any thread, none blocks. When the last handle is gone the stream ends as by close().
class BodyStream {
 public:
  // The connection's side. Implemented by the server; tests may implement their own.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual bool write(std::string text) = 0;
    virtual void close() = 0;
    virtual bool is_closed() const = 0;
    virtual std::size_t queued_bytes() const = 0;
    virtual void on_closed(std::function<void()> callback) = 0;
  };

  BodyStream() = default;
  explicit BodyStream(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}

  // Queues text. False: the stream is closed, or was dropped just now because more than
  // StreamOptions::max_queued_bytes wait for a slow consumer.
  bool write(std::string text) { return sink_ && sink_->write(std::move(text)); }
  // Sends what is queued, then the end of the body.
  void close() {
    if (sink_) sink_->close();
  }
  // True once the consumer went away, was dropped, or close() was called.
  bool is_closed() const { return !sink_ || sink_->is_closed(); }
  std::size_t queued_bytes() const { return sink_ ? sink_->queued_bytes() : 0; }
  // Called once, from an I/O thread, when the stream ends for whatever reason (at once if it has).
  // Must not hold a handle of this same stream, or it never ends by itself.
  void on_closed(std::function<void()> callback) {
    if (sink_) sink_->on_closed(std::move(callback));
  }

 private:
  std::shared_ptr<Sink> sink_;
};

// A BodyStream of server-sent events (text/event-stream).
class EventStream : public BodyStream {
 public:
  EventStream() = default;
  explicit EventStream(BodyStream stream) : BodyStream(std::move(stream)) {}
  // One event; empty event or id fields are left out; data may hold newlines.
  bool send(std::string_view event, std::string_view data, std::string_view id = {});
};

struct StreamOptions {
  std::string content_type = "text/plain; charset=utf-8";
  Headers headers;
  std::size_t max_queued_bytes = 1 << 20;
  std::string heartbeat;  // sent when nothing else was for heartbeat_every; empty: none
  std::chrono::milliseconds heartbeat_every{10'000};
};

// The right to answer one request. A cheap handle: copies mean the same answer. The first respond or
// stream wins; later ones do nothing and return false or a closed stream. When the last copy is gone
// without an answer, 500 is sent.
class Responder {
 public:
  // The connection's side. Implemented by the server; tests may implement their own.
  class Exchange {
   public:
    virtual ~Exchange() = default;
    virtual bool respond(Response response) = 0;
    virtual std::shared_ptr<BodyStream::Sink> stream(StreamOptions options) = 0;  // nullptr: answered already
  };

  Responder() = default;
  explicit Responder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  bool respond(Response response) const { return exchange_ && exchange_->respond(std::move(response)); }
  // Starts a 200 answer that stays open, sent chunked.
  BodyStream stream(StreamOptions options = {}) const;
  // The same as server-sent events, with a comment line every heartbeat so that dead peers are noticed.
  EventStream stream_events(std::chrono::milliseconds heartbeat = std::chrono::seconds(10),
                            std::size_t max_queued_bytes = 1 << 20) const;

 private:
  std::shared_ptr<Exchange> exchange_;
};

// For tests of handlers without a socket: gives the Response to the callback; streams are closed at once.
Responder respond_to(std::function<void(Response)> callback);

}  // namespace headrace::http
