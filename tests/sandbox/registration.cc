// From ClientPayload to the forced reconnect: pair-device, scan, pair-success, pair-device-sign
// (dossier 1 sections 3.4, 6 and 14.4).
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <limits>

#include "tests/sandbox/fields.h"
#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

constexpr int kRefs = 6;
constexpr UnixMillis kAnswerPairDevice = 5'000;
constexpr UnixMillis kScanGrace = 20'000;

// Letters that a client of this DeviceProps.platformType may put into its QR code.
std::string letters_of(uint32_t platform_type) {
  switch (platform_type) {
    case 1:
      return "19";
    case 2:
      return "39";
    case 3:
      return "49";
    case 4:
      return "59";
    case 5:
      return "69";
    case 6:
      return "29";
    case 7:
      return "789c";
    case 9:
      return "9d1";
    case 16:
      return "9e1";
    case 17:
      return "9f1";
    case 21:
      return "89";
    default:
      return "123456789";
  }
}

void give_up(Service& service, Connection& connection, const char* rule, std::string why,
             int reason) {
  service.violation(rule, &connection, std::move(why));
  service.end_with(connection, failure(reason));
}

// P4. 0: good; otherwise the reason of the failure.
int judge_agent(Service& service, Connection& connection, const Fields& payload) {
  const auto agent = payload.message(5);
  const auto version = agent ? agent->message(2) : std::nullopt;
  const auto three_digits = [](const std::string& text) {
    return text.size() == 3 &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!agent || !version || agent->number(1).value_or(0) != 14 || !three_digits(agent->text(3)) ||
      !three_digits(agent->text(4)) || agent->text(11).size() != 2 || agent->text(12).size() != 2 ||
      version->number(1) != 2U || version->number(2) != 3000U) {
    service.violation("P4", &connection, "user agent is not that of a web client");
    return 409;
  }
  if (version->number(3).value_or(0) < service.settings_.minimum_build) {
    service.violation("P4", &connection, "client version is outdated");
    return 405;
  }
  if (agent->has(9)) service.violation("P6", &connection, "userAgent.phoneID is set");
  if (!payload.has(6)) service.violation("P5", &connection, "webInfo is missing");
  return 0;
}

// P2. Empty: good.
std::string judge_registration(const Fields& payload, const Fields& data,
                               PendingRegistration& out) {
  if (payload.number(3).value_or(0) != 0) return "passive is true";
  if (payload.number(33).value_or(0) != 0) return "pull is true";
  const Bytes id = data.copy(1);
  if (id.size() != 4) return "eRegid is not 4 bytes";
  out.registration_id = read_be32(id);
  if (out.registration_id == 0) return "eRegid is 0";
  if (data.copy(2) != Bytes{0x05}) return "eKeytype is not 05";
  out.identity_pub = data.copy(3);
  if (out.identity_pub.size() != 32) return "eIdent is not 32 bytes";
  const auto key_id = read_id(data.copy(4));
  if (!key_id) return "eSkeyID is not 3 bytes";
  out.signed_prekey_id = *key_id;
  out.signed_prekey = data.copy(5);
  out.signed_prekey_signature = data.copy(6);
  if (out.signed_prekey.size() != 32) return "eSkeyVal is not 32 bytes";
  if (out.signed_prekey_signature.size() != 64) return "eSkeySig is not 64 bytes";
  const SignedKey key{out.signed_prekey_id, out.signed_prekey, out.signed_prekey_signature};
  if (!signed_key_verifies(key, out.identity_pub)) return "eSkeySig does not verify";
  const auto agent = payload.message(5);
  const auto version = agent ? agent->message(2) : std::nullopt;
  const std::string build =
      "2.3000." + std::to_string(version ? version->number(3).value_or(0) : 0);
  Bytes hash(16);
  EVP_Digest(build.data(), build.size(), hash.data(), nullptr, EVP_md5(), nullptr);
  if (data.copy(7) != hash) return "buildHash is not the MD5 of the version";
  const auto props = data.message(8);
  if (!props || props->text(1).empty() || !props->has(3)) {
    return "deviceProps lacks os or platformType";
  }
  out.os = props->text(1);
  out.platform_type = static_cast<uint32_t>(props->number(3).value_or(0));
  return {};
}

