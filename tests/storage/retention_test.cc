// What goes by its age: marks and dated rows while RocksDB compacts, the front of an event log in
// steps; what stays: everything younger, and what an endpoint is still owed.
#include <rocksdb/db.h>

#include "storage/ages.h"
#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {
namespace {

using namespace std::chrono_literals;

constexpr UnixMillis kStart = 1'795'000'000'000;
constexpr std::chrono::hours kDay{24};

TEST(AgeTable, DatesVersionsByWhenTheyWereGiven) {
  AgeTable table;
  EXPECT_EQ(table.below(0s), 0u);
  EXPECT_TRUE(table.note(kStart, 0ms, 100));
  for (int hour = 1; hour <= 48; ++hour) {
    table.note(kStart + hour * 3'600'000ll, 1h, 100 + static_cast<uint64_t>(hour));
  }
  EXPECT_EQ(table.now(), kStart + 48 * 3'600'000ll);
  EXPECT_EQ(table.below(49h), 0u);
  EXPECT_EQ(table.below(48h), 100u);
  EXPECT_EQ(table.below(24h), 124u);
  EXPECT_LE(table.below(1h), 147u) << "never more than was written by then";
  const auto back = AgeTable::from_bytes(table.to_bytes());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->below(24h), 124u);
  EXPECT_FALSE(AgeTable::from_bytes(Bytes(7)));
  EXPECT_FALSE(AgeTable::from_bytes(Bytes(9)));
}

TEST(AgeTable, AClockThatJumpsAgesNothingAtOnce) {
  AgeTable table;
  table.note(kStart, 0ms, 100);
  const UnixMillis wrong = kStart + 10ll * 365 * 86'400'000;
  table.note(wrong, 1h, 200);
  EXPECT_EQ(table.now(), kStart + 24 * 3'600'000ll) << "a day per hour at most";
  EXPECT_EQ(table.below(35 * kDay), 0u);
  table.note(wrong, 0ms, 300);  // the first look of a new process
  EXPECT_EQ(table.now(), kStart + 24 * 3'600'000ll);
  table.note(kStart + 2 * 3'600'000ll, 1h, 400);  // set right again
  EXPECT_EQ(table.now(), kStart + 24 * 3'600'000ll) << "never back";
}

TEST(AgeTable, AMachineThatWasOffCatchesUp) {
  AgeTable table;
  table.note(kStart, 0ms, 100);
  const UnixMillis later = kStart + 5 * 86'400'000ll;
  table.note(later, 0ms, 200);
  EXPECT_EQ(table.now(), kStart);
  for (int hour = 1; hour <= 6; ++hour) table.note(later + hour * 3'600'000ll, 1h, 200);
  EXPECT_EQ(table.now(), later + 6 * 3'600'000ll);
}

TEST(AgeTable, StaysSmall) {
  AgeTable table;
  for (uint64_t i = 0; i < 5000; ++i) {
    table.note(kStart + static_cast<int64_t>(i) * 6 * 3'600'000, 6h, 100 + i);
  }
  EXPECT_LE(table.to_bytes().size(), 40'000u);
  EXPECT_GT(table.below(400 * kDay), 100u);
}

class Expiring : public StoreTest {
 protected:
  UnixMillis now = kStart;
  void pass(std::chrono::hours time) {
    for (auto left = time; left > 0h; left -= 6h) {
      now += std::chrono::milliseconds(6h).count();
      EXPECT_TRUE(caller(store->note_age(now, 6h, 90 * kDay)));
    }
  }
  void begin() {
    open();
    EXPECT_TRUE(caller(store->note_age(now, 0ms, 90 * kDay)));
  }
  void commit_events(uint64_t from, uint64_t to, size_t bytes = 10) {
    for (uint64_t seq = from; seq <= to; ++seq) {
      Commit commit(scope);
      commit.events = {event(session, seq, std::string(bytes, 'e'))};
      ASSERT_TRUE(caller(store->commit(std::move(commit))));
    }
  }
  uint64_t trim(LogRetention keep, size_t step = 100) {
    uint64_t gone = 0;
    for (bool more = true; more;) {
      const auto done = caller(store->trim_events(scope.org_scope(), keep, step));
      EXPECT_TRUE(done);
      if (!done) break;
      EXPECT_LE(done->events, step);
      gone += done->events;
      more = done->more;
    }
    return gone;
  }
  LogBounds bounds() {
    auto found = caller(store->event_log(scope.org_scope()));
    EXPECT_TRUE(found);
    return found ? *found : LogBounds();
  }
  std::vector<uint64_t> positions() {
    std::vector<uint64_t> out;
    const auto events = caller(store->events_after(scope.org_scope(), 0, 1000));
    EXPECT_TRUE(events);
    if (events) {
      for (const auto& one : *events) out.push_back(one.position);
    }
    return out;
  }
  // As the disk has it.
  uint64_t rows_on_disk(const char* column) {
    store.reset();
    std::vector<std::string> names;
    const std::string path = data() + "/db";
    EXPECT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    rocksdb::DBOptions as_written;
    as_written.track_and_verify_wals_in_manifest = true;
    EXPECT_TRUE(rocksdb::DB::OpenForReadOnly(as_written, path, families, &handles, &db).ok());
    uint64_t count = 0;
    for (auto* handle : handles) {
      if (handle->GetName() == column) {
        const std::unique_ptr<rocksdb::Iterator> rows(db->NewIterator({}, handle));
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) ++count;
      }
      db->DestroyColumnFamilyHandle(handle);
    }
    delete db;
    open();
    return count;
  }
};

