#include "decant/data/check_source.h"

#include <algorithm>
#include <mutex>

#include "decant/base/error.h"

#include "encoded_source.h"
#include "index_builder.h"
#include "parallel.h"

namespace decant {

std::vector<UndecodableSample> CheckSource(const ImageSource& source, unsigned num_threads,
                                           const ProgressFunction& progress) {
  if (const auto* encoded = dynamic_cast<const EncodedSource*>(&source)) encoded->index().Check();
  std::vector<UndecodableSample> undecodable;
  std::mutex mutex;
  const auto check = [&](uint64_t id) {
    thread_local Image image;
    try {
      source.ReadImage(id, &image);
    } catch (const Error& error) {
      if (!IsFaultOfSample(error.code())) throw;
      const std::lock_guard lock(mutex);
      undecodable.push_back({.sample_id = id, .name = source.Name(id), .reason = error.what()});
    }
  };
  ParallelFor(source.num_samples(), num_threads, check, progress);
  std::sort(undecodable.begin(), undecodable.end(),
            [](const auto& a, const auto& b) { return a.sample_id < b.sample_id; });
  return undecodable;
}

}  // namespace decant
