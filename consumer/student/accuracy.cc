#include "accuracy.h"

#include <algorithm>

#include "decant/models/input.h"

namespace decant {
namespace {

constexpr size_t kBatch = 256;

}  // namespace

torch::Tensor ImageTensor(const std::vector<uint8_t>& images, size_t begin, size_t n, const ImageShape& shape) {
  auto* const first = const_cast<uint8_t*>(images.data()) + begin * shape.num_bytes();  // from_blob() takes no const
  return torch::from_blob(first, {static_cast<int64_t>(n), shape.height, shape.width, shape.channels}, torch::kUInt8);
}

double Accuracy(Network& network, const NetworkSpec& spec, const ViewRenderer& test, const TrainRanks& ranks) {
  const torch::NoGradGuard no_grad;
  const uint64_t num_samples = test.source().num_samples();
  const Order order = test.OrderOf(0);
  const ImageShape shape = test.shape();
  network.eval();
  uint64_t num_right = 0;
  std::vector<uint8_t> images(kBatch * shape.num_bytes());
  std::vector<uint32_t> labels(kBatch);
  for (uint64_t begin = ranks.rank * kBatch; begin < num_samples; begin += ranks.size * kBatch) {
    const size_t n = std::min<uint64_t>(kBatch, num_samples - begin);
    for (size_t i = 0; i < n; ++i) {
      const View view = test.ViewAt(order, 0, begin + i);
      test.Render(view, 0, images.data() + i * shape.num_bytes());
      labels[i] = test.source().Label(view.sample_id);
    }
    const torch::Tensor logits =
        network.Forward(NormalisedInput(ImageTensor(images, 0, n, shape), spec.mean, spec.std));
    const torch::Tensor best = logits.argmax(1);
    const auto* classes = best.data_ptr<int64_t>();
    for (size_t i = 0; i < n; ++i) num_right += classes[i] == labels[i];
  }
  network.train();
  // Of 2^24 and more a float32 does not hold every number, but sums of parts it does.
  float parts[] = {static_cast<float>(num_right & 0xfff), static_cast<float>(num_right >> 12)};
  if (ranks.sum) ranks.sum(parts);
  return (double{parts[0]} + 4096 * double{parts[1]}) / static_cast<double>(num_samples);
}

}  // namespace decant
