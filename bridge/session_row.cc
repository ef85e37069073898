#include "bridge/session_row.h"

#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;

storage::Row session_row(const SessionView& view) {
  json metadata = json::object();
  for (const auto& [key, value] : view.settings.metadata) metadata[key] = value;
  json row = {{"v", 1},
              {"id", view.id.text()},
              {"name", view.settings.name},
              {"metadata", metadata},
              {"proxy", view.settings.proxy},
              {"wanted", view.wanted},
              {"created_at", view.created_at},
              {"updated_at", view.updated_at}};
  if (!view.restore_seen.empty()) row["restore_seen"] = view.restore_seen;
  return json_row(storage::Kind::session_config, view.id.text(), row);
}

std::optional<SessionView> read_session_row(ByteView stored) {
  const auto row = parse_stored(stored);
  if (!row) return std::nullopt;
  const auto id = SessionId::parse(text_at(*row, "id"));
  if (!id) return std::nullopt;
  SessionView out;
  out.id = *id;
  out.settings.name = text_at(*row, "name");
  out.settings.proxy = text_at(*row, "proxy");
  if (const auto it = row->find("metadata"); it != row->end() && it->is_object()) {
    for (const auto& [key, value] : it->items()) {
      if (value.is_string()) out.settings.metadata.emplace_back(key, value.get<std::string>());
    }
  }
  out.wanted = row->value("wanted", false);
  out.restore_seen = text_at(*row, "restore_seen");
  out.created_at = number_at(*row, "created_at");
  out.updated_at = number_at(*row, "updated_at");
  return out;
}

}  // namespace wab::bridge
