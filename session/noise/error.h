// What can go wrong between the first byte and the first stanza, and in the framing afterwards.
#pragma once

#include "storage/base/result.h"

namespace wab::noise {

enum class NoiseError {
  // Handshake.
  malformed = 1,  // a handshake message or one of its fields has the wrong shape
  unsupported,    // a hello without usable fields: a variant that nobody documents
  weak_key,       // X25519 gave all zeros
  decrypt,        // a handshake ciphertext does not authenticate
  static_size,    // the decrypted static key is not 32 bytes
  out_of_order,   // the machine was asked for a step that is not next
  // Certificate chain, one per check of dossier 1 section 2.4.
  certificate_malformed,               // does not parse
  certificate_missing,                 // 1: leaf, intermediate, details or signature absent
  certificate_signature_size,          // 2
  certificate_intermediate_signature,  // 3: not signed by the root key
  certificate_intermediate_issuer,     // 4
  certificate_key_size,                // 5
  certificate_leaf_signature,          // 6: not signed by the intermediate
  certificate_leaf_issuer,             // 7
  certificate_key_mismatch,            // 8: the server does not own the leaf
  certificate_not_yet_valid,           // 9: nearly always a wrong local clock
  certificate_expired,                 // 9
  // Frames and transport.
  bad_intro,
  frame_too_large,
  frame_too_short,    // cannot hold an authentication tag
  transport_decrypt,  // after one of these nothing later is in step: close
  counter_exhausted,  // 2^32 frames in one direction: close
};
const ErrorDomain& error_domain(NoiseError);

}  // namespace wab::noise
