#include "tests/sandbox/fixture.h"

#include <openssl/evp.h>

#include "session/signal/kdf.h"
#include "session/signal/messages.h"
#include "tests/sandbox/fields.h"
#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

constexpr uint32_t kBuild = 1'045'649'367;

void put_text(Bytes& to, uint32_t number, std::string_view text) {
  put_field(to, number, view(text));
}

void put_agent(Bytes& payload) {
  Bytes version;
  put_field(version, 1, 2);
  put_field(version, 2, 3000);
  put_field(version, 3, kBuild);
  Bytes agent;
  put_field(agent, 1, 14);
  put_field(agent, 2, version);
  put_text(agent, 3, "000");
  put_text(agent, 4, "000");
  put_text(agent, 11, "en");
  put_text(agent, 12, "US");
  put_field(payload, 5, agent);
  Bytes web;
  put_field(web, 4, 0);
  put_field(payload, 6, web);
}

}  // namespace

node::Node Ear::last(const std::string& tag, const std::string& id) const {
  for (auto it = heard.rbegin(); it != heard.rend(); ++it) {
    if (it->tag == tag && (id.empty() || it->attr("id") == id)) return *it;
  }
  return {};
}

size_t Ear::count(const std::string& tag) const {
  size_t out = 0;
  for (const node::Node& stanza : heard) out += stanza.tag == tag ? 1 : 0;
  return out;
}

node::Node iq(const char* type, const char* xmlns, std::string id) {
  node::Node out("iq");
  out.set("to", node::Jid::server_jid()).set("type", type).set("xmlns", xmlns);
  return std::move(out.set("id", std::move(id)));
}

SandboxFixture::SandboxFixture() : world(clock, random) {}

Companion SandboxFixture::make_companion() {
  Companion out;
  out.noise = signal::KeyPair::generate(random);
  out.identity = signal::KeyPair::generate(random);
  out.signed_prekey = signal::KeyPair::generate(random);
  out.signed_prekey_signature = to_bytes(
      ByteView(signal::sign(out.identity.priv, signal::serialized(out.signed_prekey.pub), random)));
  out.adv_secret = random.bytes(32);
  return out;
}

Bytes SandboxFixture::registration_payload(const Companion& companion,
                                           const std::string& push_name) {
  Bytes props;
  put_text(props, 1, "Test");
  put_field(props, 3, 1);
  Bytes data;
  put_field(data, 1, be32(companion.registration_id));
  put_field(data, 2, Bytes{0x05});
  put_field(data, 3, companion.identity.pub);
  put_field(data, 4, Bytes{0, 0, 1});
  put_field(data, 5, companion.signed_prekey.pub);
  put_field(data, 6, companion.signed_prekey_signature);
  const std::string build = "2.3000." + std::to_string(kBuild);
  Bytes hash(16);
  EVP_Digest(build.data(), build.size(), hash.data(), nullptr, EVP_md5(), nullptr);
  put_field(data, 7, hash);
  put_field(data, 8, props);
  Bytes payload;
  put_field(payload, 3, 0);
  put_agent(payload);
  if (!push_name.empty()) put_text(payload, 7, push_name);
  put_field(payload, 19, data);
  put_field(payload, 33, 0);
  return payload;
}

Bytes SandboxFixture::login_payload(const Companion& companion) {
  Bytes payload;
  put_field(payload, 1, std::stoull(companion.jid.pn));
  put_field(payload, 3, 1);
  put_agent(payload);
  put_field(payload, 18, companion.jid.device);
  put_field(payload, 33, 1);
  return payload;
}

void SandboxFixture::connect(Companion& companion, const Bytes& payload) {
  companion.ear.heard.clear();
  companion.ear.ended = false;
  companion.connection = world.open(companion.ear);
  world.begin(companion.connection, to_bytes(ByteView(companion.noise.pub)), payload);
}

std::string SandboxFixture::qr(const Companion& companion, const std::string& ref) {
  return "https://wa.me/settings/linked_devices#" + ref + "," + to_base64(companion.noise.pub) +
         "," + to_base64(companion.identity.pub) + "," + to_base64(companion.adv_secret) + ",1";
}

PairOffer SandboxFixture::offer(Account& account, const Companion& companion,
                                const Bytes& adv_secret) {
  Bytes details;
  put_field(details, 1, account.registration_id);
  put_field(details, 2, static_cast<uint64_t>(world.now_s()));
  put_field(details, 3, account.next_key_index++);
  static constexpr uint8_t kPrefix[] = {0x06, 0x00};
  const auto signature = signal::sign(
      account.identity.priv, concat({ByteView(kPrefix), details, companion.identity.pub}), random);
  Bytes identity;
  put_field(identity, 1, details);
  put_field(identity, 2, account.identity.pub);
  put_field(identity, 3, signature);
  Bytes container;
  put_field(container, 1, identity);
  put_field(container, 2, signal::hmac_sha256(adv_secret, identity));
  PairOffer out;
  out.device_identity = std::move(container);
  return out;
}

