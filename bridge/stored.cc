#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;

std::optional<json> parse_stored(ByteView value) {
  auto parsed = json::parse(value.begin(), value.end(), nullptr, false);
  if (!parsed.is_object() || number_at(parsed, "v") != 1) return std::nullopt;
  return parsed;
}

storage::Row json_row(storage::Kind kind, std::string name, const json& value) {
  storage::Row row;
  row.key.kind = kind;
  row.key.name = std::move(name);
  row.value = to_bytes(value.dump(-1, ' ', false, json::error_handler_t::replace));
  return row;
}

std::string text_at(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int64_t number_at(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

boost::asio::awaitable<Result<std::optional<json>>> load_one(storage::Store& store,
                                                             storage::Scope scope,
                                                             storage::Kind kind, std::string name) {
  std::vector<storage::Key> keys(1);
  keys[0].kind = kind;
  keys[0].name = std::move(name);
  CO_TRY(auto values, co_await store.load(scope, std::move(keys)));
  if (!values[0]) co_return std::optional<json>();
  auto parsed = parse_stored(*values[0]);
  if (!parsed) co_return fail(storage::StoreError::version, "stored row of the bridge");
  co_return parsed;
}

}  // namespace wab::bridge
