// The socket's own rules, over real sockets on loopback.
#include "tests/sandbox/connection.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "session/node/codec.h"
#include "tests/sandbox/faults.h"
#include "tests/sandbox/fixture.h"
#include "tests/sandbox/listener.h"

namespace wab::sandbox {
namespace {

struct NoHttp final : HttpHandler {
  wire::awaitable<wire::HttpResponse> handle(const wire::HttpRequest&) override {
    wire::HttpResponse out;
    out.status = 404;
    co_return out;
  }
};

wire::Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(5); }

// What a test's client does, step by step; the results are left here.
struct Script {
  std::string origin = "https://web.whatsapp.com";
  std::string path = "/ws/chat";
  Bytes first;               // the first message
  bool text = false;         // as text
  int status = 0;            // of a refused upgrade
  std::vector<Bytes> heard;  // messages until the end
  bool ended = false;
  uint16_t close_code = 0;
};

class Socket : public SandboxFixture, public testing::Test {
 protected:
  boost::asio::io_context context{1};
  NoiseAuthority authority{random};
  Faults faults;
  NoHttp http;
  std::unique_ptr<Listener> listener;
  Companion companion = make_companion();

  void SetUp() override {
    world.set_faults(&faults);
    Listener::Options options;
    options.at = {boost::asio::ip::make_address("127.0.0.1"), 0};
    listener = std::make_unique<Listener>(context, world, authority, http, std::move(options));
    ASSERT_TRUE(listener->start());
  }
  void TearDown() override {
    listener->stop();
    context.run_for(std::chrono::seconds(5));
    world.set_faults(nullptr);
  }

  static wire::awaitable<std::unique_ptr<wire::WebSocket>> connect_to(uint16_t port,
                                                                      Script& script) {
    wire::Endpoint at{boost::asio::ip::make_address("127.0.0.1"), port};
    auto tcp = co_await wire::tcp_connect(at, soon());
    if (!tcp) co_return nullptr;
    std::unique_ptr<wire::ByteStream> stream = std::move(*tcp);
    wire::HttpFields fields;
    fields.set("Origin", script.origin);
    wire::WebSocketLimits limits;
    std::string host = "127.0.0.1";
    std::string path = script.path;
    auto socket =
        co_await wire::WebSocket::connect(std::move(stream), std::move(host), std::move(path),
                                          std::move(fields), limits, soon(), &script.status);
    if (!socket) co_return nullptr;
    co_return std::move(*socket);
  }
  // Sends script.first and listens until the server ends it.
  static wire::awaitable<void> talk(uint16_t port, Script& script) {
    auto socket = co_await connect_to(port, script);
    if (socket) {
      if (script.text) {
        const std::string words = to_string(script.first);
        (void)co_await socket->write_text(words, soon());
      } else {
        (void)co_await socket->write(script.first, soon());
      }
      for (;;) {
        auto message = co_await socket->read(soon());
        if (!message) break;
        script.heard.push_back(std::move(*message));
      }
      script.close_code = socket->close_code();
      socket->abort();
    }
    script.ended = true;
  }
  void run(Script& script) {
    boost::asio::co_spawn(context, talk(listener->port(), script), boost::asio::detached);
    const auto end = soon();
    while (!script.ended && std::chrono::steady_clock::now() < end) {
      context.run_one_for(std::chrono::milliseconds(50));
    }
    EXPECT_TRUE(script.ended);
  }

