#include "decant/store/sample_keys.h"

#include <algorithm>

#include "decant/base/error.h"
#include "decant/store/record.h"

#include "key_records.h"

namespace decant {

void SampleKeys::Append(std::string_view key) {
  if (key.empty() || key.find('\n') != std::string_view::npos) {
    Fail(ErrorCode::kInvalidArgument, "the key of sample {} is not one line of text", size());
  }
  text_.append(key);
  text_.push_back('\n');
  ends_.push_back(text_.size());
}

std::vector<std::string> EncodeSampleKeys(const SampleKeys& keys) {
  std::vector<std::string> records;
  for (size_t begin = 0; begin < keys.size(); begin += kKeysPerRecord) {
    const size_t end = std::min<size_t>(begin + kKeysPerRecord, keys.size());
    const char* last = keys[end - 1].data() + keys[end - 1].size() + 1;
    const char* first = keys[begin].data();
    records.push_back(WrapRecord(RecordMagic::kSampleKeys, {first, static_cast<size_t>(last - first)}));
  }
  return records;
}

SampleKeys DecodeSampleKeys(const std::vector<std::string>& records, uint64_t num_samples) {
  SampleKeys keys;
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string what = fmt::format("sample keys, part {}", i);
    std::string_view lines = UnwrapRecord(RecordMagic::kSampleKeys, records[i], what);
    const uint64_t expected = std::min<uint64_t>(num_samples, (i + 1) * kKeysPerRecord);
    while (!lines.empty() && keys.size() < expected) {
      const size_t end = lines.find('\n');
      if (end == 0 || end == std::string_view::npos) Fail(ErrorCode::kDataLoss, "{}: not lines of text", what);
      keys.Append(lines.substr(0, end));
      lines.remove_prefix(end + 1);
    }
    if (!lines.empty() || keys.size() != expected) {
      Fail(ErrorCode::kDataLoss, "{}: expected keys up to sample {}, found {} keys and {} bytes more", what, expected,
           keys.size(), lines.size());
    }
  }
  if (keys.size() != num_samples) {
    Fail(ErrorCode::kDataLoss, "sample keys: expected {}, found {}", num_samples, keys.size());
  }
  return keys;
}

std::string SampleKeysKey(uint64_t part) {
  return fmt::format("keys-{:010}", part);
}

std::vector<std::string> ReadKeyRecords(const Database& database, const std::string& path) {
  std::vector<std::string> records;
  std::string record;
  while (GetValue(database.db.get(), database.meta, SampleKeysKey(records.size()), &record, path)) {
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace decant
