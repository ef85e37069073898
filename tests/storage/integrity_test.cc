// What the store does when somebody or something changed its files.
#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <set>

#include "storage/rocks_database.h"
#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {
namespace {

class Integrity : public StoreTest {
 protected:
  using Rows = std::map<std::string, std::string>;  // raw key -> raw value

  // The closed database as a thief with write access sees it.
  template <class Work>
  void raw(const std::string& column, Work work) {
    store.reset();
    const std::string path = data() + "/db";
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, path, families, &handles, &db).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == column) work(*db, handle);
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  Rows rows(const std::string& column) {
    Rows out;
    raw(column, [&out](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator({}, family));
      for (at->SeekToFirst(); at->Valid(); at->Next()) {
        out[at->key().ToString()] = at->value().ToString();
      }
    });
    return out;
  }
  void overwrite(const std::string& column, const std::string& key, const std::string& value) {
    raw(column, [&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      ASSERT_TRUE(db.Put({}, family, key, value).ok());
    });
  }
  // Of the named session, in one column.
  std::string key_of(const Rows& all, const SessionId& of) {
    for (const auto& [key, value] : all) {
      if (key.find(std::string(text(of.bytes()))) != std::string::npos) return key;
    }
    ADD_FAILURE() << "no row of this session";
    return "";
  }
  void fill() {
    open();
    for (const SessionId& each : {session, other_session}) {
      Commit commit(Scope(issuer.organization(org), each));
      commit.put = {row(Kind::identity, "", "identity of " + each.text())};
      commit.marks = {Mark{"m", 10}};
      commit.events = {event(each, 1, "e")};
      commit.deliveries = {DeliveryRow{endpoint, each, 1, {}, to_bytes("due")}};
      ASSERT_TRUE(caller(store->commit(std::move(commit))));
    }
  }
  void expect_only_this_session_is_refused() {
    EXPECT_EQ(log.count("store.quarantined"), 1u);
    EXPECT_EQ(quarantined, std::vector<SessionId>{session});
    EXPECT_EQ(store->stats().quarantined, 1u);
    const auto again = caller(store->load(scope, {Key{Kind::identity, ""}}));
    ASSERT_FALSE(again);
    EXPECT_TRUE(again.error().is(StoreError::quarantined));
    const auto commit = put(scope, Kind::head, "", "1");
    ASSERT_FALSE(commit);
    EXPECT_TRUE(commit.error().is(StoreError::quarantined));
    EXPECT_EQ(log.count("store.quarantined"), 1u) << "one line, not one per call";
    const Scope neighbour(issuer.organization(org), other_session);
    EXPECT_EQ(value(neighbour, Kind::identity, ""), "identity of " + other_session.text());
    EXPECT_TRUE(put(neighbour, Kind::head, "", "1"));
  }
  void expect_unsealed() {
    const auto read = caller(store->load(scope, {Key{Kind::identity, ""}}));
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error().is(StoreError::unsealed)) << read.error().describe();
  }

  EndpointId endpoint = EndpointId::random(system_random());
};

TEST_F(Integrity, AFlippedRecordQuarantinesItsSessionAlone) {
  fill();
  const Rows all = rows("rows");
  const std::string key = key_of(all, session);
  std::string value = all.at(key);
  value[value.size() - 1] ^= 1;
  overwrite("rows", key, value);
  open();
  expect_unsealed();
  expect_only_this_session_is_refused();
}

TEST_F(Integrity, ARecordOfAnotherSessionDoesNotOpenHere) {
  fill();
  const Rows all = rows("rows");
  overwrite("rows", key_of(all, session), all.at(key_of(all, other_session)));
  open();
  expect_unsealed();
  expect_only_this_session_is_refused();
}

TEST_F(Integrity, EmptyShortAndForeignValuesAreRefused) {
  fill();
  const std::string key = key_of(rows("rows"), session);
  for (const std::string& bad : {std::string(), std::string("x"), std::string(88, '\1'),
                                 std::string(152, '\1'), std::string(100000, '\1')}) {
    overwrite("rows", key, bad);
    open();
    expect_unsealed();
  }
}

TEST_F(Integrity, AScanMeetsTheBadRecordToo) {
  fill();
  const Rows all = rows("rows");
  std::string value = all.at(key_of(all, session));
  value[50] ^= 1;
  overwrite("rows", key_of(all, session), value);
  open();
  const auto page = caller(store->scan(scope, Kind::identity, "", 10));
  ASSERT_FALSE(page);
  EXPECT_TRUE(page.error().is(StoreError::unsealed));
  expect_only_this_session_is_refused();
}

TEST_F(Integrity, AForgedMarkIsNoMark) {
  fill();
  const Rows all = rows("marks");
  std::string value = all.at(key_of(all, session));
  value[0] = 0x7f;  // would never expire
  overwrite("marks", key_of(all, session), value);
  open();
  const auto marked = caller(store->marked(scope, {"m"}, 0));
  ASSERT_FALSE(marked);
  EXPECT_TRUE(marked.error().is(StoreError::unsealed));
  expect_only_this_session_is_refused();
}

