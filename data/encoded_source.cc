#include "encoded_source.h"

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/data/decode_image.h"

#include "index_builder.h"

namespace decant {

EncodedSource::EncodedSource(const DatasetLocation& location, const SourceOptions& options)
    : split_(options.split),
      channels_(options.channels),
      min_side_(options.min_side),
      by_content_(options.fingerprint == "content"),
      index_(OpenOrBuildIndex(location, {.split = options.split,
                                         .decodable = options.undecodable == "skip",
                                         .hashes = by_content_,
                                         .trust = options.trust_index,
                                         .num_threads = options.threads,
                                         .progress = options.progress})),
      files_(OpenEncodedFiles(location, index_->meta().files)) {}

EncodedSource::~EncodedSource() = default;

SamplePlace EncodedSource::PlaceOf(uint64_t sample_id) const {
  return {.name = index_->Name(sample_id),
          .file = index_->File(sample_id),
          .offset = index_->Offset(sample_id),
          .size = index_->Size(sample_id)};
}

std::string EncodedSource::Name(uint64_t sample_id) const {
  const std::string name = Utf8Name(index_->Name(sample_id));
  if (index_->meta().kind != "tar") return name;
  return index_->meta().files[index_->File(sample_id)].name + "/" + name;
}

uint64_t EncodedSource::ContentHash(uint64_t sample_id) const {
  if (index_->has_hashes()) return index_->Hash(sample_id);
  std::string bytes;
  files_->Read(PlaceOf(sample_id), &bytes);
  return Xxh3(bytes);
}

void EncodedSource::ReadImage(uint64_t sample_id, Image* image) const {
  thread_local std::string bytes;
  const SamplePlace place = PlaceOf(sample_id);
  try {
    files_->Read(place, &bytes);
    std::string what = files_->PathOf(place);
    if (index_->meta().kind == "tar") what += fmt::format(", member '{}'", place.name);
    DecodeImage(bytes, what, {.channels = channels_, .min_side = min_side_}, image);
  } catch (const Error& error) {
    if (!IsFaultOfSample(error.code())) Fail(error.code(), "sample {}: {}", sample_id, error.what());
    Fail(ErrorCode::kDataLoss, "sample {}: {}; data.undecodable = \"skip\" leaves such samples out", sample_id,
         error.what());
  }
}

nlohmann::json EncodedSource::Identity() const {
  const IndexMeta& meta = index_->meta();
  Xxh3Stream fingerprint;
  const std::string text = fmt::format("{} {} {} {}", meta.kind, channels_, min_side_,
                                       by_content_ ? meta.content_digest : meta.names_digest);
  fingerprint.Update(text.data(), text.size());
  nlohmann::json identity = {
      {"kind", meta.kind},
      {"split", split_},
      {"num_samples", num_samples()},
      {"num_classes", num_classes()},
      {"channels", channels_},
      {"fingerprint", fmt::format("{}-xxh3-128:{}", by_content_ ? "content" : "names", Hex(fingerprint.Digest()))}};
  if (min_side_ != 0) identity["min_side"] = min_side_;
  if (!meta.left_out.empty()) {
    identity["left_out"] = nlohmann::json::array();
    for (const LeftOutSample& sample : meta.left_out) identity["left_out"].push_back(sample.name);
  }
  return identity;
}

}  // namespace decant
