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
std::span<const Route> organization_routes();
std::span<const Route> token_routes();
std::span<const Route> session_routes();
std::span<const Route> pairing_routes();
std::span<const Route> message_routes();
std::span<const Route> webhook_routes();
std::span<const Route> event_routes();
std::span<const Route> audit_routes();

// Shapes that several tables use.
extern const Shape kPageQuery;     // limit, cursor
extern const Shape kSessionShape;  // a session in answers
extern const Shape kTokenShape;    // a token in lists
extern const Shape kMintedShape;   // a token shown once

// {"data": [...], "next_cursor": text or null}
Answer page_answer(Call& call, std::string_view list, nlohmann::json data, std::string_view next);
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
// {name, role, scopes?, expires_in?} to a token for `owner`, with at most what `most` allows
// (nothing: an operator, who may give everything).
awaitable<Outcome<Answer>> create_token(Call& call, storage::OrgScope owner,
                                        std::optional<Permissions> most, Role highest);
extern const Shape kNewTokenShape;

}  // namespace wab::bridge
