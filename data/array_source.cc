#include <algorithm>
#include <cstring>
#include <vector>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/data/npy.h"
#include "decant/data/source.h"

namespace decant {
namespace {

NpyArray TakeArray(std::map<std::string, NpyArray>* arrays, const std::string& name, const std::string& path) {
  const auto found = arrays->find(name);
  if (found != arrays->end()) return std::move(found->second);
  std::string names;
  for (const auto& [other, array] : *arrays) names += (names.empty() ? "" : ", ") + other;
  Fail(ErrorCode::kNotFound, "{}: no array '{}' (data.split); the file holds {}", path, name, names);
}

template <typename Int>
void ConvertLabels(const NpyArray& array, std::vector<int64_t>* labels) {
  for (size_t i = 0; i < labels->size(); ++i) {
    Int value;
    std::memcpy(&value, array.bytes.data() + i * sizeof value, sizeof value);
    (*labels)[i] = static_cast<int64_t>(value);
  }
}

std::vector<uint32_t> ToLabels(const NpyArray& array, const std::string& what) {
  std::vector<int64_t> wide(array.shape.empty() ? 0 : array.shape[0]);
  if (array.descr == "|u1") {
    ConvertLabels<uint8_t>(array, &wide);
  } else if (array.descr == "<u2") {
    ConvertLabels<uint16_t>(array, &wide);
  } else if (array.descr == "<i4") {
    ConvertLabels<int32_t>(array, &wide);
  } else if (array.descr == "<i8") {
    ConvertLabels<int64_t>(array, &wide);
  } else {
    Fail(ErrorCode::kInvalidArgument, "{}: labels of dtype '{}'; expected uint8, uint16, int32 or int64", what,
         array.descr);
  }
  std::vector<uint32_t> labels;
  for (size_t i = 0; i < wide.size(); ++i) {
    if (wide[i] < 0 || wide[i] >= int64_t{1} << 31) {
      Fail(ErrorCode::kInvalidArgument, "{}: label {} of sample {} is not a class", what, wide[i], i);
    }
    labels.push_back(static_cast<uint32_t>(wide[i]));
  }
  return labels;
}

class ArraySource : public ImageSource {
 public:
  ArraySource(const std::string& path, const std::string& split) : split_(split) {
    auto arrays = ReadNpz(path);
    const NpyArray labels = TakeArray(&arrays, "y_" + split, path);
    NpyArray images = TakeArray(&arrays, "x_" + split, path);
    const size_t rank = images.shape.size();
    if (images.descr != "|u1" || (rank != 3 && rank != 4)) {
      Fail(ErrorCode::kInvalidArgument,
           "{}, array 'x_{}': expected uint8 [N, H, W] or [N, H, W, C], found '{}' of {} axes", path, split,
           images.descr, rank);
    }
    if (labels.shape.size() != 1 || labels.shape[0] != images.shape[0] || images.shape[0] == 0) {
      Fail(ErrorCode::kInvalidArgument, "{}: {} images in 'x_{}' and {} labels in 'y_{}'; expected as many, at least 1",
           path, images.shape[0], split, labels.shape.empty() ? 0 : labels.shape[0], split);
    }
    constexpr uint64_t kMaxSide = 1 << 16;
    for (size_t axis = 1; axis < rank; ++axis) {
      if (images.shape[axis] == 0 || images.shape[axis] > kMaxSide) {
        Fail(ErrorCode::kInvalidArgument, "{}, array 'x_{}': images with a side of {}", path, split,
             images.shape[axis]);
      }
    }
    shape_ = {.height = static_cast<uint32_t>(images.shape[1]),
              .width = static_cast<uint32_t>(images.shape[2]),
              .channels = rank == 4 ? static_cast<uint32_t>(images.shape[3]) : 1};
    labels_ = ToLabels(labels, fmt::format("{}, array 'y_{}'", path, split));
    num_classes_ = 1 + *std::max_element(labels_.begin(), labels_.end());
    pixels_ = std::move(images.bytes);
  }

  uint64_t num_samples() const override { return labels_.size(); }
  uint32_t num_classes() const override { return num_classes_; }
  uint32_t channels() const override { return shape_.channels; }
  std::optional<ImageShape> image_shape() const override { return shape_; }
  std::string Name(uint64_t) const override { return ""; }
  uint64_t ContentHash(uint64_t sample_id) const override { return Xxh3(Pixels(sample_id)); }
  uint32_t Label(uint64_t sample_id) const override { return labels_.at(sample_id); }
  void ReadImage(uint64_t sample_id, Image* image) const override {
    const std::string_view pixels = Pixels(sample_id);
    image->shape = shape_;
    image->pixels.assign(pixels.begin(), pixels.end());
  }

  nlohmann::json Identity() const override {
    Xxh3Stream content;
    content.Update(pixels_.data(), pixels_.size());
    content.Update(labels_.data(), labels_.size() * sizeof(uint32_t));
    return {{"kind", "array"},
            {"split", split_},
            {"num_samples", num_samples()},
            {"num_classes", num_classes_},
            {"image_shape", {shape_.height, shape_.width, shape_.channels}},
            {"fingerprint", "xxh3-128:" + Hex(content.Digest())}};
  }

 private:
  std::string_view Pixels(uint64_t sample_id) const {
    if (sample_id >= num_samples()) {
      Fail(ErrorCode::kInvalidArgument, "sample {} is not below the number of samples, {}", sample_id, num_samples());
    }
    return std::string_view(pixels_).substr(sample_id * shape_.num_bytes(), shape_.num_bytes());
  }

  std::string split_;
  ImageShape shape_;
  uint32_t num_classes_ = 0;
  std::vector<uint32_t> labels_;
  std::string pixels_;  // [num_samples, height, width, channels]
};

}  // namespace

std::unique_ptr<ImageSource> OpenArraySource(const std::string& path, const std::string& split) {
  return std::make_unique<ArraySource>(path, split);
}

}  // namespace decant
