// The rows of a page of the store, as what they stand for.
//
// Pure; included by .cc files only.
#pragma once

#include <vector>

#include "bridge/stored.h"

namespace wab::bridge {

// What `decode` (JSON to an optional) makes of each row; what it cannot read is left out.
template <class Decode>
auto decoded(const std::vector<storage::Row>& rows, Decode decode) {
  using Item = typename decltype(decode(nlohmann::json()))::value_type;
  std::vector<Item> out;
  for (const auto& row : rows) {
    const auto stored = parse_stored(row.value);
    auto item = stored ? decode(*stored) : std::nullopt;
    if (item) out.push_back(std::move(*item));
  }
  return out;
}

}  // namespace wab::bridge
