// Linking by an eight-character code that the tenant types on the phone (dossier 1 section 7).
//
// Pure: stanzas in, stanzas out. CodePairing is one attempt; it lives next to the QR codes of the
// same unpaired connection and dies with it, because the server routes the phone's answer by
// connection. stretch_code() takes 50 to 100 ms: call it on a pool, never on a shard.
//
//   parse + begin -> [pool: stretch_code(code, salt)] -> hello() -> on_hello_answer()
//   primary_hello -> on_notification() -> [pool: stretch_code(code, answer.salt)] -> finish()
//   -> on_finish_answer() -> pair-success (qr.h) keyed with Finish::adv_secret
#pragma once

#include <string>

#include "session/pairing/qr.h"
#include "storage/base/result.h"

namespace wab::session {

enum class CodeError {
  phone = 1,     // not a phone number in international form
  custom_code,   // not eight characters of the alphabet
  out_of_order,  // the attempt is not at this step, or is over
  malformed,     // the server's answer lacks its ref
  expired,       // older than 180 s
  weak_key,      // X25519 gave all zeros
  // Answers of the server (section 7.2). Never retried by itself.
  bad_request,   // 400: malformed, or too many codes for this number
  forbidden,     // 403
  rate_limited,  // 429
  unavailable,   // 452: this number must use QR
  server,        // 500
  refused,       // any other
};
const ErrorDomain& error_domain(CodeError);
// What to tell the tenant: {code, message, next} of the problem.
struct CodeAdvice {
  std::string_view code, message, next;
};
CodeAdvice advice(CodeError error);

// Digits only: at least 7, at most 15, no leading zero. Separators and a leading plus are dropped.
std::optional<std::string> normalise_phone(std::string_view text);

std::string encode_code(const ByteArray<5>& random);
// Upper-cased, dash removed; nothing unless eight characters of the alphabet.
std::optional<std::string> parse_code(std::string_view text);
std::string display_code(std::string_view code);  // "ABCD-1234"

// PBKDF2-HMAC-SHA256, 131072 rounds. Slow on purpose.
SecretKey32 stretch_code(std::string_view code, const Key32& salt);

// salt | iv | AES-256-CTR(key, iv, pub).
ByteArray<80> wrap_key(const SecretKey32& key, const Key32& salt, const ByteArray<16>& iv,
                       const Key32& pub);
// The reverse of the last part. Not authenticated: a wrong code gives a wrong key.
// Nothing for a wrong size.
std::optional<Key32> unwrap_key(const SecretKey32& key, ByteView wrapped80);

// "Chrome (Linux)": browser and system from the sets the server accepts.
std::string platform_display(PlatformType platform, std::string_view os_name);

class CodePairing {
 public:
  static constexpr auto kLifetime = std::chrono::seconds(180);
  static constexpr auto kPairSuccessWithin = std::chrono::seconds(60);  // of primary_hello

  struct Options {
    std::string phone;
    std::optional<std::string> custom_code;
    bool show_push_notification = true;
  };
  static Result<CodePairing> begin(const Options& options, SteadyTime now, Random& random);

  const std::string& code() const { return code_; }  // without dash
  const std::string& phone() const { return phone_; }
  const Key32& salt() const { return salt_; }
  SteadyTime expires() const { return created_ + kLifetime; }
  // Still able to end in a pairing. One live attempt per connection: a second hello strands it.
  bool live(SteadyTime now) const;

  // `key` = stretch_code(code(), salt()).
  Result<node::Node> hello(const std::string& iq_id, const SecretKey32& key, const Key32& noise_pub,
                           PlatformType platform, std::string_view os_name);
  // The answer to hello(): from here on the code may be shown.
  struct Refusal {
    Error error;
    int number = 0;  // code on the wire
    std::optional<uint32_t> backoff_s;
  };
  std::optional<Refusal> on_hello_answer(const node::Node& iq);

  // A notification of type link_code_companion_reg. Always ack it; then do what the kind says.
  struct Notice {
    enum class Kind {
      ignore,
      primary_hello,   // stretch `salt`, then finish()
      refresh,         // this attempt is over: begin a new one by itself
      refresh_manual,  // this attempt is over: the tenant must ask for a new one
    };
    Kind kind = Kind::ignore;
    const char* why = "";  // of ignore, for logs
    Key32 salt{};
  };
  Notice on_notification(const node::Node& notification, SteadyTime now);

  struct Finish {
    node::Node stanza;       // companion_finish
    SecretKey32 adv_secret;  // keys the HMAC of the pair-success that follows
  };
  // `key` = stretch_code(code(), notice.salt). May run again after another primary_hello.
  Result<Finish> finish(const std::string& iq_id, const SecretKey32& key,
                        const signal::KeyPair& identity, Random& random);
  // Reported at once; the attempt is over then.
  std::optional<Refusal> on_finish_answer(const node::Node& iq);
  // When pair-success must have come; set by the first primary_hello that was accepted. After it:
  // write the code off, make a new adv secret, tell the tenant.
  std::optional<SteadyTime> pair_success_deadline() const { return deadline_; }
  void abandon() { step_ = Step::over; }

 private:
  enum class Step { begun, hello_sent, waiting, answered, over };

  CodePairing() = default;
  // The iq around `reg`, whose common attributes it sets.
  node::Node envelope(const std::string& iq_id, const char* stage, node::Node& reg) const;

  Step step_ = Step::begun;
  std::string phone_, code_;
  bool show_push_ = true;
  signal::KeyPair ephemeral_;
  Key32 salt_{};
  ByteArray<16> iv_{};
  SteadyTime created_{};
  Bytes ref_;
  int hellos_ = 0;
  ByteArray<80> wrapped_primary_{};
  Key32 primary_identity_{};
  std::optional<SteadyTime> deadline_;
};

}  // namespace wab::session
