// What the server tells on its own when the devices of an account change (dossier 2 section 4.6).
#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

std::string hash_of(Service& service, const Account& account, std::string_view server) {
  std::vector<node::Jid> names;
  for (const Device* device : service.devices_of(account)) {
    names.push_back(service.jid_in(*device, server));
  }
  return participant_hash(names);
}

// Everybody who shares a group or has exchanged messages with the account.
std::vector<Account*> acquaintances(Service& service, const Account& account) {
  std::set<Account*> found;
  for (Group* group : service.groups_.of(account)) {
    for (Member& member : group->members) found.insert(member.account);
  }
  for (const auto& [pn, others] : service.acquainted_) {
    if (pn != account.pn) continue;
    for (Account* other : others) found.insert(other);
  }
  return {found.begin(), found.end()};
}

void tell(Service& service, const Account& account, const Device& changed, bool added) {
  std::vector<uint32_t> valid;
  for (const Device* device : service.devices_of(account)) {
    if (device->jid.device != 0) valid.push_back(device->key_index);
  }
  for (Account* other : acquaintances(service, account)) {
    if (other == &account) continue;
    for (Device* device : service.devices_of(*other)) {
      node::Node operation(added ? "add" : "remove");
      operation.set("device_hash", hash_of(service, account, node::kUserServer));
      operation.set("device_lid_hash", hash_of(service, account, node::kLidServer));
      node::Node item("device");
      item.set("jid", service.jid_in(changed, node::kUserServer));
      item.set("lid", service.jid_in(changed, node::kLidServer));
      if (added) item.set("key-index", std::to_string(changed.key_index));
      operation.add(std::move(item));
      node::Node index =
          bytes_node("key-index-list",
                     signed_key_index_list(account, valid, service.now_s(), service.random_));
      operation.add(std::move(index.set("ts", std::to_string(service.now_s()))));
      node::Node note("notification");
      note.set("from", service.jid_in(account, node::kUserServer)).set("type", "devices");
      note.set("lid", service.jid_in(account, node::kLidServer));
      service.deliver(*device, std::move(note.add(std::move(operation))));
    }
  }
  // The account's own devices get the whole list.
  for (Device* device : service.devices_of(account)) {
    if (device == &changed) continue;
    node::Node devices("devices");
    devices.set("dhash", hash_of(service, account, node::kUserServer));
    for (const Device* each : service.devices_of(account)) {
      node::Node item("device");
      item.set("jid", service.jid_in(*each, node::kUserServer));
      if (each->jid.device != 0) item.set("key-index", std::to_string(each->key_index));
      devices.add(std::move(item));
    }
    node::Node note("notification");
    note.set("from", service.jid_in(account, node::kUserServer)).set("type", "account_sync");
    service.deliver(*device, std::move(note.add(std::move(devices))));
  }
}

}  // namespace

void notify_device_added(Service& service, Device& device) {
  tell(service, *device.account, device, true);
}

void notify_device_removed(Service& service, Account& account, Device& device) {
  tell(service, account, device, false);
}

}  // namespace wab::sandbox
