// Frames: 3-byte length, payload; after the handshake the payload is AES-256-GCM under one counter
// per direction (dossier 1 sections 1.2, 1.3 and 2.3). Pure state, one owner, no locks.
//
// An idle session keeps two keys and two counters, no cipher context: those belong to the thread
// (session/signal/kdf.h).
#pragma once

#include <optional>

#include "session/noise/error.h"
#include "session/noise/symmetric.h"

namespace wab::noise {

inline constexpr size_t kMaxFrame = 0xFFFFFF;
inline constexpr size_t kTagSize = 16;
// Enough for any handshake message; use it until the split.
inline constexpr size_t kMaxHandshakeFrame = 64 * 1024;

// Length and payload of a handshake message.
Result<Bytes> frame(ByteView payload);

// What precedes the very first frame of a client: optional edge-routing blob, then the connection
// header. A blob that its length field cannot express is left out.
Bytes intro(ByteView routing_info = {});

class Transport {
 public:
  explicit Transport(TransportKeys keys) : keys_(std::move(keys)) {}

  // Length and ciphertext, ready for the socket. Frames must be written in the order of the calls.
  Result<Bytes> seal(ByteView plain);
  // One frame without its length. Any error means: close the connection.
  Result<Bytes> open(ByteView frame);

 private:
  friend struct TransportProbe;  // lets a test set the counters near their end

  TransportKeys keys_;
  // Next counters; one past the last u32 means exhausted.
  uint64_t written_ = 0;
  uint64_t read_ = 0;
};

// Puts frames together from pieces of any size. Never reserves what was only announced, and hands
// the buffer of a frame over with the frame, so that nothing of a big one stays behind.
class FrameReader {
 public:
  explicit FrameReader(size_t limit = kMaxFrame) : limit_(limit) {}
  void set_limit(size_t limit) { limit_ = limit; }

  // Consumes from the front of `input` up to the end of one frame. Nothing: `input` is used up and
  // the frame is not complete. Call again with the same `input` until it answers nothing:
  //   for (;;) { auto got = reader.take(input); if (!got || !*got) break; use(**got); }
  Result<std::optional<Bytes>> take(ByteView& input);

  size_t buffered() const { return head_size_ + body_.size(); }
  size_t capacity() const { return body_.capacity(); }
  bool idle() const { return head_size_ == 0; }  // between two frames

 private:
  size_t limit_;
  ByteArray<3> head_{};
  size_t head_size_ = 0;
  Bytes body_;
};

// The server's reader of the intro.
class IntroReader {
 public:
  explicit IntroReader(size_t max_routing_info = 4096) : limit_(max_routing_info) {}
  // Consumes from the front of `input`. True: the connection header is complete and what is left
  // of `input` are frames. False: more bytes are needed.
  Result<bool> take(ByteView& input);
  // The edge-routing blob, when one came.
  const std::optional<Bytes>& routing_info() const { return routing_info_; }

 private:
  size_t limit_;
  Bytes seen_;
  std::optional<Bytes> routing_info_;
  bool done_ = false;
};

}  // namespace wab::noise
