// Addresses: phone numbers, LIDs, their devices, groups, broadcasts (dossier 2 section 3).
//
// A Jid is a value. `device` is 0 for the primary phone and for everything without devices.
// Text forms: "user@server", "user:device@server", and the bare server for an empty user.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wab::node {

inline constexpr std::string_view kUserServer = "s.whatsapp.net";
inline constexpr std::string_view kLidServer = "lid";
inline constexpr std::string_view kGroupServer = "g.us";
inline constexpr std::string_view kBroadcastServer = "broadcast";
inline constexpr std::string_view kNewsletterServer = "newsletter";
inline constexpr std::string_view kHostedServer = "hosted";
inline constexpr std::string_view kHostedLidServer = "hosted.lid";

struct Jid {
  std::string user;
  std::string server;
  uint16_t device = 0;

  auto operator<=>(const Jid&) const = default;

  // Accepts the text forms above and the legacy "user.agent:device@server"; maps c.us to
  // s.whatsapp.net; std::nullopt for anything else or beyond 255 characters.
  static std::optional<Jid> parse(std::string_view text);
  static Jid server_jid() { return {"", std::string(kUserServer), 0}; }
  static Jid pn(std::string user, uint16_t device = 0) {
    return {std::move(user), std::string(kUserServer), device};
  }
  static Jid lid(std::string user, uint16_t device = 0) {
    return {std::move(user), std::string(kLidServer), device};
  }

  std::string text() const;
  Jid bare() const { return {user, server, 0}; }  // without device
  Jid with_device(uint16_t d) const { return {user, server, d}; }
  bool empty() const { return user.empty() && server.empty(); }
  bool is_server() const { return user.empty() && server == kUserServer; }
  bool is_pn() const { return server == kUserServer && !user.empty(); }
  bool is_lid() const { return server == kLidServer; }
  bool is_group() const { return server == kGroupServer; }
  bool is_broadcast() const { return server == kBroadcastServer; }  // status@broadcast included
  bool is_newsletter() const { return server == kNewsletterServer; }
  bool is_hosted() const { return server == kHostedServer || server == kHostedLidServer; }
  bool same_user(const Jid& other) const { return user == other.user && server == other.server; }
  // Name of the Signal address: the user, with "_1" for LID, "_128"/"_129" for hosted
  // (dossier 2 section 1.11).
  std::string signal_name() const;
};

// The servers that the codec knows (dossier 1 section 4.5).
bool is_known_server(std::string_view server);
// Domain byte of the four user servers in AD form, or nothing.
std::optional<uint8_t> domain_byte(std::string_view server);
std::optional<std::string_view> server_of_domain(uint8_t domain);

}  // namespace wab::node
