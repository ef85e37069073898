// Stores written by earlier programs open with today's, with everything in them, and are brought to
// today's layout step by step: whole steps, whatever cuts the power between them.
#include <cstdlib>

#include "storage/migrations.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/lossy_fs.h"

namespace wab::storage::tests {
namespace {

using wab::tests::LossyFs;

constexpr const char* kFolder = WAB_SOURCE_DIR "/tests/golden/stores/";

template <class Id>
Id id_of(uint8_t byte) {
  ByteArray<16> raw;
  raw.fill(byte);
  return Id(raw);
}

class Golden : public StoreTest {
 protected:
  void unpack(const std::string& name) {
    std::filesystem::remove_all(data());
    std::filesystem::create_directories(data());
    const std::string command = "tar -xzf '" + (kFolder + name) + "' -C '" + data() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
    std::filesystem::copy_file(std::string(kFolder) + "root.key", root_file(),
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(root_file(), std::filesystem::perms(0600));
  }
  // Everything that every one of them holds. `first` is the oldest event.
  void expect_whole(uint64_t first = 1) {
    for (uint8_t i = 0; i < 2; ++i) {
      const OrgScope owner = issuer.organization(id_of<OrgId>(0x10 + i));
      const Scope mine(owner, id_of<SessionId>(0x20 + i));
      EXPECT_EQ(value(mine, Kind::identity, ""), "identity 12");
      EXPECT_EQ(value(mine, Kind::head, ""), "12");
      EXPECT_EQ(value(mine, Kind::signal_session, "15550100002.0"), "session 12");
      for (int n = 1; n <= 12; ++n) {
        const std::string t = std::to_string(n);
        EXPECT_EQ(value(mine, Kind::prekey, t).has_value(), n != 3) << n;
        EXPECT_EQ(value(owner, Kind::endpoint, t), "endpoint " + t);
        EXPECT_TRUE((*caller(store->marked(mine, {"mark " + t}, 1'800'000'000)))[0]) << n;
      }
      const auto events = caller(store->events_after(owner, 0, 100));
      ASSERT_TRUE(events);
      ASSERT_EQ(events->size(), 13 - first);
      uint64_t bytes = 0;
      for (const auto& one : *events) {
        EXPECT_EQ(one.position, one.seq);
        EXPECT_EQ(text(one.body), "{\"text\":\"event " + std::to_string(one.seq) + "\"}");
        EXPECT_EQ(one.at, 1'795'000'000'000 + static_cast<UnixMillis>(one.seq));
        bytes += one.body.size();
      }
      const auto owed = caller(store->deliveries(owner, id_of<EndpointId>(0x30), {}, 10));
      ASSERT_TRUE(owed);
      ASSERT_EQ(owed->size(), 3u);
      EXPECT_EQ((*owed)[0].state, to_bytes("owed 10"));
      const auto log = caller(store->event_log(owner));
      ASSERT_TRUE(log);
      EXPECT_EQ(log->last, 12u);
      EXPECT_GT(log->bytes, bytes) << "the size of the log was counted";
      EXPECT_EQ(value(issuer.deployment(), Kind::organization, owner.org().text()),
                "organization " + std::to_string(i));
    }
    EXPECT_EQ(value(issuer.deployment(), Kind::user, "ana@example.org"), "user");
    EXPECT_EQ(log.errors(), 0u);
  }
};

TEST(Migrations, HaveNoHoles) {
  uint32_t at = 1;
  for (const Migration& one : migrations()) EXPECT_EQ(one.from, at++);
  EXPECT_EQ(at, kStoreSchema);
}

TEST_F(Golden, StoresOfEveryLayoutOpenAndGoOn) {
  for (const char* name : {"layout-1.tar.gz", "layout-1-traces.tar.gz"}) {
    SCOPED_TRACE(name);
    unpack(name);
    open();
    EXPECT_EQ(log.count("store.migrated"), kStoreSchema - 1);
    expect_whole();
    const auto second = caller(
        store->event(Scope(issuer.organization(id_of<OrgId>(0x10)), id_of<SessionId>(0x20)), 2));
    ASSERT_TRUE(second && *second);
    EXPECT_EQ((*second)->trace.empty(), std::string_view(name) == "layout-1.tar.gz");
    // What is written from now on continues the numbers.
    Commit more(Scope(issuer.organization(id_of<OrgId>(0x10)), id_of<SessionId>(0x20)));
    more.events = {event(id_of<SessionId>(0x20), 13, "new")};
    const auto done = caller(store->commit(std::move(more)));
    ASSERT_TRUE(done);
    EXPECT_EQ(done->first_position, 13u);
    reopen();
    EXPECT_EQ(log.count("store.migrated"), kStoreSchema - 1) << "once";
    unpack(name);
    store.reset();
    log.clear();
  }
}

TEST_F(Golden, TodaysLayoutOpensWithItsGaps) {
  unpack("layout-2.tar.gz");
  open();
  EXPECT_EQ(log.count("store.migrated"), kStoreSchema - 2);
  expect_whole(5);
  const auto bounds = caller(store->event_log(issuer.organization(id_of<OrgId>(0x10))));
  ASSERT_TRUE(bounds);
  EXPECT_EQ(bounds->gaps, (std::vector<LogGap>{{0, 4}}));
}

// Written once, for the file above: WAB_MAKE_GOLDEN names where to put the store.
TEST_F(Golden, IsMadeOfTheOneBefore) {
  unpack("layout-1-traces.tar.gz");
  open();
  for (uint8_t i = 0; i < 2; ++i) {
    const OrgScope owner = issuer.organization(id_of<OrgId>(0x10 + i));
    const auto bounds = caller(store->event_log(owner));
    ASSERT_TRUE(bounds);
    LogRetention keep;
    keep.bytes = bounds->bytes * 3 / 4;
    const auto gone = caller(store->trim_events(owner, keep, 100));
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->events, 4u);
  }
  expect_whole(5);
  store.reset();
  if (const char* to = std::getenv("WAB_MAKE_GOLDEN")) {
    std::filesystem::copy(data(), to, std::filesystem::copy_options::recursive);
  }
}

TEST_F(Golden, APowerCutInAMigrationLeavesOneLayoutOrTheOther) {
  bool finished = false;
  int cuts = 0;
  for (uint64_t n = 1; !finished; ++n) {
    unpack("layout-1.tar.gz");
    auto fs = std::make_shared<LossyFs>(home / "limbo");
    RocksOptions lossy = options();
    lossy.file_system = fs;
    fs->cut_at(n);
    auto opened = RocksStore::open(lossy, message);
    finished = !fs->is_cut();
    if (opened) opened->reset();
    if (finished) break;
    ++cuts;
    fs->power_on(LossyFs::Loss::random_prefix, n);
    log.clear();
    open();
    expect_whole();
    store.reset();
    if (::testing::Test::HasFailure()) FAIL() << "after operation " << n;
  }
  EXPECT_GT(cuts, 5);
}

}  // namespace
}  // namespace wab::storage::tests
