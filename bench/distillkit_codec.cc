#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "decant/base/error.h"

#include "label_codec.h"
#include "small_floats.h"

namespace decant {
namespace {

// The columns of `matrix` (column by column, each of `rows` numbers) made orthonormal, by Gram-Schmidt done twice.
// Returns R of matrix = Q R, column by column, [columns * columns]; `matrix` becomes Q.
std::vector<double> Orthonormalise(size_t rows, size_t columns, std::vector<double>* matrix) {
  std::vector<double> triangle(columns * columns);
  for (size_t j = 0; j < columns; ++j) {
    double* column = matrix->data() + j * rows;
    for (int pass = 0; pass < 2; ++pass) {
      for (size_t i = 0; i < j; ++i) {
        const double* other = matrix->data() + i * rows;
        const double dot = std::inner_product(other, other + rows, column, 0.0);
        for (size_t row = 0; row < rows; ++row) column[row] -= dot * other[row];
        triangle[j * columns + i] += dot;
      }
    }
    const double norm = std::sqrt(std::inner_product(column, column + rows, column, 0.0));
    for (size_t row = 0; row < rows; ++row) column[row] /= norm;
    triangle[j * columns + j] = norm;
  }
  return triangle;
}

class DistillKitCodec : public LabelCodec {
 public:
  DistillKitCodec(const LabelShape& shape, const DistillKitConfig& config)
      : k_(shape.k),
        exact_(config.exact),
        fitted_(shape.k - config.exact),
        terms_(config.num_terms()),
        id_bits_(static_cast<unsigned>(std::bit_width(shape.num_classes - 1))),
        record_bytes_(config.Bytes(shape.num_classes, shape.k)),
        note_(fmt::format("{} exact, {} terms", exact_, terms_)) {
    for (size_t term = 0; term < terms_; ++term) {
      for (size_t t = 0; t < fitted_; ++t) {
        const auto x = static_cast<double>(t);
        basis_.push_back(term < config.powers.size() ? std::pow(x, config.powers[term]) : std::sqrt(x));
      }
    }
    orthonormal_ = basis_;
    triangle_ = Orthonormalise(fitted_, terms_, &orthonormal_);
  }

  std::string name() const override { return "distillkit"; }
  std::string note() const override { return note_; }

  std::string Encode(const LabelBatch& chunk) override {
    std::string records(chunk.size() * record_bytes_, '\0');
    for (size_t i = 0; i < chunk.size(); ++i) EncodeLabel(chunk, i, records.data() + i * record_bytes_);
    return records;
  }

  void Decode(std::string_view bytes, size_t num_labels, LabelBatch* labels) override {
    for (size_t i = 0; i < num_labels; ++i) DecodeLabel(bytes.data() + i * record_bytes_, labels);
  }

 private:
  // Coefficients by back substitution in R c = Q^T y.
  void Fit(std::span<const float> values, float* coefficients) {
    std::vector<double>& c = solution_;
    c.assign(terms_, 0);
    for (size_t term = 0; term < terms_; ++term) {
      const double* q = orthonormal_.data() + term * fitted_;
      for (size_t t = 0; t < fitted_; ++t) c[term] += q[t] * double{values[t]};
    }
    for (size_t term = terms_; term-- > 0;) {
      for (size_t later = term + 1; later < terms_; ++later) c[term] -= triangle_[later * terms_ + term] * c[later];
      c[term] /= triangle_[term * terms_ + term];
      coefficients[term] = static_cast<float>(c[term]);
    }
  }

