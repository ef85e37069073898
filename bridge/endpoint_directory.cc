#include "bridge/endpoint_directory.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/outgoing.h"
#include "bridge/stored.h"
#include "session/wire/http_message.h"
#include "session/wire/url.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Kind;

Bytes encode_endpoint(const EndpointRecord& record) {
  json headers = json::object();
  for (const auto& [name, value] : record.headers) headers[name] = value;
  json old = json::array();
  for (const auto& one : record.old_secrets) {
    old.push_back({{"secret", one.secret}, {"until", one.until}});
  }
  const json out = {{"v", 1},
                    {"id", record.id.text()},
                    {"url", record.url},
                    {"events", record.events},
                    {"sessions", record.sessions},
                    {"secret", record.secret},
                    {"old_secrets", old},
                    {"headers", headers},
                    {"ordering", record.ordering},
                    {"format", record.format},
                    {"state", record.enabled ? "enabled" : "disabled"},
                    {"disabled_reason", record.disabled_reason},
                    {"rate_limit", record.rate_limit},
                    {"signing_key", record.signing_key},
                    {"certificate", record.certificate},
                    {"certificate_key", record.certificate_key},
                    {"created_at", record.created_at},
                    {"updated_at", record.updated_at}};
  return to_bytes(out.dump());
}

std::optional<EndpointRecord> decode_endpoint(ByteView stored) {
  const auto parsed = parse_stored(stored);
  if (!parsed) return std::nullopt;
  EndpointRecord out;
  const auto id = EndpointId::parse(text_at(*parsed, "id"));
  if (!id) return std::nullopt;
  out.id = *id;
  out.url = text_at(*parsed, "url");
  auto list = [&](const char* key, std::vector<std::string>& into) {
    if (!parsed->contains(key)) return;
    for (const auto& item : (*parsed)[key]) {
      if (item.is_string()) into.push_back(item.get<std::string>());
    }
  };
  list("events", out.events);
  list("sessions", out.sessions);
  out.secret = text_at(*parsed, "secret");
  if (parsed->contains("headers")) {
    for (const auto& [name, value] : (*parsed)["headers"].items()) {
      if (value.is_string()) out.headers.emplace_back(name, value.get<std::string>());
    }
  }
  out.ordering = text_at(*parsed, "ordering");
  out.format = text_at(*parsed, "format");
  if (out.format == "standard") out.format = "native";  // its first name
  if (parsed->contains("old_secrets")) {
    for (const auto& one : (*parsed)["old_secrets"]) {
      out.old_secrets.push_back({text_at(one, "secret"), number_at(one, "until")});
    }
  }
  out.disabled_reason = text_at(*parsed, "disabled_reason");
  out.rate_limit = number_at(*parsed, "rate_limit");
  out.signing_key = text_at(*parsed, "signing_key");
  out.certificate = text_at(*parsed, "certificate");
  out.certificate_key = text_at(*parsed, "certificate_key");
  out.enabled = text_at(*parsed, "state") != "disabled";
  out.created_at = number_at(*parsed, "created_at");
  out.updated_at = number_at(*parsed, "updated_at");
  return out;
}

EndpointDirectory::EndpointDirectory(storage::Store& store, Clock& clock, Random& random,
                                     const Config& config, Listener listener)
    : store_(store),
      clock_(clock),
      random_(random),
      target_(target_rules_of(config)),
      listener_(std::move(listener)) {}

EndpointRecord EndpointDirectory::draft() {
  EndpointRecord out;
  out.id = EndpointId::random(random_);
  out.secret = "whsec_" + to_base64(random_.array<32>());
  out.created_at = out.updated_at = clock_.now_ms();
  return out;
}

awaitable<Outcome<void>> EndpointDirectory::create(storage::OrgScope org, EndpointRecord record,
                                                   std::vector<storage::Row> also) {
  storage::Commit commit{storage::Scope(org)};
  storage::Row row;
  row.key.kind = Kind::endpoint;
  row.key.name = record.id.text();
  row.value = encode_endpoint(record);
  commit.put.push_back(std::move(row));
  for (auto& other : also) commit.put.push_back(std::move(other));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  listener_(org, record.id, &record);
  co_return Outcome<void>();
}

awaitable<Outcome<EndpointRecord>> EndpointDirectory::get(storage::OrgScope org, EndpointId id) {
  std::vector<storage::Key> keys(1);
  keys[0].kind = Kind::endpoint;
  keys[0].name = id.text();
  auto values = co_await store_.load(org, std::move(keys));
  if (!values) co_return refuse(problem_of(values.error()));
  if (!(*values)[0]) co_return refuse(Code::not_found);
  auto record = decode_endpoint(*(*values)[0]);
  if (!record) co_return refuse(Code::internal);
  co_return std::move(*record);
}

