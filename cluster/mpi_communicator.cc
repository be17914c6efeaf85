#include <algorithm>
#include <cstdlib>
#include <list>
#include <thread>

#define OMPI_SKIP_MPICXX 1  // the C interface alone
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include "decant/base/error.h"
#include "decant/cluster/communicator.h"

namespace decant {
namespace {

constexpr int kTag = 0;

void Check(int result, const char* action) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int size = 0;
  MPI_Error_string(result, text, &size);
  Fail(ErrorCode::kUnavailable, "MPI cannot {}: {}", action, std::string(text, static_cast<size_t>(size)));
}

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (provided < MPI_THREAD_FUNNELED) Fail(ErrorCode::kUnavailable, "this MPI library does not allow threads");
    Check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "tell the rank");
    Check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "tell the number of ranks");
  }
  ~MpiCommunicator() override {
    for (Outgoing& outgoing : outgoing_) MPI_Wait(&outgoing.request, MPI_STATUS_IGNORE);
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void Send(int to, std::string bytes) override {
    outgoing_.remove_if([](Outgoing& sent) {
      int done = 0;
      MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE);
      return done != 0;
    });
    Outgoing& outgoing = outgoing_.emplace_back(Outgoing{std::move(bytes), MPI_REQUEST_NULL});
    Check(MPI_Isend(outgoing.bytes.data(), static_cast<int>(outgoing.bytes.size()), MPI_BYTE, to, kTag, MPI_COMM_WORLD,
                    &outgoing.request),
          "send");
  }

  // Polls and sleeps: a blocking MPI receive would keep a core busy.
  std::optional<Message> Receive(std::chrono::milliseconds timeout) override {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    auto pause = std::chrono::microseconds(20);
    for (;;) {
      MPI_Status status;
      int arrived = 0;
      Check(MPI_Iprobe(MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &arrived, &status), "probe");
      if (arrived) return Take(status);
      if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(2000));
    }
  }

 private:
  // A message on its way; MPI reads the bytes until the request is done.
  struct Outgoing {
    std::string bytes;
    MPI_Request request;
  };

  static Message Take(const MPI_Status& status) {
    int size = 0;
    Check(MPI_Get_count(&status, MPI_BYTE, &size), "tell the size of a message");
    Message message = {status.MPI_SOURCE, std::string(static_cast<size_t>(size), '\0')};
    Check(MPI_Recv(message.bytes.data(), size, MPI_BYTE, status.MPI_SOURCE, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
          "receive");
    return message;
  }

  int rank_ = 0;
  int size_ = 1;
  std::list<Outgoing> outgoing_;
};

}  // namespace

bool LaunchedByMpi() {
  // mpirun (Open MPI), mpiexec (MPICH and others over PMI), srun --mpi=pmix.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(name)) return true;
  }
  return false;
}

std::unique_ptr<Communicator> MakeMpiCommunicator() {
  return std::make_unique<MpiCommunicator>();
}

std::string MpiVersion() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int size = 0;
  MPI_Get_library_version(text, &size);
  const std::string version(text, static_cast<size_t>(size));
  return version.substr(0, version.find(','));
}

}  // namespace decant
