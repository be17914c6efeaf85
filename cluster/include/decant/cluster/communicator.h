#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace decant {

struct Message {
  int from = 0;
  std::string bytes;
};

// Ranks that send each other messages: all of MPI that Decant uses. Messages between two ranks arrive in order. Each
// rank's communicator is used by one thread, but for Wake().
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Returns before the message is received. A message to a rank that has died is lost, which is no error.
  virtual void Send(int to, std::string bytes) = 0;
  // The next message from any rank; nullopt when none comes within `timeout`. Sleeps while it waits.
  virtual std::optional<Message> Receive(std::chrono::milliseconds timeout) = 0;
  // Ends the Receive() that waits, or else the next one that would, early. For any thread.
  virtual void Wake() = 0;
};

// `size` connected communicators, one for each rank, for threads of this process.
std::vector<std::unique_ptr<Communicator>> MakeThreadCommunicators(int size);

// Whether this process was started by mpirun, mpiexec or srun with MPI.
bool LaunchedByMpi();
// The communicator over MPI_COMM_WORLD (needs the library decant::mpi). Initialises MPI, once in a process, and calls
// it on a thread of its own. Where a rank dies before all are there, MPI waits for ever: kCancelled after
// `start_limit`. The destructor finalises MPI. Where a rank has died or is stopped that may never end: after 12 s it
// returns all the same. In both cases the process should end with _exit(). kUnavailable, also later, for MPI's errors.
std::unique_ptr<Communicator> MakeMpiCommunicator(std::chrono::duration<double> start_limit);

// The ranks of MPI_COMM_WORLD that compute in step: what data-parallel training needs of MPI. For one thread.
class LockstepRanks {
 public:
  virtual ~LockstepRanks() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Adds up the ranks' numbers, element by element, in place: every rank calls it with equally many and gets the same.
  // kUnavailable when the others do not join within the limit.
  virtual void Sum(std::span<float> numbers) = 0;
  // Ends the processes of all ranks: what a rank does that fails alone, since the others would wait for it.
  [[noreturn]] virtual void Abort(int exit_code) = 0;
};
// Initialises MPI, once in a process; the destructor finalises it, for which all ranks must come. `limit`: of one
// Sum().
std::unique_ptr<LockstepRanks> MakeMpiLockstepRanks(std::chrono::duration<double> limit);

// "Open MPI v4.1.4, ..."
std::string MpiVersion();

}  // namespace decant
