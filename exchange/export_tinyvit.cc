#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/base/hash.h"
#include "decant/exchange/exchange.h"

#include "sample_reader.h"
#include "tinyvit_files.h"
#include "tinyvit_record.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

// A file that is written from front to end; durable after Finish().
class OutputFile {
 public:
  explicit OutputFile(const std::string& path) : path_(path), stream_(path, std::ios::binary | std::ios::trunc) {
    if (!stream_) FailErrno(errno, "create", path);
  }
  void Write(std::string_view bytes) {
    if (!stream_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) FailErrno(errno, "write", path_);
  }
  void Finish() {
    stream_.close();
    if (!stream_) FailErrno(errno, "write", path_);
    SyncFile(path_);
  }

 private:
  std::string path_;
  std::ofstream stream_;
};

// At which of the store's temperatures the labels are probabilities as TinyViT's are.
size_t PlainTemperature(const StoreReader& store) {
  const std::vector<double>& temperatures = store.schema().codec.temperatures;
  const auto found = std::find(temperatures.begin(), temperatures.end(), 1.0);
  if (found == temperatures.end()) {
    Fail(ErrorCode::kInvalidArgument, "{}: its labels are not at temperature 1, as TinyViT's are; export npz",
         store.path());
  }
  return static_cast<size_t>(found - temperatures.begin());
}

void RefuseForeignLabels(const StoreReader& store, bool lossy) {
  const CodecParams& codec = store.schema().codec;
  if (codec.windows) {
    Fail(ErrorCode::kInvalidArgument, "{}: TinyViT's files cannot hold labels of token windows; export npz",
         store.path());
  }
  if (codec.num_classes > kMaxTinyVitClasses) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} classes, but TinyViT's files have at most {}; export npz", store.path(),
         codec.num_classes, kMaxTinyVitClasses);
  }
  if (codec.values != Values::kFp16Probs && !lossy) {
    Fail(ErrorCode::kInvalidArgument,
         "{}: its labels are not float16 probabilities: TinyViT's files round them; add --lossy, or export npz",
         store.path());
  }
}

// The records of `codes`, each a label.
std::string Records(const StoreReader& store, const LabelCodes& codes, size_t temperature) {
  const CodecParams& params = store.schema().codec;
  std::string records;
  LabelBatch labels;
  for (size_t i = 0; i < codes.size(); ++i) {
    if (params.values == Values::kFp16Probs && codes.offsets[i + 1] - codes.offsets[i] == params.k) {
      records += MakeTinyVitRecord(codes, i);
    } else {
      labels.Clear();
      store.codec().Dequantise(codes, i, i + 1, &labels, temperature);
      records += MakeRoundedRecord(labels.ids, labels.log_probs, params.k);
    }
  }
  return records;
}

// The keys of an imported store; else the ids, with as many digits each, so that their order stays.
SampleKeys KeysOf(const StoreReader& store) {
  SampleKeys keys = store.ReadSampleKeys();
  const uint64_t num_samples = store.schema().layout.num_samples;
  if (keys.size() == 0 && store.schema().dataset.value("kind", "") == "tinyvit") {
    Fail(ErrorCode::kDataLoss, "{}: the keys of its samples are lost", store.path());
  }
  if (keys.size() > 0) return keys;
  const size_t width = std::to_string(num_samples - 1).size();
  for (uint64_t id = 0; id < num_samples; ++id) keys.Append(fmt::format("{:0{}}", id, width));
  return keys;
}

}  // namespace

uint64_t ExportTinyVit(const StoreReader& store, const std::string& out, const TinyVitExport& options) {
  RequireEpochs(store, options.epoch_begin, options.epoch_end);
  RefuseForeignLabels(store, options.lossy);
  const size_t temperature = PlainTemperature(store);
  const SampleKeys keys = KeysOf(store);
  const auto first_epoch = store.schema().dataset.value("first_epoch", uint32_t{0});
  const auto folder_of = [&](uint32_t epoch) {
    return out + "/" + TinyVitFolderName(store.schema().codec.k, first_epoch + epoch);
  };
  CreateDirectories(out);
  for (uint32_t epoch = options.epoch_begin; epoch < options.epoch_end; ++epoch) {
    if (fs::exists(folder_of(epoch))) {
      Fail(ErrorCode::kInvalidArgument, "{} is there already; remove it, or name another folder", folder_of(epoch));
    }
  }
  uint64_t num_records = 0;
  for (uint32_t epoch = options.epoch_begin; epoch < options.epoch_end; ++epoch) {
    const std::string partial = folder_of(epoch) + ".partial";
    std::error_code error;
    fs::remove_all(partial, error);
    CreateDirectories(partial);
    OutputFile keys_file(partial + "/rank0-keys.txt");
    keys_file.Write(keys.text());
    keys_file.Finish();
    OutputFile values_file(partial + "/rank0-values.bin");
    const SampleReader reader(store, epoch);
    for (uint64_t block = 0; block < reader.num_blocks(); ++block) {
      const LabelCodes codes = reader.ReadBlock(block);
      values_file.Write(Records(store, codes, temperature));
      num_records += codes.size();
    }
    values_file.Finish();
    SyncDirectory(partial);
    fs::rename(partial, folder_of(epoch), error);
    if (error) FailErrno(error.value(), "rename", partial);
    SyncDirectory(out);
  }
  return num_records;
}

}  // namespace decant
