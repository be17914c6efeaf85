#pragma once

#include <cstdint>
#include <string>

namespace decant {

// A folder of this process in a folder of this machine, where span files are written before they are moved to the
// store: removed at the end, and by the next run on this machine when its process was killed.
class SpanScratch {
 public:
  // In `parent`, which must exist; without one in $SLURM_TMPDIR or else $TMPDIR; when there is none of these, or
  // `parent` is "none", there is no folder. kNotFound, kUnavailable.
  explicit SpanScratch(std::string parent);
  ~SpanScratch();
  SpanScratch(const SpanScratch&) = delete;
  SpanScratch& operator=(const SpanScratch&) = delete;

  // Empty: there is none.
  const std::string& path() const { return path_; }
  // kExhausted unless so many bytes are free.
  void RequireSpace(uint64_t bytes) const;

 private:
  std::string path_;
};

}  // namespace decant
