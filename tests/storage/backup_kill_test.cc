// A process that dies while it makes a backup or puts one back: what was whole stays whole.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "tests/storage/backup_fixture.h"

namespace wab::storage::tests {
namespace {

namespace fs = std::filesystem;

// The victim is this program, started again: it makes backups, or restores, until it is killed; the
// parent looks at what is left.
class Killed : public Backup {
 protected:
  // Counted from when `begun` exists, "" from the start.
  void kill_after(std::chrono::microseconds wait, const char* what, const std::string& begun = "") {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::setenv("WAB_VICTIM", what, 1);
      ::setenv("WAB_VICTIM_HOME", home.path().c_str(), 1);
      const int nowhere = ::open("/dev/null", O_WRONLY);
      ::dup2(nowhere, 1);
      ::execl("/proc/self/exe", "victim", "--gtest_filter=Victim.*", nullptr);
      ::_exit(1);
    }
    int status = 0;
    bool ended = false;
    while (!begun.empty() && !ended && !fs::exists(begun)) {
      ended = ::waitpid(child, &status, WNOHANG) == child;
    }
    if (ended) return;
    std::this_thread::sleep_for(wait);
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++kills;
  }
  int kills = 0;
};

TEST(Victim, WorksUntilItIsKilled) {
  const char* const what = std::getenv("WAB_VICTIM");
  const char* const home = std::getenv("WAB_VICTIM_HOME");
  if (what == nullptr || home == nullptr) return;  // only as somebody's victim
  const std::string at(home);
  std::string why;
  if (std::string_view(what) == "create") {
    RocksOptions options;
    options.path = at + "/data";
    options.root_key = "file:" + at + "/root.key";
    auto opened = RocksStore::open(std::move(options), why);
    BackupWish wish;
    wish.to = at + "/backups";
    wish.keys_to = at + "/keys";
    for (int round = 0; opened && round < 1000; ++round) {
      if (!(*opened)->backup(wish, why)) return;
    }
  } else {
    RestoreWish wish;
    wish.from = at + "/backups";
    wish.to = at + "/restored";
    wish.keys = at + "/keys";
    wish.root_key = "file:" + at + "/root.key";
    wish.now = 1'796'000'000'000;
    (void)restore_backup(wish, why);
  }
}

TEST_F(Killed, ABackupThatDiesLeavesTheEarlierOnesWhole) {
  open();
  fill(1);
  back_up();
  store.reset();
  SeededRandom random(11);
  for (int i = 0; i < 12; ++i) {
    kill_after(std::chrono::microseconds(20'000 + random.u64() % 300'000), "create");
    const auto listed = list_backups(to, message);
    ASSERT_TRUE(listed) << message;
    ASSERT_GE(listed->size(), 1u);
    EXPECT_EQ((*listed)[0].id, 1u);
    for (const uint32_t id : {1u, listed->back().id}) {
      const auto verified = verify(keys, id);
      ASSERT_TRUE(verified) << message;
      EXPECT_EQ(verified->damaged, 0u);
      EXPECT_EQ(verified->events, 2u);
    }
    // The next one is made as if nothing had been, and the store is as it was.
    if (i % 5 == 0) {
      open();
      back_up();
      EXPECT_EQ(value(scope, Kind::identity, ""), "identity 1");
      store.reset();
    }
  }
  EXPECT_GT(kills, 6);
}

TEST_F(Killed, ARestoreThatDiesIsNeverOpenedAndTheNextOneIsWhole) {
  open();
  for (int i = 1; i <= 5; ++i) fill(i);
  back_up();
  store.reset();
  SeededRandom random(13);
  int unfinished = 0;
  for (int i = 0; i < 12; ++i) {
    fs::remove_all(restored);
    kill_after(std::chrono::microseconds(random.u64() % 2'000 * static_cast<uint64_t>(i)),
               "restore", restored + "/restoring");
    const bool begun = fs::exists(restored + "/restoring");
    std::string why;
    if (begun) {
      ++unfinished;
      EXPECT_FALSE(RocksStore::open(restored_options(), why));
      ASSERT_TRUE(restore()) << message;
    } else if (!fs::exists(restored + "/keyring")) {
      ASSERT_TRUE(restore()) << message;  // not begun
    }
    open(restored_options());
    EXPECT_EQ(value(scope, Kind::identity, ""), "identity 5");
    EXPECT_TRUE(store->restored());
    store.reset();
    const auto verified = verify(keys);
    ASSERT_TRUE(verified) << message;
    EXPECT_EQ(verified->damaged, 0u);
  }
  EXPECT_GT(kills, 3);
  EXPECT_GT(unfinished, 0);
}

}  // namespace
}  // namespace wab::storage::tests
