// The tables of routes, one per file of this folder.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "bridge/router.h"

namespace wab::bridge {

std::span<const Route> document_routes();
std::span<const Route> setup_routes();
std::span<const Route> login_routes();
std::span<const Route> google_routes();
std::span<const Route> me_routes();
std::span<const Route> user_routes();
std::span<const Route> invitation_routes();
std::span<const Route> organization_routes();
std::span<const Route> token_routes();
std::span<const Route> session_routes();
std::span<const Route> pairing_routes();
std::span<const Route> message_routes();
std::span<const Route> webhook_routes();
std::span<const Route> webhook_log_routes();
std::span<const Route> event_routes();
std::span<const Route> audit_routes();
std::span<const Route> usage_routes();
std::span<const Route> console_routes();
std::span<const Route> pairing_link_routes();
std::span<const Route> overview_routes();
std::span<const Route> password_reset_routes();
std::span<const Route> csp_report_routes();
std::span<const Route> backup_routes();

// Shapes that several tables use.
extern const Shape kPageQuery;       // limit, cursor
extern const Shape kSessionShape;    // a session in answers
extern const Shape kTokenShape;      // a token in lists
extern const Shape kMintedShape;     // a token shown once
extern const Shape kUserShape;       // a user in answers
extern const Shape kLoginAnswer;     // whoever signed in
extern const Shape kLimitOverrides;  // of an organization; null takes one away
extern const Shape kQuotaValues;

nlohmann::json quota_json(const QuotaValues& values);

// {"data": [...], "next_cursor": text or null}
Answer page_answer(Call& call, std::string_view list, nlohmann::json data, std::string_view next);
nlohmann::json user_json(const UserRecord& user);
// Whoever signed in, and the cookie.
Answer login_answer(const People::Login& login);
// Attempts at one account and from one address, whatever way in.
std::optional<Problem> over_login_limit(App& app, const Request& request, const std::string& email);
// 204
Answer empty_answer();
// The address of a view of the console. What follows "#" is not sent to any server and so in no
// log.
std::string console_link(const Call& call, const std::string& view);
// Limit and mark of a paged call; refuses a foreign cursor.
struct PageWish {
  size_t limit = 50;
  std::string after;
};
Outcome<PageWish> page_wish(Call& call, std::string_view list);

// Texts of a judged body, "" or empty when absent.
using TextMap = std::vector<std::pair<std::string, std::string>>;
std::string text_of(const nlohmann::json& body, std::string_view key);
std::vector<std::string> texts_of(const nlohmann::json& body, std::string_view key);
TextMap map_of(const nlohmann::json& body, std::string_view key);
nlohmann::json map_json(const TextMap& map);
// Code::limit_reached when the caller's organization has no place for one more, or no bytes.
awaitable<Outcome<void>> room_for(Call& call, Quota quota);
// {name, role, scopes?, sessions?, ip_allow?, expires_in?} to a token for `owner`, with at most
// what `most` allows (nothing: an operator, who may give everything).
awaitable<Outcome<Answer>> create_token(Call& call, storage::OrgScope owner,
                                        std::optional<Permissions> most, Role highest);
extern const Shape kNewTokenShape;

}  // namespace wab::bridge
