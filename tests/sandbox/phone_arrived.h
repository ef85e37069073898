// A message stanza while a phone works on it. For phone_receive.cc, phone_retry.cc and
// phone_peer.cc.
#pragma once

#include "tests/sandbox/fields.h"
#include "tests/sandbox/phone.h"

namespace wab::sandbox {

struct Phone::Arrived {
  const node::Node& stanza;
  std::string id{};
  node::Jid from{};    // as on the stanza
  node::Jid sender{};  // device that encrypted
  node::Jid chat{};    // bare
  bool group = false;
  bool own = false;   // from another device of this account
  bool peer = false;  // category="peer"
  UnixSeconds t = 0;
  std::string key{};  // chat, sender and id
};

}  // namespace wab::sandbox
