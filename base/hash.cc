#include "decant/base/hash.h"

#include <cerrno>
#include <cstdio>
#include <vector>

#include <openssl/evp.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "decant/base/error.h"

namespace decant {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
      Fail(ErrorCode::kInternal, "OpenSSL offers no SHA-256");
    }
  }
  void Update(const void* bytes, size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
  std::string Finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), digest, &size);
    return Hex(std::string_view(reinterpret_cast<const char*>(digest), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

uint64_t Xxh3(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

struct Xxh3Stream::State {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> xxh{XXH3_createState(), XXH3_freeState};
};

Xxh3Stream::Xxh3Stream() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->xxh.get());
}
Xxh3Stream::~Xxh3Stream() = default;

void Xxh3Stream::Update(const void* bytes, size_t size) {
  if (size > 0) XXH3_128bits_update(state_->xxh.get(), bytes, size);
}

Digest128 Xxh3Stream::Digest() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh.get()));
  Digest128 digest;
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), digest.begin());
  return digest;
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 sha;
  sha.Update(bytes.data(), bytes.size());
  return sha.Finish();
}

std::string Sha256HexOfFile(const std::string& path) {
  const std::unique_ptr<FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) FailErrno(errno, "read", path);
  Sha256 sha;
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const size_t size = std::fread(buffer.data(), 1, buffer.size(), file.get());
    sha.Update(buffer.data(), size);
    if (size < buffer.size()) break;
  }
  if (std::ferror(file.get())) FailErrno(errno, "read", path);
  return sha.Finish();
}

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(byte) >> 4]);
    text.push_back(kDigits[static_cast<unsigned char>(byte) & 15]);
  }
  return text;
}

std::string Hex(const Digest128& digest) {
  return Hex(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

}  // namespace decant
