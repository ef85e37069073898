#include "bridge/idempotency.h"

#include <sodium.h>

#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Kind;
using storage::Row;

namespace {

constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;

ByteArray<32> blake(std::initializer_list<std::string_view> parts) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, 32);
  for (const auto part : parts) {
    const auto size = be64(part.size());
    crypto_generichash_update(&state, size.data(), size.size());
    crypto_generichash_update(&state, reinterpret_cast<const uint8_t*>(part.data()), part.size());
  }
  ByteArray<32> out;
  crypto_generichash_final(&state, out.data(), out.size());
  return out;
}

std::optional<json> open_sealed(const std::string& text, const ByteArray<32>& key,
                                const std::string& name) {
  const auto raw = from_base64(text);
  if (!raw || raw->size() < kNonce + kTag) return std::nullopt;
  std::string plain(raw->size() - kNonce - kTag, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          reinterpret_cast<uint8_t*>(plain.data()), nullptr, nullptr, raw->data() + kNonce,
          raw->size() - kNonce, reinterpret_cast<const uint8_t*>(name.data()), name.size(),
          raw->data(), key.data()) != 0) {
    return std::nullopt;
  }
  auto parsed = json::parse(plain, nullptr, false);
  return parsed.is_object() ? std::optional<json>(std::move(parsed)) : std::nullopt;
}

}  // namespace

Idempotency::Idempotency(storage::Store& store, Clock& clock, Random& random)
    : store_(store), clock_(clock), random_(random) {}

Idempotency::Ticket::Ticket(Ticket&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      claim_(other.claim_),
      name_(std::move(other.name_)),
      fingerprint_(std::move(other.fingerprint_)),
      key_(other.key_),
      used_(other.used_) {}

Idempotency::Ticket::~Ticket() {
  if (owner_) owner_->running_.release(claim_);
  wipe(key_);
}

Row Idempotency::Ticket::seal(const std::string& content) {
  used_ = true;
  Bytes sealed = owner_->random_.bytes(kNonce);
  sealed.resize(kNonce + content.size() + kTag);
  unsigned long long size = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      sealed.data() + kNonce, &size, reinterpret_cast<const uint8_t*>(content.data()),
      content.size(), reinterpret_cast<const uint8_t*>(name_.data()), name_.size(), nullptr,
      sealed.data(), key_.data());
  const json out = {{"v", 1},
                    {"expires_at", owner_->clock_.now_ms() + kIdempotencyLifeMs},
                    {"sealed", to_base64(sealed)}};
  return json_row(Kind::idempotency, name_, out);
}

Row Idempotency::Ticket::row(const Answer& answer) {
  const json content = {{"fingerprint", fingerprint_},
                        {"status", answer.status},
                        {"type", answer.content_type},
                        {"body", answer.body}};
  return seal(content.dump());
}

Row Idempotency::Ticket::reference_row(std::string reference) {
  const json content = {{"fingerprint", fingerprint_}, {"reference", std::move(reference)}};
  return seal(content.dump());
}

awaitable<Outcome<Idempotency::Begun>> Idempotency::begin(const Caller& caller,
                                                          const Request& request, std::string key) {
  const auto& scope = caller.scope();
  Bytes source = to_bytes(caller.principal());
  source.push_back(0);
  append(source, view(key));
  const auto hash = store_.keyed_hash(scope, "idempotency", source);
  const uint64_t claim = read_be64(hash) | 1;
  switch (running_.claim(claim)) {
    case InFlight::Answer::taken: {
      Problem problem;
      problem.code = Code::in_flight;
      problem.retry_after = 1;
      co_return refuse(std::move(problem));
    }
    case InFlight::Answer::full:
      co_return refuse(Code::overloaded);
    case InFlight::Answer::claimed:
      break;
  }
  Ticket ticket(*this, claim);
  ticket.name_ = to_hex(ByteView(hash).first(20));
  ticket.fingerprint_ = to_hex(blake({request.method, request.path, request.body}));
  ticket.key_ = blake({"answer", caller.principal(), key});

  auto stored = co_await load_one(store_, scope, Kind::idempotency, ticket.name_);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored || clock_.now_ms() >= number_at(**stored, "expires_at")) {
    co_return Begun(std::move(ticket));
  }
  const auto content = open_sealed(text_at(**stored, "sealed"), ticket.key_, ticket.name_);
  if (!content) co_return refuse(Code::internal);
  if (text_at(*content, "fingerprint") != ticket.fingerprint_) co_return refuse(Code::key_reused);
  if (content->contains("reference")) {
    Reference reference;
    reference.text = text_at(*content, "reference");
    co_return Begun(std::move(reference));
  }
  Answer answer;
  answer.status = static_cast<int>(number_at(*content, "status"));
  answer.content_type = text_at(*content, "type");
  answer.body = text_at(*content, "body");
  answer.headers.emplace_back("Idempotent-Replayed", "true");
  co_return Begun(std::move(answer));
}

awaitable<Result<size_t>> Idempotency::sweep(storage::OrgScope org) {
  size_t erased = 0;
  std::string after;
  do {
    CO_TRY(auto page, co_await store_.scan(org, Kind::idempotency, after, 500));
    storage::Commit commit{storage::Scope(org)};
    for (auto& row : page.rows) {
      const auto stored = parse_stored(row.value);
      if (stored && clock_.now_ms() < number_at(*stored, "expires_at")) continue;
      commit.erase.push_back(std::move(row.key));
    }
    after = page.next;
    if (commit.erase.empty()) continue;
    erased += commit.erase.size();
    CO_TRY_VOID(co_await store_.commit(std::move(commit)));
  } while (!after.empty());
  co_return erased;
}

}  // namespace wab::bridge
