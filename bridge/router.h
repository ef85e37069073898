// The constant table of routes, and the one way a request takes through it.
//
// handle() is: address limit, route, setup gate, caller, token and organization limit, permission,
// query, body, Idempotency-Key, handler. What is not in the table does not exist: 404, or 405 with
// Allow when the address has other methods. /openapi.json is printed from the same table.
#pragma once

#include <span>

#include "bridge/app.h"
#include "bridge/request.h"

namespace wab::bridge {

enum class Access : uint8_t {
  open,          // no caller
  page,          // no caller, served before setup too: the console's static files
  visitor,       // whoever came by a pairing link; the handler asks for their cookie
  setup,         // only while setup is pending
  session,       // whoever is logged in, operators too
  operators,     // operators only
  organization,  // a caller of an organization with the route's permission
  either,        // such a caller, or an operator, each for their own rows
};

// When the entry of the audit log is written; see bridge/audit.h.
enum class AuditOrder : uint8_t {
  around,  // "begun" before the handler, the outcome after it
  after,   // the outcome alone: the effect is worth nothing without the answer (sign-in)
};

// What a handler adds to its entry.
struct AuditNote {
  std::string actor;   // as whom, on routes without a caller: an e-mail address, a user's id
  std::string target;  // instead of the ids of the path and of what was made
  std::string detail;
  bool refused = false;  // although the answer is no error: a browser is sent to a page that tells
  std::optional<storage::OrgScope> organization;  // whose log is told as well
};

// One call of a handler; lives in the router's frame while the handler runs.
struct Call {
  App& app;
  const Request& request;
  const Caller* caller;          // null for Access::open, ::page, ::visitor, ::setup
  const nlohmann::json& body;    // judged by the route's shape; null without one
  std::vector<std::string> ids;  // path parameters in order, judged by their handler
  Idempotency::Ticket* ticket;   // null without Idempotency-Key
  const std::string* repeated;   // the reference of an earlier answer to the same key
  AuditNote note = {};           // for the audit log, when the route has an action there

  storage::OrgScope org() const { return caller->scope(); }
  // A query parameter that was judged to be a number.
  int64_t number(std::string_view name, int64_t otherwise) const;
  // The path parameter, or 404: an id that does not even parse is as unknown as a foreign one.
  template <class IdType>
  Outcome<IdType> id(size_t index = 0) const {
    const auto parsed = IdType::parse(ids[index]);
    if (!parsed) return refuse(Code::not_found);
    return *parsed;
  }
  // Rows that make the answer repeatable, for the handler's own commit. Empty without a key.
  std::vector<storage::Row> repeatable(const Answer& answer) const;
};

// One answer a route gives, for the document; error answers of every route are added there.
struct Reply {
  int status;
  std::string_view about;
  const Shape* shape = nullptr;  // of a JSON body
  std::string_view media = {};   // when it is not JSON, comma-separated
};

using Handler = awaitable<Outcome<Answer>> (*)(Call& call);

// True for the kinds of access that no token or browser session is asked for.
constexpr bool is_callerless(Access access) {
  return access == Access::open || access == Access::page || access == Access::visitor ||
         access == Access::setup;
}

struct Route {
  std::string_view method;
  std::string_view pattern;  // "/v1/sessions/{id}/qr"
  std::string_view name;     // operationId
  std::string_view summary;
  Access access;
  Permission permission;  // with Access::organization
  const Shape* body;      // null: no body
  const Shape* query;     // null: no parameters
  Handler handler;
  std::span<const Reply> replies;
  std::span<const Code> problems = {};  // beyond those every route has
  std::string_view audit = {};          // "session.delete"; empty: not in the audit log (reads)
  AuditOrder audit_order = AuditOrder::around;
  // Media types of a body that the handler reads and judges itself: what browsers send unasked.
  std::span<const std::string_view> unjudged = {};
};

// All tables of routes/*, in the order of the document.
std::span<const std::span<const Route>> all_routes();
// The path parameters of `path` when it matches.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path);

// Never fails; the answer carries every header but Content-Length.
awaitable<Answer> handle(App& app, const Request& request);
// Puts the headers of every answer on one that did not come from handle(): a parse error.
void dress(Answer& answer, const Request& request, const Config& config);

}  // namespace wab::bridge
