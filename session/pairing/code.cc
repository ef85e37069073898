#include "session/pairing/code.h"

#include <algorithm>
#include <array>

#include "session/signal/kdf.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;

constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTVWXYZ";
constexpr uint32_t kRounds = 131072;
constexpr int kMaxPrimaryHellos = 3;
constexpr std::string_view kTag = "link_code_companion_reg";

const char* name(int code) {
  switch (static_cast<CodeError>(code)) {
    case CodeError::phone:
      return "phone";
    case CodeError::custom_code:
      return "custom_code";
    case CodeError::out_of_order:
      return "out_of_order";
    case CodeError::malformed:
      return "malformed";
    case CodeError::expired:
      return "expired";
    case CodeError::weak_key:
      return "weak_key";
    case CodeError::bad_request:
      return "bad_request";
    case CodeError::forbidden:
      return "forbidden";
    case CodeError::rate_limited:
      return "rate_limited";
    case CodeError::unavailable:
      return "unavailable";
    case CodeError::server:
      return "server";
    case CodeError::refused:
      return "refused";
  }
  return "unknown";
}
constexpr ErrorDomain kDomain{"pairing_code", name};

CodeError error_of(int number) {
  switch (number) {
    case 400:
      return CodeError::bad_request;
    case 403:
      return CodeError::forbidden;
    case 429:
      return CodeError::rate_limited;
    case 452:
      return CodeError::unavailable;
    case 500:
      return CodeError::server;
    default:
      return CodeError::refused;
  }
}

// Nothing for a result; what the error says otherwise.
std::optional<CodePairing::Refusal> refusal_of(const Node& iq) {
  if (iq.attr("type") == "result") return std::nullopt;
  CodePairing::Refusal out{Error(CodeError::refused, "iq error"), 0, std::nullopt};
  const Node* error = iq.child("error");
  if (error == nullptr) return out;
  const auto number = error->number("code");
  out.number = number && *number <= 99999 ? static_cast<int>(*number) : 0;
  out.error = Error(error_of(out.number), "iq error");
  const auto backoff = error->number("backoff");
  if (backoff && *backoff <= 7 * 86400) out.backoff_s = static_cast<uint32_t>(*backoff);
  return out;
}

bool contains_word(std::string_view text, std::string_view lower_case) {
  const auto same = [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  };
  return std::search(text.begin(), text.end(), lower_case.begin(), lower_case.end(), same) !=
         text.end();
}

std::string_view system_of(std::string_view text) {
  // The order decides: "Darwin" must not read as Windows.
  if (contains_word(text, "mac") || contains_word(text, "darwin")) return "Mac OS";
  if (contains_word(text, "win")) return "Windows";
  if (contains_word(text, "android")) return "Android";
  if (contains_word(text, "ios") || contains_word(text, "iphone")) return "iOS";
  return "Linux";
}

std::string_view browser_of(PlatformType platform) {
  switch (platform) {
    case PlatformType::firefox:
      return "Firefox";
    case PlatformType::ie:
      return "IE";
    case PlatformType::opera:
      return "Opera";
    case PlatformType::safari:
      return "Safari";
    case PlatformType::edge:
      return "Edge";
    default:
      return "Chrome";
  }
}

}  // namespace

const ErrorDomain& error_domain(CodeError) { return kDomain; }

CodeAdvice advice(CodeError error) {
  switch (error) {
    case CodeError::phone:
      return {"bad_phone", "This is not a phone number in international form.",
              "Give the country code and the number, digits only, without leading zeros."};
    case CodeError::custom_code:
      return {"bad_code",
              "A code of one's own must be eight characters of 1-9 and A-Z without I, "
              "O and U.",
              "Choose another code, or leave it out."};
    case CodeError::expired:
      return {"code_expired", "The pairing code is no longer valid.",
              "Request a new pairing code, or scan the QR code."};
    case CodeError::bad_request:
      return {"code_refused",
              "WhatsApp refused the request: the number is wrong, or too many codes were requested "
              "for it.",
              "Check the number, wait some minutes and try again, or scan the QR code."};
    case CodeError::forbidden:
      return {"code_forbidden", "WhatsApp does not allow a pairing code for this number.",
              "Scan the QR code."};
    case CodeError::rate_limited:
      return {"code_rate_limited", "WhatsApp limits how many codes can be requested.",
              "Wait before you request another code, or scan the QR code."};
    case CodeError::unavailable:
      return {"code_unavailable", "This number cannot be linked with a code.", "Scan the QR code."};
    case CodeError::server:
      return {"whatsapp_unavailable", "WhatsApp has an internal error.",
              "Try again in some minutes."};
    case CodeError::malformed:
    case CodeError::weak_key:
    case CodeError::refused:
      return {"code_failed", "WhatsApp did not accept the pairing code.",
              "Request a new pairing code, or scan the QR code."};
    case CodeError::out_of_order:
      break;
  }
  return {"code_outstanding", "Another pairing code is at work.",
          "Use that code, or wait until it has expired."};
}

