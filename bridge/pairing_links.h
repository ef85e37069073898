// Pairing links: a stranger's way to link one phone to one session, without an account.
//
// A link is https://host/pair#SECRET; the fragment never reaches a log. The page exchanges the
// secret once for a cookie of half an hour that is good for pairing that one session and for
// nothing else. Both texts are random and stand nowhere: their rows are found by keyed hashes.
//
// Any shard. Rows (JSON with "v": 1): pairing_secret and pairing_visit in the deployment lead to
// the organization and its pairing_link, which alone decides. The exchange erases the secret's row
// in the same write that makes the visit's, so that a crash leaves a dead link at worst, never one
// that opens twice. Revoking erases the link, and with it every visit.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bridge/limits.h"
#include "bridge/problem.h"
#include "storage/store.h"

namespace wab::bridge {

using boost::asio::awaitable;

struct LinkTag {
  static constexpr const char* prefix = "lnk_";
};
using LinkId = Id<LinkTag>;

inline constexpr std::string_view kVisitCookie = "__Host-wab-pair";
inline constexpr int64_t kVisitLifeMs = 30 * 60 * 1000;
inline constexpr size_t kLiveLinks = 200;  // of one organization

struct PairingLink {
  LinkId id;
  SessionId session;
  UnixMillis created_at = 0;
  UnixMillis expires_at = 0;
  UnixMillis opened_at = 0;  // 0: not yet
};

class PairingLinks {
 public:
  PairingLinks(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock,
               Random& random);

  // A new link as values; store() makes it true, together with `also` (rows of the organization).
  struct Draft {
    PairingLink link;
    std::string secret;  // shown once
  };
  Draft draft(SessionId session, std::chrono::seconds life);
  // Code::limit_reached when the organization has kLiveLinks of them.
  awaitable<Outcome<void>> store(storage::OrgScope org, Draft draft,
                                 std::vector<storage::Row> also);
  // The links of a session that still lead somewhere, or were opened and not yet forgotten.
  awaitable<Outcome<std::vector<PairingLink>>> list(storage::OrgScope org, SessionId session);
  awaitable<Outcome<void>> revoke(storage::OrgScope org, SessionId session, LinkId id);

  struct Visit {
    storage::OrgScope org;
    SessionId session;
    LinkId link;
    UnixMillis expires_at = 0;
  };
  struct Opened {
    Visit visit;
    std::string cookie;
  };
  // Code::not_found for a secret that is unknown, used, expired or revoked.
  awaitable<Outcome<Opened>> open(std::string secret);
  // The value of the cookie; Code::not_found likewise.
  awaitable<Outcome<Visit>> visit(std::string cookie);

 private:
  struct Found;
  static std::optional<Found> decode(storage::OrgScope org, const nlohmann::json& stored);
  std::string hash(std::string_view purpose, std::string_view text) const;
  awaitable<Outcome<Found>> follow(storage::Kind kind, std::string name);
  awaitable<Outcome<std::vector<Found>>> all(storage::OrgScope org);
  awaitable<Outcome<void>> forget(storage::OrgScope org, std::vector<Found> links);

  storage::Store& store_;
  const storage::ScopeIssuer& scopes_;
  Clock& clock_;
  Random& random_;
  InFlight opening_;
};

}  // namespace wab::bridge
