// Bytes to nodes (dossier 1 sections 4.1 to 4.6).
#include <zlib.h>

#include <algorithm>
#include <set>

#include "session/node/codec.h"
#include "session/node/tags.h"
#include "session/node/tokens.h"

namespace wab::node {
namespace {

constexpr uint8_t kCompressed = 0x02;
constexpr size_t kFewAttrs = 16;  // up to here a scan finds duplicates fastest
constexpr size_t kLeastNode = 3;  // bytes of "<a/>"
constexpr size_t kLeastAttribute = 2;

class Reader {
 public:
  Reader(ByteView in, const Limits& limits) : in_(in), limits_(limits) {}

  size_t left() const { return in_.size() - at_; }

  Result<Node> node(size_t depth) {
    if (depth > limits_.depth) return fail(NodeError::too_deep, "node");
    if (++nodes_ > limits_.nodes) return fail(NodeError::too_many, "nodes");
    TRY(const uint8_t tag, byte());
    TRY(const size_t size, list_size(tag));
    if (size == 0) return fail(NodeError::bad_list, "empty node");
    const size_t attrs = (size - 1) / 2;
    if (attrs * kLeastAttribute >= left()) return fail(NodeError::truncated, "attributes");
    Node out;
    TRY(out.tag, text("tag"));
    TRY_VOID(attributes(out.attrs, attrs));
    if (size % 2 == 0) TRY_VOID(content(out, depth));
    return out;
  }

 private:
  Result<uint8_t> byte() {
    if (left() == 0) return fail(NodeError::truncated, "byte");
    return in_[at_++];
  }

  // Big endian, at most four bytes.
  Result<size_t> number(size_t bytes) {
    if (left() < bytes) return fail(NodeError::truncated, "length");
    size_t out = 0;
    for (size_t i = 0; i < bytes; ++i) out = out << 8 | in_[at_++];
    return out;
  }

  Result<ByteView> take(size_t size) {
    if (size > left()) return fail(NodeError::truncated, "bytes");
    const ByteView out = in_.subspan(at_, size);
    at_ += size;
    return out;
  }

  Result<size_t> list_size(uint8_t tag) {
    size_t size = 0;
    if (tag == tags::list_8 || tag == tags::list_16) {
      TRY(size, number(tag == tags::list_8 ? 1 : 2));
    } else if (tag != tags::list_empty) {
      return fail(NodeError::bad_list, "list header");
    }
    list_items_ += size;
    if (list_items_ > limits_.list_items) return fail(NodeError::too_many, "list items");
    return size;
  }

  Result<ByteView> binary(uint8_t tag) {
    size_t size = 0;
    if (tag == tags::binary_8) {
      TRY(size, number(1));
    } else if (tag == tags::binary_20) {
      TRY(size, number(3));
      size &= 0xfffff;
    } else {
      TRY(size, number(4));
    }
    return take(size);
  }

  static bool is_binary(uint8_t tag) { return tag >= tags::binary_8 && tag <= tags::binary_32; }

  // A text whose first byte is `tag`; the empty list reads as "".
  Result<std::string> string(uint8_t tag) {
    if (tag == tags::list_empty) return std::string();
    if (tag < tags::dictionary_0) return std::string(single_token(tag));
    if (tag <= tags::dictionary_3) {
      TRY(const uint8_t index, byte());
      return std::string(double_token(tag - tags::dictionary_0, index));
    }
    if (tag == tags::nibble_8) return packed("0123456789-.");
    if (tag == tags::hex_8) return packed("0123456789ABCDEF");
    if (is_binary(tag)) {
      TRY(const ByteView bytes, binary(tag));
      if (!is_utf8(bytes)) return fail(NodeError::bad_string, "not UTF-8");
      return to_string(bytes);
    }
    if (tag == tags::list_8 || tag == tags::list_16 || is_jid(tag)) {
      return fail(NodeError::bad_string, "not a text");
    }
    return fail(NodeError::bad_token, "unassigned tag");
  }

  Result<std::string> text(const char* where) {
    TRY(const uint8_t tag, byte());
    TRY(std::string out, string(tag));
    if (out.empty()) return fail(NodeError::bad_string, where);
    return out;
  }

