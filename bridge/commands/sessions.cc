#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bridge/commands/commands.h"
#include "bridge/parts.h"
#include "bridge/service.h"
#include "session/wire/dial.h"
#include "session/wire/http.h"
#include "session/wire/url.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

struct Api {
  wire::Url base;
  std::string token;
  wire::Dialer dialer;
};

awaitable<Result<wire::HttpResponse>> call(Api& api, std::string method, std::string target) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  wire::Target where;
  where.host = api.base.host;
  where.port = api.base.port;
  where.tls = api.base.tls();
  wire::DialRules rules;
  CO_TRY(auto stream, co_await api.dialer.dial(std::move(where), std::move(rules), deadline));
  wire::HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers.set("host", api.base.authority());
  request.headers.set("authorization", "Bearer " + api.token);
  request.headers.set("connection", "close");
  wire::HttpLimits limits;
  CO_TRY(auto answer, co_await wire::exchange(*stream, std::move(request), limits, deadline));
  co_return std::move(answer.response);
}

int report(const Result<wire::HttpResponse>& answer) {
  if (!answer) {
    std::cerr << "the service does not answer: " << answer.error().describe() << std::endl;
    return kExitFailed;
  }
  if (answer->status >= 300) {
    std::cerr << to_string(answer->body) << std::endl;
    return kExitFailed;
  }
  return kExitDone;
}

awaitable<int> list(Api& api) {
  std::string cursor;
  do {
    std::string target = "/v1/sessions?limit=100" + (cursor.empty() ? "" : "&cursor=" + cursor);
    auto answer = co_await call(api, "GET", std::move(target));
    if (const int code = report(answer); code != kExitDone) co_return code;
    const json page = json::parse(answer->body, nullptr, false);
    if (page.is_discarded()) co_return kExitFailed;
    for (const auto& session : page.value("data", json::array())) {
      std::cout << session.value("id", "") << "\t" << session.value("status", "") << "\t"
                << session.value("name", "") << std::endl;
    }
    const auto next = page.find("next_cursor");
    cursor = next != page.end() && next->is_string() ? next->get<std::string>() : "";
  } while (!cursor.empty());
  co_return kExitDone;
}

awaitable<int> act(Api& api, std::string id, std::string action) {
  std::string target = "/v1/sessions/" + id + "/" + action;
  auto answer = co_await call(api, "POST", std::move(target));
  co_return report(answer);
}

int with_api(const ApiTarget& target, const std::function<awaitable<int>(Api&)>& work) {
  auto url = wire::parse_url(target.url);
  if (!url) {
    std::cerr << "--api: write the address of the service, such as http://127.0.0.1:8080"
              << std::endl;
    return kExitUsage;
  }
  std::string token;
  if (!target.token_file.empty()) {
    std::ifstream file(target.token_file);
    std::getline(file, token);
  } else if (const char* given = std::getenv("WASLO_TOKEN")) {
    token = given;
  }
  if (token.empty()) {
    std::cerr << "--token-file: name a file with a token, or set WASLO_TOKEN" << std::endl;
    return kExitUsage;
  }
  auto trust = wire::TlsContext::client();
  if (!trust) return kExitFailed;
  Shards shards(1);
  BlockingPool lookup("lookup", 1, 16);
  Api api{std::move(*url), std::move(token), wire::Dialer(lookup, std::move(*trust))};
  std::function<awaitable<int>()> run = [&] { return work(api); };
  return run_to_end(shards, std::move(run));
}

}  // namespace

int session_list(const ApiTarget& target) {
  return with_api(target, [](Api& api) { return list(api); });
}

int session_act(const ApiTarget& target, const std::string& id, const std::string& action) {
  if (!SessionId::parse(id)) {
    std::cerr << id << ": not a session id" << std::endl;
    return kExitUsage;
  }
  return with_api(target, [&](Api& api) { return act(api, id, action); });
}

}  // namespace wab::bridge
