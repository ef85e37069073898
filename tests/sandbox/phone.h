// A virtual phone: device 0 of an account, with a Signal state of its own (dossier 2 sections 3 to
// 9 from the primary's side).
//
// A phone is a device to the World like any other: it learns device lists and keys by iq, encrypts
// to every device of both sides, and what reaches it was judged by the server before. It judges
// what only the receiver can see (dossier 2 section 13.7): decryption, padding, own copies,
// revocations. deliver() only queues; Phones::pump() does the work, on the sandbox's thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sandbox/phone_content.h"
#include "tests/sandbox/phone_crypto.h"
#include "tests/sandbox/world.h"

namespace wab::sandbox {

namespace rule {
// An own copy that is not wrapped in deviceSentMessage, one that names another chat, or a wrapper
// around what is no own copy.
inline constexpr const char* kDeviceSent = "M23";
}  // namespace rule

struct InboxMessage {
  uint64_t seq = 0;  // shared with receipts, grows by one
  std::string id;
  node::Jid chat;                    // bare, PN form when known
  node::Jid sender;                  // with device, PN form when known
  node::Jid wire_chat, wire_sender;  // the same as the stanza had them
  bool from_me = false;
  Understood content;
  Bytes message;  // serialized Message
  UnixSeconds timestamp = 0;
};

struct SeenReceipt {
  uint64_t seq = 0;
  std::string id;    // of the message
  std::string type;  // "delivery", "read", "retry", ...
  node::Jid from;    // device that sent it, PN form when known
  node::Jid chat;    // bare
  UnixSeconds t = 0;
};

// A message that this phone sent; kept for retries.
struct SentMessage {
  std::string id;
  node::Jid to;  // as asked for, then as addressed
  Bytes message;
  enum class State { queued, sent, acknowledged, failed } state = State::queued;
  std::string error;  // of failed
  UnixSeconds t = 0;
  bool peer = false;                   // to a companion of our own
  std::map<std::string, int> retries;  // requester -> how often
};

class Phones;

class Phone final : public Port {
 public:
  Phone(Phones& owner, World& world, Account& account);

  // Port. Queues.
  void deliver(const node::Node& stanza) override;

  Account& account() { return account_; }
  PhoneKeys& keys() { return keys_; }

  // `to` is a PN or LID without device, or a group. Returns the id at once; goes out when the
  // devices and their keys are known, in the order of the calls.
  std::string send(const node::Jid& to, Bytes message);
  // Tells the author of a received message that it was read or played. False: no such message.
  bool mark(const std::string& id, const std::string& type);
  // `done` gets the group's jid, or nothing when the server refused.
  using GroupDone = std::function<void(std::optional<node::Jid>)>;
  void create_group(const std::string& subject, const std::vector<node::Jid>& members,
                    GroupDone done);
  // Loses sessions and sender keys, as a phone does that was restored: others notice by retry.
  void lose_sessions();

  const std::deque<InboxMessage>& inbox() const { return inbox_; }
  const std::deque<SeenReceipt>& receipts() const { return receipts_; }
  const SentMessage* sent(const std::string& id) const;
  const InboxMessage* find_message(const std::string& id) const;
  uint64_t last_seq() const { return seq_; }
  // Nothing queued, asked or unacknowledged.
  bool idle() const;

  // For Phones.
  void begin();                     // the first prekeys go out with the next work()
  void on_paired(uint16_t device);  // shares what a new companion needs, once it has keys
  void on_removed(uint16_t device);
  void work();  // takes what was delivered
  void tick();

 private:
  struct Person {
    std::string pn, lid;  // users, either may be unknown
    bool fresh = false;   // `devices` can be used
    std::vector<uint16_t> devices;
  };
  struct Group {
    bool lid = true;
    std::vector<node::Jid> members;  // bare, in the group's form
  };
  using Answer = std::function<void(const node::Node* result)>;  // nullptr: refused or no answer
  struct Asked {
    node::Node iq;
    Answer done;
    UnixMillis deadline = 0;
    int tries = 1;
  };
  struct Unacknowledged {
    node::Node stanza;
    UnixMillis deadline = 0;
    int tries = 1;
  };
  // What the front of the send queue has asked for already.
  struct Front {
    bool group = false, keys = false;
    int devices = 0;  // how often
    std::set<std::string> without_keys;
    std::vector<node::Jid> stale;  // whose device lists are to be asked for before the next send
  };

  // phone.cc: stanzas in and out, who is who.
  void handle(const node::Node& stanza);
  void handle_notification(const node::Node& stanza);
  void handle_receipt(const node::Node& stanza);
  void handle_message_ack(const node::Node& ack);
  void submit(node::Node stanza);
  void ask(node::Node iq, Answer done);
  node::Node iq(const char* type, const char* xmlns, const node::Jid& to) const;
  void acknowledge(const node::Node& stanza, int error = 0);
  std::string new_id();
  std::string new_message_id();
  void upload_prekeys();
  bool is_me(const node::Jid& jid) const;
  Person& person(const node::Jid& jid);
  void learn(const std::optional<node::Jid>& one, const std::optional<node::Jid>& other);
  std::string address(const node::Jid& device);  // Signal address, LID when known
  node::Jid in_form(const node::Jid& jid, bool lid);
  node::Jid shown(const node::Jid& jid);  // PN when known
  node::Jid my_jid(bool lid) const;
  void report(const char* rule, const node::Jid& guilty, std::string text);

