#include "session/opening.h"

namespace wab::session {

Connection::Opening make_opening(const Engine& engine, bool use_cached_key) {
  const auto& settings = engine.ctx.settings();
  const auto& head = engine.overlay.head();
  Connection::Opening out;
  out.noise = engine.me.noise.clone();
  out.routing_info = to_bytes(view(head.routing_info()));
  out.policy.root_key = settings.noise_root_key;
  out.policy.now = engine.ctx.clock().now_s();
  if (!engine.me.paired()) {
    out.payload = registration_payload(settings.profile, engine.me.registration());
    return out;
  }
  out.payload =
      login_payload(settings.profile, engine.own().pn, static_cast<uint32_t>(head.login_counter()))
          .value_or(Bytes());
  const auto leaf = to_array<32>(view(head.server_leaf().key()));
  const auto intermediate = to_array<32>(view(head.server_intermediate().key()));
  if (use_cached_key && leaf && intermediate) {
    noise::VerifiedChain chain{
        {*leaf, head.server_leaf().not_before(), head.server_leaf().not_after()},
        {*intermediate, head.server_intermediate().not_before(),
         head.server_intermediate().not_after()}};
    if (chain.valid_at(out.policy.now)) out.cached = chain;
  }
  return out;
}

}  // namespace wab::session
