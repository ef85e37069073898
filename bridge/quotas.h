// What one organization may have: limits of the configuration, an operator's overrides, and usage.
//
// Any shard. The defaults are [limits]; an override is the object "limits" of the organization's
// row and is cached for half a minute (forget() after a change). Rows are counted when something is
// made; messages are counted here and the count is the row Kind::usage, which goes into each
// message's own commit. After a crash it may lag by the messages that were on their way; the hourly
// housekeeping counts anew what is stored. Bytes are the store's estimate, at most a minute old.
//
// A limit stops what an organization makes, never what arrives for it: inbound messages are not
// dropped. Two calls at the same instant may both get the last place.
#pragma once

#include <array>
#include <mutex>
#include <unordered_map>

#include "bridge/config.h"
#include "bridge/problem.h"
#include "storage/store.h"

namespace wab::bridge {

using boost::asio::awaitable;

enum class Quota : uint8_t {
  sessions,
  webhooks,
  tokens,
  users,
  messages_per_day,  // accepted for sending, by UTC day
  messages_stored,
  storage_bytes,
};
inline constexpr size_t kQuotas = 7;
inline constexpr std::string_view kQuotaWords[kQuotas] = {
    "sessions",         "webhooks",        "tokens",       "users",
    "messages_per_day", "messages_stored", "storage_bytes"};

using QuotaValues = std::array<int64_t, kQuotas>;

class Quotas {
 public:
  Quotas(storage::Store& store, Clock& clock, const Config& config, storage::OrgScope deployment);

  awaitable<Outcome<QuotaValues>> limits(storage::OrgScope org);
  awaitable<Outcome<QuotaValues>> usage(storage::OrgScope org);
  // Code::limit_reached, naming the limit, when there is no place for one more.
  awaitable<Outcome<void>> room(storage::OrgScope org, Quota quota);
  // Counts one message, and answers the row for its commit; take_back() when it was not accepted.
  awaitable<Outcome<storage::Row>> count_message(storage::OrgScope org);
  void take_back_message(storage::OrgScope org);
  // The overrides changed.
  void forget(OrgId org);
  // Counts the stored messages anew; for the housekeeping.
  awaitable<Outcome<void>> recount(storage::OrgScope org);

 private:
  struct Known {
    std::optional<QuotaValues> limits;
    UnixMillis limits_at = 0;
    int64_t bytes = 0;
    UnixMillis bytes_at = 0;
    bool counted = false;  // the fields below were read
    int64_t day = 0, sent = 0, stored = 0;
  };
  Known& known(const storage::OrgScope& org);  // with mutex_ held
  storage::Row usage_row(Known& known, int64_t day) const;
  awaitable<Outcome<void>> read_counts(storage::OrgScope org);
  awaitable<Outcome<int64_t>> used(storage::OrgScope org, Quota quota);
  awaitable<Outcome<int64_t>> count_rows(storage::OrgScope org, storage::Kind kind);

  storage::Store& store_;
  Clock& clock_;
  const Config& config_;
  storage::OrgScope deployment_;
  std::mutex mutex_;
  std::unordered_map<OrgId, Known> known_;
};

}  // namespace wab::bridge
