#include "messages.h"

#include "decant/base/bytes.h"

namespace decant {

std::string EncodeMessage(const JobMessage& message) {
  ByteWriter writer;
  writer.Put(static_cast<uint8_t>(message.kind));
  writer.Put(message.span);
  writer.Put(message.code);
  writer.PutString(message.text);
  return writer.Take();
}

JobMessage DecodeMessage(std::string_view bytes) {
  ByteReader reader(bytes, "message between ranks");
  JobMessage message;
  const auto kind = reader.Get<uint8_t>();
  if (kind < static_cast<uint8_t>(MessageKind::kReady) || kind > static_cast<uint8_t>(MessageKind::kBye)) {
    Fail(ErrorCode::kInternal, "a message of unknown kind {}: are all ranks of one build of decant?", kind);
  }
  message.kind = static_cast<MessageKind>(kind);
  message.span = reader.Get<uint64_t>();
  message.code = reader.Get<int32_t>();
  message.text = reader.GetString();
  return message;
}

}  // namespace decant