  // A whole client: handshake, then `frames` sealed in order, then everything that is said.
  struct Talk {
    Bytes payload;
    std::vector<Bytes> plain;  // flags and node
    bool corrupt = false;      // the last frame
    Error error{wire::WireError::eof, "none"};
    bool handshaken = false;
    std::vector<node::Node> heard;
    bool ended = false;
    std::optional<noise::CertificatePolicy> policy;
  };
  static wire::awaitable<void> converse(Socket& test, Talk& talk) {
    Script script;
    auto socket = co_await connect_to(test.listener->port(), script);
    if (socket) co_await converse_on(test, talk, *socket);
    talk.ended = true;
  }
  static wire::awaitable<void> converse_on(Socket& test, Talk& talk, wire::WebSocket& socket) {
    noise::ClientHandshake handshake(noise::Mode::xx, signal::KeyPair::generate(test.random),
                                     test.companion.noise.clone());
    auto hello = handshake.hello({});
    Bytes first = concat({ByteView(noise::intro()), ByteView(*noise::frame(*hello))});
    (void)co_await socket.write(first, soon());
    noise::FrameReader reader;
    std::optional<noise::Transport> transport;
    for (;;) {
      auto message = co_await socket.read(soon());
      if (!message) co_return;
      ByteView input = *message;
      for (;;) {
        auto frame = reader.take(input);
        if (!frame || !*frame) break;
        if (transport) {
          const auto plain = transport->open(**frame);
          if (plain) talk.heard.push_back(*node::decode(*plain));
          continue;
        }
        auto finish = handshake.on_server_hello(**frame, *talk.policy, talk.payload);
        if (!finish) {
          talk.error = finish.error();
          socket.abort();
          co_return;
        }
        talk.handshaken = true;
        Bytes out = *noise::frame(*finish->message);
        transport.emplace(std::move(finish->keys));
        for (size_t i = 0; i < talk.plain.size(); ++i) {
          Bytes sealed = *transport->seal(talk.plain[i]);
          if (talk.corrupt && i + 1 == talk.plain.size()) sealed.back() ^= 1;
          append(out, sealed);
        }
        (void)co_await socket.write(out, soon());
      }
    }
  }
  void run(Talk& talk) {
    if (talk.payload.empty()) talk.payload = registration_payload(companion, "");
    if (!talk.policy) {
      talk.policy.emplace();
      talk.policy->root_key = authority.root_key();
      talk.policy->now = world.now_s();
    }
    boost::asio::co_spawn(context, converse(*this, talk), boost::asio::detached);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!talk.ended && std::chrono::steady_clock::now() < end) {
      context.run_one_for(std::chrono::milliseconds(50));
      world.tick();
      // Once the client has what it waits for, time passes until the server hangs up.
      if (!talk.heard.empty()) clock.at += 1'000;
    }
    EXPECT_TRUE(talk.ended);
  }
  static Bytes stanza(const node::Node& node) { return *node::encode(node); }
};

TEST_F(Socket, T1RefusesOtherOriginsAndPaths) {
  Script script;
  script.origin = "https://example.org";
  run(script);
  EXPECT_EQ(script.status, 403);
  EXPECT_TRUE(violated("T1"));
  Script elsewhere;
  elsewhere.path = "/ws/other";
  run(elsewhere);
  EXPECT_EQ(elsewhere.status, 404);
}

TEST_F(Socket, T2ClosesOnAForeignIntro) {
  Script script;
  script.first = {0x57, 0x41, 0x05, 0x02, 0, 0, 0};
  run(script);
  EXPECT_TRUE(violated("T2"));
  EXPECT_TRUE(script.heard.empty());
}

TEST_F(Socket, T3NotesARoutingBlobThatWasNeverIssued) {
  Script script;
  const Bytes blob = {1, 2, 3};
  script.first = concat({ByteView(noise::intro(blob)), ByteView(Bytes{0, 0, 1, 7})});
  run(script);
  EXPECT_TRUE(violated("T3"));
}

TEST_F(Socket, T4ClosesOnASecondIntro) {
  Script script;
  script.first = concat({ByteView(noise::intro()), ByteView(noise::intro())});
  run(script);
  EXPECT_TRUE(violated("T4"));
}

TEST_F(Socket, T5ClosesOnText) {
  Script script;
  script.first = to_bytes(std::string_view("hello"));
  script.text = true;
  run(script);
  EXPECT_TRUE(violated("T5"));
  EXPECT_EQ(script.close_code, 1003);
}

TEST_F(Socket, T6ClosesOnAnOversizedFrame) {
  Script script;
  script.first = concat({ByteView(noise::intro()), ByteView(Bytes{0xFF, 0xFF, 0xFF, 0})});
  run(script);
  EXPECT_TRUE(violated("T6"));
}

TEST_F(Socket, N1ClosesOnAMalformedHello) {
  Script script;
  const Bytes junk = {0x12, 0x02, 0x0a, 0x00};  // a ClientHello with an empty ephemeral
  script.first = concat({ByteView(noise::intro()), ByteView(*noise::frame(junk))});
  run(script);
  EXPECT_TRUE(violated("N1"));
  EXPECT_TRUE(script.heard.empty());
}

TEST_F(Socket, N2ClosesOnAFinishThatDoesNotOpen) {
  Script script;
  noise::ClientHandshake handshake(noise::Mode::xx, signal::KeyPair::generate(random),
                                   companion.noise.clone());
  const Bytes junk(80, 0x22);
  script.first = concat({ByteView(noise::intro()), ByteView(*noise::frame(*handshake.hello({}))),
                         ByteView(*noise::frame(junk))});
  run(script);
  EXPECT_TRUE(violated("N2"));
  EXPECT_EQ(script.heard.size(), 1U) << "the ServerHello";
}

