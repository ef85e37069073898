// Sealed durable state: the one seam between the rooms above and the disk.
//
// Thread: any shard may call; results arrive on the caller's executor. Reads of one scope see every
// commit that returned before them. commit() is all or nothing and durable when it returns; commits
// issued one after another by one scope become durable in that order, even when the caller does not
// wait in between. A failed sync ends the process: no caller ever sees it. The only error commit()
// returns is StoreError::fenced or ::quarantined.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <optional>

#include "storage/base/result.h"
#include "storage/records.h"
#include "storage/scope.h"

namespace wab::storage {

using boost::asio::awaitable;

enum class StoreError {
  fenced = 1,   // another owner has this session
  quarantined,  // a record of this session did not open; see storage/README.md
  unsealed,     // a record did not open: wrong key, moved or damaged
  corrupt,      // the store itself: refused to open
  version,      // written by a newer program
  root_key,     // missing, unreadable or wrong root key
  busy,         // the bounded queue of the disk pool is full
  io,
  not_found,
};
const ErrorDomain& error_domain(StoreError);

// A durable event of a session. `body` is the envelope of contract section 4, byte for byte what
// every webhook attempt sends; `lane` is a hash of the chat, for order per chat.
struct EventRow {
  SessionId session;
  uint64_t seq = 0;       // per session, from 1, without gaps
  uint64_t position = 0;  // per organization, given by commit; the cursor of /v1/events
  std::string id;         // "evt_..."
  std::string type;       // "message"
  ByteArray<8> lane{};
  UnixMillis at = 0;
  Bytes body;
  std::string trace;        // traceparent of the request that caused it; "" without one
  UnixMillis received = 0;  // when its stanza arrived here; not stored, 0 when read from the disk
};

// One event owed to one endpoint; erased when delivered. `state` is the webhook room's own encoding
// of attempts and next time.
struct DeliveryRow {
  EndpointId endpoint;
  SessionId session;
  uint64_t seq = 0;
  ByteArray<8> lane{};
  Bytes state;
};
struct DeliveryKey {
  EndpointId endpoint;
  SessionId session;
  uint64_t seq = 0;
};

// A duplicate mark: a keyed hash with an expiry, nothing secret inside. Names are blinded like
// keys.
struct Mark {
  std::string name;
  UnixSeconds expires = 0;
};

struct Commit {
  explicit Commit(Scope scope) : owner(scope) {}
  Scope owner;
  std::vector<Row> put;
  std::vector<Key> erase;
  std::vector<Row> put_org;  // rows of the organization itself, in the same write
  std::vector<Mark> marks;
  std::vector<EventRow> events;         // position is filled in by the store
  std::vector<DeliveryRow> deliveries;  // put; same organization
  std::vector<DeliveryKey> delivered;   // erase
};

struct Committed {
  uint64_t first_position = 0;  // of `events`, consecutive; 0 when there were none
};

// Positions (from, to] of the log that nobody can read any more although they were given: what the
// retention took away, or what a restored backup did not hold.
struct LogGap {
  uint64_t from = 0;
  uint64_t to = 0;
  bool operator==(const LogGap&) const = default;
};
// Where the event log of an organization stands.
struct LogBounds {
  uint64_t last = 0;         // the last position given; 0 before the first event
  uint64_t bytes = 0;        // of the events that are kept, as they lie on the disk
  std::vector<LogGap> gaps;  // ascending, apart from each other
  // The gap that somebody who has read up to `position` would step over next, if the next position
  // is in one.
  std::optional<LogGap> gap_after(uint64_t position) const {
    for (const LogGap& gap : gaps) {
      if (position >= gap.from && position < gap.to) return gap;
    }
    return std::nullopt;
  }
};

// What of an organization's event log may go. An event that is still owed to an endpoint stays, and
// everything behind it with it, until it is over kOwedKept too: retries and dead letters end
// before.
struct LogRetention {
  static constexpr std::chrono::hours kOwedKept{35 * 24};
  std::chrono::seconds age{
      0};              // older ones go; counted while the service runs, see ages.h; 0: none
  uint64_t bytes = 0;  // the oldest go until no more are kept; 0: no bound
};
struct Trimmed {
  uint64_t events = 0;
  bool more = false;  // the step was used up: call again
};

class Store {
 public:
  virtual ~Store() = default;

  // Values in the order of `keys`; absent rows are std::nullopt.
  virtual awaitable<Result<std::vector<std::optional<Bytes>>>> load(Scope scope,
                                                                    std::vector<Key> keys) = 0;
  // Rows of one kind in unspecified but stable order. `after` is the cursor of the previous page
  // ("" first); the next cursor is "" at the end.
  struct Page {
    std::vector<Row> rows;
    std::string next;
  };
  virtual awaitable<Result<Page>> scan(Scope scope, Kind kind, std::string after, size_t limit) = 0;
  // Which of these marks exist and have not expired at `now`.
  virtual awaitable<Result<std::vector<bool>>> marked(Scope scope, std::vector<std::string> names,
                                                      UnixSeconds now) = 0;
  virtual awaitable<Result<Committed>> commit(Commit commit) = 0;

  // The event log of an organization in position order, strictly after `position`.
  virtual awaitable<Result<std::vector<EventRow>>> events_after(OrgScope org, uint64_t position,
                                                                size_t limit) = 0;
  virtual awaitable<Result<std::optional<EventRow>>> event(Scope session, uint64_t seq) = 0;
  virtual awaitable<Result<LogBounds>> event_log(OrgScope org) = 0;
  // One step of the retention: reads what it erases and one more, and nothing waits for it.
  virtual awaitable<Result<Trimmed>> trim_events(OrgScope org, LogRetention keep, size_t step) = 0;
  // Deliveries owed to an endpoint in (session, seq) order, strictly after `after`.
  virtual awaitable<Result<std::vector<DeliveryRow>>> deliveries(OrgScope org, EndpointId endpoint,
                                                                 std::optional<DeliveryKey> after,
                                                                 size_t limit) = 0;

  // How many deliveries each endpoint is owed; endpoints that are owed nothing are not named.
  virtual awaitable<Result<std::map<EndpointId, uint64_t>>> owed(OrgScope org) = 0;
  // Erases what is owed to an endpoint that is gone.
  virtual awaitable<Result<void>> forget_deliveries(OrgScope org, EndpointId endpoint) = 0;

  // Erases every row, event, mark and delivery of a session (after logout and delete), or of the
  // whole organization when the scope's session is nil.
  virtual awaitable<Result<void>> erase_all(Scope scope) = 0;

  // What an organization's rows, events and deliveries take on the disk, roughly.
  virtual awaitable<Result<uint64_t>> stored_bytes(OrgScope org) = 0;

  // Keyed, stable, one-way: for event ids and lanes. Differs per deployment and organization.
  virtual ByteArray<32> keyed_hash(OrgScope org, std::string_view purpose, ByteView data) = 0;

 protected:
  // For the issuer() of an implementation.
  static ScopeIssuer::Opener opener() { return ScopeIssuer::Opener(); }
};

}  // namespace wab::storage
