// The service itself: accounts, their devices, what is queued for them, and the rules by which
// everything that a device says is judged (dossier 1 section 14, dossier 2 section 13).
//
// Single-threaded and without sockets: connection.h feeds it frames, phone.h and admin.h drive it
// in process, tests call it directly. Time enters through now_ms() (a Clock plus a settable offset)
// and tick(), which the owner calls a few times per second. Answers leave through Port::deliver,
// never from inside another Port's deliver. All memory is lost at exit: a sandbox starts empty.
#pragma once

#include <chrono>
#include <compare>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "session/node/jid.h"
#include "session/node/node.h"
#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "tests/sandbox/port.h"

namespace wab::sandbox {

using ConnectionId = uint64_t;  // 0: none. Never reused.

// A device of an account. Device 0 is the virtual phone, 1.. are companions.
struct DeviceJid {
  std::string pn;  // digits of the account; empty: a connection that is not paired
  uint16_t device = 0;
  auto operator<=>(const DeviceJid&) const = default;
  node::Jid jid() const { return node::Jid::pn(pn, device); }
  std::string text() const { return jid().text(); }
};

// Something that the real service refuses. `rule` is an id of the dossiers ("S6", "C2") or one of
// the M rules of rules.h.
struct Violation {
  std::string rule;
  DeviceJid device;
  ConnectionId connection = 0;
  std::string text;  // what was wrong, in words
  UnixMillis at = 0;
};

enum class Direction { to_server, to_device };

// One stanza as it crossed the server; `node` lives for the call only.
struct StanzaEvent {
  UnixMillis at = 0;
  Direction direction = Direction::to_server;
  DeviceJid device;
  ConnectionId connection = 0;  // 0 for virtual phones
  // Never null. A violation that belongs to no stanza (silence, overdue acks, a frame that does not
  // decode) comes as <connection/>, towards the server.
  const node::Node* node = nullptr;
  const std::vector<Violation>* violations = nullptr;
};

// --- Pairing -----------------------------------------------------------------------------------

// A connection that registered and shows a QR code. Public keys are raw 32 bytes.
struct PendingRegistration {
  ConnectionId connection = 0;
  Bytes noise_pub;
  Bytes identity_pub;
  uint32_t registration_id = 0;
  uint32_t signed_prekey_id = 0;
  Bytes signed_prekey;
  Bytes signed_prekey_signature;
  std::string push_name;       // of the ClientPayload; decides the account, may be empty
  uint32_t platform_type = 0;  // DeviceProps.platformType
  std::string os;              // DeviceProps.os
  std::vector<std::string> refs;
  UnixMillis offered_at = 0;
  bool offered = false;  // pair-success is out, pair-device-sign is awaited
};

enum class ScanStatus { ok, unknown_ref, refused };

struct ScannedQr {
  ScanStatus status = ScanStatus::unknown_ref;
  std::string text;             // why not
  ConnectionId connection = 0;  // of the registration
  Account* account = nullptr;   // the account whose phone scans
  Bytes adv_secret;             // 32 bytes out of the QR
};

// What the phone says to let a companion in. `device_identity` is a serialized
// ADVSignedDeviceIdentityHMAC over ADVDeviceIdentity{rawID, timestamp, keyIndex}; take keyIndex
// from Account::next_key_index (and count it up). The server appoints the device number.
struct PairOffer {
  Bytes device_identity;
  std::string platform = "android";
  std::string business_name;  // adds <biz name>
  Bytes client_props;         // serialized ClientPairingProps, adds <client-props>
};

// Stage companion_hello of a pairing code, kept until used, superseded or 180 s old.
struct LinkCodeHello {
  ConnectionId connection = 0;
  std::string pn;
  Bytes ref;
  Bytes wrapped_companion_ephemeral;  // 80 bytes
  Bytes noise_pub;
  std::string platform_id;
  std::string platform_display;
  UnixMillis at = 0;
};

struct LinkCodeFinish {
  ConnectionId connection = 0;
  std::string pn;
  Bytes ref;
  Bytes wrapped_key_bundle;  // 156 bytes
  Bytes companion_identity;  // 32 bytes, equal to the registration's
};

// What virtual phones do when the server turns to them. Called from inside World; an implementation
// may call const methods and attach(), and posts everything else.
class PhoneHooks {
 public:
  virtual ~PhoneHooks() = default;
  // A new account: make its phone and attach it as device 0.
  virtual void on_account(Account&) {}
  // A companion exists since now (before it has logged in): share keys, send history.
  virtual void on_paired(Account&, uint16_t /*device*/) {}
  virtual void on_removed(Account&, uint16_t /*device*/) {}
  // A companion asks for a pairing code of this account's number.
  virtual void on_link_code_hello(Account&, const LinkCodeHello&) {}
  // companion_finish: open the bundle; nothing = it does not open (the client gets error 400, rule
  // L4); otherwise the server answers result and sends this pair-success.
  virtual std::optional<PairOffer> on_link_code_finish(Account&, const LinkCodeFinish&) {
    return std::nullopt;
  }
};

// --- Faults ------------------------------------------------------------------------------------

// What is to happen to one stanza. Applied in this order: end_with, cut, instead, drop, hold,
// delay, copies.
struct Fate {
  std::optional<node::Node> end_with;  // send this (stream:error, failure), then end the stream
  bool cut = false;                    // drop the connection without a word
  std::optional<node::Node> instead;   // replaces the stanza
  bool drop = false;
  bool hold = false;  // reorder: comes after the next stanza of the same direction and device
  std::chrono::milliseconds delay{0};
  int copies = 1;
};

// How the Noise handshake is to go wrong (rule N5).
enum class HandshakeFault {
  none,
  bad_leaf_signature,
  bad_intermediate_signature,
  bad_issuer_serial,
  leaf_key_differs,
  expired,
  not_yet_valid,
  missing_leaf,
  short_signature,
  short_static,
  no_answer,
  close_in_the_middle,
};

// Asked before each stanza and each frame. Defaults: nothing goes wrong.
class FaultPolicy {
 public:
  virtual ~FaultPolicy() = default;
  virtual Fate on_stanza(Direction, const DeviceJid&, const node::Node&) { return {}; }
  // `size` bytes are about to be written to or were read from the socket: how many pass before the
  // socket is cut; nothing = all of them and no cut. device.pn is empty before login.
  virtual std::optional<size_t> on_bytes(Direction, const DeviceJid&, size_t /*size*/) {
    return std::nullopt;
  }
  virtual HandshakeFault on_handshake() { return HandshakeFault::none; }
  // A <failure> to answer a good login with.
  virtual std::optional<node::Node> on_login(const DeviceJid&) { return std::nullopt; }
  // Accepted connections that are never answered (rule A4).
  virtual bool black_hole() { return false; }
  // Split and merge frames over WebSocket messages at random (rule N6).
  virtual bool shuffle_frames() { return false; }
};

// --- The service -------------------------------------------------------------------------------

struct Settings {
  uint32_t minimum_build = 1'000'000'000;  // ClientPayload appVersion {2, 3000, N}
  std::string media_host = "127.0.0.1:8443";
  size_t low_prekeys = 10;
  std::chrono::seconds keepalive{60};     // rule A2
  std::chrono::seconds ack_deadline{10};  // rule C1
  std::chrono::seconds first_ref{60};     // rule Q3
  std::chrono::seconds next_ref{20};
  bool require_token = false;  // rule M13: a new chat needs a privacy token
  bool server_pings = false;   // Baileys and whatsmeow do not answer them: rule A3 only on demand
};

// Companion as seen by the admin API.
struct DeviceInfo {
  DeviceJid jid;
  uint32_t key_index = 0;
  uint32_t registration_id = 0;
  Bytes identity_pub;
  size_t prekeys = 0;  // left on the server
  size_t queued = 0;   // stanzas not yet acknowledged
  bool connected = false;
  bool active = false;
};

class Service;  // service.h: state and topics, for the parts of the server only

class World {
 public:
  World(Clock& clock, Random& random, Settings settings = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void set_hooks(PhoneHooks* hooks);     // nullptr: none; must outlive the World
  void set_faults(FaultPolicy* faults);  // nullptr: none; must outlive the World
  FaultPolicy& faults();
  using StanzaObserver = std::function<void(const StanzaEvent&)>;
  void on_stanza(StanzaObserver observer);

  Settings& settings();
  UnixMillis now_ms() const;
  UnixSeconds now_s() const { return now_ms() / 1000; }
  void set_clock_offset(std::chrono::milliseconds offset);
  Random& random();
  // Deadlines: delayed stanzas, refs, acks, keepalive. At most one second apart, 100 ms is good.
  void tick();

  // Accounts. References stay valid. An empty push name always makes a fresh account.
  Account& account_for(const std::string& push_name);
  // pn empty: the next free number. A taken number answers the account that has it.
  Account& create_account(const std::string& pn, const std::string& push_name);
  Account* account_by_pn(const std::string& digits);
  Account* account_by_lid(const std::string& digits);
  Account* account_of(const node::Jid& jid);  // PN or LID, any device
  std::vector<Account*> accounts();
  std::vector<DeviceInfo> devices(const Account& account);

  // Virtual phones: a device that is connected while attached. Queued stanzas are delivered at
  // once.
  void attach(const DeviceJid& device, Port& port);
  void detach(const DeviceJid& device);
  // A stanza from an attached device.
  void submit(const DeviceJid& device, node::Node stanza);

  // Pairing.
  ScannedQr scan_qr(const std::string& text);
  const PendingRegistration* registration(ConnectionId connection);
  // The newest live companion_hello for this number.
  const LinkCodeHello* link_code(const std::string& pn);
  // Sends stage primary_hello to the companion that asked. False: no live code.
  bool send_primary_hello(const std::string& pn, const Bytes& wrapped_primary_ephemeral,
                          const Bytes& primary_identity_pub);
  // Sends pair-success. False: the connection is gone or was already offered one.
  bool offer_pair_success(ConnectionId connection, Account& account, const PairOffer& offer);
  // Unlinks a companion as its phone does: stream:error 401 device_removed. False: no such device.
  bool remove_device(const DeviceJid& device);

  // Anything the server itself wants to say to a device: queued until acknowledged when it is a
  // message, receipt, notification or call. `id` is set when missing. False: no such device.
  bool send(const DeviceJid& device, node::Node stanza);
  // Sends the last `count` acknowledged stanzas of the device again, marked offline. Returns how
  // many.
  size_t redeliver(const DeviceJid& device, size_t count);
  // Ends the connection of a device, with a last stanza if given.
  bool end(const DeviceJid& device, const std::optional<node::Node>& last);

  const std::vector<Violation>& violations() const;
  // For phones, which decrypt and so see more: rules M11, M22 and the like.
  void record(const std::string& rule, const DeviceJid& device, const std::string& text);

  // Connections (connection.h).
  ConnectionId open(Port& port);
  // The Noise handshake is done: judges the ClientPayload and answers pair-device, success or
  // failure.
  void begin(ConnectionId connection, const Bytes& noise_static, const Bytes& client_payload);
  void receive(ConnectionId connection, node::Node stanza);
  // The frame did not decode (B1), or another rule of the transport was broken: records, answers
  // and ends the stream.
  void malformed(ConnectionId connection, const std::string& rule, const std::string& text);
  void record(const std::string& rule, ConnectionId connection, const std::string& text);
  void closed(ConnectionId connection);
  bool issued_routing_info(const Bytes& blob);
  DeviceJid device_of(ConnectionId connection);

  Service& service() { return *service_; }

 private:
  std::unique_ptr<Service> service_;
};

}  // namespace wab::sandbox
