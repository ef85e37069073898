// No organization sees another: every route of the table, every kind of id, every role.
//
// Generated from all_routes(): a new route is in it by itself, and one whose path holds a kind of
// id that is not known here fails until it is.
#include <functional>

#include "bridge/cursor.h"
#include "bridge/routes/tables.h"
#include "tests/bridge/people_bench.h"
#include "tests/support/table.h"
#include "webhook/attempt.h"
#include "webhook/log_head.h"
#include "webhook/replay.h"

namespace wab::bridge::test {
namespace {

using wab::test::Table;

// A body that a shape accepts, with every required field.
json sample(const Shape& shape);
json sample(const Field& field) {
  if (!field.one_of.empty() && field.type == Type::string) return std::string(field.one_of[0]);
  switch (field.type) {
    case Type::integer:
      return field.min;
    case Type::boolean:
      return true;
    case Type::object:
      return field.shape ? sample(*field.shape) : json::object();
    case Type::array: {
      Field item;
      item.name = field.name;
      item.type = field.item;
      item.format = field.item_format;
      item.one_of = field.one_of;
      item.shape = field.shape;
      item.min = 1;
      item.max = field.item_max;
      return json::array({sample(item)});
    }
    case Type::map:
      return json{{"a", "b"}};
    case Type::duration:
      return std::max<int64_t>(field.min, 60);
    default:
      break;
  }
  switch (field.format) {
    case Format::http_url:
      return "https://example.org/hook";
    case Format::phone:
    case Format::recipient:
      return "15550100002";
    case Format::email:
      return "ana@example.org";
    case Format::proxy:
      return "http://proxy.example.org:8080";
    case Format::event_type:
      return "message";
    default:
      return std::string(static_cast<size_t>(std::max<int64_t>(field.min, 1)), 'a');
  }
}
json sample(const Shape& shape) {
  json out = json::object();
  for (const auto& field : shape.fields) {
    const bool few = static_cast<int64_t>(out.size()) < shape.min_fields;
    if (field.required || few) out[std::string(field.name)] = sample(field);
  }
  return out;
}

// The kind of the id at each brace of a pattern: the path before it.
std::vector<std::string> kinds_of(std::string_view pattern) {
  std::vector<std::string> out;
  std::string before;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const auto part = pattern.substr(0, pattern.find('/'));
    if (part.starts_with('{')) {
      out.push_back(before);
      before += "/*";
    } else {
      before += "/" + std::string(part);
    }
    pattern.remove_prefix(part.size());
  }
  return out;
}

std::string fill(std::string_view pattern, const std::vector<std::string>& ids) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') {
      out += pattern[i];
      continue;
    }
    out += ids[next++];
    i = pattern.find('}', i);
  }
  return out;
}

