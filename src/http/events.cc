#include "http/events.h"

#include <utility>

namespace headrace::http {

std::string format_event(std::string_view event, std::string_view data, std::string_view id) {
  std::string text;
  text.reserve(data.size() + event.size() + id.size() + 32);
  if (!event.empty()) text.append("event: ").append(event).append("\n");
  if (!id.empty()) text.append("id: ").append(id).append("\n");
  while (true) {
    const size_t end = data.find('\n');
    text.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  return text + "\n";
}

bool LineReader::feed(std::string_view piece, const std::function<bool(std::string_view)>& on_line) {
  while (true) {
    const size_t end = piece.find('\n');
    if (end == std::string_view::npos) break;
    std::string_view line = piece.substr(0, end);
    if (!rest_.empty()) line = rest_.append(line);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool go_on = on_line(line);
    rest_.clear();
    piece.remove_prefix(end + 1);
    if (!go_on) return false;
  }
  rest_.append(piece);
  return true;
}

bool EventReader::feed(std::string_view piece, const std::function<bool(const Event&)>& on_event) {
  return lines_.feed(piece, [&](std::string_view line) {
    if (line.empty()) {
      bool go_on = true;
      if (has_data_) {
        if (next_.event.empty()) next_.event = "message";
        go_on = on_event(next_);
      }
      next_ = Event{.id = std::move(next_.id)};
      has_data_ = false;
      return go_on;
    }
    const size_t colon = line.find(':');
    if (colon == 0) return true;  // a comment
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") {
      next_.event = value;
    } else if (field == "id") {
      next_.id = value;
    } else if (field == "data") {
      if (has_data_) next_.data += '\n';
      next_.data += value;
      has_data_ = true;
    }
    return true;
  });
}

}  // namespace headrace::http
