#include "decant/store/span_claims.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "process_identity.h"
#include "span_files.h"
#include "store_folder.h"

namespace decant {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::string_view kClaim = "claim-";
constexpr std::string_view kClaimant = "claimant-";
constexpr std::string_view kJob = "job-";
// How long a claimant is watched whose file cannot be read.
constexpr double kUnreadableSeconds = 30;

// The file's content; nullopt when there is none.
std::optional<std::string> ContentOf(const std::string& path) {
  try {
    return ReadFile(path);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return std::nullopt;
    return "";
  }
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  return names;
}

std::string NewName() {
  static std::atomic<uint32_t> num_names = 0;
  const ProcessIdentity self = ThisProcess();
  return fmt::format("{}-{}-{}-{}", self.host, self.pid, self.started, num_names++);
}

// What a sign of life says: the process, and for how long it may be silent.
std::string SignText(double seconds, uint64_t beat) {
  const ProcessIdentity self = ThisProcess();
  const nlohmann::ordered_json json = {{"host", self.host},       {"pid", self.pid},    {"machine", self.machine},
                                       {"started", self.started}, {"seconds", seconds}, {"beat", beat}};
  return json.dump() + "\n";
}

struct Claimant {
  ProcessIdentity process;
  double seconds = kUnreadableSeconds;
};

std::optional<Claimant> ParseSign(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    return Claimant{.process = {.host = json.at("host"),
                                .machine = json.at("machine"),
                                .pid = json.at("pid"),
                                .started = json.at("started")},
                    .seconds = json.at("seconds")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // being written
  }
}

// Whether the name is that of a span file that `claimant` had not finished.
bool IsUnfinishedOf(const std::string& name, const std::string& claimant) {
  return name.ends_with(fmt::format("-{}.sst{}", claimant, kPartialSuffix));
}

}  // namespace

std::string GuestsPath(const std::string& store_path) {
  return store_path + "/guests";
}

// Files go from the guests' folder to a writer's.
std::set<uint64_t> FinishedSpans(const std::string& store_path) {
  std::set<uint64_t> spans;
  const auto add = [&spans](const std::string& folder) {
    for (const std::string& name : NamesIn(folder)) {
      if (const auto span = SpanOfName(name)) spans.insert(*span);
    }
  };
  add(GuestsPath(store_path));
  for (const uint64_t lease : ListNumbers(StagingPath(store_path))) add(StagingPath(store_path, lease));
  return spans;
}

SpanClaims::SpanClaims(const std::string& store_path, double seconds)
    : SpanClaims(store_path, seconds, NewName(), /*is_own=*/true) {}

SpanClaims::SpanClaims(const std::string& store_path, double seconds, Job)
    : SpanClaims(store_path, seconds, std::string(kJob) + NewName(), /*is_own=*/true) {
  for (const std::string& name : NamesIn(folder_)) {
    const std::string path = folder_ + "/" + name;
    const bool is_claimant = name.starts_with(fmt::format("{}{}", kClaimant, kJob)) && !name.ends_with(name_);
    const std::string owner = name.starts_with(kClaim) ? ContentOf(path).value_or("") : "";
    // A power cut leaves claims without a name.
    const bool is_void = name.starts_with(kClaim) && (owner.empty() || (owner.starts_with(kJob) && owner != name_));
    if (is_claimant || is_void) ::unlink(path.c_str());
  }
}

SpanClaims::SpanClaims(const std::string& store_path, const std::string& name)
    : SpanClaims(store_path, /*seconds=*/1, name, /*is_own=*/false) {}

