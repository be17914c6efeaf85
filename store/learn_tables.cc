#include <algorithm>
#include <cmath>

#include "decant/store/chunk_codec.h"

#include "bucket.h"
#include "class_order.h"
#include "huffman.h"
#include "label_numbers.h"

namespace decant {
namespace {

// How often each symbol was listed.
struct Counts {
  explicit Counts(uint32_t num_classes)
      : kinds(CodecTables::kNumKinds), gaps(NumContexts(num_classes)), values(NumContexts(num_classes)) {}

  // The sink of ListNumbers().
  void Code(CodecTables::Kind kind, uint32_t value) { ++kinds[kind][CodeBucket::Symbol(value)]; }
  void Amount(CodecTables::Kind kind, uint32_t value) { ++kinds[kind][GapBucket::Symbol(value)]; }
  void Entry(unsigned context, uint32_t gap, uint32_t drop) {
    ++gaps[context][GapBucket::Symbol(gap)];
    ++values[context][CodeBucket::Symbol(drop)];
  }
  void Plain(uint32_t, unsigned) {}

  std::vector<SymbolCounts> kinds, gaps, values;
};

// The escape stands for the symbols that were not seen, as often as there are symbols that were seen once.
CodeLengths Lengths(SymbolCounts counts) {
  counts[kEscape] = 1 + static_cast<uint64_t>(std::count(counts.begin(), counts.end(), 1));
  return MakeCodeLengths(counts);
}

// One code for each context. Contexts that were met rarely lean on all of them together: their distribution counts as
// much as kSharedWeight symbols.
std::vector<CodeLengths> ContextLengths(const std::vector<SymbolCounts>& contexts, const SymbolCounts& unseen) {
  constexpr uint64_t kSharedWeight = 32;
  constexpr uint64_t kScale = 1 << 16;
  SymbolCounts all{};
  uint64_t total = 0;
  for (const SymbolCounts& counts : contexts) {
    for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) {
      all[symbol] += counts[symbol];
      total += counts[symbol];
    }
  }
  if (total == 0) return std::vector<CodeLengths>(contexts.size(), MakeCodeLengths(unseen));
  all[kEscape] = 1 + static_cast<uint64_t>(std::count(all.begin(), all.end(), 1));
  std::vector<CodeLengths> lengths;
  for (SymbolCounts counts : contexts) {
    for (unsigned symbol = 0; symbol < kNumSymbols; ++symbol) {
      counts[symbol] = counts[symbol] * kScale + all[symbol] * kSharedWeight * kScale / total;
    }
    counts[kEscape] = std::max<uint64_t>(counts[kEscape], 1);
    lengths.push_back(MakeCodeLengths(counts));
  }
  return lengths;
}

// Symbols that all take as many bits: each octave of the numbers is as likely as every other.
SymbolCounts Flat(unsigned num_symbols) {
  SymbolCounts counts{};
  std::fill_n(counts.begin(), num_symbols, 1);
  return counts;
}

// Gaps between k classes out of num_classes that are listed by chance: geometric.
SymbolCounts GeometricGaps(const CodecParams& params) {
  const double stay = 1 - static_cast<double>(params.k) / (params.num_classes + 1.0);
  SymbolCounts counts{};
  for (unsigned symbol = 0; symbol < kNumGapSymbols; ++symbol) {
    const double begin = GapBucket::Base(symbol);
    const double share = std::pow(stay, begin) * (1 - std::pow(stay, std::exp2(GapBucket::ExtraBits(symbol))));
    counts[symbol] = 1 + static_cast<uint64_t>(share * 65536);
  }
  return counts;
}

CodecTables TablesFrom(const CodecParams& params, const Counts& counts) {
  CodecTables tables;
  for (size_t kind = 0; kind < tables.kinds.size(); ++kind) {
    const bool seen = std::any_of(counts.kinds[kind].begin(), counts.kinds[kind].end(), [](auto n) { return n > 0; });
    tables.kinds[kind] = seen ? Lengths(counts.kinds[kind]) : MakeCodeLengths(Flat(kNumCodeSymbols));
  }
  tables.gaps = ContextLengths(counts.gaps, GeometricGaps(params));
  tables.values = ContextLengths(counts.values, Flat(kNumCodeSymbols));
  return tables;
}

// The labels [begin, end).
LabelCodes Slice(const LabelCodes& codes, size_t begin, size_t end, size_t num_others) {
  LabelCodes slice;
  const auto cut = [](const auto& column, size_t first, size_t last, auto* part) {
    if (!column.empty()) part->assign(column.data() + first, column.data() + last);
  };
  const size_t first = codes.offsets[begin];
  const size_t last = codes.offsets[end];
  cut(codes.offsets, begin, end + 1, &slice.offsets);
  for (uint32_t& offset : slice.offsets) offset -= static_cast<uint32_t>(first);
  cut(codes.ids, first, last, &slice.ids);
  cut(codes.values, first, last, &slice.values);
  cut(codes.tie_ranks, first, last, &slice.tie_ranks);
  cut(codes.tails, begin, end, &slice.tails);
  cut(codes.other_tails, begin * num_others, end * num_others, &slice.other_tails);
  cut(codes.true_values, begin, end, &slice.true_values);
  cut(codes.extras, begin, end, &slice.extras);
  return slice;
}

// Tables with a given order of the classes, which `codes` have.
CodecTables Learn(const CodecParams& params, const std::vector<uint32_t>& class_order, bool anchored,
                  LabelCodes codes) {
  CodecTables tables = DefaultTables(params);
  tables.class_order = class_order;
  ChunkCodec(params, tables).SortEntries(&codes);
  std::vector<uint32_t> places(class_order.size());
  for (uint32_t place = 0; place < class_order.size(); ++place) places[class_order[place]] = place;
  Counts counts(params.num_classes);
  std::vector<uint32_t> label;
  for (size_t i = 0; i < codes.size(); ++i) {
    label.assign(codes.ids.begin() + codes.offsets[i], codes.ids.begin() + codes.offsets[i + 1]);
    if (!places.empty()) {
      for (uint32_t& id : label) id = places[id];
    }
    ListNumbers(params, anchored, codes, i, label.data(), /*fixed_count=*/false, &counts);
  }
  tables = TablesFrom(params, counts);
  tables.class_order = class_order;
  tables.anchored = anchored;
  return tables;
}

uint64_t CodedBits(const CodecParams& params, const CodecTables& tables, LabelCodes codes) {
  const ChunkCodec codec(params, tables);
  codec.SortEntries(&codes);
  return codec.CountBits(codes);
}

}  // namespace

