// /v1/webhooks: where the organization's events are delivered.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/deliveries.h"
#include "bridge/routes/tables.h"
#include "webhook/signature.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kFormats[] = {"native", "waha", "evolution", "cloud"};
constexpr std::string_view kOrderings[] = {"chat", "session", "none"};
constexpr std::string_view kStates[] = {"enabled", "disabled"};

// What is said in the same words when an endpoint is made and when it is changed.
constexpr Field kRateLimit{.name = "rate_limit",
                           .type = Type::integer,
                           .min = 0,
                           .max = 10000,
                           .about = "Attempts per second; 0: as fast as they come."};
constexpr Field kAsymmetric{.name = "asymmetric",
                            .type = Type::boolean,
                            .about = "Signs v1a (Ed25519) too; public_key is in every answer."};
constexpr Field kClientCertificate{
    .name = "client_certificate",
    .max = 16384,
    .about = "PEM chain shown to the receiver; together with client_key, \"\" for none."};
constexpr Field kClientKey{
    .name = "client_key", .max = 16384, .about = "PEM, not encrypted; never shown again."};
constexpr Field kHeaders{.name = "headers",
                         .type = Type::map,
                         .max = 20,
                         .format = Format::header_name,
                         .item_format = Format::header_value,
                         .item_max = 1024};
constexpr Field kNewFields[] = {
    {.name = "url", .required = true, .min = 8, .max = 2048, .format = Format::http_url},
    {.name = "events",
     .type = Type::array,
     .max = 64,
     .item_format = Format::event_type,
     .item_max = 64,
     .about = "Types such as message or message.*; none means all."},
    {.name = "sessions",
     .type = Type::array,
     .max = 1000,
     .item_max = 64,
     .about = "Only of these; none means all."},
    {.name = "format", .one_of = kFormats},
    {.name = "ordering",
     .one_of = kOrderings,
     .about = "chat: one attempt per chat at a time, in order; session: per session."},
    {.name = "secret",
     .min = 38,
     .max = 96,
     .about = "whsec_ and base64 of 24 to 64 bytes; made when not given."},
    kRateLimit,
    kAsymmetric,
    kClientCertificate,
    kClientKey,
    kHeaders};
constexpr Shape kNew{"new_webhook", kNewFields};
constexpr Field kPatchFields[] = {
    {.name = "url", .min = 8, .max = 2048, .format = Format::http_url},
    {.name = "events",
     .type = Type::array,
     .max = 64,
     .item_format = Format::event_type,
     .item_max = 64},
    {.name = "sessions", .type = Type::array, .max = 1000, .item_max = 64},
    {.name = "format", .one_of = kFormats},
    {.name = "ordering", .one_of = kOrderings},
    kRateLimit,
    kAsymmetric,
    kClientCertificate,
    kClientKey,
    kHeaders,
    {.name = "state", .one_of = kStates}};
constexpr Shape kPatch{"webhook_patch", kPatchFields, 1};

#define WAB_WEBHOOK_FIELDS                                                                    \
  {.name = "id", .required = true}, {.name = "url", .required = true, .max = 2048},           \
      {.name = "events", .type = Type::array, .required = true, .max = 64},                   \
      {.name = "sessions", .type = Type::array, .required = true, .max = 1000},               \
      {.name = "format", .required = true, .one_of = kFormats},                               \
      {.name = "ordering", .required = true, .one_of = kOrderings},                           \
      {.name = "headers", .type = Type::map, .required = true, .max = 20, .item_max = 1024},  \
      {.name = "rate_limit", .type = Type::integer, .required = true, .max = 10000},          \
      {.name = "public_key", .required = true, .nullable = true},                             \
      {.name = "client_certificate", .required = true, .max = 16384, .nullable = true},       \
      {.name = "state", .required = true, .one_of = kStates},                                 \
      {.name = "disabled_reason", .required = true, .nullable = true},                        \
      {.name = "live_secrets", .type = Type::integer, .required = true, .min = 1, .max = 11}, \
      {.name = "created_at", .required = true}, {                                             \
    .name = "updated_at", .required = true                                                    \
  }
constexpr Field kWebhookFields[] = {WAB_WEBHOOK_FIELDS};
constexpr Shape kWebhook{"webhook", kWebhookFields};
constexpr Field kCreatedFields[] = {WAB_WEBHOOK_FIELDS,
                                    {.name = "secret", .required = true, .about = "Shown once."}};
constexpr Shape kCreatedShape{"webhook_created", kCreatedFields};
constexpr Field kRotateFields[] = {
    {.name = "secret",
     .min = 38,
     .max = 96,
     .about = "whsec_ and base64 of 24 to 64 bytes; made when not given."}};
constexpr Shape kRotate{"webhook_rotation", kRotateFields};
#undef WAB_WEBHOOK_FIELDS
constexpr Field kListFields[] = {
    {.name = "data",
     .type = Type::array,
     .required = true,
     .max = 100,
     .shape = &kWebhook,
     .item = Type::object},
    {.name = "next_cursor", .required = true, .max = 512, .nullable = true}};
