// Memory for many small keys: pages that are locked (no swap), left out of core dumps and empty in
// a forked child. Wiped when given back.
//
// sodium_malloc takes four pages for each key; that is right for the few that open everything
// (LockedSecret) and too much for the keys of a thousand organizations. Any thread. Should the
// system refuse to lock more (RLIMIT_MEMLOCK), the memory is used all the same, as libsodium does,
// and memory_is_locked() says so.
#pragma once

#include "storage/base/bytes.h"

namespace wab {

class LockedBlock {
 public:
  explicit LockedBlock(size_t size);  // zeros; at most one page
  ~LockedBlock();
  LockedBlock(LockedBlock&& other) noexcept;
  LockedBlock& operator=(LockedBlock&& other) noexcept;
  LockedBlock(const LockedBlock&) = delete;
  LockedBlock& operator=(const LockedBlock&) = delete;
  MutableBytes fill() { return {data_, size_}; }
  ByteView reveal() const { return {data_, size_}; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// False once a page could not be locked.
bool memory_is_locked();

}  // namespace wab