SpanClaims::SpanClaims(const std::string& store_path, double seconds, std::string name, bool is_own)
    : folder_(GuestsPath(store_path)), seconds_(seconds), name_(std::move(name)), is_own_(is_own) {
  if (!(seconds >= 0.5 && seconds <= 86'400)) {
    Fail(ErrorCode::kInvalidArgument, "a lease of {} seconds: expected 0.5 to 86400", seconds);
  }
  if (!is_own_) return;
  CreateDirectories(folder_);
  WriteSign();
  thread_ = std::thread([this] { Beat(); });
}

SpanClaims::~SpanClaims() {
  if (!is_own_) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
  for (const std::string& name : NamesIn(folder_)) {
    const std::string path = folder_ + "/" + name;
    if (IsUnfinishedOf(name, name_) || (name.starts_with(kClaim) && ContentOf(path) == name_)) ::unlink(path.c_str());
  }
  ::unlink(fmt::format("{}/{}{}", folder_, kClaimant, name_).c_str());
  ::rmdir(folder_.c_str());  // unless others are there
}

std::string SpanClaims::ClaimPath(uint64_t group) const {
  return fmt::format("{}/{}{}", folder_, kClaim, NumberName(group));
}

// The file appears with its content where there are links.
bool SpanClaims::TryCreate(const std::string& path) const {
  const std::string temporary = fmt::format("{}/new-{}-{}", folder_, name_, fs::path(path).filename().string());
  try {
    ReplaceFile(temporary, name_);
  } catch (const Error&) {
    return true;
  }
  const bool linked = ::link(temporary.c_str(), path.c_str()) == 0;
  const int error = errno;
  ::unlink(temporary.c_str());
  if (linked) return true;
  if (error == EEXIST) return false;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return errno != EEXIST;
  [[maybe_unused]] const ssize_t written = ::write(file, name_.data(), name_.size());
  ::close(file);
  return true;
}

bool SpanClaims::Claim(uint64_t group) {
  const std::string path = ClaimPath(group);
  for (;;) {
    if (TryCreate(path)) return true;
    const std::optional<std::string> owner = ContentOf(path);
    if (!owner) continue;  // released in between
    if (*owner == name_) return true;
    const std::lock_guard lock(mutex_);
    if (IsAlive(*owner) || !Break(path, *owner)) return false;
  }
}

void SpanClaims::Release(uint64_t group) {
  const std::string path = ClaimPath(group);
  if (ContentOf(path) == name_) ::unlink(path.c_str());
}

// Takes the file away first and looks at it then: another one may have broken the claim and made its own.
bool SpanClaims::Break(const std::string& path, const std::string& owner) {
  const std::string taken = fmt::format("{}/new-{}-broken", folder_, name_);
  if (::rename(path.c_str(), taken.c_str()) != 0) return errno == ENOENT;
  const bool is_broken = ContentOf(taken) == owner;
  if (!is_broken && ::link(taken.c_str(), path.c_str()) != 0) {
    // Where there are no links, or somebody has claimed it again: one more may label this span.
  }
  ::unlink(taken.c_str());
  return is_broken;
}

bool SpanClaims::IsAlive(const std::string& owner) {
  const std::optional<std::string> text = ContentOf(fmt::format("{}/{}{}", folder_, kClaimant, owner));
  const auto now = Clock::now();
  Sign& sign = signs_.try_emplace(owner, Sign{text.value_or(""), now}).first->second;
  if (text && sign.text != *text) sign = {*text, now};
  const std::optional<Claimant> claimant = ParseSign(sign.text);
  if (claimant && text && claimant->process.IsKnownDead(ThisProcess())) return false;
  // Whose file is gone has given everything up; a claim without a name is being written, or its writer died at that.
  return now - sign.since < Seconds(text && claimant ? claimant->seconds : text ? kUnreadableSeconds : 2.0);
}

std::vector<uint64_t> SpanClaims::ClaimedByOthers() {
  const std::lock_guard lock(mutex_);
  const std::vector<std::string> names = NamesIn(folder_);
  std::vector<uint64_t> groups;
  for (const std::string& name : names) {
    if (!name.starts_with(kClaim)) continue;
    const std::string path = folder_ + "/" + name;
    const std::optional<std::string> owner = ContentOf(path);
    if (!owner || *owner == name_) continue;
    if (!IsAlive(*owner)) {
      Break(path, *owner);
      continue;
    }
    std::from_chars(name.data() + kClaim.size(), name.data() + name.size(), groups.emplace_back());
  }
  RemoveDeadClaimants(names);
  std::ranges::sort(groups);
  return groups;
}

// After their claims, which nobody could tell dead without them.
void SpanClaims::RemoveDeadClaimants(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::string claimant = name.starts_with(kClaimant) ? name.substr(kClaimant.size()) : name_;
    if (claimant == name_ || IsAlive(claimant)) continue;
    for (const std::string& other : names) {
      if (!IsUnfinishedOf(other, claimant) && !other.starts_with("new-" + claimant)) continue;
      ::unlink((folder_ + "/" + other).c_str());
    }
    ::unlink((folder_ + "/" + name).c_str());
  }
}

bool SpanClaims::HasJob() {
  const std::lock_guard lock(mutex_);
  const std::string prefix = fmt::format("{}{}", kClaimant, kJob);
  return std::ranges::any_of(NamesIn(folder_), [&](const std::string& name) {
    return name.starts_with(prefix) && IsAlive(name.substr(kClaimant.size()));
  });
}

// In place, so that a full disk does not end a claimant. A job's file that is gone stays so: another job has begun.
void SpanClaims::WriteSign() {
  const std::string path = fmt::format("{}/{}{}", folder_, kClaimant, name_);
  const std::string text = SignText(seconds_, ++beat_);
  const int create = beat_ > 1 && name_.starts_with(kJob) ? 0 : O_CREAT;
  int file = ::open(path.c_str(), O_WRONLY | create | O_CLOEXEC, 0644);
  if (file < 0 && create != 0 && errno == ENOENT && ::mkdir(folder_.c_str(), 0777) == 0) {
    file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  }
  if (file < 0) return;
  if (::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
    [[maybe_unused]] const int cut = ::ftruncate(file, static_cast<off_t>(text.size()));
  }
  ::close(file);
}

void SpanClaims::Beat() {
  const Seconds interval(std::min(1.0, seconds_ / 10));
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, interval, [this] { return ended_; })) {
    lock.unlock();
    WriteSign();
    lock.lock();
  }
}

}  // namespace decant