void offer_refs(Service& service, Connection& connection) {
  PendingRegistration& registration = connection.registration;
  node::Node offer("pair-device");
  for (int i = 0; i < kRefs; ++i) {
    registration.refs.push_back("2@" + to_base64(service.random_.bytes(33)));
    offer.add(bytes_node("ref", view(registration.refs.back())));
  }
  registration.offered_at = service.now();
  const std::string id = service.next_id();
  connection.asked[id] = {"pair-device", service.now(), service.now() + kAnswerPairDevice};
  node::Node iq("iq");
  iq.set("from", node::Jid::server_jid()).set("type", "set").set("id", id).set("xmlns", "md");
  service.say(connection, std::move(iq.add(std::move(offer))));
}

// Q5. Empty: good, and `blob` is the whole device identity.
std::string judge_signature(const Connection& connection, const node::Node& iq, Bytes& blob) {
  if (iq.attr("type") != "result") return "answer to pair-success is " + iq.attr("type");
  const auto& children = iq.children();
  if (children.size() != 1 || children[0].tag != "pair-device-sign" ||
      children[0].children().size() != 1 || children[0].children()[0].tag != "device-identity") {
    return "pair-device-sign does not hold exactly one device-identity";
  }
  const node::Node& identity = children[0].children()[0];
  const auto fields = Fields::parse(identity.content_bytes());
  if (!fields) return "device-identity does not parse";
  const auto details = Fields::parse(connection.pair_details);
  const uint64_t index = details ? details->number(3).value_or(0) : 0;
  if (identity.attr("key-index") != std::to_string(index)) return "key-index is not the issued one";
  if (fields->has(2)) return "device-identity carries the account key";
  if (fields->copy(1) != connection.pair_details) return "details are not those that were issued";
  if (fields->copy(3) != connection.pair_signature) {
    return "account signature is not the one that was issued";
  }
  const auto own = to_array<32>(connection.registration.identity_pub);
  const ByteView account = connection.pair_account->identity.pub;
  static constexpr uint8_t kPrefix[] = {0x06, 0x01};
  const Bytes signature = fields->copy(4);
  if (!own || !signal::verify(*own,
                              concat({ByteView(kPrefix), connection.pair_details,
                                      connection.registration.identity_pub, account}),
                              signature)) {
    return "device signature does not verify";
  }
  put_field(blob, 1, connection.pair_details);
  put_field(blob, 2, account);
  put_field(blob, 3, connection.pair_signature);
  put_field(blob, 4, signature);
  return {};
}

void finish_pairing(Service& service, Connection& connection, const node::Node& iq) {
  Bytes blob;
  const std::string wrong = judge_signature(connection, iq, blob);
  if (!wrong.empty()) {
    service.violation("Q5", &connection, wrong);
    return service.end(connection);
  }
  const PendingRegistration& registration = connection.registration;
  const uint16_t number = connection.pair_number;
  Device& device = service.add_device(*connection.pair_account, number);
  const auto details = Fields::parse(connection.pair_details);
  device.key_index = static_cast<uint32_t>(details ? details->number(3).value_or(0) : 0);
  device.noise = registration.noise_pub;
  device.device_identity = std::move(blob);
  device.keys.registration_id = registration.registration_id;
  device.keys.identity = registration.identity_pub;
  device.keys.signed_key = {registration.signed_prekey_id, registration.signed_prekey,
                            registration.signed_prekey_signature};
  device.keys.signed_ids.insert(registration.signed_prekey_id);
  device.push_name = registration.push_name;
  service.paired_noise_.insert(registration.noise_pub);
  service.end_with(connection, stream_error(515));
  notify_device_added(service, device);
  if (service.hooks_ != nullptr) service.hooks_->on_paired(*connection.pair_account, number);
}

}  // namespace

