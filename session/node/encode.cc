// Nodes to bytes (dossier 1 sections 4.2 to 4.5).
#include <algorithm>

#include "session/node/codec.h"
#include "session/node/tags.h"
#include "session/node/tokens.h"

namespace wab::node {
namespace {

constexpr size_t kMaxDepth = 128;
constexpr size_t kMaxPacked = 127;
constexpr size_t kMaxList = 65535;
constexpr size_t kMaxFrame = (1u << 24) - 1 - 16;  // what fits a frame once sealed

bool is_empty(const AttrValue& value) {
  if (const auto* jid = std::get_if<Jid>(&value)) return jid->empty();
  return std::get<std::string>(value).empty();
}

int nibble_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c == '-') return 10;
  return c == '.' ? 11 : -1;
}

int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class Writer {
 public:
  Result<void> node(const Node& node, size_t depth) {
    if (depth > kMaxDepth) return fail(NodeError::too_deep, "encoding a node");
    if (node.tag.empty()) return fail(NodeError::unencodable, "empty tag");
    const auto sent =
        static_cast<size_t>(std::count_if(node.attrs.begin(), node.attrs.end(),
                                          [](const Attr& attr) { return !is_empty(attr.value); }));
    const auto* children = std::get_if<Node::Children>(&node.content);
    const bool has_content = children != nullptr
                                 ? !children->empty()
                                 : !std::holds_alternative<std::monostate>(node.content);
    TRY_VOID(list(1 + 2 * sent + (has_content ? 1 : 0)));
    string(node.tag);
    for (const Attr& attr : node.attrs) {
      if (is_empty(attr.value)) continue;
      if (attr.key.empty()) return fail(NodeError::unencodable, "empty attribute name");
      string(attr.key);
      if (const auto* address = std::get_if<Jid>(&attr.value)) {
        TRY_VOID(jid(*address));
      } else {
        string(std::get<std::string>(attr.value));
      }
    }
    if (!has_content) return ok();
    if (const auto* text = std::get_if<std::string>(&node.content)) {
      string(*text);
    } else if (const auto* bytes = std::get_if<Bytes>(&node.content)) {
      raw(*bytes);
    } else {
      TRY_VOID(list(children->size()));
      for (const Node& child : *children) TRY_VOID(this->node(child, depth + 1));
    }
    if (out_.size() > kMaxFrame) return fail(NodeError::too_large, "encoding a node");
    return ok();
  }

  Bytes take() { return std::move(out_); }

 private:
  void byte(size_t value) { out_.push_back(static_cast<uint8_t>(value)); }

  Result<void> list(size_t size) {
    if (size > kMaxList) return fail(NodeError::unencodable, "too many list items");
    if (size == 0) {
      byte(tags::list_empty);
    } else if (size < 256) {
      byte(tags::list_8);
      byte(size);
    } else {
      byte(tags::list_16);
      put_be16(out_, static_cast<uint16_t>(size));
    }
    return ok();
  }

  void raw(ByteView bytes) {
    if (bytes.size() < 256) {
      byte(tags::binary_8);
      byte(bytes.size());
    } else if (bytes.size() < (1u << 20)) {
      byte(tags::binary_20);
      byte(bytes.size() >> 16);
      put_be16(out_, static_cast<uint16_t>(bytes.size()));
    } else {
      byte(tags::binary_32);
      put_be32(out_, static_cast<uint32_t>(bytes.size()));
    }
    append(out_, bytes);
  }

  void string(std::string_view text) {
    if (const Token* token = find_token(text)) {
      if (token->dictionary >= 0) byte(tags::dictionary_0 + static_cast<size_t>(token->dictionary));
      byte(token->index);
    } else if (!packed(text, tags::nibble_8, nibble_of) && !packed(text, tags::hex_8, hex_of)) {
      raw(view(text));
    }
  }

  bool packed(std::string_view text, uint8_t tag, int (*code)(char)) {
    if (text.empty() || text.size() > kMaxPacked) return false;
    for (const char c : text) {
      if (code(c) < 0) return false;
    }
    byte(tag);
    byte((text.size() + 1) / 2 | (text.size() % 2 != 0 ? 0x80 : 0));
    for (size_t i = 0; i < text.size(); i += 2) {
      const int low = i + 1 < text.size() ? code(text[i + 1]) : 15;
      byte(static_cast<size_t>(code(text[i]) << 4 | low));
    }
    return true;
  }

  Result<void> jid(const Jid& jid) {
    if (!is_address_part(jid.server) || jid.server == "interop" ||
        (!jid.user.empty() && !is_address_part(jid.user))) {
      return fail(NodeError::unencodable, "jid");
    }
    if (jid.device == 0) {
      byte(tags::jid_pair);
      if (jid.user.empty()) {
        byte(tags::list_empty);
      } else {
        string(jid.user);
      }
      string(jid.server);
      return ok();
    }
    // The domain comes from the server's name: a remembered one may be stale, and the server
    // refuses group messages for it.
    const auto domain = domain_byte(jid.server);
    if (!domain || jid.device > 255 || jid.user.empty()) {
      return fail(NodeError::unencodable, "jid with a device");
    }
    byte(tags::ad_jid);
    byte(*domain);
    byte(jid.device);
    string(jid.user);
    return ok();
  }

  Bytes out_ = {0};  // flags: never compressed
};

}  // namespace

Result<Bytes> encode(const Node& node) {
  Writer writer;
  TRY_VOID(writer.node(node, 1));
  return writer.take();
}

}  // namespace wab::node
