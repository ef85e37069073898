#include "session/connection.h"

#include "session/node/codec.h"
#include "session/session.h"
#include "session/wire/websocket.h"
#include "storage/base/shards.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;

constexpr auto kHandshakeTimeout = 20s;
constexpr auto kWriteTimeout = 30s;
constexpr size_t kMaxQueued = 8u << 20;      // then the peer is not reading: give up
constexpr size_t kMaxCoalesced = 64u << 10;  // bytes of frames in one WebSocket message

}  // namespace

Connection::Connection(SessionContext& context) : context_(context) {
  auto& random = context.random();
  id_prefix_ = std::to_string(random.below(256)) + "." + std::to_string(random.below(256)) + "-";
}

Connection::~Connection() = default;

awaitable<Result<std::shared_ptr<Connection>>> Connection::open(SessionContext& context,
                                                                Opening opening,
                                                                bool& cache_suspect) {
  std::shared_ptr<Connection> self(new Connection(context));
  CO_TRY(self->socket_, co_await context.dial());
  auto shaken = co_await self->shake_hands(std::move(opening), cache_suspect);
  if (!shaken) {
    self->close();
    co_return fail(shaken.error());
  }
  self->last_frame_ = context.clock().steady();
  co_return self;
}

awaitable<Result<void>> Connection::shake_hands(Opening opening, bool& cache_suspect) {
  const auto deadline = std::chrono::steady_clock::now() + kHandshakeTimeout;
  frames_.set_limit(noise::kMaxHandshakeFrame);
  const bool resume = opening.cached.has_value();
  std::optional<Key32> server_key;
  if (resume) server_key = opening.cached->leaf.key;
  noise::ClientHandshake handshake(resume ? noise::Mode::ik : noise::Mode::xx,
                                   signal::KeyPair::generate(context_.random()),
                                   std::move(opening.noise), server_key);
  CO_TRY(auto hello, handshake.hello(opening.payload));
  CO_TRY(auto hello_frame, noise::frame(hello));
  const Bytes first = concat({noise::intro(opening.routing_info), hello_frame});
  CO_TRY_VOID(co_await socket_->write(first, deadline));
  CO_TRY(auto answer, co_await read_frame(deadline));
  auto finish = handshake.on_server_hello(answer, opening.policy, opening.payload);
  cache_suspect = handshake.cache_is_suspect();
  if (!finish) co_return fail(finish.error());
  if (finish->message) {
    CO_TRY(auto last, noise::frame(*finish->message));
    CO_TRY_VOID(co_await socket_->write(last, deadline));
  }
  chain_ = finish->chain;
  transport_.emplace(std::move(finish->keys));
  frames_.set_limit(noise::kMaxFrame);
  co_return ok();
}

awaitable<Result<Bytes>> Connection::read_frame(wire::Deadline deadline) {
  for (;;) {
    ByteView rest = ByteView(input_).subspan(input_used_);
    auto taken = frames_.take(rest);
    input_used_ = input_.size() - rest.size();
    if (!taken) co_return fail(taken.error());
    if (*taken) co_return std::move(**taken);
    input_ = Bytes();
    input_used_ = 0;
    CO_TRY(input_, co_await socket_->read(deadline));
  }
}

awaitable<Result<node::Node>> Connection::next() {
  auto self = shared_from_this();
  for (;;) {
    // No deadline here: a silent socket is the keepalive's business (keepalive.h).
    auto frame = co_await read_frame(wire::Deadline::max());
    if (!frame) {
      close();
      co_return fail(frame.error());
    }
    last_frame_ = context_.clock().steady();
    auto plain = transport_->open(*frame);
    if (!plain) {
      close();
      co_return fail(plain.error());
    }
    auto stanza = node::decode(*plain);
    if (!stanza) {
      close();
      co_return fail(stanza.error());
    }
    if (answered(*stanza)) continue;
    co_return std::move(*stanza);
  }
}

bool Connection::answered(node::Node& stanza) {
  if (stanza.tag != "iq") return false;
  const std::string type = stanza.attr("type");
  if (type != "result" && type != "error") return false;
  const auto it = waiters_.find(stanza.attr("id"));
  if (it == waiters_.end()) return true;  // an answer that nobody awaits any more
  it->second->answer = std::move(stanza);
  it->second->done.notify_all();
  waiters_.erase(it);
  return true;
}

std::string Connection::next_id() { return id_prefix_ + std::to_string(++id_count_); }

bool Connection::send(const node::Node& stanza) {
  auto encoded = node::encode(stanza);
  return encoded && send_encoded(std::move(*encoded));
}

bool Connection::send_encoded(Bytes encoded) {
  if (!alive_ || !transport_) return false;
  out_bytes_ += encoded.size();
  if (out_bytes_ > kMaxQueued) {
    close();
    return false;
  }
  out_.push_back(std::move(encoded));
  if (!writing_) {
    writing_ = true;
    spawn(context_.executor(), write_queued(shared_from_this()), "session.write");
  }
  return true;
}

awaitable<void> Connection::write_queued(std::shared_ptr<Connection> self) {
  while (self->alive_ && !self->out_.empty()) {
    Bytes message;
    while (!self->out_.empty() && message.size() < kMaxCoalesced) {
      self->out_bytes_ -= self->out_.front().size();
      auto sealed = self->transport_->seal(self->out_.front());
      self->out_.pop_front();
      if (!sealed) {
        self->close();
        co_return;
      }
      append(message, *sealed);
    }
    const auto deadline = std::chrono::steady_clock::now() + kWriteTimeout;
    auto written = co_await self->socket_->write(message, deadline);
    if (!written) self->close();
  }
  self->writing_ = false;
}

awaitable<Result<node::Node>> Connection::ask_raw(node::Node iq, std::chrono::seconds timeout) {
  auto self = shared_from_this();
  if (!iq.has("id")) iq.set("id", next_id());
  const std::string id = iq.attr("id");
  auto waiter = std::make_shared<Waiter>();
  waiters_[id] = waiter;
  if (!send(iq)) {
    waiters_.erase(id);
    co_return fail(SessionError::disconnected, "question on a closed connection");
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!waiter->answer && alive_) {
    if (!co_await waiter->done.wait_until(deadline)) break;
  }
  if (waiter->answer) co_return std::move(*waiter->answer);
  waiters_.erase(id);
  if (!alive_) co_return fail(SessionError::disconnected, "connection ended before the answer");
  co_return fail(SessionError::timeout, "no answer to a question");
}

awaitable<Result<node::Node>> Connection::ask(node::Node iq, std::chrono::seconds timeout,
                                              int* error_code) {
  CO_TRY(auto answer, co_await ask_raw(std::move(iq), timeout));
  if (answer.attr("type") == "result") co_return answer;
  const auto* error = answer.child("error");
  if (error_code != nullptr) {
    *error_code = error ? static_cast<int>(error->number("code").value_or(0)) : 0;
  }
  co_return fail(SessionError::refused, "WhatsApp answered with an error");
}

void Connection::close() {
  if (!alive_) return;
  alive_ = false;
  if (socket_) socket_->abort();
  for (auto& [id, waiter] : waiters_) waiter->done.notify_all();
  waiters_.clear();
  ended_.notify_all();
}

awaitable<bool> Connection::ended_before(SteadyTime deadline) {
  auto self = shared_from_this();
  while (alive_) {
    if (!co_await ended_.wait_until(deadline)) break;
  }
  co_return !alive_;
}

}  // namespace wab::session