  void EncodeLabel(const LabelBatch& labels, size_t index, char* record) {
    const auto ids = labels.LabelIds(index);
    const auto log_probs = labels.LabelLogProbs(index);
    order_.resize(k_);
    std::iota(order_.begin(), order_.end(), 0);
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      return log_probs[a] > log_probs[b] || (log_probs[a] == log_probs[b] && a < b);
    });
    values_.clear();
    for (const uint32_t entry : order_) values_.push_back(log_probs[entry]);
    for (size_t rank = 0; rank < exact_; ++rank, record += 2) {
      const uint16_t bits = ToBf16(values_[rank]);
      std::memcpy(record, &bits, 2);
    }
    coefficients_.resize(terms_);
    Fit(std::span(values_).subspan(exact_), coefficients_.data());
    std::memcpy(record, coefficients_.data(), 4 * terms_);
    record += 4 * terms_;
    uint64_t pending = 0;
    unsigned num_pending = 0;
    for (const uint32_t entry : order_) {
      pending = pending << id_bits_ | ids[entry];
      for (num_pending += id_bits_; num_pending >= 8; num_pending -= 8) {
        *record++ = static_cast<char>(pending >> (num_pending - 8));
      }
    }
    if (num_pending > 0) *record = static_cast<char>(pending << (8 - num_pending));
  }

  void DecodeLabel(const char* record, LabelBatch* labels) {
    const size_t first = labels->ids.size();
    labels->ids.resize(first + k_);
    labels->log_probs.resize(first + k_);
    float* log_probs = labels->log_probs.data() + first;
    for (size_t rank = 0; rank < exact_; ++rank, record += 2) {
      uint16_t bits;
      std::memcpy(&bits, record, 2);
      log_probs[rank] = FromBf16(bits);
    }
    coefficients_.resize(terms_);
    std::memcpy(coefficients_.data(), record, 4 * terms_);
    record += 4 * terms_;
    sums_.assign(fitted_, 0);
    for (size_t term = 0; term < terms_; ++term) {
      const double* basis = basis_.data() + term * fitted_;
      const double coefficient = coefficients_[term];
      for (size_t t = 0; t < fitted_; ++t) sums_[t] += coefficient * basis[t];
    }
    for (size_t t = 0; t < fitted_; ++t) log_probs[exact_ + t] = static_cast<float>(std::min(sums_[t], 0.0));
    double sum = 0;
    for (size_t rank = 0; rank < k_; ++rank) sum += std::exp(double{log_probs[rank]});
    uint64_t pending = 0;
    unsigned num_pending = 0;
    for (size_t rank = 0; rank < k_; ++rank) {
      for (; num_pending < id_bits_; num_pending += 8) pending = pending << 8 | static_cast<unsigned char>(*record++);
      num_pending -= id_bits_;
      labels->ids[first + rank] = static_cast<uint32_t>(pending >> num_pending & ((uint64_t{1} << id_bits_) - 1));
    }
    labels->offsets.push_back(static_cast<uint32_t>(labels->ids.size()));
    labels->tail_mass.push_back(static_cast<float>(1 - sum));
  }

  const size_t k_, exact_, fitted_, terms_;
  const unsigned id_bits_;
  const size_t record_bytes_;
  const std::string note_;
  std::vector<double> basis_;        // [terms, fitted] the terms at t = 0, 1, ...
  std::vector<double> orthonormal_;  // [terms, fitted] Q
  std::vector<double> triangle_;     // [terms, terms] R by columns
  // Memory that is used again.
  std::vector<uint32_t> order_;
  std::vector<float> values_, coefficients_;
  std::vector<double> solution_, sums_;
};

}  // namespace

size_t DistillKitConfig::Bytes(uint32_t num_classes, uint32_t k) const {
  const auto id_bits = static_cast<size_t>(std::bit_width(num_classes - 1));
  return 2 * exact + 4 * num_terms() + (id_bits * k + 7) / 8;
}

DistillKitConfig PublishedDistillKitConfig(uint32_t k) {
  if (k >= 64) return {};
  return {.exact = 1, .powers = {0, 1}, .sqrt = true};
}

std::unique_ptr<LabelCodec> MakeDistillKitCodec(const LabelShape& shape, const DistillKitConfig& config) {
  if (!shape.fixed_counts || shape.k <= config.exact + config.num_terms()) {
    Fail(ErrorCode::kInvalidArgument, "DistillKit's record needs labels of equally many entries, more than {}",
         config.exact + config.num_terms());
  }
  return std::make_unique<DistillKitCodec>(shape, config);
}

}  // namespace decant
