#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "decant/base/error.h"

namespace decant {

// What ranks say to each other. Values are sent between processes of one build only.
enum class MessageKind : uint8_t {
  kReady = 1,   // worker: `text` is what must be equal on all ranks (the schema's digest)
  kDone = 2,    // worker: `span` is finished, `text` is the work body's result
  kFailed = 3,  // worker: it cannot go on; `code` and `text` say why
  kAssign = 4,  // coordinator: work on `span`
  kStop = 5,    // coordinator: no more spans; `code` and `text` say how the job ended
  kBye = 6,     // worker: nothing more will come
};

struct JobMessage {
  MessageKind kind = MessageKind::kBye;
  uint64_t span = 0;
  int32_t code = -1;  // an ErrorCode, or -1 for none
  std::string text;
};

std::string EncodeMessage(const JobMessage& message);
JobMessage DecodeMessage(std::string_view bytes);

}  // namespace decant
