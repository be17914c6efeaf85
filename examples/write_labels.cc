// Labels from a teacher of your own: writes the 20 likeliest of 1,000 classes of 5,000 samples in 2 epochs.
//
//   find_package(decant REQUIRED COMPONENTS select)
//   target_link_libraries(write_labels PRIVATE decant::select)
//
// Killed and started again, it goes on with the spans that are missing.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <span>
#include <vector>

#include <decant/data/order.h>
#include <decant/producer/label_writer.h>
#include <decant/producer/select.h>

namespace {

constexpr uint32_t kClasses = 1000;
constexpr size_t kBatch = 256;

// Stands for your teacher: its logits, [samples, kClasses], of these samples in this epoch.
std::vector<float> TeacherLogits(uint32_t epoch, std::span<const uint64_t> samples) {
  std::vector<float> logits;
  for (const uint64_t sample : samples) {
    for (uint32_t id = 0; id < kClasses; ++id) {
      logits.push_back(4 * std::sin(static_cast<float>((sample + 1) * (id + 1) % 7919 + epoch)));
    }
  }
  return logits;
}

// Labels of epoch 0, from which the store learns how to pack the others.
decant::LabelBatch CalibrationLabels(const decant::Schema& schema) {
  decant::LabelSelector selector(schema.codec, schema.selection, schema.seed);
  decant::LabelBatch labels;
  for (uint64_t sample = 0; sample < schema.calibration.num_labels; ++sample) {
    selector.Append(TeacherLogits(0, std::span(&sample, 1)), {.sample_id = sample}, &labels);
  }
  return labels;
}

void WriteLabels(const char* path) {
  decant::Schema schema;
  schema.layout = {.num_samples = 5000, .num_epochs = 2, .chunk_size = 1024, .span_chunks = 2};
  schema.codec = {.num_classes = kClasses, .k = 20, .delta = 1.0 / 16};
  schema.calibration = {.num_labels = 500, .prior = decant::Prior::kLearnt};
  schema.order = decant::OrderIdentity(decant::OrderKind::kGlobal);
  schema.seed = 1;

  decant::LabelWriter writer(path, schema, [&] { return CalibrationLabels(schema); });
  for (const uint64_t span : writer.MissingSpans()) {
    const uint32_t epoch = schema.layout.SpanAt(span).epoch;
    const std::vector<uint64_t> samples = writer.SampleIds(span);
    decant::SpanLabels labels = writer.Begin(span);
    for (size_t begin = 0; begin < samples.size(); begin += kBatch) {
      const size_t count = std::min(kBatch, samples.size() - begin);
      labels.PutLogits(TeacherLogits(epoch, std::span(samples).subspan(begin, count)));
    }
    labels.Commit();
  }
  std::printf("digest %s\n", writer.Seal().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_labels STORE\n");
    return 2;
  }
  try {
    WriteLabels(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
