#include <condition_variable>
#include <deque>
#include <mutex>

#include "decant/cluster/communicator.h"

namespace decant {
namespace {

// The messages that wait for one rank.
class Mailbox {
 public:
  void Put(Message message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
    arrived_.notify_one();
  }
  std::optional<Message> Take(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, timeout, [&] { return woken_ || !messages_.empty(); });
    if (timeout.count() > 0) woken_ = false;
    if (messages_.empty()) return std::nullopt;
    std::optional<Message> message(std::move(messages_.front()));
    messages_.pop_front();
    return message;
  }
  void Wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    arrived_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  bool woken_ = false;
  std::deque<Message> messages_;
};

class ThreadCommunicator : public Communicator {
 public:
  ThreadCommunicator(int rank, std::shared_ptr<std::vector<Mailbox>> mailboxes)
      : rank_(rank), mailboxes_(std::move(mailboxes)) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(mailboxes_->size()); }
  void Send(int to, std::string bytes) override {
    mailboxes_->at(static_cast<size_t>(to)).Put({rank_, std::move(bytes)});
  }
  std::optional<Message> Receive(std::chrono::milliseconds timeout) override {
    return (*mailboxes_)[static_cast<size_t>(rank_)].Take(timeout);
  }
  void Wake() override { (*mailboxes_)[static_cast<size_t>(rank_)].Wake(); }

 private:
  int rank_;
  std::shared_ptr<std::vector<Mailbox>> mailboxes_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> MakeThreadCommunicators(int size) {
  const auto mailboxes = std::make_shared<std::vector<Mailbox>>(static_cast<size_t>(size));
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (int rank = 0; rank < size; ++rank) {
    communicators.push_back(std::make_unique<ThreadCommunicator>(rank, mailboxes));
  }
  return communicators;
}

}  // namespace decant
