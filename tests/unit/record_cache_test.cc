#include "store/record_cache.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace decant {
namespace {

RecordCache::Record MakeRecord(size_t size, char content = 'x') {
  auto record = std::make_shared<rocksdb::PinnableSlice>();
  record->GetSelf()->assign(size, content);
  record->PinSelf();
  return record;
}

TEST(RecordCacheTest, KeepsWhatWasAskedForLast) {
  RecordCache cache(30);
  for (uint64_t number = 0; number < 3; ++number) cache.Insert(number, MakeRecord(10, static_cast<char>('a' + number)));
  EXPECT_EQ(cache.Find(0)->ToString(), "aaaaaaaaaa");
  cache.Insert(3, MakeRecord(10));
  EXPECT_EQ(cache.Find(1), nullptr);
  for (const uint64_t number : {0, 2, 3}) EXPECT_NE(cache.Find(number), nullptr) << number;
  cache.Insert(4, MakeRecord(25));  // room for one
  for (const uint64_t number : {0, 2, 3}) EXPECT_EQ(cache.Find(number), nullptr) << number;
  EXPECT_NE(cache.Find(4), nullptr);
}

TEST(RecordCacheTest, LeavesAloneWhatDoesNotFit) {
  RecordCache cache(30);
  cache.Insert(0, MakeRecord(30));
  cache.Insert(1, MakeRecord(31));
  EXPECT_NE(cache.Find(0), nullptr);
  EXPECT_EQ(cache.Find(1), nullptr);
  RecordCache none(0);
  none.Insert(0, MakeRecord(1));
  EXPECT_EQ(none.Find(0), nullptr);
}

TEST(RecordCacheTest, ARecordInUseOutlivesItsPlace) {
  RecordCache cache(10);
  cache.Insert(0, MakeRecord(10, 'a'));
  const RecordCache::Record record = cache.Find(0);
  cache.Insert(1, MakeRecord(10));
  cache.Clear();
  EXPECT_EQ(record->ToString(), "aaaaaaaaaa");
  EXPECT_EQ(cache.Find(1), nullptr);
  cache.Insert(1, MakeRecord(10));  // nothing is counted twice
  EXPECT_NE(cache.Find(1), nullptr);
}

TEST(RecordCacheTest, ServesManyThreads) {
  RecordCache cache(200);
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&cache] {
      for (uint64_t i = 0; i < 20000; ++i) {
        const uint64_t number = i * 7 % 31;
        if (const RecordCache::Record found = cache.Find(number)) {
          EXPECT_EQ(found->ToString(), std::string(10, static_cast<char>('A' + number)));
        } else {
          cache.Insert(number, MakeRecord(10, static_cast<char>('A' + number)));
        }
      }
    });
  }
}

}  // namespace
}  // namespace decant