std::optional<std::string> normalise_phone(std::string_view text) {
  if (text.size() > 64) return std::nullopt;
  std::string digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      digits.push_back(c);
    } else if (std::string_view("+-. ()/").find(c) == std::string_view::npos) {
      return std::nullopt;  // a letter is a mistake, not a separator
    }
  }
  if (digits.size() < 7 || digits.size() > 15 || digits[0] == '0') return std::nullopt;
  return digits;
}

std::string encode_code(const ByteArray<5>& random) {
  uint64_t bits = 0;
  for (const uint8_t byte : random) bits = bits << 8 | byte;
  std::string out(8, '1');
  for (size_t i = 0; i < out.size(); ++i) out[i] = kAlphabet[bits >> (35 - 5 * i) & 31];
  return out;
}

std::optional<std::string> parse_code(std::string_view text) {
  std::string out;
  if (text.size() == 9 && text[4] == '-') {
    out.append(text.substr(0, 4)).append(text.substr(5));
  } else {
    out = text;
  }
  if (out.size() != 8) return std::nullopt;
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (kAlphabet.find(c) == std::string_view::npos) return std::nullopt;
  }
  return out;
}

std::string display_code(std::string_view code) {
  if (code.size() != 8) return std::string(code);
  return std::string(code.substr(0, 4)).append("-").append(code.substr(4));
}

SecretKey32 stretch_code(std::string_view code, const Key32& salt) {
  const SecretBytes key = signal::pbkdf2_sha256(view(code), salt, kRounds, 32);
  SecretKey32 out;
  std::copy_n(key.reveal().begin(), 32, out.fill().begin());
  return out;
}

ByteArray<80> wrap_key(const SecretKey32& key, const Key32& salt, const ByteArray<16>& iv,
                       const Key32& pub) {
  const Bytes sealed = signal::aes256_ctr(key.reveal(), iv, pub);
  ByteArray<80> out;
  auto at = std::copy(salt.begin(), salt.end(), out.begin());
  at = std::copy(iv.begin(), iv.end(), at);
  std::copy_n(sealed.begin(), 32, at);
  return out;
}

std::optional<Key32> unwrap_key(const SecretKey32& key, ByteView wrapped80) {
  if (wrapped80.size() != 80) return std::nullopt;
  return to_array<32>(
      signal::aes256_ctr(key.reveal(), wrapped80.subspan(32, 16), wrapped80.subspan(48, 32)));
}

std::string platform_display(PlatformType platform, std::string_view os_name) {
  return std::string(browser_of(platform)).append(" (").append(system_of(os_name)).append(")");
}

Result<CodePairing> CodePairing::begin(const Options& options, SteadyTime now, Random& random) {
  const auto phone = normalise_phone(options.phone);
  if (!phone) return fail(CodeError::phone, "phone");
  CodePairing out;
  out.phone_ = *phone;
  if (options.custom_code) {
    const auto code = parse_code(*options.custom_code);
    if (!code) return fail(CodeError::custom_code, "code");
    out.code_ = *code;
  } else {
    out.code_ = encode_code(random.array<5>());
  }
  out.show_push_ = options.show_push_notification;
  out.ephemeral_ = signal::KeyPair::generate(random);
  out.salt_ = random.array<32>();
  out.iv_ = random.array<16>();
  out.created_ = now;
  return out;
}

bool CodePairing::live(SteadyTime now) const {
  if (step_ == Step::over) return false;
  // An accepted answer extends the attempt until pair-success is due.
  return now <= expires() || (deadline_ && now <= *deadline_);
}

Node CodePairing::envelope(const std::string& iq_id, const char* stage, Node& reg) const {
  reg.set("jid", Jid::pn(phone_)).set("stage", stage);
  Node iq("iq");
  iq.set("to", Jid::server_jid()).set("type", "set").set("xmlns", "md").set("id", iq_id);
  return iq;
}

Result<Node> CodePairing::hello(const std::string& iq_id, const SecretKey32& key,
                                const Key32& noise_pub, PlatformType platform,
                                std::string_view os_name) {
  if (step_ != Step::begun) return fail(CodeError::out_of_order, "companion_hello");
  step_ = Step::hello_sent;
  Node reg{std::string(kTag)};
  Node iq = envelope(iq_id, "companion_hello", reg);
  reg.set("should_show_push_notification", show_push_ ? "true" : "false");
  reg.add(Node("link_code_pairing_wrapped_companion_ephemeral_pub")
              .bytes(ByteView(wrap_key(key, salt_, iv_, ephemeral_.pub))));
  reg.add(Node("companion_server_auth_key_pub").bytes(ByteView(noise_pub)));
  reg.add(Node("companion_platform_id").text(std::string(1, client_type_of(platform))));
  reg.add(Node("companion_platform_display").text(platform_display(platform, os_name)));
  reg.add(Node("link_code_pairing_nonce").bytes(Bytes{0}));
  iq.add(std::move(reg));
  return iq;
}

