#include "teacher_errors.h"

#include <algorithm>
#include <array>
#include <fstream>

#include <caffe2/serialize/inline_container.h>

#include "decant/base/error.h"

namespace decant {
namespace {

enum class FileKind { kTorchScript, kWeights, kPickle, kOther };

std::string FirstBytes(const std::string& path) {
  std::string bytes(4, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// torch.save() makes zip files too, but without code; before PyTorch 1.6 it made pickles.
FileKind KindOf(const std::string& path) {
  const std::string bytes = FirstBytes(path);
  if (bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5) return FileKind::kPickle;
  if (!bytes.starts_with("PK")) return FileKind::kOther;
  try {
    caffe2::serialize::PyTorchStreamReader reader(path);
    if (reader.hasRecord("constants.pkl")) return FileKind::kTorchScript;
    return reader.hasRecord("data.pkl") ? FileKind::kWeights : FileKind::kOther;
  } catch (const std::exception&) {
    return FileKind::kOther;
  }
}

template <size_t N>
bool HasOneOf(const std::string& text, const std::array<const char*, N>& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return text.find(part) != std::string::npos; });
}

bool IsOfNewerPyTorch(const std::string& message) {
  return HasOneOf(message, std::array{"Unknown builtin op", "maximum supported version", "Unknown type name",
                                      "is too old", "Unknown keyword argument", "unknown attribute kind"});
}

std::string DataTypeName(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat32:
      return "float32";
    case torch::kFloat64:
      return "float64";
    case torch::kFloat16:
      return "float16";
    case torch::kBFloat16:
      return "bfloat16";
    case torch::kInt32:
      return "int32";
    case torch::kInt64:
      return "int64";
    case torch::kUInt8:
      return "uint8";
    case torch::kBool:
      return "bool";
    default:
      return torch::toString(type);
  }
}

}  // namespace

// The line that begins with "RuntimeError: ", when TorchScript code failed, or else the first line that says something.
std::string TorchMessage(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  constexpr std::string_view kMark = "RuntimeError: ";
  if (const size_t mark = text.rfind(kMark); mark != std::string::npos) text.erase(0, mark + kMark.size());
  text.erase(0, std::min(text.find_first_not_of(" \n"), text.size()));
  text = text.substr(0, text.find('\n'));
  while (text.ends_with(' ') || text.ends_with('.') || text.ends_with(':')) text.pop_back();
  return text;
}

void FailToLoad(const std::string& path, const std::exception& error) {
  const std::string message = TorchMessage(error);
  if (IsOfNewerPyTorch(message)) {
    Fail(ErrorCode::kInvalidArgument,
         "teacher {} was written by a newer PyTorch than the LibTorch {} that decant was built with ({}): export it "
         "under an older PyTorch with examples/export_teacher.py, or build decant with a newer LibTorch",
         path, TORCH_VERSION, message);
  }
  switch (KindOf(path)) {
    case FileKind::kWeights:
      Fail(ErrorCode::kInvalidArgument,
           "teacher {} holds weights without a network, as torch.save() writes them, not TorchScript: load them into "
           "the network in Python and export that with examples/export_teacher.py",
           path);
    case FileKind::kPickle:
      Fail(ErrorCode::kInvalidArgument,
           "teacher {} is a Python pickle, not TorchScript: load it in Python and export it with "
           "examples/export_teacher.py",
           path);
    case FileKind::kTorchScript:
    case FileKind::kOther:
      Fail(ErrorCode::kInvalidArgument,
           "teacher {} is neither a checkpoint of `decant train` nor a TorchScript file that LibTorch {} can read "
           "({}); export it with examples/export_teacher.py",
           path, TORCH_VERSION, message);
  }
  Fail(ErrorCode::kInternal, "teacher {}: {}", path, message);
}

void FailToRun(const std::string& path, const std::string& what, const std::exception& error) {
  const std::string message = TorchMessage(error);
  if (dynamic_cast<const std::bad_alloc*>(&error) ||
      HasOneOf(message, std::array{"out of memory", "can't allocate memory", "not enough memory"})) {
    Fail(ErrorCode::kExhausted, "teacher {}: not enough memory to run on {}; make teacher.batch_size smaller ({})",
         path, what, message);
  }
  Fail(ErrorCode::kInvalidArgument, "teacher {}: cannot run on {}: {}", path, what, message);
}

std::string Describe(const torch::Tensor& tensor) {
  std::string sizes;
  for (const int64_t size : tensor.sizes()) sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size);
  return fmt::format("{} [{}]", DataTypeName(tensor.scalar_type()), sizes);
}

}  // namespace decant