class Isolation : public ::testing::Test {
 protected:
  Isolation() {
    auto& limits = bench.config.limits;
    limits.token_per_minute = limits.organization_per_minute = 1'000'000;
    limits.address_per_minute = limits.login_per_minute = 1'000'000;
    a = bench.tenant("A");
    b = bench.tenant("B");
    bench.user("a@example.org", Role::owner, a.org);
    user_of_b = bench.user("b@example.org", Role::owner, b.org);
    cookie_of_a = bench.browser("a@example.org");
    const auto browsers = bench.ask(bench.browser("b@example.org"), "/v1/me/sessions");
    browser_of_b = browsers["data"][0]["id"];
    auto made = [&](const std::string& path, const json& body) {
      const auto answer = bench.call("POST", path, body.dump(), b.owner);
      EXPECT_EQ(answer.status, 201) << answer.body;
      return json::parse(answer.body, nullptr, false).value("id", "");
    };
    invitation_of_b = made("/v1/invitations", {{"email", "guest@example.org"}, {"role", "viewer"}});
    link_of_b = made("/v1/sessions/" + b.session + "/pairing-links", json::object());
    for (const char* name : {"one", "two"}) {
      const std::string body = json{{"name", name}}.dump();
      EXPECT_EQ(bench.call("POST", "/v1/sessions", body, b.owner).status, 201);
      const auto limited = bench.call("POST", "/v1/tokens",
                                      json{{"name", name}, {"role", "viewer"}}.dump(), b.owner);
      EXPECT_EQ(limited.status, 201);
      EXPECT_EQ(
          bench.call("POST", "/v1/webhooks", R"({"url":"https://b.example.org/hook"})", b.owner)
              .status,
          201);
    }
    bench.add_event(b.org, *SessionId::parse(b.session), 1, R"({"seq":1,"secret":"of B"})");
    bench.add_event(b.org, *SessionId::parse(b.session), 2, R"({"seq":2,"secret":"of B"})");
    add_log_of_b();
  }
  // An attempt of B's first event, and a replay of B's.
  void add_log_of_b() {
    const auto org = bench.issuer.organization(*OrgId::parse(b.org));
    const auto endpoint = *EndpointId::parse(b.webhook);
    webhook::Attempt attempt;
    attempt.event_id = "evt_1";
    attempt.event_type = "message";
    attempt.session = *SessionId::parse(b.session);
    attempt.seq = 1;
    webhook::ReplayJob job;
    job.id = webhook::ReplayId::random(bench.random);
    job.endpoint = endpoint;
    job_of_b = job.id.text();
    Bytes newest;
    put_be64(newest, 1);
    storage::Commit commit{storage::Scope(org)};
    auto put = [&commit](storage::Kind kind, std::string name, Bytes value) {
      storage::Row row;
      row.key.kind = kind;
      row.key.name = std::move(name);
      row.value = std::move(value);
      commit.put.push_back(std::move(row));
    };
    put(storage::Kind::attempt, webhook::log_name(endpoint, 1), encode(attempt));
    put(storage::Kind::attempt_of_event, webhook::attempt_of_event_name("evt_1", endpoint), newest);
    put(storage::Kind::replay_job, job_of_b, encode(job));
    EXPECT_TRUE(bench.wait(bench.store.commit(std::move(commit))).has_value());
    const auto own = bench.call("GET", "/v1/events/evt_1/attempts", "", b.owner);
    EXPECT_EQ(own.status, 200) << own.body;
    const auto replay =
        bench.call("GET", "/v1/webhooks/" + b.webhook + "/replay/" + job_of_b, "", b.owner);
    EXPECT_EQ(replay.status, 200) << replay.body;
  }
  template <class IdType>
  std::string never() {
    return IdType::random(bench.random).text();
  }
  // What stands in a path for each kind of id: one of B, and one that never was. Nothing for a kind
  // that this test does not know.
  struct Pair {
    std::string foreign, unknown;
  };
  std::optional<Pair> pair_of(const std::string& kind) {
    if (kind == "/v1/sessions") return Pair{b.session, never<SessionId>()};
    if (kind == "/v1/messages") return Pair{b.message, never<MessageRowId>()};
    if (kind == "/v1/webhooks") return Pair{b.webhook, never<EndpointId>()};
    if (kind == "/v1/tokens") return Pair{b.token_id, never<TokenId>()};
    if (kind == "/v1/users") return Pair{user_of_b, never<UserId>()};
    if (kind == "/v1/invitations") return Pair{invitation_of_b, like(invitation_of_b)};
    if (kind == "/v1/me/sessions") return Pair{browser_of_b, like(browser_of_b)};
    if (kind == "/v1/sessions/*/pairing-links") return Pair{link_of_b, like(link_of_b)};
    if (kind == "/v1/events") return Pair{"evt_1", "evt_never"};
    if (kind == "/v1/webhooks/*/replay") return Pair{job_of_b, never<webhook::ReplayId>()};
    return std::nullopt;
  }
  // Another id of the same kind.
  std::string like(const std::string& id) {
    return id.substr(0, id.find('_') + 1) + never<SessionId>().substr(4);
  }
  // Routes of a person are called by one of A's, from a browser.
  Request request_of(const Route& route, const std::vector<std::string>& ids,
                     const std::string& token, bool person = false) {
    const std::string body = route.body ? sample(*route.body).dump() : "";
    Headers extra;
    if (person) extra = {{"Cookie", cookie_of_a}, {"Sec-Fetch-Site", "same-origin"}};
    auto out = Bench::request(std::string(route.method), fill(route.pattern, ids), body,
                              person ? "" : token, std::move(extra));
    out.upgrade = true;
    return out;
  }
  // Calls, and what the store was asked for meanwhile.
  struct Seen {
    Answer answer;
    std::map<std::string, size_t> operations;
  };
  Seen observe(const Request& request) {
    const auto before = bench.store.operations();
    Seen out;
    out.answer = bench.call(request);
    for (const auto& [what, count] : bench.store.operations()) {
      const auto found = before.find(what);
      const size_t more = count - (found == before.end() ? 0 : found->second);
      // An anchor of the audit log is due by number, not by what was asked.
      if (more > 0 && what != "put 21") out.operations[what] = more;
    }
    return out;
  }

  PeopleBench bench;
  Bench::Tenant a, b;
  std::string cookie_of_a, user_of_b, browser_of_b, invitation_of_b, link_of_b, job_of_b;
};

// Routes that take no caller of an organization: the console's files, visitors, the first start.
bool without_caller(const Route& route) {
  return route.access == Access::open || route.access == Access::setup ||
         route.access == Access::page || route.access == Access::visitor;
}

TEST_F(Isolation, AForeignIdIsAsUnknownAsOneThatNeverWas) {
  Table table("isolation matrix");
  // A token that sees one session of A: the other sessions of A are foreign to it as well.
  const auto other = bench.call("POST", "/v1/sessions", R"({"name":"other"})", a.owner);
  const std::string hidden = json::parse(other.body)["id"];
  const auto made = bench.call(
      "POST", "/v1/tokens",
      json{{"name", "limited"}, {"role", "owner"}, {"sessions", {a.session}}}.dump(), a.owner);
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string limited = json::parse(made.body)["token"];
  bench.call("GET", "/v1/sessions", "", limited);

  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      const auto kinds = kinds_of(route.pattern);
      if (kinds.empty() || route.access == Access::operators || without_caller(route)) continue;
      std::vector<Pair> pairs;
      for (const auto& kind : kinds) {
        const auto pair = pair_of(kind);
        ASSERT_TRUE(pair) << route.pattern << ": say in pair_of() what a foreign " << kind << " is";
        pairs.push_back(*pair);
      }
      // Each id of the path foreign, with those before it A's own where A has one.
      for (size_t at = 0; at < pairs.size(); ++at) {
        std::vector<std::string> foreign, unknown;
        for (size_t i = 0; i < pairs.size(); ++i) {
          const std::string own = kinds[i] == "/v1/sessions"   ? a.session
                                  : kinds[i] == "/v1/webhooks" ? a.webhook
                                                               : pairs[i].unknown;
          foreign.push_back(i == at ? pairs[i].foreign : own);
          unknown.push_back(i == at ? pairs[i].unknown : own);
        }
        const bool person = route.access == Access::session;
        observe(request_of(route, unknown, a.owner, person));  // fills what is remembered a while
        const auto first = observe(request_of(route, foreign, a.owner, person));
        const auto second = observe(request_of(route, unknown, a.owner, person));
        const std::string name =
            std::string(route.method) + " " + std::string(route.pattern) + " " + kinds[at];
        table.row(first.answer.status == second.answer.status, name + ": status");
        table.row(first.answer.status == 404,
                  name + ": " + std::to_string(first.answer.status) + " " + first.answer.body);
        table.row(first.answer.body == second.answer.body, name + ": body");
        table.row(first.answer.headers.size() == second.answer.headers.size(), name + ": headers");
        table.row(first.operations == second.operations, name + ": reads and writes");
        table.row(first.answer.body.find(foreign[at]) == std::string::npos, name + ": echo");
      }
      if (kinds[0] != "/v1/sessions") continue;
      std::vector<std::string> ids, none;
      for (size_t i = 0; i < pairs.size(); ++i) {
        ids.push_back(i == 0 ? hidden : pairs[i].unknown);
        none.push_back(pairs[i].unknown);
      }
      observe(request_of(route, none, limited));
      const auto first = observe(request_of(route, ids, limited));
      const auto second = observe(request_of(route, none, limited));
      const std::string name =
          "limited token: " + std::string(route.method) + " " + std::string(route.pattern);
      // A permission that no limited token holds is refused before any id is looked at.
      const bool permitted = Permissions::of_limited().has(route.permission);
      table.row(first.answer.status == (permitted ? 404 : 403), name + first.answer.body);
      table.row(first.answer.body == second.answer.body, name + ": body");
      table.row(first.operations == second.operations, name + ": reads and writes");
    }
  }
  EXPECT_GT(table.rows(), 100u);
  // Nothing of B was touched on the way.
  EXPECT_EQ(bench.call("GET", "/v1/sessions/" + b.session, "", b.owner).status, 200);
  EXPECT_EQ(bench.call("GET", "/v1/webhooks/" + b.webhook, "", b.owner).status, 200);
  EXPECT_EQ(bench.call("GET", "/v1/messages/" + b.message, "", b.owner).status, 200);
}

