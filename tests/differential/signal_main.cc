// signal_peer: session/signal as a program, so that another implementation can talk to it.
//
// One JSON object per line on stdin, one answer per line on stdout. Bytes are hex; key pairs and
// records stay inside under names. Every record is stored and loaded again between two commands.
// A failure answers {"error": "signal.duplicate"}. Randomness is seeded: {"op": "seed"}.
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

#include "session/signal/ratchet.h"
#include "session/signal/sender_key.h"

namespace wab::signal {
namespace {

using Json = nlohmann::json;

class SeededRandom : public Random {
 public:
  void seed(uint64_t value) { engine_.seed(value); }
  void fill(MutableBytes out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

struct Device {
  Identity mine;
  KeyPair signed_prekey;
  std::map<uint32_t, KeyPair> one_time;
  std::map<std::string, Bytes> records;  // by peer
};

constexpr uint32_t kSignedId = 1;

Bytes bytes_of(const Json& command, const char* field) {
  const auto bytes = from_hex(command.at(field).get<std::string>());
  if (!bytes) throw std::invalid_argument(field);
  return *bytes;
}

template <size_t N>
ByteArray<N> array_of(const Json& command, const char* field) {
  const auto array = to_array<N>(bytes_of(command, field));
  if (!array) throw std::invalid_argument(field);
  return *array;
}

Key32 public_of(const Json& command, const char* field) {
  const auto key = parse_public(bytes_of(command, field));
  if (!key) throw std::invalid_argument(field);
  return *key;
}

Json error_of(const Error& error) {
  return {{"error", std::string(error.room()) + "." + error.name()}};
}

class Peer {
 public:
  Json answer(const Json& command) {
    const std::string op = command.at("op");
    if (op == "seed") return seed(command);
    if (op == "device") return device(command);
    if (op == "bundle") return bundle(command);
    if (op == "start") return start(command);
    if (op == "encrypt") return encrypt_for(command);
    if (op == "decrypt") return decrypt_from(command);
    if (op == "group_reset") return group_reset(command);
    if (op == "group_distribution") return group_distribution(command);
    if (op == "group_process") return group_process(command);
    if (op == "group_encrypt") return group_send(command);
    if (op == "group_decrypt") return group_receive(command);
    if (op == "sign") return sign_with(command);
    if (op == "verify") return verify_with(command);
    if (op == "agree") return agree_with(command);
    throw std::invalid_argument("op");
  }

 private:
  Json seed(const Json& command) {
    random_.seed(command.at("value"));
    devices_.clear();
    groups_.clear();
    return Json::object();
  }

  Json device(const Json& command) {
    Device made;
    made.mine.identity = KeyPair::generate(random_);
    made.mine.registration_id = command.at("registration");
    made.signed_prekey = KeyPair::generate(random_);
    const Json answer = {{"identity", to_hex(serialized(made.mine.identity.pub))}};
    devices_.insert_or_assign(command.at("name").get<std::string>(), std::move(made));
    return answer;
  }

  Device& device_of(const Json& command) { return devices_.at(command.at("name")); }

  Json bundle(const Json& command) {
    Device& device = device_of(command);
    const Bytes signed_pub = serialized(device.signed_prekey.pub);
    Json answer = {{"registration", device.mine.registration_id},
                   {"identity", to_hex(serialized(device.mine.identity.pub))},
                   {"signed_id", kSignedId},
                   {"signed", to_hex(signed_pub)},
                   {"signature", to_hex(sign(device.mine.identity.priv, signed_pub, random_))}};
    if (command.contains("one_time_id")) {
      const uint32_t id = command.at("one_time_id");
      const auto at = device.one_time.insert_or_assign(id, KeyPair::generate(random_)).first;
      answer["one_time_id"] = id;
      answer["one_time"] = to_hex(serialized(at->second.pub));
    }
    return answer;
  }

  static SessionRecord record_of(Device& device, const Json& command) {
    const auto at = device.records.find(command.at("peer"));
    if (at == device.records.end()) return {};
    return SessionRecord::from_bytes(at->second).value();
  }
  static void store(Device& device, const Json& command, const SessionRecord& record) {
    device.records[command.at("peer")] = record.to_bytes();
  }

  Json start(const Json& command) {
    Device& device = device_of(command);
    PreKeyBundle bundle;
    bundle.registration_id = command.at("registration");
    bundle.identity = public_of(command, "identity");
    bundle.signed_id = command.at("signed_id");
    bundle.signed_pub = public_of(command, "signed");
    bundle.signature = array_of<64>(command, "signature");
    if (command.contains("one_time")) {
      bundle.one_time.emplace(command.at("one_time_id"), public_of(command, "one_time"));
    }
    SessionRecord record = record_of(device, command);
    const auto done = start_outgoing(record, device.mine, bundle, random_);
    if (!done) return error_of(done.error());
    store(device, command, record);
    return Json::object();
  }

  Json encrypt_for(const Json& command) {
    Device& device = device_of(command);
    SessionRecord record = record_of(device, command);
    const auto sent = encrypt(record, device.mine, bytes_of(command, "data"));
    if (!sent) return error_of(sent.error());
    store(device, command, record);
    return {{"type", sent->prekey ? "pkmsg" : "msg"}, {"data", to_hex(sent->bytes)}};
  }

  Json decrypt_from(const Json& command) {
    Device& device = device_of(command);
    SessionRecord record = record_of(device, command);
    const Bytes data = bytes_of(command, "data");
    Json answer;
    if (command.at("type") == "pkmsg") {
      const auto needs = inspect_prekey_message(data);
      if (!needs) return error_of(needs.error());
      const auto one_time =
          needs->one_time_id ? device.one_time.find(*needs->one_time_id) : device.one_time.end();
      const auto got = decrypt_prekey_message(
          record, device.mine, data,
          needs->signed_id == kSignedId ? &device.signed_prekey : nullptr,
          one_time == device.one_time.end() ? nullptr : &one_time->second, random_);
      if (!got) return error_of(got.error());
      if (got->used_one_time) device.one_time.erase(*got->used_one_time);
      answer = {{"data", to_hex(got->plaintext)}, {"new_session", got->new_session}};
    } else {
      const auto got = decrypt_message(record, device.mine, data, random_);
      if (!got) return error_of(got.error());
      answer = {{"data", to_hex(*got)}};
    }
    store(device, command, record);
    return answer;
  }

  SenderKeyRecord group_of(const Json& command) {
    const auto at = groups_.find(command.at("name"));
    if (at == groups_.end()) return {};
    return SenderKeyRecord::from_bytes(at->second).value();
  }
  void store(const Json& command, const SenderKeyRecord& record) {
    groups_[command.at("name")] = record.to_bytes();
  }

  Json group_reset(const Json& command) {
    groups_.erase(command.at("name").get<std::string>());
    return Json::object();
  }

  Json group_distribution(const Json& command) {
    SenderKeyRecord record = group_of(command);
    const bool made = ensure_own_sender_key(record, random_);
    const auto distribution = own_distribution(record);
    if (!distribution) return error_of(distribution.error());
    store(command, record);
    return {{"data", to_hex(*distribution)}, {"made", made}};
  }

  Json group_process(const Json& command) {
    SenderKeyRecord record = group_of(command);
    const auto done = process_distribution(record, bytes_of(command, "data"));
    if (!done) return error_of(done.error());
    store(command, record);
    return Json::object();
  }

  Json group_send(const Json& command) {
    SenderKeyRecord record = group_of(command);
    const auto sent = group_encrypt(record, bytes_of(command, "data"), random_);
    if (!sent) return error_of(sent.error());
    store(command, record);
    return {{"data", to_hex(*sent)}};
  }

  Json group_receive(const Json& command) {
    SenderKeyRecord record = group_of(command);
    const auto got = group_decrypt(record, bytes_of(command, "data"));
    if (!got) return error_of(got.error());
    store(command, record);
    return {{"data", to_hex(*got)}};
  }

  Json sign_with(const Json& command) {
    const SecretKey32 priv(array_of<32>(command, "private"));
    return {{"public", to_hex(serialized(KeyPair::from_private(priv).pub))},
            {"signature", to_hex(sign(priv, bytes_of(command, "message"), random_))}};
  }

  static Json verify_with(const Json& command) {
    return {{"ok", verify(public_of(command, "public"), bytes_of(command, "message"),
                          bytes_of(command, "signature"))}};
  }

  static Json agree_with(const Json& command) {
    const SecretKey32 priv(array_of<32>(command, "private"));
    const auto shared = agree(priv, public_of(command, "public"));
    if (!shared) return error_of(shared.error());
    return {{"shared", to_hex(shared->reveal())}};
  }

  SeededRandom random_;
  std::map<std::string, Device> devices_;
  std::map<std::string, Bytes> groups_;
};

}  // namespace
}  // namespace wab::signal

int main() {
  wab::signal::Peer peer;
  std::string line;
  while (std::getline(std::cin, line)) {
    nlohmann::json answer;
    try {
      answer = peer.answer(nlohmann::json::parse(line));
    } catch (const std::exception& bad) {
      answer = {{"error", std::string("command: ") + bad.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}
