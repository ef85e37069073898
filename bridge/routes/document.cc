// GET /openapi.json

#include "bridge/openapi.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

awaitable<Outcome<Answer>> document(Call&) {
  Answer answer;
  answer.body = openapi_document();
  co_return answer;
}

constexpr Reply kReplies[] = {{200, "This document", nullptr, "application/json"}};
constexpr Route kRoutes[] = {{"GET",
                              "/openapi.json",
                              "openapi",
                              "The OpenAPI 3.1 document",
                              Access::open,
                              {},
                              nullptr,
                              nullptr,
                              document,
                              kReplies}};

}  // namespace

std::span<const Route> document_routes() { return kRoutes; }

}  // namespace wab::bridge
