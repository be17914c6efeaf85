#include "scratch.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include <signal.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "console.h"
#include "run_texts.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

std::string Prefix() {
  return fmt::format("decant-{}-", HostName());
}

// Those of processes of this machine that were killed.
void RemoveLeftOvers(const std::string& parent) {
  const std::string prefix = Prefix();
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    pid_t pid = 0;
    const auto [number_end, number_error] =
        std::from_chars(name.data() + prefix.size(), name.data() + name.size(), pid);
    if (number_error != std::errc() || number_end != name.data() + name.size()) continue;
    if (::kill(pid, 0) == 0 || errno != ESRCH) continue;
    std::error_code ignored;
    fs::remove_all(entry->path(), ignored);
  }
}

}  // namespace

SpanScratch::SpanScratch(std::string parent) {
  if (parent == "none") return;
  for (const char* name : {"SLURM_TMPDIR", "TMPDIR"}) {
    const char* const value = std::getenv(name);
    if (parent.empty() && value != nullptr && fs::is_directory(value)) parent = value;
  }
  if (parent.empty()) return;
  if (!fs::is_directory(parent)) Fail(ErrorCode::kNotFound, "--scratch {}: there is no such folder", parent);
  RemoveLeftOvers(parent);
  path_ = fmt::format("{}/{}{}", parent, Prefix(), ::getpid());
  CreateDirectories(path_);
}

SpanScratch::~SpanScratch() {
  if (path_.empty()) return;
  std::error_code error;
  fs::remove_all(path_, error);
}

void SpanScratch::RequireSpace(uint64_t bytes) const {
  if (path_.empty()) return;
  const uint64_t free = FreeBytes(path_);
  if (free >= bytes) return;
  Fail(ErrorCode::kExhausted,
       "{}: no space left for the span files that are written there, about {}: {} are free; make room, or name another "
       "folder with --scratch",
       path_, BytesText(static_cast<double>(bytes)), BytesText(static_cast<double>(free)));
}

}  // namespace decant
