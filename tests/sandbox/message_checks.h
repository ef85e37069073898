// What is judged about a <message> before it is routed (dossier 2 section 13.1).
#pragma once

#include "tests/sandbox/service.h"

namespace wab::sandbox {

// code 0: good. `dropped`: acknowledged as usual and not delivered, as the real service does.
struct Verdict {
  int code = 0;
  const char* rule = nullptr;
  std::string why;
  static Verdict good() { return {}; }
};

struct Addressed {
  Device* device = nullptr;
  const node::Node* enc = nullptr;
};

// M6, M7: one <enc>; `group` allows skmsg and nothing else.
Verdict judge_enc(const node::Node& enc, bool group);
// M3, M5 to M7 over <participants>; fills who is addressed. `may_address` says whose devices are in
// place. The sender's own device is refused, or passed over with `own_is_harmless`: Baileys sends
// its sender key to itself in LID groups.
Verdict judge_participants(Service& service, const Device& self, const node::Node& message,
                           std::string_view server,
                           const std::function<bool(const Account&)>& may_address,
                           bool own_is_harmless, std::vector<Addressed>& out);
// M8: device-identity of a companion, wanted as soon as a pkmsg is in the stanza.
Verdict judge_device_identity(const Device& self, const node::Node& message, bool has_pkmsg);
// M18.
Verdict judge_extras(const node::Node& message);
// M9, M24: flags, never refuses.
void inspect_pairwise(Service& service, const Connection& connection, Device& target,
                      const node::Node& enc);
// M25: flags, never refuses.
void inspect_group(Service& service, const Connection& connection, const node::Jid& group,
                   const node::Node& enc);

}  // namespace wab::sandbox
