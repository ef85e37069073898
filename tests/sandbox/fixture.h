// A World with phones that do nothing and companions that are driven by hand: for the tests of the
// rules.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/sandbox/world.h"

namespace wab::sandbox {

struct ManualClock final : Clock {
  UnixMillis at = 1'790'000'000'000;
  UnixMillis now_ms() const override { return at; }
  SteadyTime steady() const override { return SteadyTime(std::chrono::milliseconds(at)); }
};

struct SeededRandom final : Random {
  uint64_t state = 0x9E3779B97F4A7C15;
  void fill(MutableBytes out) override {
    for (uint8_t& byte : out) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      byte = static_cast<uint8_t>(state >> 32);
    }
  }
};

// Remembers what the server says.
struct Ear final : Port {
  std::vector<node::Node> heard;
  bool ended = false;
  void deliver(const node::Node& stanza) override { heard.push_back(stanza); }
  void end() override { ended = true; }
  // The newest stanza of this tag (and id), or an empty node.
  node::Node last(const std::string& tag, const std::string& id = {}) const;
  size_t count(const std::string& tag) const;
};

// A companion's keys and its connection.
struct Companion {
  signal::KeyPair noise;
  signal::KeyPair identity;
  signal::KeyPair signed_prekey;
  Bytes signed_prekey_signature;
  uint32_t registration_id = 4711;
  uint32_t next_prekey = 1;
  Bytes adv_secret;
  Account* account = nullptr;
  DeviceJid jid;
  Bytes device_identity;  // with account key and both signatures
  Ear ear;
  ConnectionId connection = 0;
};

class SandboxFixture {
 public:
  SandboxFixture();

  ManualClock clock;
  SeededRandom random;
  World world;

  // Steps of pairing; each may be bent by the test in between.
  Companion make_companion();
  Bytes registration_payload(const Companion& companion, const std::string& push_name);
  Bytes login_payload(const Companion& companion);
  void connect(Companion& companion, const Bytes& payload);
  std::string qr(const Companion& companion, const std::string& ref);
  PairOffer offer(Account& account, const Companion& companion, const Bytes& adv_secret);
  node::Node pair_device_sign(Companion& companion);
  // All of them. Logged in, prekeys uploaded, active.
  Companion& pair(const std::string& push_name);
  void login(Companion& companion);
  node::Node upload(Companion& companion, size_t count);

  void say(Companion& companion, node::Node stanza) {
    world.receive(companion.connection, std::move(stanza));
  }
  // Sends an iq and returns the answer.
  node::Node ask(Companion& companion, node::Node iq);
  // Well-formed Signal messages that nobody can decrypt: the server sees no more than the form.
  Bytes whisper();
  Bytes prekey_whisper(const Companion& from, uint32_t signed_id, std::optional<uint32_t> one_time);
  Bytes sender_key_message();
  // <to jid><enc/></to>, and a direct message over PN to the phone of `to` and the own phone.
  node::Node to_device(const node::Jid& jid, const char* type, const Bytes& bytes);
  node::Node direct(const Companion& from, const Account& to);
  void pass(std::chrono::milliseconds time);

  bool violated(const std::string& rule) const;
  std::string rules() const;  // all that were violated, for messages
  void forget() { seen_ = world.violations().size(); }
  std::string id() { return "t" + std::to_string(++next_id_); }

 private:
  std::vector<std::unique_ptr<Companion>> companions_;
  std::map<std::string, std::unique_ptr<Ear>> phones_;
  size_t seen_ = 0;
  int next_id_ = 0;
};

node::Node iq(const char* type, const char* xmlns, std::string id);

}  // namespace wab::sandbox