constexpr Shape kList{"webhooks", kListFields};

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json shown(const EndpointRecord& record, UnixMillis now) {
  const auto live = std::count_if(record.old_secrets.begin(), record.old_secrets.end(),
                                  [now](const OldSecret& one) { return one.until > now; });
  return {{"id", record.id.text()},
          {"url", record.url},
          {"events", record.events},
          {"sessions", record.sessions},
          {"format", record.format},
          {"ordering", record.ordering},
          {"headers", map_json(record.headers)},
          {"rate_limit", record.rate_limit},
          {"public_key", text_or_null(webhook::public_key_of(record.signing_key).value_or(""))},
          {"client_certificate", text_or_null(record.certificate)},
          {"state", record.enabled ? "enabled" : "disabled"},
          {"disabled_reason", text_or_null(record.disabled_reason)},
          {"live_secrets", 1 + live},
          {"created_at", to_iso8601(record.created_at)},
          {"updated_at", to_iso8601(record.updated_at)}};
}

// What the shape cannot say: where this deployment delivers, headers that are ours, ids.
Outcome<void> judge(Call& call) {
  Problem problem;
  problem.code = Code::invalid_body;
  if (call.body.contains("url")) {
    if (auto why = call.app.endpoints.refused(text_of(call.body, "url"))) {
      problem.errors.push_back({"/url", std::move(*why)});
    }
  }
  const auto headers = map_of(call.body, "headers");
  for (auto it = headers.begin(); it != headers.end(); ++it) {
    const std::string& name = it->first;
    if (std::any_of(headers.begin(), it, [&name](const auto& one) {
          return wire::equal_ignoring_case(one.first, name);
        })) {
      problem.errors.push_back({"/headers/" + name, "is there twice"});
    }
    if (auto why = EndpointDirectory::refused_header(name)) {
      problem.errors.push_back({"/headers/" + name, std::move(*why)});
    }
  }
  if (call.body.contains("secret") && !webhook::parse_secret(text_of(call.body, "secret"))) {
    problem.errors.push_back({"/secret", "is not whsec_ and base64 of 24 to 64 bytes"});
  }
  const std::string certificate = text_of(call.body, "client_certificate");
  const std::string key = text_of(call.body, "client_key");
  if (certificate.empty() != key.empty()) {
    problem.errors.push_back({"/client_certificate", "needs client_key, and the other way round"});
  } else if (!certificate.empty()) {
    auto context = wire::TlsContext::client();
    if (!context || !context->present(certificate, key)) {
      problem.errors.push_back({"/client_certificate", "is not a PEM chain with its private key"});
    }
  }
  const auto sessions = texts_of(call.body, "sessions");
  for (size_t i = 0; i < sessions.size(); ++i) {
    if (!SessionId::parse(sessions[i])) {
      problem.errors.push_back({"/sessions/" + std::to_string(i), "is not the id of a session"});
    }
  }
  if (problem.errors.empty()) return {};
  return refuse(std::move(problem));
}

awaitable<Outcome<Answer>> create(Call& call) {
  const auto judged = judge(call);
  if (!judged) co_return refuse(judged.error());
  auto room = co_await room_for(call, Quota::webhooks);
  if (!room) co_return refuse(room.error());
  auto record = call.app.endpoints.draft();
  record.url = text_of(call.body, "url");
  record.events = texts_of(call.body, "events");
  record.sessions = texts_of(call.body, "sessions");
  record.headers = map_of(call.body, "headers");
  if (call.body.contains("format")) record.format = text_of(call.body, "format");
  if (call.body.contains("ordering")) record.ordering = text_of(call.body, "ordering");
  if (call.body.contains("secret")) record.secret = text_of(call.body, "secret");
  if (call.body.contains("rate_limit")) record.rate_limit = call.body["rate_limit"].get<int64_t>();
  if (call.body.value("asymmetric", false)) {
    record.signing_key = webhook::make_signing_key(call.app.random);
  }
  record.certificate = text_of(call.body, "client_certificate");
  record.certificate_key = text_of(call.body, "client_key");
  json out = shown(record, call.app.clock.now_ms());
  out["secret"] = record.secret;
  auto answer = json_answer(201, out);
  auto also = call.repeatable(answer);
  auto made = co_await call.app.endpoints.create(call.org(), std::move(record), std::move(also));
  if (!made) co_return refuse(std::move(made.error()));
  co_return answer;
}

awaitable<Outcome<Answer>> list(Call& call) {
  auto wish = page_wish(call, "webhooks");
  if (!wish) co_return refuse(wish.error());
  auto page = co_await call.app.endpoints.list(call.org(), wish->after, wish->limit);
  if (!page) co_return refuse(std::move(page.error()));
  json data = json::array();
  for (const auto& record : page->endpoints) data.push_back(shown(record, call.app.clock.now_ms()));
  co_return page_answer(call, "webhooks", std::move(data), page->next);
}

awaitable<Outcome<Answer>> get(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  auto record = co_await call.app.endpoints.get(call.org(), *id);
  if (!record) co_return refuse(std::move(record.error()));
  co_return json_answer(200, shown(*record, call.app.clock.now_ms()));
}

