#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace decant {

// Writes a `.npz` file, not compressed, one array after the other, piece by piece: arrays need not fit memory. Not
// thread-safe.
class NpzWriter {
 public:
  // Writes `path`.partial until Finish().
  explicit NpzWriter(const std::string& path);
  // Removes the file unless it is finished.
  ~NpzWriter();
  NpzWriter(const NpzWriter&) = delete;
  NpzWriter& operator=(const NpzWriter&) = delete;

  // Begins an array. `descr` as in NpyArray; the array before must be complete.
  void Begin(const std::string& name, const std::string& descr, const std::vector<uint64_t>& shape);
  // The array's next bytes, C order. kInternal for more than its shape has.
  void Write(std::string_view bytes);
  template <typename T>
  void WriteAll(const std::vector<T>& values) {
    Write({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  // Makes the file durable and gives it its name.
  void Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace decant
