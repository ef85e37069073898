// What two nodes say, apart from how it was coded: text that is no token travels as bytes, empty
// attributes and empty lists are not sent.
#pragma once

#include "session/node/node.h"

namespace wab::tests {

inline node::Node canonical(const node::Node& from) {
  node::Node out(from.tag);
  for (const node::Attr& attr : from.attrs) {
    const auto* text = std::get_if<std::string>(&attr.value);
    const auto* jid = std::get_if<node::Jid>(&attr.value);
    if (text != nullptr ? !text->empty() : !jid->empty()) out.attrs.push_back(attr);
  }
  if (!from.children().empty()) {
    auto& children = out.content.emplace<node::Node::Children>();
    for (const node::Node& child : from.children()) children.push_back(canonical(child));
  } else if (std::holds_alternative<std::string>(from.content) ||
             std::holds_alternative<Bytes>(from.content)) {
    out.content = to_bytes(from.content_bytes());
  }
  return out;
}

}  // namespace wab::tests