TEST_F(Integrity, FollowersOfTheEventLogPassADamagedEvent) {
  fill();
  const Rows all = rows("events");
  std::string value = all.at(key_of(all, session));
  value.back() ^= 1;
  overwrite("events", key_of(all, session), value);
  open();
  const auto events = caller(store->events_after(scope.org_scope(), 0, 10));
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].session, other_session);
  EXPECT_FALSE(caller(store->event(scope, 1)));
  expect_only_this_session_is_refused();
}

TEST_F(Integrity, AnEventCannotBeGivenAnotherPosition) {
  fill();
  const Rows all = rows("events");
  std::string value = all.at(key_of(all, session));
  value[7] = 9;
  overwrite("events", key_of(all, session), value);
  open();
  EXPECT_FALSE(caller(store->event(scope, 1)));
  expect_only_this_session_is_refused();
}

TEST_F(Integrity, DeliveriesOfOthersGoOnPastADamagedOne) {
  fill();
  const Rows all = rows("deliveries");
  std::string value = all.at(key_of(all, session));
  value.back() ^= 1;
  overwrite("deliveries", key_of(all, session), value);
  open();
  const auto owed = caller(store->deliveries(scope.org_scope(), endpoint, std::nullopt, 10));
  ASSERT_TRUE(owed);
  ASSERT_EQ(owed->size(), 1u);
  EXPECT_EQ((*owed)[0].session, other_session);
  expect_only_this_session_is_refused();
}

TEST_F(Integrity, ErasingASessionEndsItsQuarantine) {
  fill();
  const Rows all = rows("rows");
  overwrite("rows", key_of(all, session), "x");
  open();
  expect_unsealed();
  ASSERT_TRUE(caller(store->erase_all(scope)));
  EXPECT_EQ(value(scope, Kind::identity, ""), std::nullopt);
  EXPECT_TRUE(put(scope, Kind::identity, "", "fresh"));
}

TEST_F(Integrity, ABadRowOfAnOrganizationFailsWithoutQuarantine) {
  open();
  ASSERT_TRUE(put(scope.org_scope(), Kind::endpoint, "w", "url"));
  const Rows all = rows("rows");
  overwrite("rows", all.begin()->first, "x");
  open();
  const auto read = caller(store->load(scope.org_scope(), {Key{Kind::endpoint, "w"}}));
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().is(StoreError::unsealed));
  EXPECT_TRUE(quarantined.empty());
  EXPECT_TRUE(put(scope, Kind::head, "", "1")) << "sessions go on";
}

class Opening : public Integrity {
 protected:
  std::string newest_log() {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(data() + "/db")) {
      const std::string path = entry.path().string();
      if (path.ends_with(".log") && entry.file_size() > 0) newest = std::max(newest, path);
    }
    EXPECT_FALSE(newest.empty());
    return newest;
  }
  void flip(const std::string& path, double where) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(
        static_cast<double>(std::filesystem::file_size(path) - 1) * where);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(at);
    file.put(byte);
  }
  void write_many() {
    open();
    for (int i = 1; i <= 30; ++i) {
      ASSERT_TRUE(put(scope, Kind::head, "", std::to_string(i)));
    }
    store.reset();
  }
};

TEST_F(Opening, TwiceIsRefusedAndTheFirstGoesOn) {
  open();
  EXPECT_TRUE(open_fails(options()).is(StoreError::busy));
  EXPECT_NE(message.find("another process"), std::string::npos) << message;
  EXPECT_TRUE(put(scope, Kind::head, "", "1"));
  reopen();
}

TEST_F(Opening, WrongRootKeyIsRefusedAndTheRightOneStillOpens) {
  fill();
  store.reset();
  RocksOptions wrong = options();
  ASSERT_TRUE(create_root_key_file(home / "wrong.key", system_random(), message));
  wrong.root_key = "file:" + (home / "wrong.key");
  EXPECT_TRUE(open_fails(wrong).is(StoreError::root_key));
  EXPECT_NE(message.find("storage.root_key"), std::string::npos) << message;
  open();
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity of " + session.text());
}

TEST_F(Opening, ANewerStoreIsRefusedAndLeftAlone) {
  fill();
  const auto newer = be32(kStoreSchema + 1), ours = be32(kStoreSchema);
  overwrite("default", "schema", to_string(newer));
  EXPECT_TRUE(open_fails(options()).is(StoreError::version));
  EXPECT_NE(message.find("newer program"), std::string::npos) << message;
  overwrite("default", "schema", to_string(ours));
  open();
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity of " + session.text());
}

