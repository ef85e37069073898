// Rows of the bridge as JSON with a version "v": reading and writing them without surprises.
//
// Included by .cc files only: it brings the whole of nlohmann-json. A row whose JSON does not parse
// or whose "v" is unknown is StoreError::version.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "storage/store.h"

namespace wab::bridge {

std::optional<nlohmann::json> parse_stored(ByteView value);
storage::Row json_row(storage::Kind kind, std::string name, const nlohmann::json& value);
// "" or 0 when absent or of another type.
std::string text_at(const nlohmann::json& from, const char* key);
int64_t number_at(const nlohmann::json& from, const char* key);

boost::asio::awaitable<Result<std::optional<nlohmann::json>>> load_one(storage::Store& store,
                                                                       storage::Scope scope,
                                                                       storage::Kind kind,
                                                                       std::string name);

}  // namespace wab::bridge
