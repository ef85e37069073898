#include "storage/keyring.h"

#include <sodium.h>

#include <algorithm>
#include <filesystem>

#include "storage/key_file.h"
#include "storage/root_key.h"
#include "storage/seal.h"
#include "storage/store.h"

namespace wab::storage {
namespace {

// Header, in clear and authenticated: magic 8, source 1 (0 key, 1 passphrase), passes u32,
// memory KiB u32, salt 16, deployment 16, generation u64. Then one envelope with the body.
constexpr std::string_view kMagic = "wabkeys1";
constexpr size_t kHeader = 8 + 1 + 4 + 4 + 16 + 16 + 8;
constexpr size_t kPassphraseAt = 8, kSaltAt = 17, kDeploymentAt = 33, kGenerationAt = 49;
constexpr size_t kLargestFile = 1 << 20;
constexpr uint8_t kKeyringColumn = 0xf0, kHalfKeyColumn = 0xf1;
constexpr uint32_t kMostMemoryKib = 4u << 20, kMostPasses = 64;
constexpr size_t kMostTerms = 4096;
// Of the body; the same bytes in both. From the second on, sessions have proofs.
constexpr uint16_t kFirstSchema = 1, kSchemaWithProofs = 2;

bool looks_like_keyring(ByteView file) {
  return file.size() > kHeader && text(file).substr(0, kMagic.size()) == kMagic;
}

std::string keyring_path(const std::string& directory) { return directory + "/keyring"; }

tl::unexpected<Error> refuse(std::string& message, StoreError code, std::string text,
                             const char* where) {
  message = std::move(text);
  return fail(code, where);
}

Bytes make_header(bool passphrase, const PassphraseCost& cost, const ByteArray<16>& deployment,
                  Random& random) {
  Bytes header = to_bytes(kMagic);
  header.push_back(passphrase ? 1 : 0);
  put_be32(header, passphrase ? cost.passes : 0);
  put_be32(header, passphrase ? cost.memory_kib : 0);
  append(header, random.array<16>());  // salt
  append(header, deployment);
  put_be64(header, 0);  // save() counts
  return header;
}

// The root key itself, or the one that the passphrase and the header's parameters make.
Result<LockedSecret> derive_root(LockedSecret given, ByteView header, std::string& message) {
  if (header[kPassphraseAt] == 0) return given;
  const uint32_t passes = read_be32(header.subspan(9)), memory_kib = read_be32(header.subspan(13));
  if (passes < 1 || passes > kMostPasses || memory_kib < 8 || memory_kib > kMostMemoryKib) {
    return refuse(message, StoreError::corrupt,
                  "the keyring names impossible passphrase parameters; restore it from a backup",
                  "keyring header");
  }
  SecretKey32 key;
  static_assert(crypto_pwhash_SALTBYTES == 16);
  if (crypto_pwhash(key.fill().data(), 32, reinterpret_cast<const char*>(given.reveal().data()),
                    given.reveal().size(), header.data() + kSaltAt, passes,
                    size_t{memory_kib} * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return refuse(message, StoreError::root_key,
                  "not enough memory to derive the root key from the passphrase; free " +
                      std::to_string(memory_kib / 1024) + " MiB and start again",
                  "argon2id");
  }
  return LockedSecret(key.reveal());
}

Result<LockedSecret> given_or_read(const KeyringOptions& options, const RootKeySource& source,
                                   std::string& message) {
  if (options.given) return options.given->clone();
  return read_root_key(source, options.exec_limit, message);
}

// Of an existing keyring, whose header says of which kind its root key is.
Result<LockedSecret> root_of(const KeyringOptions& options, const RootKeySource& source,
                             ByteView header, std::string& message) {
  const bool passphrase = source.kind == RootKeySource::Kind::passphrase;
  if ((header[kPassphraseAt] != 0) != passphrase) {
    return refuse(message, StoreError::root_key,
                  passphrase ? "storage.root_key: the store was created with a key, not with a "
                               "passphrase; use file:, env: or exec: with that key"
                             : "storage.root_key: the store was created with a passphrase; use "
                               "passphrase:PATH",
                  "root key kind");
  }
  TRY(LockedSecret given, given_or_read(options, source, message));
  return derive_root(std::move(given), header, message);
}

SealContext keyring_context(ByteView header) {
  SealContext context;
  context.deployment = *to_array<16>(header.subspan(kDeploymentAt, 16));
  context.column = kKeyringColumn;
  context.key = header;
  return context;
}

SealContext half_key_context(const ByteArray<16>& deployment, const OrgId& org) {
  SealContext context;
  context.deployment = deployment;
  context.org = org.bytes();
  context.column = kHalfKeyColumn;
  context.key = view("half");
  return context;
}

}  // namespace

Result<std::unique_ptr<Keyring>> Keyring::open(const KeyringOptions& options, bool may_create,
                                               std::string& message) {
  TRY(const RootKeySource source, parse_root_key_source(options.root_key, message));
  const std::string path = keyring_path(options.directory);
  auto file = read_file(path, kLargestFile);
  const bool absent = !file && file.error().is(StoreError::not_found);
  if (!file && !absent) {
    return refuse(message, StoreError::io,
                  "cannot read " + path + "; give this user access to the data directory",
                  "keyring read");
  }
  if (absent && !may_create) {
    return refuse(message, StoreError::root_key,
                  "the keyring " + path +
                      " is missing although the store holds data; restore it "
                      "from a backup (a new one could not open anything)",
                  "keyring missing");
  }
  if (!absent && !looks_like_keyring(*file)) {
    return refuse(message, StoreError::corrupt,
                  path + " is not a keyring or is cut short; restore it from a backup",
                  "keyring header");
  }
  Random& random = options.random != nullptr ? *options.random : system_random();
  std::unique_ptr<Keyring> keyring(new Keyring(options.directory, random));
  const bool passphrase = source.kind == RootKeySource::Kind::passphrase;
  if (absent) {
    TRY(LockedSecret given, given_or_read(options, source, message));
    const auto header =
        make_header(passphrase, options.passphrase_cost, random.array<16>(), random);
    TRY(LockedSecret root, derive_root(std::move(given), header, message));
    keyring->root_ = std::make_unique<LockedSecret>(std::move(root));
    if (!keyring->create(header)) {
      return refuse(message, StoreError::io,
                    "cannot write " + path + "; make the data directory writable for this user",
                    "keyring write");
    }
  } else {
    TRY(LockedSecret root, root_of(options, source, *file, message));
    keyring->root_ = std::make_unique<LockedSecret>(std::move(root));
    TRY_VOID(keyring->unlock(*file, message));
  }
  const bool on_disk = source.kind == RootKeySource::Kind::file || passphrase;
  if (on_disk && on_same_volume(source.value, options.directory)) {
    keyring->warning_ = source.value +
                        " lies on the same volume as the data it protects; whoever "
                        "takes the disk has both. Keep it elsewhere, or use env: or exec:";
  }
  return keyring;
}

Result<void> Keyring::create(ByteView header) {
  header_ = to_bytes(header);
  deployment_ = *to_array<16>(header.subspan(kDeploymentAt, 16));
  current_term_ = 1;
  SecretKey32 fresh;
  random_.fill(fresh.fill());
  id_key_ = std::make_unique<LockedSecret>(fresh.reveal());
  random_.fill(fresh.fill());
  terms_.emplace(1, Term{LockedSecret(fresh.reveal()), system_clock().now_ms()});
  proves_sessions_ = true;
  TRY_VOID(make_private_directory(directory_ + "/keystore"));
  return save(*root_, header_, 1, true);
}

Result<void> Keyring::unlock(ByteView file, std::string& message) {
  const ByteView header = file.first(kHeader);
  auto body = storage::open(root_->reveal(), keyring_context(header), file.subspan(kHeader));
  if (!body && body.error().is(SealError::wrong_key)) {
    return refuse(message, StoreError::root_key,
                  "storage.root_key: this is not the root key that the store was created with or "
                  "last rotated to; name the right one (nothing was changed)",
                  "root key mismatch");
  }
  if (body && body->header.schema > kSchemaWithProofs) {
    wipe(body->plaintext);
    return refuse(message, StoreError::version,
                  keyring_path(directory_) + " was written by a newer program; start that program",
                  "keyring schema");
  }
  if (body) proves_sessions_ = body->header.schema >= kSchemaWithProofs;
  const bool sound = body && decode_body(body->plaintext);
  if (body) wipe(body->plaintext);
  if (!sound) {
    return refuse(message, StoreError::corrupt,
                  keyring_path(directory_) + " is damaged; restore it from a backup",
                  "keyring body");
  }
  header_ = to_bytes(header);
  deployment_ = *to_array<16>(header.subspan(kDeploymentAt, 16));
  generation_ = read_be64(header.subspan(kGenerationAt));
  return make_private_directory(directory_ + "/keystore");
}

Result<void> Keyring::save(const LockedSecret& root, ByteView header, uint32_t current,
                           bool all_terms) {
  const uint64_t next = generation() + 1;
  const Bytes named = concat({header.first(kGenerationAt), be64(next)});
  Bytes body = encode_body(current, all_terms);
  EnvelopeHeader envelope;
  envelope.schema = proves_sessions_ ? kSchemaWithProofs : kFirstSchema;
  envelope.record_version = next;
  auto sealed = seal(root.reveal(), keyring_context(named), envelope, random_.array<24>(), body);
  wipe(body);
  if (!sealed) return fail(sealed.error());
  TRY_VOID(replace_file(keyring_path(directory_), concat({named, *sealed})));
  const std::unique_lock lock(mutex_);
  generation_ = next;
  return ok();
}

uint64_t Keyring::generation() const {
  const std::shared_lock lock(mutex_);
  return generation_;
}

uint32_t Keyring::current_term() const {
  const std::shared_lock lock(mutex_);
  return current_term_;
}

std::vector<uint32_t> Keyring::terms() const {
  const std::shared_lock lock(mutex_);
  std::vector<uint32_t> out;
  for (const auto& [number, term] : terms_) out.push_back(number);
  return out;
}

Result<void> Keyring::recall_root(const KeyringOptions& options, std::string& message) {
  TRY(const RootKeySource source, parse_root_key_source(options.root_key, message));
  if (source.kind == RootKeySource::Kind::env && !options.given) {
    return refuse(message, StoreError::root_key,
                  "storage.root_key: env: is read once and then removed from the environment; stop "
                  "the service and use `waslo-bridge key rotate`",
                  "root key env");
  }
  const std::string path = keyring_path(directory_);
  auto file = read_file(path, kLargestFile);
  if (!file || !looks_like_keyring(*file)) {
    return refuse(message, StoreError::io, "cannot read " + path, "keyring read");
  }
  TRY(LockedSecret root, root_of(options, source, *file, message));
  const auto header = ByteView(*file).first(kHeader);
  auto body =
      storage::open(root.reveal(), keyring_context(header), ByteView(*file).subspan(kHeader));
  if (!body) {
    return refuse(message, StoreError::root_key,
                  "storage.root_key: this is not the root key that the store was opened with "
                  "(nothing was changed)",
                  "root key mismatch");
  }
  wipe(body->plaintext);
  root_ = std::make_unique<LockedSecret>(std::move(root));
  return ok();
}

Result<void> Keyring::change_root(const KeyringOptions& to, std::string& message) {
  TRY(const RootKeySource source, parse_root_key_source(to.root_key, message));
  const bool passphrase = source.kind == RootKeySource::Kind::passphrase;
  const Bytes header = make_header(passphrase, to.passphrase_cost, deployment_, random_);
  TRY(LockedSecret given, given_or_read(to, source, message));
  TRY(LockedSecret root, derive_root(std::move(given), header, message));
  if (equal_constant_time(root.reveal(), root_->reveal())) {
    return refuse(message, StoreError::root_key,
                  "--to: this is the root key that the store has already", "root key unchanged");
  }
  if (!save(root, header, current_term(), true)) {
    return refuse(message, StoreError::io,
                  "cannot write " + keyring_path(directory_) +
                      "; the old root key opens it still, or the new one if the disk took the "
                      "write after all",
                  "keyring write");
  }
  header_ = header;
  root_ = std::make_unique<LockedSecret>(std::move(root));
  return ok();
}

Result<void> Keyring::begin_proofs() {
  proves_sessions_ = true;
  return save(*root_, header_, current_term(), true);
}

Result<void> Keyring::begin_term() {
  SecretKey32 fresh;
  random_.fill(fresh.fill());
  uint32_t next = 0;
  {
    const std::unique_lock lock(mutex_);
    next = terms_.rbegin()->first + 1;
    terms_.emplace(next, Term{LockedSecret(fresh.reveal()), system_clock().now_ms()});
  }
  // Durable before anything is sealed under it.
  auto saved = save(*root_, header_, next, true);
  const std::unique_lock lock(mutex_);
  if (saved) {
    current_term_ = next;
  } else {
    terms_.erase(next);
  }
  return saved;
}

Result<void> Keyring::drop_old_terms() {
  TRY_VOID(save(*root_, header_, current_term(), false));
  const std::unique_lock lock(mutex_);
  std::erase_if(terms_, [this](const auto& term) { return term.first != current_term_; });
  return ok();
}

// Body: id key 32, current term u32, count u16, then per term: term u32, created u64, key 32.
Bytes Keyring::encode_body(uint32_t current, bool all_terms) const {
  const std::shared_lock lock(mutex_);
  Bytes body;
  body.reserve(38 + terms_.size() * 44);  // no reallocation may leave key bytes behind
  append(body, id_key_->reveal());
  put_be32(body, current);
  put_be16(body, static_cast<uint16_t>(all_terms ? terms_.size() : 1));
  for (const auto& [number, term] : terms_) {
    if (!all_terms && number != current) continue;
    put_be32(body, number);
    put_be64(body, static_cast<uint64_t>(term.created));
    append(body, term.key.reveal());
  }
  return body;
}

bool Keyring::decode_body(ByteView body) {
  if (body.size() < 38) return false;
  id_key_ = std::make_unique<LockedSecret>(body.first(32));
  current_term_ = read_be32(body.subspan(32));
  const size_t count = static_cast<size_t>(body[36]) << 8 | body[37];
  body = body.subspan(38);
  if (count > kMostTerms || body.size() != count * 44) return false;
  for (size_t i = 0; i < count; ++i, body = body.subspan(44)) {
    terms_.emplace(read_be32(body), Term{LockedSecret(body.subspan(12, 32)),
                                         static_cast<UnixMillis>(read_be64(body.subspan(4)))});
  }
  return terms_.contains(current_term_);
}

ByteArray<32> Keyring::keyed_hash(const OrgId& org, std::string_view purpose, ByteView data) const {
  const ByteView key = id_key_->reveal();
  ByteArray<32> out;
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.data(), key.size(), out.size());
  const auto field = [&state](ByteView bytes) {
    const auto size = be32(static_cast<uint32_t>(bytes.size()));
    crypto_generichash_update(&state, size.data(), size.size());
    crypto_generichash_update(&state, bytes.data(), bytes.size());
  };
  field(org.bytes());
  field(view(purpose));
  field(data);
  crypto_generichash_final(&state, out.data(), out.size());
  sodium_memzero(&state, sizeof state);
  return out;
}

std::string Keyring::half_key_path(const OrgId& org) const {
  return directory_ + "/keystore/" + org.text();
}

bool Keyring::has_half_keys() const {
  std::error_code error;
  const std::filesystem::directory_iterator files(directory_ + "/keystore", error);
  return !error && files != std::filesystem::directory_iterator();
}

Result<std::vector<OrgId>> Keyring::half_key_owners() const {
  std::vector<OrgId> owners;
  std::error_code error;
  std::filesystem::directory_iterator file(directory_ + "/keystore", error);
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    if (const auto org = OrgId::parse(file->path().filename().string())) owners.push_back(*org);
  }
  if (error) return fail(StoreError::io, "keystore");
  std::sort(owners.begin(), owners.end());
  return owners;
}

