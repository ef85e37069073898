// Sign-in with Google: authorization code flow of OpenID Connect with PKCE (design section 5.4).
//
//   begin()  -> where the browser goes, and a cookie that it brings back
//   finish() -> who it is: (issuer, subject), checked by id_token.h
//
// Any shard. Nothing is stored for a sign-in that has begun: the cookie holds a random number, the
// time and, when an account is to be linked, its user; state, nonce and PKCE verifier are keyed
// hashes of that cookie, so that they fit this browser only and cannot be made elsewhere. A state
// that was presented once is remembered until it is too old. What the provider publishes (endpoints
// and keys) is kept by kept_document.h; a key id that is not known reads the keys again, at most
// once a minute.
#pragma once

#include <deque>
#include <unordered_set>

#include "bridge/id_token.h"
#include "bridge/kept_document.h"
#include "storage/base/secret.h"

namespace wab::bridge {

enum class GoogleError {
  unreachable = 1,  // no answer, or one of a server in trouble
  provider,         // its discovery document is not one that we can trust
  state,            // not begun by this browser, or longer than 10 minutes ago
  spent,            // this sign-in was finished before
  denied,           // the provider said no, or the person did
  issuer,           // the answer names another issuer (RFC 9207)
  code,             // missing or absurd
  exchange,         // the code was not accepted
};
const ErrorDomain& error_domain(GoogleError);

struct GoogleSettings {
  std::string client_id;
  SecretBytes client_secret;
  std::string issuer;        // "https://accounts.google.com"
  std::string redirect_uri;  // exactly as registered
  std::vector<std::string> domains;
};

// What the flow asks of the world.
class GoogleContext {
 public:
  virtual ~GoogleContext() = default;
  // https only, bounded in time and size, redirects not followed.
  virtual awaitable<Result<WebAnswer>> fetch(WebAsk ask) = 0;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  // Keyed by the deployment and one-way.
  virtual ByteArray<32> keyed_hash(std::string_view purpose, std::string_view data) = 0;
};

// The discovery document, as far as we use it.
struct Provider {
  std::string authorization_endpoint, token_endpoint, jwks_uri;
  // GoogleError::provider when it is not `issuer`'s, or an endpoint is not https, or it cannot do
  // RS256 or S256.
  static Result<Provider> parse(std::string_view json, std::string_view issuer);
};

class Google {
 public:
  static constexpr std::string_view kCookie = "__Host-wab-google";
  static constexpr std::chrono::seconds kPatience{600};

  Google(GoogleSettings settings, GoogleContext& context);

  struct Begun {
    std::string location;
    std::string cookie;  // its value
  };
  // `link_user` is the user who wants to link an account, "" to sign in.
  awaitable<Result<Begun>> begin(std::string link_user);

  // The parameters of the redirect back.
  struct Back {
    std::string state, code, error, iss;
  };
  struct Proven {
    IdClaims claims;
    std::string link_user;
  };
  // Errors are those of GoogleError, IdTokenError and of the wire.
  awaitable<Result<Proven>> finish(Back back, std::string cookie);

 private:
  struct Started {
    std::string state, nonce, verifier, link_user;
    UnixSeconds at = 0;
  };
  Result<Started> read_cookie(std::string_view cookie) const;
  std::string derive(std::string_view purpose, std::string_view cookie) const;
  Result<void> accept_once(const Started& started, const Back& back);
  awaitable<Result<std::shared_ptr<const Provider>>> provider();
  awaitable<Result<std::string>> exchange(std::string endpoint, std::string code,
                                          std::string verifier);

  GoogleSettings settings_;
  GoogleContext& context_;
  KeptDocument<Provider> provider_;
  KeptDocument<KeySet> keys_;
  std::mutex mutex_;
  std::unordered_set<std::string> spent_;
  std::deque<std::pair<UnixSeconds, std::string>> spent_until_;
};

// Percent-encoding of everything but unreserved characters (RFC 3986).
std::string percent_encode(std::string_view text);

}  // namespace wab::bridge
