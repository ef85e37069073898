// POST /v1/seal: the service forgets every key. What undoes it is no route: while sealed, no token
// can be looked up, so `waslo-bridge unseal` on the machine itself does (bridge/sealed.h).

#include "bridge/routes/seal.h"

#include <nlohmann/json.hpp>

#include "bridge/sealing.h"

namespace wab::bridge {
namespace {

awaitable<Outcome<Answer>> seal(Call&) {
  SealSwitch::of_process().throw_it();
  const nlohmann::json body = {{"status", "sealing"}};
  co_return json_answer(202, body);
}

constexpr Field kFields[] = {{.name = "status", .required = true, .about = "sealing"}};
constexpr Shape kSealing{"sealing", kFields};
constexpr Reply kReplies[] = {{202, "Sessions stop, then nothing is answered but 503", &kSealing}};
constexpr Route kRoutes[] = {{"POST",
                              "/v1/seal",
                              "seal",
                              "Stop all sessions and forget every key",
                              Access::operators,
                              {},
                              nullptr,
                              nullptr,
                              seal,
                              kReplies,
                              {},
                              "store.seal"}};

}  // namespace

std::span<const Route> seal_routes() { return kRoutes; }

}  // namespace wab::bridge
