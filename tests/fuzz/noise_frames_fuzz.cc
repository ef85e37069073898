// What a stranger can send before the first stanza: intro, frames in any split, handshake messages
// to either side, certificate chains. The first byte chooses the reader.
#include <cstdlib>

#include "session/noise/handshake.h"
#include "session/noise/transport.h"

namespace {

using namespace wab;         // NOLINT
using namespace wab::noise;  // NOLINT

signal::KeyPair pair_of(uint8_t byte) {
  Key32 raw;
  raw.fill(byte);
  return signal::KeyPair::from_private(SecretKey32(raw));
}

struct Keys {
  signal::KeyPair client_ephemeral = pair_of(0x11);
  signal::KeyPair client_static = pair_of(0x22);
  signal::KeyPair server_ephemeral = pair_of(0x33);
  signal::KeyPair server_static = pair_of(0x44);
};

void require(bool holds) {
  if (!holds) std::abort();
}

ClientHandshake client(const Keys& keys, bool ik) {
  return ClientHandshake(ik ? Mode::ik : Mode::xx, keys.client_ephemeral.clone(),
                         keys.client_static.clone(),
                         ik ? std::optional(keys.server_static.pub) : std::nullopt);
}

ServerHandshake server(const Keys& keys, bool accept_ik, ByteView chain) {
  ServerHandshake::Options options;
  options.static_keys = keys.server_static.clone();
  options.ephemeral = keys.server_ephemeral.clone();
  options.chain = to_bytes(chain);
  options.accept_ik = accept_ik;
  return ServerHandshake(std::move(options));
}

// The same stream in pieces and in one read must give the same frames.
void frames(ByteView stream, size_t piece) {
  const auto read = [](ByteView all, size_t step) {
    FrameReader reader(4096);
    std::vector<Bytes> out;
    for (size_t at = 0; at < all.size(); at += step) {
      ByteView input = all.subspan(at, std::min(step, all.size() - at));
      for (;;) {
        auto got = reader.take(input);
        if (!got) return out;
        if (!*got) break;
        out.push_back(std::move(**got));
      }
      require(input.empty());
      require(reader.buffered() <= 3 + 4096);
    }
    return out;
  };
  require(read(stream, std::max<size_t>(piece, 1)) == read(stream, stream.size() + 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Keys keys;
  if (size < 2) return 0;
  const uint8_t what = data[0];
  const ByteView bytes(data + 1, size - 1);
  switch (what % 7) {
    case 0:
      frames(bytes.subspan(1), bytes[0]);
      break;
    case 1: {
      IntroReader reader;
      ByteView input = bytes;
      const auto done = reader.take(input);
      require(!done || *done || input.empty());
      break;
    }
    case 2: {  // a server's answer, as it is
      auto machine = client(keys, (what & 0x80) != 0);
      require(machine.hello(view("login")).has_value());
      require(!machine.on_server_hello(bytes, {}, view("login")));
      break;
    }
    case 3: {  // a well-made answer around any chain
      auto machine = client(keys, (what & 0x80) != 0);
      auto peer = server(keys, false, bytes);
      const auto reply = peer.on_client_hello(*machine.hello(view("login")));
      require(reply.has_value());
      require(!machine.on_server_hello(reply->message, {}, view("login")));
      break;
    }
    case 4: {  // a client's hello, then its finish
      auto machine = server(keys, true, view("chain"));
      if (machine.on_client_hello(bytes)) require(!machine.on_client_finish(bytes));
      break;
    }
    case 5:
      require(!verify_chain(bytes, keys.server_static.pub, {kWhatsAppRootKey, 1780000000}));
      break;
    case 6: {
      Transport transport({SecretKey32(keys.server_static.pub), SecretKey32(Key32{})});
      (void)transport.open(bytes);
      break;
    }
  }
  return 0;
}
