#include "fingerprint.h"

#include <array>
#include <cmath>
#include <string_view>

#include "decant/base/hash.h"

namespace decant {
namespace {

constexpr size_t kPartBytes = 128, kMixingBytes = 32;
constexpr uint16_t kNoFingerprint = 0xffff;

// Writes little-endian numbers one behind the other.
class Writer {
 public:
  explicit Writer(char* out) : out_(out) {}

  void Put8(uint32_t value) { *out_++ = static_cast<char>(value); }
  void Put32(uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) Put8(value >> shift);
  }
  void Put64(uint64_t value) {
    Put32(static_cast<uint32_t>(value));
    Put32(static_cast<uint32_t>(value >> 32));
  }
  // Times 2^16, rounded.
  void PutFixed(double value) { Put32(static_cast<uint32_t>(static_cast<int32_t>(std::floor(value * 65536 + 0.5)))); }
  void PutBox(const RelativeBox& box) {
    for (const uint32_t value : {box.left, box.top, box.width, box.height}) Put32(value);
  }

 private:
  char* out_;
};

void PutPart(const ViewPart& part, char* out) {
  const ViewParams& params = *part.params;
  Writer writer(out);
  writer.Put64(part.sample_id);
  for (const uint32_t size : {part.image.height, part.image.width, part.image.channels}) writer.Put32(size);
  writer.PutBox(part.crop);
  for (const double value : {params.shift_x, params.shift_y, params.half_tan, params.shear, params.scale}) {
    writer.PutFixed(value);
  }
  for (const uint32_t value : {params.brightness, params.jitter_brightness, params.jitter_contrast,
                               params.jitter_saturation, static_cast<uint32_t>(params.jitter_hue), params.blur_sigma}) {
    writer.Put32(value);
  }
  writer.PutBox(params.erase_box);
  for (const uint8_t which : params.jitter_order) writer.Put8(which);
  writer.Put8(params.flip);
  writer.Put8(params.grey);
  writer.Put8(static_cast<uint32_t>(params.augment.size()));
  writer.Put8(0);
  for (const AugmentStep& step : params.augment) {
    writer.Put8(static_cast<uint32_t>(step.op));
    writer.Put8(step.magnitude);
    writer.Put8(step.negative);
  }
}

}  // namespace

uint16_t FingerprintOf(const ViewPart& own, const ViewPart* partner) {
  std::array<char, 2 * kPartBytes + kMixingBytes> bytes{};
  PutPart(own, bytes.data());
  if (partner) {
    Writer writer(bytes.data() + kPartBytes);
    writer.Put32(own.params->cutmix ? 2 : 1);
    writer.Put32(own.params->own_share);
    writer.PutBox(own.params->cut_box);
    PutPart(*partner, bytes.data() + kPartBytes + kMixingBytes);
  }
  const auto fingerprint = static_cast<uint16_t>(Xxh3(std::string_view(bytes.data(), bytes.size())));
  return fingerprint == kNoFingerprint ? kNoFingerprint - 1 : fingerprint;
}

}  // namespace decant
