#include "decant/data/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/file.h"

namespace decant {
namespace {

// The text after `key` in the header's Python dictionary, which NumPy always writes in one form:
// {'descr': '|u1', 'fortran_order': False, 'shape': (3, 4), }
std::string_view Field(std::string_view header, std::string_view key, std::string_view what) {
  const size_t at = header.find(key);
  if (at == std::string_view::npos) Fail(ErrorCode::kDataLoss, "{}: no {} in the array's header", what, key);
  return header.substr(at + key.size());
}

std::vector<uint64_t> ParseShape(std::string_view text, std::string_view what) {
  const size_t end = text.find(')');
  if (text.empty() || text.front() != '(' || end == std::string_view::npos) {
    Fail(ErrorCode::kDataLoss, "{}: no shape in the array's header", what);
  }
  std::vector<uint64_t> shape;
  text = text.substr(1, end - 1);
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == ',') {
      text.remove_prefix(1);
      continue;
    }
    uint64_t size = 0;
    const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc()) Fail(ErrorCode::kDataLoss, "{}: bad shape in the array's header", what);
    shape.push_back(size);
    text.remove_prefix(static_cast<size_t>(next - text.data()));
  }
  return shape;
}

uint64_t ElementBytes(std::string_view descr, std::string_view what) {
  uint64_t size = 0;
  const std::string_view digits = descr.substr(std::min<size_t>(2, descr.size()));
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  if (error != std::errc() || end != digits.data() + digits.size() || size == 0 || size > 16) {
    Fail(ErrorCode::kDataLoss, "{}: unknown dtype '{}'", what, descr);
  }
  return size;
}

template <typename From, typename T>
std::vector<T> Convert(const NpyArray& array, std::string_view what) {
  std::vector<T> numbers(array.bytes.size() / sizeof(From));
  for (size_t i = 0; i < numbers.size(); ++i) {
    From value;
    std::memcpy(&value, array.bytes.data() + i * sizeof value, sizeof value);
    if constexpr (std::is_integral_v<T>) {
      if (!std::in_range<T>(value)) {
        Fail(ErrorCode::kInvalidArgument, "{}: element {} is {}: out of range", what, i, value);
      }
    }
    numbers[i] = static_cast<T>(value);
  }
  return numbers;
}

}  // namespace

template <typename T>
std::vector<T> NumbersOf(const NpyArray& array, std::string_view what) {
  if constexpr (std::is_integral_v<T>) {
    if (array.descr == "|u1") return Convert<uint8_t, T>(array, what);
    if (array.descr == "<u2") return Convert<uint16_t, T>(array, what);
    if (array.descr == "<u4") return Convert<uint32_t, T>(array, what);
    if (array.descr == "<u8") return Convert<uint64_t, T>(array, what);
    if (array.descr == "<i2") return Convert<int16_t, T>(array, what);
    if (array.descr == "<i4") return Convert<int32_t, T>(array, what);
    if (array.descr == "<i8") return Convert<int64_t, T>(array, what);
  } else {
    if (array.descr == "<f4") return Convert<float, T>(array, what);
    if (array.descr == "<f8") return Convert<double, T>(array, what);
  }
  Fail(ErrorCode::kInvalidArgument, "{}: dtype '{}'; expected {}", what, array.descr,
       std::is_integral_v<T> ? "integers" : "float32 or float64");
}
template std::vector<uint16_t> NumbersOf(const NpyArray&, std::string_view);
template std::vector<uint32_t> NumbersOf(const NpyArray&, std::string_view);
template std::vector<uint64_t> NumbersOf(const NpyArray&, std::string_view);
template std::vector<float> NumbersOf(const NpyArray&, std::string_view);
template std::vector<double> NumbersOf(const NpyArray&, std::string_view);

NpyHeader ParseNpyHeader(std::string_view content, std::string_view what) {
  ByteReader reader(content, what);
  if (reader.GetBytes(6) != "\x93NUMPY") Fail(ErrorCode::kDataLoss, "{}: not a NumPy array", what);
  const auto major = reader.Get<uint8_t>();
  reader.Get<uint8_t>();
  if (major < 1 || major > 3) Fail(ErrorCode::kDataLoss, "{}: NumPy array format {}: 1 to 3 are known", what, major);
  const uint32_t header_size = major == 1 ? reader.Get<uint16_t>() : reader.Get<uint32_t>();
  const std::string_view text = reader.GetBytes(header_size);

  NpyHeader header;
  const std::string_view descr = Field(text, "'descr': '", what);
  header.descr = descr.substr(0, descr.find('\''));
  if (!Field(text, "'fortran_order': ", what).starts_with("False")) {
    Fail(ErrorCode::kInvalidArgument, "{}: the array is in Fortran order; save np.ascontiguousarray(it)", what);
  }
  header.shape = ParseShape(Field(text, "'shape': ", what), what);
  header.num_bytes = ElementBytes(header.descr, what);
  for (const uint64_t size : header.shape) {
    if (size != 0 && header.num_bytes > std::numeric_limits<uint64_t>::max() / size) {
      Fail(ErrorCode::kDataLoss, "{}: impossible shape in the array's header", what);
    }
    header.num_bytes *= size;
  }
  header.offset = content.size() - reader.remaining();
  return header;
}

NpyArray ParseNpy(std::string_view content, std::string_view what) {
  NpyHeader header = ParseNpyHeader(content, what);
  content.remove_prefix(header.offset);
  if (content.size() != header.num_bytes) {
    Fail(ErrorCode::kDataLoss, "{}: expected {} bytes of elements, found {}", what, header.num_bytes, content.size());
  }
  return {.descr = std::move(header.descr), .shape = std::move(header.shape), .bytes = std::string(content)};
}

std::map<std::string, NpyArray> ReadNpz(const std::string& path) {
  const std::string content = ReadFile(path);
  const std::unique_ptr<archive, decltype(&archive_read_free)> zip(archive_read_new(), archive_read_free);
  archive_read_support_format_zip(zip.get());
  const auto check = [&](la_ssize_t result) {
    if (result < 0) {
      const char* text = archive_error_string(zip.get());
      Fail(ErrorCode::kDataLoss, "{}: not a sound .npz file: {}", path, text ? text : "unknown error");
    }
    return result;
  };
  check(archive_read_open_memory(zip.get(), content.data(), content.size()));
  std::map<std::string, NpyArray> arrays;
  archive_entry* entry = nullptr;
  while (check(archive_read_next_header(zip.get(), &entry)) != ARCHIVE_EOF) {
    std::string name = archive_entry_pathname(entry);
    std::string member;
    char buffer[1 << 16];
    while (const la_ssize_t size = check(archive_read_data(zip.get(), buffer, sizeof buffer))) {
      member.append(buffer, static_cast<size_t>(size));
    }
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    const std::string what = fmt::format("{}, array '{}'", path, name);
    arrays.emplace(name, ParseNpy(member, what));
  }
  return arrays;
}

}  // namespace decant
