// Deleting an organization makes every copy of its data useless, those in backups included.
#include "tests/storage/key_fixture.h"

namespace wab::storage::tests {
namespace {

class Shredding : public KeyStoreTest {
 protected:
  static void copy(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::create_directories(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }
  std::string root() const { return "file:" + root_file(); }
};

TEST_F(Shredding, CopiesOfADeletedOrganizationOpenNothingWhileOthersOpen) {
  open();
  fill();
  store.reset();
  // A backup without the half keys, a second copy of the database, and the plain truth that both
  // open as long as the half keys exist.
  copy(data() + "/db", home / "backup/db");
  std::filesystem::copy_file(data() + "/keyring", home / "backup/keyring");
  copy(data(), home / "before");
  for (const OrgId& each : {org, other_org}) {
    const auto keys = stolen_keys(home / "before", root(), each);
    ASSERT_NE(keys, nullptr);
    const Share all = share(home / "before", *keys, each);
    EXPECT_GT(all.all, 30u);
    EXPECT_EQ(all.opened, all.all);
  }
  const Bytes sealed_half = *read_file(data() + "/keystore/" + org.text(), 4096);

  open();
  ASSERT_TRUE(caller(store->erase_all(scope.org_scope())));
  const auto gone = caller(store->load(scope, {Key{Kind::head, ""}}));
  EXPECT_FALSE(gone && (*gone)[0]);
  store.reset();
  EXPECT_FALSE(file_exists(data() + "/keystore/" + org.text()));
  EXPECT_EQ(all_bytes(data() + "/keystore").find(text(sealed_half)), std::string::npos);

  // Today's keys, root key included, with the databases of before.
  for (const std::string copy_of : {"backup", "before"}) {
    const std::string at = home / copy_of;
    copy(data() + "/keystore", at + "/keystore");
    std::filesystem::copy_file(data() + "/keyring", at + "/keyring",
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(stolen_keys(at, root(), org), nullptr) << "no key of it can be made";
    const auto others = stolen_keys(at, root(), other_org);
    ASSERT_NE(others, nullptr);
    const Share open_still = share(at, *others, other_org);
    EXPECT_EQ(open_still.opened, open_still.all);
    EXPECT_GT(open_still.all, 30u);
    EXPECT_EQ(share(at, *others, org).opened, 0u) << "another organization's keys open nothing";
    // The program itself, on that copy.
    RocksOptions with = options();
    with.path = at;
    open(with);
    ASSERT_TRUE(store);
    const auto rows = caller(store->load(scope, {Key{Kind::signal_session, "1"}}));
    EXPECT_FALSE(rows);
    EXPECT_FALSE(caller(store->event(scope, 1)));
    EXPECT_FALSE(caller(store->deliveries(scope.org_scope(), endpoint, std::nullopt, 10)));
    const Scope neighbour(issuer.organization(other_org), session);
    EXPECT_EQ(value(neighbour, Kind::signal_session, "1"), "ratchet 1");
    store.reset();
  }
}

// The half key goes first: whatever comes after it may be cut off by a kill.
TEST_F(Shredding, DISABLED_InAChild) {
  const char* at = std::getenv("WAB_TEST_DATA");
  ASSERT_NE(at, nullptr);
  RocksOptions child = options();
  child.path = at;
  child.root_key = std::getenv("WAB_TEST_ROOT");
  die_as_told();
  open(child);
  const auto of = OrgId::parse(std::getenv("WAB_TEST_ORG"));
  ASSERT_TRUE(caller(store->erase_all(Scope(issuer.organization(*of)))));
}

TEST_F(Shredding, AKillInTheMiddleLeavesNothingHalfReadable) {
  open();
  fill(3);
  store.reset();
  copy(data(), home / "untouched");
  size_t points = 0;
  for (uint64_t n = 1;; ++n) {
    copy(home / "untouched", data());
    const bool killed = child_dies(
        "Shredding.DISABLED_InAChild", n,
        {{"WAB_TEST_DATA", data()}, {"WAB_TEST_ROOT", root()}, {"WAB_TEST_ORG", org.text()}});
    ASSERT_FALSE(HasFailure()) << n;
    KeyringOptions with;
    with.directory = data();
    with.root_key = root();
    const auto keyring = Keyring::open(with, false, message);
    ASSERT_TRUE(keyring) << message;
    const bool half = (*keyring)->half_key(org).has_value();
    open();
    ASSERT_TRUE(store);
    const auto read = caller(store->load(scope, {Key{Kind::signal_session, "1"}}));
    EXPECT_EQ(read && (*read)[0], half) << n;
    // Deleting again ends it, whatever was left.
    EXPECT_TRUE(caller(store->erase_all(scope.org_scope())));
    const Scope neighbour(issuer.organization(other_org), session);
    EXPECT_EQ(value(neighbour, Kind::signal_session, "1"), "ratchet 1");
    store.reset();
    for (const auto& [key, bytes] : rows_at(data(), "rows")) {
      EXPECT_FALSE(key.starts_with(std::string(text(org.bytes()))));
    }
    EXPECT_FALSE(file_exists(data() + "/keystore/" + org.text()));
    if (!killed) break;
    ++points;
  }
  EXPECT_GE(points, 3u);
}

}  // namespace
}  // namespace wab::storage::tests
