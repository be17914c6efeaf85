#include "decant/models/tensor_file.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/file.h"
#include "decant/base/hash.h"

namespace decant {
namespace {

using nlohmann::json;

constexpr char kChecksumText[] = "xxh3";
constexpr uint64_t kMaxHeaderBytes = 100 << 20;

struct DtypeName {
  torch::ScalarType dtype;
  const char* name;
};
constexpr DtypeName kDtypes[] = {{torch::kFloat32, "F32"}, {torch::kInt64, "I64"}, {torch::kUInt8, "U8"}};

const char* NameOf(torch::ScalarType dtype) {
  for (const DtypeName& known : kDtypes) {
    if (known.dtype == dtype) return known.name;
  }
  Fail(ErrorCode::kInternal, "a tensor file cannot hold {}", torch::toString(dtype));
}

torch::ScalarType DtypeOf(const std::string& name) {
  for (const DtypeName& known : kDtypes) {
    if (known.name == name) return known.dtype;
  }
  Fail(ErrorCode::kDataLoss, "unknown dtype {}", name);
}

torch::Tensor ReadTensor(const json& entry, std::string_view elements) {
  const auto shape = entry.at("shape").get<std::vector<int64_t>>();
  const auto offsets = entry.at("data_offsets").get<std::vector<uint64_t>>();
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > elements.size()) {
    Fail(ErrorCode::kDataLoss, "data_offsets out of range");
  }
  const torch::ScalarType dtype = DtypeOf(entry.at("dtype").get<std::string>());
  uint64_t bytes = torch::elementSize(dtype);
  for (const int64_t size : shape) {
    if (size < 0 || (size > 0 && bytes > elements.size() / static_cast<uint64_t>(size))) {
      Fail(ErrorCode::kDataLoss, "shape larger than the file");
    }
    bytes *= static_cast<uint64_t>(size);
  }
  if (bytes != offsets[1] - offsets[0]) Fail(ErrorCode::kDataLoss, "shape and data_offsets disagree");
  torch::Tensor tensor = torch::empty(shape, dtype);
  std::memcpy(tensor.data_ptr(), elements.data() + offsets[0], bytes);
  return tensor;
}

std::string Checksum(const json& header, std::string_view elements) {
  const std::string text = header.dump();
  Xxh3Stream stream;
  stream.Update(text.data(), text.size());
  stream.Update(elements.data(), elements.size());
  return Hex(stream.Digest());
}

TensorFile Parse(std::string_view content) {
  ByteReader reader(content, "header");
  const auto header_bytes = reader.Get<uint64_t>();
  if (header_bytes > kMaxHeaderBytes) Fail(ErrorCode::kDataLoss, "header of {} bytes", header_bytes);
  json header = json::parse(reader.GetBytes(header_bytes));
  const std::string_view elements = reader.GetBytes(reader.remaining());
  const std::string expected = header.at("__metadata__").at(kChecksumText);
  header["__metadata__"].erase(kChecksumText);
  if (const std::string found = Checksum(header, elements); found != expected) {
    Fail(ErrorCode::kDataLoss, "checksum: expected {}, found {}", expected, found);
  }
  TensorFile file;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      file.texts = entry.get<std::map<std::string, std::string>>();
    } else {
      file.tensors[name] = ReadTensor(entry, elements);
    }
  }
  return file;
}

}  // namespace

void WriteTensorFile(const std::string& path, const TensorFile& file) {
  json header;
  std::string elements;
  for (const auto& [name, tensor] : file.tensors) {
    const torch::Tensor data = tensor.detach().contiguous();
    const uint64_t begin = elements.size();
    elements.append(static_cast<const char*>(data.data_ptr()), data.nbytes());
    header[name] = {{"dtype", NameOf(data.scalar_type())},
                    {"shape", data.sizes().vec()},
                    {"data_offsets", {begin, elements.size()}}};
  }
  header["__metadata__"] = file.texts;
  header["__metadata__"][kChecksumText] = Checksum(header, elements);
  std::string header_text = header.dump();
  header_text.resize((header_text.size() + 7) / 8 * 8, ' ');
  ByteWriter writer;
  writer.Put(static_cast<uint64_t>(header_text.size()));
  writer.PutBytes(header_text);
  writer.PutBytes(elements);
  WriteFileAtomically(path, writer.bytes());
}

TensorFile ReadTensorFile(const std::string& path) {
  const std::string content = ReadFile(path);
  try {
    return Parse(content);
  } catch (const std::exception& error) {
    Fail(ErrorCode::kDataLoss, "{} is not a sound checkpoint: {}", path, error.what());
  }
}

bool IsTensorFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char start[9] = {};
  return file.read(start, sizeof start) && start[8] == '{';
}

}  // namespace decant
