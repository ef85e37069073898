// The node codec as a program: one request a line, one answer a line. For comparing with other
// implementations (codec.test.mjs).
//   decode <hex>   -> {"tag", "attrs": {key: text}, "content": null | [node] | text | {"hex"}}
//   encode <json>  -> hex; here an attribute may be {"jid": text}
// Anything refused is answered with "error <what>".
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "session/node/codec.h"

namespace {

using nlohmann::json;
using wab::node::Jid;
using wab::node::Node;

json to_json(const Node& node) {
  json attrs = json::object();
  for (const auto& attr : node.attrs) attrs[attr.key] = node.attr(attr.key);
  json content;
  if (const auto* text = std::get_if<std::string>(&node.content)) {
    content = *text;
  } else if (std::holds_alternative<wab::Bytes>(node.content)) {
    content = {{"hex", wab::to_hex(node.content_bytes())}};
  } else if (!node.children().empty()) {
    content = json::array();
    for (const Node& child : node.children()) content.push_back(to_json(child));
  }
  return {{"tag", node.tag}, {"attrs", attrs}, {"content", content}};
}

Node from_json(const nlohmann::ordered_json& in) {
  Node out(in.at("tag").get<std::string>());
  for (const auto& [key, value] : in.at("attrs").items()) {
    if (value.is_object()) {
      out.set(key, Jid::parse(value.at("jid").get<std::string>()).value());
    } else {
      out.set(key, value.get<std::string>());
    }
  }
  const auto& content = in.at("content");
  if (content.is_array()) {
    for (const auto& child : content) out.add(from_json(child));
  } else if (content.is_object()) {
    out.bytes(wab::from_hex(content.at("hex").get<std::string>()).value());
  } else if (content.is_string()) {
    out.text(content.get<std::string>());
  }
  return out;
}

std::string answer(const std::string& line) {
  const std::string rest = line.substr(std::min(line.size(), size_t{7}));
  if (line.starts_with("decode ")) {
    const auto bytes = wab::from_hex(rest);
    if (!bytes) return "error hex";
    const auto node = wab::node::decode(*bytes);
    return node ? to_json(*node).dump() : "error " + node.error().describe();
  }
  if (line.starts_with("encode ")) {
    const auto bytes = wab::node::encode(from_json(nlohmann::ordered_json::parse(rest)));
    return bytes ? wab::to_hex(*bytes) : "error " + bytes.error().describe();
  }
  return "error request";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << answer(line) << std::endl;
    } catch (const std::exception& e) {
      std::cout << "error " << e.what() << std::endl;
    }
  }
}
