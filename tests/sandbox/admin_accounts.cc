// /admin/accounts, their inboxes and devices, and /admin/groups.
#include <algorithm>

#include "tests/sandbox/admin.h"
#include "tests/sandbox/admin_json.h"

namespace wab::sandbox {
namespace {

constexpr std::chrono::seconds kGroupPatience{5};

Json account_json(const Account& account) {
  return {{"pn", account.pn}, {"lid", account.lid}, {"push_name", account.push_name}};
}

// Cursors grow: the first item after `since` by binary search.
template <class Items>
auto after(const Items& items, uint64_t since) {
  return std::upper_bound(items.begin(), items.end(), since,
                          [](uint64_t seq, const auto& item) { return seq < item.seq; });
}

Json message_json(const InboxMessage& one) {
  Json out = {{"seq", one.seq},
              {"id", one.id},
              {"chat", one.chat.text()},
              {"sender", one.sender.bare().text()},
              {"sender_device", one.sender.device},
              {"from_me", one.from_me},
              {"kind", one.content.kind},
              {"text", one.content.text},
              {"timestamp", one.timestamp},
              {"message", to_base64(one.message)}};
  if (!one.content.target.empty()) out["target"] = one.content.target;
  if (!one.content.quoted.empty()) out["reply_to"] = one.content.quoted;
  return out;
}

Json receipt_json(const SeenReceipt& one) {
  return {{"seq", one.seq},
          {"id", one.id},
          {"type", one.type},
          {"from", one.from.bare().text()},
          {"from_device", one.from.device},
          {"chat", one.chat.text()},
          {"t", one.t}};
}

wire::HttpResponse inbox_response(const Phone& phone, uint64_t since) {
  Json messages = Json::array();
  for (auto at = after(phone.inbox(), since); at != phone.inbox().end(); ++at) {
    messages.push_back(message_json(*at));
  }
  Json receipts = Json::array();
  for (auto at = after(phone.receipts(), since); at != phone.receipts().end(); ++at) {
    receipts.push_back(receipt_json(*at));
  }
  return json_response(200, Json{{"messages", std::move(messages)},
                                 {"receipts", std::move(receipts)},
                                 {"next", phone.last_seq()}});
}

}  // namespace

Admin::Outcome Admin::post_account(const Call& call) {
  const auto body = parse_json(call.request.body);
  if (!body || !body->is_object()) return {error_response(400, "a JSON object expected")};
  std::string pn = string_of(*body, "pn");
  if (pn.starts_with('+')) pn.erase(0, 1);
  if (!pn.empty() && !is_phone_number(pn)) {
    return {error_response(400, "pn: 7 to 15 digits without a leading zero expected")};
  }
  const std::string name = string_of(*body, "push_name");
  Account& account = pn.empty() ? world_.account_for(name) : world_.create_account(pn, name);
  return {json_response(200, account_json(account))};
}

Admin::Outcome Admin::get_accounts(const Call&) {
  Json list = Json::array();
  for (const Account* account : world_.accounts()) {
    Json one = account_json(*account);
    Json devices = Json::array();
    for (const DeviceInfo& device : world_.devices(*account)) {
      devices.push_back({{"device", device.jid.device},
                         {"jid", device.jid.text()},
                         {"prekeys", device.prekeys},
                         {"queued", device.queued},
                         {"connected", device.connected}});
    }
    one["devices"] = std::move(devices);
    list.push_back(std::move(one));
  }
  return {json_response(200, Json{{"accounts", std::move(list)}})};
}

Admin::Outcome Admin::get_inbox(const Call& call) {
  Phone* phone = phones_.find(call.parts[0]);
  if (phone == nullptr) return {error_response(404, "no such account")};
  const uint64_t since = call.number("since", 0);
  const auto wait = std::chrono::seconds(call.number("wait", 0));
  if (wait.count() == 0) return {inbox_response(*phone, since)};
  Outcome out;
  out.patience = std::min<std::chrono::milliseconds>(wait, kMaxWait);
  out.ready = [phone, since] { return phone->last_seq() > since; };
  out.finish = [phone, since] { return inbox_response(*phone, since); };
  return out;
}

Admin::Outcome Admin::lose_sessions(const Call& call) {
  Phone* phone = phones_.find(call.parts[0]);
  if (phone == nullptr) return {error_response(404, "no such account")};
  phone->lose_sessions();
  return {json_response(200, Json::object())};
}

Admin::Outcome Admin::unlink_device(const Call& call) {
  const std::string& number = call.parts[1];
  const bool digits = !number.empty() && number.size() <= 4 &&
                      std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
  const auto device = static_cast<uint16_t>(digits ? std::stoul(number) : 0);
  if (!world_.remove_device(DeviceJid{call.parts[0], device})) {
    return {error_response(404, "no such companion")};
  }
  return {json_response(200, Json::object())};
}

Admin::Outcome Admin::post_group(const Call& call) {
  const auto body = parse_json(call.request.body);
  if (!body || !body->is_object()) return {error_response(400, "a JSON object expected")};
  const auto creator = parse_recipient(string_of(*body, "creator"));
  const Account* account = creator ? world_.account_of(*creator) : nullptr;
  Phone* phone = account == nullptr ? nullptr : phones_.find(account->pn);
  if (phone == nullptr) return {error_response(404, "creator: no such account")};
  std::vector<node::Jid> members;
  const Json* list = member(*body, "participants");
  if (list == nullptr || !list->is_array()) {
    return {error_response(400, "participants: an array expected")};
  }
  for (const Json& one : *list) {
    const auto jid = one.is_string() ? parse_recipient(one.get<std::string>()) : std::nullopt;
    if (!jid || jid->is_group())
      return {error_response(400, "participants: phone numbers expected")};
    const Account* who = world_.account_of(*jid);
    if (who == nullptr) return {error_response(404, "no such account: " + jid->text())};
    if (who != account) members.push_back(node::Jid::pn(who->pn));
  }
  struct Made {
    bool done = false;
    std::optional<node::Jid> id;
  };
  auto made = std::make_shared<Made>();
  phone->create_group(string_of(*body, "subject"), members, [made](std::optional<node::Jid> id) {
    made->done = true;
    made->id = std::move(id);
  });
  Outcome out;
  out.patience = kGroupPatience;
  out.ready = [made] { return made->done; };
  out.finish = [made] {
    if (!made->id) return error_response(made->done ? 400 : 409, "the server made no group");
    return json_response(200, Json{{"id", made->id->text()}});
  };
  return out;
}

}  // namespace wab::sandbox
