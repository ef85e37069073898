// A stanza: tag, attributes, content (dossier 1 section 4.3).
//
// A Node is a plain value; building and reading never fail, absent things read as empty. An
// attribute is either text or a typed Jid: a Jid sent as text is refused by WhatsApp with 479, so
// builders say which they mean.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "session/node/jid.h"
#include "storage/base/bytes.h"

namespace wab::node {

using AttrValue = std::variant<std::string, Jid>;

struct Attr {
  std::string key;
  AttrValue value;
  bool operator==(const Attr&) const = default;
};

struct Node {
  using Children = std::vector<Node>;
  // Nothing, children, text (token-coded on the wire) or opaque bytes.
  using Content = std::variant<std::monostate, Children, std::string, Bytes>;

  std::string tag;
  std::vector<Attr> attrs;
  Content content;

  Node() = default;
  explicit Node(std::string name) : tag(std::move(name)) {}
  bool operator==(const Node&) const = default;

  // Building. Setters return *this so that a stanza reads top to bottom:
  //   Node("iq").set("id", id).set("to", Jid::server_jid()).add(Node("ping"))
  // An empty text value is not stored: empty attributes must never be sent.
  Node& set(std::string_view key, std::string value);
  Node& set(std::string_view key, const char* value) { return set(key, std::string(value)); }
  Node& set(std::string_view key, Jid value);
  Node& set(std::string_view key, uint64_t value) { return set(key, std::to_string(value)); }
  Node& set(std::string_view key, int value) { return set(key, std::to_string(value)); }
  Node& add(Node child);
  Node& bytes(Bytes value);
  Node& bytes(ByteView value);
  Node& text(std::string value);

  // Reading.
  const AttrValue* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::string attr(std::string_view key) const;        // text form, Jid rendered; "" if absent
  std::optional<Jid> jid(std::string_view key) const;  // typed, or parsed from text
  std::optional<uint64_t> number(std::string_view key) const;  // decimal digits only
  const Node* child(std::string_view tag) const;               // first of that tag
  std::vector<const Node*> all(std::string_view tag) const;
  const Children& children() const;  // empty list when none
  ByteView content_bytes() const;    // bytes or text content as bytes
  std::string content_text() const;
};

// "<iq id='1' to='s.whatsapp.net'><ping/></iq>" with content as hex, at most `limit` characters:
// for tests and /admin/stanzas, never for logs of the service.
std::string to_xml(const Node& node, size_t limit = 16384);

}  // namespace wab::node
