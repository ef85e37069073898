#include "session/noise/certificate.h"

#include "session/proto/handshake.pb.h"

namespace wab::noise {
namespace {

using Certificate = pb::CertChain::NoiseCertificate;
using Details = pb::CertChain::NoiseCertificate::Details;

bool parse(google::protobuf::MessageLite& into, ByteView bytes) {
  return bytes.size() <= 65536 && into.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// Times beyond what a clock can say read as the end of time.
UnixSeconds seconds(uint64_t wire) {
  constexpr uint64_t kEnd = INT64_MAX;
  return static_cast<UnixSeconds>(wire < kEnd ? wire : kEnd);
}

CertificateSpan span_of(const Details& details, const Key32& key) {
  return {key, seconds(details.not_before()), seconds(details.not_after())};
}

Result<void> check_time(const CertificateSpan& span, UnixSeconds now) {
  if (now < span.not_before) return fail(NoiseError::certificate_not_yet_valid, "notBefore");
  if (now > span.not_after) return fail(NoiseError::certificate_expired, "notAfter");
  return {};
}

}  // namespace

Result<VerifiedChain> verify_chain(ByteView bytes, const Key32& server_static,
                                   const CertificatePolicy& policy) {
  pb::CertChain chain;
  if (!parse(chain, bytes)) return fail(NoiseError::certificate_malformed, "chain");
  if (!chain.has_leaf() || !chain.has_intermediate()) {
    return fail(NoiseError::certificate_missing, "leaf or intermediate");
  }
  const Certificate& leaf = chain.leaf();
  const Certificate& intermediate = chain.intermediate();
  for (const Certificate* one : {&leaf, &intermediate}) {
    if (!one->has_details() || !one->has_signature()) {
      return fail(NoiseError::certificate_missing, "details or signature");
    }
  }
  for (const Certificate* one : {&leaf, &intermediate}) {
    if (one->signature().size() != 64) {
      return fail(NoiseError::certificate_signature_size, "signature");
    }
  }

  if (!signal::verify(policy.root_key, view(intermediate.details()),
                      view(intermediate.signature()))) {
    return fail(NoiseError::certificate_intermediate_signature, "intermediate");
  }
  Details intermediate_details;
  if (!parse(intermediate_details, view(intermediate.details()))) {
    return fail(NoiseError::certificate_malformed, "intermediate details");
  }
  if (intermediate_details.issuer_serial() != 0) {
    return fail(NoiseError::certificate_intermediate_issuer, "issuerSerial");
  }
  const auto intermediate_key = to_array<32>(view(intermediate_details.key()));
  if (!intermediate_key) return fail(NoiseError::certificate_key_size, "intermediate key");

  if (!signal::verify(*intermediate_key, view(leaf.details()), view(leaf.signature()))) {
    return fail(NoiseError::certificate_leaf_signature, "leaf");
  }
  Details leaf_details;
  if (!parse(leaf_details, view(leaf.details()))) {
    return fail(NoiseError::certificate_malformed, "leaf details");
  }
  if (leaf_details.issuer_serial() != intermediate_details.serial()) {
    return fail(NoiseError::certificate_leaf_issuer, "issuerSerial");
  }
  if (!equal_constant_time(view(leaf_details.key()), server_static)) {
    return fail(NoiseError::certificate_key_mismatch, "leaf key");
  }

  const VerifiedChain out{span_of(leaf_details, server_static),
                          span_of(intermediate_details, *intermediate_key)};
  TRY_VOID(check_time(out.intermediate, policy.now));
  TRY_VOID(check_time(out.leaf, policy.now));
  return out;
}

Bytes make_chain(const signal::KeyPair& root, const signal::KeyPair& intermediate,
                 const Key32& leaf_key, const ChainSpec& spec, Random& random) {
  const auto issue = [&](Certificate& into, uint32_t serial, uint32_t issuer, const Key32& key,
                         const signal::KeyPair& signer) {
    Details details;
    details.set_serial(serial);
    details.set_issuer_serial(issuer);
    details.set_key(to_string(key));
    details.set_not_before(static_cast<uint64_t>(spec.not_before));
    details.set_not_after(static_cast<uint64_t>(spec.not_after));
    into.set_details(details.SerializeAsString());
    into.set_signature(to_string(signal::sign(signer.priv, view(into.details()), random)));
  };
  pb::CertChain chain;
  issue(*chain.mutable_intermediate(), spec.intermediate_serial, spec.intermediate_issuer,
        intermediate.pub, root);
  issue(*chain.mutable_leaf(), spec.leaf_serial, spec.leaf_issuer, leaf_key, intermediate);
  return to_bytes(chain.SerializeAsString());
}

}  // namespace wab::noise
