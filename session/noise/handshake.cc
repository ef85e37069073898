#include "session/noise/handshake.h"

#include "session/noise/transport.h"
#include "session/proto/handshake.pb.h"

namespace wab::noise {
namespace {

Result<pb::HandshakeMessage> parse(ByteView message) {
  pb::HandshakeMessage out;
  if (message.size() > kMaxHandshakeFrame ||
      !out.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return fail(NoiseError::malformed, "HandshakeMessage");
  }
  return out;
}

Bytes serialize(const pb::HandshakeMessage& message) {
  return to_bytes(message.SerializeAsString());
}

// An ephemeral that is zero would make every agreement zero: said early, with its own name.
Result<Key32> ephemeral_of(const std::string& field) {
  const auto key = to_array<32>(view(field));
  if (!key) return fail(NoiseError::malformed, "ephemeral");
  if (*key == Key32{}) return fail(NoiseError::weak_key, "ephemeral");
  return *key;
}

Result<Key32> static_of(const Bytes& plain) {
  const auto key = to_array<32>(plain);
  if (!key) return fail(NoiseError::static_size, "static");
  return *key;
}

}  // namespace

ClientHandshake::ClientHandshake(Mode mode, signal::KeyPair ephemeral, signal::KeyPair static_keys,
                                 std::optional<Key32> cached_server)
    : mode_(cached_server ? mode : Mode::xx),
      ephemeral_(std::move(ephemeral)),
      static_(std::move(static_keys)),
      cached_server_(cached_server),
      state_(mode_ == Mode::ik ? kIk : kXx) {}

Result<Bytes> ClientHandshake::hello(ByteView login_payload) {
  if (step_ != Step::start) return fail(NoiseError::out_of_order, "hello");
  step_ = Step::failed;
  pb::HandshakeMessage message;
  auto& hello = *message.mutable_client_hello();
  hello.set_ephemeral(to_string(ephemeral_.pub));
  if (mode_ == Mode::ik) {
    // A cached key that cannot be used is as bad as one that does not authenticate.
    suspect_ = true;
    state_.mix_hash(*cached_server_);
    state_.mix_hash(ephemeral_.pub);
    TRY_VOID(state_.mix_agreement(ephemeral_, *cached_server_));
    hello.set_static_key(to_string(state_.encrypt_and_hash(static_.pub)));
    TRY_VOID(state_.mix_agreement(static_, *cached_server_));
    hello.set_payload(to_string(state_.encrypt_and_hash(login_payload)));
    suspect_ = false;
  } else {
    state_.mix_hash(ephemeral_.pub);
  }
  step_ = Step::hello_sent;
  return serialize(message);
}

Result<ClientHandshake::Finish> ClientHandshake::on_server_hello(ByteView message,
                                                                 const CertificatePolicy& policy,
                                                                 ByteView client_payload) {
  if (step_ != Step::hello_sent) return fail(NoiseError::out_of_order, "ServerHello");
  // Until the server has either accepted or declined, a failure puts the cached key in doubt.
  suspect_ = mode_ == Mode::ik;
  auto out = run(message, policy, client_payload);
  step_ = out ? Step::done : Step::failed;
  if (out) suspect_ = false;
  return out;
}

Result<ClientHandshake::Finish> ClientHandshake::run(ByteView bytes,
                                                     const CertificatePolicy& policy,
                                                     ByteView client_payload) {
  TRY(const auto message, parse(bytes));
  if (!message.has_server_hello()) return fail(NoiseError::unsupported, "no ServerHello");
  const auto& hello = message.server_hello();
  const bool declined = hello.has_static_key();
  if (!hello.has_ephemeral() || !hello.has_payload() || (mode_ == Mode::xx && !declined)) {
    return fail(NoiseError::unsupported, "ServerHello without the classical fields");
  }
  TRY(const Key32 server_ephemeral, ephemeral_of(hello.ephemeral()));
  if (!declined) return resume(server_ephemeral, view(hello.payload()), policy);

  const bool fell_back = mode_ == Mode::ik;
  if (fell_back) {
    suspect_ = false;
    state_ = SymmetricState(kXxFallback);
    state_.mix_hash(ephemeral_.pub);
  }
  TRY(auto out, exchange(server_ephemeral, view(hello.static_key()), view(hello.payload()), policy,
                         client_payload));
  out.fell_back = fell_back;
  return out;
}

Result<ClientHandshake::Finish> ClientHandshake::resume(const Key32& server_ephemeral,
                                                        ByteView sealed_chain,
                                                        const CertificatePolicy& policy) {
  state_.mix_hash(server_ephemeral);
  TRY_VOID(state_.mix_agreement(ephemeral_, server_ephemeral));
  TRY_VOID(state_.mix_agreement(static_, server_ephemeral));
  TRY(const Bytes chain, state_.decrypt_and_hash(sealed_chain));
  Finish out;
  if (const auto verified = verify_chain(chain, *cached_server_, policy)) out.chain = *verified;
  auto split = state_.split();
  out.keys = {std::move(split.first), std::move(split.second)};
  return out;
}

Result<ClientHandshake::Finish> ClientHandshake::exchange(const Key32& server_ephemeral,
                                                          ByteView sealed_static,
                                                          ByteView sealed_chain,
                                                          const CertificatePolicy& policy,
                                                          ByteView client_payload) {
  state_.mix_hash(server_ephemeral);
  TRY_VOID(state_.mix_agreement(ephemeral_, server_ephemeral));
  TRY(const Bytes static_plain, state_.decrypt_and_hash(sealed_static));
  TRY(const Key32 server_static, static_of(static_plain));
  TRY_VOID(state_.mix_agreement(ephemeral_, server_static));
  TRY(const Bytes chain, state_.decrypt_and_hash(sealed_chain));
  Finish out;
  TRY(out.chain, verify_chain(chain, server_static, policy));

  pb::HandshakeMessage message;
  auto& finish = *message.mutable_client_finish();
  finish.set_static_key(to_string(state_.encrypt_and_hash(static_.pub)));
  TRY_VOID(state_.mix_agreement(static_, server_ephemeral));
  finish.set_payload(to_string(state_.encrypt_and_hash(client_payload)));
  out.message = serialize(message);
  auto split = state_.split();
  out.keys = {std::move(split.first), std::move(split.second)};
  return out;
}

ServerHandshake::ServerHandshake(Options options) : options_(std::move(options)), state_(kXx) {}

Result<ServerHandshake::Reply> ServerHandshake::on_client_hello(ByteView message) {
  if (step_ != Step::start) return fail(NoiseError::out_of_order, "ClientHello");
  auto out = accept(message);
  step_ = !out ? Step::failed : out->client ? Step::done : Step::hello_sent;
  return out;
}

Result<ServerHandshake::Reply> ServerHandshake::accept(ByteView bytes) {
  TRY(const auto message, parse(bytes));
  if (!message.has_client_hello()) return fail(NoiseError::malformed, "no ClientHello");
  const auto& hello = message.client_hello();
  if (hello.has_static_key() != hello.has_payload()) {
    return fail(NoiseError::malformed, "half an IK hello");
  }
  TRY(const Key32 client_ephemeral, ephemeral_of(hello.ephemeral()));
  if (!hello.has_static_key()) return exchange(kXx, client_ephemeral);

  Reply out;
  if (options_.accept_ik) {
    SymmetricState state(kIk);
    state.mix_hash(options_.static_keys.pub);
    state.mix_hash(client_ephemeral);
    TRY_VOID(state.mix_agreement(options_.static_keys, client_ephemeral));
    const auto static_plain = state.decrypt_and_hash(view(hello.static_key()));
    if (static_plain) {
      TRY(const Key32 client_static, static_of(*static_plain));
      TRY_VOID(state.mix_agreement(options_.static_keys, client_static));
      TRY(Bytes payload, state.decrypt_and_hash(view(hello.payload())));
      pb::HandshakeMessage reply;
      auto& server_hello = *reply.mutable_server_hello();
      server_hello.set_ephemeral(to_string(options_.ephemeral.pub));
      state.mix_hash(options_.ephemeral.pub);
      TRY_VOID(state.mix_agreement(options_.ephemeral, client_ephemeral));
      TRY_VOID(state.mix_agreement(options_.ephemeral, client_static));
      server_hello.set_payload(to_string(state.encrypt_and_hash(options_.chain)));
      auto split = state.split();
      out.message = serialize(reply);
      out.client = Client{
          client_static, std::move(payload), {std::move(split.second), std::move(split.first)}};
      return out;
    }
  }
  TRY(out, exchange(kXxFallback, client_ephemeral));
  out.declined_ik = true;
  return out;
}

Result<ServerHandshake::Reply> ServerHandshake::exchange(std::string_view protocol,
                                                         const Key32& client_ephemeral) {
  state_ = SymmetricState(protocol);
  state_.mix_hash(client_ephemeral);
  pb::HandshakeMessage message;
  auto& hello = *message.mutable_server_hello();
  hello.set_ephemeral(to_string(options_.ephemeral.pub));
  state_.mix_hash(options_.ephemeral.pub);
  TRY_VOID(state_.mix_agreement(options_.ephemeral, client_ephemeral));
  const ByteView announced = options_.announced_static ? ByteView(*options_.announced_static)
                                                       : ByteView(options_.static_keys.pub);
  hello.set_static_key(to_string(state_.encrypt_and_hash(announced)));
  TRY_VOID(state_.mix_agreement(options_.static_keys, client_ephemeral));
  hello.set_payload(to_string(state_.encrypt_and_hash(options_.chain)));
  Reply out;
  out.message = serialize(message);
  return out;
}

Result<ServerHandshake::Client> ServerHandshake::on_client_finish(ByteView message) {
  if (step_ != Step::hello_sent) return fail(NoiseError::out_of_order, "ClientFinish");
  auto out = finish(message);
  step_ = out ? Step::done : Step::failed;
  return out;
}

Result<ServerHandshake::Client> ServerHandshake::finish(ByteView bytes) {
  TRY(const auto message, parse(bytes));
  if (!message.has_client_finish()) return fail(NoiseError::malformed, "no ClientFinish");
  const auto& client_finish = message.client_finish();
  TRY(const Bytes static_plain, state_.decrypt_and_hash(view(client_finish.static_key())));
  Client out;
  TRY(out.static_key, static_of(static_plain));
  TRY_VOID(state_.mix_agreement(options_.ephemeral, out.static_key));
  TRY(out.payload, state_.decrypt_and_hash(view(client_finish.payload())));
  auto split = state_.split();
  out.keys = {std::move(split.second), std::move(split.first)};
  return out;
}

}  // namespace wab::noise
