// The state behind World and the topics that work on it. For the files of the server only.
//
// One entry (a stanza, a tick, an admin call) runs to its end, fills the outbox, and then the
// outbox is flushed: so a Port is never called from the middle of a decision, and the log shows a
// stanza before the answers to it.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "tests/sandbox/groups.h"
#include "tests/sandbox/keys.h"
#include "tests/sandbox/rules.h"
#include "tests/sandbox/world.h"

namespace wab::sandbox {

struct Connection;

// A stanza that a device owes an acknowledgement for.
struct Queued {
  node::Node stanza;
  bool sent = false;  // on the connection that is open now
  bool offline = false;
  bool overdue = false;  // recorded as C1
  UnixMillis sent_at = 0;
};

// A message that was delivered to a device: what a receipt may speak about.
struct Delivered {
  DeviceJid sender;
  node::Jid from;  // as delivered: device of the sender, or the group
  std::string t;
  bool peer = false;
  int retries = 0;
};

// A message that a device sent, for idempotence and resends.
struct Sent {
  Bytes fingerprint;  // of the encrypted contents
  node::Node ack;     // the answer, given again
  node::Jid to;
  std::set<DeviceJid> asked_again;  // who sent a retry receipt for it
};

struct Device {
  DeviceJid jid;
  Account* account = nullptr;
  uint32_t key_index = 0;
  Bytes noise;            // static key of the companion's Noise
  Bytes device_identity;  // ADVSignedDeviceIdentity with account key and device signature
  KeyBundle keys;
  std::optional<int64_t> login_counter;
  bool removed = false;
  std::deque<Queued> queue;
  std::deque<node::Node> acknowledged;  // the last ones, for redelivery
  std::set<std::string> acked_ids;      // "class id": C3
  std::set<std::string> retried_ids;    // messages that it asked for again: an ack may follow
  Connection* connection = nullptr;
  UnixMillis last_open = 0;
  int opens_in_second = 0;
  bool terminated = false;  // told not to come back (A6)
  bool available = false;
  std::string push_name;
  std::set<std::string> watched;               // users (pn) whose presence it subscribed to
  std::map<std::string, uint64_t> dirty;       // type -> timestamp announced
  std::map<std::string, Delivered> delivered;  // "chat id": see delivered_key()
  std::map<std::string, Sent> sent;            // by id
  std::map<std::string, Bytes> counters;       // used counters -> hash of the message
};

struct Connection {
  enum class State { opening, registering, open, ended };
  ConnectionId id = 0;  // 0 for phones
  Port* port = nullptr;
  State state = State::opening;
  Device* device = nullptr;
  PendingRegistration registration;
  bool pair_device_answered = false;
  std::string pair_success_id;
  uint16_t pair_number = 0;
  Bytes pair_details;
  Bytes pair_signature;
  Account* pair_account = nullptr;
  std::optional<LinkCodeHello> hello;
  bool active = false;  // passive/active was asked
  // Backlog (offline_queue.cc).
  bool preview_sent = false;
  bool backlog_done = true;
  size_t backlog_total = 0;
  size_t batch_left = 0;
  struct Asked {
    std::string what;
    UnixMillis at = 0;
    UnixMillis deadline = 0;
  };
  std::map<std::string, Asked> asked;  // iqs of the server that wait for an answer
  UnixMillis last_frame = 0;
  UnixMillis last_ping = 0;  // by the server
  std::string name() const;
};

class Service {
 public:
  Service(Clock& clock, Random& random, Settings settings);

  // --- time, chance, identity
  UnixMillis now() const { return clock_.now_ms() + offset_; }
  UnixSeconds now_s() const { return now() / 1000; }
  std::string next_id();  // of stanzas that the server begins

  // --- judgement
  void violation(const char* rule, const Connection* connection, std::string text);
  void violation(const char* rule, const DeviceJid& device, ConnectionId connection,
                 std::string text);

  // --- speaking; nothing leaves before flush()
  void say(Connection& connection, node::Node stanza);
  void end(Connection& connection);
  void end_with(Connection& connection, node::Node last);
  void flush();
  // Queues for a device and delivers when it may: messages, receipts, notifications and calls stay
  // in the queue until they are acknowledged; everything else is said now or forgotten.
  void deliver(Device& device, node::Node stanza);

  // --- entries
  void arrive(Connection& connection, node::Node stanza);
  void tick();

  // --- people and devices
  Account& create_account(const std::string& pn, const std::string& push_name);
  Account* account_of(const node::Jid& jid);
  Device* device(const DeviceJid& jid);
  Device* device(const node::Jid& jid);                     // PN or LID, live devices only
  std::vector<Device*> devices_of(const Account& account);  // live, by number
  Device& add_device(Account& account, uint16_t number);
  void remove_device(Device& device);
  Connection* connection(ConnectionId id);
  void drop(Connection& connection);
  node::Jid jid_in(const Device& device, std::string_view server) const;
  node::Jid jid_in(const Account& account, std::string_view server) const;

  Clock& clock_;
  Random& random_;
  Settings settings_;
  UnixMillis offset_ = 0;
  PhoneHooks* hooks_ = nullptr;
  FaultPolicy no_faults_;
  FaultPolicy* faults_ = &no_faults_;
  World::StanzaObserver observer_;

