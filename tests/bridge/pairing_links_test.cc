// Links for strangers: what they open, how often, for how long, and what stays closed.
#include "tests/bridge/bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using session::Status;
using wab::test::Table;

const Headers kOwnPage = {{"Sec-Fetch-Site", "same-origin"}};

struct Link {
  std::string id, secret;
};

struct Visitors : Bench {
  Tenant a = tenant("A");
  Tenant b = tenant("B");

  std::string links(const Tenant& of) { return "/v1/sessions/" + of.session + "/pairing-links"; }
  Link link(const std::string& body = "{}") {
    const auto answer = call("POST", links(a), body, a.owner, {{"Host", "bridge.example.org"}});
    EXPECT_EQ(answer.status, 201) << answer.body;
    const auto made = json::parse(answer.body);
    const std::string url = made["url"];
    EXPECT_TRUE(url.starts_with("http://bridge.example.org/pair#")) << url;
    return {made["id"], url.substr(url.find('#') + 1)};
  }
  Answer open(const std::string& secret) {
    return call("POST", "/v1/pairing/open", json{{"secret", secret}}.dump(), "", kOwnPage);
  }
  // The Cookie header of a visit.
  std::string cookie(const Answer& opened) {
    const auto set = header_of(opened, "Set-Cookie");
    return set.substr(0, set.find(';'));
  }
  Answer as_visitor(const std::string& cookie, std::string method, const std::string& target,
                    std::string body = "") {
    Headers headers = kOwnPage;
    headers.emplace_back("Cookie", cookie);
    return call(std::move(method), target, std::move(body), "", std::move(headers));
  }
  void show_code() {
    session::QrView view;
    view.code = "2@code";
    view.expires_at = 1'795'000'020'000;
    sessions.show(*SessionId::parse(a.session), Status::scan_qr_code, view);
  }
};

TEST(PairingLinks, OpensOnceAndPairsThatSession) {
  Visitors bench;
  const auto link = bench.link();
  const auto opened = bench.open(link.secret);
  ASSERT_EQ(opened.status, 200) << opened.body;
  EXPECT_EQ(json::parse(opened.body)["status"], "STARTING");  // it was stopped: the visit began it
  const auto set = header_of(opened, "Set-Cookie");
  EXPECT_TRUE(set.starts_with("__Host-wab-pair="));
  for (const auto* part : {"; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"}) {
    EXPECT_NE(set.find(part), std::string::npos) << part;
  }
  const auto cookie = bench.cookie(opened);
  bench.show_code();
  const auto view = json::parse(bench.as_visitor(cookie, "GET", "/v1/pairing").body);
  EXPECT_EQ(view["name"], "phone");
  EXPECT_EQ(view["status"], "SCAN_QR_CODE");
  EXPECT_TRUE(view["number"].is_null());
  const auto drawn = bench.as_visitor(cookie, "GET", "/v1/pairing/qr");
  EXPECT_EQ(drawn.content_type, "image/svg+xml");
  EXPECT_TRUE(drawn.body.starts_with("<svg "));
  const auto typed =
      bench.as_visitor(cookie, "POST", "/v1/pairing/code", R"({"phone":"+15550100002"})");
  EXPECT_EQ(json::parse(typed.body)["code"], "ABCD-EFGH");
  EXPECT_EQ(bench.sessions.last_phone, "15550100002");
  EXPECT_EQ(bench.open(link.secret).status, 404);
  // The organization's log knows the visitor by the link.
  const auto log = bench.call("GET", "/v1/audit", "", bench.a.owner).body;
  EXPECT_NE(log.find("pairing_link.open"), std::string::npos) << log;
  EXPECT_NE(log.find("pairing_link.code"), std::string::npos) << log;
  EXPECT_NE(log.find("\"" + link.id + "\""), std::string::npos) << log;
  EXPECT_EQ(log.find(link.secret), std::string::npos);
}

TEST(PairingLinks, EveryClosedDoorLooksTheSame) {
  Visitors bench;
  Table table("pairing links");
  const auto used = bench.link();
  const auto visit = bench.cookie(bench.open(used.secret));
  const auto revoked = bench.link();
  EXPECT_EQ(bench.call("DELETE", bench.links(bench.a) + "/" + revoked.id, "", bench.a.owner).status,
            204);
  const auto late = bench.link(R"({"expires_in":60})");
  bench.clock.advance(std::chrono::seconds(61));
  const std::string never(43, 'A');
  const auto same = [&](const Answer& answer, const char* what) {
    table.row(answer.status == 404 && code_of(answer) == "not_found" &&
                  json::parse(answer.body)["title"] == "There is no such thing here" &&
                  !json::parse(answer.body).contains("detail") &&
                  header_of(answer, "Set-Cookie").empty(),
              what);
  };
  same(bench.open(used.secret), "used");
  same(bench.open(revoked.secret), "revoked");
  same(bench.open(late.secret), "expired");
  same(bench.open(never), "never made");
  same(bench.open("x"), "nonsense");
  for (const char* path : {"/v1/pairing", "/v1/pairing/qr", "/v1/pairing/stream"}) {
    same(bench.call("GET", path, "", "", kOwnPage), "no cookie");
    same(bench.as_visitor("__Host-wab-pair=" + never, "GET", path), "another cookie");
    same(bench.as_visitor("__Host-wab-pair=" + used.secret, "GET", path), "the secret as cookie");
  }
  // Of the other organization, and of another session of one's own.
  same(bench.call("POST", bench.links(bench.a), "{}", bench.b.owner), "foreign session: create");
  same(bench.call("GET", bench.links(bench.a), "", bench.b.owner), "foreign session: list");
  same(bench.call("DELETE", bench.links(bench.a) + "/" + used.id, "", bench.b.owner),
       "foreign session: revoke");
  same(bench.call("DELETE", bench.links(bench.b) + "/" + used.id, "", bench.b.owner),
       "foreign link: revoke");
  // The visit lasts half an hour.
  EXPECT_EQ(bench.as_visitor(visit, "GET", "/v1/pairing").status, 200);
  bench.clock.advance(std::chrono::minutes(31));
  same(bench.as_visitor(visit, "GET", "/v1/pairing"), "after the visit");
}

