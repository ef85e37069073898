// One core of the protocol rooms: operations per second, as JSON on standard output.
//
//   engine_bench [--json FILE]
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>

#include "session/node/codec.h"
#include "session/signal/padding.h"
#include "session/signal/ratchet.h"
#include "session/signal/sender_key.h"

namespace {

using namespace wab;  // NOLINT
using Steady = std::chrono::steady_clock;

// Calls `work` for half a second, after a warm-up.
double per_second(const std::function<void()>& work) {
  for (int i = 0; i < 20; ++i) work();
  uint64_t calls = 0;
  const auto begin = Steady::now();
  double took = 0;
  while (took < 0.5) {
    for (int i = 0; i < 10; ++i) work();
    calls += 10;
    took = std::chrono::duration<double>(Steady::now() - begin).count();
  }
  return static_cast<double>(calls) / took;
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "engine_bench: %s\n", result.error().describe().c_str());
    std::exit(1);
  }
  return std::move(*result);
}

struct Pair {
  Random& random = system_random();
  signal::Identity alice{signal::KeyPair::generate(random), 1};
  signal::Identity bob{signal::KeyPair::generate(random), 2};
  signal::KeyPair signed_prekey = signal::KeyPair::generate(random);
  signal::PreKeyBundle bundle;
  signal::SessionRecord a, b;
  Bytes plain = signal::pad(Bytes(200, 'x'), random);

  Pair() {
    bundle.registration_id = 2;
    bundle.identity = bob.identity.pub;
    bundle.signed_id = 1;
    bundle.signed_pub = signed_prekey.pub;
    bundle.signature =
        signal::sign(bob.identity.priv, signal::serialized(signed_prekey.pub), random);
  }
  void start() {
    a = signal::SessionRecord();
    if (!signal::start_outgoing(a, alice, bundle, random)) std::exit(1);
  }
  void first() {
    start();
    b = signal::SessionRecord();
    const auto sent = must(signal::encrypt(a, alice, plain));
    (void)must(signal::decrypt_prekey_message(b, bob, sent.bytes, &signed_prekey, nullptr, random));
  }
  void answer() {
    const auto sent = must(signal::encrypt(b, bob, plain));
    (void)must(signal::decrypt_message(a, alice, sent.bytes, random));
  }
  void onward() {
    const auto sent = must(signal::encrypt(a, alice, plain));
    (void)must(signal::decrypt_message(b, bob, sent.bytes, random));
  }
};

node::Node stanza() {
  using node::Jid;
  node::Node enc("enc");
  enc.set("v", "2").set("type", "msg").bytes(Bytes(260, 7));
  node::Node out("message");
  out.set("id", "3EB0A1B2C3D4E5F60718").set("from", Jid::lid("100000000000001", 3));
  out.set("type", "text").set("t", "1795000000").set("notify", "Ana");
  out.set("sender_pn", Jid::pn("15550100002")).add(std::move(enc));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::string rows;
  const auto row = [&rows](const char* name, const std::function<void()>& work) {
    const double rate = per_second(work);
    std::printf("%-40s  %.0f\n", name, rate);
    rows += fmt::format("{}  \"{}\": {:.0f}", rows.empty() ? "" : ",\n", name, rate);
  };
  Pair pair;
  row("new_sessions_per_second", [&] { pair.first(); });
  pair.first();
  pair.answer();
  row("chain_messages_per_second", [&] { pair.onward(); });
  row("turns_of_the_ratchet_per_second", [&] {
    pair.answer();
    pair.onward();
  });
  row("session_records_per_second",
      [&] { (void)must(signal::SessionRecord::from_bytes(pair.a.to_bytes())); });
  signal::SenderKeyRecord ours, theirs;
  signal::ensure_own_sender_key(ours, pair.random);
  if (!signal::process_distribution(theirs, must(signal::own_distribution(ours)))) return 1;
  row("group_messages_per_second", [&] {
    (void)must(
        signal::group_decrypt(theirs, must(signal::group_encrypt(ours, pair.plain, pair.random))));
  });
  const node::Node message = stanza();
  row("stanzas_encoded_per_second", [&] { (void)must(node::encode(message)); });
  const Bytes frame = must(node::encode(message));
  row("stanzas_decoded_per_second", [&] { (void)must(node::decode(frame)); });
  if (argc == 3 && std::string_view(argv[1]) == "--json") {
    std::ofstream(argv[2]) << "{\n  \"bench\": \"engine\",\n" << rows << "\n}\n";
  }
  return 0;
}
