#include "storage/keyring.h"

#include <sys/stat.h>

#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {
namespace {

class KeyringTest : public ::testing::Test {
 protected:
  KeyringTest() {
    EXPECT_TRUE(create_root_key_file(dir / "root", system_random(), message));
    EXPECT_TRUE(create_root_key_file(dir / "other", system_random(), message));
    std::ofstream(dir / "phrase") << "correct horse battery staple\n";
    std::ofstream(dir / "wrong") << "correct horse battery stable\n";
    ::chmod((dir / "phrase").c_str(), 0600);
    ::chmod((dir / "wrong").c_str(), 0600);
    EXPECT_TRUE(make_private_directory(data()));
  }
  std::string data() const { return dir / "data"; }
  Result<std::unique_ptr<Keyring>> open(const std::string& root_key, bool may_create = true) {
    KeyringOptions options;
    options.directory = data();
    options.root_key = root_key;
    options.passphrase_cost = PassphraseCost{1, 8};
    message.clear();
    return Keyring::open(options, may_create, message);
  }
  std::unique_ptr<Keyring> opened(const std::string& root_key) {
    auto keyring = open(root_key);
    EXPECT_TRUE(keyring) << message;
    return keyring ? std::move(*keyring) : nullptr;
  }
  Bytes file() { return *read_file(data() + "/keyring", 1 << 20); }

  TemporaryDirectory dir;
  std::string message;
  const OrgId org = OrgId::random(system_random()), other = OrgId::random(system_random());
};

TEST_F(KeyringTest, SameKeysAfterReopening) {
  const auto first = opened("file:" + (dir / "root"));
  const auto hash = first->keyed_hash(org, "p", view("x"));
  const auto half = first->make_half_key(org);
  ASSERT_TRUE(half);
  const SecretKey32 data_key(ByteArray<32>{1, 2, 3});
  const auto wrapped = first->wrap(org, *half, data_key);
  ASSERT_TRUE(wrapped);
  const auto again = opened("file:" + (dir / "root"));
  EXPECT_EQ(again->deployment(), first->deployment());
  EXPECT_EQ(again->keyed_hash(org, "p", view("x")), hash);
  EXPECT_EQ(again->generation(), 1u);
  const auto same_half = again->make_half_key(org);
  ASSERT_TRUE(same_half);
  EXPECT_TRUE(same_half->equals(half->reveal()));
  const auto unwrapped = again->unwrap(org, *same_half, *wrapped);
  ASSERT_TRUE(unwrapped);
  EXPECT_TRUE(unwrapped->equals(data_key.reveal()));
}

TEST_F(KeyringTest, WrongRootKeyIsNamedAndNothingChanges) {
  opened("file:" + (dir / "root"));
  const Bytes before = file();
  const auto wrong = open("file:" + (dir / "other"));
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().is(StoreError::root_key));
  EXPECT_NE(message.find("not the root key"), std::string::npos) << message;
  EXPECT_EQ(file(), before);
  opened("file:" + (dir / "root"));
}

TEST_F(KeyringTest, PassphraseOpensWithTheParametersItWasMadeWith) {
  const auto first = opened("passphrase:" + (dir / "phrase"));
  KeyringOptions costly;
  costly.directory = data();
  costly.root_key = "passphrase:" + (dir / "phrase");
  costly.passphrase_cost = PassphraseCost{2, 16};  // only for new keyrings
  const auto again = Keyring::open(costly, false, message);
  ASSERT_TRUE(again) << message;
  EXPECT_EQ((*again)->deployment(), first->deployment());
  const auto wrong = open("passphrase:" + (dir / "wrong"));
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().is(StoreError::root_key));
  const auto kind = open("file:" + (dir / "root"));
  ASSERT_FALSE(kind);
  EXPECT_NE(message.find("passphrase"), std::string::npos) << message;
}

