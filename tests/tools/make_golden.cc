// Makes the golden files of the format version that this build writes:
//
//   make_golden DIRECTORY      which must not exist: golden files of a released version never change
//
// One set of records for each of CodecCases(), with what a reader must decode from them in JSON; and damaged records,
// with what `decant` says to them. tests/python/read_golden.py and golden_test read them.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <span>

#include "decant/base/bytes.h"
#include "decant/base/file.h"
#include "decant/store/ledger.h"
#include "decant/store/record.h"
#include "decant/store/schema.h"

#include "store/expiry.h"
#include "unit/codec_cases.h"
#include "unit/golden_records.h"

namespace decant {
namespace {

using nlohmann::json;

std::vector<uint32_t> FloatBits(const std::vector<float>& numbers) {
  std::vector<uint32_t> bits;
  for (const float number : numbers) bits.push_back(std::bit_cast<uint32_t>(number));
  return bits;
}

json Decoded(const ChunkCodec& codec, const ChunkPlace& place, const LabelCodes& codes) {
  Xxh3Stream digest;
  UpdateContentDigest(place, codes, &digest);
  json decoded = {{"place", {place.epoch, place.chunk, place.num_samples}},
                  {"content_digest", Hex(digest.Digest())},
                  {"windows", codes.windows},
                  {"window_hashes", codes.window_hashes},
                  {"offsets", codes.offsets},
                  {"ids", codes.ids},
                  {"values", codes.values},
                  {"tails", codes.tails},
                  {"other_tails", codes.other_tails},
                  {"true_values", codes.true_values},
                  {"extras", codes.extras},
                  {"tie_ranks", codes.tie_ranks}};
  if (codec.params().view_fingerprints) decoded["view_fingerprints"] = codes.view_fingerprints;
  for (size_t t = 0; t < codec.params().temperatures.size(); ++t) {
    LabelBatch labels;
    codec.Dequantise(codes, 0, codes.size(), &labels, t);
    decoded[fmt::format("log_probs_{}", t)] = FloatBits(labels.log_probs);
    decoded[fmt::format("tail_mass_{}", t)] = FloatBits(labels.tail_mass);
    if (codec.params().true_label) decoded["true_log_probs"] = FloatBits(labels.true_log_probs);
  }
  return decoded;
}

void WriteCase(const std::string& directory, const CodecCase& a_case) {
  Schema schema;
  schema.layout = {.num_samples = uint64_t{1} << 45, .num_epochs = 7, .chunk_size = 1 << 20, .span_chunks = 1 << 30};
  schema.codec = a_case.params;
  schema.tables = std::make_shared<CodecTables>(TablesOf(a_case));
  schema.seed = 5;
  schema.dataset = {{"kind", "none"}};
  ValidateSchema(schema);
  if (a_case.name == "learnt_anchored" && !(schema.tables->anchored && !schema.tables->class_order.empty())) {
    Fail(ErrorCode::kInternal, "{}: anchored {}, an order of {} classes", a_case.name, schema.tables->anchored,
         schema.tables->class_order.size());
  }
  if (a_case.name == "learnt_frequency" && (schema.tables->anchored || schema.tables->class_order.empty())) {
    Fail(ErrorCode::kInternal, "{}: the classes are not listed by frequency", a_case.name);
  }
  const ChunkCodec codec = MakeCodec(schema);
  const LabelCodes codes = codec.Quantise(MakeLabels(a_case.params, a_case.labels));
  const ChunkPlace place = PlaceOf(codes);
  const std::string base = directory + "/" + a_case.name;
  WriteFileAtomically(base + ".schema.bin", WrapRecord(RecordMagic::kSchema, SchemaText(schema)));
  WriteFileAtomically(base + ".tables.bin",
                      WrapRecord(RecordMagic::kTables, EncodeTables(schema.codec, *schema.tables)));
  WriteFileAtomically(base + ".chunk.bin", codec.Encode(place, codes));
  WriteFileAtomically(base + ".json", Decoded(codec, place, codes).dump() + "\n");
}

std::string Payload(const std::string& record) {
  return record.substr(kRecordHeaderBytes, record.size() - kRecordOverheadBytes);
}

// The record with a payload that is changed, and a checksum that is right again.
std::string Changed(const std::string& record, const std::function<void(std::string*)>& change) {
  std::string payload = Payload(record);
  change(&payload);
  std::string changed = record.substr(0, 8);
  ByteWriter writer;
  writer.PutBytes(changed);
  writer.Put(static_cast<uint32_t>(payload.size()));
  writer.PutBytes(payload);
  writer.Put(Xxh3(writer.bytes()));
  return writer.Take();
}

// The record with other bytes at `offset`, and a checksum that is right again.
std::string Patched(const std::string& record, size_t offset, std::string_view bytes) {
  std::string patched = record.substr(0, record.size() - 8);
  patched.replace(offset, bytes.size(), bytes);
  ByteWriter writer;
  writer.PutBytes(patched);
  writer.Put(Xxh3(patched));
  return writer.Take();
}

std::string WithText(const std::string& schema, const std::function<void(json*)>& change) {
  return Changed(schema, [&](std::string* text) {
    json object = json::parse(*text);
    change(&object);
    *text = object.dump();
  });
}

class DamageWriter {
 public:
  explicit DamageWriter(const std::string& directory) : directory_(directory) {}

