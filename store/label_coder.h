#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decant/store/codec_tables.h"
#include "decant/store/label_codes.h"

#include "bit_stream.h"
#include "huffman.h"
#include "label_walk.h"

namespace decant {

// Codes single labels with a store's tables; label_numbers.h has the order of their numbers. Immutable: safe to share
// between threads.
class LabelCoder {
 public:
  LabelCoder(const CodecParams& params, const CodecTables& tables);

  // The place of each class, [num_classes]; empty when places are ids.
  const std::vector<uint32_t>& places() const { return places_; }

  // Appends label `index` of `codes`, whose ids have the `places`, ascending.
  void Encode(const LabelCodes& codes, size_t index, const uint32_t* places, bool fixed_count, BitWriter* writer) const;

  // Where to find a label, and how many entries it has, 0 for as many as it says.
  struct Source {
    uint64_t begin = 0;  // bits
    uint64_t end = 0;
    uint32_t fixed_count = 0;
  };
  // Appends the labels at `sources` to `codes`. Returns the index of the first one that is damaged (what is in `codes`
  // then means nothing), or their number.
  size_t Decode(const BitReader& reader, std::span<const Source> sources, LabelCodes* codes) const;

 private:
  // What stands before a label's entries.
  struct Fields {
    uint32_t count = 0;  // entries, the anchor included
    uint32_t floor = 0;
    uint32_t top = 0;
    uint32_t anchor = 0;
  };

  bool GetCode(const BitReader& reader, CodecTables::Kind kind, uint64_t* position, uint32_t* code) const;
  uint32_t GetAmount(const BitReader& reader, CodecTables::Kind kind, uint64_t* position) const;
  bool ReadFields(const BitReader& reader, const Source& source, Fields* fields, Walk* walk, LabelCodes* codes) const;
  bool PlaceEntries(const Fields& fields, const Walk& walk, const WalkEntry* entries, size_t stride,
                    LabelCodes* codes) const;
  bool ReadTies(const BitReader& reader, uint32_t count, uint64_t* position, LabelCodes* codes) const;

  CodecParams params_;
  std::vector<uint32_t> class_order_;
  std::vector<uint32_t> places_;
  bool anchored_;
  std::vector<HuffmanEncoder> kind_encoders_, gap_encoders_, value_encoders_;
  std::vector<DecodeTable> kind_decoders_;
  std::vector<EntryDecoder> entry_decoders_;
};

}  // namespace decant
