// Power cuts and failing disks under a running store. The oracle stands outside: it remembers every
// commit that was offered and every one that returned.
#include <map>

#include "tests/storage/store_fixture.h"
#include "tests/support/lossy_fs.h"

namespace wab::storage::tests {
namespace {

using wab::tests::LossyFs;

// Each commit writes the same number in three places; half a commit would show.
class Crash : public StoreTest {
 protected:
  std::shared_ptr<LossyFs> fs = std::make_shared<LossyFs>(home / "limbo");
  std::string fatal;
  std::mutex fatal_mutex;

  RocksOptions lossy() {
    RocksOptions out = options();
    out.file_system = fs;
    out.write_buffer_bytes = 256 << 10;  // flushes and log switches happen often
    out.on_fatal_for_tests = [this](const std::string& reason) {
      const std::lock_guard lock(fatal_mutex);
      fatal = reason;
    };
    return out;
  }
  bool died() {
    const std::lock_guard lock(fatal_mutex);
    return !fatal.empty();
  }

  struct Oracle {
    uint64_t offered = 0, returned = 0;
  };
  std::map<SessionId, Oracle> oracle;

  Commit numbered(const SessionId& of, uint64_t n) {
    Commit commit(Scope(issuer.organization(org), of));
    commit.put = {row(Kind::head, "", std::to_string(n)),
                  row(Kind::sent_message, std::to_string(n), std::string(900, 'x'))};
    commit.marks = {Mark{"m" + std::to_string(n), 10}};
    commit.events = {event(of, n, "e" + std::to_string(n))};
    return commit;
  }
  // Commits in bursts of four per session until `most` or until the store dies.
  void work(uint64_t most) {
    while (!died()) {
      uint64_t waiting = 0;
      for (const SessionId& each : {session, other_session}) {
        Oracle& book = oracle[each];
        for (int i = 0; i < 4 && book.offered < most; ++i) {
          const uint64_t n = ++book.offered;
          ++waiting;
          caller.start(store->commit(numbered(each, n)),
                       [&book, &waiting, n](Result<Committed> result) {
                         --waiting;
                         if (result) book.returned = std::max(book.returned, n);
                       });
        }
      }
      if (waiting == 0) return;
      caller.io().restart();
      while (waiting > 0 && !died()) caller.io().run_one_for(std::chrono::milliseconds(2));
      if (died()) {
        caller.io().poll();  // answers that were on their way
        return;
      }
    }
  }
  // All that returned is there, and what is there is a prefix of what was offered, never half.
  void check() {
    size_t events_seen = 0;
    for (const SessionId& each : {session, other_session}) {
      const Scope mine(issuer.organization(org), each);
      const Oracle& book = oracle[each];
      const auto text = value(mine, Kind::head, "");
      const uint64_t have = text ? std::stoull(*text) : 0;
      EXPECT_GE(have, book.returned) << "acknowledged commits are lost";
      EXPECT_LE(have, book.offered);
      for (uint64_t n = 1; n <= book.offered; ++n) {
        const bool there = n <= have;
        const std::string name = std::to_string(n);
        EXPECT_EQ(value(mine, Kind::sent_message, name).has_value(), there) << n;
        EXPECT_EQ((*caller(store->marked(mine, {"m" + name}, 0)))[0], there) << n;
        const auto found = caller(store->event(mine, n));
        ASSERT_TRUE(found);
        EXPECT_EQ(found->has_value(), there) << n;
      }
      events_seen += have;
    }
    const auto events = caller(store->events_after(issuer.organization(org), 0, 1000));
    ASSERT_TRUE(events);
    EXPECT_EQ(events->size(), events_seen);
    for (size_t i = 0; i < events->size(); ++i) EXPECT_EQ((*events)[i].position, i + 1);
  }
  uint64_t lost() {
    uint64_t missing = 0;
    for (const SessionId& each : {session, other_session}) {
      const auto text = value(Scope(issuer.organization(org), each), Kind::head, "");
      const uint64_t have = text ? std::stoull(*text) : 0;
      if (have < oracle[each].returned) missing += oracle[each].returned - have;
    }
    return missing;
  }
};

TEST_F(Crash, PowerCutAtEveryNthOperationLosesNothingAcknowledged) {
  bool finished = false;
  int cuts = 0;
  for (uint64_t n = 1; !finished; n += 1 + n / 12) {
    std::filesystem::remove_all(data());
    oracle.clear();
    fatal.clear();
    fs->cut_at(n);
    std::string why;
    auto opened = RocksStore::open(lossy(), why);
    if (opened) {
      store = std::move(*opened);
      work(24);
      finished = !fs->is_cut();
      store.reset();
    }
    fs->power_cut();
    ++cuts;
    fs->power_on(n % 2 == 0 ? LossyFs::Loss::all_unsynced : LossyFs::Loss::random_prefix, n);
    fatal.clear();
    open(lossy());
    ASSERT_TRUE(store) << "cut at " << n;
    check();
    ASSERT_FALSE(HasFailure()) << "cut at " << n;
    store.reset();
  }
  EXPECT_GT(cuts, 25);
}

TEST_F(Crash, ATornSectorIsEitherToleratedOrRefused) {
  for (uint64_t n = 4; n < 64; n += 6) {
    std::filesystem::remove_all(data());
    oracle.clear();
    fatal.clear();
    open(lossy());
    fs->cut_at(n);
    work(40);
    store.reset();
    fs->power_cut();
    fs->power_on(LossyFs::Loss::torn_sector, n);
    std::string why;
    auto opened = RocksStore::open(lossy(), why);
    if (!opened) {
      EXPECT_TRUE(opened.error().is(StoreError::corrupt)) << why;
      continue;
    }
    store = std::move(*opened);
    check();
    store.reset();
  }
}

TEST_F(Crash, CutsDuringRecoveryAreHarmless) {
  open(lossy());
  fs->cut_at(20);
  work(60);
  ASSERT_TRUE(died());
  store.reset();
  fs->power_on(LossyFs::Loss::all_unsynced, 3);
  for (uint64_t n = 1; n < 12; ++n) {  // again and again while it opens
    fs->cut_at(n);
    std::string why;
    auto opened = RocksStore::open(lossy(), why);
    if (opened) opened->reset();
    fs->power_cut();
    fs->power_on(LossyFs::Loss::random_prefix, n);
  }
  fatal.clear();
  open(lossy());
  check();
}

TEST_F(Crash, WithoutSyncsTheSameCutLosesAcknowledgedCommits) {
  RocksOptions careless = lossy();
  careless.unsafe_no_sync_for_tests = true;
  open(std::move(careless));
  work(40);
  fs->power_cut();
  store.reset();
  fs->power_on(LossyFs::Loss::all_unsynced, 1);
  fatal.clear();
  open(lossy());
  EXPECT_GT(lost(), 0u) << "the crash tests could not tell a store that never syncs";
}

TEST_F(Crash, ADiskThatLiesIsNoticedByTheTests) {
  open(lossy());
  fs->lie_on_sync(true);
  work(40);
  fs->power_cut();
  store.reset();
  fs->lie_on_sync(false);
  fs->power_on(LossyFs::Loss::all_unsynced, 1);
  fatal.clear();
  open(lossy());
  EXPECT_GT(lost(), 0u);
}

TEST_F(Crash, AFailedSyncAnswersNobodyEverAgain) {
  open(lossy());
  work(8);
  ASSERT_FALSE(died());
  fs->fail_at(LossyFs::Op::sync, 1, rocksdb::IOStatus::IOError("EIO"));
  int answers = 0;
  const auto answered = [&answers](Result<Committed>) { ++answers; };
  caller.start(store->commit(numbered(session, 9)), answered);
  ASSERT_TRUE(caller.run_until([this] { return died(); }));
  caller.start(store->commit(numbered(session, 10)), answered);
  for (int i = 0; i < 20; ++i) caller.io().run_one_for(std::chrono::milliseconds(2));
  EXPECT_EQ(answers, 0);
  store.reset();
  EXPECT_EQ(answers, 0);
  oracle[session].offered = 10;
  fs->power_cut();
  fs->power_on(LossyFs::Loss::random_prefix, 7);
  fatal.clear();
  open(lossy());
  check();
}

TEST_F(Crash, AFullDiskAnswersNobodyAndHealsByRestarting) {
  open(lossy());
  work(8);
  fs->fail_at(LossyFs::Op::append, 1, rocksdb::IOStatus::NoSpace("ENOSPC"), true);
  int answers = 0;
  caller.start(store->commit(numbered(session, 9)), [&answers](Result<Committed>) { ++answers; });
  ASSERT_TRUE(caller.run_until([this] { return died(); }));
  EXPECT_EQ(answers, 0);
  store.reset();
  oracle[session].offered = 9;
  std::string why;
  const auto full = RocksStore::open(lossy(), why);
  ASSERT_FALSE(full);
  EXPECT_TRUE(full.error().is(StoreError::io));
  EXPECT_NE(why.find("full"), std::string::npos) << why;
  fs->fail_at(LossyFs::Op::append, 0, rocksdb::IOStatus::OK());
  fatal.clear();
  open(lossy());
  check();
  work(12);
  EXPECT_EQ(oracle[session].returned, 12u);
}

using CrashDeathTest = Crash;
TEST_F(CrashDeathTest, AFailedSyncAbortsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        set_log_sink({});
        RocksOptions real = lossy();
        real.on_fatal_for_tests = nullptr;
        open(std::move(real));
        fs->fail_at(LossyFs::Op::sync, 1, rocksdb::IOStatus::IOError("EIO"));
        caller.start(store->commit(numbered(session, 1)),
                     [](Result<Committed>) { std::fputs("acknowledged\n", stderr); });
        caller.run_until([] { return false; });
      },
      "store.write_failed");
}

}  // namespace
}  // namespace wab::storage::tests
