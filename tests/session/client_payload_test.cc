#include "session/client_payload.h"

#include <gtest/gtest.h>

#include "session/proto/client_payload.pb.h"

namespace wab::session {
namespace {

pb::ClientPayload parsed(const Bytes& bytes) {
  pb::ClientPayload out;
  EXPECT_TRUE(out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return out;
}

ClientProfile profile() {
  ClientProfile out;
  out.version = *ClientVersion::parse("2.3000.1045649367");
  return out;
}

RegistrationKeys keys() {
  RegistrationKeys out;
  out.registration_id = 0x01020304;
  out.identity_pub.fill(1);
  out.signed_prekey_id = 0x010203;
  out.signed_prekey_pub.fill(2);
  out.signed_prekey_signature.fill(3);
  return out;
}

TEST(ClientVersion, ReadsThreeNumbersAndNothingElse) {
  const auto version = ClientVersion::parse("2.3000.1045649367");
  ASSERT_TRUE(version);
  EXPECT_EQ(version->tertiary, 1045649367u);
  EXPECT_EQ(version->text(), "2.3000.1045649367");
  for (const char* bad : {"", "2", "2.3000", "2.3000.", "2.3000.1.4", "2.3000.x", ".3000.1",
                          "2.3000.-1", "2.3000.99999999999", " 2.3000.1"}) {
    EXPECT_FALSE(ClientVersion::parse(bad)) << bad;
  }
}

TEST(ClientPayload, BuildHashIsTheMd5OfTheVersion) {
  EXPECT_EQ(to_hex(build_hash("2.3000.1045649367")), "9fa53af9421567b114e33c9bb1ef7db2");
  EXPECT_EQ(to_hex(build_hash("2.3000.1045368834")), "528f6bed7f916ebe49e56631a09e37f6");
}

TEST(ClientPayload, RegistrationCarriesTheKeys) {
  const auto payload = parsed(registration_payload(profile(), keys()));
  EXPECT_TRUE(payload.has_passive());
  EXPECT_FALSE(payload.passive());
  EXPECT_TRUE(payload.has_pull());
  EXPECT_FALSE(payload.pull());
  EXPECT_FALSE(payload.has_username());
  EXPECT_FALSE(payload.has_device());
  EXPECT_FALSE(payload.has_push_name());
  EXPECT_FALSE(payload.has_lc());
  const auto& data = payload.device_pairing_data();
  EXPECT_EQ(to_hex(view(data.e_regid())), "01020304");
  EXPECT_EQ(to_hex(view(data.e_keytype())), "05");
  EXPECT_EQ(data.e_ident(), std::string(32, 1));
  EXPECT_EQ(to_hex(view(data.e_skey_id())), "010203");
  EXPECT_EQ(data.e_skey_val(), std::string(32, 2));
  EXPECT_EQ(data.e_skey_sig(), std::string(64, 3));
  EXPECT_EQ(to_hex(view(data.build_hash())), "9fa53af9421567b114e33c9bb1ef7db2");
  pb::DeviceProps props;
  ASSERT_TRUE(props.ParseFromString(data.device_props()));
  EXPECT_EQ(props.os(), "Waslo Bridge");
  EXPECT_EQ(props.platform_type(), pb::DeviceProps::CHROME);
  EXPECT_TRUE(props.has_require_full_sync());
  EXPECT_FALSE(props.require_full_sync());
  EXPECT_FALSE(props.history_sync_config().has_on_demand_ready());
}

TEST(ClientPayload, RegistrationNamesTheAccountForASandbox) {
  auto named = profile();
  named.push_name = "Ana";
  EXPECT_EQ(parsed(registration_payload(named, keys())).push_name(), "Ana");
  EXPECT_FALSE(parsed(*login_payload(named, node::Jid::pn("15550100001", 3), 0)).has_push_name());
}

TEST(ClientPayload, FullHistoryTurnsTheWholeWindowsShapeOn) {
  auto full = profile();
  full.full_history = true;
  EXPECT_EQ(full.shown_platform(), PlatformType::uwp);
  pb::DeviceProps props;
  ASSERT_TRUE(props.ParseFromString(
      parsed(registration_payload(full, keys())).device_pairing_data().device_props()));
  EXPECT_EQ(props.platform_type(), pb::DeviceProps::UWP);
  EXPECT_TRUE(props.require_full_sync());
  EXPECT_EQ(props.history_sync_config().full_sync_days_limit(), 365u);
  EXPECT_TRUE(props.history_sync_config().on_demand_ready());
  EXPECT_TRUE(props.history_sync_config().complete_on_demand_ready());
}

TEST(ClientPayload, LoginNamesTheDevice) {
  const auto bytes = login_payload(profile(), node::Jid::pn("15550100001", 12), 41);
  ASSERT_TRUE(bytes);
  const auto payload = parsed(*bytes);
  EXPECT_EQ(payload.username(), 15550100001u);
  EXPECT_EQ(payload.device(), 12u);
  EXPECT_TRUE(payload.passive());
  EXPECT_TRUE(payload.pull());
  EXPECT_TRUE(payload.lid_db_migrated());
  EXPECT_EQ(payload.lc(), 41);
  EXPECT_FALSE(payload.has_device_pairing_data());
  EXPECT_EQ(payload.user_agent().platform(), pb::UserAgent::WEB);
  EXPECT_EQ(payload.user_agent().app_version().secondary(), 3000u);
  EXPECT_EQ(payload.user_agent().mcc(), "000");
  EXPECT_TRUE(payload.user_agent().has_manufacturer());
  EXPECT_FALSE(payload.user_agent().has_phone_id());
  EXPECT_EQ(payload.web_info().web_sub_platform(), pb::WebInfo::WEB_BROWSER);
  EXPECT_TRUE(payload.web_info().has_web_sub_platform());
}

TEST(ClientPayload, LoginNeedsANumberAndADevice) {
  EXPECT_FALSE(login_payload(profile(), node::Jid::pn("15550100001", 0), 0));
  EXPECT_FALSE(login_payload(profile(), node::Jid::pn("", 1), 0));
  EXPECT_FALSE(login_payload(profile(), node::Jid::pn("1555x", 1), 0));
  EXPECT_EQ(parsed(*login_payload(profile(), node::Jid::pn("15550100001", 1), 0xffffffff)).lc(),
            INT32_MAX);
}

}  // namespace
}  // namespace wab::session
