#include "session/node/node.h"

#include <algorithm>
#include <charconv>

namespace wab::node {
namespace {

constexpr int kMaxXmlDepth = 256;

bool is_empty(const AttrValue& value) {
  if (const auto* jid = std::get_if<Jid>(&value)) return jid->empty();
  return std::get<std::string>(value).empty();
}

void put(std::vector<Attr>& attrs, std::string_view key, AttrValue value) {
  const auto found =
      std::find_if(attrs.begin(), attrs.end(), [&](const Attr& attr) { return attr.key == key; });
  if (is_empty(value)) {
    if (found != attrs.end()) attrs.erase(found);
  } else if (found != attrs.end()) {
    found->value = std::move(value);
  } else {
    attrs.push_back({std::string(key), std::move(value)});
  }
}

void escape(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '\'') {
      out += "&apos;";
    } else if (byte < 0x20 || byte == 0x7f) {
      out.append("&#x").append({kHex[byte >> 4], kHex[byte & 15], ';'});
    } else {
      out += c;
    }
  }
}

// Appends until `limit` is passed; the caller cuts.
void write_xml(std::string& out, const Node& node, size_t limit, int depth) {
  if (out.size() > limit || depth > kMaxXmlDepth) return;
  out += '<';
  escape(out, node.tag);
  for (const Attr& attr : node.attrs) {
    if (out.size() > limit) return;
    out += ' ';
    escape(out, attr.key);
    out += "='";
    const auto* jid = std::get_if<Jid>(&attr.value);
    escape(out, jid != nullptr ? jid->text() : std::get<std::string>(attr.value));
    out += '\'';
  }
  const ByteView bytes = node.content_bytes();
  if (node.children().empty() && bytes.empty()) {
    out += "/>";
    return;
  }
  out += '>';
  for (const Node& child : node.children()) {
    if (out.size() > limit) return;
    write_xml(out, child, limit, depth + 1);
  }
  out += to_hex(bytes.first(std::min(bytes.size(), limit)));
  out += "</";
  escape(out, node.tag);
  out += '>';
}

}  // namespace

Node& Node::set(std::string_view key, std::string value) {
  put(attrs, key, std::move(value));
  return *this;
}

Node& Node::set(std::string_view key, Jid value) {
  put(attrs, key, std::move(value));
  return *this;
}

Node& Node::add(Node child) {
  auto* list = std::get_if<Children>(&content);
  if (list == nullptr) list = &content.emplace<Children>();
  list->push_back(std::move(child));
  return *this;
}

Node& Node::bytes(Bytes value) {
  content = std::move(value);
  return *this;
}

Node& Node::bytes(ByteView value) { return bytes(to_bytes(value)); }

Node& Node::text(std::string value) {
  content = std::move(value);
  return *this;
}

const AttrValue* Node::find(std::string_view key) const {
  for (const Attr& attr : attrs) {
    if (attr.key == key) return &attr.value;
  }
  return nullptr;
}

std::string Node::attr(std::string_view key) const {
  const AttrValue* value = find(key);
  if (value == nullptr) return {};
  if (const auto* jid = std::get_if<Jid>(value)) return jid->text();
  return std::get<std::string>(*value);
}

std::optional<Jid> Node::jid(std::string_view key) const {
  const AttrValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* jid = std::get_if<Jid>(value)) return *jid;
  return Jid::parse(std::get<std::string>(*value));
}

std::optional<uint64_t> Node::number(std::string_view key) const {
  const AttrValue* value = find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  if (text == nullptr || text->empty()) return std::nullopt;
  uint64_t out = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, out);
  if (error != std::errc() || stop != end) return std::nullopt;
  return out;
}

const Node* Node::child(std::string_view name) const {
  for (const Node& node : children()) {
    if (node.tag == name) return &node;
  }
  return nullptr;
}

std::vector<const Node*> Node::all(std::string_view name) const {
  std::vector<const Node*> out;
  for (const Node& node : children()) {
    if (node.tag == name) out.push_back(&node);
  }
  return out;
}

const Node::Children& Node::children() const {
  static const Children none;
  const auto* list = std::get_if<Children>(&content);
  return list == nullptr ? none : *list;
}

ByteView Node::content_bytes() const {
  if (const auto* bytes = std::get_if<Bytes>(&content)) return *bytes;
  if (const auto* text = std::get_if<std::string>(&content)) return view(*text);
  return {};
}

std::string Node::content_text() const { return to_string(content_bytes()); }

std::string to_xml(const Node& node, size_t limit) {
  std::string out;
  write_xml(out, node, limit, 0);
  if (out.size() > limit) {
    size_t cut = limit < 3 ? 0 : limit - 3;
    // Never inside a UTF-8 sequence.
    while (cut > 0 && (static_cast<uint8_t>(out[cut]) & 0xc0) == 0x80) --cut;
    out.resize(cut);
    out.append(std::string_view("...").substr(0, limit));
  }
  return out;
}

}  // namespace wab::node