TEST(PairingLinks, RevokingEndsTheVisitToo) {
  Visitors bench;
  const auto link = bench.link();
  const auto visit = bench.cookie(bench.open(link.secret));
  EXPECT_EQ(bench.as_visitor(visit, "GET", "/v1/pairing").status, 200);
  auto listed = json::parse(bench.call("GET", bench.links(bench.a), "", bench.a.owner).body);
  ASSERT_EQ(listed["data"].size(), 1u);
  EXPECT_EQ(listed["data"][0]["state"], "opened");
  EXPECT_EQ(listed.dump().find(link.secret), std::string::npos);
  EXPECT_EQ(bench.call("DELETE", bench.links(bench.a) + "/" + link.id, "", bench.a.owner).status,
            204);
  EXPECT_EQ(bench.as_visitor(visit, "GET", "/v1/pairing").status, 404);
  listed = json::parse(bench.call("GET", bench.links(bench.a), "", bench.a.owner).body);
  EXPECT_TRUE(listed["data"].empty());
}

TEST(PairingLinks, TheVisitorReachesNothingElse) {
  Visitors bench;
  const auto visit = bench.cookie(bench.open(bench.link().secret));
  for (const auto& table : all_routes()) {
    for (const auto& route : table) {
      if (is_callerless(route.access)) continue;
      std::string path(route.pattern);
      if (const auto open = path.find('{'); open != std::string::npos) {
        path = path.substr(0, open) + bench.a.session + path.substr(path.find('}') + 1);
      }
      const auto answer = bench.as_visitor(visit, std::string(route.method), path);
      EXPECT_TRUE(answer.status == 401 || answer.status == 404) << path << " " << answer.status;
    }
  }
}

TEST(PairingLinks, NotForALinkedSessionAndNotFromAnotherSite) {
  Visitors bench;
  const auto link = bench.link();
  auto* one = bench.sessions.find(bench.issuer.organization(*OrgId::parse(bench.a.org)),
                                  *SessionId::parse(bench.a.session));
  const auto foreign = bench.call("POST", "/v1/pairing/open", json{{"secret", link.secret}}.dump(),
                                  "", {{"Sec-Fetch-Site", "cross-site"}});
  EXPECT_EQ(code_of(foreign), "cross_site");
  const auto visit = bench.cookie(bench.open(link.secret));
  one->view.status.pn = "15550100009";
  one->view.status.status = Status::working;
  EXPECT_EQ(code_of(bench.as_visitor(visit, "POST", "/v1/pairing/start")), "already_paired");
  EXPECT_EQ(one->view.status.status, Status::working);
  EXPECT_EQ(code_of(bench.call("POST", bench.links(bench.a), "{}", bench.a.owner)),
            "already_paired");
}

TEST(PairingLinks, NoSecretIsStored) {
  Visitors bench;
  const auto link = bench.link();
  const auto visit = bench.cookie(bench.open(link.secret));
  const auto value = visit.substr(visit.find('=') + 1);
  const auto org = bench.issuer.organization(*OrgId::parse(bench.a.org));
  for (const auto kind : {storage::Kind::pairing_secret, storage::Kind::pairing_visit}) {
    auto page = bench.wait(bench.store.scan(bench.issuer.deployment(), kind, "", 100));
    ASSERT_TRUE(page.has_value());
    EXPECT_EQ(page->rows.size(), kind == storage::Kind::pairing_visit ? 1u : 0u);
    for (const auto& row : page->rows) {
      EXPECT_EQ((row.key.name + to_string(row.value)).find(value), std::string::npos);
    }
  }
  auto page = bench.wait(bench.store.scan(org, storage::Kind::pairing_link, "", 100));
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->rows.size(), 1u);
  EXPECT_EQ(to_string(page->rows[0].value).find(link.secret), std::string::npos);
  EXPECT_EQ(to_string(page->rows[0].value).find(value), std::string::npos);
}

}  // namespace
}  // namespace wab::bridge::test