TEST_F(Opening, AnUnknownColumnFamilyIsANewerStore) {
  fill();
  raw("default", [](rocksdb::DB& db, rocksdb::ColumnFamilyHandle*) {
    rocksdb::ColumnFamilyHandle* family = nullptr;
    ASSERT_TRUE(db.CreateColumnFamily({}, "tomorrow", &family).ok());
    db.DestroyColumnFamilyHandle(family);
  });
  EXPECT_TRUE(open_fails(options()).is(StoreError::version));
  EXPECT_NE(message.find("tomorrow"), std::string::npos) << message;
}

TEST_F(Opening, AnOlderLayoutIsReadAndMarked) {
  fill();
  overwrite("default", "schema", std::string("\0\0\0\0", 4));
  open();
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity of " + session.text());
}

TEST_F(Opening, AKeyringOlderThanTheDatabaseIsRefused) {
  fill();
  overwrite("default", "keyring-generation", std::string("\0\0\0\0\0\0\0\x02", 8));
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  EXPECT_NE(message.find("older"), std::string::npos) << message;
}

TEST_F(Opening, KeyringOfAnotherStoreIsRefused) {
  fill();
  store.reset();
  std::filesystem::remove(data() + "/keyring");
  RocksOptions elsewhere = options();
  elsewhere.path = home / "elsewhere";
  open(elsewhere);
  store.reset();
  std::filesystem::copy_file(home / "elsewhere/keyring", data() + "/keyring");
  EXPECT_TRUE(open_fails(options()).is(StoreError::corrupt));
  EXPECT_NE(message.find("different stores"), std::string::npos) << message;
}

TEST_F(Opening, AMissingKeyringIsNotReplaced) {
  fill();
  store.reset();
  std::filesystem::rename(data() + "/keyring", home / "away");
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  std::filesystem::rename(home / "away", data() + "/keyring");
  open();
}

TEST_F(Opening, ALostDatabaseDoesNotBeginAnew) {
  fill();
  store.reset();
  std::filesystem::rename(data() + "/db/CURRENT", home / "away");
  EXPECT_TRUE(open_fails(options()).is(StoreError::corrupt));
  std::filesystem::rename(home / "away", data() + "/db/CURRENT");
  std::filesystem::rename(data() + "/db", home / "away");
  EXPECT_TRUE(open_fails(options()).is(StoreError::corrupt));
  std::filesystem::remove_all(data() + "/db");
  std::filesystem::rename(home / "away", data() + "/db");
  open();
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity of " + session.text());
}

TEST_F(Opening, ALogCutShortAtItsEndIsTolerated) {
  write_many();
  const std::string path = newest_log();
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 20);
  open();
  EXPECT_EQ(value(scope, Kind::head, ""), "29");
}

TEST_F(Opening, ALogDamagedInTheMiddleIsRefused) {
  write_many();
  const std::string path = newest_log();
  flip(path, 0.5);
  EXPECT_TRUE(open_fails(options()).is(StoreError::corrupt));
  EXPECT_NE(message.find("damaged"), std::string::npos) << message;
  flip(path, 0.5);
  open();
  EXPECT_EQ(value(scope, Kind::head, ""), "30");
}

TEST_F(Opening, ALostTableOrLogIsRefused) {
  RocksOptions small = options();
  small.write_buffer_bytes = 256 << 10;
  open(small);
  Commit first(scope);
  first.events = {event(session, 1, "stays in the first log")};
  ASSERT_TRUE(caller(store->commit(std::move(first))));
  // Rows are flushed into tables, events are not: the first log stays needed.
  for (int i = 0; i < 16; ++i) {
    ASSERT_TRUE(put(scope, Kind::sent_message, std::to_string(i), std::string(8000, 'x')));
  }
  store.reset();
  std::set<std::string> logs, tables;
  for (const auto& entry : std::filesystem::directory_iterator(data() + "/db")) {
    if (entry.path().extension() == ".log") logs.insert(entry.path().string());
    if (entry.path().extension() == ".sst") tables.insert(entry.path().string());
  }
  ASSERT_GE(logs.size(), 2u);
  ASSERT_GE(tables.size(), 1u);
  for (const std::string& lost : {*logs.begin(), *tables.begin()}) {
    std::filesystem::rename(lost, home / "away");
    EXPECT_TRUE(open_fails(small).is(StoreError::corrupt)) << lost;
    std::filesystem::rename(home / "away", lost);
  }
  open(small);
  EXPECT_TRUE(*caller(store->event(scope, 1)));
}

TEST_F(Opening, ADamagedLastRecordIsRefusedBecauseItMayHaveBeenAcknowledged) {
  write_many();
  const std::string path = newest_log();
  flip(path, 1.0);
  EXPECT_TRUE(open_fails(options()).is(StoreError::corrupt));
  flip(path, 1.0);
  open();
  EXPECT_EQ(value(scope, Kind::head, ""), "30");
}

}  // namespace
}  // namespace wab::storage::tests
