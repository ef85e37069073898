#include "session/noise/symmetric.h"

#include <gtest/gtest.h>

#include "session/noise/handshake.h"
#include "session/noise/transport.h"
#include "session/proto/handshake.pb.h"

// The transcript of dossier 1 section 16.1, byte for byte.
namespace wab::noise {
namespace {

signal::KeyPair pair_of(uint8_t byte) {
  Key32 raw;
  raw.fill(byte);
  return signal::KeyPair::from_private(SecretKey32(raw));
}

ServerHandshake server(bool accept_ik) {
  ServerHandshake::Options options;
  options.static_keys = pair_of(0x44);
  options.ephemeral = pair_of(0x33);
  options.chain = to_bytes("cert");
  options.accept_ik = accept_ik;
  return ServerHandshake(std::move(options));
}

pb::HandshakeMessage parsed(ByteView bytes) {
  pb::HandshakeMessage out;
  EXPECT_TRUE(out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return out;
}

std::string hex(const std::string& bytes) { return to_hex(view(bytes)); }

TEST(SymmetricState, PrologueGivesTheKnownHashes) {
  EXPECT_EQ(to_hex(SymmetricState(kXx).hash()),
            "ffff0c9267310966f1311170c04b38c79504285bf5edf763e5c946492a50a755");
  EXPECT_EQ(to_hex(SymmetricState(kIk).hash()),
            "79eca0f8a583e558e3219b22fb5483c3f82f82ef2d5aa21bb1828021c3780501");
  EXPECT_EQ(to_hex(SymmetricState(kXxFallback).hash()),
            "413766ac503c04676506bebddd691cfd5fe1087956a1150b2d235c16bd23512c");
}

TEST(SymmetricState, ForgedCiphertextLeavesTheHashAlone) {
  SymmetricState state(kXx);
  const std::string before = to_hex(state.hash());
  const auto opened = state.decrypt_and_hash(Bytes(20, 1));
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().is(NoiseError::decrypt));
  EXPECT_EQ(to_hex(state.hash()), before);
}

// The steps of a client in table 2.2, with the chain left unjudged.
TEST(Transcript, XxOfTheClient) {
  const auto ephemeral = pair_of(0x11);
  const auto fixed = pair_of(0x22);
  SymmetricState state(kXx);
  state.mix_hash(ephemeral.pub);
  const Key32 server_ephemeral = pair_of(0x33).pub;
  state.mix_hash(server_ephemeral);
  ASSERT_TRUE(state.mix_agreement(ephemeral, server_ephemeral));
  const auto server_static = state.decrypt_and_hash(*from_hex(
      "76c390387466635d58f0323bdcbe69099601a1a274074852c87a5a56adbc2200326ad89abf7d0428235760e33dfb"
      "7358"));
  ASSERT_TRUE(server_static);
  EXPECT_EQ(to_hex(*server_static), to_hex(pair_of(0x44).pub));
  ASSERT_TRUE(state.mix_agreement(ephemeral, *to_array<32>(*server_static)));
  const auto chain = state.decrypt_and_hash(*from_hex("4198e7f434e3479b9ecb31c52288329abbfe7a08"));
  ASSERT_TRUE(chain);
  EXPECT_EQ(text(*chain), "cert");
  EXPECT_EQ(
      to_hex(state.encrypt_and_hash(fixed.pub)),
      "b9cb19690dfcfb9a42e033388870388167c822982ffe1d4ef4c15a4d3e5d9d414a26a2963509b6a27122d42"
      "e77bcb230");
  ASSERT_TRUE(state.mix_agreement(fixed, server_ephemeral));
  EXPECT_EQ(to_hex(state.encrypt_and_hash(view("payload"))),
            "30057c7a804bf70e5dcd47da528d95bc11f00b8b90248e");
  EXPECT_EQ(to_hex(state.hash()),
            "337eafbd8511e87c1cd846bb479421e88c9a78b18c28ab46bb4cd3297b667e43");
  auto split = state.split();
  EXPECT_EQ(to_hex(split.first.reveal()),
            "eb2fe0bed643c43335b1354ec654dc80e37916a5b95f315e54435ddd476ef060");
  EXPECT_EQ(to_hex(split.second.reveal()),
            "f6363bb26e6e9cb20ac77b14b6ec4ee9c92f3f1d9d1397468bb4ea23bed9d1d8");

  Transport transport({std::move(split.first), std::move(split.second)});
  const auto sealed = transport.seal(*from_hex("00f80156"));
  ASSERT_TRUE(sealed);
  EXPECT_EQ(to_hex(*sealed), "0000141b608f889353dcd53c213a8b3f4b305f78bc7dce");
}

TEST(Transcript, XxOfTheServer) {
  auto machine = server(true);
  ClientHandshake client(Mode::xx, pair_of(0x11), pair_of(0x22));
  const auto hello = client.hello(view("ignored"));
  ASSERT_TRUE(hello);
  EXPECT_EQ(to_hex(*hello),
            "1222"
            "0a20" +
                to_hex(pair_of(0x11).pub));
  const auto reply = machine.on_client_hello(*hello);
  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_FALSE(reply->client);
  EXPECT_FALSE(reply->declined_ik);
  const auto message = parsed(reply->message);
  EXPECT_EQ(hex(message.server_hello().ephemeral()), to_hex(pair_of(0x33).pub));
  EXPECT_EQ(
      hex(message.server_hello().static_key()),
      "76c390387466635d58f0323bdcbe69099601a1a274074852c87a5a56adbc2200326ad89abf7d0428235760e"
      "33dfb7358");
  EXPECT_EQ(hex(message.server_hello().payload()), "4198e7f434e3479b9ecb31c52288329abbfe7a08");

  pb::HandshakeMessage finish;
  finish.mutable_client_finish()->set_static_key(to_string(*from_hex(
      "b9cb19690dfcfb9a42e033388870388167c822982ffe1d4ef4c15a4d3e5d9d414a26a2963509b6a2712"
      "2d42e77bcb230")));
  finish.mutable_client_finish()->set_payload(
      to_string(*from_hex("30057c7a804bf70e5dcd47da528d95bc11f00b8b90248e")));
  const auto done = machine.on_client_finish(view(finish.SerializeAsString()));
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(to_hex(done->static_key), to_hex(pair_of(0x22).pub));
  EXPECT_EQ(text(done->payload), "payload");
  EXPECT_EQ(to_hex(done->keys.read.reveal()),
            "eb2fe0bed643c43335b1354ec654dc80e37916a5b95f315e54435ddd476ef060");
  EXPECT_EQ(to_hex(done->keys.write.reveal()),
            "f6363bb26e6e9cb20ac77b14b6ec4ee9c92f3f1d9d1397468bb4ea23bed9d1d8");
}

TEST(Transcript, IkOfBothSides) {
  auto machine = server(true);
  ClientHandshake client(Mode::ik, pair_of(0x11), pair_of(0x22), pair_of(0x44).pub);
  const auto hello = client.hello(view("payload"));
  ASSERT_TRUE(hello);
  const auto sent = parsed(*hello);
  EXPECT_EQ(
      hex(sent.client_hello().static_key()),
      "f8fb23d0bdc4256cec5aa162b2c205a63d8860b4d8f0e944a0a74a62dbbbfff2e02726c3db18e0d3dc1fcb1"
      "79e7684f9");
  EXPECT_EQ(hex(sent.client_hello().payload()), "d350ec2e49d7c0300693c61a1fff97b719aa9ddf986d65");
  const auto reply = machine.on_client_hello(*hello);
  ASSERT_TRUE(reply) << reply.error().describe();
  ASSERT_TRUE(reply->client);
  EXPECT_EQ(text(reply->client->payload), "payload");
  const auto answered = parsed(reply->message);
  EXPECT_FALSE(answered.server_hello().has_static_key());
  EXPECT_EQ(hex(answered.server_hello().payload()), "d538729bc328ed5bab59c6c4eaa0ff8f711c9921");
  const auto finish = client.on_server_hello(reply->message, {}, view("payload"));
  ASSERT_TRUE(finish) << finish.error().describe();
  EXPECT_FALSE(finish->message);
  EXPECT_FALSE(finish->fell_back);
  EXPECT_FALSE(finish->chain);  // "cert" is no chain
  EXPECT_FALSE(client.cache_is_suspect());
  const std::string write = "4505bca89840e8353c7a507f67df28b4c37d8f0aa0648691aebe1a1db0fe49ca";
  const std::string read = "517eeb56b31270157a3f12a996f575481ecf63d4f4a4176fe8293184b056145b";
  EXPECT_EQ(to_hex(finish->keys.write.reveal()), write);
  EXPECT_EQ(to_hex(finish->keys.read.reveal()), read);
  EXPECT_EQ(to_hex(reply->client->keys.read.reveal()), write);
  EXPECT_EQ(to_hex(reply->client->keys.write.reveal()), read);
}

TEST(Transcript, FallbackOfTheServer) {
  auto machine = server(false);
  ClientHandshake client(Mode::ik, pair_of(0x11), pair_of(0x22), pair_of(0x44).pub);
  const auto reply = machine.on_client_hello(*client.hello(view("payload")));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->declined_ik);
  EXPECT_EQ(
      hex(parsed(reply->message).server_hello().static_key()),
      "2f361e8fe5de68ba4e4182e23912d12654352f4b4067731143a74fa919fded02781dd8e623354e4362bdbb4"
      "254c6f400");

