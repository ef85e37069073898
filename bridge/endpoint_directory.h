// Webhook endpoints in the store, and word to whoever delivers to them when they change.
//
// Any shard. Row Kind::endpoint of the organization, name = id text, JSON:
//   {"v":1, "id", "url", "events":[type or "message.*"], "sessions":[id], "secret":"whsec_...",
//    "old_secrets":[{"secret","until"}], "headers":{}, "ordering":"chat"|"session"|"none",
//    "format":"native"|"waha"|"evolution"|"cloud", "state":"enabled"|"disabled",
//    "disabled_reason", "rate_limit", "signing_key":"whsk_...", "certificate", "certificate_key",
//    "created_at", "updated_at"}
// An empty list of events or sessions means all of them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/config.h"
#include "bridge/problem.h"
#include "storage/store.h"
#include "webhook/target.h"

namespace wab::bridge {

using boost::asio::awaitable;

struct OldSecret {
  std::string secret;
  UnixMillis until = 0;
};

struct EndpointRecord {
  static constexpr UnixMillis kOverlap = 24 * 3600 * 1000;  // of a secret and its successor
  static constexpr size_t kMostOldSecrets = 10;

  EndpointId id;
  std::string url;
  std::vector<std::string> events;
  std::vector<std::string> sessions;
  std::string secret;
  std::vector<OldSecret> old_secrets;  // the newest first
  std::vector<std::pair<std::string, std::string>> headers;
  std::string ordering = "chat";
  std::string format = "native";
  bool enabled = true;
  std::string disabled_reason;               // "gone", "failing"; "" when a person did it
  int64_t rate_limit = 0;                    // attempts per second; 0: none
  std::string signing_key;                   // whsk_...; "": no Ed25519 signature
  std::string certificate, certificate_key;  // PEM; "": no client certificate
  UnixMillis created_at = 0;
  UnixMillis updated_at = 0;
};
Bytes encode_endpoint(const EndpointRecord& record);
std::optional<EndpointRecord> decode_endpoint(ByteView stored);

struct EndpointPatch {
  std::optional<std::string> url, ordering, format;
  std::optional<std::vector<std::string>> events, sessions;
  std::optional<std::vector<std::pair<std::string, std::string>>> headers;
  std::optional<bool> enabled;
  std::optional<std::string> disabled_reason;  // with enabled = false
  std::optional<int64_t> rate_limit;
  std::optional<std::string> signing_key, certificate, certificate_key;
};

class EndpointDirectory {
 public:
  // Called on the shard of the caller after the change is durable; `record` is null when erased.
  // Must not block.
  using Listener = std::function<void(const storage::OrgScope&, EndpointId, const EndpointRecord*)>;

  EndpointDirectory(storage::Store& store, Clock& clock, Random& random, const Config& config,
                    Listener listener);

  // A record with id, secret and times, not stored yet.
  EndpointRecord draft();
  // `also` are rows of the organization for the same commit.
  awaitable<Outcome<void>> create(storage::OrgScope org, EndpointRecord record,
                                  std::vector<storage::Row> also);
  awaitable<Outcome<EndpointRecord>> get(storage::OrgScope org, EndpointId id);
  struct Page {
    std::vector<EndpointRecord> endpoints;
    std::string next;
  };
  awaitable<Outcome<Page>> list(storage::OrgScope org, std::string after, size_t limit);
  awaitable<Outcome<EndpointRecord>> patch(storage::OrgScope org, EndpointId id,
                                           EndpointPatch patch);
  // A new secret; the one before stays valid for a day. limit_reached when ten old ones are alive.
  awaitable<Outcome<EndpointRecord>> rotate(storage::OrgScope org, EndpointId id,
                                            std::string secret, std::vector<storage::Row> also);
  awaitable<Outcome<void>> erase(storage::OrgScope org, EndpointId id);
  // An organization is being deleted: tells the listener of each endpoint; the rows go with it.
  awaitable<Outcome<void>> forget_organization(storage::OrgScope org);

  // The reason when this deployment does not deliver there: https and webhook.ports only, except at
  // an address in webhook.allow_private_targets. Addresses behind names are judged when dialled.
  std::optional<std::string> refused(const std::string& url) const;
  // The reason when a tenant may not set this header.
  static std::optional<std::string> refused_header(std::string_view name);

 private:
  storage::Store& store_;
  Clock& clock_;
  Random& random_;
  const webhook::TargetRules target_;
  Listener listener_;
};

}  // namespace wab::bridge