TEST_F(Isolation, ListsHoldNoForeignRows) {
  Table table("isolation of lists");
  const std::string of_b[] = {b.org,     b.session, b.webhook,       b.message,      b.token_id,
                              user_of_b, "of B",    "b.example.org", "b@example.org"};
  // To a token of one session, what belongs to the others is foreign too.
  const auto other = bench.call("POST", "/v1/sessions", R"({"name":"other"})", a.owner);
  const std::string hidden = json::parse(other.body)["id"];
  bench.add_event(a.org, *SessionId::parse(hidden), 1, json{{"session_id", hidden}}.dump());
  const auto made = bench.call(
      "POST", "/v1/tokens",
      json{{"name", "limited"}, {"role", "owner"}, {"sessions", {a.session}}}.dump(), a.owner);
  const std::string limited = json::parse(made.body)["token"];
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      if (route.method != "GET" || !kinds_of(route.pattern).empty()) continue;
      if (route.access != Access::organization && route.access != Access::either) continue;
      const auto narrow = bench.call(request_of(route, {}, limited));
      table.row(narrow.body.find(hidden) == std::string::npos && narrow.status < 404,
                std::string(route.pattern) + " shows a limited token " + narrow.body);
      const auto answer = bench.call(request_of(route, {}, a.owner));
      table.row(answer.status < 300 || answer.status == 403, std::string(route.pattern));
      for (const auto& text : of_b) {
        table.row(answer.body.find(text) == std::string::npos,
                  std::string(route.pattern) + " shows " + text);
      }
    }
  }
  EXPECT_GT(table.rows(), 50u);
}

