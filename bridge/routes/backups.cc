// /v1/backups: of the whole store, for operators.

#include "bridge/backups.h"

#include <nlohmann/json.hpp>

#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr Field kOneFields[] = {
    {.name = "id", .type = Type::integer, .required = true, .min = 1, .max = INT64_MAX},
    {.name = "created_at", .required = true},
    {.name = "bytes",
     .type = Type::integer,
     .required = true,
     .max = INT64_MAX,
     .about = "Of its files; those that it shares with others are counted in each."},
    {.name = "files", .type = Type::integer, .required = true, .max = INT64_MAX}};
constexpr Shape kOne{"backup", kOneFields};
constexpr Field kStateFields[] = {{.name = "running", .type = Type::boolean, .required = true},
                                  {.name = "copied_bytes",
                                   .type = Type::integer,
                                   .required = true,
                                   .max = INT64_MAX,
                                   .about = "By the one that runs."},
                                  {.name = "last_error",
                                   .required = true,
                                   .max = 2000,
                                   .nullable = true,
                                   .about = "Of the last that ended; null when it was whole."},
                                  {.name = "data",
                                   .type = Type::array,
                                   .required = true,
                                   .max = 10000,
                                   .shape = &kOne,
                                   .item = Type::object,
                                   .about = "Whole backups, oldest first."}};
constexpr Shape kState{"backups", kStateFields};

awaitable<Outcome<Answer>> shown(Call& call, int status) {
  if (call.app.backups == nullptr) co_return refuse(Code::not_found);
  auto state = co_await call.app.backups->state();
  if (!state) co_return refuse(state.error());
  json data = json::array();
  for (const auto& entry : state->backups) {
    data.push_back({{"id", entry.id},
                    {"created_at", to_iso8601(entry.at)},
                    {"bytes", entry.bytes},
                    {"files", entry.files}});
  }
  json out = {{"running", state->running},
              {"copied_bytes", state->copied_bytes},
              {"last_error", nullptr},
              {"data", std::move(data)}};
  if (!state->last_error.empty()) out["last_error"] = state->last_error;
  co_return json_answer(status, out);
}

awaitable<Outcome<Answer>> list(Call& call) {
  auto answer = co_await shown(call, 200);
  co_return answer;
}

awaitable<Outcome<Answer>> create(Call& call) {
  if (call.app.backups == nullptr) co_return refuse(Code::not_found);
  auto begun = call.app.backups->request();
  if (!begun) co_return refuse(begun.error());
  auto answer = co_await shown(call, 202);
  co_return answer;
}

constexpr Reply kListed[] = {{200, "What there is", &kState}};
constexpr Reply kBegun[] = {{202, "Begun, or running already", &kState}};
constexpr Code kProblems[] = {Code::conflict};
constexpr Route kRoutes[] = {{"GET",
                              "/v1/backups",
                              "listBackups",
                              "List the backups of the store",
                              Access::operators,
                              {},
                              nullptr,
                              nullptr,
                              list,
                              kListed},
                             {"POST",
                              "/v1/backups",
                              "createBackup",
                              "Make a backup of the store",
                              Access::operators,
                              {},
                              nullptr,
                              nullptr,
                              create,
                              kBegun,
                              kProblems,
                              "backup.create"}};

}  // namespace

std::span<const Route> backup_routes() { return kRoutes; }

}  // namespace wab::bridge