CodecTables DefaultTables(const CodecParams& params) {
  return TablesFrom(params, Counts(params.num_classes));
}

CodecTables LearnTables(const CodecParams& params, const LabelBatch& labels, Prior prior) {
  return LearnTables(params, ChunkCodec(params).Quantise(labels), prior);
}

CodecTables LearnTables(const CodecParams& params, const LabelCodes& codes, Prior prior) {
  if (codes.size() == 0) return DefaultTables(params);
  if (prior == Prior::kNone) return Learn(params, {}, /*anchored=*/false, codes);

  // Each order learns from the first three quarters and is tried on the rest; the best one learns again, from all.
  const size_t num_others = params.temperatures.size() - 1;
  const size_t cut = (codes.size() + 1) * 3 / 4;
  const LabelCodes part = Slice(codes, 0, cut, num_others);
  const LabelCodes rest = Slice(codes, cut, codes.size(), num_others);
  struct Candidate {
    std::vector<uint32_t> class_order;
    bool anchored;
  };
  const std::vector<uint32_t> affinity = AffinityOrder(params.num_classes, part);
  const Candidate candidates[] = {
      {{}, false}, {{}, true}, {FrequencyOrder(params.num_classes, part), false}, {affinity, false}, {affinity, true}};
  const Candidate* best = nullptr;
  uint64_t best_bits = ~uint64_t{0};
  for (const Candidate& candidate : candidates) {
    const CodecTables tables = Learn(params, candidate.class_order, candidate.anchored, part);
    const uint64_t bits = CodedBits(params, tables, rest);
    if (bits < best_bits) {
      best = &candidate;
      best_bits = bits;
    }
  }
  std::vector<uint32_t> order = best->class_order;
  if (best == &candidates[2]) order = FrequencyOrder(params.num_classes, codes);
  if (best == &candidates[3] || best == &candidates[4]) order = AffinityOrder(params.num_classes, codes);
  return Learn(params, order, best->anchored, codes);
}

}  // namespace decant
