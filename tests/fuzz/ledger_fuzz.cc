// Records of the ledger, and what is beside it. Input: kind, 8 with a checksum of its own; then the payload, or the
// record.
#include "decant/base/error.h"
#include "decant/store/acknowledgement.h"
#include "decant/store/ledger.h"
#include "decant/store/record.h"

#include "fuzz/fuzz.h"
#include "store/expiry.h"

namespace decant {
namespace {

constexpr Layout kLayout = {.num_samples = 7, .num_epochs = 3, .chunk_size = 2, .span_chunks = 2};

// Reads the record of this kind; what is read has one encoding.
void Read(unsigned kind, const std::string& record) {
  if (kind == 0) {
    const SpanTrailer trailer = DecodeTrailer(kLayout.SpanAt(0), record);
    Require(EncodeTrailer(trailer) == record, "a trailer comes back");
  } else if (kind == 1) {
    Require(EncodeExpiry(1, DecodeExpiry(kLayout, 1, record)) == record, "an expiry comes back");
  } else if (kind == 2) {
    const Acknowledgement acknowledgement = DecodeAcknowledgement("ada", record, "here");
    Require(acknowledgement.name == "ada", "an acknowledgement is its reader's");
  } else if (kind == 3) {
    Require(WrapRecord(RecordMagic::kSeal, UnwrapRecord(RecordMagic::kSeal, record, "here")) == record,
            "a seal comes back");
  } else {
    uint32_t epoch = 0;
    uint64_t chunk = 0;
    if (ParseLabelKey(record, &epoch, &chunk) && record.back() == 0) {
      Require(ChunkKey(epoch, chunk) == record, "a key comes back");
    }
  }
}

void Fuzz(FuzzInput input) {
  constexpr RecordMagic kMagics[] = {RecordMagic::kTrailer, RecordMagic::kExpiry, RecordMagic::kAcknowledgement,
                                     RecordMagic::kSeal};
  const uint8_t mode = input.Byte();
  const unsigned kind = mode % 8;
  const std::string_view rest = input.Rest();
  const bool raw = (mode & 8) != 0 || kind >= std::size(kMagics);
  try {
    Read(kind, raw ? std::string(rest) : WrapRecord(kMagics[kind], rest));
  } catch (const Error& error) {
    Require(error.code() == ErrorCode::kDataLoss, error.what());
  }
}

}  // namespace
}  // namespace decant

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  decant::Fuzz({bytes, size});
  return 0;
}
