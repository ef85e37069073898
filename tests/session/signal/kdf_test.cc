#include "session/signal/kdf.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "tests/session/signal/support.h"

namespace wab::signal {
namespace {

using test::counting;
using test::hex;

TEST(Kdf, Sha256OfPartsEqualsSha256OfTheWhole) {
  EXPECT_EQ(to_hex(sha256(view("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_parts({view("a"), ByteView(), view("bc")}), sha256(view("abc")));
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // A poll option of dossier 2 section 14.
  EXPECT_EQ(to_hex(sha256(view("Yes"))),
            "85a39ab345d672ff8ca9b9c6876f3adcacf45ee7c1e2dbd2408fd338bd55e07e");
}

TEST(Kdf, HmacMatchesRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(view("Jefe"), view("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const Bytes long_key(131, 0xaa);
  EXPECT_EQ(
      to_hex(hmac_sha256(long_key, view("Test Using Larger Than Block-Size Key - Hash Key First"))),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Kdf, HmacWithoutKeyDoesNotRememberTheLastKey) {
  const auto fresh = hmac_sha256({}, {});
  (void)hmac_sha256(view("another key"), view("data"));
  EXPECT_EQ(hmac_sha256({}, {}), fresh);
  EXPECT_EQ(to_hex(fresh), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Kdf, HmacOfPartsAndSecretAgree) {
  const Bytes key = counting(0, 32);
  const auto whole = hmac_sha256(key, view("one two"));
  EXPECT_EQ(hmac_sha256_parts(key, {view("one"), view(" "), view("two")}), whole);
  EXPECT_TRUE(hmac_sha256_secret(key, view("one two")).equals(whole));
}

TEST(Kdf, HkdfMatchesRfc5869) {
  const Bytes ikm(22, 0x0b);
  EXPECT_EQ(to_hex(hkdf_sha256(ikm, counting(0, 13), counting(0xf0, 10), 42).reveal()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  // Test case 3: no salt, no info.
  EXPECT_EQ(to_hex(hkdf_sha256(ikm, {}, {}, 42).reveal()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Kdf, HkdfRefusesMoreThanItsLimit) {
  EXPECT_EQ(hkdf_sha256(view("k"), {}, {}, 8160).reveal().size(), 8160u);
  EXPECT_THROW((void)hkdf_sha256(view("k"), {}, {}, 8161), std::logic_error);
}

TEST(Kdf, CbcMatchesNistAndRoundTripsEveryLength) {
  const Bytes key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const Bytes iv = counting(0, 16);
  const Bytes plain = hex("6bc1bee22e409f96e93d7e117393172a");
  EXPECT_EQ(to_hex(aes256_cbc_encrypt(key, iv, plain)).substr(0, 32),
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6");
  for (size_t size = 0; size <= 49; ++size) {
    const Bytes text = counting(3, size);
    const Bytes sealed = aes256_cbc_encrypt(key, iv, text);
    EXPECT_EQ(sealed.size(), (size / 16 + 1) * 16);
    EXPECT_EQ(aes256_cbc_decrypt(key, iv, sealed), text);
  }
}

TEST(Kdf, CbcRefusesBadLengthAndBadPadding) {
  const Bytes key = counting(0, 32);
  const Bytes iv = counting(0, 16);
  EXPECT_EQ(aes256_cbc_decrypt(key, iv, {}), std::nullopt);
  EXPECT_EQ(aes256_cbc_decrypt(key, iv, counting(0, 15)), std::nullopt);
  Bytes sealed = aes256_cbc_encrypt(key, iv, counting(0, 16));
  sealed[15] ^= 1;  // turns the padding byte 16 of the last block into 17
  EXPECT_EQ(aes256_cbc_decrypt(key, iv, sealed), std::nullopt);
}

TEST(Kdf, GcmMatchesVectorAndRefusesChanges) {
  // McGrew and Viega, test case 16.
  const Bytes key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const Bytes nonce = hex("cafebabefacedbaddecaf888");
  const Bytes aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes plain =
      hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  const Bytes sealed = aes256_gcm_seal(key, nonce, aad, plain);
  EXPECT_EQ(to_hex(sealed),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b");
  EXPECT_EQ(aes256_gcm_open(key, nonce, aad, sealed), plain);
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 0x80;
    EXPECT_EQ(aes256_gcm_open(key, nonce, aad, changed), std::nullopt);
  }
  EXPECT_EQ(aes256_gcm_open(key, nonce, {}, sealed), std::nullopt);
  EXPECT_EQ(aes256_gcm_open(key, nonce, aad, ByteView(sealed).first(15)), std::nullopt);
  // Nothing but a tag is a message too.
  const Bytes empty = aes256_gcm_seal(key, nonce, aad, {});
  EXPECT_EQ(empty.size(), 16u);
  EXPECT_EQ(aes256_gcm_open(key, nonce, aad, empty), Bytes());
}

TEST(Kdf, CtrMatchesNistAndIsItsOwnInverse) {
  const Bytes key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const Bytes iv = counting(0xf0, 16);
  const Bytes plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
  const Bytes out = aes256_ctr(key, iv, plain);
  EXPECT_EQ(to_hex(out), "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5");
  EXPECT_EQ(aes256_ctr(key, iv, out), plain);
}

TEST(Kdf, Pbkdf2MatchesVector) {
  EXPECT_EQ(to_hex(pbkdf2_sha256(view("passwd"), view("salt"), 1, 64).reveal()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

TEST(Kdf, WrongKeySizesAreBugs) {
  EXPECT_THROW((void)aes256_cbc_encrypt(counting(0, 31), counting(0, 16), {}), std::logic_error);
  EXPECT_THROW((void)aes256_gcm_seal(counting(0, 32), counting(0, 16), {}, {}), std::logic_error);
}

TEST(Kdf, ThreadsDoNotShareContexts) {
  const auto expected = hmac_sha256(view("key"), view("data"));
  int wrong[4] = {};
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&count, &expected] {
      for (int i = 0; i < 2000; ++i) {
        if (hmac_sha256(view("key"), view("data")) != expected) ++count;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace wab::signal
