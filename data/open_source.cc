#include "decant/data/open_source.h"

#include "decant/base/error.h"

#include "dataset_sources.h"
#include "encoded_source.h"
#include "locate_dataset.h"

namespace decant {
namespace {

void CheckChoice(std::string_view key, std::string_view value, std::string_view one, std::string_view other) {
  if (value == one || value == other) return;
  Fail(ErrorCode::kInvalidArgument, "data.{} is '{}', expected '{}' or '{}'", key, value, one, other);
}

std::string WithSplit(std::string text, const std::string& split) {
  constexpr std::string_view kPlace = "{split}";
  for (size_t at = text.find(kPlace); at != std::string::npos; at = text.find(kPlace, at + split.size())) {
    text.replace(at, kPlace.size(), split);
  }
  return text;
}

SourceOptions Resolved(SourceOptions options) {
  CheckChoice("fingerprint", options.fingerprint, "names", "content");
  CheckChoice("undecodable", options.undecodable, "error", "skip");
  CheckChoice("dtype", options.dtype, "uint16", "uint32");
  if (options.channels != 1 && options.channels != 3) {
    Fail(ErrorCode::kInvalidArgument, "data.channels is {}, expected 1 or 3", options.channels);
  }
  for (std::string* text : {&options.path, &options.labels, &options.documents, &options.index}) {
    *text = WithSplit(*text, options.split);
  }
  return options;
}

void CheckKeys(const DatasetLocation& location, const SourceOptions& options) {
  const auto refuse = [&](std::string_view key, std::string_view kinds) {
    Fail(ErrorCode::kInvalidArgument, "{}: data.{} is set, which only {} have", location.path, key, kinds);
  };
  if (!options.labels.empty() && location.kind != DatasetKind::kNpy) refuse("labels", ".npy images");
  if (!options.documents.empty() && location.kind != DatasetKind::kDocuments) refuse("documents", "documents");
}

bool IsTokens(DatasetKind kind) {
  return kind == DatasetKind::kTokens || kind == DatasetKind::kDocuments;
}

std::unique_ptr<ImageSource> OpenImages(const DatasetLocation& location, const SourceOptions& options) {
  if (location.kind == DatasetKind::kNpz) return OpenArraySource(location.path, options.split);
  if (location.kind == DatasetKind::kNpy) return OpenNpySource(location, options);
  return std::make_unique<EncodedSource>(location, options);
}

}  // namespace

std::unique_ptr<Source> OpenSource(const SourceOptions& options) {
  const SourceOptions resolved = Resolved(options);
  const DatasetLocation location = LocateDataset(resolved);
  CheckKeys(location, resolved);
  if (IsTokens(location.kind)) return OpenTokenFile(location, resolved);
  return OpenImages(location, resolved);
}

std::unique_ptr<ImageSource> OpenImageSource(const SourceOptions& options) {
  const SourceOptions resolved = Resolved(options);
  const DatasetLocation location = LocateDataset(resolved);
  if (IsTokens(location.kind)) {
    Fail(ErrorCode::kInvalidArgument, "{}: tokens, but images are needed here (data.path, data.kind)", location.path);
  }
  CheckKeys(location, resolved);
  return OpenImages(location, resolved);
}

std::unique_ptr<TokenSource> OpenTokenSource(const SourceOptions& options) {
  const SourceOptions resolved = Resolved(options);
  const DatasetLocation location = LocateDataset(resolved);
  if (!IsTokens(location.kind)) {
    Fail(ErrorCode::kInvalidArgument, "{}: images, but tokens are needed here (data.path, data.kind)", location.path);
  }
  CheckKeys(location, resolved);
  return OpenTokenFile(location, resolved);
}

}  // namespace decant
