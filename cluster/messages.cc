#include "messages.h"

#include <new>

#include "decant/base/bytes.h"

namespace decant {

std::string EncodeMessage(const JobMessage& message) {
  ByteWriter writer;
  writer.Put(static_cast<uint8_t>(message.kind));
  writer.Put(static_cast<uint8_t>(message.request));
  writer.Put(message.span);
  writer.Put(message.code);
  writer.PutDouble(message.seconds);
  writer.PutString(message.text);
  return writer.Take();
}

JobMessage DecodeMessage(std::string_view bytes) {
  ByteReader reader(bytes, "message between ranks");
  JobMessage message;
  const auto kind = reader.Get<uint8_t>();
  const auto request = reader.Get<uint8_t>();
  if (kind < static_cast<uint8_t>(MessageKind::kHello) || kind > static_cast<uint8_t>(MessageKind::kStop) ||
      request > static_cast<uint8_t>(StopRequest::kAbandon)) {
    Fail(ErrorCode::kInternal, "a message of unknown kind {}: are all ranks of one build of decant?", kind);
  }
  message.kind = static_cast<MessageKind>(kind);
  message.request = static_cast<StopRequest>(request);
  message.span = reader.Get<uint64_t>();
  message.code = reader.Get<int32_t>();
  message.seconds = reader.GetDouble();
  message.text = reader.GetString();
  return message;
}

JobMessage DescribeFailure(const std::exception& exception, uint64_t span) {
  const auto* error = dynamic_cast<const Error*>(&exception);
  const bool out_of_memory = dynamic_cast<const std::bad_alloc*>(&exception) != nullptr;
  const ErrorCode code = error ? error->code() : out_of_memory ? ErrorCode::kExhausted : ErrorCode::kInternal;
  const std::string text = out_of_memory ? "out of memory" : exception.what();
  return {.kind = MessageKind::kFailed,
          .span = span,
          .code = static_cast<int32_t>(code),
          .text = text.substr(0, text.find('\n'))};
}

}  // namespace decant
