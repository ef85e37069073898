#include "bridge/exchange.h"

#include "bridge/refusals.h"
#include "bridge/request.h"
#include "bridge/router.h"
#include "session/wire/http.h"
#include "session/wire/websocket.h"
#include "storage/base/log.h"
#include "storage/base/metrics.h"
#include "storage/base/shards.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto kWrite = Patience().write;  // of a piece of a stream
constexpr uint64_t kMaxBody = 1024 * 1024;
constexpr std::chrono::seconds kMinute{60};

struct Probe {
  Counter requests = make_counter("waslo_http_requests_total", "Requests to the API.");
  Histogram seconds =
      make_histogram("waslo_http_request_seconds", "Time to answer.", latency_bounds());
};
Probe& probe() {
  static Probe instance;
  return instance;
}

// The route instead of the path, and no query: nothing of the caller's but the method. Refusals
// by a limit are not told at info: whoever floods us would write our log.
void log_request(const Request& request, const Answer& answer, double seconds) {
  const auto say = answer.status == 429 ? log_debug : log_info;
  say("http.request", {{"method", request.method},
                       {"route", answer.route},
                       {"status", answer.status},
                       {"ms", seconds * 1000},
                       {"request", request.id},
                       {"trace", request.trace.id()}});
}

std::string peer_address(const std::string& peer) {
  if (const auto parsed = parse_host_port(peer)) return parsed->host;
  return peer;
}

// All the values of a field, as if they had come in one.
std::string joined(const wire::HttpFields& fields, std::string_view name) {
  std::string out;
  for (const auto& [key, value] : fields) {
    if (!wire::equal_ignoring_case(key, name)) continue;
    out += (out.empty() ? "" : ", ") + value;
  }
  return out;
}

Request to_request(App& app, const wire::HttpRequest& from, const std::string& peer, bool secure) {
  Request out;
  out.id = to_hex(app.random.array<12>());
  out.method = from.method;
  out.path = std::string(from.path());
  out.query_ok = parse_query(from.query(), out.query);
  for (const auto& [name, value] : from.headers) out.headers.emplace_back(name, value);
  // Two of them contradict each other: then neither counts.
  const auto parent = from.headers.count("traceparent") == 1
                          ? TraceContext::parse(from.headers.get("traceparent"))
                          : std::nullopt;
  out.trace = parent ? parent->child(app.random) : TraceContext::fresh(app.random);
  out.body = to_string(from.body);
  const std::string direct = peer_address(peer);
  out.address = client_address(app.config, direct, joined(from.headers, "x-forwarded-for"));
  const bool proxied = in_networks(app.config.http.trusted_proxies, direct);
  out.secure = secure || (proxied && joined(from.headers, "x-forwarded-proto") == "https");
  out.upgrade = wire::WebSocket::is_upgrade(from);
  return out;
}

wire::HttpResponse to_response(Answer& answer) {
  wire::HttpResponse out;
  out.status = answer.status;
  for (auto& [name, value] : answer.headers) out.headers.add(name, value);
  if (!answer.content_type.empty() && !out.headers.contains("content-type") &&
      answer.status != 204) {
    out.headers.set("content-type", answer.content_type);
  }
  out.body = to_bytes(view(answer.body));
  return out;
}

// ---- Streams
// -------------------------------------------------------------------------------------

// What the parts of one stream share: whoever writes, whoever listens for the reader's end, whoever
// asks whether the reader may still see it.
struct Pipe {
  virtual ~Pipe() = default;
  // Tells the reader that this was all, unless a piece is just on its way, and closes.
  virtual awaitable<void> revoke() = 0;
  bool gone = false;     // the reader, or its right to read
  bool writing = false;  // a piece is on its way
  bool over = false;     // nothing more will be written
  bool proving = false;
  Event ended, unproven;
};

constexpr auto kLastWord = 300ms;

// However long the follower has nothing to say, the stream ends with what let its reader in.
awaitable<void> keep_proving(std::shared_ptr<Pipe> pipe, std::unique_ptr<Proof> proof) {
  while (!pipe->over && !pipe->gone) {
    (void)co_await pipe->ended.wait_until(Steady::now() + kProofEvery);
    if (pipe->over || pipe->gone) break;
    const bool holds = co_await proof->holds();
    if (holds || pipe->over) continue;
    log_info("http.stream_revoked");
    pipe->gone = true;
    co_await pipe->revoke();
  }
  pipe->proving = false;
  pipe->unproven.notify_all();
}

// Runs the follower of an answer to its end, under its proof.
template <class Sink, class Held>
awaitable<void> follow(std::shared_ptr<Held> pipe, Answer& answer,
                       std::shared_ptr<Stopping> stopping, any_io_executor home) {
  if (answer.proof) {
    pipe->proving = true;
    spawn(home, keep_proving(pipe, std::move(answer.proof)), "http.proof");
  }
  Sink sink(pipe, stopping);
  co_await answer.follower->run(sink);
  pipe->over = true;
  pipe->ended.notify_all();
  while (pipe->proving) co_await pipe->unproven.wait();
}