TEST_F(Expiring, MarksGoWithTheNextCompaction) {
  begin();
  Commit commit(scope);
  for (int i = 0; i < 100; ++i) {
    commit.marks.push_back(Mark{"old " + std::to_string(i), kStart / 1000 + 86'400});
    commit.marks.push_back(Mark{"young " + std::to_string(i), kStart / 1000 + 10 * 86'400});
  }
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  store->compact_for_tests();
  EXPECT_EQ(rows_on_disk("marks"), 200u);
  pass(2 * kDay);
  store->compact_for_tests();
  EXPECT_EQ(rows_on_disk("marks"), 100u);
  const auto found = caller(store->marked(scope, {"old 1", "young 1"}, now / 1000));
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (std::vector<bool>{false, true}));
}

TEST_F(Expiring, KeptMessagesGoAndKeysStay) {
  begin();
  ASSERT_TRUE(put(scope, Kind::sent_message, "a", "kept for retries"));
  ASSERT_TRUE(put(scope, Kind::retry_count, "a", "1"));
  ASSERT_TRUE(put(scope, Kind::message, "a", "state"));
  ASSERT_TRUE(put(scope, Kind::identity, "", "never"));
  ASSERT_TRUE(put(scope, Kind::signal_session, "a", "never"));
  pass(6 * kDay);
  ASSERT_TRUE(put(scope, Kind::sent_message, "b", "younger"));
  store->compact_for_tests();
  EXPECT_TRUE(value(scope, Kind::sent_message, "a")) << "it may still be asked for";
  pass(3 * kDay);
  store->compact_for_tests();
  EXPECT_FALSE(value(scope, Kind::sent_message, "a"));
  EXPECT_TRUE(value(scope, Kind::sent_message, "b"));
  EXPECT_TRUE(value(scope, Kind::retry_count, "a"));
  pass(30 * kDay);
  ASSERT_TRUE(put(scope, Kind::message, "b", "state"));
  pass(60 * kDay);
  store->compact_for_tests();
  EXPECT_FALSE(value(scope, Kind::retry_count, "a"));
  EXPECT_FALSE(value(scope, Kind::message, "a"));
  EXPECT_TRUE(value(scope, Kind::message, "b"));
  EXPECT_EQ(value(scope, Kind::identity, ""), "never");
  EXPECT_EQ(value(scope, Kind::signal_session, "a"), "never");
}

TEST_F(Expiring, ARowThatWasWrittenAgainBeginsAnew) {
  begin();
  ASSERT_TRUE(put(scope, Kind::sent_message, "a", "first"));
  pass(6 * kDay);
  ASSERT_TRUE(put(scope, Kind::sent_message, "a", "second"));
  pass(4 * kDay);
  store->compact_for_tests();
  EXPECT_EQ(value(scope, Kind::sent_message, "a"), "second");
}

TEST_F(Expiring, EventsGoByAgeAndLeaveAGap) {
  begin();
  commit_events(1, 10);
  pass(10 * kDay);
  commit_events(11, 15);
  pass(26 * kDay);
  LogRetention keep;
  keep.age = 35 * kDay;
  EXPECT_EQ(trim(keep, 3), 10u);
  EXPECT_EQ(positions(), (std::vector<uint64_t>{11, 12, 13, 14, 15}));
  EXPECT_EQ(bounds().gaps, (std::vector<LogGap>{{0, 10}}));
  EXPECT_EQ(bounds().last, 15u);
  EXPECT_EQ(trim(keep), 0u);
  EXPECT_FALSE(*caller(store->event(scope, 10)));
  EXPECT_TRUE(*caller(store->event(scope, 11)));
  reopen();
  commit_events(16, 16);
  EXPECT_EQ(bounds().last, 16u) << "numbers go on";
  pass(40 * kDay);
  EXPECT_EQ(trim(keep), 6u);
  EXPECT_EQ(bounds().gaps, (std::vector<LogGap>{{0, 16}}));
  EXPECT_EQ(bounds().bytes, 0u);
  reopen();
  commit_events(17, 17);
  EXPECT_EQ(positions(), std::vector<uint64_t>{17}) << "after a log that was emptied, too";
}

TEST_F(Expiring, EventsGoBySizePerOrganization) {
  begin();
  commit_events(1, 50, 900);
  Commit other(Scope(issuer.organization(other_org), session));
  other.events = {event(session, 1, std::string(900, 'e'))};
  ASSERT_TRUE(caller(store->commit(std::move(other))));
  const uint64_t all = bounds().bytes;
  EXPECT_GT(all, 50u * 900);
  LogRetention keep;
  keep.bytes = all / 2;
  EXPECT_EQ(trim(keep, 7), 25u);
  EXPECT_LE(bounds().bytes, keep.bytes);
  EXPECT_EQ(positions().front(), 26u);
  const auto others = caller(store->events_after(issuer.organization(other_org), 0, 10));
  ASSERT_TRUE(others);
  EXPECT_EQ(others->size(), 1u);
  reopen();
  EXPECT_EQ(bounds().bytes, all / 2);
  ASSERT_TRUE(caller(store->erase_all(scope)));
  EXPECT_EQ(bounds().bytes, 0u) << "what was erased with its session is not counted";
}

TEST_F(Expiring, WhatAnEndpointIsOwedStays) {
  begin();
  commit_events(1, 3);
  Commit owed(scope);
  const EndpointId endpoint = EndpointId::random(system_random());
  owed.events = {event(session, 4, "owed")};
  owed.deliveries = {DeliveryRow{endpoint, session, 4, {}, to_bytes("due")}};
  ASSERT_TRUE(caller(store->commit(std::move(owed))));
  commit_events(5, 9);
  pass(10 * kDay);
  LogRetention keep;
  keep.age = 3 * kDay;
  EXPECT_EQ(trim(keep), 3u);
  keep.bytes = 1;
  EXPECT_EQ(trim(keep), 0u) << "not for want of room either";
  EXPECT_EQ(positions().front(), 4u);
  Commit taken(scope);
  taken.delivered = {DeliveryKey{endpoint, session, 4}};
  ASSERT_TRUE(caller(store->commit(std::move(taken))));
  keep.bytes = 0;
  EXPECT_EQ(trim(keep), 6u);
}

TEST_F(Expiring, NotForEverWhenNobodyTakesIt) {
  begin();
  Commit owed(scope);
  owed.events = {event(session, 1, "owed")};
  owed.deliveries = {DeliveryRow{EndpointId::random(system_random()), session, 1, {}, {}}};
  ASSERT_TRUE(caller(store->commit(std::move(owed))));
  LogRetention keep;
  keep.age = 3 * kDay;
  pass(30 * kDay);
  EXPECT_EQ(trim(keep), 0u);
  pass(6 * kDay);
  EXPECT_EQ(trim(keep), 1u);
}

// Commits go on while a long log is trimmed: between two steps, and none waits for all of it.
TEST_F(Expiring, NobodyWaitsForTheRetention) {
  begin();
  for (uint64_t seq = 1; seq <= 4000; seq += 200) {
    Commit many(scope);
    for (uint64_t i = seq; i < seq + 200; ++i) many.events.push_back(event(session, i, "e"));
    ASSERT_TRUE(caller(store->commit(std::move(many))));
  }
  pass(40 * kDay);
  LogRetention keep;
  keep.age = 35 * kDay;
  bool trimming = true;
  size_t steps = 0;
  uint64_t gone = 0, written = 0;
  std::function<void()> step = [&] {
    caller.start(store->trim_events(scope.org_scope(), keep, 50), [&](Result<Trimmed> done) {
      ASSERT_TRUE(done);
      ++steps;
      gone += done->events;
      trimming = done->more;
      if (trimming) step();
    });
  };
  std::function<void()> write = [&] {
    Commit commit(scope);
    commit.put = {row(Kind::head, "", std::to_string(written))};
    caller.start(store->commit(std::move(commit)), [&](Result<Committed> done) {
      ASSERT_TRUE(done);
      ++written;
      if (trimming) write();
    });
  };
  step();
  write();
  EXPECT_TRUE(caller.run_until([&] { return !trimming; }, 60s));
  EXPECT_EQ(gone, 4000u);
  EXPECT_GE(steps, 80u);
  EXPECT_GE(written, steps / 2) << "a commit lands about as often as a step";
}

}  // namespace
}  // namespace wab::storage::tests
