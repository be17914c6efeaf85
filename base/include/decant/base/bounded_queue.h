#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace decant {

// A first-in, first-out queue of at most `capacity` items between threads. Thread-safe.
template <typename Item>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // Waits for room. False when the queue is closed; the item is dropped then.
  bool Push(Item item) {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [&] { return items_.size() < capacity_ || closed_; });
    if (closed_) return false;
    items_.push_back(std::move(item));
    has_item_.notify_one();
    return true;
  }

  // Waits for an item. Empty when the queue is closed and all items were taken.
  std::optional<Item> Pop() {
    std::unique_lock lock(mutex_);
    has_item_.wait(lock, [&] { return !items_.empty() || closed_; });
    return Take();
  }

  // An item if one is there now.
  std::optional<Item> TryPop() {
    const std::lock_guard lock(mutex_);
    return Take();
  }

  // No more pushes; wakes everyone who waits.
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    has_item_.notify_all();
    has_room_.notify_all();
  }

 private:
  std::optional<Item> Take() {
    if (items_.empty()) return std::nullopt;
    std::optional<Item> item(std::move(items_.front()));
    items_.pop_front();
    has_room_.notify_one();
    return item;
  }

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable has_item_;
  std::condition_variable has_room_;
  std::deque<Item> items_;
  bool closed_ = false;
};

}  // namespace decant
