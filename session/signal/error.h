// What can go wrong between ciphertext and plaintext, and the code a retry receipt carries for it.
#pragma once

#include "storage/base/result.h"

namespace wab::signal {

enum class SignalError {
  no_session = 1,    // no current state: ask for a bundle, or for a pkmsg by retry receipt
  invalid_key_id,    // a pkmsg names a prekey or signed prekey we no longer have
  duplicate,         // counter already used: the message was processed before
  bad_mac,           // no state of the record authenticates the message
  invalid_message,   // not parseable, a required field is missing, or the body does not decrypt
  too_far_ahead,     // counter jumps over more than 2000 keys
  untrusted,         // never raised here (trust on every change); for callers with a policy
  bad_signature,     // XEdDSA over a bundle, a distribution or a group message
  invalid_key,       // not a public key, or an agreement that yields zeros
  no_sender_key,     // group message of an unknown chain
  version,           // message version other than 3
  bad_padding,       // dossier 2 section 6.5
  malformed_record,  // stored bytes do not parse: damaged or from a newer program
  exhausted,         // a chain of ours has used its last counter
};
const ErrorDomain& error_domain(SignalError);

// The `error` attribute of a retry receipt (dossier 2 section 8.4); 0 when no retry helps (such as
// duplicate) or when the error is not one of SignalError.
int retry_reason(const Error& error);

}  // namespace wab::signal
