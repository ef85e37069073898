// Groups as far as text needs them: who is in, how they are addressed, who has our sender key
// (dossier 2 sections 2.5 and 7.1, dossier 3 sections 4.1 to 4.3).
#pragma once

#include "session/engine.h"

namespace wab::session {

struct GroupInfo {
  node::Jid jid;
  bool lid = true;  // addressing mode
  std::string subject;
  std::vector<node::Jid> participants;  // bare, in the group's addressing mode
};

class Groups {
 public:
  explicit Groups(Engine& engine) : engine_(engine) {}

  // From the store, or asked. SessionError::refused when WhatsApp does not tell (not a member,
  // unknown group). Called outside of any turn.
  awaitable<Result<GroupInfo>> info(node::Jid group);
  // Forgets what is known: the next send asks again and hands the sender key to whom lacks it.
  static void forget(Change& change, const node::Jid& group);
  // Starts a new sender key: somebody left who had the old one.
  awaitable<Result<void>> rotate_key(Change& change, node::Jid group);

  // Devices that have our sender key of the group.
  static awaitable<Result<std::vector<std::string>>> key_holders(Change& change, node::Jid group);
  static void store_key_holders(Change& change, const node::Jid& group,
                                const std::vector<std::string>& holders);

 private:
  awaitable<Result<GroupInfo>> ask(node::Jid group);

  Engine& engine_;
};

// Pure: a <group> node.
std::optional<GroupInfo> read_group(const node::Node& group, const node::Jid& jid);

}  // namespace wab::session
