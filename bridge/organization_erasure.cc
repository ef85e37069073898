#include "bridge/organization_erasure.h"

#include <nlohmann/json.hpp>

namespace wab::bridge {

using nlohmann::json;
using storage::Kind;

bool is_being_erased(const json& organization_row) {
  return organization_row.value("erasing", false);
}

awaitable<Outcome<void>> mark_erased(storage::Store* store, storage::OrgScope deployment,
                                     json organization_row) {
  organization_row["erasing"] = true;
  storage::Commit commit{storage::Scope(deployment)};
  commit.put.push_back(
      json_row(Kind::organization, text_at(organization_row, "id"), organization_row));
  auto written = co_await store->commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<void>> finish_erasing(storage::Store* store, Audit* audit,
                                        storage::OrgScope deployment, storage::OrgScope org) {
  const storage::Scope everything(org);
  auto erased = co_await store->erase_all(everything);
  if (!erased) co_return refuse(problem_of(erased.error()));
  auto forgotten = co_await audit->forget(org);
  if (!forgotten) co_return refuse(forgotten.error());
  storage::Commit commit{storage::Scope(deployment)};
  storage::Key key;
  key.kind = Kind::organization;
  key.name = org.org().text();
  commit.erase.push_back(std::move(key));
  auto written = co_await store->commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

}  // namespace wab::bridge
