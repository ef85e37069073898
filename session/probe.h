// What the session room counts. One set per process; handles are cheap to use from any shard.
#pragma once

#include "storage/base/metrics.h"

namespace wab::session {

struct Probe {
  Counter received = make_counter("waslo_messages_received_total", "Messages made into events.");
  Counter duplicates = make_counter("waslo_messages_duplicate_total",
                                    "Redelivered messages that were already durable.");
  Counter undecryptable =
      make_counter("waslo_decrypt_failures_total", "Messages that did not decrypt.");
  Counter rejected =
      make_counter("waslo_stanzas_rejected_total", "Stanzas that no rule of the protocol allows.");
  Counter sent = make_counter("waslo_messages_sent_total", "Messages written to WhatsApp.");
  Counter resent =
      make_counter("waslo_messages_resent_total", "Messages encrypted again for a retry receipt.");
  Counter connects = make_counter("waslo_connects_total", "Connections that logged in.");
  Counter disconnects = make_counter("waslo_disconnects_total", "Connections that ended.");
};

inline Probe& probe() {
  static Probe instance;
  return instance;
}

}  // namespace wab::session
