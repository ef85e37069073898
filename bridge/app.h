// What the routes may use: everything they need and nothing else.
//
// The service owns all of it; it outlives every connection. See the header of each part for the
// threads it may be used on.
#pragma once

#include "bridge/audit.h"
#include "bridge/auth.h"
#include "bridge/config.h"
#include "bridge/endpoint_directory.h"
#include "bridge/event_feed.h"
#include "bridge/idempotency.h"
#include "bridge/limits.h"
#include "bridge/people.h"
#include "bridge/quotas.h"
#include "bridge/session_directory.h"
#include "storage/store.h"

namespace wab::bridge {

class Backups;
class Deliveries;
class Google;
class PairingLinks;

struct App {
  const Config& config;
  storage::Store& store;
  Clock& clock;
  Random& random;
  Auth& auth;
  People& people;
  Limits& limits;
  Idempotency& idempotency;
  SessionDirectory& sessions;
  EndpointDirectory& endpoints;
  EventFeed& events;
  Audit& audit;
  Quotas& quotas;
  Google* google = nullptr;               // null: Google sign-in is off
  PairingLinks* pairing_links = nullptr;  // set by whoever serves
  Deliveries* deliveries = nullptr;       // set by whoever serves
  Backups* backups = nullptr;             // set by whoever serves
};

}  // namespace wab::bridge
