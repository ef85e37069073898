#include "tests/sandbox/connection.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "session/node/codec.h"

namespace wab::sandbox {
namespace {

constexpr auto kReadTimeout = std::chrono::minutes(10);  // A2 ends a silent connection before
constexpr auto kWriteTimeout = std::chrono::seconds(20);
constexpr auto kCloseTimeout = std::chrono::seconds(2);

wire::Deadline in(std::chrono::steady_clock::duration time) {
  return std::chrono::steady_clock::now() + time;
}

}  // namespace

ClientConnection::ClientConnection(std::unique_ptr<wire::WebSocket> socket, World& world,
                                   NoiseAuthority& authority, SeenKeys& seen)
    : socket_(std::move(socket)), world_(world), authority_(authority), seen_(seen) {}

wire::awaitable<void> ClientConnection::run(std::shared_ptr<ClientConnection> self) {
  self->id_ = self->world_.open(*self);
  self->fault_ = self->world_.faults().on_handshake();
  self->deaf_ = self->world_.faults().black_hole();
  co_await self->read_all();
  self->dead_ = true;
  self->world_.closed(self->id_);
  // The last words may still be on their way; the writer then closes the socket.
  if (!self->writing_) self->socket_->abort();
}

void ClientConnection::abort() {
  dead_ = true;
  out_.clear();
  socket_->abort();
}

wire::awaitable<void> ClientConnection::read_all() {
  for (;;) {
    auto message = co_await socket_->read(in(kReadTimeout));
    if (!message) {
      if (message.error().is(wire::WireError::too_large))
        world_.record("T6", id_, "message too large");
      if (message.error().is(wire::WireError::websocket)) {
        world_.record("T5", id_, "WebSocket rules broken");
      }
      co_return;
    }
    if (socket_->last_was_text()) {
      world_.record("T5", id_, "text message");
      co_await socket_->close(wire::CloseCode::unsupported, in(kCloseTimeout));
      co_return;
    }
    if (deaf_) continue;
    ByteView input = *message;
    const auto pass =
        world_.faults().on_bytes(Direction::to_server, world_.device_of(id_), input.size());
    if (pass) input = input.first(std::min(*pass, input.size()));
    const bool go_on = take(input);
    if (pass) abort();
    if (!go_on || pass) co_return;
  }
}

bool ClientConnection::broken(const char* rule, const std::string& why) {
  world_.record(rule, id_, why);
  dead_ = true;
  socket_->abort();
  return false;
}

bool ClientConnection::take(ByteView input) {
  if (stage_ == Stage::intro) {
    const auto complete = intro_.take(input);
    if (!complete) return broken("T2", "the connection does not begin with the intro");
    if (!*complete) return true;
    stage_ = Stage::hello;
    if (intro_.routing_info() && !world_.issued_routing_info(*intro_.routing_info())) {
      world_.record("T3", id_, "edge routing blob that was never issued");
    }
  }
  for (;;) {
    if (frames_.idle() && input.size() >= 4 &&
        std::ranges::equal(input.first(4), noise::kConnectionHeader)) {
      return broken("T4", "the intro came a second time");
    }
    auto frame = frames_.take(input);
    if (!frame) return broken("T6", "frame too large");
    if (!*frame) return true;
    if (!take_frame(std::move(**frame))) return false;
  }
}

bool ClientConnection::take_frame(Bytes frame) {
  switch (stage_) {
    case Stage::hello:
      return take_hello(frame);
    case Stage::finish:
      return take_finish(frame);
    case Stage::open:
      return take_stanza(frame);
    case Stage::intro:
      break;
  }
  return false;
}

bool ClientConnection::take_hello(const Bytes& frame) {
  if (fault_ == HandshakeFault::no_answer) {
    deaf_ = true;
    return true;
  }
  noise::ServerHandshake::Options options;
  options.static_keys = authority_.server_keys();
  options.ephemeral = signal::KeyPair::generate(world_.random());
  options.chain = authority_.chain(world_.now_s(), fault_, world_.random());
  if (fault_ == HandshakeFault::short_static) options.announced_static = Bytes(31, 0x07);
  handshake_ = std::make_unique<noise::ServerHandshake>(std::move(options));
  auto reply = handshake_->on_client_hello(frame);
  if (!reply) return broken("N1", "ClientHello: " + reply.error().describe());
  // The whole hello holds the ephemeral key, which is random: equal hellos mean an equal key.
  if (!seen_.insert(frame).second) world_.record("P6", id_, "ephemeral key used again");
  auto framed = noise::frame(reply->message);
  if (!framed) return broken("N1", "ServerHello does not fit");
  if (fault_ == HandshakeFault::close_in_the_middle) {
    framed->resize(framed->size() / 2);
    send_raw(std::move(*framed));
    end();
    return false;
  }
  send_raw(std::move(*framed));
  stage_ = Stage::finish;
  if (!reply->client) return true;
  transport_.emplace(std::move(reply->client->keys));
  frames_.set_limit(kMaxClientFrame);
  stage_ = Stage::open;
  world_.begin(id_, to_bytes(ByteView(reply->client->static_key)), reply->client->payload);
  return true;
}

bool ClientConnection::take_finish(const Bytes& frame) {
  auto client = handshake_->on_client_finish(frame);
  if (!client) return broken("N2", "ClientFinish: " + client.error().describe());
  handshake_.reset();
  transport_.emplace(std::move(client->keys));
  frames_.set_limit(kMaxClientFrame);
  stage_ = Stage::open;
  world_.begin(id_, to_bytes(ByteView(client->static_key)), client->payload);
  return true;
}

bool ClientConnection::take_stanza(const Bytes& frame) {
  const auto plain = transport_->open(frame);
  if (!plain) return broken("N4", "frame: " + plain.error().describe());
  auto stanza = node::decode(*plain, node::Limits::for_server());
  if (!stanza) {
    const bool flags = stanza.error().is(node::NodeError::bad_flags);
    world_.malformed(id_, flags ? "B2" : "B1", stanza.error().describe());
    return false;
  }
  if (!plain->empty() && plain->front() != 0) world_.record("B2", id_, "flags byte is not 0");
  world_.receive(id_, std::move(*stanza));
  return !dead_;
}

void ClientConnection::deliver(const node::Node& stanza) {
  if (!transport_ || ending_ || dead_) return;
  const auto plain = node::encode(stanza);
  if (!plain) return;
  auto sealed = transport_->seal(*plain);
  if (sealed) send_raw(std::move(*sealed));
}

void ClientConnection::end() {
  ending_ = true;
  start_writer();
}

void ClientConnection::send_raw(Bytes bytes) {
  if (dead_) return;
  out_.push_back(std::move(bytes));
  start_writer();
}

void ClientConnection::start_writer() {
  if (writing_) return;
  writing_ = true;
  boost::asio::co_spawn(socket_->executor(), write_all(shared_from_this()), boost::asio::detached);
}

wire::awaitable<void> ClientConnection::write_all(std::shared_ptr<ClientConnection> self) {
  while (!self->out_.empty()) {
    Bytes next = std::move(self->out_.front());
    self->out_.pop_front();
    if (self->world_.faults().shuffle_frames()) {
      // N6: what waits goes out in pieces that have nothing to do with frames.
      for (; !self->out_.empty(); self->out_.pop_front()) append(next, self->out_.front());
      if (next.size() > 1) {
        const size_t cut = 1 + self->world_.random().below(next.size() - 1);
        self->out_.emplace_front(next.begin() + static_cast<std::ptrdiff_t>(cut), next.end());
        next.resize(cut);
      }
    }
    const auto pass = self->world_.faults().on_bytes(
        Direction::to_device, self->world_.device_of(self->id_), next.size());
    if (pass) next.resize(std::min(*pass, next.size()));
    if (!next.empty()) {
      const auto written = co_await self->socket_->write(next, in(kWriteTimeout));
      if (!written) break;
    }
    if (pass) {
      self->abort();
      break;
    }
  }
  self->writing_ = false;
  if (self->ending_) co_await self->socket_->close(wire::CloseCode::normal, in(kCloseTimeout));
  if (self->dead_) self->socket_->abort();
}

}  // namespace wab::sandbox
