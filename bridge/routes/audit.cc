// GET /v1/audit, GET /v1/audit/export: who did what. An organization's caller reads its log, an
// operator the deployment's: sign-ins, and what operators did.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr int64_t kExportMost = 10'000;

constexpr std::string_view kOrders[] = {"asc", "desc"};
constexpr std::string_view kOutcomes[] = {"begun", "done", "refused", "failed"};
constexpr Field kListFields[] = {
    {.name = "after",
     .type = Type::integer,
     .min = 0,
     .max = INT64_MAX,
     .about = "next_cursor of the page before, or the number of an entry."},
    {.name = "limit", .type = Type::integer, .min = 1, .max = 1000, .about = "100 by default."},
    {.name = "order", .one_of = kOrders, .about = "asc: oldest first, the default."}};
constexpr Shape kListQuery{"audit_query", kListFields};
constexpr Field kExportFields[] = {
    {.name = "after",
     .type = Type::integer,
     .min = 0,
     .max = INT64_MAX,
     .about = "The last entry of the export before."},
    {.name = "limit", .type = Type::integer, .min = 1, .max = kExportMost, .about = "10000."}};
constexpr Shape kExportQuery{"audit_export_query", kExportFields};

constexpr Field kEntryFields[] = {
    {.name = "seq", .type = Type::integer, .required = true, .min = 1, .max = INT64_MAX},
    {.name = "at", .required = true},
    {.name = "actor", .required = true, .max = 320, .about = "Token, user, or who tried."},
    {.name = "action", .required = true, .about = "Such as session.delete."},
    {.name = "target", .required = true, .max = 320},
    {.name = "address", .required = true},
    {.name = "request", .required = true, .about = "X-Request-Id."},
    {.name = "outcome",
     .required = true,
     .one_of = kOutcomes,
     .about = "begun is written before the effect; the next entry of the request says its end."},
    {.name = "detail", .required = true, .max = 512},
    {.name = "prev", .required = true, .about = "hash of the entry before."},
    {.name = "hash", .required = true, .about = "SHA-256 of the entry's line before its hash."}};
constexpr Shape kEntry{"audit_entry", kEntryFields};
constexpr Field kPageFields[] = {{.name = "data",
                                  .type = Type::array,
                                  .required = true,
                                  .max = 1000,
                                  .shape = &kEntry,
                                  .item = Type::object},
                                 {.name = "next_cursor",
                                  .required = true,
                                  .nullable = true,
                                  .about = "after of the next page; null at the end."}};
constexpr Shape kPage{"audit_page", kPageFields};

json shown(const AuditEntry& entry) {
  return {{"seq", entry.seq},         {"at", to_iso8601(entry.at)}, {"actor", entry.actor},
          {"action", entry.action},   {"target", entry.target},     {"address", entry.address},
          {"request", entry.request}, {"outcome", entry.outcome},   {"detail", entry.detail},
          {"prev", entry.prev},       {"hash", entry.hash}};
}

awaitable<Outcome<Answer>> list(Call& call) {
  Audit& audit = call.app.audit;
  const auto limit = static_cast<uint64_t>(call.number("limit", 100));
  const bool newest_first = call.request.parameter("order") == "desc";
  auto head = co_await audit.head(call.org());
  if (!head) co_return refuse(head.error());
  // (from, to]: the numbers of this page.
  uint64_t from = static_cast<uint64_t>(call.number("after", 0)), to = 0;
  if (newest_first) {
    to = call.request.parameter("after").empty() ? head->seq : std::min(from, head->seq + 1) - 1;
    if (from == 0 && !call.request.parameter("after").empty()) to = 0;
    from = to > limit ? to - limit : 0;
  } else {
    to = from >= head->seq ? from : std::min(head->seq, from + limit);
  }
  auto lines = co_await audit.lines(call.org(), from, to - from);
  if (!lines) co_return refuse(lines.error());
  json data = json::array();
  for (const auto& line : *lines) {
    const auto entry = parse_audit_line(line);
    if (!entry) co_return refuse(Code::internal, "The log is damaged: waslo-bridge audit verify.");
    data.push_back(shown(*entry));
  }
  json out = {{"data", std::move(data)}, {"next_cursor", nullptr}};
  if (newest_first) {
    std::reverse(out["data"].begin(), out["data"].end());
    if (from > 0) out["next_cursor"] = std::to_string(from + 1);
  } else if (to < head->seq) {
    out["next_cursor"] = std::to_string(to);
  }
  co_return json_answer(200, out);
}

awaitable<Outcome<Answer>> export_log(Call& call) {
  Audit& audit = call.app.audit;
  AuditSeal seal;
  auto head = co_await audit.head(call.org());
  if (!head) co_return refuse(head.error());
  seal.head = *head;
  seal.chain = audit.name_of(call.org());
  seal.made = call.app.clock.now_ms();
  seal.after = std::min(static_cast<uint64_t>(call.number("after", 0)), head->seq);
  const auto limit = static_cast<uint64_t>(call.number("limit", kExportMost));
  seal.last = std::min(head->seq, seal.after + limit);
  auto lines = co_await audit.lines(call.org(), seal.after, seal.last - seal.after);
  if (!lines) co_return refuse(lines.error());
  Answer answer;
  answer.content_type = "application/x-ndjson; charset=utf-8";
  for (const auto& line : *lines) answer.body += line + "\n";
  answer.body += seal_line(seal, audit.mac_of(call.org())) + "\n";
  co_return answer;
}

constexpr Reply kListReplies[] = {{200, "Entries in order", &kPage}};
constexpr Reply kExportReplies[] = {
    {200,
     "One entry per line as it is hashed, then a line that seals the export; check it with "
     "`waslo-bridge audit verify --export`",
     nullptr, "application/x-ndjson"}};
constexpr Route kRoutes[] = {
    {"GET", "/v1/audit", "listAudit", "Read the audit log", Access::either, Permission::audit_read,
     nullptr, &kListQuery, list, kListReplies},
    {"GET", "/v1/audit/export", "exportAudit", "Export the audit log", Access::either,
     Permission::audit_read, nullptr, &kExportQuery, export_log, kExportReplies}};

}  // namespace

std::span<const Route> audit_routes() { return kRoutes; }

}  // namespace wab::bridge
