// Invitations: once, for a while, for whom they were made; and nothing of them at rest but a hash.
#include "tests/bridge/people_bench.h"

namespace wab::bridge::test {
namespace {

class Invitations : public ::testing::Test {
 protected:
  Invitations() {
    bench.user("admin@a.example", Role::admin, a);
    admin = bench.browser("admin@a.example");
  }
  json invite(const std::string& email, const std::string& role) {
    const auto answer =
        bench.with(admin, "POST", "/v1/invitations", json{{"email", email}, {"role", role}}.dump());
    EXPECT_EQ(answer.status, 201) << answer.body;
    return json::parse(answer.body);
  }
  Answer accept(const json& invitation, const std::string& password = kGood) {
    bench.clock.advance(std::chrono::seconds(10));
    return bench.call("POST", "/v1/invitations/accept",
                      json{{"token", invitation["token"]}, {"password", password}}.dump());
  }
  PeopleBench bench;
  std::string a = bench.org("A"), b = bench.org("B"), admin;
};

TEST_F(Invitations, MakeAUserOnce) {
  const auto made = invite("New@A.example", "agent");
  EXPECT_EQ(made["email"], "new@a.example");
  const std::string token = made["token"];
  EXPECT_TRUE(made["link"].get<std::string>().ends_with("/#/invitation/" + token));
  EXPECT_EQ(bench.store.everything().find(token), std::string::npos);
  EXPECT_EQ(bench.store.everything().find(token.substr(11)), std::string::npos);
  const auto user = accept(made);
  ASSERT_EQ(user.status, 201) << user.body;
  EXPECT_EQ(json::parse(user.body)["organization_id"], a);
  EXPECT_EQ(json::parse(user.body)["role"], "agent");
  EXPECT_EQ(code_of(accept(made)), "invitation_refused");
  EXPECT_TRUE(bench.ask(admin, "/v1/invitations")["data"].empty());
  EXPECT_EQ(bench.ask(bench.browser("new@a.example"), "/v1/me")["role"], "agent");
  EXPECT_EQ(bench.ask(admin, "/v1/users")["data"].size(), 2u);
}

TEST_F(Invitations, ExpireAndCanBeTakenBack) {
  const auto late = invite("late@a.example", "viewer");
  bench.clock.advance(std::chrono::hours(24 * 7) - std::chrono::minutes(1));
  bench.sign_in("admin@a.example");
  bench.clock.advance(std::chrono::minutes(1));
  EXPECT_EQ(code_of(accept(late)), "invitation_refused");

  admin = bench.browser("admin@a.example");
  const auto back = invite("back@a.example", "viewer");
  EXPECT_EQ(bench.ask(admin, "/v1/invitations")["data"].size(), 2u);
  const auto path = "/v1/invitations/" + back["id"].get<std::string>();
  EXPECT_EQ(bench.with(admin, "DELETE", path).status, 204);
  EXPECT_EQ(bench.with(admin, "DELETE", path).status, 404);
  EXPECT_EQ(code_of(accept(back)), "invitation_refused");
}

TEST_F(Invitations, AForeignOneIsUnknown) {
  const auto made = invite("new@a.example", "viewer");
  bench.user("owner@b.example", Role::owner, b);
  const auto other = bench.browser("owner@b.example");
  const auto path = "/v1/invitations/" + made["id"].get<std::string>();
  EXPECT_EQ(bench.with(other, "DELETE", path).status, 404);
  EXPECT_TRUE(bench.ask(other, "/v1/invitations")["data"].empty());
  EXPECT_EQ(accept(made).status, 201);
}

TEST_F(Invitations, NobodyInvitesAboveHimself) {
  auto status = [&](const std::string& cookie, const std::string& role) {
    return bench
        .with(cookie, "POST", "/v1/invitations",
              json{{"email", "x@a.example"}, {"role", role}}.dump())
        .status;
  };
  EXPECT_EQ(status(admin, "owner"), 403);
  EXPECT_EQ(status(admin, "operator"), 403);
  EXPECT_EQ(status(admin, "admin"), 201);
  bench.user("agent@a.example", Role::agent, a);
  EXPECT_EQ(status(bench.browser("agent@a.example"), "viewer"), 403);
}

TEST_F(Invitations, OperatorsInviteOperatorsAndIntoAnyOrganization) {
  const std::string op = bench.operator_token();
  auto answer = bench.call("POST", "/v1/organizations/" + b + "/invitations",
                           R"({"email":"owner@b.example","role":"owner"})", op);
  ASSERT_EQ(answer.status, 201) << answer.body;
  auto user = accept(json::parse(answer.body));
  ASSERT_EQ(user.status, 201) << user.body;
  EXPECT_EQ(json::parse(user.body)["organization_id"], b);
  EXPECT_EQ(
      bench
          .call("POST", "/v1/organizations/" + OrgId::random(bench.random).text() + "/invitations",
                R"({"email":"x@b.example","role":"owner"})", op)
          .status,
      404);
  EXPECT_EQ(
      bench.call("POST", "/v1/invitations", R"({"email":"x@x.example","role":"owner"})", op).status,
      403);
  answer = bench.call("POST", "/v1/invitations",
                      R"({"email":"second@example.org","role":"operator"})", op);
  ASSERT_EQ(answer.status, 201) << answer.body;
  user = accept(json::parse(answer.body));
  ASSERT_EQ(user.status, 201) << user.body;
  const auto second = bench.browser("second@example.org");
  EXPECT_EQ(bench.with(second, "GET", "/v1/organizations").status, 200);
}

TEST_F(Invitations, WhatCannotBeAccepted) {
  const auto made = invite("new.person@a.example", "viewer");
  EXPECT_EQ(code_of(accept(made, "qwertyqwerty")), "weak_password");
  EXPECT_EQ(code_of(accept(made, "new.person 4 ever")), "weak_password");
  EXPECT_EQ(accept(made, "short").status, 400);
  json wrong = made;
  std::string token = made["token"];
  token.back() = token.back() == 'x' ? 'y' : 'x';
  wrong["token"] = token;
  const auto loads = bench.store.loads();
  EXPECT_EQ(code_of(accept(wrong)), "invitation_refused");
  wrong["token"] = make_token(TokenKind::invitation, bench.random);
  EXPECT_EQ(code_of(accept(wrong)), "invitation_refused");
  EXPECT_GT(bench.store.loads(), loads);
  // An address that has become a user elsewhere: the invitation does not tell who invited.
  bench.user("new.person@a.example", Role::viewer, b);
  EXPECT_EQ(code_of(accept(made)), "conflict");
  EXPECT_EQ(
      bench.with(admin, "POST", "/v1/invitations", R"({"email":"admin@a.example","role":"viewer"})")
          .status,
      409);
  EXPECT_EQ(bench.call("GET", "/v1/users", "", made["token"]).status, 401);
}

TEST_F(Invitations, OfTwoThatAcceptAtOnceOneIsFirst) {
  const auto made = invite("new@a.example", "viewer");
  const auto body = json{{"token", made["token"]}, {"password", kGood}}.dump();
  const auto answers = bench.together({bench.request("POST", "/v1/invitations/accept", body),
                                       bench.request("POST", "/v1/invitations/accept", body)});
  EXPECT_EQ((answers[0].status == 201) + (answers[1].status == 201), 1)
      << answers[0].body << answers[1].body;
  EXPECT_EQ(bench.ask(admin, "/v1/users")["data"].size(), 2u);
}

TEST_F(Invitations, AnOperatorsRepeatableAnswerAndItsInvitationAreOneCommit) {
  // In the commit that makes the invitation work stands the answer as well.
  bool together = false;
  bench.store.on_commit = [&](const storage::Commit& commit) {
    bool lookup = false, answer = false;
    for (const auto& row : commit.put) {
      lookup = lookup || row.key.kind == storage::Kind::invitation_lookup;
      answer = answer || row.key.kind == storage::Kind::idempotency;
    }
    if (lookup) together = answer;
  };
  bench.operator_token();
  const std::pair<std::string, const char*> calls[] = {
      {"/v1/organizations/" + b + "/invitations", R"({"email":"x@b.example","role":"owner"})"},
      {"/v1/invitations", R"({"email":"x@example.org","role":"operator"})"}};
  for (const auto& [path, body] : calls) {
    together = false;
    auto again = [&, &to = path, &what = body] {
      return bench.call("POST", to, what, bench.operator_token(), {{"Idempotency-Key", to}});
    };
    const auto once = again();
    ASSERT_EQ(once.status, 201) << once.body;
    EXPECT_TRUE(together) << path;
    EXPECT_EQ(again().body, once.body);
    EXPECT_EQ(accept(json::parse(once.body)).status, 201);
  }
}

}  // namespace
}  // namespace wab::bridge::test
