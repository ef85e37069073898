// Binary XML both ways (dossier 1 section 4).
//
// Pure. decode() takes a whole decrypted frame: flags byte, then the node, zlib-inflated first when
// flag 2 is set. Everything is bounded before it is allocated; what section 4.6 of the dossier
// lists as malformed is an error here.
#pragma once

#include "session/node/node.h"
#include "storage/base/result.h"

namespace wab::node {

enum class NodeError {
  empty_frame = 1,
  truncated,
  trailing_bytes,
  bad_list,
  bad_token,
  bad_packed,
  bad_string,
  bad_jid,
  too_deep,
  too_many,
  too_large,
  bad_zlib,
  bad_flags,
  duplicate_attribute,
  unencodable,
};
const ErrorDomain& error_domain(NodeError);

struct Limits {
  size_t depth = 128;
  size_t nodes = 1'000'000;
  size_t list_items = 1'000'000;
  size_t inflated = 16u << 20;
  // The sandbox judges: unknown servers, unknown flag bits and duplicate attributes are errors.
  bool strict = false;
  static Limits for_server() { return {128, 32768, 131072, 8u << 20, true}; }
};

// Returns flags byte 0 and the node; never compresses, leaves empty attributes and empty lists out.
// Fails only for what cannot be represented: more than 65535 list items, an empty tag or attribute
// name, a device above 255 or on a server without devices, 128 levels, more than a frame holds.
Result<Bytes> encode(const Node& node);
Result<Node> decode(ByteView frame, const Limits& limits = {});

}  // namespace wab::node
