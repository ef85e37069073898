// One message encrypted for many devices, as the children of its stanza (dossier 2 sections 6 and
// 7).
//
// Pure but for the store behind the Change: no question goes to the wire. Bundles of devices
// without session are an argument. Devices that cannot be encrypted for are skipped.
#pragma once

#include <map>

#include "session/engine.h"
#include "session/proto/message.pb.h"
#include "session/signal/agreement.h"

namespace wab::session {

struct FanoutTarget {
  node::Jid device;  // as addressed on the wire
  Bytes plaintext;   // serialized Message, not padded
};

struct Fanout {
  std::vector<node::Node> to;      // <to jid><enc/></to>
  std::vector<node::Jid> reached;  // devices in `to`
  bool any_prekey = false;         // then <device-identity> is needed
};

awaitable<Result<Fanout>> encrypt_for_devices(
    Engine& engine, Change& change, const std::vector<FanoutTarget>& targets,
    const std::map<node::Jid, signal::PreKeyBundle>& bundles);

// Devices of `devices` without a session.
awaitable<Result<std::vector<node::Jid>>> without_session(Change& change,
                                                          std::vector<node::Jid> devices);

// One <enc v="2">; error no_session without one.
awaitable<Result<node::Node>> encrypt_one(Engine& engine, Change& change, node::Jid device,
                                          Bytes plaintext, bool* is_prekey);

// "2:" and 8 characters (dossier 2 section 4.4).
std::string participant_hash(std::vector<node::Jid> devices);

// "3EB0" and 18 hex digits (dossier 2 section 6.1).
std::string make_message_id(UnixSeconds now, const node::Jid& own_pn, Random& random);

}  // namespace wab::session
