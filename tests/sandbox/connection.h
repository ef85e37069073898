// One client's socket: intro, Noise handshake, frames in both directions (dossier 1 sections 1, 2
// and 14.1). The World decides what is said; this only carries.
//
// Lives on the sandbox's thread. Alive while one of its two coroutines is.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "session/noise/handshake.h"
#include "session/noise/transport.h"
#include "session/wire/websocket.h"
#include "tests/sandbox/authority.h"
#include "tests/sandbox/world.h"

namespace wab::sandbox {

inline constexpr size_t kMaxClientFrame = 4u << 20;  // T6

// Ephemeral keys that were seen: none may come twice (P6).
using SeenKeys = std::set<Bytes>;

class ClientConnection final : public Port, public std::enable_shared_from_this<ClientConnection> {
 public:
  ClientConnection(std::unique_ptr<wire::WebSocket> socket, World& world, NoiseAuthority& authority,
                   SeenKeys& seen);

  // Reads until the end. Keeps the connection alive.
  static wire::awaitable<void> run(std::shared_ptr<ClientConnection> self);
  // Cuts the socket: the program ends.
  void abort();

  // Port.
  void deliver(const node::Node& stanza) override;
  void end() override;

 private:
  enum class Stage { intro, hello, finish, open };

  wire::awaitable<void> read_all();
  // False: stop reading.
  bool take(ByteView input);
  bool take_frame(Bytes frame);
  bool take_hello(const Bytes& frame);
  bool take_finish(const Bytes& frame);
  bool take_stanza(const Bytes& frame);
  bool broken(const char* rule, const std::string& why);
  void send_raw(Bytes bytes);
  void start_writer();
  static wire::awaitable<void> write_all(std::shared_ptr<ClientConnection> self);

  std::unique_ptr<wire::WebSocket> socket_;
  World& world_;
  NoiseAuthority& authority_;
  SeenKeys& seen_;
  ConnectionId id_ = 0;
  Stage stage_ = Stage::intro;
  HandshakeFault fault_ = HandshakeFault::none;
  bool deaf_ = false;  // fault: never answers
  noise::IntroReader intro_;
  noise::FrameReader frames_{noise::kMaxHandshakeFrame};
  std::unique_ptr<noise::ServerHandshake> handshake_;
  std::optional<noise::Transport> transport_;
  std::deque<Bytes> out_;
  bool writing_ = false;
  bool ending_ = false;
  bool dead_ = false;
};

}  // namespace wab::sandbox
