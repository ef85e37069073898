// Backups: hot and cold, incremental, verified by opening everything, restored whole or not at all;
// and what a restore promises about the time that it does not hold.
#include <thread>

#include "tests/storage/backup_fixture.h"
#include "tests/support/table.h"

namespace wab::storage::tests {
namespace {

namespace fs = std::filesystem;

TEST_F(Backup, RestoreDrill) {
  open();
  for (int i = 1; i <= 20; ++i) fill(i);
  const BackupEntry first = back_up();
  EXPECT_EQ(first.organizations, 3u);  // the deployment's own keys are among them
  for (int i = 21; i <= 30; ++i) fill(i);
  store.reset();
  const auto verified = verify(keys);
  ASSERT_TRUE(verified) << message;
  EXPECT_EQ(verified->damaged, 0u);
  EXPECT_EQ(verified->organizations, 3u);
  EXPECT_EQ(verified->rows, 2u * 41 + 2 + 2);  // the last two prove the sessions' records
  EXPECT_EQ(verified->events, 40u);
  EXPECT_EQ(verified->deliveries, 40u);
  EXPECT_EQ(verified->marks, 40u);
  EXPECT_EQ(verified->positions, 42u);

  std::vector<std::string> told;
  RestoreWish with = restore_wish();
  with.progress = [&told](const char* what, uint64_t done, uint64_t all) {
    told.push_back(std::string(what) + " " + std::to_string(done) + "/" + std::to_string(all));
  };
  const auto report = restore_backup(with, message);
  ASSERT_TRUE(report) << message;
  EXPECT_EQ(report->organizations, 2u);
  EXPECT_FALSE(told.empty());

  open(restored_options());
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity 20");
  EXPECT_EQ(value(scope, Kind::prekey, "20"), "prekey 20");
  EXPECT_EQ(value(scope, Kind::prekey, "21"), std::nullopt);
  const auto events = caller(store->events_after(scope.org_scope(), 0, 100));
  ASSERT_TRUE(events);
  EXPECT_EQ(events->size(), 20u);
  ASSERT_TRUE(store->restored());
  EXPECT_EQ(store->restored()->at, 1'796'000'000'000);
  EXPECT_EQ(store->restored()->backup_at, first.at);
  EXPECT_EQ(log.errors(), 0u);
  fill(21);
  reopen();  // the data directory that went on meanwhile was never touched
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity 30");
  EXPECT_FALSE(store->restored());
}

TEST_F(Backup, IsIncrementalAndKeepsAsManyAsAsked) {
  open();
  fill(1);
  Commit big(scope);
  for (int i = 0; i < 200; ++i) {
    big.put.push_back(row(Kind::device_list, std::to_string(i), std::string(4000, 'x')));
  }
  ASSERT_TRUE(caller(store->commit(std::move(big))));
  back_up();
  const auto size = [this] {
    uint64_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(to)) {
      if (entry.is_regular_file()) sum += entry.file_size();
    }
    return sum;
  };
  const uint64_t first = size();
  fill(2);
  back_up();
  EXPECT_LT(size(), first + first / 4) << "the second one repeats the first";
  BackupWish two = wish();
  two.keep = 2;
  fill(3);
  back_up(two);
  const auto listed = list_backups(to, message);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ((*listed)[0].id, 2u);
  EXPECT_EQ((*listed)[1].id, 3u);
  store.reset();
  for (const uint32_t id : {2u, 3u}) {
    const auto verified = verify(keys, id);
    ASSERT_TRUE(verified) << message;
    EXPECT_EQ(verified->events, 2u * id);
    EXPECT_EQ(verified->damaged, 0u);
  }
  EXPECT_TRUE(verify(keys, 1).error().is(StoreError::not_found));
}

TEST_F(Backup, IsMadeWhileCommitsGoOn) {
  RocksOptions small = options();
  small.write_buffer_bytes = 256 << 10;  // flushes and log switches happen meanwhile
  open(small);
  fill(1);
  std::atomic<bool> done{false};
  std::vector<uint64_t> finished;  // how many commits had returned when each backup began
  std::atomic<uint64_t> returned{0};
  std::thread maker([&] {
    for (int i = 0; i < 5; ++i) {
      finished.push_back(returned.load());
      std::string why;
      EXPECT_TRUE(store->backup(wish(), why)) << why;
    }
    done = true;
  });
  uint64_t n = 0;
  while (!done || n < 200) {
    Commit commit(scope);
    ++n;
    commit.put = {row(Kind::head, "", std::to_string(n)),
                  row(Kind::sent_message, std::to_string(n), std::string(3000, 'x'))};
    commit.events = {event(session, 1 + n, "e")};
    ASSERT_TRUE(caller(store->commit(std::move(commit))));
    returned = n;
  }
  maker.join();
  store.reset();
  for (uint32_t id = 1; id <= 5; ++id) {
    const auto verified = verify(keys, id);
    ASSERT_TRUE(verified) << message;
    EXPECT_EQ(verified->damaged, 0u);
    RestoreWish with = restore_wish();
    with.id = id;
    with.to = home / ("restored" + std::to_string(id));
    ASSERT_TRUE(restore_backup(with, message)) << message;
    RocksOptions there = options();
    there.path = with.to;
    open(there);
    const auto head = value(scope, Kind::head, "");
    const uint64_t have = head ? std::stoull(*head) : 0;
    // Everything that had returned, and a whole commit: the head and the event of the same number.
    EXPECT_GE(have, finished[id - 1]);
    EXPECT_EQ((*caller(store->event(scope, 1 + have))).has_value(), true);
    EXPECT_FALSE(*caller(store->event(scope, 2 + have)));
    store.reset();
  }
}

TEST_F(Backup, HoldsNoKeysAndOpensWithNothingElse) {
  open();
  fill(1);
  BackupWish no_keys = wish();
  no_keys.keys_to.clear();
  back_up(no_keys);
  store.reset();
  EXPECT_FALSE(fs::exists(keys));
  for (const auto& entry : fs::recursive_directory_iterator(to)) {
    EXPECT_EQ(entry.path().filename().string().find("org_"), std::string::npos);
    EXPECT_NE(entry.path().filename(), "keyring");
  }
  // Without a key backup the data directory itself is one.
  auto verified = verify(data());
  ASSERT_TRUE(verified) << message;
  EXPECT_EQ(verified->damaged, 0u);
  EXPECT_EQ(verified->organizations, 3u);
  RestoreWish with = restore_wish();
  EXPECT_FALSE(restore_backup(with, message));
  EXPECT_NE(message.find("key backup"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(restored)) << "nothing is begun without the keys";
  with.keys = data();
  ASSERT_TRUE(restore_backup(with, message)) << message;
  // Another root key opens neither.
  const std::string other_root = home / "other.key";
  ASSERT_TRUE(create_root_key_file(other_root, system_random(), message));
  VerifyWish wrong;
  wrong.from = to;
  wrong.keys = data();
  wrong.root_key = "file:" + other_root;
  EXPECT_TRUE(verify_backup(wrong, message).error().is(StoreError::root_key)) << message;
}

TEST_F(Backup, ADeletedOrganizationStaysDeletedInOlderBackups) {
  open();
  fill(1);
  back_up();
  ASSERT_TRUE(caller(store->erase_all(issuer.organization(other_org))));
  // The next key backup does not hold its key, and nothing of the old file is left.
  const std::string half = home / ("data/keystore/" + other_org.text());
  EXPECT_FALSE(fs::exists(half));
  back_up();
  store.reset();
  const auto now = read_keys(keys, message);
  ASSERT_TRUE(now);
  EXPECT_EQ(now->organizations(), 2u);
  const auto verified = verify(keys, 1);
  ASSERT_TRUE(verified) << message;
  EXPECT_EQ(verified->without_keys, 1u);
  EXPECT_EQ(verified->damaged, 0u);
  EXPECT_GT(verified->sealed_for_ever, 4u);
  EXPECT_EQ(verified->organizations, 2u);

  RestoreWish older = restore_wish();
  older.id = 1;
  const auto report = restore_backup(older, message);
  ASSERT_TRUE(report) << message;
  EXPECT_EQ(report->organizations, 1u);
  EXPECT_EQ(report->forgotten, 1u);
  open(restored_options());
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity 1");
  const Scope gone(issuer.organization(other_org), session);
  EXPECT_EQ(value(gone, Kind::identity, ""), std::nullopt);
  EXPECT_EQ(value(issuer.deployment(), Kind::organization, other_org.text()), std::nullopt);
  EXPECT_EQ(value(issuer.deployment(), Kind::organization, org.text()), "organization");
  EXPECT_EQ(log.errors(), 0u);
}

TEST_F(Backup, AByteThatChangedAnywhereIsFound) {
  open();
  fill(1);
  store->compact_for_tests();
  back_up();
  store.reset();
  wab::test::Table table("backup damage");
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(to)) {
    if (entry.is_regular_file() && entry.file_size() > 0 && entry.path().filename() != "lock") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  SeededRandom random(7);
  for (const auto& path : files) {
    const auto size = fs::file_size(path);
    for (int i = 0; i < 8; ++i) {
      const auto at = static_cast<std::streamoff>(random.u64() % size);
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(at);
      const char before = static_cast<char>(file.get());
      file.seekp(at);
      file.put(static_cast<char>(before ^ 0x20));
      file.close();
      const auto verified = verify(keys);
      table.row(!verified || verified->damaged > 0,
                path.filename().string() + " at " + std::to_string(at));
      std::fstream back(path, std::ios::in | std::ios::out | std::ios::binary);
      back.seekp(at);
      back.put(before);
    }
  }
  const auto whole = verify(keys);
  ASSERT_TRUE(whole) << message;
  EXPECT_EQ(whole->damaged, 0u);
  EXPECT_GT(table.rows(), 30u);
}

TEST_F(Backup, RefusesWhatWouldMixOrOverwrite) {
  open();
  fill(1);
  back_up();
  store.reset();
  // Another store's.
  fs::rename(data(), home / "first");
  open();
  fill(1);
  EXPECT_FALSE(store->backup(wish(), message));
  EXPECT_NE(message.find("another store"), std::string::npos) << message;
  store.reset();
  EXPECT_TRUE(verify(data()).error().is(StoreError::root_key)) << message;
  // A directory with something in it.
  fs::create_directories(restored);
  std::ofstream(restored + "/precious") << "x";
  EXPECT_TRUE(restore().error().is(StoreError::busy)) << message;
  EXPECT_NE(message.find("not empty"), std::string::npos) << message;
  EXPECT_TRUE(fs::exists(restored + "/precious"));
  fs::remove(restored + "/precious");
  EXPECT_TRUE(restore()) << message;
  EXPECT_TRUE(restore().error().is(StoreError::busy)) << message;
  // No backups at all, or not that one.
  RestoreWish nothing = restore_wish();
  nothing.from = home / "nowhere";
  EXPECT_FALSE(restore_backup(nothing, message));
  nothing = restore_wish();
  nothing.id = 99;
  EXPECT_TRUE(restore_backup(nothing, message).error().is(StoreError::not_found)) << message;
}

TEST_F(Backup, AnUnfinishedRestoreIsNoStoreAndIsTakenUpAgain) {
  open();
  fill(1);
  back_up();
  store.reset();
  fs::create_directories(restored + "/db");
  std::ofstream(restored + "/restoring") << "x";
  std::ofstream(restored + "/db/000007.sst") << "half of it";
  EXPECT_TRUE(open_fails(restored_options()).is(StoreError::corrupt));
  EXPECT_NE(message.find("did not come to its end"), std::string::npos) << message;
  ASSERT_TRUE(restore()) << message;
  open(restored_options());
  EXPECT_EQ(value(scope, Kind::identity, ""), "identity 1");
}

// Positions that were given after the backup are never given again, and nobody steps over the hole
// without being told, nor over a second one.
TEST_F(Backup, ARestoredLogGoesOnBehindAGap) {
  open();
  for (int i = 1; i <= 4; ++i) fill(i);
  back_up();
  for (int i = 5; i <= 9; ++i) fill(i);
  store.reset();
  ASSERT_TRUE(restore()) << message;
  open(restored_options());
  const auto bounds = caller(store->event_log(scope.org_scope()));
  ASSERT_TRUE(bounds);
  EXPECT_EQ(bounds->last, 1'796'000'000'000'000u);
  ASSERT_EQ(bounds->gaps.size(), 1u);
  EXPECT_EQ(bounds->gaps[0], (LogGap{4, 1'796'000'000'000'000u}));
  EXPECT_EQ(bounds->gap_after(3), std::nullopt);
  EXPECT_TRUE(bounds->gap_after(4));
  EXPECT_TRUE(bounds->gap_after(9)) << "a cursor of the time that is lost";
  EXPECT_EQ(bounds->gap_after(bounds->last), std::nullopt);
  fill(5);
  const auto events = caller(store->events_after(scope.org_scope(), 4, 10));
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].position, bounds->last + 1);
}

TEST(KeyBackup, IsReadBackOnlyAsItWasWritten) {
  KeyBackup keys;
  keys.deployment = SeededRandom(1).array<16>();
  keys.at = 5;
  keys.files = {{"keyring", to_bytes("sealed ring")},
                {"keystore/org_0123456789abcdefghijklmnop", to_bytes("sealed half")}};
  const Bytes file = encode(keys);
  const auto back = decode_key_backup(file);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->files, keys.files);
  EXPECT_EQ(back->organizations(), 1u);
  for (size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= 1;
    EXPECT_FALSE(decode_key_backup(changed)) << i;
    EXPECT_FALSE(decode_key_backup(ByteView(file).first(i))) << i;
  }
  // Nothing leaves the directory that it is put into.
  for (const char* name : {"../x", "keystore/../x", "keystore/", "keystore/a/b", "/etc/x", "db"}) {
    keys.files[1].first = name;
    EXPECT_FALSE(decode_key_backup(encode(keys))) << name;
  }
}

}  // namespace
}  // namespace wab::storage::tests
