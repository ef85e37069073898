#include "bridge/session_erasure.h"

#include <nlohmann/json.hpp>

#include "bridge/session_row.h"
#include "bridge/stored.h"

namespace wab::bridge {

using storage::Kind;

bool is_being_erased(ByteView session_row) {
  const auto row = parse_stored(session_row);
  return row && row->value("erasing", false);
}

awaitable<Result<void>> mark_session_erased(storage::Store* store, storage::OrgScope org,
                                            SessionView view) {
  auto row = parse_stored(session_row(view).value);
  storage::Commit commit{storage::Scope(org)};
  if (row) {
    (*row)["erasing"] = true;
    commit.put.push_back(json_row(Kind::session_config, view.id.text(), *row));
  }
  CO_TRY_VOID(co_await store->commit(std::move(commit)));
  co_return ok();
}

awaitable<Result<void>> finish_erasing_session(storage::Store* store, storage::OrgScope org,
                                               SessionId id) {
  const storage::Scope everything(org, id);
  CO_TRY_VOID(co_await store->erase_all(everything));
  storage::Commit commit{storage::Scope(org)};
  storage::Key key;
  key.kind = Kind::session_config;
  key.name = id.text();
  commit.erase.push_back(std::move(key));
  CO_TRY_VOID(co_await store->commit(std::move(commit)));
  co_return ok();
}

}  // namespace wab::bridge
