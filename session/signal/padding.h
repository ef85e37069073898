// The padding inside every Signal ciphertext of WhatsApp (dossier 2 section 6.5).
//
// Plaintext, then n bytes of value n with n in 1..16. Applies to enc v="2"; v="3", msmsg and
// newsletter content are not padded.
#pragma once

#include "session/signal/error.h"
#include "storage/base/bytes.h"
#include "storage/base/clock.h"

namespace wab::signal {

Bytes pad(ByteView plaintext, Random& random);
// SignalError::bad_padding unless the last byte n is 1..size and the last n bytes all equal n.
Result<Bytes> unpad(Bytes padded);

}  // namespace wab::signal
