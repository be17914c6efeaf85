#include "writer_lease.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

#include "process_identity.h"
#include "store_folder.h"

namespace decant {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// What the file of a lease says.
struct Holder {
  ProcessIdentity process;
  double seconds = 0;
  uint64_t generation = 0;
  bool released = false;
};

std::optional<Holder> ParseHolder(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    Holder holder;
    holder.process = {
        .host = json.at("host"), .machine = json.at("machine"), .pid = json.at("pid"), .started = json.at("started")};
    holder.seconds = json.at("seconds");
    holder.generation = json.at("generation");
    holder.released = json.at("released");
    return holder;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // being written
  }
}

// The file's content; empty when there is none.
std::string ContentOf(const std::string& path) {
  try {
    return ReadFile(path);
  } catch (const Error&) {
    return "";
  }
}

uint64_t NewestLease(const std::string& folder) {
  const std::vector<uint64_t> numbers = ListNumbers(folder);
  return numbers.empty() ? 0 : numbers.back();
}

// How long a lease is watched that nobody can read.
constexpr double kUnreadableSeconds = 30;

}  // namespace

WriterLease::WriterLease(const std::string& store_path, double seconds)
    : folder_(LeasePath(store_path)), store_path_(store_path), seconds_(seconds) {
  if (!(seconds >= 0.5 && seconds <= 86'400)) {
    Fail(ErrorCode::kInvalidArgument, "a lease of {} seconds: expected 0.5 to 86400", seconds);
  }
  CreateDirectories(folder_);
  Acquire();
  last_beat_ = Clock::now();
  thread_ = std::thread([this] { Beat(); });
}

WriterLease::~WriterLease() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
  Write(/*released=*/true);
  ::close(fd_);
}

// The file is created exclusively; that it is the newest is looked up afterwards, so that one who was slow, and whose
// number others have passed meanwhile, does not think that it has the store.
void WriterLease::Acquire() {
  for (;;) {
    const uint64_t newest = NewestLease(folder_);
    taken_from_.clear();
    if (newest > 0) WaitForHolder(newest);
    if (!TryCreate(newest + 1)) continue;
    if (NewestLease(folder_) == number_) break;
    ::close(fd_);
    ::unlink((folder_ + "/" + NumberName(number_)).c_str());
  }
  for (const uint64_t number : ListNumbers(folder_)) {
    if (number + 1 < number_) ::unlink((folder_ + "/" + NumberName(number)).c_str());
  }
}

// Returns when the holder of this number has given its lease up, or has died or fallen silent.
void WriterLease::WaitForHolder(uint64_t number) {
  const std::string path = folder_ + "/" + NumberName(number);
  const ProcessIdentity self = ThisProcess();
  const std::string first = ContentOf(path);
  const auto began = Clock::now();
  for (std::string content = first;; content = ContentOf(path)) {
    if (content.empty() && NewestLease(folder_) != number) return;
    const std::optional<Holder> holder = ParseHolder(content);
    if (holder) generation_ = holder->generation;
    if (holder && holder->released) return;
    if (holder && holder->process == self) {
      Fail(ErrorCode::kUnavailable, "cannot write to {}: another part of this process is writing to this store",
           store_path_);
    }
    taken_from_ = holder ? holder->process.Describe() : "a process that left no name";
    if (holder && holder->process.IsKnownDead(self)) return;
    if (content != first && holder) {
      Fail(ErrorCode::kUnavailable, "cannot write to {}: another process is writing to this store: {}", store_path_,
           holder->process.Describe());
    }
    const double patience = holder ? holder->seconds : kUnreadableSeconds;
    if (Clock::now() - began > Seconds(patience)) {
      generation_ = number + 1;
      return;
    }
    std::this_thread::sleep_for(Seconds(std::min(0.1, patience / 20)));
  }
}

// The file appears with its content: who dies in between leaves nothing that others would have to wait for.
bool WriterLease::TryCreate(uint64_t number) {
  const ProcessIdentity self = ThisProcess();
  const std::string path = folder_ + "/" + NumberName(number);
  static std::atomic<uint32_t> num_files = 0;
  const std::string temporary = fmt::format("{}/new-{}-{}-{}", folder_, self.host, self.pid, num_files++);
  number_ = number;
  fd_ = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) FailErrno(errno, "create", temporary);
  const int write_error = Write(/*released=*/false) ? 0 : errno;
  const bool linked = write_error == 0 && ::link(temporary.c_str(), path.c_str()) == 0;
  const int link_error = errno;
  ::unlink(temporary.c_str());
  if (linked) return true;
  ::close(fd_);
  if (write_error != 0) FailErrno(write_error, "write", temporary);
  if (link_error == EEXIST) return false;
  if (link_error != EPERM && link_error != EOPNOTSUPP && link_error != ENOSYS) FailErrno(link_error, "create", path);
  return TryCreateInPlace(path);
}

// Where there are no links.
bool WriterLease::TryCreateInPlace(const std::string& path) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0 && errno == EEXIST) return false;
  if (fd_ < 0) FailErrno(errno, "create", path);
  if (Write(/*released=*/false)) return true;
  const int error = errno;
  ::close(fd_);
  ::unlink(path.c_str());
  FailErrno(error, "write", path);
}

// Rewrites the file in place, so that a full disk does not end a lease.
bool WriterLease::Write(bool released) {
  const ProcessIdentity self = ThisProcess();
  const nlohmann::ordered_json json = {{"host", self.host},       {"pid", self.pid},     {"machine", self.machine},
                                       {"started", self.started}, {"seconds", seconds_}, {"generation", generation_},
                                       {"beat", ++beat_},         {"released", released}};
  const std::string text = json.dump() + "\n";
  return ::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
         ::ftruncate(fd_, static_cast<off_t>(text.size())) == 0 && ::fsync(fd_) == 0;
}

void WriterLease::Beat() {
  const Seconds interval(std::min(1.0, seconds_ / 10));
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, interval, [this] { return ended_; })) {
    lock.unlock();
    const auto now = Clock::now();
    const bool written = Write(/*released=*/false);
    lock.lock();
    if (written) last_beat_ = now;
  }
}

void WriterLease::Require() const {
  double silent_seconds = 0;
  {
    const std::lock_guard lock(mutex_);
    silent_seconds = Seconds(Clock::now() - last_beat_).count();
  }
  const uint64_t newest = NewestLease(folder_);
  if (newest != number_) {
    Fail(ErrorCode::kUnavailable,
         "another process has taken {} over: this one was not heard of for too long; run again to continue",
         store_path_);
  }
  if (silent_seconds > 0.75 * seconds_) {
    Fail(ErrorCode::kUnavailable,
         "this process could not show for {:.0f} s that it is alive ({}), and another may take {} over; run again to "
         "continue",
         silent_seconds, folder_, store_path_);
  }
}

}  // namespace decant