std::optional<CodePairing::Refusal> CodePairing::on_hello_answer(const Node& iq) {
  if (step_ != Step::hello_sent) {
    return Refusal{Error(CodeError::out_of_order, "answer to companion_hello"), 0, std::nullopt};
  }
  step_ = Step::over;
  if (auto refusal = refusal_of(iq)) return refusal;
  const Node* reg = iq.child(kTag);
  const Node* ref = reg != nullptr ? reg->child("link_code_pairing_ref") : nullptr;
  if (ref == nullptr || ref->content_bytes().empty() || ref->content_bytes().size() > 1024) {
    return Refusal{Error(CodeError::malformed, "link_code_pairing_ref"), 0, std::nullopt};
  }
  ref_ = to_bytes(ref->content_bytes());
  step_ = Step::waiting;
  return std::nullopt;
}

CodePairing::Notice CodePairing::on_notification(const Node& notification, SteadyTime now) {
  const auto ignore = [](const char* why) {
    Notice out;
    out.why = why;
    return out;
  };
  const auto from = notification.jid("from");
  if (notification.attr("type") != kTag || !from || !from->is_server()) return ignore("not ours");
  const Node* reg = notification.child(kTag);
  if (reg == nullptr) return ignore("no content");
  if (step_ != Step::waiting && step_ != Step::answered) return ignore("no outstanding code");
  const Node* ref = reg->child("link_code_pairing_ref");
  if (ref == nullptr || !equal_constant_time(ref->content_bytes(), ref_)) {
    return ignore("another ref");
  }
  Notice out;
  const std::string stage = reg->attr("stage");
  if (stage == "refresh_code") {
    step_ = Step::over;
    out.kind = reg->attr("force_manual_refresh") == "true" ? Notice::Kind::refresh_manual
                                                           : Notice::Kind::refresh;
    return out;
  }
  if (stage != "primary_hello") return ignore("unknown stage");
  if (now > expires()) return ignore("code too old");
  const Node* wrapped = reg->child("link_code_pairing_wrapped_primary_ephemeral_pub");
  const Node* identity = reg->child("primary_identity_pub");
  if (wrapped == nullptr || identity == nullptr) return ignore("keys missing");
  const auto wrapped_bytes = to_array<80>(wrapped->content_bytes());
  const auto identity_bytes = to_array<32>(identity->content_bytes());
  if (!wrapped_bytes || !identity_bytes) return ignore("size of keys");
  if (hellos_ >= kMaxPrimaryHellos) return ignore("too many answers");
  ++hellos_;
  wrapped_primary_ = *wrapped_bytes;
  primary_identity_ = *identity_bytes;
  if (!deadline_) deadline_ = now + kPairSuccessWithin;
  step_ = Step::answered;
  out.kind = Notice::Kind::primary_hello;
  std::copy_n(wrapped_primary_.begin(), 32, out.salt.begin());
  return out;
}

Result<CodePairing::Finish> CodePairing::finish(const std::string& iq_id, const SecretKey32& key,
                                                const signal::KeyPair& identity, Random& random) {
  if (step_ != Step::answered) return fail(CodeError::out_of_order, "companion_finish");
  const auto primary_ephemeral = unwrap_key(key, wrapped_primary_);
  if (!primary_ephemeral) return fail(CodeError::malformed, "wrapped key");
  const auto s1 = signal::agree(ephemeral_.priv, *primary_ephemeral);
  const auto s2 = signal::agree(identity.priv, primary_identity_);
  if (!s1 || !s2) return fail(CodeError::weak_key, "agreement");

  SecretKey32 secret_part;
  random.fill(secret_part.fill());
  const auto salt = random.array<32>();
  const auto iv = random.array<12>();
  const SecretBytes bundle_key = signal::hkdf_sha256(
      s1->reveal(), salt, view("link_code_pairing_key_bundle_encryption_key"), 32);
  const SecretBytes plain(concat({identity.pub, primary_identity_, secret_part.reveal()}));
  const Bytes sealed = signal::aes256_gcm_seal(bundle_key.reveal(), iv, {}, plain.reveal());
  const SecretBytes material(concat({s1->reveal(), s2->reveal(), secret_part.reveal()}));

  Finish out;
  signal::hkdf_sha256_into(material.reveal(), {}, view("adv_secret"), out.adv_secret.fill());
  Node reg{std::string(kTag)};
  out.stanza = envelope(iq_id, "companion_finish", reg);
  reg.add(Node("link_code_pairing_wrapped_key_bundle").bytes(concat({salt, iv, sealed})));
  reg.add(Node("companion_identity_public").bytes(ByteView(identity.pub)));
  reg.add(Node("link_code_pairing_ref").bytes(ByteView(ref_)));
  out.stanza.add(std::move(reg));
  return out;
}

std::optional<CodePairing::Refusal> CodePairing::on_finish_answer(const Node& iq) {
  auto refusal = refusal_of(iq);
  if (refusal) step_ = Step::over;
  return refusal;
}

}  // namespace wab::session
