// What one organization may have; and what housekeeping takes away.
#include "bridge/quotas.h"

#include "bridge/housekeeping.h"
#include "bridge/stored.h"
#include "tests/bridge/bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

Answer set_limits(Bench& bench, const std::string& org, json limits) {
  return bench.call("PATCH", "/v1/organizations/" + org, json{{"limits", limits}}.dump(),
                    bench.operator_token());
}
// The pretended sessions have no row of their own.
void store_session(Bench& bench, const Bench::Tenant& tenant) {
  storage::Commit commit{storage::Scope(bench.issuer.organization(*OrgId::parse(tenant.org)))};
  commit.put.push_back(json_row(storage::Kind::session_config, tenant.session, {{"v", 1}}));
  EXPECT_TRUE(bench.wait(bench.store.commit(std::move(commit))));
}
Answer send(Bench& bench, const Bench::Tenant& tenant) {
  return bench.call("POST", "/v1/sessions/" + tenant.session + "/messages",
                    R"({"to":"15550100002","type":"text","text":{"body":"Hi"}})", tenant.owner);
}

TEST(Quotas, EachLimitRefusesByItsName) {
  Bench bench;
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  store_session(bench, a);
  wab::test::Table table("limits of organizations");
  struct Row {
    const char* limit;
    int64_t value;
    std::function<Answer()> call;
  };
  const Row rows[] = {
      {"sessions", 1,
       [&] { return bench.call("POST", "/v1/sessions", R"({"name":"x"})", a.owner); }},
      {"webhooks", 1,
       [&] {
         return bench.call("POST", "/v1/webhooks", R"({"url":"https://example.org/h"})", a.owner);
       }},
      {"tokens", 1,
       [&] {
         return bench.call("POST", "/v1/tokens", R"({"name":"x","role":"viewer"})", a.owner);
       }},
      {"messages_per_day", 1, [&] { return send(bench, a); }},
      {"messages_stored", 1, [&] { return send(bench, a); }},
      {"storage_bytes", 1, [&] { return send(bench, a); }}};
  for (const auto& row : rows) {
    ASSERT_EQ(set_limits(bench, a.org, {{row.limit, row.value}}).status, 200);
    const auto full = row.call();
    table.row(full.status == 409 && code_of(full) == "limit_reached",
              std::string(row.limit) + ": " + full.body);
    const std::string detail = json::parse(full.body).value("detail", "");
    table.row(detail.starts_with("limits." + std::string(row.limit) + ":"), detail);
    // The limit of one is not the limit of another, and raising it is felt by the next call.
    ASSERT_EQ(set_limits(bench, a.org, {{row.limit, nullptr}}).status, 200);
    const auto free = row.call();
    table.row(free.status < 300, std::string(row.limit) + " raised: " + free.body);
  }
  EXPECT_EQ(send(bench, b).status, 202);
  EXPECT_EQ(table.rows(), 18u);
}

TEST(Quotas, UsageIsShownToBothSides) {
  Bench bench;
  const auto a = bench.tenant("A");
  store_session(bench, a);
  ASSERT_EQ(set_limits(bench, a.org, {{"sessions", 7}, {"users", 3}}).status, 200);
  const auto mine = json::parse(bench.call("GET", "/v1/usage", "", a.owner).body);
  EXPECT_EQ(mine["limits"]["sessions"], 7);
  EXPECT_EQ(mine["limits"]["users"], 3);
  EXPECT_EQ(mine["limits"]["webhooks"], bench.config.limits.webhooks_per_organization);
  EXPECT_EQ(mine["usage"]["sessions"], 1);
  EXPECT_EQ(mine["usage"]["webhooks"], 1);
  EXPECT_EQ(mine["usage"]["tokens"], 1);
  EXPECT_EQ(mine["usage"]["messages_per_day"], 1);
  EXPECT_EQ(mine["usage"]["messages_stored"], 1);
  EXPECT_GT(mine["usage"]["storage_bytes"].get<int64_t>(), 100);
  const auto theirs =
      json::parse(bench.call("GET", "/v1/organizations/" + a.org, "", bench.operator_token()).body);
  EXPECT_EQ(theirs["limits"], mine["limits"]);
  EXPECT_EQ(theirs["usage"], mine["usage"]);
  EXPECT_EQ(set_limits(bench, a.org, {{"session", 1}}).status, 400);
  EXPECT_EQ(set_limits(bench, a.org, {{"sessions", -1}}).status, 400);
}

TEST(Quotas, ADayBeginsAnewAndARestartForgetsNothing) {
  Bench bench;
  const auto a = bench.tenant("A");
  ASSERT_EQ(set_limits(bench, a.org, {{"messages_per_day", 3}}).status, 200);
  EXPECT_EQ(send(bench, a).status, 202);
  // As a service would that starts on the same store.
  Quotas fresh(bench.store, bench.clock, bench.config, bench.issuer.deployment());
  const auto org = bench.issuer.organization(*OrgId::parse(a.org));
  auto usage = bench.wait(fresh.usage(org));
  EXPECT_EQ((*usage)[static_cast<size_t>(Quota::messages_per_day)], 2);
  EXPECT_EQ(send(bench, a).status, 202);
  EXPECT_EQ(code_of(send(bench, a)), "limit_reached");
  // What was not accepted is not counted.
  bench.clock.advance(std::chrono::hours(24));
  bench.sessions.show(*SessionId::parse(a.session), session::Status::failed, std::nullopt);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(code_of(send(bench, a)), "not_working");
  bench.sessions.show(*SessionId::parse(a.session), session::Status::working, std::nullopt);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send(bench, a).status, 202);
  EXPECT_EQ(code_of(send(bench, a)), "limit_reached");
}

