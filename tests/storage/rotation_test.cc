// Keys change while the store works, is killed, or loses its power.
#include <condition_variable>

#include "tests/storage/key_fixture.h"
#include "tests/support/lossy_fs.h"

namespace wab::storage::tests {
namespace {

using wab::tests::LossyFs;
using std::chrono_literals::operator""ms;

// Stops whoever comes to one kill point until it is let go.
class Barrier {
 public:
  explicit Barrier(std::string place) : place_(std::move(place)) {
    current = this;
    kill_hook_for_tests = [](const char* at) { current->at(at); };
  }
  ~Barrier() {
    kill_hook_for_tests = nullptr;
    let_go();
  }
  void wait_reached() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    free_ = true;
    changed_.notify_all();
  }

 private:
  void at(const char* place) {
    if (place_ != place) return;
    std::unique_lock lock(mutex_);
    reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return free_; });
  }
  static inline Barrier* current = nullptr;
  const std::string place_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false, free_ = false;
};

class Rotation : public KeyStoreTest {
 protected:
  void rotate_data(const OrgId& of) {
    const auto begun = caller(store->rotate_data_key(issuer.organization(of)));
    ASSERT_TRUE(begun) << begun.error().describe();
    EXPECT_TRUE(*begun);
  }
  void rotate_term() {
    const auto done = caller(store->rotate_key_encryption_key(message));
    ASSERT_TRUE(done) << message;
  }
  std::string new_root() {
    const std::string path = home / "new.key";
    if (!file_exists(path)) {
      EXPECT_TRUE(create_root_key_file(path, system_random(), message));
    }
    return "file:" + path;
  }
  RocksOptions with_root(std::string root) {
    RocksOptions out = options();
    out.root_key = std::move(root);
    return out;
  }
  std::map<std::string, std::string> child(const std::string& what) {
    return {{"WAB_TEST_DATA", data()},
            {"WAB_TEST_ROOT", "file:" + root_file()},
            {"WAB_TEST_TO", new_root()},
            {"WAB_TEST_ORG", org.text()},
            {"WAB_TEST_WHAT", what}};
  }
  KeyringOptions keyring_of(std::string root) {
    KeyringOptions out;
    out.directory = data();
    out.root_key = std::move(root);
    return out;
  }
  std::string copy_of_store(const std::string& name) {
    const std::string to = home / name;
    std::filesystem::remove_all(to);
    std::filesystem::copy(data(), to, std::filesystem::copy_options::recursive);
    return to;
  }
};

TEST_F(Rotation, OfADataKeySealsEverythingAnewAndTheOldKeyOpensNothing) {
  open();
  fill();
  store.reset();
  const auto old = stolen_keys(data(), "file:" + root_file(), org);
  ASSERT_NE(old, nullptr);
  const Share before = share(data(), *old, org);
  EXPECT_EQ(before.opened, before.all) << "the thief's tools work";
  ASSERT_GT(before.all, 100u);
  const Rows old_rows = rows_at(data(), "rows"), old_events = rows_at(data(), "events");

  open();
  rotate_data(org);
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  expect_all_readable();
  store.reset();
  const Share after = share(data(), *old, org);
  EXPECT_EQ(after.all, before.all);
  EXPECT_EQ(after.opened, 0u);
  const std::string disk = all_bytes(data());
  for (const auto* rows : {&old_rows, &old_events}) {
    for (const auto& [key, value] : *rows) {
      if (!key.starts_with(std::string(text(org.bytes())))) continue;
      EXPECT_EQ(disk.find(std::string_view(value).substr(value.size() - 60)), std::string::npos)
          << "what the old key had sealed is still in a file";
    }
  }
  open();
  expect_all_readable();
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, OfADataKeyLeavesOtherOrganizationsAlone) {
  open();
  fill();
  store.reset();
  const auto before = rows_at(data(), "rows");
  open();
  rotate_data(org);
  store->finish_rotations();
  store.reset();
  size_t same = 0;
  for (const auto& [key, value] : rows_at(data(), "rows")) {
    if (key.starts_with(std::string(text(org.bytes())))) {
      EXPECT_NE(value, before.at(key));
    } else {
      EXPECT_EQ(value, before.at(key));
      ++same;
    }
  }
  EXPECT_GT(same, 10u);
}