  // The client's half by hand, because "cert" is no chain.
  SymmetricState state(kXxFallback);
  const auto ephemeral = pair_of(0x11);
  const auto fixed = pair_of(0x22);
  const Key32 server_ephemeral = pair_of(0x33).pub;
  state.mix_hash(ephemeral.pub);
  state.mix_hash(server_ephemeral);
  ASSERT_TRUE(state.mix_agreement(ephemeral, server_ephemeral));
  const auto message = parsed(reply->message);
  ASSERT_TRUE(state.decrypt_and_hash(view(message.server_hello().static_key())));
  ASSERT_TRUE(state.mix_agreement(ephemeral, pair_of(0x44).pub));
  ASSERT_TRUE(state.decrypt_and_hash(view(message.server_hello().payload())));
  pb::HandshakeMessage finish;
  finish.mutable_client_finish()->set_static_key(to_string(state.encrypt_and_hash(fixed.pub)));
  ASSERT_TRUE(state.mix_agreement(fixed, server_ephemeral));
  finish.mutable_client_finish()->set_payload(to_string(state.encrypt_and_hash(view("payload"))));
  const auto done = machine.on_client_finish(view(finish.SerializeAsString()));
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(to_hex(done->keys.read.reveal()),
            "5c5562e36c4236a6f28a6a145763e97bb4fff55cbf9a29718cd3f6cbc17a0f43");
  EXPECT_EQ(to_hex(done->keys.write.reveal()),
            "8a7a23d4cb5374e872eb0b4f4417b4abc0b143fd26a86fd1ac1840f01c88e83e");
}

}  // namespace
}  // namespace wab::noise
