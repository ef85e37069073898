// Two connected ByteStreams in memory, for tests of everything that speaks over one.
#pragma once

#include <memory>
#include <vector>

#include "session/wire/stream.h"

namespace wab::test {

struct MemoryPair {
  std::unique_ptr<wire::ByteStream> a;
  std::unique_ptr<wire::ByteStream> b;
};

// `splits` are the most bytes that one read brings, in turn and from the front again; empty: no
// limit. Reads wait for data; writes never wait.
MemoryPair memory_pair(boost::asio::any_io_executor executor, std::vector<size_t> splits = {});

// A stream whose peer has sent `input` and closed; what is written to it is appended to `output`
// (which outlives it) when given.
std::unique_ptr<wire::ByteStream> scripted_stream(boost::asio::any_io_executor executor,
                                                  Bytes input, std::vector<size_t> splits = {},
                                                  Bytes* output = nullptr);

}  // namespace wab::test