TEST_F(Rotation, ManyTimesInARow) {
  open();
  fill(4);
  for (int i = 0; i < 5; ++i) {
    rotate_data(org);
    store->finish_rotations();
    rotate_term();
    EXPECT_TRUE(put(scope, Kind::head, "", std::to_string(i)));
  }
  expect_all_readable();
  EXPECT_EQ(store->key_term(), 6u);
  reopen();
  expect_all_readable();
  EXPECT_EQ(value(scope, Kind::head, ""), "4");
  store.reset();
  EXPECT_EQ(rows_at(data(), "keys").size(), 2u) << "one wrapped key each, and no walk";
}

TEST_F(Rotation, WithoutAnyRowsThereIsNothingToRotate) {
  open();
  const auto begun = caller(store->rotate_data_key(issuer.organization(org)));
  ASSERT_TRUE(begun);
  EXPECT_FALSE(*begun);
}

TEST_F(Rotation, ACommitDuringTheWalkIsNeverOverwritten) {
  open();
  fill();
  {
    // The walk has sealed the old values anew and is about to hand them over.
    Barrier barrier("before records are sealed anew");
    rotate_data(org);
    barrier.wait_reached();
    for (int i = 0; i < filled; ++i) {
      ASSERT_TRUE(put(scope, Kind::signal_session, std::to_string(i), "newer"));
    }
    Commit gone(scope);
    gone.erase = {Key{Kind::sent_message, "3"}};
    gone.delivered = {DeliveryKey{endpoint, session, 1}};
    ASSERT_TRUE(caller(store->commit(std::move(gone))));
  }
  store->finish_rotations();
  for (int i = 0; i < filled; ++i) {
    EXPECT_EQ(value(scope, Kind::signal_session, std::to_string(i)), "newer") << i;
  }
  EXPECT_EQ(value(scope, Kind::sent_message, "3"), std::nullopt) << "what was erased came back";
  EXPECT_EQ(caller(store->deliveries(scope.org_scope(), endpoint, std::nullopt, 1000))->size(),
            static_cast<size_t>(2 * filled - 1));
}

TEST_F(Rotation, CommitsSealedUnderTheOldKeyAndQueuedBehindItAreSealedAgain) {
  open();
  fill(2);
  size_t answers = 0;
  {
    Barrier barrier("a data key is being chosen");
    bool begun = false;
    caller.start(store->rotate_data_key(issuer.organization(org)),
                 [&begun](Result<bool> result) { begun = result && *result; });
    caller.io().restart();
    caller.io().poll();
    barrier.wait_reached();
    for (int i = 0; i < 20; ++i) {
      Commit commit(scope);
      commit.put = {row(Kind::sent_message, "late" + std::to_string(i), "late")};
      commit.events = {event(session, 100 + static_cast<uint64_t>(i), "late")};
      commit.deliveries = {
          DeliveryRow{endpoint, session, 100 + static_cast<uint64_t>(i), {}, to_bytes("late")}};
      caller.start(store->commit(std::move(commit)), [&answers](Result<Committed> result) {
        EXPECT_TRUE(result);
        ++answers;
      });
    }
    caller.io().restart();
    caller.io().poll();  // sealed and in the queue
    barrier.let_go();
    ASSERT_TRUE(caller.run_until([&] { return begun && answers == 20; }));
  }
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(value(scope, Kind::sent_message, "late" + std::to_string(i)), "late");
    EXPECT_TRUE(*caller(store->event(scope, 100 + static_cast<uint64_t>(i))));
  }
  reopen();
  EXPECT_EQ(value(scope, Kind::sent_message, "late19"), "late");
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, LiveSessionsCommitAndReadAllTheWhile) {
  open();
  fill(40);
  std::map<SessionId, uint64_t> last;
  bool running = true;
  uint64_t n = 0;
  const auto rotate = [&] {
    caller.start(store->rotate_data_key(issuer.organization(org)),
                 [](Result<bool> begun) { EXPECT_TRUE(begun); });
    caller.start(store->rotate_key_encryption_key(message),
                 [&running](Result<void> done) { running = !done; });
  };
  rotate();
  while (running && n < 20000) {
    ++n;
    for (const SessionId& each : {session, other_session}) {
      const Scope mine(issuer.organization(org), each);
      ASSERT_TRUE(put(mine, Kind::head, "", std::to_string(n)));
      last[each] = n;
      ASSERT_EQ(value(mine, Kind::head, ""), std::to_string(n));
      ASSERT_EQ(value(mine, Kind::sent_message, std::to_string(n % 40)).value().substr(0, 5),
                "sent ");
    }
  }
  EXPECT_FALSE(running);
  EXPECT_GT(n, 3u);
  store->finish_rotations();
  expect_all_readable();
  reopen();
  for (const auto& [each, number] : last) {
    EXPECT_EQ(value(Scope(issuer.organization(org), each), Kind::head, ""), std::to_string(number));
  }
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, ASessionErasedDuringTheWalkStaysErased) {
  open();
  fill();
  {
    Barrier barrier("before records are sealed anew");
    rotate_data(org);
    barrier.wait_reached();
    ASSERT_TRUE(caller(store->erase_all(scope)));
  }
  store->finish_rotations();
  EXPECT_EQ(value(scope, Kind::sent_message, "1"), std::nullopt);
  store.reset();
  const std::string erased = std::string(text(session_prefix(org, session)));
  for (const auto& [key, value] : rows_at(data(), "rows")) {
    EXPECT_FALSE(key.starts_with(erased));
  }
}

