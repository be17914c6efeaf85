// Chunks of any bytes, under the parameters and tables of CodecCases(), or under tables of any bytes.
// Input: case | samples | mode | mode 1: u16 length, tables' payload | the chunk's payload after its place.
// Mode 2: the whole record instead, checksum included.
#include <cstring>
#include <map>
#include <optional>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/store/record.h"

#include "fuzz/fuzz.h"
#include "unit/codec_cases.h"

namespace decant {
namespace {

// Runs `read`; false when it says that the bytes are damaged. Every other failure is a finding.
template <typename Read>
bool Reads(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    Require(error.code() == ErrorCode::kDataLoss, error.what());
    return false;
  }
}

const ChunkCodec& CachedCodec(size_t index) {
  static std::map<size_t, ChunkCodec> codecs;
  auto found = codecs.find(index);
  if (found == codecs.end()) {
    const CodecCase a_case = CodecCases()[index];
    found = codecs.emplace(index, ChunkCodec(a_case.params, TablesOf(a_case))).first;
  }
  return found->second;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

bool SameBits(const LabelBatch& a, const LabelBatch& b) {
  return a.offsets == b.offsets && a.ids == b.ids && SameBits(a.log_probs, b.log_probs) &&
         SameBits(a.tail_mass, b.tail_mass) && SameBits(a.true_log_probs, b.true_log_probs) &&
         SameBits(a.logits, b.logits) && SameBits(a.log_sum_exp, b.log_sum_exp) &&
         (!a.window_hashes.empty() || a.view_fingerprints == b.view_fingerprints);
}

void CheckLabels(const CodecParams& params, const LabelCodes& codes) {
  Require(codes.values.size() == codes.ids.size() && codes.offsets.back() == codes.ids.size(), "columns fit");
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint32_t count = codes.offsets[i + 1] - codes.offsets[i];
    Require(count >= 1 && count <= params.k, "1 to k entries");
  }
  for (const uint32_t id : codes.ids) Require(id < params.num_classes, "ids are below num_classes");
}

void CheckDecoding(const ChunkCodec& codec, const ChunkPlace& place, std::string_view record) {
  LabelCodes codes;
  const bool sound = Reads([&] { codes = codec.Decode(place, record); });
  for (size_t t = 0; t < codec.params().temperatures.size(); ++t) {
    LabelBatch at_once, in_turn;
    const bool decoded = Reads([&] { codec.DecodeLabels(place, record, &at_once, t); });
    const bool dequantised = sound && Reads([&] { codec.Dequantise(codes, 0, codes.size(), &in_turn, t); });
    Require(decoded == dequantised, "DecodeLabels takes what Decode and Dequantise take");
    Require(!decoded || SameBits(at_once, in_turn), "DecodeLabels gives what Decode and Dequantise give");
    for (const float log_prob : at_once.log_probs) Require(!decoded || log_prob <= 0, "log-probabilities are <= 0");
  }
  for (size_t i = 0; i < place.num_samples; ++i) {
    LabelCodes one;
    const bool read = Reads([&] { one = codec.DecodeSample(place, record, i); });
    Require(read || !sound, "DecodeSample takes what Decode takes");
    if (read) CheckLabels(codec.params(), one);
    if (!sound) continue;
    if (codec.params().view_fingerprints) {
      Require(one.view_fingerprints == std::vector{codes.view_fingerprints[i]}, "DecodeSample gives the fingerprint");
    }
    const size_t first = codes.windows.empty() ? i : codes.windows[i];
    for (size_t entry = 0; entry < one.ids.size(); ++entry) {
      const size_t place_in_all = codes.offsets[first] + entry;
      Require(one.ids[entry] == codes.ids[place_in_all] && one.values[entry] == codes.values[place_in_all],
              "DecodeSample gives what Decode gives");
    }
  }
  if (!sound) return;
  CheckLabels(codec.params(), codes);
  Require(codec.Decode(place, codec.Encode(place, codes)) == codes, "labels come back");
}

void Fuzz(FuzzInput input) {
  const size_t index = input.Byte() % CodecCases().size();
  const ChunkPlace place = {.epoch = 3, .chunk = uint64_t{1} << 40, .num_samples = input.Byte()};
  const uint8_t mode = input.Byte();
  std::optional<ChunkCodec> own;
  if (mode & 1) {
    const size_t length = input.Byte() + size_t{256} * input.Byte();
    const CodecParams params = CodecCases()[index].params;
    CodecTables tables;
    if (!Reads([&] { tables = ParseTables(params, input.Bytes(length)); })) return;
    Require(ParseTables(params, EncodeTables(params, tables)) == tables, "tables come back");
    own = ChunkCodec(params, tables);
  }
  ByteWriter payload;
  payload.Put(place.epoch);
  payload.Put(place.chunk);
  payload.Put(place.num_samples);
  const std::string_view rest = input.Rest();
  payload.PutBytes(rest);
  const std::string record = mode & 2 ? std::string(rest) : WrapRecord(RecordMagic::kChunk, payload.bytes());
  CheckDecoding(own ? *own : CachedCodec(index), place, record);
}

}  // namespace
}  // namespace decant

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  decant::Fuzz({bytes, size});
  return 0;
}
