// What everybody may read: GET /openapi.json, GET /.well-known/security.txt

#include "bridge/openapi.h"
#include "bridge/routes/tables.h"
#include "bridge/security_txt.h"

namespace wab::bridge {
namespace {

awaitable<Outcome<Answer>> document(Call&) {
  Answer answer;
  answer.body = openapi_document();
  co_return answer;
}

awaitable<Outcome<Answer>> contact(Call& call) {
  Answer answer;
  answer.content_type = "text/plain; charset=utf-8";
  answer.body = security_txt(call.app.config, call.app.clock.now_ms());
  co_return answer;
}

constexpr Reply kReplies[] = {{200, "This document", nullptr, "application/json"}};
constexpr Reply kContactReplies[] = {{200, "Fields of RFC 9116", nullptr, "text/plain"}};
constexpr Route kRoutes[] = {{"GET",
                              "/openapi.json",
                              "openapi",
                              "The OpenAPI 3.1 document",
                              Access::open,
                              {},
                              nullptr,
                              nullptr,
                              document,
                              kReplies},
                             {"GET",
                              "/.well-known/security.txt",
                              "securityContact",
                              "Whom to tell about a vulnerability",
                              Access::open,
                              {},
                              nullptr,
                              nullptr,
                              contact,
                              kContactReplies}};

}  // namespace

std::span<const Route> document_routes() { return kRoutes; }

}  // namespace wab::bridge
