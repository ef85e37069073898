// Everything of session/signal that takes a stranger's bytes or stored ones: no input may crash,
// and a refused one must leave its record unchanged. The first byte chooses the reader.
#include <cstdlib>
#include <random>

#include "session/signal/padding.h"
#include "session/signal/ratchet.h"
#include "session/signal/sender_key.h"

namespace {

using namespace wab;          // NOLINT
using namespace wab::signal;  // NOLINT

class SeededRandom : public Random {
 public:
  void fill(MutableBytes out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_{1};
};

// Two devices in the middle of a conversation, made once.
struct World {
  SeededRandom random;
  Identity alice;
  Identity bob;
  KeyPair signed_prekey;
  KeyPair one_time;
  Bytes record;        // Bob's about Alice
  Bytes group_record;  // a member's

  World() {
    alice = Identity{KeyPair::generate(random), 1};
    bob = Identity{KeyPair::generate(random), 2};
    signed_prekey = KeyPair::generate(random);
    one_time = KeyPair::generate(random);
    PreKeyBundle bundle;
    bundle.identity = bob.identity.pub;
    bundle.signed_id = 1;
    bundle.signed_pub = signed_prekey.pub;
    bundle.signature = sign(bob.identity.priv, serialized(signed_prekey.pub), random);
    SessionRecord alices;
    SessionRecord bobs;
    if (!start_outgoing(alices, alice, bundle, random)) std::abort();
    const auto sent = encrypt(alices, alice, view("hello"));
    if (!decrypt_prekey_message(bobs, bob, sent->bytes, &signed_prekey, nullptr, random)) {
      std::abort();
    }
    record = bobs.to_bytes();
    SenderKeyRecord own;
    SenderKeyRecord member;
    ensure_own_sender_key(own, random);
    if (!process_distribution(member, *own_distribution(own))) std::abort();
    group_record = member.to_bytes();
  }
};

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  const ByteView in(data + 1, size - 1);
  switch (data[0] % 7) {
    case 0: {
      SessionRecord record = SessionRecord::from_bytes(world.record).value();
      if (!decrypt_message(record, world.bob, in, world.random)) {
        require(record.to_bytes() == world.record);
      }
      break;
    }
    case 1: {
      SessionRecord record = SessionRecord::from_bytes(world.record).value();
      (void)inspect_prekey_message(in);
      if (!decrypt_prekey_message(record, world.bob, in, &world.signed_prekey, &world.one_time,
                                  world.random)) {
        require(record.to_bytes() == world.record);
      }
      break;
    }
    case 2: {
      SenderKeyRecord record = SenderKeyRecord::from_bytes(world.group_record).value();
      (void)inspect_group_message(in);
      if (!group_decrypt(record, in)) require(record.to_bytes() == world.group_record);
      break;
    }
    case 3: {
      SenderKeyRecord record = SenderKeyRecord::from_bytes(world.group_record).value();
      if (!process_distribution(record, in)) require(record.to_bytes() == world.group_record);
      require(record.states.size() <= kMaxSenderKeyStates);
      break;
    }
    case 4: {
      // What opens is canonical and can be used.
      auto record = SessionRecord::from_bytes(in);
      if (!record) break;
      require(record->to_bytes() == to_bytes(in));
      (void)encrypt(*record, world.bob, view("x"));
      break;
    }
    case 5: {
      auto record = SenderKeyRecord::from_bytes(in);
      if (!record) break;
      require(record->to_bytes() == to_bytes(in));
      (void)group_encrypt(*record, view("x"), world.random);
      break;
    }
    case 6:
      (void)unpad(to_bytes(in));
      break;
  }
  return 0;
}