void begin_connection(Service& service, Connection& connection, const Bytes& noise_static,
                      const Bytes& payload) {
  const auto fields = Fields::parse(payload);
  if (!fields) return give_up(service, connection, "N2", "ClientPayload does not parse", 400);
  const auto data = fields->message(19);
  const bool login = fields->has(1) || fields->has(18);
  if (fields->has(19) == login || (login && (!fields->has(1) || !fields->has(18)))) {
    return give_up(service, connection, "P1",
                   "payload is neither a registration nor a login with username and device", 400);
  }
  if (const int reason = judge_agent(service, connection, *fields)) {
    return service.end_with(connection, failure(reason));
  }
  if (login) return begin_login(service, connection, noise_static, *fields);

  PendingRegistration& registration = connection.registration;
  const std::string wrong =
      data ? judge_registration(*fields, *data, registration) : "registration data does not parse";
  if (!wrong.empty()) return give_up(service, connection, "P2", wrong, 400);
  if (service.paired_noise_.contains(noise_static)) {
    return give_up(service, connection, "Q6", "this Noise key belongs to a paired device", 400);
  }
  registration.connection = connection.id;
  registration.noise_pub = noise_static;
  registration.push_name = fields->text(7);
  connection.state = Connection::State::registering;
  offer_refs(service, connection);
}

void handle_unpaired(Service& service, Connection& connection, const node::Node& stanza) {
  if (stanza.tag == "ib" || stanza.tag == "presence") return;  // telemetry before a login
  if (stanza.tag == "ack") return handle_ack(service, connection, stanza);
  const std::string type = stanza.attr("type");
  const std::string id = stanza.attr("id");
  if (stanza.tag != "iq" || id.empty()) {
    return service.violation("I1", &connection, "<" + stanza.tag + "> before pairing");
  }
  if (type == "result" || type == "error") {
    if (!connection.pair_success_id.empty() && id == connection.pair_success_id) {
      connection.pair_success_id.clear();
      if (type == "error") return service.end(connection);  // the client's right: fault tests
      return finish_pairing(service, connection, stanza);
    }
    const auto asked = connection.asked.find(id);
    if (asked == connection.asked.end()) {
      return service.violation("I2", &connection, "answer to nothing: " + id);
    }
    const auto to = stanza.jid("to");
    if (asked->second.what == "pair-device" && (type != "result" || !to || !to->is_server())) {
      service.violation("Q1", &connection, "pair-device is not answered by a result to the server");
      service.end(connection);
    }
    connection.asked.erase(asked);
    return;
  }
  if (stanza.attr("xmlns") == "w:p") {
    return service.say(connection, iq_result(stanza).set("t", std::to_string(service.now_s())));
  }
  if (stanza.attr("xmlns") == "md" && stanza.child("link_code_companion_reg") != nullptr) {
    return handle_link_code(service, connection, stanza);
  }
  refuse(service, connection, stanza, "S4", 400, "not before pairing");
}

