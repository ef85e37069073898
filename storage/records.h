// Every kind of row: what it holds, how long it lives.
//
// A row is addressed by (organization, session, kind, name). The name is what the owner knows it by
// ("15550100002@s.whatsapp.net"); on disk it is only a keyed hash, and the clear name stands inside
// the sealed value. Values are opaque to storage; each owner versions its own encoding.
#pragma once

#include <string>
#include <vector>

#include "storage/base/ids.h"

namespace wab::storage {

enum class Kind : uint8_t {
  // Deployment (nil organization).
  deployment_meta = 1,  // setup state, named singletons
  organization = 2,     // name: org id text
  user = 3,             // name: e-mail address
  token_lookup = 4,     // name: hex of the token's keyed hash -> organization and token id
  setup_token = 5,
  browser_session = 6,
  federated_identity = 7,  // name: issuer, blank, subject -> user
  user_index = 8,          // name: user id text -> e-mail address
  invitation_lookup = 9,   // name: hex of the invitation's keyed hash -> organization and its id
  password_reset = 10,     // name: hex of the link's keyed hash -> user
  pairing_secret = 14,     // name: hex of the link's keyed hash -> organization and link
  pairing_visit = 15,      // name: hex of the cookie's keyed hash -> organization and link
  // Organization (nil session).
  token = 16,
  endpoint = 17,        // webhook endpoint with its secrets
  session_config = 18,  // name: session id text; metadata, wanted state
  idempotency = 19,
  message_index = 20,  // name: message row id -> session
  audit = 21,
  attempt_log = 22,       // name: endpoint id; which attempts are kept
  attempt = 23,           // name: endpoint id "/" number; one wire attempt, 30 days
  attempt_of_event = 24,  // name: event id "/" endpoint id; its newest attempt
  dead_log = 25,          // name: endpoint id; which dead letters are kept
  dead_letter = 26,       // name: endpoint id "/" number; 30 days
  endpoint_health = 27,   // name: endpoint id; since when it fails, what was told
  replay_job = 28,        // name: job id; progress of a replay, 30 days
  member = 29,            // name: user id text -> e-mail address; the deployment's are operators
  invitation = 31,        // name: invitation id text
  pairing_link = 30,      // name: link id
  // Session: identity and Signal state ("auth").
  identity = 32,        // device identity: noise, identity, signed prekey, account blob
  head = 33,            // sequence numbers and counters, rewritten by every commit
  signal_session = 34,  // name: signal address
  prekey = 35,          // name: decimal id
  sender_key = 36,      // name: group "::" signal address
  peer_identity = 37,   // name: signal address
  sender_key_map = 38,  // name: group -> devices that have our key
  device_list = 39,     // name: bare jid
  lid_map = 40,         // name: bare jid -> counterpart
  group = 41,           // name: group jid -> metadata
  sent_message = 42,    // name: chat "/" stanza id: for retry receipts, 7 days
  message = 43,         // name: message row id -> state of an API send
  stanza_index = 44,    // name: stanza id -> message row id
  retry_count = 45,     // name: chat "/" sender "/" stanza id
  undecryptable = 46,   // same name: what was told and awaits healing
  outgoing = 48,        // name: message row id; exists while the send is not acknowledged
  base_key = 47,        // name: signal address "/" stanza id (dossier 2 section 8.6)
  // Organization again.
  token_use = 49,  // name: token id; when it was last used, to the hour
  usage = 50,      // messages of the day and in all, for the quotas
};

struct Key {
  Kind kind;
  std::string name;  // "" for the singleton of a kind
  bool operator==(const Key&) const = default;
  auto operator<=>(const Key&) const = default;
};

struct Row {
  Key key;
  Bytes value;
};

}  // namespace wab::storage
