#include "webhook/probe.h"

#include <array>
#include <cstring>

namespace wab::webhook {
namespace {

constexpr const char* kVerdicts[] = {"delivered",
                                     "gone",
                                     "too_many_requests",
                                     "unavailable",
                                     "redirect_refused",
                                     "server_error",
                                     "refused",
                                     "timeout",
                                     "connection_refused",
                                     "name_not_found",
                                     "target_not_allowed",
                                     "certificate_invalid",
                                     "tls_failed",
                                     "bad_response",
                                     "connection_lost",
                                     "event_unreadable",
                                     "other"};

struct Probe {
  std::vector<Counter> attempts;
  Counter retries = make_counter("waslo_webhook_retries_total", "Attempts after the first.");
  Counter exhausted =
      make_counter("waslo_webhook_exhausted_total", "Deliveries given up after the last attempt.");
  Counter opened = make_counter("waslo_webhook_breakers_opened_total", "Circuit breakers opened.");
  Gauge in_flight = make_gauge("waslo_webhook_in_flight", "Attempts under way.");
  Histogram first_post =
      make_histogram("waslo_webhook_first_post_seconds",
                     "From a stanza's arrival to the first POST of its event.", latency_bounds());
  Histogram delay =
      make_histogram("waslo_webhook_delay_seconds",
                     "From the event, as WhatsApp dates it, to the end of a good first attempt.",
                     latency_bounds());
  Probe() {
    for (const char* verdict : kVerdicts) {
      attempts.push_back(make_counter("waslo_webhook_attempts_total", "Attempts by verdict.",
                                      {{"verdict", verdict}}));
    }
  }
};
Probe& probe() {
  static Probe instance;
  return instance;
}

double seconds(UnixMillis from, UnixMillis to) {
  return static_cast<double>(std::max<UnixMillis>(0, to - from)) / 1000.0;
}

}  // namespace

void count_attempt(const Verdict& verdict, bool retry) {
  size_t index = std::size(kVerdicts) - 1;
  for (size_t i = 0; i < std::size(kVerdicts); ++i) {
    if (std::strcmp(kVerdicts[i], verdict.code) == 0) index = i;
  }
  probe().attempts[index].add();
  if (retry) probe().retries.add();
}

void count_first_post(const storage::EventRow& event, UnixMillis now) {
  if (event.received > 0) probe().first_post.observe(seconds(event.received, now));
}

void count_first_delivery(const storage::EventRow& event, UnixMillis now) {
  probe().delay.observe(seconds(event.at, now));
}

void count_exhausted() { probe().exhausted.add(); }
void count_breaker_opened() { probe().opened.add(); }
void count_in_flight(double change) { probe().in_flight.add(change); }
void prepare_probes() { (void)probe(); }

}  // namespace wab::webhook
