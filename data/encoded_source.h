#pragma once

#include <memory>

#include "decant/data/open_source.h"

#include "encoded_files.h"
#include "locate_dataset.h"
#include "sample_index.h"

namespace decant {

// The images of a folder, a list or tar shards, decoded when they are read.
class EncodedSource : public ImageSource {
 public:
  EncodedSource(const DatasetLocation& location, const SourceOptions& options);
  ~EncodedSource() override;

  uint64_t num_samples() const override { return index_->num_samples(); }
  uint32_t num_classes() const override { return index_->meta().num_classes; }
  uint32_t channels() const override { return channels_; }
  std::optional<ImageShape> image_shape() const override { return std::nullopt; }
  uint32_t Label(uint64_t sample_id) const override { return index_->Label(sample_id); }
  // "class/file.jpg"; "shard.tar/key.jpg" in tar shards.
  std::string Name(uint64_t sample_id) const override;
  uint64_t ContentHash(uint64_t sample_id) const override;
  nlohmann::json Identity() const override;
  void ReadImage(uint64_t sample_id, Image* image) const override;

  const SampleIndex& index() const { return *index_; }

 private:
  SamplePlace PlaceOf(uint64_t sample_id) const;

  std::string split_;
  uint32_t channels_;
  uint32_t min_side_;
  bool by_content_;
  std::unique_ptr<SampleIndex> index_;
  std::unique_ptr<EncodedFiles> files_;
};

}  // namespace decant
