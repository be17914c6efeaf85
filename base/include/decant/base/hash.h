#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace decant {

// 128 bits of XXH3, in its canonical (big-endian) byte order.
using Digest128 = std::array<unsigned char, 16>;

// XXH3-64 of `bytes` with seed 0.
uint64_t Xxh3(std::string_view bytes);

// XXH3-128 of a stream of bytes with seed 0. Not thread-safe.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(const Xxh3Stream&) = delete;
  Xxh3Stream& operator=(const Xxh3Stream&) = delete;

  void Update(const void* bytes, size_t size);
  Digest128 Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// SHA-256 as 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);
// The same of a file's content; kNotFound or kUnavailable when it cannot be read.
std::string Sha256HexOfFile(const std::string& path);

// Lower-case hexadecimal digits of `bytes`.
std::string Hex(std::string_view bytes);
std::string Hex(const Digest128& digest);

}  // namespace decant
