// GET /, /pair, /console/{version}/{file}: the console's static files, before set-up too.

#include "bridge/console.h"

#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

// Another site gets nothing to look at: neither pictures nor times.
bool foreign(const Request& request) {
  const auto site = request.header("sec-fetch-site");
  return (site == "cross-site" || site == "same-site") &&
         request.header("sec-fetch-mode") != "navigate";
}

Outcome<Answer> file_answer(const Request& request, const ConsoleFile* file, bool lasting) {
  if (!file) return refuse(Code::not_found);
  if (foreign(request)) return refuse(Code::cross_site);
  Answer answer;
  answer.headers = {{"Content-Security-Policy", std::string(kConsolePolicy)},
                    {"Reporting-Endpoints", std::string(kConsoleReports)},
                    {"Cross-Origin-Embedder-Policy", "require-corp"},
                    {"X-DNS-Prefetch-Control", "off"},
                    {"Cache-Control", lasting ? "public, max-age=31536000, immutable" : "no-cache"},
                    {"ETag", file->etag}};
  const auto known = request.header("if-none-match");
  if (known.find(file->etag) != std::string_view::npos) {
    answer.status = 304;
    answer.content_type.clear();
    return answer;
  }
  answer.content_type = file->type;
  answer.body = file->text;
  return answer;
}

awaitable<Outcome<Answer>> home(Call& call) {
  co_return file_answer(call.request, console_file("index.html"), false);
}
awaitable<Outcome<Answer>> pair(Call& call) {
  co_return file_answer(call.request, console_file("pair.html"), false);
}
awaitable<Outcome<Answer>> file(Call& call) {
  const std::string& name = call.ids[1];
  if (call.ids[0] != console_version() || name.ends_with(".html")) {
    co_return refuse(Code::not_found);
  }
  co_return file_answer(call.request, console_file(name), true);
}

constexpr Reply kPages[] = {{200, "The page", nullptr, "text/html"},
                            {304, "The page that the browser has is current"}};
constexpr Reply kFiles[] = {{200, "The file", nullptr, "text/javascript,text/css,image/svg+xml"},
                            {304, "The file that the browser has is current"}};
constexpr Code kProblems[] = {Code::cross_site};
constexpr Route kRoutes[] = {{"GET",
                              "/",
                              "console",
                              "The console",
                              Access::page,
                              {},
                              nullptr,
                              nullptr,
                              home,
                              kPages,
                              kProblems},
                             {"GET",
                              "/pair",
                              "pairingPage",
                              "The page of a pairing link",
                              Access::page,
                              {},
                              nullptr,
                              nullptr,
                              pair,
                              kPages,
                              kProblems},
                             {"GET",
                              "/console/{version}/{file}",
                              "consoleFile",
                              "A file of the console",
                              Access::page,
                              {},
                              nullptr,
                              nullptr,
                              file,
                              kFiles,
                              kProblems}};

}  // namespace

std::span<const Route> console_routes() { return kRoutes; }

}  // namespace wab::bridge
