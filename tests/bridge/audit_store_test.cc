// The audit log on the real store, as somebody with write access to the disk may leave it.
#include <rocksdb/db.h>

#include "bridge/audit.h"
#include "storage/base/shards.h"
#include "tests/storage/store_fixture.h"

namespace wab::bridge::test {
namespace {

using storage::OrgScope;

awaitable<void> append_some(Audit& audit, OrgScope chain, int count, int& done) {
  for (int i = 0; i < count; ++i) {
    AuditEntry entry;
    entry.action = "test";
    entry.target = std::to_string(i);
    auto written = co_await audit.append(chain, std::move(entry));
    EXPECT_TRUE(written);
    ++done;
  }
}

class AuditStore : public storage::tests::StoreTest {
 protected:
  using Rows = std::map<std::string, std::string>;
  // The column of rows of the closed database.
  template <class Work>
  void raw(Work work) {
    store.reset();
    const std::string path = data() + "/db";
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, path, families, &handles, &db).ok());
    for (auto* handle : handles) {
      if (handle->GetName() == "rows") work(*db, handle);
    }
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  // Rows of the organization's log: its id, the nil session, the kind.
  Rows log_rows() {
    const std::string id(text(org.bytes()));
    Rows out;
    raw([&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator({}, family));
      for (at->SeekToFirst(); at->Valid(); at->Next()) {
        const std::string key = at->key().ToString();
        if (key.starts_with(id) && key[32] == static_cast<char>(storage::Kind::audit)) {
          out[key] = at->value().ToString();
        }
      }
    });
    return out;
  }
  void put(const Rows& rows) {
    raw([&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      for (const auto& [key, value] : rows) ASSERT_TRUE(db.Put({}, family, key, value).ok());
    });
  }
  void remove(const std::string& key) {
    raw([&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
      ASSERT_TRUE(db.Delete({}, family, key).ok());
    });
  }
  std::optional<std::string> verify() {
    reopen();
    Audit audit(*store, system_clock(), issuer.deployment(), {caller.io().get_executor()});
    auto verdict = caller(audit.verify(issuer.organization(org)));
    EXPECT_TRUE(verdict);
    return verdict ? verdict->wrong : "unreadable";
  }
  void fill(int writers, int each) {
    open();
    Audit audit(*store, system_clock(), issuer.deployment(), {caller.io().get_executor()});
    int done = 0;
    for (int i = 0; i < writers; ++i) {
      spawn(caller.io().get_executor(), append_some(audit, issuer.organization(org), each, done),
            "test");
    }
    EXPECT_TRUE(caller.run_until([&] { return done == writers * each; }));
  }
};

TEST_F(AuditStore, EntriesThatWaitShareAWrite) {
  fill(40, 5);
  EXPECT_LT(store->stats().commits, 100u) << "200 entries";
  EXPECT_EQ(verify(), std::nullopt);
}

TEST_F(AuditStore, AnyTamperingOnTheDiskIsFound) {
  fill(1, 3);
  const Rows good = log_rows();
  ASSERT_EQ(good.size(), 4u);  // three entries and the head
  ASSERT_EQ(verify(), std::nullopt);
  for (const auto& [key, value] : good) {
    // Every part of the envelope: its head, nonce, text and tag.
    for (size_t at = 0; at < value.size(); at += 1 + value.size() / 12) {
      Rows bad{{key, value}};
      bad[key][at] = static_cast<char>(bad[key][at] ^ 0x10);
      put(bad);
      ASSERT_TRUE(verify()) << "byte " << at << " of " << value.size();
    }
    put(good);
    remove(key);
    ASSERT_TRUE(verify()) << "a row less";
    put(good);
  }
  ASSERT_EQ(verify(), std::nullopt);
  const auto first = good.begin(), second = std::next(first);
  put({{first->first, second->second}, {second->first, first->second}});
  EXPECT_TRUE(verify()) << "two rows swapped";
  put(good);
  for (const auto& [key, value] : good) remove(key);
  EXPECT_TRUE(verify()) << "all of it gone";
  put(good);
  EXPECT_EQ(verify(), std::nullopt);
}

}  // namespace
}  // namespace wab::bridge::test