ScannedQr scan_qr(Service& service, const std::string& text) {
  ScannedQr out;
  std::string body = text;
  while (!body.empty() && (body.back() == '\n' || body.back() == '\r' || body.back() == ' ')) {
    body.pop_back();
  }
  if (const size_t hash = body.find('#'); hash != std::string::npos) body.erase(0, hash + 1);
  std::vector<std::string> parts(1);
  for (const char c : body) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  Connection* connection = nullptr;
  size_t index = 0;
  for (const auto& [id, candidate] : service.connections_) {
    const auto& refs = candidate->registration.refs;
    const auto found = std::ranges::find(refs, parts[0]);
    if (candidate->state != Connection::State::registering || found == refs.end()) continue;
    connection = candidate.get();
    index = static_cast<size_t>(found - refs.begin());
  }
  if (connection == nullptr || connection->registration.offered) {
    out.text = "unknown or used ref";
    return out;
  }
  PendingRegistration& registration = connection->registration;
  const UnixMillis lives =
      (service.settings_.first_ref + service.settings_.next_ref * static_cast<int>(index)).count() *
          1000 +
      kScanGrace;
  if (service.now() - registration.offered_at > lives) {
    out.text = "expired ref";
    return out;
  }
  const auto refused = [&](const char* why) {
    service.violation("Q2", connection, why);
    out.status = ScanStatus::refused;
    out.text = why;
    return out;
  };
  if (parts.size() < 5 || std::ranges::any_of(parts.begin(), parts.begin() + 5,
                                              [](const auto& part) { return part.empty(); })) {
    return refused("QR code does not have 5 parts");
  }
  const auto noise = from_base64(parts[1]);
  const auto identity = from_base64(parts[2]);
  const auto secret = from_base64(parts[3]);
  if (!noise || *noise != registration.noise_pub) return refused("QR code: noise key differs");
  if (!identity || *identity != registration.identity_pub) {
    return refused("QR code: identity key differs");
  }
  if (!secret || secret->size() != 32) return refused("QR code: adv secret is not 32 bytes");
  if (parts[4].size() != 1 ||
      letters_of(registration.platform_type).find(parts[4][0]) == std::string::npos) {
    return refused("QR code: client type does not fit the registration");
  }
  if (!registration.push_name.empty() && service.by_push_name_.contains(registration.push_name)) {
    out.account = service.by_push_name_.at(registration.push_name);
  } else {
    out.account = &service.create_account("", registration.push_name);
  }
  out.status = ScanStatus::ok;
  out.connection = connection->id;
  out.adv_secret = *secret;
  return out;
}

bool offer_pair_success(Service& service, Connection& connection, Account& account,
                        const PairOffer& offer) {
  if (connection.state != Connection::State::registering || connection.registration.offered) {
    return false;
  }
  connection.registration.offered = true;
  connection.pair_account = &account;
  if (const auto container = Fields::parse(offer.device_identity)) {
    if (const auto identity = container->message(1)) {
      connection.pair_details = identity->copy(1);
      connection.pair_signature = identity->copy(3);
    }
  }
  connection.pair_success_id = service.next_id();
  const auto number = static_cast<uint16_t>(account.next_device++);
  connection.pair_number = number;
  node::Node success("pair-success");
  success.add(bytes_node("device-identity", offer.device_identity));
  success.add(node::Node("device")
                  .set("jid", node::Jid::pn(account.pn, number))
                  .set("lid", node::Jid::lid(account.lid, number)));
  success.add(node::Node("platform").set("name", offer.platform));
  if (!offer.business_name.empty()) success.add(node::Node("biz").set("name", offer.business_name));
  if (!offer.client_props.empty()) success.add(bytes_node("client-props", offer.client_props));
  node::Node iq("iq");
  iq.set("from", node::Jid::server_jid()).set("type", "set").set("id", connection.pair_success_id);
  iq.set("t", std::to_string(service.now_s())).set("xmlns", "md").add(std::move(success));
  service.say(connection, std::move(iq));
  return true;
}

void tick_registration(Service& service, Connection& connection) {
  if (connection.state != Connection::State::registering) return;
  const UnixMillis at = service.now();
  for (auto& [id, asked] : connection.asked) {
    if (at <= asked.deadline) continue;
    if (asked.what == "pair-device") {
      service.violation("Q1", &connection, "pair-device was not answered within 5 s");
      return service.end(connection);
    }
    service.violation("C1", &connection, "no answer to notification " + id);
    asked.deadline = std::numeric_limits<UnixMillis>::max();
  }
  const Settings& settings = service.settings_;
  const auto total = settings.first_ref + settings.next_ref * (kRefs - 1);
  if (!connection.registration.offered &&
      at - connection.registration.offered_at > total.count() * 1000 + 2'000) {
    service.end(connection);  // Q3: the refs ran out
  }
}

}  // namespace wab::sandbox
