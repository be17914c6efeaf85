// The battery of mpi/job_battery.h on threads of one process.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "mpi/job_battery.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

using Clock = std::chrono::steady_clock;

// A rank that can stand still, or lose all its messages for good.
class MortalCommunicator : public Communicator {
 public:
  explicit MortalCommunicator(Communicator& inner) : inner_(inner) {}

  void Freeze(double seconds) {
    const std::lock_guard lock(mutex_);
    thaws_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  void Die() { dead_ = true; }

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  void Send(int to, std::string bytes) override {
    StandStill();
    if (!dead_) inner_.Send(to, std::move(bytes));
  }
  std::optional<Message> Receive(std::chrono::milliseconds timeout) override {
    StandStill();
    auto message = inner_.Receive(timeout);
    if (dead_) message.reset();
    return message;
  }
  void Wake() override { inner_.Wake(); }

 private:
  void StandStill() {
    Clock::time_point end;
    {
      const std::lock_guard lock(mutex_);
      end = thaws_;
    }
    std::this_thread::sleep_until(end);
  }

  Communicator& inner_;
  std::mutex mutex_;
  Clock::time_point thaws_ = Clock::now();
  std::atomic<bool> dead_ = false;
};

class ConformanceTest : public testing::TestWithParam<JobCase> {};
INSTANTIATE_TEST_SUITE_P(Threads, ConformanceTest, testing::ValuesIn(JobCases()),
                         [](const auto& param) { return param.param.name; });

TEST_P(ConformanceTest, Holds) {
  const TemporaryDirectory folder;
  const auto inner = MakeThreadCommunicators(3);
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.emplace_back([&, rank] {
      MortalCommunicator communicator(*inner[static_cast<size_t>(rank)]);
      JobPlace place = {.communicator = communicator,
                        .folder = folder.path(),
                        .freeze = [&](double seconds) { communicator.Freeze(seconds); },
                        .die = [&] { communicator.Die(); }};
      try {
        GetParam().body(place);
      } catch (const std::exception& exception) {
        ADD_FAILURE() << "rank " << rank << ": " << exception.what();
      }
    });
  }
}

}  // namespace
}  // namespace decant