TEST_F(Isolation, CursorsOfAnotherOrganizationAreRefused) {
  Table table("isolation of cursors");
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      if (!route.query || route.access != Access::organization) continue;
      if (!kinds_of(route.pattern).empty()) continue;
      bool paged = false;
      for (const auto& field : route.query->fields) paged = paged || field.name == "cursor";
      if (!paged) continue;
      const std::string path(route.pattern);
      // One that this organization might have, had the store given it: the key is B's.
      std::string cursor = seal_cursor(bench.store, bench.issuer.organization(*OrgId::parse(b.org)),
                                       path.substr(path.rfind('/') + 1), "n1");
      const auto page = bench.call("GET", path + "?limit=1", "", b.owner);
      const auto body = json::parse(page.body, nullptr, false);
      if (body.is_object() && body.value("next_cursor", json()).is_string()) {
        cursor = body["next_cursor"].get<std::string>();
        const auto own = bench.call("GET", path + "?limit=1&cursor=" + cursor, "", b.owner);
        table.row(own.status == 200, path + " with its own cursor");
      }
      const auto foreign = bench.call("GET", path + "?limit=1&cursor=" + cursor, "", a.owner);
      table.row(foreign.status == 403 || code_of(foreign) == "invalid_cursor",
                path + " " + foreign.body);
    }
  }
  const auto event = bench.call("GET", "/v1/events?after=" + b.session + ":1", "", a.owner);
  table.row(code_of(event) == "invalid_cursor", "/v1/events after an event of B");
  EXPECT_GE(table.rows(), 7u);
}