TEST(Housekeeping, ErasesWhatExpiredAndNothingElse) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto org = bench.issuer.organization(*OrgId::parse(a.org));
  Housekeeping housekeeping(bench.store, bench.issuer, bench.clock, bench.auth, bench.people,
                            bench.idempotency, bench.quotas);
  const auto life = json{{"name", "x"}, {"role", "viewer"}, {"expires_in", "1h"}};
  EXPECT_EQ(
      bench.call("POST", "/v1/tokens", life.dump(), a.owner, {{"Idempotency-Key", "k"}}).status,
      201);
  auto made = bench.wait(bench.people.create_user("ana@example.org", "a long password", Role::admin,
                                                  OrgId::parse(a.org)));
  ASSERT_TRUE(made);
  ASSERT_EQ(
      bench.call("POST", "/v1/login", R"({"email":"ana@example.org","password":"a long password"})")
          .status,
      200);
  auto count = [&](const storage::OrgScope& owner, storage::Kind kind) {
    auto page = bench.wait(bench.store.scan(owner, kind, "", 100));
    return page->rows.size();
  };
  using storage::Kind;
  const std::string guest = R"({"email":"guest@example.org","role":"viewer"})";
  ASSERT_EQ(bench.call("POST", "/v1/invitations", guest, a.owner).status, 201);
  ASSERT_EQ(
      bench
          .call("POST", "/v1/users/" + made->text() + "/password-reset", "", bench.operator_token())
          .status,
      201);
  // A lookup as an earlier version wrote it: without the time.
  auto lookups_of_guests =
      bench.wait(bench.store.scan(bench.issuer.deployment(), Kind::invitation_lookup, "", 10));
  ASSERT_EQ(lookups_of_guests->rows.size(), 1u);
  auto old = *parse_stored(lookups_of_guests->rows[0].value);
  EXPECT_GT(number_at(old, "expires_at"), 0);
  old.erase("expires_at");
  auto rewrite = bench.auth.users().commit();
  rewrite.put.push_back(
      json_row(Kind::invitation_lookup, lookups_of_guests->rows[0].key.name, old));
  rewrite.put.push_back(json_row(Kind::invitation_lookup, "leads nowhere", old));
  ASSERT_TRUE(bench.wait(bench.store.commit(std::move(rewrite))).has_value());
  EXPECT_EQ(bench.wait(housekeeping.round()), 1u);  // what leads nowhere
  EXPECT_EQ(bench.wait(housekeeping.round()), 0u);
  EXPECT_EQ(count(org, Kind::idempotency), 1u);
  EXPECT_EQ(count(bench.issuer.deployment(), Kind::browser_session), 1u);
  bench.clock.advance(std::chrono::hours(25));
  EXPECT_GE(bench.wait(housekeeping.round()), 2u);
  EXPECT_EQ(count(org, Kind::idempotency), 0u);
  EXPECT_EQ(count(bench.issuer.deployment(), Kind::browser_session), 0u);
  EXPECT_EQ(count(bench.issuer.deployment(), Kind::password_reset), 0u);
  EXPECT_EQ(count(org, Kind::invitation), 1u);
  EXPECT_EQ(count(bench.issuer.deployment(), Kind::invitation_lookup), 1u);
  bench.clock.advance(std::chrono::hours(24 * 7));
  EXPECT_GE(bench.wait(housekeeping.round()), 2u);
  EXPECT_EQ(count(org, Kind::invitation), 0u);
  EXPECT_EQ(count(bench.issuer.deployment(), Kind::invitation_lookup), 0u);
  // An expired token stays in the list for a month.
  EXPECT_EQ(count(org, Kind::token), 2u);
  const auto lookups = count(bench.issuer.deployment(), Kind::token_lookup);
  bench.clock.advance(std::chrono::hours(24 * 32));
  EXPECT_GE(bench.wait(housekeeping.round()), 1u);
  EXPECT_LT(count(org, Kind::token), 2u);
  EXPECT_LT(count(bench.issuer.deployment(), Kind::token_lookup), lookups);
  EXPECT_EQ(bench.wait(housekeeping.round()), 0u);
}

}  // namespace
}  // namespace wab::bridge::test
