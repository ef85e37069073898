#include "tests/sandbox/rules.h"

#include <algorithm>
#include <array>

namespace wab::sandbox {
namespace {

constexpr std::array<std::string_view, 7> kJidAttributes = {
    "to", "from", "jid", "participant", "recipient", "target", "lid"};

template <class Test>
std::string first_attribute(const node::Node& stanza, const Test& test) {
  for (const node::Attr& attr : stanza.attrs) {
    if (test(attr)) return "<" + stanza.tag + " " + attr.key + ">";
  }
  for (const node::Node& child : stanza.children()) {
    std::string found = first_attribute(child, test);
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace

std::string jid_sent_as_text(const node::Node& stanza) {
  return first_attribute(stanza, [](const node::Attr& attr) {
    if (std::ranges::find(kJidAttributes, attr.key) == kJidAttributes.end()) return false;
    const auto* text = std::get_if<std::string>(&attr.value);
    // The server's own name is one token in either form, and Baileys sends both.
    return text != nullptr && *text != node::kUserServer;
  });
}

std::string empty_attribute(const node::Node& stanza) {
  return first_attribute(stanza, [](const node::Attr& attr) {
    const auto* text = std::get_if<std::string>(&attr.value);
    return text != nullptr && text->empty();
  });
}

}  // namespace wab::sandbox
