#include "process_identity.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

namespace decant {
namespace {

std::string FirstWord(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// Field 22 of /proc/<pid>/stat; empty when there is no such process, or it is dead and not yet buried.
std::string StartOf(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return "";
  for (int number = 4; number <= 22 && fields >> field; ++number) {
  }
  return field;
}

}  // namespace

std::string ProcessIdentity::Describe() const {
  return fmt::format("process {} on {}", pid, host);
}

bool ProcessIdentity::IsKnownDead(const ProcessIdentity& self) const {
  return machine == self.machine && host == self.host && StartOf(pid) != started;
}

ProcessIdentity ThisProcess() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  std::error_code error;
  const std::string processes = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  return {.host = host,
          .machine = FirstWord("/proc/sys/kernel/random/boot_id") + " " + processes,
          .pid = ::getpid(),
          .started = StartOf(::getpid())};
}

}  // namespace decant
