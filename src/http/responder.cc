#include "http/responder.h"

#include <mutex>
#include <utility>

#include "http/events.h"

namespace headrace::http {

bool EventStream::send(std::string_view event, std::string_view data, std::string_view id) {
  return write(format_event(event, data, id));
}

BodyStream Responder::stream(StreamOptions options) const {
  return BodyStream(exchange_ ? exchange_->stream(std::move(options)) : nullptr);
}

EventStream Responder::stream_events(std::chrono::milliseconds heartbeat,
                                     std::size_t max_queued_bytes) const {
  return EventStream(stream({.content_type = "text/event-stream",
                             .headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}},
                             .max_queued_bytes = max_queued_bytes,
                             .heartbeat = ":\n\n",
                             .heartbeat_every = heartbeat}));
}

Responder respond_to(std::function<void(Response)> callback) {
  class Recorded final : public Responder::Exchange {
   public:
    explicit Recorded(std::function<void(Response)> callback) : callback_(std::move(callback)) {}
    bool respond(Response response) override {
      std::function<void(Response)> callback;
      {
        std::lock_guard lock(mutex_);
        callback = std::exchange(callback_, nullptr);
      }
      if (callback) callback(std::move(response));
      return callback != nullptr;
    }
    std::shared_ptr<BodyStream::Sink> stream(StreamOptions) override { return nullptr; }

   private:
    std::mutex mutex_;
    std::function<void(Response)> callback_;
  };
  return Responder(std::make_shared<Recorded>(std::move(callback)));
}

}  // namespace headrace::http
