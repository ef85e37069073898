// Which devices a person has, and how to start talking to them: device lists (usync) and prekey
// bundles (dossier 2 sections 4 and 5).
//
// Lists are kept in the store and refreshed when they are a day old or when something says that
// they are stale. Questions go to the wire, so these functions are called outside of any turn.
#pragma once

#include <map>

#include "session/engine.h"
#include "session/signal/agreement.h"

namespace wab::session {

class Devices {
 public:
  explicit Devices(Engine& engine) : engine_(engine) {}

  // Devices (with device numbers) of these bare users. Users that WhatsApp does not know are
  // absent. Learns LIDs on the way.
  awaitable<Result<std::vector<node::Jid>>> of_users(std::vector<node::Jid> users);
  // The LID of a phone number: from the map, or asked. Nothing: not on WhatsApp.
  struct Person {
    node::Jid pn;
    std::optional<node::Jid> lid;
  };
  awaitable<Result<std::optional<Person>>> find_person(node::Jid pn_or_lid);

  // Bundles of devices; those that the server refuses are absent.
  awaitable<Result<std::map<node::Jid, signal::PreKeyBundle>>> bundles(
      std::vector<node::Jid> devices, const char* reason);

  // Forgets the list of a user, so that the next send asks again.
  static void forget(Change& change, const node::Jid& user);

 private:
  awaitable<Result<void>> ask_lists(std::vector<node::Jid> users);
  awaitable<Result<std::optional<std::vector<node::Jid>>>> stored_list(Change& change,
                                                                       node::Jid user);

  Engine& engine_;
};

// A bundle out of a <user> node or a retry receipt's <keys>. Pure.
Result<signal::PreKeyBundle> read_bundle(const node::Node& holder, const node::Node& keys);

}  // namespace wab::session