node::Node SandboxFixture::pair_device_sign(Companion& companion) {
  const node::Node request = companion.ear.last("iq");
  const node::Node* success = request.child("pair-success");
  const auto container = Fields::parse(success->child("device-identity")->content_bytes());
  const auto identity = container->message(1);
  const Bytes details = identity->copy(1);
  const Bytes account_key = identity->copy(2);
  static constexpr uint8_t kPrefix[] = {0x06, 0x01};
  const auto signature = signal::sign(
      companion.identity.priv,
      concat({ByteView(kPrefix), details, companion.identity.pub, account_key}), random);
  Bytes reply;
  put_field(reply, 1, details);
  put_field(reply, 3, identity->copy(3));
  put_field(reply, 4, signature);
  companion.device_identity.clear();
  put_field(companion.device_identity, 1, details);
  put_field(companion.device_identity, 2, account_key);
  put_field(companion.device_identity, 3, identity->copy(3));
  put_field(companion.device_identity, 4, signature);
  const auto jid = success->child("device")->jid("jid");
  companion.jid = {jid->user, jid->device};
  node::Node blob = bytes_node("device-identity", reply);
  blob.set("key-index", std::to_string(Fields::parse(details)->number(3).value_or(0)));
  node::Node sign("pair-device-sign");
  sign.add(std::move(blob));
  node::Node answer("iq");
  answer.set("to", node::Jid::server_jid()).set("type", "result").set("id", request.attr("id"));
  return std::move(answer.add(std::move(sign)));
}

node::Node SandboxFixture::upload(Companion& companion, size_t count) {
  node::Node list("list");
  for (size_t i = 0; i < count; ++i) {
    list.add(key_node({companion.next_prekey++, random.bytes(32)}));
  }
  node::Node request = iq("set", "encrypt", id());
  request.add(bytes_node("registration", be32(companion.registration_id)));
  request.add(bytes_node("type", Bytes{0x05}));
  request.add(bytes_node("identity", companion.identity.pub)).add(std::move(list));
  request.add(skey_node(
      {1, to_bytes(ByteView(companion.signed_prekey.pub)), companion.signed_prekey_signature}));
  return request;
}

void SandboxFixture::login(Companion& companion) {
  connect(companion, login_payload(companion));
  node::Node active = iq("set", "passive", id());
  ask(companion, std::move(active.add(node::Node("active"))));
}

Companion& SandboxFixture::pair(const std::string& push_name) {
  companions_.push_back(std::make_unique<Companion>(make_companion()));
  Companion& companion = *companions_.back();
  Account& account = world.account_for(push_name);
  if (!phones_.contains(account.pn)) {
    auto& phone = phones_[account.pn];
    phone = std::make_unique<Ear>();
    world.attach({account.pn, 0}, *phone);
  }
  companion.account = &account;
  connect(companion, registration_payload(companion, push_name));
  const node::Node offered = companion.ear.last("iq");
  node::Node result("iq");
  result.set("to", node::Jid::server_jid()).set("type", "result").set("id", offered.attr("id"));
  say(companion, std::move(result));
  const ScannedQr scanned =
      world.scan_qr(qr(companion, offered.child("pair-device")->child("ref")->content_text()));
  world.offer_pair_success(scanned.connection, *scanned.account,
                           offer(*scanned.account, companion, scanned.adv_secret));
  say(companion, pair_device_sign(companion));
  connect(companion, login_payload(companion));
  ask(companion, upload(companion, 20));
  node::Node active = iq("set", "passive", id());
  ask(companion, std::move(active.add(node::Node("active"))));
  return companion;
}

node::Node SandboxFixture::ask(Companion& companion, node::Node request) {
  const std::string name = request.attr("id");
  say(companion, std::move(request));
  return companion.ear.last("iq", name);
}

Bytes SandboxFixture::whisper() {
  signal::SignalMessage message;
  message.ratchet = signal::KeyPair::generate(random).pub;
  message.ciphertext = random.bytes(32);
  Bytes out = signal::write_signal_message(message);
  append(out, random.bytes(signal::kMacSize));
  return out;
}

Bytes SandboxFixture::prekey_whisper(const Companion& from, uint32_t signed_id,
                                     std::optional<uint32_t> one_time) {
  signal::PreKeySignalMessage message;
  message.one_time_id = one_time;
  message.base_key = signal::KeyPair::generate(random).pub;
  message.identity = from.identity.pub;
  message.message = whisper();
  message.registration_id = from.registration_id;
  message.signed_id = signed_id;
  return signal::write_prekey_message(message);
}

Bytes SandboxFixture::sender_key_message() {
  signal::SenderKeyMessage message;
  message.chain_id = 7;
  message.iteration = static_cast<uint32_t>(random.below(1'000'000));
  message.ciphertext = random.bytes(32);
  Bytes out = signal::write_sender_key_message(message);
  append(out, random.bytes(signal::kSignatureSize));
  return out;
}

node::Node SandboxFixture::to_device(const node::Jid& jid, const char* type, const Bytes& bytes) {
  node::Node enc = bytes_node("enc", bytes);
  enc.set("v", "2").set("type", type);
  node::Node to("to");
  return std::move(to.set("jid", jid).add(std::move(enc)));
}

node::Node SandboxFixture::direct(const Companion& from, const Account& to) {
  node::Node participants("participants");
  participants.add(to_device(node::Jid::pn(to.pn), "msg", whisper()));
  participants.add(to_device(node::Jid::pn(from.account->pn), "msg", whisper()));
  node::Node message("message");
  message.set("id", "3EB0" + id()).set("to", node::Jid::pn(to.pn)).set("type", "text");
  return std::move(message.add(std::move(participants)));
}

void SandboxFixture::pass(std::chrono::milliseconds time) {
  clock.at += time.count();
  world.tick();
}

bool SandboxFixture::violated(const std::string& rule) const {
  for (size_t i = seen_; i < world.violations().size(); ++i) {
    if (world.violations()[i].rule == rule) return true;
  }
  return false;
}

std::string SandboxFixture::rules() const {
  std::string out;
  for (size_t i = seen_; i < world.violations().size(); ++i) {
    out += world.violations()[i].rule + ": " + world.violations()[i].text + "\n";
  }
  return out;
}

}  // namespace wab::sandbox
