#include "session/wire/descriptors.h"

#include <gtest/gtest.h>

namespace wab::wire {
namespace {

TEST(Descriptors, TheLastOnesAreNotForSockets) {
  EXPECT_TRUE(may_keep_socket(423, 1024));
  EXPECT_FALSE(may_keep_socket(424, 1024));
  EXPECT_TRUE(may_keep_socket(64'000, 65'536));
  EXPECT_FALSE(may_keep_socket(65'000, 65'536));
  EXPECT_FALSE(may_keep_socket(-1, 65'536));
}

TEST(Descriptors, AProgramWithoutAStoreKeepsWhatItGets) {
  EXPECT_TRUE(may_keep_socket(200, 256));
  EXPECT_TRUE(may_keep_socket(1022, 1023));
}

}  // namespace
}  // namespace wab::wire
