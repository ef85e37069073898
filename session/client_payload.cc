#include "session/client_payload.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "session/proto/client_payload.pb.h"

namespace wab::session {
namespace {

// Shared by registration and login: who we are.
pb::ClientPayload common(const ClientProfile& profile) {
  pb::ClientPayload out;
  auto& agent = *out.mutable_user_agent();
  agent.set_platform(pb::UserAgent::WEB);
  auto& version = *agent.mutable_app_version();
  version.set_primary(profile.version.primary);
  version.set_secondary(profile.version.secondary);
  version.set_tertiary(profile.version.tertiary);
  agent.set_mcc("000");
  agent.set_mnc("000");
  agent.set_os_version(profile.os_version);
  agent.set_manufacturer("");
  agent.set_device("Desktop");
  agent.set_os_build_number(profile.os_version);
  agent.set_release_channel(pb::UserAgent::RELEASE);
  agent.set_locale_language(profile.language);
  agent.set_locale_country(profile.country);
  out.mutable_web_info()->set_web_sub_platform(pb::WebInfo::WEB_BROWSER);
  out.set_connect_type(pb::ClientPayload::WIFI_UNKNOWN);
  out.set_connect_reason(pb::ClientPayload::USER_ACTIVATED);
  if (!profile.push_name.empty()) out.set_push_name(profile.push_name);
  return out;
}

// Dossier 1 section 3.4: the browser shape, or all fields of the Windows shape together.
pb::DeviceProps device_props(const ClientProfile& profile) {
  pb::DeviceProps out;
  out.set_os(profile.os_name);
  auto& version = *out.mutable_version();
  version.set_primary(0);
  version.set_secondary(1);
  version.set_tertiary(0);
  out.set_platform_type(static_cast<pb::DeviceProps::PlatformType>(profile.shown_platform()));
  out.set_require_full_sync(profile.full_history);
  auto& history = *out.mutable_history_sync_config();
  history.set_storage_quota_mb(10240);
  history.set_inline_initial_payload_in_e2ee_msg(true);
  history.set_support_call_log_history(true);
  history.set_support_bot_user_agent_chat_history(true);
  history.set_support_cag_reactions_and_polls(true);
  history.set_support_biz_hosted_msg(true);
  history.set_support_recent_sync_chunk_message_count_tuning(true);
  history.set_support_hosted_group_msg(true);
  history.set_support_fbid_bot_chat_history(true);
  history.set_support_message_association(true);
  history.set_support_group_history(true);
  history.set_thumbnail_sync_days_limit(60);
  history.set_support_manus_history(true);
  history.set_support_hatch_history(true);
  if (profile.full_history) {
    history.set_full_sync_days_limit(365);
    history.set_on_demand_ready(true);
    history.set_complete_on_demand_ready(true);
  }
  return out;
}

}  // namespace

std::optional<ClientVersion> ClientVersion::parse(std::string_view text) {
  ClientVersion out;
  const char* at = text.data();
  const char* const end = at + text.size();
  uint32_t* const parts[] = {&out.primary, &out.secondary, &out.tertiary};
  for (size_t i = 0; i < 3; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, *parts[i]);
    if (error != std::errc() || next == at) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return out;
}

std::string ClientVersion::text() const {
  return std::to_string(primary) + "." + std::to_string(secondary) + "." + std::to_string(tertiary);
}

ByteArray<16> build_hash(std::string_view version_text) {
  ByteArray<16> out{};
  unsigned int size = 0;
  EVP_Digest(version_text.data(), version_text.size(), out.data(), &size, EVP_md5(), nullptr);
  return out;
}

Bytes registration_payload(const ClientProfile& profile, const RegistrationKeys& keys) {
  pb::ClientPayload out = common(profile);
  out.set_passive(false);
  out.set_pull(false);
  auto& data = *out.mutable_device_pairing_data();
  data.set_e_regid(to_string(be32(keys.registration_id)));
  data.set_e_keytype("\x05");
  data.set_e_ident(to_string(keys.identity_pub));
  const ByteArray<4> prekey_id = be32(keys.signed_prekey_id);
  data.set_e_skey_id(to_string(ByteView(prekey_id).subspan(1)));
  data.set_e_skey_val(to_string(keys.signed_prekey_pub));
  data.set_e_skey_sig(to_string(keys.signed_prekey_signature));
  data.set_build_hash(to_string(build_hash(profile.version.text())));
  data.set_device_props(device_props(profile).SerializeAsString());
  return to_bytes(out.SerializeAsString());
}

std::optional<Bytes> login_payload(const ClientProfile& profile, const node::Jid& own,
                                   uint32_t login_counter) {
  uint64_t username = 0;
  const char* const end = own.user.data() + own.user.size();
  const auto [next, error] = std::from_chars(own.user.data(), end, username);
  if (error != std::errc() || next != end || own.user.empty() || own.device == 0) {
    return std::nullopt;
  }
  pb::ClientPayload out = common(profile);
  // The push name picks the account at registration only.
  out.clear_push_name();
  out.set_username(username);
  out.set_device(own.device);
  out.set_passive(true);
  out.set_pull(true);
  out.set_lid_db_migrated(profile.lid_migrated);
  constexpr uint32_t kLargest = INT32_MAX;
  out.set_lc(static_cast<int32_t>(std::min(login_counter, kLargest)));
  return to_bytes(out.SerializeAsString());
}

}  // namespace wab::session
