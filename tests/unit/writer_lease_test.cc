#include "writer_lease.h"

#include <chrono>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decant/base/file.h"
#include "decant/store/store_reader.h"
#include "decant/store/verify.h"

#include "unit/errors.h"
#include "unit/store_maker.h"
#include "unit/temporary_directory.h"

namespace decant {
namespace {

namespace fs = std::filesystem;

// What another process does, in steps: it begins one when it reads a byte, and writes one when it is done.
void RunOther(const std::string& role, const std::string& path, double lease_seconds) {
  const auto read = [] {
    char byte = 0;
    if (::read(STDIN_FILENO, &byte, 1) != 1) ::_exit(9);
  };
  const auto done = [] {
    if (::write(STDOUT_FILENO, "x", 1) != 1) ::_exit(9);
  };
  read();
  if (role == "lease") {
    const WriterLease lease(path, lease_seconds);
    done();
    read();
    return;
  }
  const Schema schema = SmallSchema();
  StoreWriter writer(path, schema, {}, {.lease_seconds = lease_seconds});
  writer.Commit({WriteSpan(schema, path, 0)});
  const SpanFile next = WriteSpan(schema, path, 1, "first");
  done();
  read();
  writer.Commit({next});
}

// A process that runs RunOther().
class OtherProcess {
 public:
  OtherProcess(const std::string& role, const std::string& path, double lease_seconds) {
    if (::pipe2(go_, O_CLOEXEC) != 0 || ::pipe2(done_, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const std::string seconds = std::to_string(lease_seconds);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::dup2(go_[0], STDIN_FILENO);
    ::dup2(done_[1], STDOUT_FILENO);
    ::execl("/proc/self/exe", "other", role.c_str(), path.c_str(), seconds.c_str(), nullptr);
    ::_exit(9);
  }
  ~OtherProcess() {
    if (!ended_) Signal(SIGKILL);
    for (const int fd : {go_[0], go_[1], done_[0], done_[1]}) ::close(fd);
  }

  // Lets it do its next step, and waits for the end of that.
  void Go() {
    char byte = 'x';
    EXPECT_EQ(::write(go_[1], &byte, 1), 1);
    EXPECT_EQ(::read(done_[0], &byte, 1), 1);
  }
  void Signal(int signal) {
    ::kill(pid_, signal);
    if (signal == SIGKILL) Wait();
  }
  // 0, or 10 + the code of the error that ended it.
  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  pid_t pid() const { return pid_; }

 private:
  int go_[2], done_[2];
  pid_t pid_ = 0;
  bool ended_ = false;
};

class WriterLeaseTest : public testing::Test {
 protected:
  // Commits span 0, and then span 1.
  OtherProcess StartWriter(double lease_seconds) { return {"writer", path_, lease_seconds}; }
  double SecondsToOpen() {
    const auto start = std::chrono::steady_clock::now();
    StoreWriter writer(path_, schema_);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("store");
  const Schema schema_ = SmallSchema();
};

TEST_F(WriterLeaseTest, NumbersAscend) {
  CreateDirectories(path_);
  uint64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const WriterLease lease(path_, 30);
    EXPECT_GT(lease.number(), last);
    EXPECT_EQ(lease.taken_from(), "");
    EXPECT_EQ(lease.generation(), 0u);
    lease.Require();
    last = lease.number();
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(path_ + "/lease"), fs::directory_iterator()), 2);
}

TEST_F(WriterLeaseTest, RefusesTimesThatCannotWork) {
  for (const double seconds : {0.0, -1.0, 1e9}) {
    EXPECT_THAT([&] { WriterLease lease(path_, seconds); }, FailsWith(ErrorCode::kInvalidArgument, "lease"));
  }
}

TEST_F(WriterLeaseTest, ALivingWriterIsNamed) {
  OtherProcess first = StartWriter(30);
  first.Go();
  EXPECT_THAT([&] { SecondsToOpen(); },
              FailsWith(ErrorCode::kUnavailable, fmt::format("is writing to this store: process {} on", first.pid())));
  first.Go();
  EXPECT_EQ(StoreReader(path_).num_committed_spans(), 2u);
}

TEST_F(WriterLeaseTest, ADeadWriterOfThisMachineIsReplacedAtOnce) {
  OtherProcess first = StartWriter(3600);
  first.Go();
  first.Signal(SIGKILL);
  EXPECT_LT(SecondsToOpen(), 60);
  EXPECT_TRUE(fs::exists(path_ + "/db")) << "nobody else can write there";
  StoreWriter writer(path_, schema_);
  EXPECT_EQ(writer.num_committed(), 1u);
  EXPECT_EQ(writer.StagedSpans(), std::vector<uint64_t>{1});
}

TEST_F(WriterLeaseTest, ASilentWriterIsReplacedAndHarmsNothingWhenItWakesUp) {
  OtherProcess first = StartWriter(0.5);
  first.Go();
  StoreReader reader(path_);
  first.Signal(SIGSTOP);
  std::string digest;
  {
    StoreWriter second(path_, schema_);
    EXPECT_THAT(second.taken_from(), testing::HasSubstr(fmt::format("process {} on", first.pid())));
    EXPECT_EQ(second.num_committed(), 1u);
    first.Signal(SIGCONT);
    first.Go();
    EXPECT_EQ(first.Wait(), 10 + static_cast<int>(ErrorCode::kUnavailable));
    EXPECT_FALSE(fs::exists(path_ + "/db"));
    EXPECT_EQ(second.Adopt(), std::vector<uint64_t>{1});
    for (const uint64_t span : second.MissingSpans()) second.Commit({WriteSpan(schema_, path_, span, "second")});
    EXPECT_EQ(reader.Refresh(), 6u) << "a reader follows to the new generation";
    digest = second.Seal();
  }
  const VerifyReport report = VerifyStore(path_, 1);
  EXPECT_TRUE(report.sound());
  EXPECT_EQ(report.digest, digest);
}

// The one who took over from a silent writer dies before it is somewhere safe.
TEST_F(WriterLeaseTest, TheSilentWriterIsNotForgottenWhenItsSuccessorDies) {
  OtherProcess first = StartWriter(0.5);
  first.Go();
  first.Signal(SIGSTOP);
  OtherProcess second("lease", path_, 30);
  second.Go();
  second.Signal(SIGKILL);
  StoreWriter third(path_, schema_);
  EXPECT_FALSE(fs::exists(path_ + "/db"));
}

}  // namespace
}  // namespace decant

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[0]) == "other") {
    int code = 0;
    try {
      decant::RunOther(argv[1], argv[2], std::stod(argv[3]));
    } catch (const decant::Error& error) {
      code = 10 + static_cast<int>(error.code());
    }
    return ::write(STDOUT_FILENO, "x", 1) == 1 ? code : 9;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