TEST_F(Socket, P6NotesAnEphemeralKeyThatComesAgain) {
  noise::ClientHandshake handshake(noise::Mode::xx, signal::KeyPair::generate(random),
                                   companion.noise.clone());
  const Bytes junk(80, 0x22);
  Script script;
  script.first = concat({ByteView(noise::intro()), ByteView(*noise::frame(*handshake.hello({}))),
                         ByteView(*noise::frame(junk))});
  run(script);
  forget();
  Script again;
  again.first = script.first;
  run(again);
  EXPECT_TRUE(violated("P6"));
}

TEST_F(Socket, RegistersOverARealSocket) {
  Talk talk;
  node::Node ping = iq("get", "w:p", "p1");
  talk.plain = {stanza(ping)};
  run(talk);
  EXPECT_TRUE(talk.handshaken);
  ASSERT_GE(talk.heard.size(), 2U);
  EXPECT_NE(talk.heard[0].child("pair-device"), nullptr);
  EXPECT_EQ(talk.heard[1].attr("id"), "p1");
}

TEST_F(Socket, FramesMayComeInAnyPieces) {
  FaultRule rule;
  rule.shuffle_frames = true;
  faults.add(rule);
  Talk talk;
  for (int i = 0; i < 10; ++i)
    talk.plain.push_back(stanza(iq("get", "w:p", "p" + std::to_string(i))));
  run(talk);
  ASSERT_GE(talk.heard.size(), 11U);
  EXPECT_EQ(talk.heard[10].attr("id"), "p9");
}

TEST_F(Socket, N4ClosesOnAFrameThatDoesNotDecrypt) {
  Talk talk;
  talk.plain = {stanza(iq("get", "w:p", "p1"))};
  talk.corrupt = true;
  run(talk);
  EXPECT_TRUE(violated("N4"));
}

TEST_F(Socket, B1AndB2CloseAfterSayingWhy) {
  Talk trailing;
  Bytes bad = stanza(iq("get", "w:p", "p1"));
  bad.push_back(0x07);
  trailing.plain = {bad};
  run(trailing);
  EXPECT_TRUE(violated("B1"));
  EXPECT_EQ(trailing.heard.back().tag, "stream:error");
  EXPECT_NE(trailing.heard.back().child("xml-not-well-formed"), nullptr);
  forget();
  Talk flags;
  bad = stanza(iq("get", "w:p", "p1"));
  bad[0] = 0x04;
  flags.plain = {bad};
  run(flags);
  EXPECT_TRUE(violated("B2"));
}

TEST_F(Socket, N5EachFaultOfTheChainFailsAStrictClient) {
  const std::pair<HandshakeFault, noise::NoiseError> faulty[] = {
      {HandshakeFault::bad_leaf_signature, noise::NoiseError::certificate_leaf_signature},
      {HandshakeFault::bad_intermediate_signature,
       noise::NoiseError::certificate_intermediate_signature},
      {HandshakeFault::bad_issuer_serial, noise::NoiseError::certificate_leaf_issuer},
      {HandshakeFault::leaf_key_differs, noise::NoiseError::certificate_key_mismatch},
      {HandshakeFault::expired, noise::NoiseError::certificate_expired},
      {HandshakeFault::not_yet_valid, noise::NoiseError::certificate_not_yet_valid},
      {HandshakeFault::missing_leaf, noise::NoiseError::certificate_missing},
      {HandshakeFault::short_signature, noise::NoiseError::certificate_signature_size},
      {HandshakeFault::short_static, noise::NoiseError::static_size}};
  for (const auto& [fault, expected] : faulty) {
    faults.clear();
    FaultRule rule;
    rule.handshake = fault;
    faults.add(rule);
    Talk talk;
    run(talk);
    EXPECT_FALSE(talk.handshaken);
    EXPECT_TRUE(talk.error.is(expected)) << talk.error.describe();
  }
}

TEST_F(Socket, CutsAfterTheGivenBytes) {
  FaultRule rule;
  rule.direction = Direction::to_device;
  rule.cut_after_bytes = 40;
  faults.add(rule);
  Talk talk;
  run(talk);
  EXPECT_FALSE(talk.handshaken);
}

}  // namespace
}  // namespace wab::sandbox