struct SsePipe final : Pipe {
  explicit SsePipe(wire::HttpServerConnection held) : connection(std::move(held)) {}
  awaitable<void> revoke() override {
    if (!writing) (void)co_await connection.end_stream(Steady::now() + kLastWord);
    connection.close();
  }
  wire::HttpServerConnection connection;
  bool watching = true;
  Event unwatched;
};

awaitable<void> watch_reader(std::shared_ptr<SsePipe> pipe) {
  co_await pipe->connection.watch_for_close();
  pipe->gone = true;
  pipe->watching = false;
  pipe->unwatched.notify_all();
}

class SseSink final : public EventSink {
 public:
  SseSink(std::shared_ptr<SsePipe> pipe, std::shared_ptr<Stopping> stopping)
      : pipe_(std::move(pipe)), stopping_(std::move(stopping)) {}
  awaitable<Result<void>> send(std::string name, std::string json) override {
    const std::string text = "event: " + name + "\ndata: " + json + "\n\n";
    co_return co_await write(text);
  }
  awaitable<Result<void>> beat() override {
    const std::string text = ": still here\n\n";
    co_return co_await write(text);
  }
  bool closed() const override { return pipe_->gone || stopping_->flag; }

 private:
  awaitable<Result<void>> write(std::string text) {
    if (pipe_->gone) co_return fail(wire::WireError::eof, "reader");
    const auto deadline = Steady::now() + kWrite;
    pipe_->writing = true;
    auto done = co_await pipe_->connection.write_piece(view(text), deadline);
    pipe_->writing = false;
    if (!done) pipe_->gone = true;
    co_return done;
  }
  std::shared_ptr<SsePipe> pipe_;
  std::shared_ptr<Stopping> stopping_;
};

struct WsPipe final : Pipe {
  awaitable<void> revoke() override {
    if (!writing) co_await socket->close(wire::CloseCode::policy, Steady::now() + kLastWord);
    socket->abort();
  }
  std::unique_ptr<wire::WebSocket> socket;
  bool reading = true;
  Event unread;
};

// What a reader of events sends is not for us, but its close and its pongs are.
awaitable<void> drain_reader(std::shared_ptr<WsPipe> pipe) {
  // Named before it is looked at: g++ 12 miscompiles a loop whose condition awaits.
  for (;;) {
    const auto received = co_await pipe->socket->read(wire::Deadline::max());
    if (!received) break;
  }
  pipe->gone = true;
  pipe->reading = false;
  pipe->unread.notify_all();
}

class WsSink final : public EventSink {
 public:
  WsSink(std::shared_ptr<WsPipe> pipe, std::shared_ptr<Stopping> stopping)
      : pipe_(std::move(pipe)), stopping_(std::move(stopping)) {}
  awaitable<Result<void>> send(std::string, std::string json) override {
    if (pipe_->gone) co_return fail(wire::WireError::eof, "reader");
    const auto deadline = Steady::now() + kWrite;
    pipe_->writing = true;
    auto done = co_await pipe_->socket->write_text(json, deadline);
    pipe_->writing = false;
    if (!done) pipe_->gone = true;
    co_return done;
  }
  awaitable<Result<void>> beat() override {
    if (pipe_->gone) co_return fail(wire::WireError::eof, "reader");
    const auto deadline = Steady::now() + kWrite;
    pipe_->writing = true;
    auto done = co_await pipe_->socket->ping(deadline);
    pipe_->writing = false;
    if (!done) pipe_->gone = true;
    co_return done;
  }
  bool closed() const override { return pipe_->gone || stopping_->flag; }

 private:
  std::shared_ptr<WsPipe> pipe_;
  std::shared_ptr<Stopping> stopping_;
};

awaitable<void> follow_sse(wire::HttpServerConnection connection, Answer answer,
                           std::shared_ptr<Stopping> stopping) {
  answer.headers.emplace_back("content-type", "text/event-stream; charset=utf-8");
  wire::HttpResponse head = to_response(answer);
  auto pipe = std::make_shared<SsePipe>(std::move(connection));
  const auto deadline = Steady::now() + kWrite;
  auto begun = co_await pipe->connection.begin_stream(std::move(head), deadline);
  if (begun) {
    spawn(pipe->connection.executor(), watch_reader(pipe), "http.sse");
    any_io_executor home = pipe->connection.executor();
    co_await follow<SseSink>(pipe, answer, stopping, std::move(home));
    if (!pipe->gone) (void)co_await pipe->connection.end_stream(Steady::now() + 1s);
    pipe->connection.close();
    while (pipe->watching) co_await pipe->unwatched.wait();
  }
}

