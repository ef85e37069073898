#include "storage/base/locked_memory.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace wab {
namespace {

constexpr size_t kSlab = 64u << 10;
constexpr size_t kSmallest = 64, kLargest = 4096;
constexpr size_t kClasses = 7;  // 64, 128, ... 4096

std::atomic<bool> all_locked{true};

size_t class_of(size_t size) {
  const size_t rounded = std::bit_ceil(std::max(size, kSmallest));
  return static_cast<size_t>(std::countr_zero(rounded) - std::countr_zero(kSmallest));
}

// Slabs are never given back: what a process once needed it needs again.
class Arena {
 public:
  uint8_t* take(size_t of_class) {
    const std::lock_guard lock(mutex_);
    auto& free = free_[of_class];
    if (free.empty()) grow(of_class);
    uint8_t* const block = free.back();
    free.pop_back();
    return block;
  }
  void give(size_t of_class, uint8_t* block) {
    const std::lock_guard lock(mutex_);
    free_[of_class].push_back(block);
  }

 private:
  void grow(size_t of_class) {
    void* const at =
        ::mmap(nullptr, kSlab, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    if (::mlock(at, kSlab) != 0) all_locked = false;
    ::madvise(at, kSlab, MADV_DONTDUMP);
    ::madvise(at, kSlab, MADV_WIPEONFORK);
    const size_t size = kSmallest << of_class;
    for (size_t offset = kSlab; offset >= size; offset -= size) {
      free_[of_class].push_back(static_cast<uint8_t*>(at) + offset - size);
    }
  }

  std::mutex mutex_;
  std::array<std::vector<uint8_t*>, kClasses> free_;
};

// Never destroyed: keys of static life may be given back late.
Arena& arena() {
  static auto* const made = new Arena;
  return *made;
}

}  // namespace

LockedBlock::LockedBlock(size_t size) : size_(size) {
  if (size > kLargest) throw std::bad_alloc();
  data_ = arena().take(class_of(size));
}

LockedBlock::~LockedBlock() {
  if (data_ == nullptr) return;
  wipe(fill());
  arena().give(class_of(size_), data_);
}

LockedBlock::LockedBlock(LockedBlock&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

LockedBlock& LockedBlock::operator=(LockedBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

bool memory_is_locked() { return all_locked; }

}  // namespace wab
