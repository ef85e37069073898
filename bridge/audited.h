// A handler between two entries of the audit log: who, what, on what, from where, how it ended.
//
// Used by the router for every route whose row names an audit action. The chain is the caller's:
// the organization's, or the deployment's for operators and for routes without a caller (sign-in).
#pragma once

#include "bridge/router.h"

namespace wab::bridge {

// Runs the handler; the answer comes back only after its entry is durable, and the handler is not
// run when the first entry could not be written.
awaitable<Outcome<Answer>> run_audited(Call& call, const Route& route);

// The entry of a caller who was turned away before the handler. A no-op for reads.
awaitable<Outcome<void>> note_refusal(App& app, const Request& request, const Route& route,
                                      const Caller& caller, const Problem& problem);

// A token of ours that is expired or came from a foreign network, at most once an hour each.
awaitable<Outcome<void>> note_token_refusal(App& app, const Request& request, TokenRefusal refusal);

}  // namespace wab::bridge
