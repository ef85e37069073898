// Any bytes decode to an error or to a node; a node that can be written says the same when read
// again; what the strict rules accept, the lenient ones read the same way.
#include <cstdlib>

#include "session/node/codec.h"
#include "tests/support/node_compare.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace wab::node;
  const wab::ByteView frame(data, size);
  const auto node = decode(frame);
  const auto strict = decode(frame, Limits::for_server());
  if (strict && (!node || *strict != *node)) abort();
  if (!node) return 0;
  if (to_xml(*node, 200).size() > 200) abort();
  const auto bytes = encode(*node);
  if (!bytes) {
    // Only addresses that are read but never written.
    if (!bytes.error().is(NodeError::unencodable)) abort();
    return 0;
  }
  const auto again = decode(*bytes);
  if (!again || wab::tests::canonical(*again) != wab::tests::canonical(*node)) abort();
  return 0;
}