awaitable<Outcome<Answer>> patch(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  const auto judged = judge(call);
  if (!judged) co_return refuse(judged.error());
  EndpointPatch wanted;
  const auto& body = call.body;
  if (body.contains("url")) wanted.url = text_of(body, "url");
  if (body.contains("events")) wanted.events = texts_of(body, "events");
  if (body.contains("sessions")) wanted.sessions = texts_of(body, "sessions");
  if (body.contains("headers")) wanted.headers = map_of(body, "headers");
  if (body.contains("format")) wanted.format = text_of(body, "format");
  if (body.contains("ordering")) wanted.ordering = text_of(body, "ordering");
  if (body.contains("state")) wanted.enabled = text_of(body, "state") == "enabled";
  if (body.contains("rate_limit")) wanted.rate_limit = body["rate_limit"].get<int64_t>();
  if (body.contains("asymmetric")) {
    const bool wished = body["asymmetric"].get<bool>();
    auto before = co_await call.app.endpoints.get(call.org(), *id);
    if (!before) co_return refuse(std::move(before.error()));
    if (!wished) wanted.signing_key = "";
    if (wished && before->signing_key.empty()) {
      wanted.signing_key = webhook::make_signing_key(call.app.random);
    }
  }
  if (body.contains("client_certificate")) {
    wanted.certificate = text_of(body, "client_certificate");
    wanted.certificate_key = text_of(body, "client_key");
  }
  auto record = co_await call.app.endpoints.patch(call.org(), *id, std::move(wanted));
  if (!record) co_return refuse(std::move(record.error()));
  co_return json_answer(200, shown(*record, call.app.clock.now_ms()));
}

awaitable<Outcome<Answer>> erase(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  auto done = co_await call.app.endpoints.erase(call.org(), *id);
  if (!done) co_return refuse(std::move(done.error()));
  if (call.app.deliveries != nullptr) call.app.deliveries->sweep(call.org(), *id);
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  co_return answer;
}

awaitable<Outcome<Answer>> rotate(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  const auto judged = judge(call);
  if (!judged) co_return refuse(judged.error());
  std::string secret = text_of(call.body, "secret");
  if (secret.empty()) secret = webhook::make_secret(call.app.random);
  auto before = co_await call.app.endpoints.get(call.org(), *id);
  if (!before) co_return refuse(std::move(before.error()));
  const UnixMillis now = call.app.clock.now_ms();
  json out = {{"secret", secret},
              {"previous_valid_until", to_iso8601(now + EndpointRecord::kOverlap)}};
  auto answer = json_answer(200, out);
  auto also = call.repeatable(answer);
  auto record =
      co_await call.app.endpoints.rotate(call.org(), *id, std::move(secret), std::move(also));
  if (!record) co_return refuse(std::move(record.error()));
  co_return answer;
}

constexpr Field kRotatedFields[] = {{.name = "secret", .required = true, .about = "Shown once."},
                                    {.name = "previous_valid_until", .required = true}};
constexpr Shape kRotatedShape{"webhook_rotated", kRotatedFields};
constexpr Reply kRotated[] = {
    {200, "The new secret; the one before signs too for a day", &kRotatedShape}};
constexpr Reply kCreated[] = {{201, "Created; the secret is shown once", &kCreatedShape}};
constexpr Reply kOne[] = {{200, "The endpoint", &kWebhook}};
constexpr Reply kPage[] = {{200, "A page of endpoints", &kList}};
constexpr Reply kGone[] = {{204, "Erased; nothing is sent any more"}};
constexpr Code kCreateProblems[] = {Code::limit_reached};
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr auto kOrg = Access::organization;
constexpr auto kReads = Permission::webhooks_read, kWrites = Permission::webhooks_write;
constexpr std::string_view kAll = "/v1/webhooks", kSingle = "/v1/webhooks/{id}";
constexpr Route kRoutes[] = {
    {"POST", kAll, "createWebhook", "Create an endpoint", kOrg, kWrites, &kNew, nullptr, create,
     kCreated, kCreateProblems, "webhook.create"},
    {"GET", kAll, "listWebhooks", "List the endpoints", kOrg, kReads, nullptr, &kPageQuery, list,
     kPage, kPageProblems},
    {"GET", kSingle, "getWebhook", "Get an endpoint", kOrg, kReads, nullptr, nullptr, get, kOne},
    {"PATCH",
     kSingle,
     "patchWebhook",
     "Change an endpoint",
     kOrg,
     kWrites,
     &kPatch,
     nullptr,
     patch,
     kOne,
     {},
     "webhook.change"},
    {"DELETE",
     kSingle,
     "deleteWebhook",
     "Erase an endpoint",
     kOrg,
     kWrites,
     nullptr,
     nullptr,
     erase,
     kGone,
     {},
     "webhook.delete"},
    {"POST", "/v1/webhooks/{id}/rotate-secret", "rotateWebhookSecret",
     "Give an endpoint a new secret", kOrg, kWrites, &kRotate, nullptr, rotate, kRotated,
     kCreateProblems, "webhook.rotate_secret"}};

}  // namespace

std::span<const Route> webhook_routes() { return kRoutes; }

}  // namespace wab::bridge