Result<uint32_t> Keyring::half_key_term(const OrgId& org) const {
  TRY(const Bytes file, read_file(half_key_path(org), 1024));
  const auto header = peek(file);
  if (!header) return fail(StoreError::unsealed, "half key envelope");
  return header->key_version;
}

Result<SecretKey32> Keyring::half_key(const OrgId& org) const {
  TRY(const Bytes file, read_file(half_key_path(org), 1024));
  const auto header = peek(file);
  if (!header) return fail(StoreError::unsealed, "half key envelope");
  const std::shared_lock lock(mutex_);
  const auto term = terms_.find(header->key_version);
  if (term == terms_.end()) return fail(StoreError::unsealed, "half key term");
  auto opened = storage::open(term->second.key.reveal(), half_key_context(deployment_, org), file);
  if (!opened) return fail(StoreError::unsealed, "half key");
  auto key = SecretKey32::from(opened->plaintext);
  wipe(opened->plaintext);
  if (!key) return fail(StoreError::unsealed, "half key size");
  return std::move(*key);
}

Result<Bytes> Keyring::seal_half_key(const OrgId& org, const SecretKey32& half) const {
  const std::shared_lock lock(mutex_);
  EnvelopeHeader header;
  header.schema = 1;
  header.key_version = current_term_;
  const ByteView kek = terms_.at(current_term_).key.reveal();
  return seal(kek, half_key_context(deployment_, org), header, random_.array<24>(), half.reveal());
}

Result<SecretKey32> Keyring::make_half_key(const OrgId& org) {
  const std::lock_guard files(files_);
  auto existing = half_key(org);
  if (existing || !existing.error().is(StoreError::not_found)) return existing;
  SecretKey32 key;
  random_.fill(key.fill());
  TRY(const Bytes sealed, seal_half_key(org, key));
  TRY_VOID(write_file_atomic(half_key_path(org), sealed));
  return key;
}

Result<void> Keyring::renew_half_key(const OrgId& org) {
  const std::lock_guard files(files_);
  const auto term = half_key_term(org);
  if (!term && term.error().is(StoreError::not_found)) return ok();
  if (!term) return fail(term.error());
  if (*term == current_term()) return ok();
  TRY(const SecretKey32 half, half_key(org));
  TRY(const Bytes sealed, seal_half_key(org, half));
  return replace_file(half_key_path(org), sealed);
}

Result<void> Keyring::destroy_half_key(const OrgId& org) {
  const std::lock_guard files(files_);
  return destroy_file(half_key_path(org));
}

}  // namespace wab::storage
