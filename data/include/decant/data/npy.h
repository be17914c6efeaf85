#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace decant {

// A NumPy array in C order.
struct NpyArray {
  std::string descr;  // dtype as NumPy writes it: "|u1", "<i8", ...
  std::vector<uint64_t> shape;
  std::string bytes;  // elements, C order
};

// The elements of an array of integers or floating-point numbers, as numbers of type T: uint32_t, uint64_t, float or
// double. kInvalidArgument, with `what`, for another dtype and for integers that T has not.
template <typename T>
std::vector<T> NumbersOf(const NpyArray& array, std::string_view what);

// What a `.npy` file says of its array before the elements.
struct NpyHeader {
  std::string descr;
  std::vector<uint64_t> shape;
  uint64_t offset = 0;     // of the elements in the file
  uint64_t num_bytes = 0;  // of all elements
};

// Reads the header off the beginning of a `.npy` file. kDataLoss, with `what`, for anything that is not one.
NpyHeader ParseNpyHeader(std::string_view content, std::string_view what);

// Reads a `.npy` file's content (format versions 1 to 3). kDataLoss, with `what`, for anything that is not one.
NpyArray ParseNpy(std::string_view content, std::string_view what);

// The arrays of a `.npz` file (np.savez, np.savez_compressed) by name. kNotFound, kDataLoss.
std::map<std::string, NpyArray> ReadNpz(const std::string& path);

}  // namespace decant
