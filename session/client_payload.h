// What a client tells about itself inside the handshake: registration or login (dossier 1
// section 3). Pure.
#pragma once

#include <optional>
#include <string>

#include "session/node/jid.h"
#include "storage/base/bytes.h"

namespace wab::session {

// Version of the web client; configuration, because WhatsApp refuses old ones with failure 405.
struct ClientVersion {
  uint32_t primary = 2;
  uint32_t secondary = 3000;
  uint32_t tertiary = 0;

  static std::optional<ClientVersion> parse(std::string_view text);  // "2.3000.1045649367"
  std::string text() const;
  auto operator<=>(const ClientVersion&) const = default;
};

// DeviceProps.PlatformType: which icon the phone shows in its list of linked devices.
enum class PlatformType : uint32_t {
  unknown = 0,
  chrome = 1,
  firefox = 2,
  ie = 3,
  opera = 4,
  safari = 5,
  edge = 6,
  desktop = 7,
  android_phone = 16,
  uwp = 21,
};

// How a device presents itself. Per deployment, some fields per tenant.
struct ClientProfile {
  ClientVersion version;
  std::string os_name = "Waslo Bridge";  // shown in the phone's list of linked devices
  PlatformType platform = PlatformType::chrome;
  std::string os_version = "0.1";
  std::string language = "en";
  std::string country = "US";
  bool full_history = false;  // the consistent "Windows" shape: a year of history on demand
  bool lid_migrated = true;   // dossier 1 section 3.5
  std::string push_name;      // "" leaves it out; the sandbox picks the virtual account by it

  // What is announced: full history belongs to the Windows shape alone. QR codes and pairing codes
  // must name the same one (client_type_of).
  PlatformType shown_platform() const { return full_history ? PlatformType::uwp : platform; }
};

struct RegistrationKeys {
  uint32_t registration_id = 0;
  Key32 identity_pub{};
  uint32_t signed_prekey_id = 1;  // 24 bits
  Key32 signed_prekey_pub{};
  ByteArray<64> signed_prekey_signature{};  // over 05 and the key
};

// MD5 of the version's text.
ByteArray<16> build_hash(std::string_view version_text);

// Serialized ClientPayload of an unpaired device.
Bytes registration_payload(const ClientProfile& profile, const RegistrationKeys& keys);
// Of a paired one; `login_counter` is the persisted count of successful logins before this one.
// Nothing when `own` is not a phone number with a device.
std::optional<Bytes> login_payload(const ClientProfile& profile, const node::Jid& own,
                                   uint32_t login_counter);

}  // namespace wab::session
