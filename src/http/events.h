// Server-sent events and lines, cut out of a byte stream that arrives in any pieces.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace headrace::http {

struct Event {
  std::string event;  // "message" when the sender gave none
  std::string data;
  std::string id;  // the last id seen on the stream
};

// "event: …\nid: …\ndata: …\n\n"; data of several lines becomes several data fields.
std::string format_event(std::string_view event, std::string_view data, std::string_view id = {});

// Cuts lines at "\n" or "\r\n". feed returns false as soon as the callback does.
class LineReader {
 public:
  bool feed(std::string_view piece, const std::function<bool(std::string_view)>& on_line);

 private:
  std::string rest_;
};

// Interprets lines as the event-stream format (HTML Living Standard, 9.2.6).
class EventReader {
 public:
  bool feed(std::string_view piece, const std::function<bool(const Event&)>& on_event);

 private:
  LineReader lines_;
  Event next_;
  bool has_data_ = false;
};

}  // namespace headrace::http
