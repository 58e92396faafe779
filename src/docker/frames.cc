#include "docker/frames.h"

#include <algorithm>

namespace headrace::docker {

bool Frames::feed(std::string_view bytes, const OutputSink& sink) {
  while (!bytes.empty()) {
    if (left_ == 0) {
      const std::size_t part = std::min(bytes.size(), 8 - header_.size());
      header_ += bytes.substr(0, part);
      bytes.remove_prefix(part);
      if (header_.size() < 8) return true;
      output_ = header_[0] == 2 ? Output::kStderr : Output::kStdout;
      for (const char byte : header_.substr(4)) left_ = left_ << 8 | static_cast<unsigned char>(byte);
      header_.clear();
      continue;
    }
    const std::string_view part = bytes.substr(0, left_);
    bytes.remove_prefix(part.size());
    left_ -= part.size();
    if (!sink(output_, part)) return false;
  }
  return true;
}

}  // namespace headrace::docker
