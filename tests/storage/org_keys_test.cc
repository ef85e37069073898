#include "storage/org_keys.h"

#include <gtest/gtest.h>

#include <set>

#include "storage/rocks_layout.h"

namespace wab::storage {
namespace {

SecretKey32 key(uint8_t byte) {
  ByteArray<32> raw;
  raw.fill(byte);
  return SecretKey32(raw);
}

OrgKeys keys_of(uint8_t index, std::vector<uint32_t> versions) {
  std::vector<OrgKeys::DataKey> data_keys;
  for (const uint32_t version : versions) {
    data_keys.push_back({version, key(static_cast<uint8_t>(100 + version))});
  }
  return OrgKeys(key(index), data_keys);
}

TEST(OrgKeys, WritesWithTheLastVersionAndReadsAll) {
  const OrgKeys keys = keys_of(1, {1, 2, 5});
  EXPECT_EQ(keys.write_version(), 5u);
  std::set<Bytes> seen;
  for (const uint32_t version : {1u, 2u, 5u}) {
    for (const Column column : {Column::rows, Column::events, Column::deliveries}) {
      seen.insert(to_bytes(keys.column_key(column, version)));
    }
  }
  EXPECT_EQ(seen.size(), 9u);
  EXPECT_TRUE(keys.column_key(Column::rows, 3).empty());
  EXPECT_TRUE(keys.column_key(Column::keys, 1).empty());
}

TEST(OrgKeys, BlindNamesDependOnEverythingButTheDataKey) {
  const OrgKeys keys = keys_of(1, {1}), rotated = keys_of(1, {1, 2}), other = keys_of(2, {1});
  const ByteArray<16> session{1}, neighbour{2};
  const auto blind = keys.blind(Column::rows, session, 34, "name");
  EXPECT_EQ(blind, rotated.blind(Column::rows, session, 34, "name"));
  EXPECT_NE(blind, other.blind(Column::rows, session, 34, "name"));
  EXPECT_NE(blind, keys.blind(Column::marks, session, 34, "name"));
  EXPECT_NE(blind, keys.blind(Column::rows, neighbour, 34, "name"));
  EXPECT_NE(blind, keys.blind(Column::rows, session, 35, "name"));
  EXPECT_NE(blind, keys.blind(Column::rows, session, 34, "nam"));
}

TEST(OrgKeys, CacheForgetsTheLeastRecentlyUsed) {
  OrgKeyCache cache(2);
  const OrgId a(ByteArray<16>{1}), b(ByteArray<16>{2}), c(ByteArray<16>{3});
  for (const OrgId& each : {a, b}) cache.put(each, std::make_shared<OrgKeys>(keys_of(1, {1})), 0);
  EXPECT_NE(cache.find(a), nullptr);
  cache.put(c, std::make_shared<OrgKeys>(keys_of(1, {1})), 0);
  EXPECT_EQ(cache.find(b), nullptr);
  EXPECT_NE(cache.find(a), nullptr);
  cache.forget(a);
  EXPECT_EQ(cache.find(a), nullptr);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(RocksLayout, UpperBoundStandsAboveThePrefixAndNothingElse) {
  EXPECT_EQ(upper_bound(Bytes{1, 2}), (Bytes{1, 3}));
  EXPECT_EQ(upper_bound(Bytes{1, 0xff, 0xff}), Bytes{2});
  EXPECT_GT(upper_bound(Bytes{0xff}), Bytes(50, 0xff));
}

TEST(RocksLayout, PlaintextsRefuseWhatNoEncoderMade) {
  EXPECT_FALSE(decode_row(Kind::head, Bytes{0, 0, 0}));
  EXPECT_FALSE(decode_row(Kind::head, Bytes{0, 0, 0, 2, 'x'}));
  EXPECT_FALSE(decode_row(Kind::head, Bytes{0xff, 0xff, 0xff, 0xff, 'x'}));
  EXPECT_TRUE(decode_row(Kind::head, Bytes{0, 0, 0, 1, 'x'}));
  EventRow event;
  event.id = "evt_1";
  event.type = "message";
  event.body = to_bytes("{}");
  const Bytes plaintext = encode_event(event);
  for (size_t size = 0; size < plaintext.size() - 2; ++size) {
    EXPECT_FALSE(decode_event(ByteView(plaintext).first(size))) << size;
  }
  const auto back = decode_event(plaintext);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->type, "message");
  EXPECT_EQ(back->trace, "");
  event.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto traced = decode_event(encode_event(event));
  ASSERT_TRUE(traced);
  EXPECT_EQ(traced->type, "message");
  EXPECT_EQ(traced->trace, event.trace);
  EXPECT_EQ(traced->body, event.body);
  DeliveryRow row;
  EXPECT_FALSE(decode_delivery(Bytes(7), row));
}

}  // namespace
}  // namespace wab::storage
