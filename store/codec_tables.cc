#include "decant/store/codec_tables.h"

#include "decant/base/bytes.h"
#include "decant/base/error.h"

#include "bit_column.h"
#include "huffman.h"

namespace decant {
namespace {

constexpr char kWhat[] = "codec tables";
constexpr uint8_t kHasOrder = 1;
constexpr uint8_t kAnchored = 2;

template <typename Body>
void ForEachCode(CodecTables* tables, const Body& body) {
  for (auto& lengths : tables->kinds) body(&lengths);
  for (auto& lengths : tables->gaps) body(&lengths);
  for (auto& lengths : tables->values) body(&lengths);
}

void CheckClassOrder(const std::vector<uint32_t>& order) {
  std::vector<bool> seen(order.size());
  for (const uint32_t id : order) {
    if (id >= order.size() || seen[id]) {
      Fail(ErrorCode::kDataLoss, "{}: the order of {} classes has {} twice or too high", kWhat, order.size(), id);
    }
    seen[id] = true;
  }
}

}  // namespace

size_t NumContexts(uint32_t num_classes) {
  return 1 + BitWidth(num_classes);
}

std::string EncodeTables(const CodecParams& params, const CodecTables& tables) {
  ByteWriter writer;
  writer.Put(params.num_classes);
  writer.Put(static_cast<uint8_t>((tables.class_order.empty() ? 0 : kHasOrder) | (tables.anchored ? kAnchored : 0)));
  BitWriter bits;
  for (const uint32_t id : tables.class_order) bits.Put(id, BitWidth(params.num_classes - 1));
  std::string columns;
  bits.AppendTo(&columns);
  bits.Clear();
  CodecTables copy = tables;
  ForEachCode(&copy, [&](CodeLengths* lengths) {
    for (const uint8_t length : *lengths) bits.Put(length, 4);
  });
  bits.AppendTo(&columns);
  return writer.Take() + columns;
}

CodecTables ParseTables(const CodecParams& params, std::string_view payload) {
  const std::string padded = std::string(payload) + std::string(8, '\0');
  ByteReader reader(payload, kWhat);
  const auto num_classes = reader.Get<uint32_t>();
  if (num_classes != params.num_classes) {
    Fail(ErrorCode::kDataLoss, "{}: number of classes: expected {}, found {}", kWhat, params.num_classes, num_classes);
  }
  const auto flags = reader.Get<uint8_t>();
  if (flags > (kHasOrder | kAnchored)) Fail(ErrorCode::kDataLoss, "{}: unknown flags {}", kWhat, flags);
  CodecTables tables;
  tables.anchored = (flags & kAnchored) != 0;
  const unsigned width = BitWidth(num_classes - 1);
  const size_t order_bytes = flags & kHasOrder ? PackedBytes(num_classes, width) : 0;
  const size_t num_codes = CodecTables::kNumKinds + 2 * NumContexts(num_classes);
  const size_t expected = 5 + order_bytes + num_codes * kNumSymbols / 2;
  if (payload.size() != expected) {
    Fail(ErrorCode::kDataLoss, "{}: expected {} bytes, found {}", kWhat, expected, payload.size());
  }
  const std::string_view columns = std::string_view(padded).substr(5, payload.size() - 5);
  if (flags & kHasOrder) {
    const BitColumn order(columns.substr(0, order_bytes), width, num_classes);
    if (!order.PaddingIsZero()) Fail(ErrorCode::kDataLoss, "{}: padding bits that are not zero", kWhat);
    tables.class_order.resize(num_classes);
    for (uint32_t place = 0; place < num_classes; ++place) tables.class_order[place] = order[place];
    CheckClassOrder(tables.class_order);
  }
  tables.gaps.resize(NumContexts(num_classes));
  tables.values.resize(NumContexts(num_classes));
  const BitReader lengths_reader(columns.substr(order_bytes));
  uint64_t position = 0;
  ForEachCode(&tables, [&](CodeLengths* lengths) {
    for (uint8_t& length : *lengths) length = static_cast<uint8_t>(lengths_reader.Get(&position, 4));
    CheckCodeLengths(*lengths, kWhat);
  });
  return tables;
}

}  // namespace decant
