// Groups: who is in, and how the members are addressed (dossier 3 section 4). Plain state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "session/node/node.h"
#include "storage/base/clock.h"
#include "tests/sandbox/port.h"

namespace wab::sandbox {

struct Member {
  Account* account = nullptr;
  bool admin = false;
  bool super_admin = false;
  UnixSeconds joined = 0;
};

struct Group {
  std::string id;  // digits, without @g.us
  std::string subject;
  Account* creator = nullptr;
  UnixSeconds created = 0;
  Account* subject_by = nullptr;
  UnixSeconds subject_at = 0;
  std::string description;
  std::string description_id;
  Account* description_by = nullptr;
  UnixSeconds description_at = 0;
  bool announcement = false;
  bool locked = false;
  bool members_may_add = true;
  bool approval = false;
  uint32_t ephemeral = 0;
  bool lid = true;  // addressing mode
  std::string invite;
  uint64_t version = 1;  // v_id chain
  std::vector<Member> members;

  node::Jid jid() const { return {id, std::string(node::kGroupServer), 0}; }
  Member* member(const Account& account);
  const Member* member(const Account& account) const;
  const char* mode() const { return lid ? "lid" : "pn"; }
  std::string_view server() const { return lid ? node::kLidServer : node::kUserServer; }
};

class Groups {
 public:
  Group& create(std::string subject, Account& creator, UnixSeconds now, Random& random);
  Group* find(const node::Jid& jid);
  std::vector<Group*> of(const Account& account);
  Group* by_invite(const std::string& code);
  void erase(const Group& group);

 private:
  std::map<std::string, Group> groups_;
  uint64_t next_ = 1;
};

// 22 characters.
std::string invite_code(Random& random);

// <group> as an info query shows it.
node::Node group_node(const Group& group);
// <participant> as it is listed in this group.
node::Node participant_node(const Group& group, const Account& account, const Member* member);
node::Node bytes_child(std::string tag, std::string_view content);
node::Jid address_in(const Group& group, const Account& account);

}  // namespace wab::sandbox
