#include "rank_on_device.h"

#include <algorithm>
#include <limits>

namespace decant {
namespace {

// Numbers that are ordered as (logit, smaller id first): the logit's bits, those of negative ones turned round, above
// the classes that come after the id. They differ in each class, so that the k largest are the same ones everywhere.
torch::Tensor RankingKeys(const torch::Tensor& logits) {
  const int64_t num_classes = logits.size(1);
  const torch::Tensor bits = (logits + 0.0f).view(torch::kInt32);  // + 0: -0 becomes 0
  const torch::Tensor ordered = bits.bitwise_xor(bits.bitwise_right_shift(31).bitwise_and(0x7fffffff));
  const torch::Tensor later = torch::arange(num_classes - 1, -1, -1, logits.options().dtype(torch::kInt64));
  return ordered.to(torch::kInt64).mul_(int64_t{1} << 32).add_(later);
}

torch::Tensor Wide(const torch::Tensor& values) {
  return values.to(torch::kFloat64);
}

}  // namespace

RankedRow RankedRows::Row(size_t row) const {
  const auto part = [row](const auto& values, size_t width) { return std::span(values).subspan(row * width, width); };
  return {.ids = part(ids, k),
          .logits = part(logits, k),
          .log_sum_exp = part(log_sum_exp, num_temperatures),
          .tail_mass = part(tail_mass, num_temperatures),
          .true_logit = true_logits[row]};
}

RankedRows RankOnDevice(const torch::Tensor& logits, uint32_t k, std::span<const double> temperatures,
                        std::span<const uint32_t> true_classes) {
  const int64_t num_rows = logits.size(0);
  const torch::Tensor ids = std::get<1>(RankingKeys(logits).topk(k, 1));
  std::vector<torch::Tensor> columns = {Wide(ids), Wide(logits.gather(1, ids))};
  const torch::Tensor wide = Wide(logits);
  const torch::Tensor others = wide.scatter(1, ids, -std::numeric_limits<double>::infinity());
  for (const double temperature : temperatures) {
    const torch::Tensor log_sum_exp = torch::logsumexp(wide / temperature, 1, /*keepdim=*/true);
    columns.push_back(log_sum_exp);
    columns.push_back((torch::logsumexp(others / temperature, 1, true) - log_sum_exp).exp_().clamp_(0, 1));
  }
  const torch::Tensor true_ids = torch::zeros({num_rows, 1}, torch::kInt64);
  for (size_t row = 0; row < true_classes.size(); ++row) {
    true_ids.data_ptr<int64_t>()[row] = std::min<int64_t>(true_classes[row], logits.size(1) - 1);
  }
  columns.push_back(Wide(logits.gather(1, true_ids.to(logits.device()))));
  columns.push_back(Wide(logits.isfinite().all(1, true)));
  // Ids and float32 numbers are exact in double: everything travels at once.
  const torch::Tensor packed = torch::cat(columns, 1).to(torch::kCPU).contiguous();

  RankedRows rows{.num_rows = static_cast<size_t>(num_rows), .k = k, .num_temperatures = temperatures.size()};
  const double* next = packed.data_ptr<double>();
  for (int64_t row = 0; row < num_rows; ++row) {
    for (uint32_t i = 0; i < k; ++i) rows.ids.push_back(static_cast<uint32_t>(*next++));
    for (uint32_t i = 0; i < k; ++i) rows.logits.push_back(static_cast<float>(*next++));
    for (size_t t = 0; t < temperatures.size(); ++t) {
      rows.log_sum_exp.push_back(*next++);
      rows.tail_mass.push_back(*next++);
    }
    rows.true_logits.push_back(static_cast<float>(*next++));
    rows.all_finite.push_back(*next++ != 0);
  }
  return rows;
}

}  // namespace decant
