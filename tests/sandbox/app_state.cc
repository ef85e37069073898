// App state as the server sees it: per account and collection an ordered list of opaque patches
// (dossier 3 sections 1.7, 1.8 and 10.1). What is inside only phones and companions can judge.
#include <algorithm>
#include <array>

#include "tests/sandbox/fields.h"
#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

constexpr std::array<std::string_view, 5> kCollections = {"critical_block", "critical_unblock_low",
                                                          "regular_high", "regular", "regular_low"};

node::Node collection_error(const std::string& name, int code, const char* text) {
  node::Node out("collection");
  out.set("name", name).set("type", "error");
  return std::move(out.add(node::Node("error").set("code", code).set("text", text)));
}

// The stored form: the patch as pushed plus its version (field 1, a message with the number in its
// field 1) and the index of the device (field 8).
Bytes stored_patch(ByteView patch, uint64_t version, uint32_t device) {
  Bytes number;
  put_field(number, 1, version);
  Bytes out;
  put_field(out, 1, number);
  append(out, patch);
  put_field(out, 8, device);
  return out;
}

node::Node patches_since(const std::vector<Bytes>& patches, uint64_t version) {
  node::Node out("patches");
  for (size_t i = version; i < patches.size(); ++i) out.add(bytes_node("patch", patches[i]));
  return out;
}

node::Node one(Service& service, Connection& connection, const node::Node& asked, bool& changed) {
  const std::string name = asked.attr("name");
  if (std::ranges::find(kCollections, name) == kCollections.end()) {
    return collection_error(name, 404, "item-not-found");
  }
  auto& patches = service.app_state_[{connection.device->jid.pn, name}];
  const bool snapshot = asked.attr("return_snapshot") == "true";
  const auto version = asked.number("version");
  if ((!version && !snapshot) || version.value_or(0) > patches.size()) {
    service.violation("S4", &connection, "app state: version of " + name);
    return collection_error(name, 400, "bad-request");
  }
  const node::Node* push = asked.child("patch");
  if (push != nullptr) {
    const auto fields = Fields::parse(push->content_bytes());
    if (!fields || fields->has(1) || fields->has(8) || push->content_bytes().empty()) {
      service.violation("S4", &connection, "app state: patch is malformed or carries a version");
      return collection_error(name, 400, "bad-request");
    }
    if (version.value_or(0) != patches.size()) {
      node::Node out = collection_error(name, 409, "conflict");
      out.set("version", std::to_string(patches.size())).set("has_more_patches", "false");
      return std::move(out.add(patches_since(patches, version.value_or(0))));
    }
    patches.push_back(
        stored_patch(push->content_bytes(), patches.size() + 1, connection.device->jid.device));
    changed = true;
  }
  node::Node out("collection");
  out.set("name", name).set("version", std::to_string(patches.size()));
  out.set("has_more_patches", "false");
  if (push == nullptr && version.value_or(0) < patches.size()) {
    out.add(patches_since(patches, version.value_or(0)));
  }
  return out;
}

void tell_others(Service& service, const Device& self, const std::vector<std::string>& names) {
  for (Device* device : service.devices_of(*self.account)) {
    if (device == &self) continue;
    node::Node note("notification");
    note.set("from", service.jid_in(*self.account, node::kUserServer)).set("type", "server_sync");
    for (const std::string& name : names) {
      const auto version = service.app_state_[{self.jid.pn, name}].size();
      note.add(node::Node("collection").set("name", name).set("version", std::to_string(version)));
    }
    service.deliver(*device, std::move(note));
  }
}

}  // namespace

void handle_app_state(Service& service, Connection& connection, const node::Node& iq) {
  const node::Node* sync = iq.child("sync");
  if (iq.attr("type") != "set" || sync == nullptr || sync->all("collection").empty()) {
    return refuse(service, connection, iq, "S4", 400, "malformed app state request");
  }
  node::Node out("sync");
  std::vector<std::string> names;
  for (const node::Node* asked : sync->all("collection")) {
    bool changed = false;
    out.add(one(service, connection, *asked, changed));
    if (changed) names.push_back(asked->attr("name"));
  }
  service.say(connection, iq_result(iq).add(std::move(out)));
  if (!names.empty()) tell_others(service, *connection.device, names);
}

}  // namespace wab::sandbox
