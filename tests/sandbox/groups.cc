#include "tests/sandbox/groups.h"

#include <algorithm>

namespace wab::sandbox {

Member* Group::member(const Account& account) {
  const auto found = std::ranges::find(members, &account, &Member::account);
  return found == members.end() ? nullptr : &*found;
}

const Member* Group::member(const Account& account) const {
  const auto found = std::ranges::find(members, &account, &Member::account);
  return found == members.end() ? nullptr : &*found;
}

std::string invite_code(Random& random) {
  std::string code = to_base64url(random.bytes(17)).substr(0, 22);
  std::ranges::replace(code, '-', 'A');
  std::ranges::replace(code, '_', 'B');
  return code;
}

Group& Groups::create(std::string subject, Account& creator, UnixSeconds now, Random& random) {
  const std::string id = std::to_string(120'363'000'000'000'000ULL + next_++);
  Group& group = groups_[id];
  group.id = id;
  group.subject = std::move(subject);
  group.creator = group.subject_by = &creator;
  group.created = group.subject_at = now;
  group.invite = invite_code(random);
  group.members.push_back({&creator, true, true, now});
  return group;
}

Group* Groups::find(const node::Jid& jid) {
  if (!jid.is_group()) return nullptr;
  const auto found = groups_.find(jid.user);
  return found == groups_.end() ? nullptr : &found->second;
}

std::vector<Group*> Groups::of(const Account& account) {
  std::vector<Group*> out;
  for (auto& [id, group] : groups_) {
    if (group.member(account) != nullptr) out.push_back(&group);
  }
  return out;
}

Group* Groups::by_invite(const std::string& code) {
  for (auto& [id, group] : groups_) {
    if (group.invite == code) return &group;
  }
  return nullptr;
}

void Groups::erase(const Group& group) { groups_.erase(std::string(group.id)); }

node::Jid address_in(const Group& group, const Account& account) {
  return group.lid ? node::Jid::lid(account.lid) : node::Jid::pn(account.pn);
}

node::Node participant_node(const Group& group, const Account& account, const Member* member) {
  node::Node out("participant");
  out.set("jid", address_in(group, account));
  if (group.lid) {
    out.set("phone_number", node::Jid::pn(account.pn));
  } else {
    out.set("lid", node::Jid::lid(account.lid));
  }
  if (member != nullptr && member->admin)
    out.set("type", member->super_admin ? "superadmin" : "admin");
  return out;
}

node::Node group_node(const Group& group) {
  node::Node out("group");
  out.set("id", group.id).set("subject", group.subject);
  out.set("s_t", std::to_string(group.subject_at)).set("s_o", address_in(group, *group.subject_by));
  out.set("creation", std::to_string(group.created))
      .set("creator", address_in(group, *group.creator));
  if (group.lid) {
    out.set("creator_pn", node::Jid::pn(group.creator->pn));
    out.set("s_o_pn", node::Jid::pn(group.subject_by->pn));
  }
  out.set("p_v_id", std::to_string(group.version)).set("a_v_id", std::to_string(group.version));
  out.set("size", std::to_string(group.members.size())).set("addressing_mode", group.mode());
  for (const Member& member : group.members) {
    out.add(participant_node(group, *member.account, &member));
  }
  if (!group.description_id.empty()) {
    node::Node description("description");
    description.set("id", group.description_id);
    description.set("t", std::to_string(group.description_at));
    description.set("participant", address_in(group, *group.description_by));
    description.add(bytes_child("body", group.description));
    out.add(std::move(description));
  }
  if (group.announcement) out.add(node::Node("announcement"));
  if (group.locked) out.add(node::Node("locked"));
  if (group.ephemeral != 0) {
    out.add(node::Node("ephemeral").set("expiration", std::to_string(group.ephemeral)));
  }
  out.add(bytes_child("member_add_mode", group.members_may_add ? "all_member_add" : "admin_add"));
  if (group.approval) {
    node::Node mode("membership_approval_mode");
    out.add(std::move(mode.add(node::Node("group_join").set("state", "on"))));
  }
  return out;
}

node::Node bytes_child(std::string tag, std::string_view content) {
  node::Node out(std::move(tag));
  out.bytes(view(content));
  return out;
}

}  // namespace wab::sandbox