TEST_F(Isolation, ForeignIdsInBodiesTellNothing) {
  Table table("foreign ids in bodies");
  struct Case {
    std::string path;
    json body;
  };
  const Case cases[] = {{"/v1/tokens", {{"name", "x"}, {"role", "viewer"}, {"sessions", {"?"}}}},
                        {"/v1/webhooks", {{"url", "https://example.org/h"}, {"sessions", {"?"}}}}};
  for (const auto& one : cases) {
    auto with = [&](const std::string& id) {
      auto body = one.body;
      body["sessions"][0] = id;
      return observe(Bench::request("POST", one.path, body.dump(), a.owner));
    };
    with(never<SessionId>());  // fills what is remembered a while
    const auto foreign = with(b.session), unknown = with(never<SessionId>());
    table.row(foreign.answer.status == unknown.answer.status, one.path + ": status");
    table.row(foreign.operations == unknown.operations, one.path + ": reads and writes");
    if (foreign.answer.status >= 400) {
      table.row(foreign.answer.body == unknown.answer.body, one.path + ": body");
    }
  }
  EXPECT_GE(table.rows(), 5u);
}

// The table of permissions, written down a second time.
struct Grant {
  std::string_view word;
  Role least;
};
constexpr Grant kGrants[] = {{"sessions:read", Role::viewer}, {"sessions:write", Role::admin},
                             {"messages:read", Role::viewer}, {"messages:write", Role::agent},
                             {"webhooks:read", Role::viewer}, {"webhooks:write", Role::admin},
                             {"events:read", Role::viewer},   {"tokens:read", Role::admin},
                             {"tokens:write", Role::admin},   {"audit:read", Role::admin},
                             {"users:read", Role::admin},     {"users:write", Role::admin}};

TEST_F(Isolation, EveryRoleMayWhatTheTableSays) {
  Table table("roles and routes");
  const auto org = bench.issuer.organization(*OrgId::parse(a.org));
  const Role roles[] = {Role::viewer, Role::agent, Role::admin, Role::owner, Role::operators};
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      if (without_caller(route)) continue;
      // Ids that never were: whoever is let in gets 404, and nothing is changed.
      std::vector<std::string> ids;
      for (const auto& kind : kinds_of(route.pattern)) {
        const auto pair = pair_of(kind);
        ids.push_back(pair ? pair->unknown : never<OrgId>());
      }
      const std::string name = std::string(route.method) + " " + std::string(route.pattern);
      const auto nobody = bench.call(request_of(route, ids, ""));
      table.row(nobody.status == 401, name + " without a token");
      for (const auto role : roles) {
        const bool operators = role == Role::operators;
        const auto token = operators ? bench.operator_token() : bench.token(org, role);
        bool allowed = true;
        if (route.access == Access::operators) allowed = operators;
        if (route.access == Access::organization && operators) allowed = false;
        if (!operators &&
            (route.access == Access::organization || route.access == Access::either)) {
          const auto word = permission_word(route.permission);
          const Grant* grant = nullptr;
          for (const auto& one : kGrants) grant = one.word == word ? &one : grant;
          ASSERT_NE(grant, nullptr) << word << " is not in kGrants";
          allowed = role >= grant->least;
        }
        const auto answer = bench.call(request_of(route, ids, token));
        const auto body = json::parse(answer.body, nullptr, false);
        const std::string detail = body.is_object() ? body.value("detail", "") : "";
        const bool turned_away = answer.status == 403 && (detail.starts_with("The token lacks") ||
                                                          detail.starts_with("Use a token of") ||
                                                          detail.starts_with("Only an operator"));
        table.row(turned_away != allowed, name + " as " + std::string(role_word(role)) + ": " +
                                              std::to_string(answer.status) + " " + answer.body);
      }
    }
  }
  EXPECT_GT(table.rows(), 150u);
}

}  // namespace
}  // namespace wab::bridge::test
