// One call as values: what came in, what goes out.
//
// Pure data. The exchange fills a Request from the wire and prints an Answer to it; between them
// nobody sees a socket, so that every route is tested without one.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bridge/problem.h"
#include "bridge/shape.h"
#include "storage/base/trace.h"

namespace wab::bridge {

using boost::asio::awaitable;
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string id;      // X-Request-Id of the answer and in the log
  TraceContext trace;  // the caller's, or a fresh one; its span is this request
  std::string method;
  std::string path;  // as sent, before "?"; percent escapes are not decoded: no route has any
  Query query;       // decoded
  bool query_ok = true;
  Headers headers;
  std::string body;
  std::string address;   // of the client, "" when unknown
  bool secure = false;   // arrived over TLS, here or at a trusted proxy
  bool upgrade = false;  // a valid WebSocket upgrade: the answer may be a follower of that kind
  // "" when absent; names compare without case.
  std::string_view header(std::string_view name) const;
  size_t count(std::string_view name) const;
  std::string_view parameter(std::string_view name) const;
};

// "a=1&b=%20" to pairs; false when an escape is broken or the text is not UTF-8.
bool parse_query(std::string_view text, Query& into);

// Where a follower writes: server-sent events or WebSocket frames, it cannot tell. Each call has
// its own deadline; an error means that the reader is gone.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // SSE: "event: name" and "data: json"; WebSocket: the json as a text frame.
  virtual awaitable<Result<void>> send(std::string name, std::string json) = 0;
  // Proof of life for both sides; due every kHeartbeat.
  virtual awaitable<Result<void>> beat() = 0;
  // True once the reader has gone or the service stops.
  virtual bool closed() const = 0;
};
inline constexpr std::chrono::seconds kHeartbeat{20};

// An answer that goes on. run() returns when there is nothing more to say or the sink is closed.
class Follower {
 public:
  virtual ~Follower() = default;
  virtual awaitable<void> run(EventSink& sink) = 0;
};

// Whether the reader of an answer that goes on may still see it: asked again while it runs.
class Proof {
 public:
  virtual ~Proof() = default;
  virtual awaitable<bool> holds() = 0;
};
inline constexpr std::chrono::milliseconds kProofEvery{500};

struct Answer {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::string body;
  Headers headers;
  std::string_view route = "";  // pattern of the route that answered, for the log; "" for none
  enum class Kind : uint8_t { whole, server_sent_events, websocket } kind = Kind::whole;
  std::unique_ptr<Follower> follower;  // of the latter two
  std::unique_ptr<Proof> proof;        // of the latter two; null: open to everybody
};

Answer json_answer(int status, const nlohmann::json& body);
Answer problem_answer(const Problem& problem, std::string_view request_id);

}  // namespace wab::bridge
