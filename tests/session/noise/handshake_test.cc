#include "session/noise/handshake.h"

#include <gtest/gtest.h>

#include "session/noise/transport.h"
#include "tests/session/noise/noise_fixtures.h"

namespace wab::noise {
namespace {

using testing::Issuer;
using testing::pair_of;
using testing::SeededRandom;

constexpr std::string_view kPayload = "client payload";

struct Sides {
  Issuer issuer;
  SeededRandom random{42};

  ServerHandshake server(bool accept_ik = true, std::optional<Bytes> chain = std::nullopt) {
    ServerHandshake::Options options;
    options.static_keys = issuer.leaf.clone();
    options.ephemeral = signal::KeyPair::generate(random);
    options.chain = chain ? *chain : issuer.chain();
    options.accept_ik = accept_ik;
    return ServerHandshake(std::move(options));
  }
  ClientHandshake client(std::optional<Key32> cached = std::nullopt) {
    return ClientHandshake(cached ? Mode::ik : Mode::xx, signal::KeyPair::generate(random),
                           pair_of(0x22), cached);
  }
};

void expect_connected(TransportKeys client_keys, TransportKeys server_keys) {
  Transport client(std::move(client_keys));
  Transport server(std::move(server_keys));
  for (int i = 0; i < 3; ++i) {
    const Bytes up = *client.seal(view("up"));
    EXPECT_EQ(text(*server.open(ByteView(up).subspan(3))), "up");
    const Bytes down = *server.seal(view("down"));
    EXPECT_EQ(text(*client.open(ByteView(down).subspan(3))), "down");
  }
}

TEST(Handshake, XxConnects) {
  Sides sides;
  auto client = sides.client();
  auto server = sides.server();
  auto reply = server.on_client_hello(*client.hello({}));
  ASSERT_TRUE(reply) << reply.error().describe();
  auto finish = client.on_server_hello(reply->message, sides.issuer.policy(), view(kPayload));
  ASSERT_TRUE(finish) << finish.error().describe();
  EXPECT_FALSE(finish->fell_back);
  ASSERT_TRUE(finish->message);
  ASSERT_TRUE(finish->chain);
  EXPECT_EQ(finish->chain->leaf.key, sides.issuer.leaf.pub);
  auto done = server.on_client_finish(*finish->message);
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(text(done->payload), kPayload);
  EXPECT_EQ(done->static_key, pair_of(0x22).pub);
  expect_connected(std::move(finish->keys), std::move(done->keys));
}

TEST(Handshake, IkConnectsWithoutFinish) {
  Sides sides;
  auto client = sides.client(sides.issuer.leaf.pub);
  auto server = sides.server();
  auto reply = server.on_client_hello(*client.hello(view(kPayload)));
  ASSERT_TRUE(reply) << reply.error().describe();
  ASSERT_TRUE(reply->client);
  EXPECT_EQ(text(reply->client->payload), kPayload);
  EXPECT_EQ(reply->client->static_key, pair_of(0x22).pub);
  auto finish = client.on_server_hello(reply->message, sides.issuer.policy(), view(kPayload));
  ASSERT_TRUE(finish) << finish.error().describe();
  EXPECT_FALSE(finish->message);
  ASSERT_TRUE(finish->chain);
  EXPECT_FALSE(client.cache_is_suspect());
  expect_connected(std::move(finish->keys), std::move(reply->client->keys));
}

TEST(Handshake, DeclinedIkFallsBack) {
  Sides sides;
  auto client = sides.client(sides.issuer.leaf.pub);
  auto server = sides.server(false);
  auto reply = server.on_client_hello(*client.hello(view(kPayload)));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->declined_ik);
  auto finish = client.on_server_hello(reply->message, sides.issuer.policy(), view(kPayload));
  ASSERT_TRUE(finish) << finish.error().describe();
  EXPECT_TRUE(finish->fell_back);
  EXPECT_TRUE(finish->chain);
  ASSERT_TRUE(finish->message);
  auto done = server.on_client_finish(*finish->message);
  ASSERT_TRUE(done);
  EXPECT_EQ(text(done->payload), kPayload);
  expect_connected(std::move(finish->keys), std::move(done->keys));
}

TEST(Handshake, IkForAStaleKeyFallsBackAndLearnsTheNewChain) {
  Sides sides;
  auto client = sides.client(pair_of(0x99).pub);
  auto server = sides.server();
  auto reply = server.on_client_hello(*client.hello(view(kPayload)));
  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_TRUE(reply->declined_ik);
  auto finish = client.on_server_hello(reply->message, sides.issuer.policy(), view(kPayload));
  ASSERT_TRUE(finish) << finish.error().describe();
  EXPECT_TRUE(finish->fell_back);
  EXPECT_EQ(finish->chain->leaf.key, sides.issuer.leaf.pub);
  EXPECT_TRUE(server.on_client_finish(*finish->message));
}

TEST(Handshake, EveryCertificateFaultStopsTheClientBeforeItsFinish) {
  for (const auto& fault : testing::chain_faults()) {
    for (const bool ik : {false, true}) {
      Sides sides;
      auto client = sides.client(ik ? std::optional(sides.issuer.leaf.pub) : std::nullopt);
      auto server = sides.server(false, fault.chain);
      const auto reply = server.on_client_hello(*client.hello(view(kPayload)));
      ASSERT_TRUE(reply);
      const auto finish = client.on_server_hello(reply->message, fault.policy, view(kPayload));
      ASSERT_FALSE(finish) << fault.name;
      EXPECT_TRUE(finish.error().is(fault.error)) << fault.name << finish.error().describe();
      // The server had already declined: this says nothing about the cached key.
      EXPECT_FALSE(client.cache_is_suspect());
      const auto again = client.on_server_hello(reply->message, fault.policy, view(kPayload));
      ASSERT_FALSE(again);
      EXPECT_TRUE(again.error().is(NoiseError::out_of_order));
    }
  }
}

TEST(Handshake, StaticOf31BytesIsRefused) {
  Sides sides;
  ServerHandshake::Options options;
  options.static_keys = sides.issuer.leaf.clone();
  options.ephemeral = pair_of(0x33);
  options.chain = sides.issuer.chain();
  options.announced_static = Bytes(31, 7);
  ServerHandshake server(std::move(options));
  auto client = sides.client();
  const auto reply = server.on_client_hello(*client.hello({}));
  const auto finish = client.on_server_hello(reply->message, sides.issuer.policy(), {});
  ASSERT_FALSE(finish);
  EXPECT_TRUE(finish.error().is(NoiseError::static_size));
}

TEST(Handshake, ServerThatAnnouncesAnothersStaticCannotGoOn) {
  Sides sides;
  ServerHandshake::Options options;
  options.static_keys = pair_of(0x55);  // does not own the leaf
  options.ephemeral = pair_of(0x33);
  options.chain = sides.issuer.chain();
  options.announced_static = to_bytes(ByteView(sides.issuer.leaf.pub));
  ServerHandshake server(std::move(options));
  auto client = sides.client();
  const auto reply = server.on_client_hello(*client.hello({}));
  const auto finish = client.on_server_hello(reply->message, sides.issuer.policy(), {});
  ASSERT_FALSE(finish);
  EXPECT_TRUE(finish.error().is(NoiseError::decrypt));
}

TEST(Handshake, BrokenIkAnswerPutsTheCacheInDoubt) {
  Sides sides;
  auto client = sides.client(sides.issuer.leaf.pub);
  auto server = sides.server();
  auto reply = server.on_client_hello(*client.hello(view(kPayload)));
  reply->message.back() ^= 1;
  const auto finish = client.on_server_hello(reply->message, sides.issuer.policy(), {});
  ASSERT_FALSE(finish);
  EXPECT_TRUE(finish.error().is(NoiseError::decrypt));
  EXPECT_TRUE(client.cache_is_suspect());
}

TEST(Handshake, IkWithoutACachedKeyIsXx) {
  Sides sides;
  ClientHandshake client(Mode::ik, pair_of(0x11), pair_of(0x22));
  auto server = sides.server();
  const auto reply = server.on_client_hello(*client.hello(view(kPayload)));
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->client);
  EXPECT_FALSE(reply->declined_ik);
}

