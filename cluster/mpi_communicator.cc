#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <list>
#include <mutex>
#include <thread>

#define OMPI_SKIP_MPICXX 1  // the C interface alone
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include "decant/base/error.h"
#include "decant/cluster/communicator.h"

namespace decant {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTag = 0;
// MPI does not say when something arrives: it is asked, ever less often while nothing does.
constexpr microseconds kShortestPause(20);
constexpr microseconds kLongestPause(5000);
// How long the destructor waits for messages to leave, and then for MPI_Finalize.
constexpr seconds kFlushLimit(2);
constexpr seconds kFinalizeLimit(10);

void Check(int result, const char* action) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int size = 0;
  MPI_Error_string(result, text, &size);
  Fail(ErrorCode::kUnavailable, "MPI cannot {}: {}", action, std::string(text, static_cast<size_t>(size)));
}

// What the communicator and the thread that calls MPI share.
struct Shared {
  std::mutex mutex;
  std::condition_variable to_mpi;
  std::condition_variable from_mpi;
  std::deque<std::pair<int, std::string>> outbox;
  std::deque<Message> inbox;
  bool woken = false;
  bool initialised = false;
  bool closing = false;
  bool ended = false;
  std::optional<Error> error;
  int rank = 0;
  int size = 1;
};

// The thread that calls MPI, from MPI_Init to MPI_Finalize. Owns what it uses: it may outlive the communicator.
class MpiThread {
 public:
  explicit MpiThread(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  void Run() {
    try {
      Initialise();
      while (Turn()) {
      }
      MPI_Finalize();
    } catch (const Error& error) {
      const std::lock_guard lock(shared_->mutex);
      shared_->error = error;
    }
    const std::lock_guard lock(shared_->mutex);
    shared_->ended = true;
    shared_->from_mpi.notify_all();
  }

 private:
  // A message on its way; MPI reads the bytes until the request is done, which for a rank that has died is never.
  struct Outgoing {
    std::string bytes;
    MPI_Request request;
  };

  void Initialise() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (provided < MPI_THREAD_FUNNELED) Fail(ErrorCode::kUnavailable, "this MPI library does not allow threads");
    const std::lock_guard lock(shared_->mutex);
    Check(MPI_Comm_rank(MPI_COMM_WORLD, &shared_->rank), "tell the rank");
    Check(MPI_Comm_size(MPI_COMM_WORLD, &shared_->size), "tell the number of ranks");
    shared_->initialised = true;
    shared_->from_mpi.notify_all();
  }

  // False at the end.
  bool Turn() {
    SendAll();
    outgoing_.remove_if([](Outgoing& sent) {
      int done = 0;
      MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE);
      return done != 0;
    });
    pause_ = ReceiveAll() ? kShortestPause : std::min(pause_ * 3 / 2, kLongestPause);
    std::unique_lock lock(shared_->mutex);
    if (shared_->closing && shared_->outbox.empty()) {
      if (outgoing_.empty() || std::chrono::steady_clock::now() > flush_end_) return false;
    } else {
      flush_end_ = std::chrono::steady_clock::now() + kFlushLimit;
    }
    const bool flushing = shared_->closing;
    shared_->to_mpi.wait_for(lock, pause_, [&] { return !shared_->outbox.empty() || (shared_->closing && !flushing); });
    return true;
  }

  void SendAll() {
    std::deque<std::pair<int, std::string>> outbox;
    {
      const std::lock_guard lock(shared_->mutex);
      outbox.swap(shared_->outbox);
    }
    for (auto& [to, bytes] : outbox) {
      Outgoing& outgoing = outgoing_.emplace_back(Outgoing{std::move(bytes), MPI_REQUEST_NULL});
      Check(MPI_Isend(outgoing.bytes.data(), static_cast<int>(outgoing.bytes.size()), MPI_BYTE, to, kTag,
                      MPI_COMM_WORLD, &outgoing.request),
            "send");
    }
    if (!outbox.empty()) pause_ = kShortestPause;
  }

  // Whether any message came.
  bool ReceiveAll() {
    std::deque<Message> messages;
    for (;;) {
      MPI_Status status;
      int arrived = 0;
      Check(MPI_Iprobe(MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &arrived, &status), "probe");
      if (!arrived) break;
      messages.push_back(Take(status));
    }
    if (messages.empty()) return false;
    const std::lock_guard lock(shared_->mutex);
    std::ranges::move(messages, std::back_inserter(shared_->inbox));
    shared_->from_mpi.notify_all();
    return true;
  }

  static Message Take(const MPI_Status& status) {
    int size = 0;
    Check(MPI_Get_count(&status, MPI_BYTE, &size), "tell the size of a message");
    Message message = {status.MPI_SOURCE, std::string(static_cast<size_t>(size), '\0')};
    Check(MPI_Recv(message.bytes.data(), size, MPI_BYTE, status.MPI_SOURCE, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
          "receive");
    return message;
  }

  const std::shared_ptr<Shared> shared_;
  std::list<Outgoing> outgoing_;
  microseconds pause_ = kShortestPause;
  std::chrono::steady_clock::time_point flush_end_ = std::chrono::steady_clock::now();
};