awaitable<Outcome<EndpointDirectory::Page>> EndpointDirectory::list(storage::OrgScope org,
                                                                    std::string after,
                                                                    size_t limit) {
  auto page = co_await store_.scan(org, Kind::endpoint, std::move(after), limit);
  if (!page) co_return refuse(problem_of(page.error()));
  Page out;
  out.next = page->next;
  for (const auto& row : page->rows) {
    if (auto record = decode_endpoint(row.value)) out.endpoints.push_back(std::move(*record));
  }
  co_return out;
}

awaitable<Outcome<EndpointRecord>> EndpointDirectory::patch(storage::OrgScope org, EndpointId id,
                                                            EndpointPatch patch) {
  auto record = co_await get(org, id);
  if (!record) co_return refuse(record.error());
  auto set = [](auto& field, auto& value) {
    if (value) field = std::move(*value);
  };
  set(record->url, patch.url);
  set(record->ordering, patch.ordering);
  set(record->format, patch.format);
  set(record->events, patch.events);
  set(record->sessions, patch.sessions);
  set(record->headers, patch.headers);
  if (patch.enabled) record->disabled_reason = patch.disabled_reason.value_or("");
  set(record->enabled, patch.enabled);
  set(record->rate_limit, patch.rate_limit);
  set(record->signing_key, patch.signing_key);
  set(record->certificate, patch.certificate);
  set(record->certificate_key, patch.certificate_key);
  record->updated_at = clock_.now_ms();
  storage::Commit commit{storage::Scope(org)};
  storage::Row row;
  row.key.kind = Kind::endpoint;
  row.key.name = id.text();
  row.value = encode_endpoint(*record);
  commit.put.push_back(std::move(row));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  listener_(org, id, &*record);
  co_return std::move(*record);
}

awaitable<Outcome<EndpointRecord>> EndpointDirectory::rotate(storage::OrgScope org, EndpointId id,
                                                             std::string secret,
                                                             std::vector<storage::Row> also) {
  auto record = co_await get(org, id);
  if (!record) co_return refuse(record.error());
  const UnixMillis now = clock_.now_ms();
  std::erase_if(record->old_secrets, [now](const OldSecret& one) { return one.until <= now; });
  if (record->old_secrets.size() >= EndpointRecord::kMostOldSecrets) {
    co_return refuse(Code::limit_reached,
                     "Ten older secrets are still valid; wait for one to end.");
  }
  OldSecret old{record->secret, now + EndpointRecord::kOverlap};
  record->old_secrets.insert(record->old_secrets.begin(), std::move(old));
  record->secret = std::move(secret);
  record->updated_at = now;
  storage::Commit commit{storage::Scope(org)};
  storage::Row row;
  row.key.kind = Kind::endpoint;
  row.key.name = id.text();
  row.value = encode_endpoint(*record);
  commit.put.push_back(std::move(row));
  for (auto& other : also) commit.put.push_back(std::move(other));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  listener_(org, id, &*record);
  co_return std::move(*record);
}

awaitable<Outcome<void>> EndpointDirectory::erase(storage::OrgScope org, EndpointId id) {
  auto record = co_await get(org, id);
  if (!record) co_return refuse(record.error());
  storage::Commit commit{storage::Scope(org)};
  storage::Key key;
  key.kind = Kind::endpoint;
  key.name = id.text();
  commit.erase.push_back(std::move(key));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  listener_(org, id, nullptr);
  co_return Outcome<void>();
}

awaitable<Outcome<void>> EndpointDirectory::forget_organization(storage::OrgScope org) {
  std::string after;
  do {
    auto page = co_await list(org, after, 100);
    if (!page) co_return refuse(page.error());
    for (const auto& record : page->endpoints) listener_(org, record.id, nullptr);
    after = page->next;
  } while (!after.empty());
  co_return Outcome<void>();
}

std::optional<std::string> EndpointDirectory::refused(const std::string& text) const {
  const auto url = wire::parse_url(text);
  if (!url || (url->scheme != "https" && url->scheme != "http")) return "is not a usable URL";
  return target_.refused(*url);
}

std::optional<std::string> EndpointDirectory::refused_header(std::string_view name) {
  static constexpr std::string_view kOurs[] = {"host",
                                               "connection",
                                               "content-length",
                                               "content-type",
                                               "transfer-encoding",
                                               "te",
                                               "trailer",
                                               "upgrade",
                                               "expect",
                                               "keep-alive",
                                               "cookie",
                                               "proxy-connection",
                                               "proxy-authorization",
                                               "accept-encoding",
                                               "content-encoding",
                                               "user-agent",
                                               "x-hub-signature-256",
                                               "x-webhook-hmac",
                                               "x-webhook-hmac-algorithm",
                                               "x-webhook-request-id",
                                               "x-webhook-timestamp"};
  for (const auto ours : kOurs) {
    if (wire::equal_ignoring_case(ours, name)) return "is set by the bridge";
  }
  if (name.size() > 8 && wire::equal_ignoring_case(name.substr(0, 8), "webhook-")) {
    return "is set by the bridge";
  }
  return std::nullopt;
}

}  // namespace wab::bridge