  void Add(const std::string& name, const std::string& a_case, const std::string& kind, const std::string& record) {
    const std::string file = kind + "_" + name + ".bin";
    WriteFileAtomically(directory_ + "/damage/" + file, record);
    json entry = {{"file", file}, {"case", a_case}, {"kind", kind}};
    entry["message"] = GoldenRecords(directory_, a_case).Refusal(kind, record);
    if (entry["message"] == "") Fail(ErrorCode::kInternal, "{} is not refused", file);
    entries_.push_back(entry);
  }
  void Finish() const { WriteFileAtomically(directory_ + "/damage/damage.json", json(entries_).dump(1) + "\n"); }
  std::string Sound(const std::string& a_case, const std::string& kind) const {
    return ReadFile(fmt::format("{}/{}.{}.bin", directory_, a_case, kind));
  }
  // What is decoded from it, as JSON.
  std::string Sound(const std::string& a_case) const { return ReadFile(fmt::format("{}/{}.json", directory_, a_case)); }

 private:
  std::string directory_;
  std::vector<json> entries_;
};

// What can happen to any record.
void AddRecordDamage(DamageWriter* writer, const std::string& kind, const std::string& sound) {
  using namespace std::string_literals;
  const std::string a_case = "variable_counts";
  writer->Add("empty", a_case, kind, "");
  writer->Add("truncated", a_case, kind, sound.substr(0, sound.size() / 2));
  writer->Add("longer", a_case, kind, sound + "x");
  std::string flipped = sound;
  flipped[sound.size() / 2] ^= 4;
  writer->Add("flipped", a_case, kind, flipped);
  writer->Add("wrong_checksum", a_case, kind, sound.substr(0, sound.size() - 1) + static_cast<char>(~sound.back()));
  writer->Add("wrong_magic", a_case, kind, Patched(sound, 0, "DXXX"));
  writer->Add("version_0", a_case, kind, Patched(sound, 4, "\0\0"s));
  writer->Add("version_2", a_case, kind, Patched(sound, 4, "\2\0"s));
  writer->Add("flags", a_case, kind, Patched(sound, 6, "\0\x80"s));
  writer->Add("wrong_length", a_case, kind, Patched(sound, 8, "\xff\xff\xff\xff"));
}

// Where a chunk's payload has them.
size_t FingerprintsBegin(const DamageWriter* writer, const std::string& a_case) {
  const std::string payload = Payload(writer->Sound(a_case, "chunk"));
  const json decoded = json::parse(writer->Sound(a_case));
  std::string column;
  for (const uint16_t fingerprint : decoded["view_fingerprints"]) {
    column.append({static_cast<char>(fingerprint), static_cast<char>(fingerprint >> 8)});
  }
  const size_t begin = payload.find(column);
  if (begin == std::string::npos) Fail(ErrorCode::kInternal, "{}: its fingerprints are not there", a_case);
  return begin;
}

void AddChunkDamage(DamageWriter* writer) {
  using namespace std::string_literals;
  const std::string a_case = "variable_counts";
  const std::string sound = writer->Sound(a_case, "chunk");
  AddRecordDamage(writer, "chunk", sound);
  // Offsets as in docs/format.md.
  writer->Add("other_epoch", a_case, "chunk", Patched(sound, 12, "\4"));
  writer->Add("other_chunk", a_case, "chunk", Patched(sound, 16, "\1"));
  writer->Add("other_samples", a_case, "chunk", Patched(sound, 24, "\xd"));
  writer->Add("count_above_k", a_case, "chunk", Patched(sound, 28, "\7"));
  writer->Add("fixed_count_of_variable", a_case, "chunk", Patched(sound, 28, "\3"));
  writer->Add("shortest_of_no_bits", a_case, "chunk", Patched(sound, 32, "\0\0\0\0"s));
  writer->Add("shortest_of_many_bits", a_case, "chunk", Patched(sound, 32, "\xff\xff\xff\xff"));
  writer->Add("shortest_of_other_bits", a_case, "chunk", Patched(sound, 32, std::string(1, sound[32] + 1)));
  writer->Add("width_33", a_case, "chunk", Patched(sound, 36, "\x21"));
  writer->Add("width_32", a_case, "chunk", Patched(sound, 36, "\x20"));
  writer->Add("byte_too_many", a_case, "chunk", Changed(sound, [](std::string* p) { p->push_back(0); }));
  writer->Add("byte_missing", a_case, "chunk", Changed(sound, [](std::string* p) { p->pop_back(); }));
  writer->Add("header_truncated", a_case, "chunk", Changed(sound, [](std::string* p) { p->resize(20); }));
  const size_t stream = 37 + (12 * static_cast<size_t>(sound[36]) + 7) / 8;
  writer->Add("labels_all_ones", a_case, "chunk",
              Changed(sound, [&](std::string* p) { std::fill(p->begin() + (stream - 12), p->end() - 1, '\xff'); }));
  writer->Add("padding", a_case, "chunk", Changed(sound, [](std::string* p) { p->back() ^= static_cast<char>(0x80); }));
  const std::string logits = writer->Sound("bf16_logits", "chunk");
  writer->Add("labels_all_zeros", "bf16_logits", "chunk",
              Changed(logits, [](std::string* p) { std::fill(p->begin() + 60, p->end() - 1, '\0'); }));
  const std::string windows = writer->Sound("windows", "chunk");
  writer->Add("window_lengths", "windows", "chunk", Patched(windows, 28, "\x20"));
  writer->Add("window_longer", "windows", "chunk", Patched(windows, 29, std::string(1, windows[29] ^ 1)));
  for (const std::string with_fingerprints : {"view_fingerprints", "window_fingerprints"}) {
    const std::string record = writer->Sound(with_fingerprints, "chunk");
    const size_t begin = FingerprintsBegin(writer, with_fingerprints);
    writer->Add(with_fingerprints + "_too_few", with_fingerprints, "chunk",
                Changed(record, [&](std::string* p) { p->erase(begin, 2); }));
    writer->Add(with_fingerprints + "_too_many", with_fingerprints, "chunk",
                Changed(record, [&](std::string* p) { p->insert(begin, 2, '\0'); }));
    writer->Add(with_fingerprints + "_truncated", with_fingerprints, "chunk",
                Changed(record, [&](std::string* p) { p->resize(begin + 5); }));
  }
}

void AddSchemaDamage(DamageWriter* writer) {
  const std::string a_case = "variable_counts";
  const std::string sound = writer->Sound(a_case, "schema");
  AddRecordDamage(writer, "schema", sound);
  const auto add = [&](const std::string& name, const std::function<void(json*)>& change) {
    writer->Add(name, a_case, "schema", WithText(sound, change));
  };
  add("unknown_field", [](json* s) { (*s)["shuffle"] = true; });
  add("unknown_codec_field", [](json* s) { (*s)["codec"]["level"] = 3; });
  add("unknown_labels_field", [](json* s) { (*s)["labels"]["floor"] = 0.1; });
  add("unknown_layout_field", [](json* s) { (*s)["layout"]["shards"] = 2; });
  add("missing_field", [](json* s) { (*s)["labels"].erase("k"); });
  add("other_tables", [](json* s) { (*s)["codec"]["tables"] = "sha256:" + std::string(64, '0'); });
  add("view_fingerprints_false", [](json* s) { (*s)["labels"]["view_fingerprints"] = false; });
  add("view_fingerprints_number", [](json* s) { (*s)["labels"]["view_fingerprints"] = 1; });
  writer->Add("no_json", a_case, "schema", Changed(sound, [](std::string* text) { text->pop_back(); }));
}

void AddTablesDamage(DamageWriter* writer) {
  using namespace std::string_literals;
  const std::string a_case = "learnt_anchored";
  const std::string sound = writer->Sound(a_case, "tables");
  AddRecordDamage(writer, "tables", writer->Sound("variable_counts", "tables"));
  const size_t order = kRecordHeaderBytes + 5;
  const size_t codes = order + (509 * 9 + 7) / 8;
  writer->Add("other_classes", a_case, "tables", Patched(sound, kRecordHeaderBytes, "\1"));
  writer->Add("unknown_flags", a_case, "tables", Patched(sound, kRecordHeaderBytes + 4, "\7"));
  writer->Add("without_order", a_case, "tables", Patched(sound, kRecordHeaderBytes + 4, "\2"));
  writer->Add("class_twice", a_case, "tables", Patched(sound, order, "\0\0\0"s));
  writer->Add("class_too_high", a_case, "tables", Patched(sound, order, "\xff\xff"));
  writer->Add("order_padding", a_case, "tables",
              Patched(sound, codes - 1, std::string(1, static_cast<char>(sound[codes - 1] | 0x80))));
  writer->Add("code_of_11_bits", a_case, "tables", Patched(sound, codes, "\xbb"));
  writer->Add("incomplete_code", a_case, "tables", Patched(sound, codes, std::string(128, '\0')));
  writer->Add("code_without_escape", a_case, "tables", Patched(sound, codes, "\x11" + std::string(127, '\0')));
  writer->Add("longer_payload", a_case, "tables", Changed(sound, [](std::string* p) { p->push_back(0); }));
  writer->Add("shorter_payload", a_case, "tables", Changed(sound, [](std::string* p) { p->pop_back(); }));
}

void AddLedgerDamage(DamageWriter* writer) {
  using namespace std::string_literals;
  const std::string a_case = "variable_counts";
  const std::string trailer = EncodeTrailer(GoldenTrailer(0));
  AddRecordDamage(writer, "trailer", trailer);
  writer->Add("other_span", a_case, "trailer", Patched(trailer, 12, "\1"));
  writer->Add("longer_payload", a_case, "trailer", Changed(trailer, [](std::string* p) { p->push_back(0); }));
  writer->Add("shorter_payload", a_case, "trailer", Changed(trailer, [](std::string* p) { p->pop_back(); }));
  const std::string expiry = EncodeExpiry(1, {GoldenTrailer(2), GoldenTrailer(3)});
  AddRecordDamage(writer, "expiry", expiry);
  writer->Add("other_epoch", a_case, "expiry", Patched(expiry, 12, "\2"));
  writer->Add("trailer_missing", a_case, "expiry", EncodeExpiry(1, {GoldenTrailer(2)}));
  writer->Add("trailer_twice", a_case, "expiry", EncodeExpiry(1, {GoldenTrailer(2), GoldenTrailer(2)}));
  writer->Add("trailer_too_many", a_case, "expiry",
              EncodeExpiry(1, {GoldenTrailer(2), GoldenTrailer(3), GoldenTrailer(4)}));
}

int Main(std::span<char*> args) {
  try {
    if (args.size() != 2 || std::filesystem::exists(args[1])) {
      Fail(ErrorCode::kInvalidArgument, "usage: make_golden DIRECTORY, which must not exist");
    }
    const std::string directory = args[1];
    std::filesystem::create_directories(directory + "/damage");
    for (const CodecCase& a_case : CodecCases()) WriteCase(directory, a_case);
    WriteFileAtomically(directory + "/trailer.bin", EncodeTrailer(GoldenTrailer(0)));
    WriteFileAtomically(directory + "/expiry.bin", EncodeExpiry(1, {GoldenTrailer(2), GoldenTrailer(3)}));
    WriteFileAtomically(directory + "/seal.bin", WrapRecord(RecordMagic::kSeal, std::string(64, 'a')));
    DamageWriter writer(directory);
    AddChunkDamage(&writer);
    AddSchemaDamage(&writer);
    AddTablesDamage(&writer);
    AddLedgerDamage(&writer);
    AddRecordDamage(&writer, "seal", ReadFile(directory + "/seal.bin"));
    writer.Finish();
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "make_golden: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace decant

int main(int argc, char** argv) {
  return decant::Main({argv, static_cast<size_t>(argc)});
}
