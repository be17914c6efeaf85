#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "decant/base/error.h"
#include "decant/cluster/run_job.h"

namespace decant {

// What ranks say to each other. Values are sent between processes of one build only.
enum class MessageKind : uint8_t {
  // Of a worker.
  kHello = 1,        // it is there; `text` is its host
  kOpened = 2,       // open() returned
  kReady = 3,        // set_up() returned `text`, which must be equal on all ranks
  kDone = 4,         // `span` is finished after `seconds`; `text` is its result
  kFailed = 5,       // it cannot go on; `code` and `text` say why; of `span`, or kNoSpan
  kAlive = 6,        // `text` are its statistics
  kStopRequest = 7,  // it was asked to stop the job so: `request`
  kBye = 8,          // nothing more will come
  // Of the coordinator.
  kOpen = 9,     // open() may be called
  kBegin = 10,   // `text` is for begin()
  kAssign = 11,  // work on `span`
  kPing = 12,    // the coordinator is there
  kStop = 13,    // no more spans; `code` and `text` say how the job ended, `request` what to do with the one under way
};

inline constexpr uint64_t kNoSpan = UINT64_MAX;
inline constexpr int32_t kNoError = -1;

struct JobMessage {
  MessageKind kind = MessageKind::kBye;
  uint64_t span = kNoSpan;
  int32_t code = kNoError;  // an ErrorCode, or kNoError
  StopRequest request = StopRequest::kNone;
  double seconds = 0;
  std::string text;
};

std::string EncodeMessage(const JobMessage& message);
// kInternal for a message of another build, kDataLoss for a truncated one.
JobMessage DecodeMessage(std::string_view bytes);

// kFailed with what was thrown.
JobMessage DescribeFailure(const std::exception& exception, uint64_t span = kNoSpan);

}  // namespace decant