awaitable<void> follow_websocket(wire::HttpServerConnection connection, wire::HttpRequest request,
                                 Answer answer, std::shared_ptr<Stopping> stopping) {
  auto taken = connection.take();
  wire::HttpFields headers;
  for (auto& [name, value] : answer.headers) headers.add(name, value);
  const wire::WebSocketLimits limits{64 * 1024};
  const auto deadline = Steady::now() + kWrite;
  auto socket =
      co_await wire::WebSocket::accept(std::move(taken.stream), std::move(taken.leftover),
                                       std::move(request), std::move(headers), limits, deadline);
  if (!socket) co_return;
  auto pipe = std::make_shared<WsPipe>();
  pipe->socket = std::move(*socket);
  spawn(pipe->socket->executor(), drain_reader(pipe), "http.websocket");
  any_io_executor home = pipe->socket->executor();
  co_await follow<WsSink>(pipe, answer, stopping, std::move(home));
  const auto soon = Steady::now() + 2s;
  if (!pipe->gone) co_await pipe->socket->close(wire::CloseCode::going_away, soon);
  pipe->socket->abort();
  while (pipe->reading) co_await pipe->unread.wait();
}

// An answer to what never became a request. It counts as one of its address; who has none left gets
// none.
awaitable<void> refuse_framing(App& app, wire::HttpServerConnection& connection,
                               const std::string& address, const Patience& patience) {
  const int status = connection.refusal();
  if (status == 0) co_return;
  Problem problem;
  problem.code = status == 413   ? Code::body_too_large
                 : status == 414 ? Code::target_too_long
                 : status == 431 ? Code::headers_too_large
                 : status == 408 ? Code::request_timeout
                                 : Code::bad_request;
  Request nobody;
  nobody.id = to_hex(app.random.array<12>());
  nobody.trace = TraceContext::fresh(app.random);
  log_refusal(app, problem.code, "", address, nobody.id);
  if (!in_networks(app.config.http.trusted_proxies, address) && !address.empty()) {
    const auto verdict = app.limits.take("address", address_group(address),
                                         app.config.limits.address_per_minute, kMinute);
    if (!verdict.allowed) co_return;
  }
  Answer answer = problem_answer(problem, nobody.id);
  dress(answer, nobody, app.config);
  connection.stop_keep_alive();
  wire::HttpResponse response = to_response(answer);
  const auto soon = Steady::now() + patience.linger;
  auto written = co_await connection.write_response(std::move(response), soon);
  // What is still on its way must not reset the connection under the answer.
  if (written) co_await connection.drain(soon);
}

}  // namespace

std::string client_address(const Config& config, std::string_view peer,
                           std::string_view forwarded_for) {
  std::string address(peer);
  // From the right: each hop is believed only when the one that told it is ours.
  while (!forwarded_for.empty() && in_networks(config.http.trusted_proxies, address)) {
    const auto comma = forwarded_for.rfind(',');
    auto last = comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1);
    forwarded_for =
        comma == std::string_view::npos ? std::string_view() : forwarded_for.substr(0, comma);
    while (!last.empty() && last.front() == ' ') last.remove_prefix(1);
    while (!last.empty() && last.back() == ' ') last.remove_suffix(1);
    if (last.empty() || last.size() > 45) break;
    address = std::string(last);
  }
  return address;
}

awaitable<void> serve_connection(App& app, std::unique_ptr<wire::ByteStream> stream, bool secure,
                                 std::shared_ptr<Stopping> stopping, LiveConnections& live,
                                 Patience patience) {
  LiveConnections::One registered(live, stream.get());
  wire::HttpLimits limits;
  limits.body_bytes = kMaxBody;
  limits.head_time = patience.head;
  limits.body_grace = patience.body_grace;
  limits.body_bytes_per_second = patience.body_bytes_per_second;
  wire::HttpServerConnection connection(std::move(stream), limits);
  const std::string peer = connection.peer();
  const std::string direct = peer_address(peer);
  const bool proxied = in_networks(app.config.http.trusted_proxies, direct);
  for (int served = 0; served < patience.requests && !stopping->flag; ++served) {
    registered.idle = true;
    const auto idle_end = Steady::now() + patience.idle;
    auto request = co_await connection.read_request(idle_end, idle_end + patience.body);
    registered.idle = false;
    if (!request) {
      co_await refuse_framing(app, connection, direct, patience);
      break;
    }
    if (!*request) break;
    const auto started = Steady::now();
    const Request asked = to_request(app, **request, peer, secure);
    Answer answer = co_await handle(app, asked);
    const std::chrono::duration<double> took = Steady::now() - started;
    probe().requests.add();
    probe().seconds.observe(took.count());
    log_request(asked, answer, took.count());
    if (answer.kind == Answer::Kind::server_sent_events) {
      co_await follow_sse(std::move(connection), std::move(answer), stopping);
      co_return;
    }
    if (answer.kind == Answer::Kind::websocket) {
      co_await follow_websocket(std::move(connection), std::move(**request), std::move(answer),
                                stopping);
      co_return;
    }
    if (answer.status == 429 && !proxied) {
      co_await sleep_until(Steady::now() + patience.over_limit);
    }
    if (stopping->flag || served + 1 == patience.requests) connection.stop_keep_alive();
    wire::HttpResponse response = to_response(answer);
    auto written =
        co_await connection.write_response(std::move(response), Steady::now() + patience.write);
    if (!written || !connection.keep_alive()) break;
  }
  connection.close();
}

}  // namespace wab::bridge
