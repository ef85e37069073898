// The last descriptors of the process belong to the store.
//
// A store that cannot open one of its files cannot tell that from damage, so whoever opens sockets
// must not be able to use them up: not a flood of connections, not ten thousand sessions.
// Descriptors are numbered from the bottom, so a socket's number tells how many there are at least.
#pragma once

#include <cstdint>

namespace wab::wire {

// What RocksDB may have open (storage/rocks_database.cc), and a few for everything else.
inline constexpr uint64_t kKeptForTheStore = 600;
inline constexpr uint64_t kFewestDescriptors = 1024;

// Pure: whether a socket with this number may stay under a limit. Below the fewest there is nothing
// to keep: the service does not start so, and other programs have no store.
bool may_keep_socket(int fd, uint64_t limit);
// The same with the process's limit of now; says so in the log when not, at most every ten seconds.
bool may_keep_socket(int fd);

}  // namespace wab::wire
