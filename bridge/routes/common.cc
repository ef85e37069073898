#include <nlohmann/json.hpp>

#include "bridge/cursor.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {

using nlohmann::json;

namespace {
constexpr Field kPageFields[] = {
    {.name = "limit", .type = Type::integer, .min = 1, .max = 100, .about = "Items per page, 50."},
    {.name = "cursor", .max = 512, .about = "next_cursor of the page before."}};
}  // namespace
extern constexpr Shape kPageQuery{"page", kPageFields};

Answer page_answer(Call& call, std::string_view list, json data, std::string_view next) {
  json out = {{"data", std::move(data)}, {"next_cursor", nullptr}};
  if (!next.empty()) out["next_cursor"] = seal_cursor(call.app.store, call.org(), list, next);
  return json_answer(200, out);
}

Answer empty_answer() {
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  return answer;
}

std::string console_link(const Call& call, const std::string& view) {
  std::string base = call.app.config.http.public_url;
  while (base.ends_with('/')) base.pop_back();
  if (base.empty()) {
    base = call.request.secure ? "https://" : "http://";
    base += call.request.header("host");
  }
  return base + "/#/" + view;
}

Outcome<PageWish> page_wish(Call& call, std::string_view list) {
  PageWish wish;
  wish.limit = static_cast<size_t>(call.number("limit", 50));
  auto mark = open_cursor(call.app.store, call.org(), list, call.request.parameter("cursor"));
  if (!mark) return refuse(Code::invalid_cursor);
  wish.after = std::move(*mark);
  return wish;
}

awaitable<Outcome<void>> room_for(Call& call, Quota quota) {
  for (const auto one : {quota, Quota::storage_bytes}) {
    auto room = co_await call.app.quotas.room(call.org(), one);
    if (!room) co_return refuse(room.error());
  }
  co_return Outcome<void>();
}

std::string text_of(const json& body, std::string_view key) {
  const auto found = body.find(key);
  return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_of(const json& body, std::string_view key) {
  std::vector<std::string> out;
  const auto found = body.find(key);
  if (found == body.end() || !found->is_array()) return out;
  for (const auto& item : *found) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

TextMap map_of(const json& body, std::string_view key) {
  TextMap out;
  const auto found = body.find(key);
  if (found == body.end() || !found->is_object()) return out;
  for (const auto& [name, value] : found->items()) {
    if (value.is_string()) out.emplace_back(name, value.get<std::string>());
  }
  return out;
}

json map_json(const TextMap& map) {
  json out = json::object();
  for (const auto& [name, value] : map) out[name] = value;
  return out;
}

}  // namespace wab::bridge
