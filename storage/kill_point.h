// Named places at which a test ends the process: every step after which the disk looks different.
//
// Nothing happens outside tests. The names are printed by none; they stand for the reader.
#pragma once

#include <atomic>

namespace wab::storage {

using KillHook = void (*)(const char* place);
inline std::atomic<KillHook> kill_hook_for_tests{nullptr};

inline void kill_point(const char* place) {
  if (const KillHook hook = kill_hook_for_tests.load(std::memory_order_acquire)) hook(place);
}

}  // namespace wab::storage
