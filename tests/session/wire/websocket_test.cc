// Both sides of a WebSocket over streams in memory, and frames made by hand against each.
#include "session/wire/websocket.h"

#include <gtest/gtest.h>

#include "session/wire/http.h"
#include "session/wire/ws_frame.h"
#include "storage/base/shards.h"
#include "tests/support/memory_stream.h"
#include "tests/support/run.h"

namespace wab::wire {
namespace {

using test::in_ms;
using test::memory_pair;
using test::MemoryPair;
using test::run_async;
using test::scripted_stream;
using test::soon;

using Socket = std::unique_ptr<WebSocket>;
constexpr Mask kMask{0x37, 0xfa, 0x21, 0x3d};

Bytes frame(uint8_t first, std::string_view payload, bool masked) {
  Bytes out;
  const std::optional<Mask> mask = masked ? std::optional<Mask>(kMask) : std::nullopt;
  put_frame(out, Opcode::binary, view(payload), mask);
  out[0] = first;
  return out;
}

TEST(WsFrame, ExamplesOfTheStandard) {
  // RFC 6455 section 5.7
  Bytes out;
  put_frame(out, Opcode::text, view("Hello"), std::nullopt);
  EXPECT_EQ(to_hex(out), "810548656c6c6f");
  out.clear();
  put_frame(out, Opcode::text, view("Hello"), kMask);
  EXPECT_EQ(to_hex(out), "818537fa213d7f9f4d5158");
  out.clear();
  put_frame(out, Opcode::binary, Bytes(256), std::nullopt);
  EXPECT_EQ(to_hex(ByteView(out).first(4)), "827e0100");
  out.clear();
  put_frame(out, Opcode::binary, Bytes(65536), std::nullopt);
  EXPECT_EQ(to_hex(ByteView(out).first(10)), "827f0000000000010000");
}

TEST(WsFrame, HeadersParseInEverySplitAndSize) {
  for (const size_t size : {0u, 1u, 125u, 126u, 127u, 65535u, 65536u, 100000u}) {
    for (const bool masked : {false, true}) {
      const Bytes whole = frame(0x82, std::string(size, 'x'), masked);
      const size_t header_size = whole.size() - size;
      for (size_t part = 0; part < header_size; ++part) {
        const auto more = parse_frame_header(ByteView(whole).first(part), masked);
        ASSERT_TRUE(more.has_value() && !*more) << size << " " << part;
      }
      const auto header = parse_frame_header(whole, masked);
      ASSERT_TRUE(header.has_value() && *header);
      EXPECT_EQ((*header)->size, size);
      EXPECT_EQ((*header)->header_size, header_size);
      EXPECT_EQ((*header)->mask.has_value(), masked);
      EXPECT_TRUE((*header)->fin);
    }
  }
}

TEST(WsFrame, BrokenRulesAreRefused) {
  for (const char* bad : {
           "c200",                  // RSV1
           "a200",                  // RSV2
           "9200",                  // RSV3
           "8300",                  // reserved data opcode
           "8f00",                  // reserved control opcode
           "0900",                  // ping in pieces
           "897e007e",              // ping of 126 bytes
           "827e007d",              // 125 in two bytes
           "827f000000000000ffff",  // 65535 in eight bytes
           "827f8000000000000000",  // top bit
           "8280",                  // masked, from a server
       }) {
    EXPECT_FALSE(parse_frame_header(*from_hex(bad), false).has_value()) << bad;
  }
  EXPECT_FALSE(parse_frame_header(*from_hex("8200"), true).has_value()) << "unmasked client";
}

TEST(WsFrame, MaskingWorksAtEveryOffset) {
  Bytes plain(100);
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<uint8_t>(i);
  Bytes whole = plain;
  apply_mask(whole, kMask, 0);
  for (size_t cut = 0; cut <= plain.size(); ++cut) {
    Bytes parts = plain;
    apply_mask(MutableBytes(parts).first(cut), kMask, 0);
    apply_mask(MutableBytes(parts).subspan(cut), kMask, cut);
    ASSERT_EQ(parts, whole) << cut;
  }
}

TEST(WsFrame, CloseCodes) {
  EXPECT_EQ(parse_close({}), 1005);
  EXPECT_EQ(parse_close(*from_hex("03e8")), 1000);
  EXPECT_EQ(parse_close(*from_hex("03e86f6b")), 1000);
  EXPECT_EQ(parse_close(*from_hex("0fa0")), 4000);
  for (const char* bad : {"03", "03e7", "03ec", "03ed", "03ee", "03f7", "0bb7", "1388", "03e8ff"}) {
    EXPECT_FALSE(parse_close(*from_hex(bad)).has_value()) << bad;
  }
}

// A server that accepts one upgrade.
struct Accepted {
  std::optional<Result<Socket>> socket;
  Event done;
};

awaitable<void> accept_one(std::unique_ptr<ByteStream> stream, Accepted& accepted,
                           WebSocketLimits limits) {
  HttpServerConnection connection(std::move(stream));
  auto request = co_await connection.read_head(soon());
  if (!request || !*request || !WebSocket::is_upgrade(**request)) {
    HttpResponse response;
    response.status = 403;
    [[maybe_unused]] Result<void> ignored =
        co_await connection.write_response(std::move(response), soon());
    accepted.socket.emplace(fail(WireError::http, "test"));
    co_return;
  }
  HttpServerConnection::Taken taken = connection.take();
  HttpFields fields;
  accepted.socket.emplace(co_await WebSocket::accept(
      std::move(taken.stream), std::move(taken.leftover), **request, fields, limits, soon()));
  accepted.done.notify_all();
}

struct Pair {
  Socket client;
  Socket server;
};

awaitable<Pair> open_pair(std::vector<size_t> splits, WebSocketLimits limits) {
  auto here = co_await boost::asio::this_coro::executor;
  MemoryPair streams = memory_pair(here, splits);
  Accepted accepted;
  spawn(here, accept_one(std::move(streams.b), accepted, limits), "server");
  std::string host = "h";
  std::string target = "/ws/chat";
  HttpFields headers;
  headers.add("Origin", "https://web.whatsapp.com");
  auto client =
      co_await WebSocket::connect(std::move(streams.a), host, target, headers, limits, soon());
  while (!accepted.socket) co_await accepted.done.wait();
  EXPECT_TRUE(client && *accepted.socket);
  Pair pair;
  if (client && *accepted.socket) {
    pair.client = std::move(*client);
    pair.server = std::move(**accepted.socket);
  }
  co_return pair;
}

Bytes pattern(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i * 7 + (i >> 9));
  return out;
}

awaitable<void> carries(std::vector<size_t> splits) {
  const WebSocketLimits limits;
  Pair pair = co_await open_pair(splits, limits);
  if (!pair.client) co_return;
  const std::vector<size_t> sizes = {0, 1, 125, 126, 127, 65535, 65536, 1 << 20};
  for (const size_t size : sizes) {
    if (!splits.empty() && size > 70'000) continue;
    const Bytes message = pattern(size);
    Result<void> there = co_await pair.client->write(message, soon());
    Result<Bytes> arrived = co_await pair.server->read(soon());
    EXPECT_TRUE(there && arrived && *arrived == message) << size;
    Result<void> back = co_await pair.server->write(message, soon());
    Result<Bytes> returned = co_await pair.client->read(soon());
    EXPECT_TRUE(back && returned && *returned == message) << size;
    EXPECT_FALSE(pair.client->last_was_text());
  }
  Result<void> said = co_await pair.server->write_text("gr\u00fc\u00df dich", soon());
  Result<Bytes> heard = co_await pair.client->read(soon());
  EXPECT_TRUE(said && heard && text(*heard) == "gr\u00fc\u00df dich");
  EXPECT_TRUE(pair.client->last_was_text());
}
TEST(WebSocket, MessagesOfEverySizeBothWays) {
  run_async([] { return carries({}); });
}
TEST(WebSocket, InEverySplit) {
  run_async([] { return carries({1}); });
  run_async([] { return carries({2, 1, 5, 300}); });
}

awaitable<void> deadline_then_message() {
  const WebSocketLimits limits;
  auto here = co_await boost::asio::this_coro::executor;
  MemoryPair streams = memory_pair(here);
  ByteStream& raw = *streams.a;
  Accepted accepted;
  spawn(here, accept_one(std::move(streams.b), accepted, limits), "server");
  const std::string upgrade =
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  Result<void> asked = co_await raw.write(view(upgrade), soon());
  while (!accepted.socket) co_await accepted.done.wait();
  EXPECT_TRUE(asked && *accepted.socket);
  if (!*accepted.socket) co_return;
  WebSocket& server = ***accepted.socket;
  Bytes answer(1000);
  Result<size_t> size = co_await raw.read_some(answer, soon());
  answer.resize(size.value_or(0));
  // The example of RFC 6455 section 1.3.
  EXPECT_NE(text(answer).find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            std::string_view::npos);

  const Bytes whole = frame(0x82, "hello", true);
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const ByteView first = ByteView(whole).first(cut);
    const ByteView second = ByteView(whole).subspan(cut);
    Result<void> sent = co_await raw.write(first, soon());
    Result<Bytes> early = co_await server.read(in_ms(0));
    EXPECT_TRUE(!early && early.error().is(WireError::timeout)) << cut;
    Result<void> rest = co_await raw.write(second, soon());
    Result<Bytes> message = co_await server.read(soon());
    EXPECT_TRUE(sent && rest && message && text(*message) == "hello") << cut;
  }
}
TEST(WebSocket, AReadThatMetItsDeadlineLosesNothing) { run_async(deadline_then_message); }

awaitable<void> closes(CloseCode code, bool reading) {
  auto here = co_await boost::asio::this_coro::executor;
  const WebSocketLimits limits;
  const std::vector<size_t> whole;
  Pair pair = co_await open_pair(whole, limits);
  if (!pair.client) co_return;
  struct Reader {
    static awaitable<void> run(WebSocket& socket, std::optional<Error>& error, Event& done) {
      Result<Bytes> message = co_await socket.read(soon());
      if (!message) error.emplace(message.error());
      done.notify_all();
    }
  };
  std::optional<Error> server_end;
  std::optional<Error> client_end;
  Event done;
  spawn(here, Reader::run(*pair.server, server_end, done), "server");
  if (reading) spawn(here, Reader::run(*pair.client, client_end, done), "client");
  co_await yield_shard();
  co_await pair.client->close(code, soon());
  while (!server_end || (reading && !client_end)) co_await done.wait();
  EXPECT_TRUE(server_end->is(WireError::eof)) << server_end->describe();
  EXPECT_EQ(pair.server->close_code(), static_cast<uint16_t>(code));
  EXPECT_EQ(pair.client->close_code(), 1000);
  Result<void> late = co_await pair.server->write(view("x"), soon());
  EXPECT_FALSE(late.has_value());
}
TEST(WebSocket, CloseIsAnsweredAndEndsBothReaders) {
  run_async([] { return closes(CloseCode::going_away, false); });
  run_async([] { return closes(CloseCode::try_later, true); });
}

awaitable<void> read_and_drop(std::shared_ptr<Socket> socket, std::optional<Error>& error,
                              Event& done) {
  Result<Bytes> message = co_await (*socket)->read(kNever);
  if (!message) error.emplace(message.error());
  done.notify_all();
}
awaitable<void> dies_under_reader() {
  auto here = co_await boost::asio::this_coro::executor;
  const WebSocketLimits limits;
  const std::vector<size_t> whole;
  Pair pair = co_await open_pair(whole, limits);
  auto held = std::make_shared<Socket>(std::move(pair.client));
  std::optional<Error> error;
  Event done;
  spawn(here, read_and_drop(held, error, done), "reader");
  co_await yield_shard();
  held->reset();
  while (!error) co_await done.wait();
  EXPECT_TRUE(error->is(WireError::closed));
}
TEST(WebSocket, MayDieUnderASuspendedReader) { run_async(dies_under_reader); }

// What the server makes of bytes that a client sends behind its upgrade.
struct Script {
  const char* what;
  Bytes frames;
  std::optional<WireError> error;  // of the first read
  std::string message;
  std::string reply_hex;  // contained in what the server sent
};

awaitable<void> server_meets(Script script, std::vector<size_t> splits) {
  auto here = co_await boost::asio::this_coro::executor;
  HttpRequest request;
  request.headers = HttpFields{{"Host", "h"},
                               {"Upgrade", "websocket"},
                               {"Connection", "keep-alive, Upgrade"},
                               {"Sec-WebSocket-Version", "13"},
                               {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  EXPECT_TRUE(WebSocket::is_upgrade(request));
  WebSocketLimits limits;
  limits.message_bytes = 1000;
  HttpFields none;
  Bytes leftover;
  Bytes output;
  auto stream = scripted_stream(here, script.frames, splits, &output);
  auto socket = co_await WebSocket::accept(std::move(stream), std::move(leftover), request, none,
                                           limits, soon());
  EXPECT_TRUE(socket.has_value());
  if (!socket) co_return;
  Result<Bytes> message = co_await (*socket)->read(soon());
  EXPECT_EQ(message.has_value(), !script.error) << script.what;
  EXPECT_EQ(text(message.value_or(Bytes())), script.message) << script.what;
  if (!message && script.error) {
    EXPECT_TRUE(message.error().is(*script.error))
        << script.what << ": " << message.error().describe();
  }
  EXPECT_NE(to_hex(output).find(script.reply_hex), std::string::npos) << script.what;
}

TEST(WebSocketServer, MeetsEveryKindOfClient) {
  const Bytes close_1000 = frame(0x88, "\x03\xe8", true);
  const Script scripts[] = {
      {"one message", frame(0x82, "hello", true), {}, "hello", ""},
      {"fragments",
       concat({frame(0x02, "he", true), frame(0x00, "l", true), frame(0x80, "lo", true)}),
       {},
       "hello",
       ""},
      {"empty fragments",
       concat({frame(0x02, "", true), frame(0x00, "", true), frame(0x80, "hello", true)}),
       {},
       "hello",
       ""},
      {"ping between fragments",
       concat({frame(0x02, "he", true), frame(0x89, "ping!", true), frame(0x80, "llo", true)}),
       {},
       "hello",
       "8a0570696e6721"},
      {"unasked pong",
       concat({frame(0x8a, "x", true), frame(0x82, "hello", true)}),
       {},
       "hello",
       ""},
      {"unmasked", frame(0x82, "hello", false), WireError::websocket, "", "880203ea"},
      {"reserved bit", frame(0xc2, "hello", true), WireError::websocket, "", "880203ea"},
      {"continuation of nothing", frame(0x80, "hello", true), WireError::websocket, "", "880203ea"},
      {"new message inside one", concat({frame(0x02, "he", true), frame(0x82, "llo", true)}),
       WireError::websocket, "", "880203ea"},
      {"too large", frame(0x82, std::string(1001, 'x'), true), WireError::too_large, "",
       "880203f1"},
      {"too large in pieces",
       concat({frame(0x02, std::string(600, 'x'), true), frame(0x80, std::string(401, 'x'), true)}),
       WireError::too_large, "", "880203f1"},
      {"just fits", frame(0x82, std::string(1000, 'x'), true), {}, std::string(1000, 'x'), ""},
      {"announces the world", *from_hex("82ff7fffffffffffffff00000000"), WireError::too_large, "",
       "880203f1"},
      {"text that is not UTF-8", frame(0x81, "\xff", true), WireError::websocket, "", "880203ea"},
      {"close", close_1000, WireError::eof, "", "880203e8"},
      {"close without a code", frame(0x88, "", true), WireError::eof, "", "880203e8"},
      {"close with a forbidden code", frame(0x88, "\x03\xed", true), WireError::websocket, "",
       "880203ea"},
      {"cut in a message",
       [] {
         Bytes cut = frame(0x82, "hello", true);
         cut.pop_back();
         return cut;
       }(),
       WireError::eof, "", ""},
      {"cut between messages", {}, WireError::eof, "", ""},
  };
  for (const Script& script : scripts) {
    run_async([&] { return server_meets(script, {}); });
    run_async([&] { return server_meets(script, {1}); });
  }
}

awaitable<void> client_refuses(std::string answer, WireError expected, int status) {
  auto here = co_await boost::asio::this_coro::executor;
  auto stream = scripted_stream(here, to_bytes(std::string_view(answer)));
  std::string host = "h";
  std::string target = "/";
  HttpFields none;
  const WebSocketLimits limits;
  int refused = 0;
  auto socket =
      co_await WebSocket::connect(std::move(stream), host, target, none, limits, soon(), &refused);
  EXPECT_TRUE(!socket && socket.error().is(expected)) << answer;
  EXPECT_EQ(refused, status);
}
TEST(WebSocketClient, AnUpgradeThatIsNoneIsRefused) {
  const std::string fields = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  const std::string switching = "HTTP/1.1 101 Switching Protocols\r\n";
  run_async([] {
    return client_refuses("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
                          WireError::http_status, 403);
  });
  run_async([] { return client_refuses("HTTP/1.1 200 OK\r\n\r\n", WireError::http_status, 200); });
  run_async([&] { return client_refuses(switching + fields + "\r\n", WireError::websocket, 0); });
  run_async([&] {
    return client_refuses(
        switching + fields + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        WireError::websocket, 0);
  });
  run_async([] { return client_refuses("", WireError::eof, 0); });
}

TEST(WebSocketServer, KnowsAnUpgrade) {
  const HttpFields good{{"Upgrade", "WebSocket"},
                        {"Connection", "Upgrade"},
                        {"Sec-WebSocket-Version", "13"},
                        {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  HttpRequest request;
  request.headers = good;
  EXPECT_TRUE(WebSocket::is_upgrade(request));
  for (const char* missing :
       {"Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key"}) {
    HttpRequest without = request;
    without.headers.erase(missing);
    EXPECT_FALSE(WebSocket::is_upgrade(without)) << missing;
  }
  HttpRequest bad = request;
  bad.headers.set("Sec-WebSocket-Key", "c2hvcnQ=");
  EXPECT_FALSE(WebSocket::is_upgrade(bad));
  bad = request;
  bad.method = "POST";
  EXPECT_FALSE(WebSocket::is_upgrade(bad));
}

// Writers of one socket take turns, and the answer to a ping comes between whole frames.
awaitable<void> write_many(WebSocket& socket, char letter, int& left) {
  const std::string message(3000, letter);
  for (int i = 0; i < 10; ++i) {
    Result<void> written = co_await socket.write(view(message), soon());
    EXPECT_TRUE(written.has_value());
  }
  --left;
}
awaitable<void> writers_take_turns() {
  auto here = co_await boost::asio::this_coro::executor;
  const WebSocketLimits limits;
  const std::vector<size_t> splits = {500};
  Pair pair = co_await open_pair(splits, limits);
  int left = 3;
  const std::string letters = "abc";
  for (const char letter : letters) {
    spawn(here, write_many(*pair.client, letter, left), "writer");
  }
  Result<void> ping = co_await pair.client->ping(soon());
  EXPECT_TRUE(ping.has_value());
  for (int i = 0; i < 30; ++i) {
    Result<Bytes> message = co_await pair.server->read(soon());
    EXPECT_TRUE(message && *message == Bytes(3000, (*message)[0]));
  }
  while (left > 0) co_await yield_shard();
}
TEST(WebSocket, WritersTakeTurns) { run_async(writers_take_turns); }

}  // namespace
}  // namespace wab::wire
