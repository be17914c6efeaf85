#include <cerrno>
#include <cmath>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

#include "decant/base/bounded_queue.h"
#include "decant/base/bytes.h"
#include "decant/base/hash.h"

#include "unit/errors.h"

namespace decant {
namespace {

TEST(ErrorTest, CodesHaveNames) {
  EXPECT_EQ(ErrorCodeName(ErrorCode::kInvalidArgument), "invalid argument");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kNotFound), "not found");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kMismatch), "mismatch");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kDataLoss), "data loss");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kExhausted), "exhausted");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kUnavailable), "unavailable");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kCancelled), "cancelled");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kInternal), "internal");
}

TEST(ErrorTest, FailFormatsItsText) {
  EXPECT_THAT([] { Fail(ErrorCode::kMismatch, "{} of {}", 3, "x"); }, FailsWith(ErrorCode::kMismatch, "3 of x"));
}

TEST(ErrorTest, FailErrnoTellsKindsOfFailure) {
  const auto fail = [](int number) { return [number] { FailErrno(number, "write", "/a/b"); }; };
  EXPECT_THAT(fail(ENOENT), FailsWith(ErrorCode::kNotFound, "cannot write /a/b: No such file or directory"));
  for (const int number : {ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM}) {
    EXPECT_THAT(fail(number), FailsWith(ErrorCode::kExhausted, "cannot write /a/b: "));
  }
  for (const int number : {EACCES, EIO, EROFS, ENOTDIR}) {
    EXPECT_THAT(fail(number), FailsWith(ErrorCode::kUnavailable, "cannot write /a/b: "));
  }
}

TEST(BytesTest, FieldsComeBack) {
  ByteWriter writer;
  writer.Put(uint8_t{200});
  writer.Put(int8_t{-3});
  writer.Put(uint16_t{65535});
  writer.Put(int32_t{-1234567});
  writer.Put(std::numeric_limits<uint64_t>::max() - 1);
  writer.Put(std::numeric_limits<int64_t>::min());
  writer.PutDouble(-0.0);
  writer.PutDouble(std::numeric_limits<double>::denorm_min());
  writer.PutString("");
  writer.PutString(std::string_view("a\0b", 3));
  writer.PutBytes("end");
  const std::string bytes = writer.Take();
  ByteReader reader(bytes, "test");
  EXPECT_EQ(reader.Get<uint8_t>(), 200);
  EXPECT_EQ(reader.Get<int8_t>(), -3);
  EXPECT_EQ(reader.Get<uint16_t>(), 65535);
  EXPECT_EQ(reader.Get<int32_t>(), -1234567);
  EXPECT_EQ(reader.Get<uint64_t>(), std::numeric_limits<uint64_t>::max() - 1);
  EXPECT_EQ(reader.Get<int64_t>(), std::numeric_limits<int64_t>::min());
  EXPECT_TRUE(std::signbit(reader.GetDouble()));
  EXPECT_EQ(reader.GetDouble(), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(reader.GetString(), "");
  EXPECT_EQ(reader.GetString(), std::string_view("a\0b", 3));
  EXPECT_EQ(reader.GetBytes(3), "end");
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(BytesTest, FieldsAreLittleEndian) {
  ByteWriter writer;
  writer.Put(uint32_t{0x01020304});
  writer.PutDouble(1);
  writer.PutString("ab");
  EXPECT_EQ(Hex(writer.bytes()),
            "04030201"
            "000000000000f03f"
            "02000000"
            "6162");
}

TEST(BytesTest, TruncationNamesThePlaceAndTheSizes) {
  const auto data_loss = ErrorCode::kDataLoss;
  EXPECT_THAT([] { ByteReader("abc", "chunk 3").Get<uint32_t>(); },
              FailsWith(data_loss, "chunk 3: truncated: 4 bytes wanted at offset 0, 3 there"));
  EXPECT_THAT([] { ByteReader("", "x").Get<uint8_t>(); }, FailsWith(data_loss, "x: truncated"));
  EXPECT_THAT([] { ByteReader("1234567", "x").GetDouble(); }, FailsWith(data_loss, "x: truncated"));
  EXPECT_THAT([] { ByteReader(std::string_view("\x02\0\0\0a", 5), "x").GetString(); },
              FailsWith(data_loss, "2 bytes wanted at offset 4, 1 there"));
  EXPECT_THAT([] { ByteReader("\xff\xff\xff\xff", "x").GetString(); },
              FailsWith(data_loss, "4294967295 bytes wanted at offset 4, 0 there"));
  EXPECT_THAT([] { ByteReader("ab", "x").GetBytes(std::numeric_limits<size_t>::max()); },
              FailsWith(data_loss, "x: truncated"));
}

TEST(BytesTest, BigEndianKeysSortAsNumbers) {
  std::string last;
  for (const uint32_t value : {0u, 1u, 255u, 256u, 65536u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    std::string key;
    AppendBigEndian(&key, value);
    EXPECT_EQ(key.size(), 4u);
    EXPECT_LT(last, key) << value;
    last = key;
  }
}

TEST(BoundedQueueTest, ItemsComeOutInOrder) {
  BoundedQueue<int> queue(3);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.Push(i));
  EXPECT_EQ(queue.Pop(), 0);
  EXPECT_EQ(queue.TryPop(), 1);
  EXPECT_EQ(queue.Pop(), 2);
}

TEST(BoundedQueueTest, ClosedQueueGivesWhatItHolds) {
  BoundedQueue<int> queue(3);
  queue.Push(1);
  queue.Close();
  EXPECT_FALSE(queue.Push(2));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
}

TEST(BoundedQueueTest, ThreadsLoseNothing) {
  constexpr int kNumItems = 5000;
  BoundedQueue<int> queue(2);
  std::vector<int> taken;
  std::jthread producer([&] {
    for (int i = 0; i < kNumItems; ++i) queue.Push(i);
    queue.Close();
  });
  while (const auto item = queue.Pop()) taken.push_back(*item);
  ASSERT_EQ(taken.size(), size_t{kNumItems});
  for (int i = 0; i < kNumItems; ++i) ASSERT_EQ(taken[static_cast<size_t>(i)], i);
}

TEST(BoundedQueueTest, ClosingWakesWhoWaits) {
  BoundedQueue<int> full(1), empty(1);
  full.Push(1);
  bool pushed = true;
  std::optional<int> popped = 1;
  {
    std::jthread pusher([&] { pushed = full.Push(2); });
    std::jthread popper([&] { popped = empty.Pop(); });
    full.Close();
    empty.Close();
  }
  EXPECT_FALSE(pushed);
  EXPECT_EQ(popped, std::nullopt);
}

}  // namespace
}  // namespace decant
