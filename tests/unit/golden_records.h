#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/ledger.h"
#include "decant/store/record.h"
#include "decant/store/schema.h"

#include "store/expiry.h"

namespace decant {

// The spans of the golden ledger records: two an epoch.
inline constexpr Layout kGoldenLayout = {.num_samples = 7, .num_epochs = 3, .chunk_size = 2, .span_chunks = 2};

inline SpanTrailer GoldenTrailer(uint64_t span) {
  SpanTrailer trailer = {.span = span,
                         .num_labels = span % 2 == 0 ? 4u : 3u,
                         .num_entries = 40 + span,
                         .chunk_bytes = 500 + span,
                         .kl_sum = 0.125,
                         .kl_max = 0.001};
  for (size_t i = 0; i < 16; ++i) trailer.content_digest[i] = static_cast<unsigned char>(span + i);
  return trailer;
}

// The golden records of one case.
class GoldenRecords {
 public:
  GoldenRecords(const std::string& directory, const std::string& name)
      : schema_(ReadFile(directory + "/" + name + ".schema.bin")),
        tables_(ReadFile(directory + "/" + name + ".tables.bin")),
        chunk_(ReadFile(directory + "/" + name + ".chunk.bin")),
        decoded_(nlohmann::json::parse(ReadFile(directory + "/" + name + ".json"))) {}

  static Schema Parse(const std::string& schema, const std::string& tables) {
    return ParseSchema(UnwrapRecord(RecordMagic::kSchema, schema, "schema"),
                       UnwrapRecord(RecordMagic::kTables, tables, "codec tables"));
  }
  Schema schema() const { return Parse(schema_, tables_); }
  const std::string& chunk() const { return chunk_; }
  const nlohmann::json& decoded() const { return decoded_; }
  ChunkPlace place() const {
    return {.epoch = decoded_["place"][0], .chunk = decoded_["place"][1], .num_samples = decoded_["place"][2]};
  }

  // Reads `record` in the place of the sound one of this kind.
  void Read(const std::string& kind, const std::string& record) const {
    if (kind == "schema") {
      Parse(record, tables_);
    } else if (kind == "tables") {
      Parse(schema_, record);
    } else if (kind == "chunk") {
      LabelBatch labels;
      MakeCodec(schema()).DecodeLabels(place(), record, &labels);
    } else if (kind == "trailer") {
      DecodeTrailer(kGoldenLayout.SpanAt(0), record);
    } else if (kind == "expiry") {
      DecodeExpiry(kGoldenLayout, 1, record);
    } else if (kind == "seal") {
      UnwrapRecord(RecordMagic::kSeal, record, "seal");
    }
  }
  // What is said to it; nothing when it is sound.
  std::string Refusal(const std::string& kind, const std::string& record) const {
    try {
      Read(kind, record);
      return "";
    } catch (const Error& error) {
      return error.code() == ErrorCode::kDataLoss ? error.what() : "not as damage: " + std::string(error.what());
    }
  }

 private:
  std::string schema_, tables_, chunk_;
  nlohmann::json decoded_;
};

}  // namespace decant
