// Keys change while the process is killed or loses its power.
#include "tests/storage/rotation_fixture.h"
#include "tests/support/lossy_fs.h"

namespace wab::storage::tests {
namespace {

using wab::tests::LossyFs;

class RotationCrash : public Rotation {};

// One rotation in a process of its own; which one, and where it dies, its environment says.
TEST_F(RotationCrash, DISABLED_InAChild) {
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
    const bool killed = child_dies("RotationCrash.DISABLED_InAChild", n, given);
    ASSERT_FALSE(HasFailure()) << "kill point " << n;
    if (!killed) break;
    ++points;
    // Again while it recovers.
    child_dies("RotationCrash.DISABLED_InAChild", n % 4 + 1, given);
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

TEST_F(RotationCrash, PowerCutsAtEveryNthOperationLoseNothing) {
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