  std::map<std::string, std::unique_ptr<Account>> accounts_;  // by pn
  std::map<std::string, Account*> by_lid_;
  std::map<std::string, Account*> by_push_name_;
  std::map<DeviceJid, std::unique_ptr<Device>> devices_;
  std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::map<DeviceJid, std::unique_ptr<Connection>> phones_;
  std::vector<std::unique_ptr<Connection>> graveyard_;  // until the end of the entry
  Groups groups_;
  std::set<Bytes> paired_noise_;   // Q6
  std::set<Bytes> routing_infos_;  // T3: blobs of edge routing that were issued
  std::map<std::string, std::map<std::string, std::string>> privacy_;  // by pn
  std::map<std::string, std::set<std::string>> blocked_;               // by pn
  std::map<std::pair<std::string, std::string>, Bytes>
      tokens_;  // (issuer pn, holder pn) -> tctoken
  std::map<std::pair<std::string, std::string>, std::vector<Bytes>> app_state_;  // (pn, collection)
  std::map<std::string, std::set<Account*>> acquainted_;  // pn -> who wrote to or was written by it
  std::vector<Violation> violations_;

 private:
  struct Outgoing {
    ConnectionId id = 0;
    DeviceJid phone;
    bool is_phone = false;
    std::optional<node::Node> stanza;  // nothing: end
    bool judged = false;               // the fault policy has spoken
    UnixMillis due = 0;
  };
  struct Incoming {
    ConnectionId id = 0;
    DeviceJid phone;
    bool is_phone = false;
    node::Node stanza;
    UnixMillis due = 0;
  };
  Connection* target(const Outgoing& out);
  Connection* source(const Incoming& in);
  void put_out(Outgoing out);
  void take_in(Connection& connection, node::Node stanza);
  void observe(Direction direction, const Connection& connection, const node::Node& stanza,
               const std::vector<Violation>& violations);
  void handle(Connection& connection, const node::Node& stanza);

  std::deque<Outgoing> outbox_;
  std::vector<Outgoing> late_out_;
  std::vector<Incoming> late_in_;
  std::map<std::string, Outgoing> held_out_;
  std::map<std::string, Incoming> held_in_;
  std::vector<Violation> current_;  // of the stanza that is being judged
  bool flushing_ = false;
  bool judging_ = false;  // a stanza is being judged: current_ goes with it
  uint64_t next_id_ = 1;
  uint64_t next_number_ = 1;

 public:
  ConnectionId next_connection_ = 1;
};

// --- Topics. Each takes a stanza that has passed the general rules. -----------------------------

// registration.cc
void begin_connection(Service&, Connection&, const Bytes& noise_static, const Bytes& payload);
void handle_unpaired(Service&, Connection&, const node::Node& stanza);
ScannedQr scan_qr(Service&, const std::string& text);
bool offer_pair_success(Service&, Connection&, Account&, const PairOffer&);
void tick_registration(Service&, Connection&);
// link_code.cc
void handle_link_code(Service&, Connection&, const node::Node& iq);
const LinkCodeHello* find_link_code(Service&, const std::string& pn);
bool send_primary_hello(Service&, const std::string& pn, const Bytes& wrapped,
                        const Bytes& identity);
// login.cc
void begin_login(Service&, Connection&, const Bytes& noise_static, const class Fields& payload);
node::Node failure(int reason);
node::Node stream_error(int code);
// iq_table.cc
void handle_iq(Service&, Connection&, const node::Node& iq);
node::Node iq_result(const node::Node& iq);
node::Node iq_error(const node::Node& iq, int code, std::string text);
void refuse(Service&, Connection&, const node::Node& iq, const char* rule, int code,
            std::string text);  // records and answers
// prekeys.cc
void handle_encrypt(Service&, Connection&, const node::Node& iq);
// usync.cc
void handle_usync(Service&, Connection&, const node::Node& iq);
// init_queries.cc: answers what a client asks on login and nobody tests in depth. False: unknown.
bool handle_small_query(Service&, Connection&, const node::Node& iq);
// app_state.cc
void handle_app_state(Service&, Connection&, const node::Node& iq);
// groups_iq.cc
void handle_group_iq(Service&, Connection&, const node::Node& iq);
// routing.cc
void handle_message(Service&, Connection&, const node::Node& message);
// fan_out.cc: under which key `Device::delivered` keeps what came from there.
std::string delivered_key(Service&, const node::Jid& from,
                          const std::optional<node::Jid>& participant, const std::string& id);
// receipts.cc
void handle_receipt(Service&, Connection&, const node::Node& receipt);
// acks.cc
void handle_ack(Service&, Connection&, const node::Node& ack);
// Takes what `stanza` acknowledges out of the queue. False: nothing fits.
bool settle(Service&, Device& device, std::string_view tag, const std::string& id,
            const node::Jid& from, const std::optional<node::Jid>& participant);
void tick_acks(Service&, Connection&);
// offline_queue.cc
void begin_backlog(Service&, Connection&);
void release_backlog(Service&, Connection&);
void handle_offline_batch(Service&, Connection&, const node::Node& batch);
bool is_kept(const node::Node& stanza);
// presence.cc
void handle_presence(Service&, Connection&, const node::Node& stanza);
void handle_chatstate(Service&, Connection&, const node::Node& stanza);
void handle_call(Service&, Connection&, const node::Node& stanza);
void handle_ib(Service&, Connection&, const node::Node& stanza);
void lose_presence(Service&, Device& device);
// notifications.cc
void notify_device_added(Service&, Device& device);
void notify_device_removed(Service&, Account& account, Device& device);

}  // namespace wab::sandbox