  Result<std::string> packed(std::string_view alphabet) {
    TRY(const uint8_t header, byte());
    const bool odd = (header & 0x80) != 0;
    TRY(const ByteView bytes, take(header & 0x7f));
    if (odd && bytes.empty()) return fail(NodeError::bad_packed, "odd and empty");
    const size_t size = bytes.size() * 2 - (odd ? 1 : 0);
    std::string out(size, '\0');
    for (size_t i = 0; i < size; ++i) {
      const size_t code = i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;
      if (code >= alphabet.size()) return fail(NodeError::bad_packed, "code");
      out[i] = alphabet[code];
    }
    if (odd && (bytes.back() & 15) != 15) return fail(NodeError::bad_packed, "padding");
    return out;
  }

  static bool is_jid(uint8_t tag) {
    return tag == tags::jid_pair || (tag >= tags::interop_jid && tag <= tags::ad_jid);
  }

  Result<std::string> server() {
    TRY(std::string out, text("server"));
    if (!is_address_part(out)) return fail(NodeError::bad_jid, "server");
    return out;
  }

  Result<std::string> user() {
    TRY(std::string out, text("user"));
    if (!is_address_part(out)) return fail(NodeError::bad_jid, "user");
    return out;
  }

  Result<Jid> jid(uint8_t tag) {
    if (tag == tags::jid_pair) return jid_pair();
    if (tag == tags::ad_jid) return ad_jid();
    Jid out;
    TRY(out.user, user());
    TRY(const size_t device, number(2));
    out.device = static_cast<uint16_t>(device);
    if (tag == tags::interop_jid) {
      TRY(const size_t integrator, number(2));
      out.user = std::to_string(integrator) + "-" + out.user;
    }
    TRY(out.server, server());
    if (out.server != (tag == tags::fb_jid ? "msgr" : "interop")) {
      return fail(NodeError::bad_jid, "server of a foreign address");
    }
    return out;
  }

  Result<Jid> jid_pair() {
    Jid out;
    TRY(const uint8_t tag, byte());
    if (tag != tags::list_empty) {
      TRY(out.user, string(tag));
      // An explicit empty text says the same as the empty list.
      if (!out.user.empty() && !is_address_part(out.user)) {
        return fail(NodeError::bad_jid, "user");
      }
    }
    TRY(out.server, server());
    if (limits_.strict && !is_known_server(out.server)) {
      return fail(NodeError::bad_jid, "unknown server");
    }
    return out;
  }

  Result<Jid> ad_jid() {
    TRY(const uint8_t domain, byte());
    TRY(const uint8_t device, byte());
    Jid out;
    TRY(out.user, user());
    const auto name = server_of_domain(domain);
    if (!name || (limits_.strict && domain_byte(*name) != domain)) {
      return fail(NodeError::bad_jid, "domain");
    }
    out.server = *name;
    out.device = device;
    return out;
  }

  Result<AttrValue> value() {
    TRY(const uint8_t tag, byte());
    if (is_jid(tag)) {
      TRY(Jid address, jid(tag));
      return AttrValue(std::move(address));
    }
    TRY(std::string text, string(tag));
    return AttrValue(std::move(text));
  }

  Result<void> attributes(std::vector<Attr>& into, size_t count) {
    into.reserve(count);  // also keeps the keys where `seen` looks at them
    std::set<std::string_view> seen;
    for (size_t i = 0; i < count; ++i) {
      TRY(std::string key, text("attribute name"));
      TRY(AttrValue read, value());
      const bool repeated =
          count > kFewAttrs
              ? seen.contains(key)
              : std::any_of(into.begin(), into.end(), [&](const Attr& a) { return a.key == key; });
      if (repeated) {
        if (limits_.strict) return fail(NodeError::duplicate_attribute, "attributes");
        continue;  // the first one stays
      }
      into.push_back({std::move(key), std::move(read)});
      if (count > kFewAttrs) seen.insert(into.back().key);
    }
    return ok();
  }

