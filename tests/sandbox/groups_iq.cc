// xmlns w:g2: making, reading and changing groups, and the w:gp2 notifications that follow
// (dossier 3 sections 4.3 to 4.7 and 10.4).
#include <algorithm>
#include <array>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

constexpr size_t kMaxSubject = 100;
constexpr size_t kMaxDescription = 2048;
constexpr size_t kMaxMembers = 1024;

struct Request {
  Service& service;
  Connection& connection;
  Device& self;
  const node::Node& iq;
  bool get = false;
  void result(node::Node content) const {
    service.say(connection, iq_result(iq).add(std::move(content)));
  }
  void result() const { service.say(connection, iq_result(iq)); }
  void error(int code, const char* text) const {
    service.say(connection, iq_error(iq, code, text));
  }
  void malformed(const char* why) const { refuse(service, connection, iq, "S4", 400, why); }
};

// To all devices of all members but the acting one; `skip`: account that hears it another way.
void notify(const Request& request, Group& group, const node::Node& change,
            const std::vector<Account*>& members, const Device* except) {
  Service& service = request.service;
  const Account& actor = *request.self.account;
  for (const Account* account : members) {
    for (Device* device : service.devices_of(*account)) {
      if (device == except) continue;
      node::Node note("notification");
      note.set("type", "w:gp2").set("from", group.jid());
      note.set("participant", address_in(group, actor));
      if (group.lid) note.set("participant_pn", node::Jid::pn(actor.pn));
      note.set("notify", request.self.push_name.empty() ? actor.push_name : request.self.push_name);
      note.set("addressing_mode", group.mode());
      service.deliver(*device, std::move(note.add(change)));
    }
  }
}

std::vector<Account*> accounts_of(const Group& group) {
  std::vector<Account*> out;
  for (const Member& member : group.members) out.push_back(member.account);
  return out;
}

void chain(Group& group, node::Node& change) {
  change.set("prev_v_id", std::to_string(group.version));
  change.set("v_id", std::to_string(++group.version));
}

void create(const Request& request, const node::Node& asked) {
  Service& service = request.service;
  const std::string subject = asked.attr("subject");
  if (subject.empty() || subject.size() > kMaxSubject) return request.error(406, "not-acceptable");
  const auto members = asked.all("participant");
  if (members.size() + 1 > kMaxMembers) return request.error(419, "resource-limit");
  for (const node::Node* member : members) {
    const auto jid = member->jid("jid");
    if (!jid || jid->device != 0) return request.malformed("participant is not a bare user JID");
  }
  Group& group =
      service.groups_.create(subject, *request.self.account, service.now_s(), service.random_);
  group.announcement = asked.child("announcement") != nullptr;
  group.locked = asked.child("locked") != nullptr;
  if (const node::Node* mode = asked.child("member_add_mode")) {
    group.members_may_add = mode->content_text() != "admin_add";
  }
  if (const node::Node* description = asked.child("description")) {
    const node::Node* body = description->child("body");
    group.description_id = description->attr("id");
    group.description = body == nullptr ? "" : body->content_text();
    group.description_by = request.self.account;
    group.description_at = service.now_s();
  }
  node::Node failed("failed");
  for (const node::Node* member : members) {
    const auto jid = *member->jid("jid");
    Account* account = service.account_of(jid);
    if (account == nullptr) {
      failed.add(node::Node("participant").set("jid", jid).set("error", 404));
    } else if (group.member(*account) == nullptr) {
      group.members.push_back({account, false, false, service.now_s()});
    }
  }
  node::Node answer = group_node(group);
  for (const node::Node& one : failed.children()) answer.add(one);
  request.result(std::move(answer));
  node::Node change("create");
  change.set("type", "new").set("key", asked.attr("key")).add(group_node(group));
  notify(request, group, change, accounts_of(group), &request.self);
}

void participating(const Request& request) {
  node::Node groups("groups");
  for (const Group* group : request.service.groups_.of(*request.self.account)) {
    groups.add(group_node(*group));
  }
  request.result(std::move(groups));
}

void info(const Request& request, const Group& group) {
  if (group.member(*request.self.account) == nullptr) return request.error(403, "forbidden");
  request.result(group_node(group));
}