TEST_F(Rotation, AnOrganizationErasedDuringItsWalkStaysErased) {
  open();
  fill();
  {
    Barrier barrier("before records are sealed anew");
    rotate_data(org);
    barrier.wait_reached();
    ASSERT_TRUE(caller(store->erase_all(scope.org_scope())));
  }
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  store.reset();
  for (const char* column : {"rows", "events", "deliveries", "keys"}) {
    for (const auto& [key, value] : rows_at(data(), column)) {
      EXPECT_FALSE(key.starts_with(std::string(text(org.bytes())))) << column;
    }
  }
}

TEST_F(Rotation, ARecordThatDoesNotOpenKeepsTheOldKeyUntilItIsGone) {
  open();
  fill();
  store.reset();
  std::string damaged;
  for (auto& [key, value] : rows_at(data(), "events")) {
    if (!key.starts_with(std::string(text(org.bytes())) + std::string(text(session.bytes())))) {
      continue;
    }
    damaged = value;
    damaged.back() ^= 1;
    overwrite_at(data(), "events", key, damaged);
    break;
  }
  open();
  rotate_data(org);
  store->finish_rotations();
  ASSERT_EQ(store->rotations().size(), 1u);
  EXPECT_EQ(store->rotations()[0].state, DataKeyRotation::State::blocked);
  EXPECT_EQ(store->rotations()[0].unreadable, 1u);
  EXPECT_EQ(log.count("store.rotation_blocked"), 1u);
  EXPECT_EQ(quarantined, std::vector<SessionId>{session});
  ASSERT_TRUE(caller(store->erase_all(scope)));
  ASSERT_TRUE(caller(store->rotate_data_key(scope.org_scope())));
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  store.reset();
  EXPECT_EQ(rows_at(data(), "keys").size(), 2u);
}

TEST_F(Rotation, AMovedPlaceOfTheWalkDropsNoKeyTooEarly) {
  open();
  fill();
  store.reset();
  // Killed right after the choice; then a vandal makes the walk look as if it were over.
  ASSERT_TRUE(child_dies("Rotation.DISABLED_InAChild", 3, child("data")));
  Walk walk;
  walk.phase = Walk::Phase::verify;
  walk.target = 2;
  const Rows keys = rows_at(data(), "keys");
  const std::string place = std::string(text(org.bytes())) + "w";
  ASSERT_TRUE(keys.contains(place));
  for (const std::string& forged :
       {std::string(text(encode_walk(walk))), std::string("nonsense"), std::string()}) {
    overwrite_at(data(), "keys", place, forged);
  }
  overwrite_at(data(), "keys", place, std::string(text(encode_walk(walk))));
  open();
  store->finish_rotations();
  EXPECT_TRUE(store->rotations().empty());
  expect_all_readable();
  reopen();
  expect_all_readable();
}

