// A bench with people: users of organizations, their browsers, their authenticator apps.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <set>

#include "bridge/totp.h"
#include "tests/bridge/bench.h"

namespace wab::bridge::test {

inline const std::string kGood = "three green kettles";

struct PeopleBench : Bench {
  std::string org(const std::string& name) {
    const auto made =
        call("POST", "/v1/organizations", json{{"name", name}}.dump(), operator_token());
    return json::parse(made.body).value("id", "");
  }
  std::string user(const std::string& email, Role role, const std::string& organization = "") {
    std::optional<OrgId> of;
    if (!organization.empty()) of = OrgId::parse(organization);
    auto made = wait(people.create_user(email, kGood, role, of));
    EXPECT_TRUE(made.has_value());
    return made ? made->text() : "";
  }
  Answer sign_in(const std::string& email, const std::string& password = kGood,
                 const std::string& code = "", Headers extra = {}) {
    json body = {{"email", email}, {"password", password}};
    if (!code.empty()) body["code"] = code;
    clock.advance(std::chrono::minutes(3));  // of the limits
    return call("POST", "/v1/login", body.dump(), "", std::move(extra));
  }
  static std::string cookie_in(const Answer& answer) {
    const auto set = header_of(answer, "Set-Cookie");
    return set.substr(0, set.find(';'));
  }
  // "__Host-wab=..."
  std::string browser(const std::string& email) {
    const auto answer = sign_in(email);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return cookie_in(answer);
  }
  Answer with(const std::string& cookie, const std::string& method, const std::string& path,
              const std::string& body = "") {
    return call(method, path, body, "", {{"Cookie", cookie}, {"Sec-Fetch-Site", "same-origin"}});
  }
  json ask(const std::string& cookie, const std::string& path) {
    const auto answer = with(cookie, "GET", path);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body, nullptr, false);
  }
  // All at once; each answer in the place of its request.
  std::vector<Answer> together(const std::vector<Request>& requests) {
    std::vector<Answer> answers(requests.size());
    const auto keep = boost::asio::make_work_guard(loop);
    size_t open = requests.size();
    for (size_t i = 0; i < requests.size(); ++i) {
      boost::asio::co_spawn(loop, run_handle(app, requests[i], answers[i]),
                            [&open](std::exception_ptr) { --open; });
    }
    loop.restart();
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (open > 0 && std::chrono::steady_clock::now() < limit) {
      loop.run_one_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(open, 0u);
    return answers;
  }
  std::string code_now(const std::string& secret, int64_t steps = 0) {
    return totp_code(*parse_totp_secret(secret), clock.now_s() / kTotpStepS + steps);
  }
};

}  // namespace wab::bridge::test
