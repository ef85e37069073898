#include "storage/base/secret.h"

#include <sodium.h>

#include <cstring>
#include <new>
#include <utility>

namespace wab {

LockedSecret::LockedSecret(ByteView bytes) : size_(bytes.size()) {
  if (sodium_init() < 0) throw std::bad_alloc();  // guarded pages need it; repeated calls are free
  data_ = static_cast<uint8_t*>(sodium_malloc(bytes.empty() ? 1 : bytes.size()));
  if (data_ == nullptr) throw std::bad_alloc();
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
  sodium_mprotect_readonly(data_);
}

LockedSecret::~LockedSecret() {
  if (data_ != nullptr) sodium_free(data_);
}

LockedSecret::LockedSecret(LockedSecret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

LockedSecret& LockedSecret::operator=(LockedSecret&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace wab