void join(const Request& request, const node::Node& invite) {
  Service& service = request.service;
  Group* group = service.groups_.by_invite(invite.attr("code"));
  if (group == nullptr) return request.error(404, "item-not-found");
  if (request.get) return request.result(group_node(*group));
  if (group->member(*request.self.account) != nullptr) return request.error(304, "not-modified");
  if (group->members.size() >= kMaxMembers) return request.error(419, "resource-limit");
  const auto before = accounts_of(*group);
  group->members.push_back({request.self.account, false, false, service.now_s()});
  node::Node change("add");
  change.set("reason", "invite");
  chain(*group, change);
  change.add(participant_node(*group, *request.self.account, nullptr));
  notify(request, *group, change, before, nullptr);
  node::Node made("create");
  made.set("reason", "invite").add(group_node(*group));
  notify(request, *group, made, {request.self.account}, &request.self);
  request.result(node::Node("group").set("jid", group->jid()));
}

// The number of an error for this participant, or 0 when it was done.
int change_one(const Request& request, Group& group, const std::string& what, Account* account) {
  if (account == nullptr) return 404;
  Member* member = group.member(*account);
  if (what == "add") {
    if (member != nullptr) return 409;
    if (group.members.size() >= kMaxMembers) return 419;
    group.members.push_back({account, false, false, request.service.now_s()});
    return 0;
  }
  if (member == nullptr) return 404;
  if (what == "promote") {
    if (member->admin) return 409;
    member->admin = true;
    return 0;
  }
  if (member->super_admin) return 405;
  if (what == "demote") {
    if (!member->admin) return 409;
    member->admin = false;
    return 0;
  }
  std::erase_if(group.members, [&](const Member& one) { return one.account == account; });
  return 0;
}

void change_members(const Request& request, Group& group, const node::Node& asked) {
  const Member* me = group.member(*request.self.account);
  const std::string what = asked.tag;
  if (me == nullptr || (!me->admin && !(what == "add" && group.members_may_add))) {
    return request.error(403, "forbidden");
  }
  auto audience = accounts_of(group);
  node::Node answer(what);
  node::Node change(what);
  std::vector<Account*> added;
  for (const node::Node* participant : asked.all("participant")) {
    const auto jid = participant->jid("jid");
    if (!jid || jid->device != 0) return request.malformed("participant is not a bare user JID");
    Account* account = request.service.account_of(*jid);
    const int error = change_one(request, group, what, account);
    node::Node line("participant");
    line.set("jid", *jid);
    if (error != 0) line.set("error", error);
    if (account != nullptr && group.lid) line.set("phone_number", node::Jid::pn(account->pn));
    answer.add(std::move(line));
    if (error != 0) continue;
    change.add(participant_node(group, *account, group.member(*account)));
    if (what == "add") added.push_back(account);
  }
  request.result(std::move(answer));
  if (change.children().empty()) return;
  chain(group, change);
  notify(request, group, change, audience, &request.self);
  if (added.empty()) return;
  node::Node made("create");
  made.set("reason", "add").add(group_node(group));
  notify(request, group, made, added, nullptr);
}

void leave(const Request& request, const node::Node& asked) {
  node::Node answer("leave");
  for (const node::Node* item : asked.all("group")) {
    const auto jid = node::Jid::parse(item->attr("id"));
    Group* group = jid ? request.service.groups_.find(*jid) : nullptr;
    Account* me = request.self.account;
    node::Node line("group");
    line.set("id", item->attr("id"));
    if (group == nullptr || group->member(*me) == nullptr) {
      answer.add(std::move(line.set("error", 404)));
      continue;
    }
    answer.add(std::move(line));
    const auto audience = accounts_of(*group);
    std::erase_if(group->members, [&](const Member& one) { return one.account == me; });
    node::Node change("remove");
    chain(*group, change);
    change.add(participant_node(*group, *me, nullptr));
    notify(request, *group, change, audience, &request.self);
    const bool headless = std::ranges::none_of(group->members, &Member::admin);
    if (group->members.empty()) {
      request.service.groups_.erase(*group);
    } else if (headless) {
      group->members.front().admin = true;
      group->members.front().super_admin = true;
      node::Node promoted("promote");
      promoted.add(
          participant_node(*group, *group->members.front().account, &group->members.front()));
      notify(request, *group, promoted, accounts_of(*group), nullptr);
    }
  }
  request.result(std::move(answer));
}

void describe(const Request& request, Group& group, const node::Node& asked) {
  if (asked.attr("prev") != group.description_id) return request.error(409, "conflict");
  const node::Node* body = asked.child("body");
  const bool remove = asked.attr("delete") == "true";
  if (!remove && body == nullptr) return request.malformed("description without body");
  if (body != nullptr && body->content_bytes().size() > kMaxDescription) {
    return request.error(406, "not-acceptable");
  }
  group.description = remove ? "" : body->content_text();
  group.description_id = remove ? "" : asked.attr("id");
  group.description_by = request.self.account;
  group.description_at = request.service.now_s();
  request.result();
  node::Node change("description");
  change.set("id", asked.attr("id"));
  change.add(remove ? node::Node("delete") : bytes_child("body", group.description));
  notify(request, group, change, accounts_of(group), &request.self);
}

