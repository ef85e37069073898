#include "session/node/jid.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace wab::node {
namespace {

constexpr size_t kMaxText = 255;
constexpr std::string_view kLegacyUserServer = "c.us";
constexpr std::array<std::string_view, 12> kServers = {
    kUserServer,       kLidServer,    kGroupServer,     kBroadcastServer,
    kNewsletterServer, kHostedServer, kHostedLidServer, "msgr",
    "interop",         "bot",         "call",           "c.us"};

// Decimal, no sign, no blanks.
template <class Int>
std::optional<Int> decimal(std::string_view text) {
  Int out = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return out;
}

bool is_user_char(char c) { return c > ' ' && c < 0x7f && c != '@' && c != ':' && c != '/'; }
bool is_server_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

}  // namespace

std::optional<Jid> Jid::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxText) return std::nullopt;
  const size_t at = text.find('@');
  if (at == std::string_view::npos) {
    // A bare word is an address only when it is a server that we know.
    if (!is_known_server(text)) return std::nullopt;
    return Jid{"", std::string(text == kLegacyUserServer ? kUserServer : text), 0};
  }
  std::string_view user = text.substr(0, at);
  std::string_view server = text.substr(at + 1);
  if (server.empty() || !std::all_of(server.begin(), server.end(), is_server_char)) {
    return std::nullopt;
  }
  if (server == kLegacyUserServer) server = kUserServer;

  uint16_t device = 0;
  if (const size_t colon = user.find(':'); colon != std::string_view::npos) {
    const auto number = decimal<uint16_t>(user.substr(colon + 1));
    if (!number) return std::nullopt;
    device = *number;
    user = user.substr(0, colon);
  }
  // The agent of the legacy form says nothing that these servers' names do not say.
  if (domain_byte(server)) {
    if (const size_t dot = user.find('.'); dot != std::string_view::npos) {
      if (!decimal<uint8_t>(user.substr(dot + 1))) return std::nullopt;
      user = user.substr(0, dot);
    }
  }
  if (user.empty() || !std::all_of(user.begin(), user.end(), is_user_char)) return std::nullopt;
  return Jid{std::string(user), std::string(server), device};
}

std::string Jid::text() const {
  if (user.empty()) return server;
  std::string out;
  out.reserve(user.size() + server.size() + 7);
  out += user;
  if (device != 0) out.append(":").append(std::to_string(device));
  out.append("@").append(server);
  return out;
}

std::string Jid::signal_name() const {
  const auto domain = domain_byte(server);
  return domain.value_or(0) == 0 ? user : user + "_" + std::to_string(*domain);
}

bool is_known_server(std::string_view server) {
  return std::find(kServers.begin(), kServers.end(), server) != kServers.end();
}

std::optional<uint8_t> domain_byte(std::string_view server) {
  if (server == kUserServer) return 0;
  if (server == kLidServer) return 1;
  if (server == kHostedServer) return 128;
  if (server == kHostedLidServer) return 129;
  return std::nullopt;
}

std::optional<std::string_view> server_of_domain(uint8_t domain) {
  if (domain == 0) return kUserServer;
  if (domain == 1) return kLidServer;
  if (domain == 129) return kHostedLidServer;
  // 128, and as the official decoder reads them the other even values with the top bit.
  if (domain >= 128 && domain % 2 == 0) return kHostedServer;
  return std::nullopt;
}

}  // namespace wab::node
