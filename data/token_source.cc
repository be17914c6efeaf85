#include "decant/base/error.h"
#include "decant/base/hash.h"

#include "content_digest.h"
#include "dataset_sources.h"
#include "document_table.h"
#include "index_builder.h"
#include "token_file.h"

namespace decant {
namespace {

// What windows of a stream and documents have in common.
class TokenFileSource : public TokenSource {
 public:
  TokenFileSource(const DatasetLocation& location, const SourceOptions& options)
      : kind_(DatasetKindName(location.kind)),
        split_(options.split),
        window_(options.window),
        tokens_(location.path, options.dtype) {}

  std::string Name(uint64_t) const override { return ""; }
  uint64_t ContentHash(uint64_t sample_id) const override {
    thread_local std::vector<uint32_t> tokens;
    ReadTokens(sample_id, &tokens);
    return Xxh3({reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(uint32_t)});
  }
  nlohmann::json Identity() const override {
    return {{"kind", kind_},
            {"split", split_},
            {"num_samples", num_samples()},
            {"num_tokens", tokens_.num_tokens()},
            {"max_tokens", max_tokens()},
            {"window", window_},
            {"fingerprint", fingerprint_}};
  }

 protected:
  // Of the tokens and of `extra`.
  void TakeFingerprint(const DatasetLocation& location, const SourceOptions& options, std::string_view extra) {
    const bool by_content = options.fingerprint == "content";
    Xxh3Stream digest;
    const std::string text = fmt::format("{} {} {}", kind_, tokens_.token_bytes(), tokens_.num_tokens());
    digest.Update(text.data(), text.size());
    digest.Update(extra.data(), extra.size());
    if (by_content) {
      const std::string content =
          ContentDigestOf(location, tokens_.file(), tokens_.offset(), tokens_.num_bytes(), options.progress);
      digest.Update(content.data(), content.size());
    } else {
      AddPieces(tokens_.file(), tokens_.offset(), tokens_.num_bytes(), &digest);
    }
    fingerprint_ = fmt::format("{}-xxh3-128:{}", by_content ? "content" : "names", Hex(digest.Digest()));
  }
  void CheckId(uint64_t sample_id) const {
    if (sample_id >= num_samples()) {
      Fail(ErrorCode::kInvalidArgument, "sample {} is not below the number of samples, {}", sample_id, num_samples());
    }
  }

  std::string kind_;
  std::string split_;
  uint32_t window_;
  TokenFile tokens_;
  std::string fingerprint_;
};

class WindowSource : public TokenFileSource {
 public:
  WindowSource(const DatasetLocation& location, const SourceOptions& options) : TokenFileSource(location, options) {
    if (window_ == 0) {
      Fail(ErrorCode::kInvalidArgument, "{}: data.window is not set: how many tokens of the stream a sample has",
           location.path);
    }
    if (tokens_.num_tokens() < window_) {
      Fail(ErrorCode::kInvalidArgument, "{}: {} tokens are less than one window of {} (data.window)", location.path,
           tokens_.num_tokens(), window_);
    }
    TakeFingerprint(location, options, "");
  }
  uint64_t num_samples() const override { return tokens_.num_tokens() / window_; }
  uint32_t max_tokens() const override { return window_; }
  void ReadTokens(uint64_t sample_id, std::vector<uint32_t>* tokens) const override {
    CheckId(sample_id);
    tokens_.Read(sample_id * window_, window_, tokens);
  }
};

class DocumentSource : public TokenFileSource {
 public:
  DocumentSource(const DatasetLocation& location, const SourceOptions& options)
      : TokenFileSource(location, options), documents_(options.documents, tokens_, window_) {
    const Digest128& digest = documents_.digest();
    TakeFingerprint(location, options, {reinterpret_cast<const char*>(digest.data()), digest.size()});
  }
  uint64_t num_samples() const override { return documents_.num_samples(); }
  uint32_t max_tokens() const override { return documents_.max_tokens(); }
  void ReadTokens(uint64_t sample_id, std::vector<uint32_t>* tokens) const override {
    CheckId(sample_id);
    const DocumentTable::Span span = documents_.Find(sample_id);
    tokens_.Read(span.begin, span.count, tokens);
  }

 private:
  DocumentTable documents_;
};

}  // namespace

std::unique_ptr<TokenSource> OpenTokenFile(const DatasetLocation& location, const SourceOptions& options) {
  if (location.kind == DatasetKind::kTokens) return std::make_unique<WindowSource>(location, options);
  if (options.documents.empty()) {
    Fail(ErrorCode::kInvalidArgument, "{}: data.documents is not set: the file of the documents' token offsets",
         location.path);
  }
  return std::make_unique<DocumentSource>(location, options);
}

}  // namespace decant