class MpiCommunicator : public Communicator {
 public:
  explicit MpiCommunicator(std::chrono::duration<double> start_limit)
      : thread_([shared = shared_] { MpiThread(shared).Run(); }) {
    std::unique_lock lock(shared_->mutex);
    shared_->from_mpi.wait_for(lock, start_limit, [&] { return shared_->initialised || shared_->ended; });
    if (shared_->initialised) return;
    lock.unlock();
    if (shared_->ended) {
      thread_.join();
      throw Error(*shared_->error);
    }
    thread_.detach();
    Fail(ErrorCode::kCancelled,
         "MPI did not come up within {:.0f} s: another rank died at its start, or cannot be reached; run again",
         start_limit.count());
  }
  ~MpiCommunicator() override {
    std::unique_lock lock(shared_->mutex);
    shared_->closing = true;
    shared_->to_mpi.notify_all();
    const bool ended = shared_->from_mpi.wait_for(lock, kFlushLimit + kFinalizeLimit, [&] { return shared_->ended; });
    lock.unlock();
    ended ? thread_.join() : thread_.detach();
  }

  int rank() const override { return shared_->rank; }
  int size() const override { return shared_->size; }

  void Send(int to, std::string bytes) override {
    const std::lock_guard lock(shared_->mutex);
    ThrowIfBroken();
    shared_->outbox.emplace_back(to, std::move(bytes));
    shared_->to_mpi.notify_one();
  }

  std::optional<Message> Receive(std::chrono::milliseconds timeout) override {
    std::unique_lock lock(shared_->mutex);
    shared_->from_mpi.wait_for(lock, timeout,
                               [&] { return shared_->woken || shared_->ended || !shared_->inbox.empty(); });
    if (timeout.count() > 0) shared_->woken = false;
    if (shared_->inbox.empty()) {
      ThrowIfBroken();
      return std::nullopt;
    }
    std::optional<Message> message(std::move(shared_->inbox.front()));
    shared_->inbox.pop_front();
    return message;
  }

  void Wake() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->woken = true;
    shared_->from_mpi.notify_all();
  }

 private:
  void ThrowIfBroken() const {
    if (shared_->error) throw Error(*shared_->error);
  }

  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::thread thread_;
};

class MpiLockstepRanks : public LockstepRanks {
 public:
  explicit MpiLockstepRanks(std::chrono::duration<double> limit) : limit_(limit) {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    Check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "tell the rank");
    Check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "tell the number of ranks");
  }
  ~MpiLockstepRanks() override { MPI_Finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void Sum(std::span<float> numbers) override {
    MPI_Request request;
    Check(MPI_Iallreduce(MPI_IN_PLACE, numbers.data(), static_cast<int>(numbers.size()), MPI_FLOAT, MPI_SUM,
                         MPI_COMM_WORLD, &request),
          "add up");
    const auto start = std::chrono::steady_clock::now();
    microseconds pause = kShortestPause;
    for (int done = 0;;) {
      Check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "add up");
      if (done != 0) return;
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
      if (waited > limit_) {
        Fail(ErrorCode::kUnavailable, "rank {} of {} waited {:.0f} s for the others, which is too long; run again",
             rank_, size_, waited.count());
      }
      // Ranks that share cores give each other way; soon nothing is burnt.
      waited < milliseconds(1) ? std::this_thread::yield() : std::this_thread::sleep_for(pause);
      pause = std::min(pause * 3 / 2, kLongestPause);
    }
  }

  void Abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  const std::chrono::duration<double> limit_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

bool LaunchedByMpi() {
  // mpirun (Open MPI), mpiexec (MPICH and others over PMI), srun --mpi=pmix.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(name)) return true;
  }
  return false;
}

std::unique_ptr<Communicator> MakeMpiCommunicator(std::chrono::duration<double> start_limit) {
  return std::make_unique<MpiCommunicator>(start_limit);
}

std::unique_ptr<LockstepRanks> MakeMpiLockstepRanks(std::chrono::duration<double> limit) {
  return std::make_unique<MpiLockstepRanks>(limit);
}

std::string MpiVersion() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int size = 0;
  MPI_Get_library_version(text, &size);
  const std::string version(text, static_cast<size_t>(size));
  return version.substr(0, version.find(','));
}

}  // namespace decant