// Settings that are one child without an answer of their own. False: not one of those.
bool change_setting(const Request& request, Group& group, const node::Node& asked) {
  const std::string& what = asked.tag;
  if (what == "announcement" || what == "not_announcement") {
    group.announcement = what == "announcement";
  } else if (what == "locked" || what == "unlocked") {
    group.locked = what == "locked";
  } else if (what == "ephemeral" || what == "not_ephemeral") {
    const uint64_t seconds = asked.number("expiration").value_or(0);
    static constexpr std::array<uint64_t, 3> kAllowed = {86'400, 604'800, 7'776'000};
    if (what == "ephemeral" && std::ranges::find(kAllowed, seconds) == kAllowed.end()) {
      request.error(400, "bad-request");
      return true;
    }
    group.ephemeral = static_cast<uint32_t>(seconds);
  } else if (what == "member_add_mode") {
    group.members_may_add = asked.content_text() != "admin_add";
  } else if (what == "membership_approval_mode") {
    const node::Node* state = asked.child("group_join");
    group.approval = state != nullptr && state->attr("state") == "on";
  } else {
    return false;
  }
  request.result();
  notify(request, group, asked, accounts_of(group), &request.self);
  return true;
}

void rename(const Request& request, Group& group, const node::Node& asked) {
  const std::string subject = asked.content_text();
  if (subject.empty() || subject.size() > kMaxSubject) return request.error(406, "not-acceptable");
  group.subject = subject;
  group.subject_by = request.self.account;
  group.subject_at = request.service.now_s();
  request.result();
  node::Node change("subject");
  change.set("subject", subject).set("s_t", std::to_string(group.subject_at));
  change.set("s_o", address_in(group, *request.self.account));
  notify(request, group, change, accounts_of(group), &request.self);
}

void change(const Request& request, Group& group, const node::Node& asked) {
  const std::string& what = asked.tag;
  if (what == "add" || what == "remove" || what == "promote" || what == "demote") {
    return change_members(request, group, asked);
  }
  const Member* me = group.member(*request.self.account);
  if (me == nullptr) return request.error(403, "forbidden");
  const bool info_change =
      what == "subject" || what == "description" || what == "ephemeral" || what == "not_ephemeral";
  if (!me->admin && (group.locked || !info_change)) return request.error(403, "forbidden");
  if (what == "subject") return rename(request, group, asked);
  if (what == "description") return describe(request, group, asked);
  if (what == "invite") {
    group.invite = invite_code(request.service.random_);
    return request.result(node::Node("invite").set("code", group.invite));
  }
  if (change_setting(request, group, asked)) return;
  request.error(501, "feature-not-implemented");
}

void handle_server_request(const Request& request, const node::Node& asked) {
  if (request.get && asked.tag == "participating") return participating(request);
  if (asked.tag == "invite" && asked.has("code")) return join(request, asked);
  if (!request.get && asked.tag == "create") return create(request, asked);
  if (!request.get && asked.tag == "leave") return leave(request, asked);
  request.error(501, "feature-not-implemented");
}

}  // namespace

void handle_group_iq(Service& service, Connection& connection, const node::Node& iq) {
  const Request request{service, connection, *connection.device, iq, iq.attr("type") == "get"};
  const node::Jid to = *iq.jid("to");
  const auto& children = iq.children();
  if (to.server != node::kGroupServer || children.empty()) {
    return request.malformed("group request without group or content");
  }
  const node::Node& asked = children[0];
  if (to.user.empty()) return handle_server_request(request, asked);
  Group* group = service.groups_.find(to);
  if (group == nullptr) return request.error(404, "item-not-found");
  if (request.get && asked.tag == "query") return info(request, *group);
  if (request.get && asked.tag == "invite") {
    const Member* me = group->member(*connection.device->account);
    if (me == nullptr || !me->admin) return request.error(401, "not-authorized");
    return request.result(node::Node("invite").set("code", group->invite));
  }
  if (request.get && asked.tag == "membership_approval_requests") {
    return request.result(node::Node("membership_approval_requests"));
  }
  if (request.get) return request.error(501, "feature-not-implemented");
  change(request, *group, asked);
}

}  // namespace wab::sandbox
