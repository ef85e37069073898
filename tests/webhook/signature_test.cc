#include "webhook/signature.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace wab::webhook {
namespace {

// The vector that the Standard Webhooks libraries share (design section 1.1).
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr UnixSeconds kAt = 1614265330;
constexpr const char* kBody = R"({"test": 2432232314})";
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kSigned = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

TEST(Signature, MatchesTheSharedVector) {
  EXPECT_EQ(signature_header(kId, kAt, view(kBody), {kSecret}), kSigned);
  EXPECT_TRUE(verify_signature(kSigned, kId, kAt, view(kBody), kSecret));
}

TEST(Signature, AnySingleChangeIsNoticed) {
  EXPECT_FALSE(verify_signature(kSigned, "msg_other", kAt, view(kBody), kSecret));
  EXPECT_FALSE(verify_signature(kSigned, kId, kAt + 1, view(kBody), kSecret));
  EXPECT_FALSE(verify_signature(kSigned, kId, kAt, view(R"({"test":2432232314})"), kSecret));
  EXPECT_FALSE(
      verify_signature(kSigned, kId, kAt, view(kBody), "whsec_AfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
}

TEST(Signature, EverySecretSignsSoThatRotationIsSeamless) {
  test::SeededRandom random;
  const std::string fresh = make_secret(random);
  const std::string header = signature_header(kId, kAt, view(kBody), {fresh, kSecret});
  EXPECT_EQ(header.substr(header.find(' ') + 1), kSigned);
  EXPECT_TRUE(verify_signature(header, kId, kAt, view(kBody), fresh));
  EXPECT_TRUE(verify_signature(header, kId, kAt, view(kBody), kSecret));
  EXPECT_FALSE(verify_signature(header, kId, kAt, view(kBody), make_secret(random)));
}

TEST(Signature, SecretsThatDoNotParseAreLeftOut) {
  EXPECT_EQ(signature_header(kId, kAt, view(kBody), {"whsec_short", kSecret, "plain"}), kSigned);
  EXPECT_EQ(signature_header(kId, kAt, view(kBody), {}), "");
}

TEST(Signature, OtherSchemesAndRubbishInTheHeaderAreIgnored) {
  const std::string header = std::string("v1a,AAAA  v1,not*base64 v1, ") + kSigned;
  EXPECT_TRUE(verify_signature(header, kId, kAt, view(kBody), kSecret));
  for (const char* bad :
       {"", " ", "v1,", "v1", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}) {
    EXPECT_FALSE(verify_signature(bad, kId, kAt, view(kBody), kSecret)) << bad;
  }
}

TEST(Signature, SecretsHoldTwentyFourToSixtyFourBytes) {
  for (const size_t size : {0u, 1u, 23u, 24u, 32u, 64u, 65u}) {
    const std::string secret = "whsec_" + to_base64(Bytes(size, 7));
    EXPECT_EQ(parse_secret(secret).has_value(), size >= 24 && size <= 64) << size;
  }
  EXPECT_FALSE(parse_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  EXPECT_FALSE(parse_secret("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  EXPECT_FALSE(parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2Laaa!!"));
}

TEST(Signature, MadeSecretsParseAndDiffer) {
  test::SeededRandom random;
  const std::string a = make_secret(random), b = make_secret(random);
  EXPECT_NE(a, b);
  ASSERT_TRUE(parse_secret(a));
  EXPECT_EQ(parse_secret(a)->reveal().size(), 32u);
}

}  // namespace
}  // namespace wab::webhook
