#include <algorithm>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/base/hash.h"
#include "decant/data/npy.h"

#include "content_digest.h"
#include "dataset_sources.h"
#include "npy_file.h"

namespace decant {
namespace {

ImageShape ShapeOf(const NpyFile& images) {
  const std::vector<uint64_t>& shape = images.shape();
  const std::string& path = images.file().path();
  if (images.descr() != "|u1" || (shape.size() != 3 && shape.size() != 4)) {
    Fail(ErrorCode::kInvalidArgument, "{}: expected uint8 [N, H, W] or [N, H, W, C], found '{}' of {} axes", path,
         images.descr(), shape.size());
  }
  if (shape[0] == 0) Fail(ErrorCode::kInvalidArgument, "{}: no images", path);
  constexpr uint64_t kMaxSide = 1 << 16;
  for (size_t axis = 1; axis < shape.size(); ++axis) {
    if (shape[axis] == 0 || shape[axis] > kMaxSide) {
      Fail(ErrorCode::kInvalidArgument, "{}: images with a side of {}", path, shape[axis]);
    }
  }
  return {.height = static_cast<uint32_t>(shape[1]),
          .width = static_cast<uint32_t>(shape[2]),
          .channels = shape.size() == 4 ? static_cast<uint32_t>(shape[3]) : 1};
}

std::vector<uint32_t> ReadLabels(const std::string& path, const NpyFile& images) {
  if (path.empty()) return {};
  const NpyArray array = ParseNpy(ReadFile(path), path);
  const uint64_t num_images = images.shape()[0];
  if (array.shape.size() != 1 || array.shape[0] != num_images) {
    Fail(ErrorCode::kInvalidArgument, "{}: expected the classes of {} images, [{}], found {} axes and {} elements",
         path, num_images, num_images, array.shape.size(), array.shape.empty() ? 1 : array.shape[0]);
  }
  std::vector<uint32_t> labels = NumbersOf<uint32_t>(array, path);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= uint32_t{1} << 31) {
      Fail(ErrorCode::kInvalidArgument, "{}: label {} of sample {} is not a class", path, labels[i], i);
    }
  }
  return labels;
}

class NpySource : public ImageSource {
 public:
  NpySource(const DatasetLocation& location, const SourceOptions& options)
      : split_(options.split),
        images_(location.path),
        shape_(ShapeOf(images_)),
        labels_(ReadLabels(options.labels, images_)) {
    if (!labels_.empty()) num_classes_ = 1 + *std::max_element(labels_.begin(), labels_.end());
    const bool by_content = options.fingerprint == "content";
    Xxh3Stream digest;
    const uint32_t sizes[] = {shape_.height, shape_.width, shape_.channels};
    digest.Update(sizes, sizeof sizes);
    digest.Update(labels_.data(), labels_.size() * sizeof(uint32_t));
    if (by_content) {
      const std::string content =
          ContentDigestOf(location, images_.file(), images_.offset(), images_.num_bytes(), options.progress);
      digest.Update(content.data(), content.size());
    } else {
      AddPieces(images_.file(), images_.offset(), images_.num_bytes(), &digest);
    }
    fingerprint_ = fmt::format("{}-xxh3-128:{}", by_content ? "content" : "names", Hex(digest.Digest()));
  }

  uint64_t num_samples() const override { return images_.shape()[0]; }
  uint32_t num_classes() const override { return num_classes_; }
  uint32_t channels() const override { return shape_.channels; }
  std::optional<ImageShape> image_shape() const override { return shape_; }
  std::string Name(uint64_t) const override { return ""; }
  uint32_t Label(uint64_t sample_id) const override { return labels_.empty() ? 0 : labels_.at(sample_id); }
  uint64_t ContentHash(uint64_t sample_id) const override {
    thread_local Image image;
    ReadImage(sample_id, &image);
    return Xxh3({reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()});
  }
  void ReadImage(uint64_t sample_id, Image* image) const override {
    if (sample_id >= num_samples()) {
      Fail(ErrorCode::kInvalidArgument, "sample {} is not below the number of samples, {}", sample_id, num_samples());
    }
    image->shape = shape_;
    image->pixels.resize(shape_.num_bytes());
    images_.file().ReadAt(images_.offset() + sample_id * shape_.num_bytes(), image->pixels.data(), shape_.num_bytes());
  }
  nlohmann::json Identity() const override {
    return {{"kind", "arrays"},
            {"split", split_},
            {"num_samples", num_samples()},
            {"num_classes", num_classes_},
            {"channels", shape_.channels},
            {"image_shape", {shape_.height, shape_.width, shape_.channels}},
            {"fingerprint", fingerprint_}};
  }

 private:
  std::string split_;
  NpyFile images_;
  ImageShape shape_;
  std::vector<uint32_t> labels_;  // empty: none
  uint32_t num_classes_ = 0;
  std::string fingerprint_;
};

}  // namespace

std::unique_ptr<ImageSource> OpenNpySource(const DatasetLocation& location, const SourceOptions& options) {
  return std::make_unique<NpySource>(location, options);
}

}  // namespace decant
