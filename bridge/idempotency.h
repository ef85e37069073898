// Idempotency-Key: the same key gets the same answer for 24 hours.
//
// Any shard. While the first request runs, its key is in a table of this process (409); what it
// answered is a row that the handler commits together with its effect (Ticket::row), or that the
// router writes behind it. The row holds the answer encrypted under a key made from the client's
// Idempotency-Key, so that a token shown once cannot be read again from the store.
//
// Row Kind::idempotency, name = hex of a keyed hash of principal and key; JSON
// {"v":1,"expires_at","sealed"}.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "bridge/access.h"
#include "bridge/limits.h"
#include "bridge/request.h"
#include "storage/store.h"

namespace wab::bridge {

inline constexpr int64_t kIdempotencyLifeMs = 24 * 3600 * 1000;

class Idempotency {
 public:
  Idempotency(storage::Store& store, Clock& clock, Random& random);

  // Held while the request runs.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept;
    ~Ticket();
    // The row for this answer, to be committed in the organization with the effect itself.
    storage::Row row(const Answer& answer);
    // The row for an answer that is made anew from `reference` when it is asked for again.
    storage::Row reference_row(std::string reference);
    bool used() const { return used_; }

   private:
    friend class Idempotency;
    Ticket(Idempotency& owner, uint64_t claim) : owner_(&owner), claim_(claim) {}
    storage::Row seal(const std::string& content);
    Idempotency* owner_;
    uint64_t claim_;
    std::string name_, fingerprint_;
    ByteArray<32> key_{};
    bool used_ = false;
  };
  struct Reference {
    std::string text;
  };
  // The right to run, or what was answered the first time.
  using Begun = std::variant<Ticket, Answer, Reference>;
  awaitable<Outcome<Begun>> begin(const Caller& caller, const Request& request, std::string key);

  // Erases what has expired; for the hourly housekeeping. How many rows went.
  awaitable<Result<size_t>> sweep(storage::OrgScope org);

 private:
  storage::Store& store_;
  Clock& clock_;
  Random& random_;
  InFlight running_;
};

}  // namespace wab::bridge
