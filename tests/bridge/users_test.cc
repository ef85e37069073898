// Users of an organization: who sees whom, who may change whom, and from when it holds.
#include "bridge/organization_erasure.h"
#include "bridge/stored.h"
#include "tests/bridge/people_bench.h"

namespace wab::bridge::test {
namespace {

class Users : public ::testing::Test {
 protected:
  PeopleBench bench;
  std::string a = bench.org("A"), b = bench.org("B");
};

TEST_F(Users, MeTellsWhoCallsAndWhatTheyMay) {
  const auto id = bench.user("Ana@Example.org", Role::agent, a);
  auto me = bench.ask(bench.browser("ana@example.org"), "/v1/me");
  EXPECT_EQ(me["user"]["id"], id);
  EXPECT_EQ(me["user"]["email"], "ana@example.org");
  EXPECT_EQ(me["user"]["role"], "agent");
  EXPECT_EQ(me["user"]["organization_id"], a);
  EXPECT_EQ(me["user"]["totp_enabled"], false);
  EXPECT_EQ(me["permissions"], json({"sessions:read", "messages:read", "messages:write",
                                     "webhooks:read", "events:read"}));
  me = json::parse(bench.call("GET", "/v1/me", "", bench.operator_token()).body);
  EXPECT_TRUE(me["user"].is_null());
  EXPECT_EQ(me["role"], "operator");
  EXPECT_EQ(bench.call("GET", "/v1/me").status, 401);
}

TEST_F(Users, EachSeesThoseOfOnesOwnOrganization) {
  bench.user("owner@a.example", Role::owner, a);
  bench.user("agent@a.example", Role::agent, a);
  const auto theirs = bench.user("owner@b.example", Role::owner, b);
  const auto op = bench.user("op@example.org", Role::operators);
  const auto owner = bench.browser("owner@a.example");
  const auto listed = bench.ask(owner, "/v1/users");
  ASSERT_EQ(listed["data"].size(), 2u);
  for (const auto& one : listed["data"]) {
    EXPECT_EQ(one["organization_id"], a);
    EXPECT_FALSE(one.contains("password"));
    EXPECT_EQ(bench.with(owner, "GET", "/v1/users/" + one["id"].get<std::string>()).status, 200);
  }
  for (const auto& id : {theirs, op, UserId::random(bench.random).text(), std::string("usr_x")}) {
    for (const char* method : {"GET", "PATCH", "DELETE"}) {
      const std::string body = *method == 'P' ? R"({"disabled":true})" : "";
      EXPECT_EQ(bench.with(owner, method, "/v1/users/" + id, body).status, 404) << method << id;
    }
  }
  // An operator sees operators, and the users of an organization by its id.
  const auto as_op = bench.browser("op@example.org");
  EXPECT_EQ(bench.ask(as_op, "/v1/users")["data"].size(), 1u);
  EXPECT_EQ(bench.ask(as_op, "/v1/organizations/" + a + "/users")["data"].size(), 2u);
  EXPECT_EQ(bench.with(as_op, "GET", "/v1/users/" + theirs).status, 200);
  const auto agent = bench.browser("agent@a.example");
  EXPECT_EQ(bench.with(agent, "GET", "/v1/users").status, 403);
  EXPECT_EQ(bench.with(owner, "GET", "/v1/organizations/" + a + "/users").status, 403);
}

TEST_F(Users, AChangedRoleHoldsFromTheNextRequest) {
  bench.user("owner@a.example", Role::owner, a);
  const auto id = bench.user("admin@a.example", Role::admin, a);
  const auto owner = bench.browser("owner@a.example"), admin = bench.browser("admin@a.example");
  EXPECT_EQ(bench.with(admin, "GET", "/v1/tokens").status, 200);
  EXPECT_EQ(bench.with(owner, "PATCH", "/v1/users/" + id, R"({"role":"viewer"})").status, 200);
  EXPECT_EQ(bench.with(admin, "GET", "/v1/tokens").status, 403);
  EXPECT_EQ(bench.with(admin, "GET", "/v1/sessions").status, 200);
}

TEST_F(Users, WhoIsDisabledOrDeletedIsOutAtTheNextRequest) {
  bench.user("owner@a.example", Role::owner, a);
  const auto id = bench.user("agent@a.example", Role::agent, a);
  const auto owner = bench.browser("owner@a.example");
  auto agent = bench.browser("agent@a.example");
  const auto path = "/v1/users/" + id;
  EXPECT_EQ(bench.with(owner, "PATCH", path, R"({"disabled":true})").status, 200);
  EXPECT_EQ(bench.with(agent, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.sign_in("agent@a.example").status, 401);
  EXPECT_EQ(bench.with(owner, "PATCH", path, R"({"disabled":false})").status, 200);
  EXPECT_EQ(bench.with(agent, "GET", "/v1/me").status, 401);  // what was ended stays so
  bench.clock.advance(std::chrono::minutes(20));
  agent = bench.browser("agent@a.example");
  EXPECT_EQ(bench.with(owner, "DELETE", path).status, 204);
  EXPECT_EQ(bench.with(agent, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.with(owner, "DELETE", path).status, 404);
  EXPECT_EQ(bench.ask(owner, "/v1/users")["data"].size(), 1u);
  bench.user("agent@a.example", Role::agent, b);  // the address is free again
}

TEST_F(Users, AnOrganizationKeepsItsLastOwner) {
  const auto id = bench.user("owner@a.example", Role::owner, a);
  const auto path = "/v1/users/" + id;
  const auto owner = bench.browser("owner@a.example");
  for (const char* body : {R"({"role":"admin"})", R"({"disabled":true})"}) {
    EXPECT_EQ(code_of(bench.with(owner, "PATCH", path, body)), "last_owner") << body;
  }
  EXPECT_EQ(code_of(bench.with(owner, "DELETE", path)), "last_owner");
  // A disabled owner manages nothing, and does not count.
  const auto other = bench.user("second@a.example", Role::owner, a);
  EXPECT_EQ(bench.with(owner, "PATCH", "/v1/users/" + other, R"({"disabled":true})").status, 200);
  EXPECT_EQ(code_of(bench.with(owner, "DELETE", path)), "last_owner");
  EXPECT_EQ(bench.with(owner, "PATCH", "/v1/users/" + other, R"({"disabled":false})").status, 200);
  EXPECT_EQ(bench.with(owner, "PATCH", path, R"({"role":"admin"})").status, 200);
  // An operator may do it all the same; but the last operator stays too.
  EXPECT_EQ(bench.call("DELETE", "/v1/users/" + other, "", bench.operator_token()).status, 204);
  const auto op = bench.user("op@example.org", Role::operators);
  EXPECT_EQ(code_of(bench.call("DELETE", "/v1/users/" + op, "", bench.operator_token())),
            "last_owner");
}

TEST_F(Users, NobodyRaisesAnyoneAboveHimself) {
  const auto owner = bench.user("owner@a.example", Role::owner, a);
  const auto agent = bench.user("agent@a.example", Role::agent, a);
  bench.user("admin@a.example", Role::admin, a);
  const auto admin = bench.browser("admin@a.example");
  auto patch = [&](const std::string& id, const std::string& body) {
    return bench.with(admin, "PATCH", "/v1/users/" + id, body).status;
  };
  EXPECT_EQ(patch(agent, R"({"role":"owner"})"), 403);
  EXPECT_EQ(patch(owner, R"({"role":"viewer"})"), 403);
  EXPECT_EQ(patch(owner, R"({"disabled":true})"), 403);
  EXPECT_EQ(bench.with(admin, "DELETE", "/v1/users/" + owner).status, 403);
  EXPECT_EQ(patch(agent, R"({"role":"operator"})"), 400);
  EXPECT_EQ(patch(agent, R"({"role":"admin"})"), 200);
  // Nor does an operator become a user of an organization, or the other way round.
  const auto op = bench.user("op@example.org", Role::operators);
  EXPECT_EQ(
      bench.call("PATCH", "/v1/users/" + op, R"({"role":"owner"})", bench.operator_token()).status,
      409);
  // A token gives no more than its role and scopes either.
  const auto token = bench.token(bench.issuer.organization(*OrgId::parse(a)), Role::admin);
  EXPECT_EQ(bench.call("DELETE", "/v1/users/" + owner, "", token).status, 403);
  EXPECT_EQ(bench.call("GET", "/v1/users", "", token).status, 200);
}

TEST_F(Users, RowsOfAnEarlierVersionStillRead) {
  auto hash = bench.wait(Passwords(bench.password).hash(kGood));
  ASSERT_TRUE(hash.has_value());
  const auto id = UserId::random(bench.random).text();
  const json row = {{"v", 1},
                    {"id", id},
                    {"email", "first@example.org"},
                    {"role", "operator"},
                    {"password", *hash},
                    {"created_at", 1'700'000'000'000}};
  storage::Commit commit{storage::Scope(bench.issuer.deployment())};
  commit.put.push_back(json_row(storage::Kind::user, "first@example.org", row));
  ASSERT_TRUE(bench.wait(bench.store.commit(std::move(commit))).has_value());
  ASSERT_TRUE(bench.wait(bench.people.prepare_setup()).has_value());
  // The setup row is not there in this bench.
  ASSERT_TRUE(bench.people.setup_pending());
  auto login = bench.wait(bench.people.login("first@example.org", kGood, "", SignInFacts()));
  ASSERT_TRUE(login.has_value());
  EXPECT_EQ(login->role, Role::operators);
  auto found = bench.wait(bench.auth.users().by_id(id));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->created_at, 1'700'000'000'000);
  EXPECT_FALSE(found->disabled);
  auto listed = bench.wait(bench.auth.users().list(bench.issuer.deployment(), "", 10));
  ASSERT_TRUE(listed.has_value());
  EXPECT_EQ(listed->users.size(), 1u);
}

TEST_F(Users, AnOrganizationThatGoesTakesItsPeopleAlong) {
  bench.user("owner@a.example", Role::owner, a);
  const auto owner = bench.browser("owner@a.example");
  bench.user("owner@b.example", Role::owner, b);
  const auto invited =
      bench.with(owner, "POST", "/v1/invitations", R"({"email":"new@a.example","role":"agent"})");
  ASSERT_EQ(invited.status, 201) << invited.body;
  EXPECT_EQ(bench.call("DELETE", "/v1/organizations/" + a, "", bench.operator_token()).status, 204);
  EXPECT_EQ(bench.with(owner, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.sign_in("owner@a.example").status, 401);
  const json accept = {{"token", json::parse(invited.body)["token"]}, {"password", kGood}};
  EXPECT_EQ(code_of(bench.call("POST", "/v1/invitations/accept", accept.dump())),
            "invitation_refused");
  EXPECT_EQ(bench.sign_in("owner@b.example").status, 200);
  bench.user("owner@a.example", Role::owner, b);
}

TEST_F(Users, AnOrganizationWhoseDeletionWasCutShortIsDeletedWithoutBeingRead) {
  // As a kill leaves it: the row says so, and the rest may be gone or unreadable.
  const auto deployment = bench.issuer.deployment();
  auto row = bench.wait(load_one(bench.store, deployment, storage::Kind::organization, a));
  ASSERT_TRUE(row && *row);
  EXPECT_FALSE(is_being_erased(**row));
  ASSERT_TRUE(bench.wait(mark_erased(&bench.store, deployment, **row)));
  row = bench.wait(load_one(bench.store, deployment, storage::Kind::organization, a));
  ASSERT_TRUE(row && *row);
  EXPECT_TRUE(is_being_erased(**row));
  EXPECT_EQ(bench.call("DELETE", "/v1/organizations/" + a, "", bench.operator_token()).status, 204);
  EXPECT_EQ(bench.call("GET", "/v1/organizations/" + a, "", bench.operator_token()).status, 404);
  EXPECT_EQ(bench.call("DELETE", "/v1/organizations/" + a, "", bench.operator_token()).status, 404);
}

TEST_F(Users, TwoChangesAtOnceDoNotLoseEachOther) {
  std::vector<std::string> owners;
  for (int i = 0; i < 3; ++i) {
    owners.push_back(bench.user("o" + std::to_string(i) + "@a.example", Role::owner, a));
  }
  const auto token = bench.token(bench.issuer.organization(*OrgId::parse(a)), Role::owner);
  std::vector<Request> requests;
  for (const auto& id : owners) {
    requests.push_back(bench.request("DELETE", "/v1/users/" + id, "", token));
  }
  const auto answers = bench.together(requests);
  int gone = 0;
  for (const auto& answer : answers) gone += answer.status == 204;
  EXPECT_EQ(gone, 2);
}

}  // namespace
}  // namespace wab::bridge::test
