// What the delivery room counts. One set per process; handles are cheap to use from any shard.
#pragma once

#include "storage/base/metrics.h"
#include "storage/store.h"
#include "webhook/verdict.h"

namespace wab::webhook {

// The series of its verdict; the codes are those of verdict.cc and no others.
void count_attempt(const Verdict& verdict, bool retry);
// Just before the first POST of this event to an endpoint.
void count_first_post(const storage::EventRow& event, UnixMillis now);
// A first attempt was taken.
void count_first_delivery(const storage::EventRow& event, UnixMillis now);
void count_exhausted();
void count_breaker_opened();
void count_in_flight(double change);  // +1, -1
// Makes every series, so that a scrape shows zeros instead of nothing.
void prepare_probes();

}  // namespace wab::webhook
