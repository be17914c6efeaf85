#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <rocksdb/slice.h>

namespace decant {

// The records of chunks that were read last, as many as fit, by their numbers. Thread-safe.
class RecordCache {
 public:
  using Record = std::shared_ptr<const rocksdb::PinnableSlice>;

  explicit RecordCache(size_t capacity) : capacity_(capacity) {}

  // Null when the record is not there.
  Record Find(uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(number);
    if (found == index_.end()) return nullptr;
    records_.splice(records_.begin(), records_, found->second);
    return found->second->record;
  }

  void Insert(uint64_t number, Record record) {
    const std::lock_guard lock(mutex_);
    if (record->size() > capacity_ || index_.contains(number)) return;
    num_bytes_ += record->size();
    records_.push_front({number, std::move(record)});
    index_[number] = records_.begin();
    while (num_bytes_ > capacity_) {
      num_bytes_ -= records_.back().record->size();
      index_.erase(records_.back().number);
      records_.pop_back();
    }
  }

  void Clear() {
    const std::lock_guard lock(mutex_);
    index_.clear();
    records_.clear();
    num_bytes_ = 0;
  }

 private:
  struct Entry {
    uint64_t number;
    Record record;
  };
  const size_t capacity_;
  std::mutex mutex_;
  size_t num_bytes_ = 0;
  std::list<Entry> records_;  // the last one that was asked for first
  std::unordered_map<uint64_t, std::list<Entry>::iterator> index_;
};

}  // namespace decant
