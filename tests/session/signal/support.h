// What the Signal tests share: seeded randomness, fixed keys, two devices that talk.
#pragma once

#include <random>
#include <string>

#include "session/signal/ratchet.h"

namespace wab::signal::test {

class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  void fill(MutableBytes out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

// The same byte for ever: for published vectors.
class ConstantRandom : public Random {
 public:
  explicit ConstantRandom(uint8_t value) : value_(value) {}
  void fill(MutableBytes out) override { std::fill(out.begin(), out.end(), value_); }

 private:
  uint8_t value_;
};

inline SecretKey32 repeated(uint8_t value) {
  ByteArray<32> bytes;
  bytes.fill(value);
  return SecretKey32(bytes);
}
inline KeyPair pair_of(uint8_t value) { return KeyPair::from_private(repeated(value)); }
inline Bytes hex(std::string_view text) { return from_hex(text).value(); }
// first, first + 1, ...
inline Bytes counting(uint8_t first, size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(first + i);
  return out;
}

// A device with its prekeys and its record about one peer.
struct Device {
  Identity mine;
  KeyPair signed_prekey;
  KeyPair one_time;
  uint32_t signed_id = 7;
  uint32_t one_time_id = 42;
  bool has_one_time = true;
  SessionRecord record;

  Device(Random& random, uint32_t registration_id) {
    mine.identity = KeyPair::generate(random);
    mine.registration_id = registration_id;
    signed_prekey = KeyPair::generate(random);
    one_time = KeyPair::generate(random);
  }

  PreKeyBundle bundle(Random& random, bool with_one_time = true) const {
    PreKeyBundle out;
    out.registration_id = mine.registration_id;
    out.identity = mine.identity.pub;
    out.signed_id = signed_id;
    out.signed_pub = signed_prekey.pub;
    out.signature = sign(mine.identity.priv, serialized(signed_prekey.pub), random);
    if (with_one_time) out.one_time.emplace(one_time_id, one_time.pub);
    return out;
  }

  Result<Encrypted> send(std::string_view plaintext) {
    return encrypt(record, mine, view(plaintext));
  }

  // The way a session handles an enc node: the used one-time prekey is gone afterwards.
  Result<Bytes> receive(const Encrypted& message, Random& random) {
    if (!message.prekey) return decrypt_message(record, mine, message.bytes, random);
    TRY(const PreKeyNeeds needs, inspect_prekey_message(message.bytes));
    const bool known = needs.one_time_id == one_time_id && has_one_time;
    TRY(auto done, decrypt_prekey_message(record, mine, message.bytes,
                                          needs.signed_id == signed_id ? &signed_prekey : nullptr,
                                          known ? &one_time : nullptr, random));
    if (done.used_one_time == one_time_id) has_one_time = false;
    return std::move(done.plaintext);
  }

  // As after a restart.
  void reload() { record = SessionRecord::from_bytes(record.to_bytes()).value(); }
};

}  // namespace wab::signal::test
