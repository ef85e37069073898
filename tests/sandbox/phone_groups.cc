// What a phone knows of its groups and how it makes one (dossier 3 sections 4.2 to 4.4).
#include "tests/sandbox/phone.h"

namespace wab::sandbox {

void Phone::ask_group(const node::Jid& group) {
  node::Node request = iq("get", "w:g2", group);
  request.add(node::Node("query").set("request", "interactive"));
  ask(std::move(request), [this, group](const node::Node* answer) {
    const node::Node* info = answer == nullptr ? nullptr : answer->child("group");
    if (info == nullptr) return;
    Group known;
    known.lid = info->attr("addressing_mode") == "lid";
    for (const node::Node* member : info->all("participant")) {
      const auto jid = member->jid("jid");
      if (!jid || member->has("error")) continue;
      learn(jid, member->jid("phone_number"));
      learn(jid, member->jid("lid"));
      known.members.push_back(jid->bare());
    }
    groups_[group.text()] = std::move(known);
  });
}

void Phone::create_group(const std::string& subject, const std::vector<node::Jid>& members,
                         GroupDone done) {
  node::Node create("create");
  create.set("subject", subject).set("key", new_message_id());
  for (const node::Jid& member : members) {
    create.add(node::Node("participant").set("jid", member.bare()));
  }
  node::Node request = iq("set", "w:g2", node::Jid{"", std::string(node::kGroupServer), 0});
  request.add(std::move(create));
  ask(std::move(request), [done = std::move(done)](const node::Node* answer) {
    const node::Node* group = answer == nullptr ? nullptr : answer->child("group");
    if (group == nullptr) return done(std::nullopt);
    // The id comes bare or as a whole jid (section 4.2).
    const std::string id = group->attr("id");
    done(node::Jid{id.substr(0, id.find('@')), std::string(node::kGroupServer), 0});
  });
}

}  // namespace wab::sandbox
