// Both sides of HTTP over streams in memory.
#include "session/wire/http.h"

#include <gtest/gtest.h>

#include "storage/base/shards.h"
#include "tests/support/memory_stream.h"
#include "tests/support/run.h"

namespace wab::wire {
namespace {

using test::in_ms;
using test::memory_pair;
using test::run_async;
using test::scripted_stream;
using test::soon;

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

HttpRequest request_to(std::string method, std::string body = "") {
  HttpRequest request;
  request.method = std::move(method);
  request.headers.add("Host", "h");
  request.body = to_bytes(std::string_view(body));
  return request;
}

// Answers every request with its method, path and body until the client leaves.
awaitable<void> echo(std::unique_ptr<ByteStream> stream, int& served, Event& done) {
  HttpServerConnection connection(std::move(stream));
  for (;;) {
    auto request = co_await connection.read_request(soon(), soon());
    if (!request || !*request) break;
    HttpResponse response;
    const std::string head = (*request)->method + " " + (*request)->target + " ";
    response.body = to_bytes(std::string_view(head));
    append(response.body, (*request)->body);
    ++served;
    Result<void> written = co_await connection.write_response(std::move(response), soon());
    if (!written || !connection.keep_alive()) break;
  }
  connection.close();
  done.notify_all();
}

awaitable<void> keeps_alive(std::vector<size_t> splits) {
  auto here = co_await boost::asio::this_coro::executor;
  test::MemoryPair pair = memory_pair(here, splits);
  int served = 0;
  Event done;
  spawn(here, echo(std::move(pair.b), served, done), "echo");
  const HttpLimits limits = response_limits();
  for (int i = 0; i < 3; ++i) {
    HttpTrace trace;
    HttpRequest request = request_to("POST", "body" + std::to_string(i));
    auto answer = co_await exchange(*pair.a, std::move(request), limits, soon(), &trace);
    EXPECT_TRUE(answer.has_value());
    if (!answer) co_return;
    EXPECT_EQ(text(answer->response.body), "POST / body" + std::to_string(i));
    EXPECT_TRUE(answer->reusable);
    EXPECT_TRUE(trace.written && trace.answered);
  }
  HttpRequest head = request_to("HEAD");
  auto answer = co_await exchange(*pair.a, std::move(head), limits, soon());
  EXPECT_TRUE(answer && answer->response.body.empty() && answer->reusable);
  EXPECT_TRUE(answer && answer->response.headers.get("content-length") == "7");
  HttpRequest last = request_to("GET");
  last.headers.add("Connection", "close");
  auto final_answer = co_await exchange(*pair.a, std::move(last), limits, soon());
  EXPECT_TRUE(final_answer && !final_answer->reusable);
  EXPECT_TRUE(final_answer && final_answer->response.headers.get("connection") == "close");
  EXPECT_EQ(served, 5);
}
TEST(Http, ManyRequestsOnOneConnectionInAnySplit) {
  run_async([] { return keeps_alive({}); });
  run_async([] { return keeps_alive({1}); });
  run_async([] { return keeps_alive({3, 1, 17}); });
}

awaitable<void> refuses(std::string input, int status, std::string reply_contains) {
  auto here = co_await boost::asio::this_coro::executor;
  Bytes output;
  HttpServerConnection connection(
      scripted_stream(here, to_bytes(std::string_view(input)), {}, &output));
  auto request = co_await connection.read_request(soon(), soon());
  EXPECT_FALSE(request.has_value());
  EXPECT_EQ(connection.refusal(), status);
  EXPECT_FALSE(connection.keep_alive());
  EXPECT_NE(to_string(output).find(reply_contains), std::string::npos);
}
TEST(HttpServer, SaysWhyItRefuses) {
  run_async([] { return refuses("GET / HTTP/1.1\r\n\r\n", 400, ""); });
  run_async([] {
    return refuses("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n", 413, "");
  });
  run_async([] { return refuses("GET / HT", 0, ""); });
  run_async(
      [] { return refuses("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel", 0, ""); });
}

awaitable<void> ends_cleanly() {
  auto here = co_await boost::asio::this_coro::executor;
  HttpServerConnection closed(scripted_stream(here, {}));
  auto nothing = co_await closed.read_head(soon());
  EXPECT_TRUE(nothing && !*nothing);
  test::MemoryPair pair = memory_pair(here);
  HttpServerConnection idle(std::move(pair.b));
  auto silent = co_await idle.read_head(in_ms(1));
  EXPECT_TRUE(silent && !*silent);
}
TEST(HttpServer, SilenceAndCloseBetweenRequestsAreNoErrors) { run_async(ends_cleanly); }

awaitable<void> slow_head() {
  auto here = co_await boost::asio::this_coro::executor;
  test::MemoryPair pair = memory_pair(here);
  Result<void> sent = co_await pair.a->write(view("GET / HTTP/1.1\r\nHo"), soon());
  EXPECT_TRUE(sent.has_value());
  HttpLimits limits;
  limits.head_time = std::chrono::milliseconds(5);
  HttpServerConnection connection(std::move(pair.b), limits);
  auto request = co_await connection.read_head(soon());
  EXPECT_TRUE(!request && request.error().is(WireError::timeout));
  EXPECT_EQ(connection.refusal(), 408);
}
TEST(HttpServer, ASlowHeadMeetsItsDeadline) { run_async(slow_head); }

awaitable<void> expects_continue() {
  auto here = co_await boost::asio::this_coro::executor;
  test::MemoryPair pair = memory_pair(here);
  const std::string head =
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  Result<void> sent = co_await pair.a->write(view(head), soon());
  EXPECT_TRUE(sent.has_value());
  HttpServerConnection connection(std::move(pair.b));
  auto request = co_await connection.read_head(soon());
  EXPECT_TRUE(request && *request);
  Result<Bytes> late = co_await connection.read_body(10, in_ms(1));
  EXPECT_FALSE(late.has_value());
  Bytes answer(100);
  Result<size_t> size = co_await pair.a->read_some(answer, soon());
  EXPECT_TRUE(size.has_value());
  answer.resize(size.value_or(0));
  EXPECT_EQ(text(answer), "HTTP/1.1 100 Continue\r\n\r\n");
}
TEST(HttpServer, AsksForABodyOnlyOnceItWantsIt) { run_async(expects_continue); }

awaitable<void> unread_body() {
  auto here = co_await boost::asio::this_coro::executor;
  const std::string input = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + kGet;
  Bytes output;
  HttpServerConnection connection(
      scripted_stream(here, to_bytes(std::string_view(input)), {}, &output));
  auto request = co_await connection.read_head(soon());
  EXPECT_TRUE(request && *request);
  HttpResponse response;
  response.status = 401;
  Result<void> written = co_await connection.write_response(std::move(response), soon());
  EXPECT_TRUE(written.has_value());
  EXPECT_NE(to_string(output).find("connection: close"), std::string::npos);
  auto next = co_await connection.read_head(soon());
  EXPECT_TRUE(next && !*next) << "bytes of a body must never be read as a request";
}
TEST(HttpServer, AnUnreadBodyEndsTheConnection) { run_async(unread_body); }

awaitable<void> pipelined() {
  auto here = co_await boost::asio::this_coro::executor;
  const std::string input = kGet + kGet + kGet;
  Bytes output;
  int served = 0;
  Event done;
  auto stream = scripted_stream(here, to_bytes(std::string_view(input)), {}, &output);
  co_await echo(std::move(stream), served, done);
  EXPECT_EQ(served, 3);
}
TEST(HttpServer, PipelinedRequestsAreServedInOrder) { run_async(pipelined); }

awaitable<void> streams(std::string version, bool chunked) {
  auto here = co_await boost::asio::this_coro::executor;
  const std::string input = "GET /events HTTP/" + version + "\r\nHost: h\r\n\r\n";
  Bytes output;
  HttpServerConnection connection(
      scripted_stream(here, to_bytes(std::string_view(input)), {}, &output));
  auto request = co_await connection.read_head(soon());
  EXPECT_TRUE(request && *request);
  HttpResponse head;
  head.headers.add("content-type", "text/event-stream");
  Result<void> begun = co_await connection.begin_stream(std::move(head), soon());
  Result<void> piece = co_await connection.write_piece(view("data: 1\n\n"), soon());
  const ByteView nothing;
  Result<void> empty = co_await connection.write_piece(nothing, soon());
  Result<void> end = co_await connection.end_stream(soon());
  EXPECT_TRUE(begun && piece && empty && end);
  const std::string sent = to_string(output);
  EXPECT_EQ(sent.find("content-length"), std::string::npos);
  EXPECT_EQ(
      sent.ends_with(chunked ? "\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n" : "\r\n\r\ndata: 1\n\n"),
      true)
      << sent;
  EXPECT_EQ(connection.keep_alive(), chunked);
}
TEST(HttpServer, StreamsOfUnknownLength) {
  run_async([] { return streams("1.1", true); });
  run_async([] { return streams("1.0", false); });
}

struct ClientCase {
  std::string input;
  std::optional<WireError> error;
  std::string body;
  bool truncated = false;
  bool reusable = false;
};

awaitable<void> client_reads(ClientCase expected, std::vector<size_t> splits) {
  auto here = co_await boost::asio::this_coro::executor;
  auto stream = scripted_stream(here, to_bytes(std::string_view(expected.input)), splits);
  HttpLimits limits = response_limits();
  limits.body_bytes = 10;
  HttpRequest request = request_to("POST", "x");
  // The scripted peer has closed already; what it said before still counts.
  auto answer = co_await exchange(*stream, std::move(request), limits, soon());
  EXPECT_EQ(answer.has_value(), !expected.error) << expected.input;
  if (!answer) {
    EXPECT_TRUE(expected.error && answer.error().is(*expected.error))
        << expected.input << answer.error().describe();
    co_return;
  }
  EXPECT_EQ(text(answer->response.body), expected.body) << expected.input;
  EXPECT_EQ(answer->truncated, expected.truncated) << expected.input;
  // Bytes too many are only known once they were read.
  if (splits.empty()) {
    EXPECT_EQ(answer->reusable, expected.reusable) << expected.input;
  }
}
TEST(HttpClient, EveryKindOfAnswer) {
  std::string flood;
  for (int i = 0; i < 20; ++i) flood += "HTTP/1.1 102 Processing\r\n\r\n";
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const ClientCase cases[] = {
      {ok + "Content-Length: 2\r\n\r\nhi", {}, "hi", false, true},
      {ok + "Content-Length: 2\r\nConnection: close\r\n\r\nhi", {}, "hi", false, false},
      {ok + "Content-Length: 2\r\n\r\nhi and more", {}, "hi", false, false},
      {ok + "\r\nto the end", {}, "to the end", false, false},
      {ok + "Content-Length: 20\r\n\r\n0123456789abcdefghij", {}, "0123456789", true, false},
      {ok + "\r\n0123456789abcdefghij", {}, "0123456789", true, false},
      {ok + "Transfer-Encoding: chunked\r\n\r\n14\r\n0123456789abcdefghij\r\n0\r\n\r\n",
       {},
       "0123456789",
       true,
       false},
      {"HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nhi", {}, "hi", false, true},
      {"HTTP/1.1 204 No Content\r\n\r\n", {}, "", false, true},
      {flood, WireError::http, "", false, false},
      {"", WireError::eof, "", false, false},
      {"HTTP/1.1 200 OK\r\nContent-Le", WireError::eof, "", false, false},
      {ok + "Content-Length: 5\r\n\r\nhel", WireError::eof, "", false, false},
      {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", WireError::eof, "", false, false},
      {ok + "Transfer-Encoding: gzip\r\n\r\nhello", WireError::http, "", false, false},
      {"garbage\r\n\r\n", WireError::http, "", false, false},
      {ok + "X: " + std::string(20'000, 'a') + "\r\n\r\n", WireError::http, "", false, false},
  };
  for (const ClientCase& each : cases) {
    run_async([&] { return client_reads(each, {}); });
    run_async([&] { return client_reads(each, {1}); });
  }
}

awaitable<void> no_answer() {
  auto here = co_await boost::asio::this_coro::executor;
  test::MemoryPair pair = memory_pair(here);
  const HttpLimits limits;
  HttpTrace trace;
  HttpRequest request = request_to("GET");
  auto answer = co_await exchange(*pair.a, std::move(request), limits, in_ms(2), &trace);
  EXPECT_TRUE(!answer && answer.error().is(WireError::timeout));
  EXPECT_TRUE(trace.written);
  EXPECT_FALSE(trace.answered);
}
TEST(HttpClient, ASilentServerMeetsTheDeadline) { run_async(no_answer); }

awaitable<void> downloads() {
  auto here = co_await boost::asio::this_coro::executor;
  const std::string body(100'000, 'x');
  const std::string input =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  const Bytes bytes = to_bytes(std::string_view(input));
  HttpLimits limits;
  auto stream = scripted_stream(here, bytes);
  HttpRequest request = request_to("GET");
  auto download = co_await HttpDownload::start(std::move(stream), request, limits, soon());
  EXPECT_TRUE(download && download->head().status == 200);
  size_t total = 0;
  size_t largest = 0;
  for (;;) {
    Result<Bytes> piece = co_await download->read_some(soon());
    EXPECT_TRUE(piece.has_value());
    if (!piece || piece->empty()) break;
    total += piece->size();
    largest = std::max(largest, piece->size());
  }
  EXPECT_EQ(total, body.size());
  EXPECT_LE(largest, 16u * 1024);

  limits.body_bytes = 50'000;
  auto second = scripted_stream(here, bytes);
  auto limited = co_await HttpDownload::start(std::move(second), request, limits, soon());
  EXPECT_TRUE(limited.has_value());
  Result<Bytes> piece = co_await limited->read_some(soon());
  while (piece && !piece->empty()) piece = co_await limited->read_some(soon());
  EXPECT_TRUE(!piece && piece.error().is(WireError::too_large));
}
TEST(HttpDownload, BringsTheBodyInPiecesUpToItsLimit) { run_async(downloads); }

}  // namespace
}  // namespace wab::wire
