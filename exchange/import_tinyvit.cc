#include <algorithm>
#include <optional>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/exchange/exchange.h"

#include "importer.h"
#include "tinyvit_files.h"
#include "tinyvit_record.h"

namespace decant {
namespace {

std::string KeysFingerprint(const SampleKeys& keys) {
  Xxh3Stream stream;
  stream.Update(keys.text().data(), keys.text().size());
  return "xxh3-128:" + Hex(stream.Digest());
}

LabelCodes ReadCodes(const TinyVitEpoch& epoch, uint64_t begin, uint64_t end) {
  LabelCodes codes;
  std::string record;
  for (uint64_t id = begin; id < end; ++id) {
    epoch.Read(id, &record);
    AppendTinyVitRecord(record, &codes);
  }
  return codes;
}

}  // namespace

ImportReport ImportTinyVit(const std::string& out, const TinyVitImport& options) {
  const std::vector<TinyVitFolder> folders = FindTinyVitFolders(options.sources);
  uint32_t num_classes = 0;
  for (const TinyVitFolder& folder : folders) {
    num_classes = std::max(num_classes, 1 + TinyVitEpoch(folder).CheckRecords());
  }
  if (options.num_classes != 0) {
    if (num_classes > options.num_classes) {
      Fail(ErrorCode::kInvalidArgument, "class {} is not below the number of classes, {}", num_classes - 1,
           options.num_classes);
    }
    num_classes = options.num_classes;
  }

  std::optional<TinyVitEpoch> first(folders.front());
  const SampleKeys keys = first->SortedKeys();
  if (keys.size() == 0) Fail(ErrorCode::kInvalidArgument, "{} has no records", folders.front().path);
  first.reset();
  Schema schema = ImportedSchema("tinyvit", keys.size(), static_cast<uint32_t>(folders.size()));
  schema.codec = {.num_classes = num_classes,
                  .k = folders.front().k,
                  .values = Values::kFp16Probs,
                  .delta = 0.03125,
                  .record_order = true};
  schema.dataset["fingerprint"] = KeysFingerprint(keys);
  schema.dataset["first_epoch"] = folders.front().epoch;

  std::optional<TinyVitEpoch> epoch;
  const auto open = [&](uint32_t index) {
    epoch.emplace(folders[index]);
    epoch->Locate(keys);
  };
  return WriteImport(out, schema, keys,
                     {.calibrate =
                          [&] {
                            open(0);
                            const LabelCodes codes = ReadCodes(*epoch, 0, schema.calibration.num_labels);
                            return LearnTables(schema.codec, codes, schema.calibration.prior);
                          },
                      .begin_epoch = open,
                      .add_chunk = [&](uint64_t begin, uint64_t end,
                                       SpanWriter* writer) { writer->AddCodes(ReadCodes(*epoch, begin, end)); }});
}

}  // namespace decant
