#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

namespace decant {

// Items that threads fill ahead of the one who takes them, who gets them in the order of their plan. The items' memory
// is used again and again. Next() is for one thread.
template <typename Item>
class ReadAhead {
 public:
  // Sets what the next item is to hold; false when there is none. One thread at a time.
  using Plan = std::function<bool(Item*)>;
  // Fills an item; should end early, however it likes, when it is asked to stop.
  using Fill = std::function<void(Item*, const std::stop_token&)>;

  // `depth` items at least 1, `num_threads` of them at a time.
  ReadAhead(size_t depth, unsigned num_threads, Plan plan, Fill fill)
      : plan_(std::move(plan)), fill_(std::move(fill)), slots_(std::max<size_t>(depth, 1)) {
    for (unsigned i = 0; i < std::max(num_threads, 1u); ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { Work(stop); });
    }
  }
  ~ReadAhead() {
    for (std::jthread& thread : threads_) thread.request_stop();
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next item, valid until the next call; null after the last. Throws what filling it threw; so does every later
  // call.
  Item* Next() {
    std::unique_lock lock(mutex_);
    if (has_item_) {
      has_item_ = false;
      SlotOf(taken_).ready = false;
      ++taken_;
      has_room_.notify_all();
    }
    Slot& slot = SlotOf(taken_);
    is_ready_.wait(lock, [&] { return slot.ready || end_ == taken_; });
    if (end_ == taken_) return nullptr;
    if (slot.error) std::rethrow_exception(slot.error);
    has_item_ = true;
    return &slot.item;
  }

 private:
  struct Slot {
    Item item;
    std::exception_ptr error;
    bool ready = false;
  };
  Slot& SlotOf(uint64_t index) { return slots_[index % slots_.size()]; }

  void Work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (!has_room_.wait(lock, stop, [&] { return end_ || planned_ < taken_ + slots_.size(); }) || end_) return;
      Slot& slot = SlotOf(planned_);
      if (!plan_(&slot.item)) {
        end_ = planned_;
        break;
      }
      ++planned_;
      lock.unlock();
      try {
        fill_(&slot.item, stop);
      } catch (...) {
        slot.error = std::current_exception();
      }
      lock.lock();
      slot.ready = true;
      is_ready_.notify_one();
    }
    is_ready_.notify_one();
    has_room_.notify_all();
  }

  const Plan plan_;
  const Fill fill_;
  std::mutex mutex_;
  std::condition_variable_any has_room_;
  std::condition_variable is_ready_;
  std::vector<Slot> slots_;
  uint64_t planned_ = 0;  // items that a thread has begun
  uint64_t taken_ = 0;    // items that were given and given back
  bool has_item_ = false;
  std::optional<uint64_t> end_;        // number of all items, once it is known
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

}  // namespace decant
