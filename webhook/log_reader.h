// Reading the logs of an endpoint: attempts and dead letters, newest first, page by page.
//
// Any shard; only the store is asked. Rows that expired or were sent again are left out.
#pragma once

#include <functional>
#include <vector>

#include "storage/store.h"
#include "webhook/attempt.h"
#include "webhook/replay.h"

namespace wab::webhook {

using boost::asio::awaitable;

template <class Row>
struct LogPage {
  std::vector<std::pair<uint64_t, Row>> rows;  // number, row
  uint64_t before = 0;                         // where the next page goes on; 0: at the end
};

// Rows below `before` (0: from the newest) that `wanted` takes; a page also ends after 2,000 rows
// looked at.
awaitable<Result<LogPage<Attempt>>> read_attempts(storage::Store* store, storage::OrgScope org,
                                                  EndpointId endpoint, uint64_t before,
                                                  size_t limit,
                                                  std::function<bool(const Attempt&)> wanted);
// The attempts of one event at an endpoint, newest first; at most 100.
awaitable<Result<std::vector<std::pair<uint64_t, Attempt>>>> attempts_of_event(
    storage::Store* store, storage::OrgScope org, EndpointId endpoint, std::string event_id);
awaitable<Result<LogPage<DeadLetter>>> read_dead_letters(storage::Store* store,
                                                         storage::OrgScope org, EndpointId endpoint,
                                                         uint64_t before, size_t limit);
// The number behind the newest dead letter.
awaitable<Result<uint64_t>> dead_letters_end(storage::Store* store, storage::OrgScope org,
                                             EndpointId endpoint);

}  // namespace wab::webhook
