#include "session/noise/error.h"

namespace wab::noise {
namespace {

const char* name(int code) {
  switch (static_cast<NoiseError>(code)) {
    case NoiseError::malformed:
      return "malformed";
    case NoiseError::unsupported:
      return "unsupported";
    case NoiseError::weak_key:
      return "weak_key";
    case NoiseError::decrypt:
      return "decrypt";
    case NoiseError::static_size:
      return "static_size";
    case NoiseError::out_of_order:
      return "out_of_order";
    case NoiseError::certificate_malformed:
      return "certificate_malformed";
    case NoiseError::certificate_missing:
      return "certificate_missing";
    case NoiseError::certificate_signature_size:
      return "certificate_signature_size";
    case NoiseError::certificate_intermediate_signature:
      return "certificate_intermediate_signature";
    case NoiseError::certificate_intermediate_issuer:
      return "certificate_intermediate_issuer";
    case NoiseError::certificate_key_size:
      return "certificate_key_size";
    case NoiseError::certificate_leaf_signature:
      return "certificate_leaf_signature";
    case NoiseError::certificate_leaf_issuer:
      return "certificate_leaf_issuer";
    case NoiseError::certificate_key_mismatch:
      return "certificate_key_mismatch";
    case NoiseError::certificate_not_yet_valid:
      return "certificate_not_yet_valid";
    case NoiseError::certificate_expired:
      return "certificate_expired";
    case NoiseError::bad_intro:
      return "bad_intro";
    case NoiseError::frame_too_large:
      return "frame_too_large";
    case NoiseError::frame_too_short:
      return "frame_too_short";
    case NoiseError::transport_decrypt:
      return "transport_decrypt";
    case NoiseError::counter_exhausted:
      return "counter_exhausted";
  }
  return "unknown";
}

constexpr ErrorDomain kDomain{"noise", name};

}  // namespace

const ErrorDomain& error_domain(NoiseError) { return kDomain; }

}  // namespace wab::noise