  // phone_send.cc
  void advance();
  bool step(SentMessage& message);  // false: waits for an answer
  bool prepare(SentMessage& message, std::vector<node::Jid>& users, bool& lid);
  bool collect(SentMessage& message, const std::vector<node::Jid>& users, bool lid,
               std::vector<node::Jid>& devices);
  bool fetch_keys(const std::vector<node::Jid>& devices);
  void send_direct(SentMessage& message, bool lid, const std::vector<node::Jid>& devices);
  void send_group(SentMessage& message, bool lid, const std::vector<node::Jid>& devices);
  std::optional<node::Node> encrypt_to(const node::Jid& device, ByteView plaintext);
  void dispatch(SentMessage& message, node::Node stanza);
  void refuse(SentMessage& message, std::string error);
  void ask_devices(const std::vector<node::Jid>& users);
  void ask_group(const node::Jid& group);
  void ask_keys(const std::vector<node::Jid>& devices, const char* reason,
                std::function<void()> done);
  SentMessage* find_sent(const std::string& id);

  // phone_receive.cc
  void receive(const node::Node& stanza);
  struct Arrived;
  bool open(const Arrived& arrived, const node::Node& enc);
  bool was_unreadable(const Arrived& arrived) const;
  void accept(const Arrived& arrived, const node::Node& enc, Bytes message);
  void check_identity(const Arrived& arrived, const Key32& identity);
  void send_receipt(const Arrived& arrived);
  void add_to_inbox(const Arrived& arrived, Bytes message);

  // phone_peer.cc: between the devices of one account
  void take_peer(const Arrived& arrived, ByteView message);
  // `again`: the id and the count of a message that could not be read.
  void send_peer(uint16_t device, Bytes message, std::string again = "", int count = 0);
  void share_app_state_key(uint16_t device);
  void welcome();

  // phone_retry.cc
  void ask_again(const Arrived& arrived, int reason);
  void handle_retry(const node::Node& receipt);
  void resend(const std::string& id, const node::Jid& to, const node::Jid& requester, int count);
  bool repair(const std::string& address, const node::Node& receipt, int count,
              const node::Jid& requester);

  Phones& owner_;
  World& world_;
  Account& account_;
  PhoneKeys keys_;
  DeviceJid me_;
  std::deque<node::Node> in_;
  uint64_t seq_ = 0;
  uint64_t next_id_ = 1;
  uint32_t id_prefix_ = 0;
  std::map<std::string, Asked> asked_;
  std::map<std::string, Unacknowledged> unacknowledged_;
  bool begun_ = false;
  bool uploading_ = false;

  std::vector<std::unique_ptr<Person>> people_;
  std::map<std::string, Person*> by_pn_;
  std::map<std::string, Person*> by_lid_;
  std::map<std::string, Group> groups_;

  std::map<std::string, SentMessage> sent_;
  std::deque<std::string> sent_order_;
  std::deque<std::string> to_send_;
  Front front_;
  bool advancing_ = false;

  std::deque<InboxMessage> inbox_;
  std::deque<SeenReceipt> receipts_;
  std::map<std::string, Bytes> seen_;  // "chat sender id" -> hash of the message
  std::deque<std::string> seen_order_;
  std::map<std::string, int> retry_counts_;  // of what we could not read
  std::map<std::string, Key32> retry_base_;  // "address id" -> base key at the second retry
  std::set<std::string> excused_;            // addresses whose sessions we lost on purpose
  std::set<uint16_t> unwelcomed_;            // companions that wait for their first keys
  Bytes app_state_key_id_, app_state_key_;
};

// All phones of a World, as its PhoneHooks. Make it before the first account, keep it until the
// World is gone.
class Phones final : public PhoneHooks {
 public:
  explicit Phones(World& world);
  ~Phones() override;

  // Called when there is something to do: arrange for pump() to run soon. Tests call pump() alone.
  void on_work(std::function<void()> wake) { wake_ = std::move(wake); }
  // Works until all phones are quiet. Not re-entrant: an inner call returns at once.
  void pump();
  // Repeats what was not answered. About once per second.
  void tick();

  Phone* find(const std::string& pn);
  Phone* find(const Account& account) { return find(account.pn); }

  // Pairing: the phone of the registration's account scans the code.
  struct Scan {
    ScanStatus status = ScanStatus::unknown_ref;
    std::string text;
    std::string pn;
  };
  Scan scan_qr(const std::string& text);
  // The phone `pn` enters a pairing code. A wrong code looks the same as a right one, as on a real
  // phone: the companion hears nothing more. Stretching blocks for 0.2 s.
  enum class CodeStatus { ok, malformed, no_phone, no_code };
  CodeStatus enter_code(const std::string& pn, const std::string& code);

  // PhoneHooks.
  void on_account(Account& account) override;
  void on_paired(Account& account, uint16_t device) override;
  void on_removed(Account& account, uint16_t device) override;
  std::optional<PairOffer> on_link_code_finish(Account& account,
                                               const LinkCodeFinish& finish) override;

  // For Phone.
  void ready(Phone& phone);
  World& world() { return world_; }

 private:
  struct CodeEntry;
  PairOffer offer(Account& account, const Key32& companion_identity, ByteView adv_secret);

  World& world_;
  std::function<void()> wake_;
  std::map<std::string, std::unique_ptr<Phone>> phones_;
  std::map<std::string, std::unique_ptr<CodeEntry>> codes_;  // by pn
  std::deque<Phone*> ready_;
  bool pumping_ = false;
};

}  // namespace wab::sandbox
