// Key material that cannot be printed, copied by accident, compared in variable time or left
// behind in memory.
//
// Secret<N> lives inline (sessions hold many) and is wiped when it dies or is moved from.
// LockedSecret lives in sodium's guarded, locked, undumpable pages: for the few keys that open
// everything else (root key, key-encryption keys).
#pragma once

#include <memory>

#include "storage/base/bytes.h"

namespace wab {

template <size_t N>
class Secret {
 public:
  Secret() : bytes_{} {}
  explicit Secret(const ByteArray<N>& bytes) : bytes_(bytes) {}
  ~Secret() { wipe(bytes_); }
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  static std::optional<Secret> from(ByteView bytes) {
    if (bytes.size() != N) return std::nullopt;
    Secret out;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
  }
  // A copy is asked for by name.
  Secret clone() const { return Secret(bytes_); }
  // The one way to the bytes: hand the view to a cipher, never to a formatter.
  ByteView reveal() const { return bytes_; }
  MutableBytes fill() { return bytes_; }
  bool equals(ByteView other) const { return equal_constant_time(bytes_, other); }

 private:
  ByteArray<N> bytes_;
};

using SecretKey32 = Secret<32>;

// Variable length, heap, wiped.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(Bytes bytes) : bytes_(std::move(bytes)) {}
  ~SecretBytes() { wipe(bytes_); }
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      wipe(bytes_);
      bytes_ = std::move(other.bytes_);
      other.bytes_.clear();
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes clone() const { return SecretBytes(bytes_); }
  ByteView reveal() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

class LockedSecret {
 public:
  explicit LockedSecret(ByteView bytes);
  ~LockedSecret();
  LockedSecret(LockedSecret&& other) noexcept;
  LockedSecret& operator=(LockedSecret&& other) noexcept;
  LockedSecret(const LockedSecret&) = delete;
  LockedSecret& operator=(const LockedSecret&) = delete;
  LockedSecret clone() const { return LockedSecret(reveal()); }
  ByteView reveal() const { return {data_, size_}; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace wab
