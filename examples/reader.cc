// Reads a store in the order of an epoch, in C++: what a student's loop looks like.
//
//   find_package(decant REQUIRED COMPONENTS core)
//   target_link_libraries(reader PRIVATE decant::stream)
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include <decant/consumer/densify.h>
#include <decant/consumer/stream.h>

namespace {

void Read(const char* path) {
  const auto store = std::make_shared<decant::StoreReader>(path);
  const auto stores = std::make_shared<decant::StoreSet>(store);
  decant::Stream stream(stores, {.batch_size = 256, .threads = 2});
  decant::StreamBatch batch;
  uint64_t num_labels = 0;
  double entropy = 0;
  std::vector<float> dense;
  const decant::DensifyOptions options = {.num_classes = stores->num_classes()};
  while (stream.Next(&batch)) {
    // A sample's id, the classes that its label lists, their log-probabilities, and the mass of all others.
    for (size_t i = 0; i < batch.labels.size(); ++i) {
      for (const float log_prob : batch.labels.LabelLogProbs(i)) entropy -= std::exp(log_prob) * log_prob;
    }
    num_labels += batch.labels.size();
    // Or as a matrix [labels, classes].
    dense.resize(batch.labels.size() * DenseColumns(options));
    decant::Densify(batch.labels, options, std::as_writable_bytes(std::span(dense)));
  }
  std::printf("%llu labels, entropy %.3f nats\n", static_cast<unsigned long long>(num_labels),
              entropy / static_cast<double>(num_labels));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: reader STORE\n");
    return 2;
  }
  try {
    Read(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
