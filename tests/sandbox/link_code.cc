// Pairing by code: the server only relays between the companion and the phone of the number
// (dossier 1 sections 7 and 14.4, rules L1 to L6).
#include <algorithm>
#include <array>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

constexpr UnixMillis kCodeLives = 180'000;
constexpr std::array<std::string_view, 7> kBrowsers = {"Chrome", "Edge",   "Firefox", "IE",
                                                       "Opera",  "Safari", "Android"};
constexpr std::array<std::string_view, 5> kSystems = {"Windows", "Mac OS", "Linux", "Android",
                                                      "iOS"};

template <class Set>
bool in(const Set& set, std::string_view item) {
  return std::ranges::find(set, item) != set.end();
}

bool is_display(std::string_view text, std::string_view platform) {
  const size_t open = text.find(" (");
  if (open == std::string_view::npos || !text.ends_with(')')) return false;
  const std::string_view browser = text.substr(0, open);
  const std::string_view system = text.substr(open + 2, text.size() - open - 3);
  if (browser == "Android" && platform != "d" && platform != "e" && platform != "f") return false;
  return in(kBrowsers, browser) && in(kSystems, system);
}

Bytes content(const node::Node& parent, std::string_view tag) {
  const node::Node* child = parent.child(tag);
  return child == nullptr ? Bytes{} : to_bytes(child->content_bytes());
}

void hello(Service& service, Connection& connection, const node::Node& iq, const node::Node& reg) {
  const auto refused = [&](const char* why) { refuse(service, connection, iq, "L1", 400, why); };
  const auto jid = reg.jid("jid");
  if (!jid || !jid->is_pn() || jid->device != 0) return refused("jid is not a phone number");
  const std::string show = reg.attr("should_show_push_notification");
  if (show != "true" && show != "false") return refused("should_show_push_notification");
  LinkCodeHello out;
  out.wrapped_companion_ephemeral =
      content(reg, "link_code_pairing_wrapped_companion_ephemeral_pub");
  out.noise_pub = content(reg, "companion_server_auth_key_pub");
  out.platform_id = to_string(content(reg, "companion_platform_id"));
  out.platform_display = to_string(content(reg, "companion_platform_display"));
  const Bytes nonce = content(reg, "link_code_pairing_nonce");
  if (out.wrapped_companion_ephemeral.size() != 80) return refused("wrapped key is not 80 bytes");
  if (out.noise_pub != connection.registration.noise_pub) return refused("noise key differs");
  if (out.platform_id.size() != 1 ||
      std::string_view("123456789cdef").find(out.platform_id[0]) == std::string_view::npos) {
    return refused("companion_platform_id");
  }
  if (!is_display(out.platform_display, out.platform_id))
    return refused("companion_platform_display");
  // Baileys sends the character 0, and the real service takes it.
  if (nonce != Bytes{0} && nonce != Bytes{'0'}) return refused("link_code_pairing_nonce");

  if (connection.hello && service.now() - connection.hello->at < kCodeLives) {
    service.violation("L2", &connection, "a second companion_hello while a code is live");
  }
  Account& account = service.create_account(jid->user, "");
  out.connection = connection.id;
  out.pn = account.pn;
  out.ref = to_bytes(view("3@2:" + to_base64(service.random_.bytes(24))));
  out.at = service.now();
  connection.hello = out;
  node::Node answer("link_code_companion_reg");
  answer.set("stage", "companion_hello");
  answer.add(bytes_node("link_code_pairing_ref", out.ref));
  service.say(connection, iq_result(iq).add(std::move(answer)));
  if (service.hooks_ != nullptr) service.hooks_->on_link_code_hello(account, *connection.hello);
}

void finish(Service& service, Connection& connection, const node::Node& iq, const node::Node& reg) {
  const auto refused = [&](const char* why) { refuse(service, connection, iq, "L4", 400, why); };
  if (!connection.hello) return refused("no code is live");
  LinkCodeFinish out;
  out.connection = connection.id;
  out.pn = connection.hello->pn;
  out.ref = content(reg, "link_code_pairing_ref");
  out.wrapped_key_bundle = content(reg, "link_code_pairing_wrapped_key_bundle");
  out.companion_identity = content(reg, "companion_identity_public");
  const auto jid = reg.jid("jid");
  if (!jid || jid->user != out.pn) return refused("jid differs from companion_hello");
  if (out.ref != connection.hello->ref) return refused("ref differs");
  if (out.wrapped_key_bundle.size() != 156) return refused("bundle is not 156 bytes");
  if (out.companion_identity != connection.registration.identity_pub) {
    return refused("companion_identity_public differs from the registration");
  }
  Account* account = service.account_of(node::Jid::pn(out.pn));
  std::optional<PairOffer> offer;
  if (service.hooks_ != nullptr) offer = service.hooks_->on_link_code_finish(*account, out);
  if (!offer) return refused("bundle does not open");
  connection.hello.reset();
  service.say(connection, iq_result(iq));
  offer_pair_success(service, connection, *account, *offer);
}

}  // namespace

void handle_link_code(Service& service, Connection& connection, const node::Node& iq) {
  const node::Node* reg = iq.child("link_code_companion_reg");
  const std::string stage = reg == nullptr ? "" : reg->attr("stage");
  if (iq.attr("type") == "set" && stage == "companion_hello") {
    return hello(service, connection, iq, *reg);
  }
  if (iq.attr("type") == "set" && stage == "companion_finish") {
    return finish(service, connection, iq, *reg);
  }
  refuse(service, connection, iq, "L1", 400, "unknown stage");
}

const LinkCodeHello* find_link_code(Service& service, const std::string& pn) {
  const LinkCodeHello* newest = nullptr;
  for (const auto& [id, connection] : service.connections_) {
    const auto& hello = connection->hello;
    if (connection->state != Connection::State::registering || !hello || hello->pn != pn) continue;
    if (service.now() - hello->at > kCodeLives) continue;
    if (newest == nullptr || hello->at >= newest->at) newest = &*hello;
  }
  return newest;
}

bool send_primary_hello(Service& service, const std::string& pn, const Bytes& wrapped,
                        const Bytes& identity) {
  const LinkCodeHello* hello = find_link_code(service, pn);
  if (hello == nullptr) return false;
  Connection* connection = service.connection(hello->connection);
  node::Node reg("link_code_companion_reg");
  reg.set("stage", "primary_hello");
  reg.add(bytes_node("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped));
  reg.add(bytes_node("primary_identity_pub", identity));
  reg.add(bytes_node("link_code_pairing_ref", hello->ref));
  const std::string id = service.next_id();
  connection->asked[id] = {"notification", service.now(),
                           service.now() + service.settings_.ack_deadline.count() * 1000};
  node::Node note("notification");
  note.set("from", node::Jid::server_jid()).set("type", "link_code_companion_reg").set("id", id);
  note.set("t", std::to_string(service.now_s())).add(std::move(reg));
  service.say(*connection, std::move(note));
  return true;
}

}  // namespace wab::sandbox