TEST_F(KeyringTest, AMissingKeyringIsNotReplaced) {
  const auto missing = open("file:" + (dir / "root"), false);
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().is(StoreError::root_key));
  EXPECT_NE(message.find("restore it"), std::string::npos);
  EXPECT_FALSE(file_exists(data() + "/keyring"));
}

TEST_F(KeyringTest, EveryFlippedByteAndEveryTruncationIsRefused) {
  opened("file:" + (dir / "root"));
  const Bytes good = file();
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x40;
    std::ofstream(data() + "/keyring", std::ios::binary) << text(bad);
    EXPECT_FALSE(open("file:" + (dir / "root"))) << at;
  }
  for (size_t size = 0; size < good.size(); size += 7) {
    std::ofstream(data() + "/keyring", std::ios::binary) << text(ByteView(good).first(size));
    EXPECT_FALSE(open("file:" + (dir / "root"))) << size;
  }
}

TEST_F(KeyringTest, HalfKeysAreBoundToTheirOrganization) {
  const auto keyring = opened("file:" + (dir / "root"));
  ASSERT_TRUE(keyring->make_half_key(org));
  std::filesystem::copy_file(data() + "/keystore/" + org.text(),
                             data() + "/keystore/" + other.text());
  const auto moved = keyring->half_key(other);
  ASSERT_FALSE(moved);
  EXPECT_TRUE(moved.error().is(StoreError::unsealed));
  EXPECT_FALSE(keyring->make_half_key(other)) << "never overwrites";
}

TEST_F(KeyringTest, WrappedKeysAreBoundToOrganizationAndHalfKey) {
  const auto keyring = opened("file:" + (dir / "root"));
  const auto half = keyring->make_half_key(org);
  const auto other_half = keyring->make_half_key(other);
  ASSERT_TRUE(half && other_half);
  Bytes wrapped = *keyring->wrap(org, *half, SecretKey32(ByteArray<32>{9}));
  EXPECT_FALSE(keyring->unwrap(other, *half, wrapped));
  EXPECT_FALSE(keyring->unwrap(org, *other_half, wrapped));
  EXPECT_FALSE(keyring->unwrap(org, *half, ByteView(wrapped).first(43)));
  for (size_t at = 0; at < wrapped.size(); ++at) {
    wrapped[at] ^= 1;
    EXPECT_FALSE(keyring->unwrap(org, *half, wrapped)) << at;
    wrapped[at] ^= 1;
  }
  EXPECT_TRUE(keyring->unwrap(org, *half, wrapped));
}

TEST_F(KeyringTest, DestroyedHalfKeysAreGone) {
  const auto keyring = opened("file:" + (dir / "root"));
  ASSERT_TRUE(keyring->make_half_key(org));
  EXPECT_TRUE(keyring->has_half_keys());
  EXPECT_TRUE(keyring->destroy_half_key(org));
  EXPECT_TRUE(keyring->destroy_half_key(org)) << "may be repeated";
  const auto gone = keyring->half_key(org);
  ASSERT_FALSE(gone);
  EXPECT_TRUE(gone.error().is(StoreError::not_found));
  EXPECT_FALSE(keyring->has_half_keys());
}

TEST_F(KeyringTest, WarnsWhenTheRootKeyLiesBesideTheData) {
  EXPECT_NE(opened("file:" + (dir / "root"))->warning(), "");
  ::setenv("WAB_TEST_ROOT", std::string(64, 'a').c_str(), 1);
  std::filesystem::remove_all(data());
  ASSERT_TRUE(make_private_directory(data()));
  EXPECT_EQ(opened("env:WAB_TEST_ROOT")->warning(), "");
}

TEST_F(KeyringTest, FilesAreForTheOwnerOnly) {
  const auto keyring = opened("file:" + (dir / "root"));
  ASSERT_TRUE(keyring->make_half_key(org));
  for (const auto& path : {data() + "/keyring", data() + "/keystore/" + org.text()}) {
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << path;
  }
}

}  // namespace
}  // namespace wab::storage::tests