TEST_F(Rotation, OfTheTermWrapsEverythingAnew) {
  open();
  fill(3);
  store.reset();
  const std::string before = copy_of_store("before");
  open();
  rotate_term();
  EXPECT_EQ(store->key_term(), 2u);
  expect_all_readable();
  store.reset();
  const Rows old = rows_at(before, "keys"), now = rows_at(data(), "keys");
  const std::string disk = all_bytes(data());
  for (const auto& [key, value] : now) {
    EXPECT_EQ(read_be32(view(value)), 2u);
    EXPECT_EQ(disk.find(old.at(key)), std::string::npos)
        << "the old wrapped key is still in a file";
  }
  // Whoever kept the old keyring opens neither half keys nor wrapped keys of today.
  for (const OrgId& each : {org, other_org}) {
    std::filesystem::copy_file(data() + "/keystore/" + each.text(),
                               before + "/keystore/" + each.text(),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(stolen_keys(before, "file:" + root_file(), each), nullptr);
  }
  open();
  expect_all_readable();
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rotation, OfTheTermIsRefusedFromAnEnvironmentThatWasWiped) {
  ::setenv("WAB_TEST_ROTATE_ROOT", std::string(64, 'b').c_str(), 1);
  RocksOptions from_env = with_root("env:WAB_TEST_ROTATE_ROOT");
  open(from_env);
  fill(1);
  EXPECT_FALSE(caller(store->rotate_key_encryption_key(message)));
  EXPECT_NE(message.find("key rotate"), std::string::npos) << message;
  store.reset();
  // The command keeps it for the purpose.
  ::setenv("WAB_TEST_ROTATE_ROOT", std::string(64, 'b').c_str(), 1);
  from_env.keep_root_key = true;
  open(from_env);
  rotate_term();
  expect_all_readable();
}

TEST_F(Rotation, AKeyringOfBeforeIsRefused) {
  open();
  fill(1);
  store.reset();
  const std::string before = copy_of_store("before");
  open();
  rotate_term();
  store.reset();
  std::filesystem::copy_file(before + "/keyring", data() + "/keyring",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  EXPECT_NE(message.find("older"), std::string::npos) << message;
}

TEST_F(Rotation, OfTheRootKeyLeavesOnlyTheNewOne) {
  open();
  fill(3);
  const Bytes before = *read_file(data() + "/keyring", 1 << 20);
  const auto done = caller(store->rotate_root_key(new_root(), message));
  ASSERT_TRUE(done) << message;
  expect_all_readable();
  rotate_term();  // with the new one, from its own source
  store.reset();
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  EXPECT_EQ(all_bytes(data()).find(text(ByteView(before).subspan(60))), std::string::npos);
  open(with_root(new_root()));
  expect_all_readable();
  const auto again = caller(store->rotate_root_key(new_root(), message));
  ASSERT_FALSE(again);
  EXPECT_NE(message.find("already"), std::string::npos) << message;
}

TEST_F(Rotation, OfTheRootKeyToAPassphraseAndBack) {
  std::ofstream(home / "phrase") << "correct horse battery staple\n";
  std::filesystem::permissions(
      home / "phrase", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  RocksOptions cheap = options();
  cheap.passphrase_cost = PassphraseCost{1, 8};
  open(cheap);
  fill(1);
  ASSERT_TRUE(caller(store->rotate_root_key("passphrase:" + (home / "phrase"), message)))
      << message;
  store.reset();
  EXPECT_TRUE(open_fails(options()).is(StoreError::root_key));
  open(with_root("passphrase:" + (home / "phrase")));
  expect_all_readable();
  ASSERT_TRUE(caller(store->rotate_root_key(new_root(), message))) << message;
  store.reset();
  open(with_root(new_root()));
  expect_all_readable();
}

// One rotation in a process of its own; which one, and where it dies, its environment says.
TEST_F(Rotation, DISABLED_InAChild) {
  const char* at = std::getenv("WAB_TEST_DATA");
  ASSERT_NE(at, nullptr);
  RocksOptions child = options();
  child.path = at;
  child.root_key = std::getenv("WAB_TEST_ROOT");
  child.keep_root_key = true;
  die_as_told();
  std::string opened_with;
  auto opened = RocksStore::open(child, opened_with);
  if (!opened) {  // a root rotation that was killed after its one step
    child.root_key = std::getenv("WAB_TEST_TO");
    opened = RocksStore::open(child, opened_with);
  }
  ASSERT_TRUE(opened) << opened_with;
  store = std::move(*opened);
  const std::string what = std::getenv("WAB_TEST_WHAT");
  const auto of = OrgId::parse(std::getenv("WAB_TEST_ORG"));
  if (what == "data") {
    ASSERT_TRUE(caller(store->rotate_data_key(issuer.organization(*of))));
    store->finish_rotations();
  } else if (what == "kek") {
    ASSERT_TRUE(caller(store->rotate_key_encryption_key(message))) << message;
  } else if (child.root_key == std::getenv("WAB_TEST_ROOT")) {
    ASSERT_TRUE(caller(store->rotate_root_key(std::getenv("WAB_TEST_TO"), message))) << message;
  }
  store.reset();
}

class KilledRotation : public Rotation, public ::testing::WithParamInterface<const char*> {};

// At every named step; then once more at each of the first steps of what comes after the restart.
TEST_P(KilledRotation, FinishesAfterAKillAtEveryStep) {
  const std::string what = GetParam();
  open();
  fill(45);  // several steps per column
  store.reset();
  const std::string untouched = copy_of_store("untouched");
  const auto old = stolen_keys(untouched, "file:" + root_file(), org);
  size_t points = 0;
  for (uint64_t n = 1;; ++n) {
    std::filesystem::remove_all(data());
    std::filesystem::copy(untouched, data(), std::filesystem::copy_options::recursive);
    const auto given = child(what);
    const bool killed = child_dies("Rotation.DISABLED_InAChild", n, given);
    ASSERT_FALSE(HasFailure()) << "kill point " << n;
    if (!killed) break;
    ++points;
    // Again while it recovers.
    child_dies("Rotation.DISABLED_InAChild", n % 4 + 1, given);
    const bool old_root =
        Keyring::open(keyring_of("file:" + root_file()), false, message).has_value();
    const bool with_new = Keyring::open(keyring_of(new_root()), false, message).has_value();
    EXPECT_NE(old_root, with_new) << "exactly one root key opens it";
    open(with_root(old_root ? "file:" + root_file() : new_root()));
    ASSERT_TRUE(store) << what << " killed at point " << n;
    store->finish_rotations();
    expect_all_readable();
    EXPECT_TRUE(store->rotations().empty());
    EXPECT_TRUE(put(scope, Kind::head, "", "after"));
    store.reset();
    for (const auto& [key, value] : rows_at(data(), "keys")) EXPECT_EQ(key.size(), 20u);
    if (what == "data") {
      const Share left = share(data(), *old, org);
      const auto keys = rows_at(data(), "keys");
      const auto version =
          read_be32(view(keys.lower_bound(std::string(text(org.bytes())))->first).subspan(16));
      EXPECT_EQ(left.opened, version == 1 ? left.all : 0u) << "all or nothing";
    }
    ASSERT_FALSE(HasFailure()) << what << " killed at point " << n;
  }
  EXPECT_GE(points, what == std::string("root") ? 3u : 8u);
  RecordProperty("kill_points", static_cast<int>(points));
}
INSTANTIATE_TEST_SUITE_P(EachKey, KilledRotation, ::testing::Values("data", "kek", "root"),
                         [](const auto& each) { return std::string(each.param); });

TEST_F(Rotation, PowerCutsAtEveryNthOperationLoseNothing) {
  auto fs = std::make_shared<LossyFs>(home / "limbo");
  std::atomic<bool> fatal{false};
  const auto lossy = [&] {
    RocksOptions out = options();
    out.file_system = fs;
    out.on_fatal_for_tests = [&fatal](const std::string&) { fatal = true; };
    return out;
  };
  bool finished = false;
  size_t cuts = 0;
  for (uint64_t n = 1; !finished; n += 1 + n / 3) {
    std::filesystem::remove_all(data());
    fatal = false;
    open(lossy());
    fill(30);
    fs->cut_at(n);
    size_t answers = 0;
    caller.start(store->rotate_data_key(scope.org_scope()), [&](Result<bool>) { ++answers; });
    caller.start(store->rotate_key_encryption_key(message), [&](Result<void>) { ++answers; });
    ASSERT_TRUE(caller.run_until([&] { return answers == 2 || fatal || fs->is_cut(); }));
    if (!fatal && !fs->is_cut()) store->finish_rotations();
    finished = !fs->is_cut();
    store.reset();
    fs->power_cut();
    ++cuts;
    fs->power_on(n % 2 == 0 ? LossyFs::Loss::all_unsynced : LossyFs::Loss::random_prefix, n);
    fatal = false;
    open(lossy());
    ASSERT_TRUE(store) << "cut at " << n;
    store->finish_rotations();
    expect_all_readable();
    EXPECT_TRUE(store->rotations().empty());
    ASSERT_FALSE(HasFailure()) << "cut at " << n;
    store.reset();
  }
  EXPECT_GT(cuts, 8u);
}

}  // namespace
}  // namespace wab::storage::tests
