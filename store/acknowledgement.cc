#include "decant/store/acknowledgement.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/store/record.h"

#include "rocksdb_util.h"
#include "store_records.h"

namespace decant {
namespace {

std::string ReadersPath(const std::string& store_path) {
  return store_path + "/readers";
}

bool IsName(const std::string& name) {
  const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  const auto allowed = [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; };
  return !name.empty() && name.size() <= 64 && alphanumeric(name[0]) && std::all_of(name.begin(), name.end(), allowed);
}

// What a writer that died left of an atomic write.
bool IsTemporary(const std::string& file_name) {
  return file_name.find(".tmp-") != std::string::npos;
}

}  // namespace

std::string AcknowledgementPath(const std::string& store_path, const std::string& name) {
  return ReadersPath(store_path) + "/" + name;
}

void Acknowledge(const std::string& store_path, const Acknowledgement& acknowledgement) {
  if (!IsName(acknowledgement.name) || IsTemporary(acknowledgement.name)) {
    Fail(ErrorCode::kInvalidArgument,
         "'{}' cannot be the name of a reader: 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first",
         acknowledgement.name);
  }
  if (std::error_code error; !std::filesystem::exists(DatabasePath(store_path), error)) RefuseNoStore(store_path);
  ByteWriter writer;
  writer.Put(acknowledgement.next_epoch);
  writer.PutBytes(acknowledgement.name);
  WriteFileAtomically(AcknowledgementPath(store_path, acknowledgement.name),
                      WrapRecord(RecordMagic::kAcknowledgement, writer.bytes()));
}

Acknowledgement DecodeAcknowledgement(const std::string& name, std::string_view record, std::string_view what) {
  ByteReader reader(UnwrapRecord(RecordMagic::kAcknowledgement, record, what), what);
  const auto next_epoch = reader.Get<uint32_t>();
  const std::string_view found = reader.GetBytes(reader.remaining());
  if (found != name) Fail(ErrorCode::kDataLoss, "{}: name: expected {}, found {}", what, name, found);
  return {.name = name, .next_epoch = next_epoch};
}

std::vector<Acknowledgement> ReadAcknowledgements(const std::string& store_path) {
  std::vector<Acknowledgement> readers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(ReadersPath(store_path), error)) {
    const std::string name = entry.path().filename();
    if (IsTemporary(name)) continue;
    readers.push_back(DecodeAcknowledgement(name, ReadFile(entry.path()), entry.path().string()));
  }
  std::sort(readers.begin(), readers.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return readers;
}

}  // namespace decant