  Result<void> content(Node& into, size_t depth) {
    TRY(const uint8_t tag, byte());
    if (tag == tags::list_empty) return ok();
    if (is_binary(tag)) {
      TRY(const ByteView bytes, binary(tag));
      into.content = to_bytes(bytes);
    } else if (tag == tags::list_8 || tag == tags::list_16) {
      TRY(const size_t size, list_size(tag));
      if (size * kLeastNode > left()) return fail(NodeError::truncated, "children");
      if (size == 0) return ok();
      if (size > limits_.nodes - nodes_) return fail(NodeError::too_many, "nodes");
      auto& children = into.content.emplace<Node::Children>();
      children.reserve(size);
      for (size_t i = 0; i < size; ++i) {
        TRY(Node child, node(depth + 1));
        children.push_back(std::move(child));
      }
    } else if (is_jid(tag)) {
      TRY(const Jid address, jid(tag));
      into.content = address.text();
    } else {
      TRY(into.content, string(tag));
    }
    return ok();
  }

  ByteView in_;
  const Limits& limits_;
  size_t at_ = 0;
  size_t nodes_ = 0;
  size_t list_items_ = 0;
};

struct Inflater {
  z_stream stream{};
  bool ready = false;
  Inflater() { ready = inflateInit(&stream) == Z_OK; }
  ~Inflater() {
    if (ready) inflateEnd(&stream);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

// Memory follows the bytes that were really produced, never what a peer claims.
Result<Bytes> inflate_bounded(ByteView in, size_t limit) {
  Inflater inflater;
  if (!inflater.ready) return fail(NodeError::bad_zlib, "init");
  z_stream& stream = inflater.stream;
  stream.next_in = const_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  Bytes out;
  size_t produced = 0;
  for (;;) {
    if (produced == out.size()) {
      // One byte beyond the limit shows that there is more.
      const size_t room = std::max<size_t>(4096, std::max(in.size(), out.size()) * 2);
      out.resize(std::min(room, limit + 1));
    }
    stream.next_out = out.data() + produced;
    stream.avail_out = static_cast<uInt>(out.size() - produced);
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    produced = out.size() - stream.avail_out;
    if (produced > limit) return fail(NodeError::too_large, "inflated");
    if (status == Z_STREAM_END) break;
    if (status != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      return fail(NodeError::bad_zlib, "stream");
    }
  }
  if (stream.avail_in != 0) return fail(NodeError::bad_zlib, "trailing bytes");
  out.resize(produced);
  return out;
}

}  // namespace

const ErrorDomain& error_domain(NodeError) {
  static constexpr ErrorDomain domain = {"node", [](int code) -> const char* {
                                           switch (static_cast<NodeError>(code)) {
                                             case NodeError::empty_frame:
                                               return "empty_frame";
                                             case NodeError::truncated:
                                               return "truncated";
                                             case NodeError::trailing_bytes:
                                               return "trailing_bytes";
                                             case NodeError::bad_list:
                                               return "bad_list";
                                             case NodeError::bad_token:
                                               return "bad_token";
                                             case NodeError::bad_packed:
                                               return "bad_packed";
                                             case NodeError::bad_string:
                                               return "bad_string";
                                             case NodeError::bad_jid:
                                               return "bad_jid";
                                             case NodeError::too_deep:
                                               return "too_deep";
                                             case NodeError::too_many:
                                               return "too_many";
                                             case NodeError::too_large:
                                               return "too_large";
                                             case NodeError::bad_zlib:
                                               return "bad_zlib";
                                             case NodeError::bad_flags:
                                               return "bad_flags";
                                             case NodeError::duplicate_attribute:
                                               return "duplicate_attribute";
                                             case NodeError::unencodable:
                                               return "unencodable";
                                           }
                                           return "unknown";
                                         }};
  return domain;
}

Result<Node> decode(ByteView frame, const Limits& limits) {
  if (frame.empty()) return fail(NodeError::empty_frame, "frame");
  const uint8_t flags = frame[0];
  if (limits.strict && (flags & ~kCompressed) != 0) return fail(NodeError::bad_flags, "flags");
  ByteView body = frame.subspan(1);
  Bytes inflated;
  if ((flags & kCompressed) != 0) {
    TRY(inflated, inflate_bounded(body, limits.inflated));
    body = inflated;
  }
  if (body.empty()) return fail(NodeError::empty_frame, "body");
  Reader reader(body, limits);
  TRY(Node out, reader.node(1));
  if (reader.left() != 0) return fail(NodeError::trailing_bytes, "after the node");
  return out;
}

}  // namespace wab::node
