// Docker sends stdout and stderr of a process without a terminal in one stream of frames: an 8-byte header
// (stream number, three zeros, big-endian length), then so many bytes. This takes them apart again.
#pragma once

#include <string>
#include <string_view>

#include "docker/engine.h"

namespace headrace::docker {

class Frames {
 public:
  // Takes received bytes, however they were cut, and hands on what of each frame is there.
  // False: the sink wants no more.
  bool feed(std::string_view bytes, const OutputSink& sink);

 private:
  std::string header_;    // of the frame that begins, up to 8 bytes
  std::size_t left_ = 0;  // of the frame that is under way
  Output output_ = Output::kStdout;
};

}  // namespace headrace::docker