TEST(Handshake, AnAnswerWithoutClassicalFieldsIsUnsupported) {
  Sides sides;
  pb::HandshakeMessage empty;
  empty.mutable_server_hello();
  pb::HandshakeMessage other;
  other.mutable_client_finish();
  for (const auto& message : {empty, other}) {
    auto client = sides.client();
    ASSERT_TRUE(client.hello({}));
    const auto finish =
        client.on_server_hello(view(message.SerializeAsString()), sides.issuer.policy(), {});
    ASSERT_FALSE(finish);
    EXPECT_TRUE(finish.error().is(NoiseError::unsupported));
  }
}

TEST(Handshake, ZeroAndSmallOrderEphemeralsAreRefusedOnBothSides) {
  // Zero, one, and a point of order eight.
  Key32 one{};
  one[0] = 1;
  const Key32 eight =
      *to_array<32>(*from_hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"));
  for (const Key32& weak : {Key32{}, one, eight}) {
    Sides sides;
    pb::HandshakeMessage hello;
    hello.mutable_client_hello()->set_ephemeral(to_string(weak));
    auto server = sides.server();
    const auto reply = server.on_client_hello(view(hello.SerializeAsString()));
    ASSERT_FALSE(reply);
    EXPECT_TRUE(reply.error().is(NoiseError::weak_key));

    pb::HandshakeMessage answer;
    answer.mutable_server_hello()->set_ephemeral(to_string(weak));
    answer.mutable_server_hello()->set_static_key(std::string(48, 's'));
    answer.mutable_server_hello()->set_payload(std::string(48, 'p'));
    auto client = sides.client();
    ASSERT_TRUE(client.hello({}));
    const auto finish =
        client.on_server_hello(view(answer.SerializeAsString()), sides.issuer.policy(), {});
    ASSERT_FALSE(finish);
    EXPECT_TRUE(finish.error().is(NoiseError::weak_key));
  }
}

TEST(Handshake, ServerRefusesWhatIsNotAHello) {
  const auto refused = [](const pb::HandshakeMessage& message) {
    Sides sides;
    auto server = sides.server();
    const auto reply = server.on_client_hello(view(message.SerializeAsString()));
    return reply ? 0 : reply.error().code();
  };
  pb::HandshakeMessage message;
  EXPECT_EQ(refused(message), static_cast<int>(NoiseError::malformed));
  message.mutable_client_hello()->set_ephemeral("short");
  EXPECT_EQ(refused(message), static_cast<int>(NoiseError::malformed));
  message.mutable_client_hello()->set_ephemeral(to_string(pair_of(1).pub));
  message.mutable_client_hello()->set_payload("x");  // without static: half an IK
  EXPECT_EQ(refused(message), static_cast<int>(NoiseError::malformed));
}

TEST(Handshake, StepsOutOfOrderAreErrors) {
  Sides sides;
  auto client = sides.client();
  EXPECT_TRUE(client.on_server_hello({}, {}, {}).error().is(NoiseError::out_of_order));
  ASSERT_TRUE(client.hello({}));
  EXPECT_TRUE(client.hello({}).error().is(NoiseError::out_of_order));
  auto server = sides.server();
  EXPECT_TRUE(server.on_client_finish({}).error().is(NoiseError::out_of_order));
}

TEST(Handshake, EveryFlippedBitOfTheExchangeIsNoticed) {
  Sides sides;
  auto client = sides.client();
  auto server = sides.server();
  const Bytes hello = *client.hello({});
  const Bytes reply = server.on_client_hello(hello)->message;
  for (size_t i = 0; i < reply.size(); ++i) {
    ClientHandshake fresh(Mode::xx, pair_of(0x11), pair_of(0x22));
    ServerHandshake::Options options;
    options.static_keys = sides.issuer.leaf.clone();
    options.ephemeral = pair_of(0x33);
    options.chain = sides.issuer.chain();
    ServerHandshake machine(std::move(options));
    Bytes bad = machine.on_client_hello(*fresh.hello({}))->message;
    ASSERT_LT(i, bad.size());
    bad[i] ^= static_cast<uint8_t>(1u << (i % 8));
    EXPECT_FALSE(fresh.on_server_hello(bad, sides.issuer.policy(), {})) << i;
  }
  const auto finish = client.on_server_hello(reply, sides.issuer.policy(), view(kPayload));
  ASSERT_TRUE(finish);
  for (size_t i = 2; i < finish->message->size(); ++i) {
    Sides same;  // the same dice again give the same ephemerals
    auto again = same.client();
    auto judge = same.server();
    ASSERT_TRUE(judge.on_client_hello(*again.hello({})));
    Bytes bad = *finish->message;
    bad[i] ^= static_cast<uint8_t>(1u << (i % 8));
    EXPECT_FALSE(judge.on_client_finish(bad)) << i;
  }
}

}  // namespace
}  // namespace wab::noise
