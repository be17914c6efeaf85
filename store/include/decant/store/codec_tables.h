#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decant/store/codec_params.h"
#include "decant/store/label_codes.h"
#include "decant/store/soft_label.h"

namespace decant {

// What a store's codec has learnt of its labels, frozen before the first span: in which order the classes are listed,
// and a prefix code for each kind of number in a label. Every label is coded with these tables alone, so any label can
// be decoded by itself and every rank packs a span to the same bytes.
struct CodecTables {
  // Codes by kind of number; the gaps and the values have one for each context, the bits of a distance.
  enum Kind : uint8_t { kCount, kTail, kOtherTails, kTrueLabel, kFloor, kTop, kNumAbove, kNumKinds };

  // Labels list classes by their place here: class_order[place] is a class id. Empty: places are ids.
  std::vector<uint32_t> class_order;  // [num_classes]
  // Whether distances count from the place of the label's likeliest class, in both directions, instead of from the
  // first place.
  bool anchored = false;
  // Code lengths in bits by symbol, 0 for a symbol that is escaped.
  std::array<std::array<uint8_t, 256>, kNumKinds> kinds{};
  std::vector<std::array<uint8_t, 256>> gaps;    // [num_contexts]
  std::vector<std::array<uint8_t, 256>> values;  // [num_contexts]

  bool operator==(const CodecTables&) const = default;
};

// Contexts of the gaps and of the values: 1 + the bits of num_classes.
size_t NumContexts(uint32_t num_classes);

// How much is learnt from calibration labels.
enum class Prior {
  kNone,    // how numbers are distributed; classes are listed by id
  kLearnt,  // also which classes keep company with which, or are frequent, whichever codes shorter
};

// Tables that code any labels, for want of any to learn from.
CodecTables DefaultTables(const CodecParams& params);
// Tables that code labels like these, teacher outputs as Quantise() takes them, in few bits. The same labels give the
// same tables. With no labels: the default tables.
CodecTables LearnTables(const CodecParams& params, const LabelBatch& labels, Prior prior);
CodecTables LearnTables(const CodecParams& params, const LabelCodes& codes, Prior prior);

// The payload of the tables' record (docs/format.md).
std::string EncodeTables(const CodecParams& params, const CodecTables& tables);
// kDataLoss for anything that is not tables for `params`.
CodecTables ParseTables(const CodecParams& params, std::string_view payload);

}  // namespace decant
