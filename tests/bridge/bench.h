// Everything behind the routes on one loop, with a store in memory and sessions that pretend.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "bridge/app.h"
#include "bridge/pairing_links.h"
#include "bridge/router.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run.h"

namespace wab::bridge::test {

using nlohmann::json;
using wab::test::FakeStore;
using wab::test::ManualClock;
using wab::test::SeededRandom;

// Sessions without WhatsApp: tests set status and code by hand.
class FakeSessions final : public SessionDirectory {
 public:
  struct One {
    SessionView view;
    uint64_t version = 1;
    std::optional<session::QrView> qr;
    std::map<MessageRowId, session::MessageView> messages;
  };
  FakeSessions(FakeStore& store) : store_(store) {}

  One* find(const storage::OrgScope& org, SessionId id) {
    const auto found = all.find({org.org(), id});
    return found == all.end() ? nullptr : &found->second;
  }
  void show(SessionId id, session::Status status, std::optional<session::QrView> qr) {
    for (auto& [key, one] : all) {
      if (key.second != id) continue;
      one.view.status.status = status;
      one.qr = std::move(qr);
      ++one.version;
    }
    changed.notify_all();
  }

  awaitable<Outcome<SessionView>> create(storage::OrgScope org, SessionId id,
                                         SessionSettings settings,
                                         std::vector<storage::Row> also) override {
    One one;
    one.view.id = id;
    one.view.settings = std::move(settings);
    one.view.created_at = one.view.updated_at = 1;
    storage::Commit commit{storage::Scope(org)};
    commit.put = std::move(also);
    auto written = co_await store_.commit(std::move(commit));
    if (!written) co_return refuse(problem_of(written.error()));
    all[{org.org(), id}] = one;
    co_return one.view;
  }
  awaitable<Outcome<SessionView>> get(storage::OrgScope org, SessionId id) override {
    auto* one = find(org, id);
    if (!one) co_return refuse(Code::not_found);
    co_return one->view;
  }
  awaitable<Outcome<Page>> list(storage::OrgScope org, std::string after, size_t limit) override {
    Page page;
    for (auto& [key, one] : all) {
      if (key.first != org.org() || key.second.text() <= after) continue;
      if (page.sessions.size() == limit) {
        page.next = page.sessions.back().id.text();
        break;
      }
      page.sessions.push_back(one.view);
    }
    co_return page;
  }
  awaitable<Outcome<SessionView>> patch(storage::OrgScope org, SessionId id,
                                        SessionPatch patch) override {
    auto* one = find(org, id);
    if (!one) co_return refuse(Code::not_found);
    if (patch.name) one->view.settings.name = *patch.name;
    if (patch.proxy) one->view.settings.proxy = *patch.proxy;
    co_return one->view;
  }
  awaitable<Outcome<void>> erase(storage::OrgScope org, SessionId id) override {
    if (all.erase({org.org(), id}) == 0) co_return refuse(Code::not_found);
    co_return Outcome<void>();
  }
  awaitable<Outcome<void>> erase_organization(storage::OrgScope org) override {
    std::erase_if(all, [&](const auto& one) { return one.first.first == org.org(); });
    co_return Outcome<void>();
  }
  awaitable<Outcome<void>> move(storage::OrgScope org, SessionId id, session::Status to) {
    auto* one = find(org, id);
    if (!one) co_return refuse(Code::not_found);
    one->view.status.status = to;
    co_return Outcome<void>();
  }
  awaitable<Outcome<void>> start(storage::OrgScope org, SessionId id) override {
    return move(org, id, session::Status::starting);
  }
  awaitable<Outcome<void>> accept_restored(storage::OrgScope org, SessionId id) override {
    auto* one = find(org, id);
    if (!one) co_return refuse(Code::not_found);
    accepted.push_back(id);
    co_return Outcome<void>();
  }
  awaitable<Outcome<void>> stop(storage::OrgScope org, SessionId id) override {
    return move(org, id, session::Status::stopped);
  }
  awaitable<Outcome<void>> restart(storage::OrgScope org, SessionId id) override {
    return move(org, id, session::Status::starting);
  }
  awaitable<Outcome<void>> logout(storage::OrgScope org, SessionId id) override {
    return move(org, id, session::Status::stopped);
  }
  awaitable<Outcome<PairingView>> watch(storage::OrgScope org, SessionId id, uint64_t seen,
                                        SteadyTime deadline) override {
    auto* one = find(org, id);
    if (!one) co_return refuse(Code::not_found);
    if (one->version == seen) co_await changed.wait_until(deadline);
    PairingView view;
    view.version = one->version;
    view.status = one->view.status;
    view.qr = one->qr;
    co_return view;
  }
  awaitable<Outcome<session::PairingCodeView>> pairing_code(storage::OrgScope org, SessionId id,
                                                            std::string phone) override {
    if (!find(org, id)) co_return refuse(Code::not_found);
    last_phone = phone;
    session::PairingCodeView view;
    view.code = "ABCD-EFGH";
    view.expires_at = 1'795'000'180'000;
    co_return view;
  }
  awaitable<Outcome<session::SendAccepted>> send_text(storage::OrgScope org, SessionId id,
                                                      MessageRowId message, session::SendText text,
                                                      session::SendAlso also) override {
    auto* one = find(org, id);
    if (!one) co_return refuse(Code::not_found);
    if (one->view.status.status == session::Status::failed) co_return refuse(Code::not_working);
    if (hold_sends) co_await changed.wait();
    storage::Commit commit{storage::Scope(org, id)};
    commit.put_org = std::move(also.organization_rows);
    auto written = co_await store_.commit(std::move(commit));
    if (!written) co_return refuse(problem_of(written.error()));
    session::MessageView view;
    view.id = message;
    view.stanza_id = "3EB0" + std::to_string(++sent);
    view.chat = text.to + "@s.whatsapp.net";
    view.status = "attempted";
    one->messages[message] = view;
    last_text = text;
    session::SendAccepted accepted;
    accepted.id = message;
    accepted.stanza_id = view.stanza_id;
    co_return accepted;
  }
  awaitable<Outcome<session::MessageView>> message(storage::OrgScope org, SessionId id,
                                                   MessageRowId message) override {
    auto* one = find(org, id);
    if (!one || !one->messages.contains(message)) co_return refuse(Code::not_found);
    co_return one->messages[message];
  }

  std::map<std::pair<OrgId, SessionId>, One> all;
  Event changed;
  int sent = 0;
  bool hold_sends = false;
  std::vector<SessionId> accepted;
  std::string last_phone;
  session::SendText last_text;

 private:
  FakeStore& store_;
};

inline Config default_config() {
  auto config = parse_config("[webhook]\nallow_private_targets = [\"127.0.0.0/8\"]\n",
                             [](const std::string&) { return std::nullopt; });
  return *config;
}

struct Bench {
  explicit Bench(Config with = default_config())
      : config(std::move(with)),
        auth(store, issuer, clock, random),
        password("password", 1, 8),
        people(store, issuer.deployment(), auth, clock, random, password),
        limits(clock, random),
        pairing_links(store, issuer, clock, random),
        idempotency(store, clock, random),
        sessions(store),
        endpoints(store, clock, random, config,
                  [this](const storage::OrgScope&, EndpointId id, const EndpointRecord* record) {
                    told.emplace_back(id, record != nullptr);
                  }),
        quotas(store, clock, config, issuer.deployment()),
        events({loop.get_executor()}),
        audit(store, clock, issuer.deployment(), {loop.get_executor()}),
        app{config,      store,    clock,     random, auth,  people, limits,
            idempotency, sessions, endpoints, events, audit, quotas} {
    app.pairing_links = &pairing_links;
  }

  static awaitable<void> run_handle(App& app, const Request& request, Answer& out) {
    out = co_await handle(app, request);
  }
  static Request request(std::string method, const std::string& target, std::string body = "",
                         const std::string& token = "", Headers extra = {}) {
    Request out;
    out.id = "test";
    out.method = std::move(method);
    const auto mark = target.find('?');
    out.path = target.substr(0, mark);
    if (mark != std::string::npos) out.query_ok = parse_query(target.substr(mark + 1), out.query);
    out.headers = std::move(extra);
    if (!token.empty()) out.headers.emplace_back("Authorization", "Bearer " + token);
    if (!body.empty()) out.headers.emplace_back("Content-Type", "application/json");
    out.body = std::move(body);
    out.address = "203.0.113.9";
    return out;
  }
  Answer call(const Request& request) {
    Answer out;
    wab::test::run_on(loop, [&] { return run_handle(app, request, out); });
    return out;
  }
  Answer call(std::string method, const std::string& target, std::string body = "",
              const std::string& token = "", Headers extra = {}) {
    const auto made = request(std::move(method), target, std::move(body), token, std::move(extra));
    return call(made);
  }

  template <class T>
  static awaitable<void> take(awaitable<T> work, std::optional<T>& out) {
    out.emplace(co_await std::move(work));
  }
  template <class T>
  T wait(awaitable<T> work) {
    std::optional<T> out;
    auto held = std::make_shared<awaitable<T>>(std::move(work));
    wab::test::run_on(loop, [&, held] { return take<T>(std::move(*held), out); });
    return std::move(*out);
  }

  std::string token(storage::OrgScope owner, Role role,
                    std::chrono::seconds life = std::chrono::hours(24)) {
    auto minted = auth.mint(owner, "test", role, std::nullopt, life);
    std::string text = minted.token;
    auto stored = wait(auth.store(owner, std::move(minted), {}));
    EXPECT_TRUE(stored.has_value());
    return text;
  }
  const std::string& operator_token() {
    if (operator_.empty()) operator_ = token(issuer.deployment(), Role::operators);
    return operator_;
  }

  // An organization with a token, a session, an endpoint and a message in it.
  struct Tenant {
    std::string org, owner, session, webhook, message, token_id;
  };
  Tenant tenant(const std::string& name) {
    Tenant out;
    auto made = call("POST", "/v1/organizations", json{{"name", name}}.dump(), operator_token());
    EXPECT_EQ(made.status, 201) << made.body;
    out.org = json::parse(made.body)["id"];
    made = call("POST", "/v1/organizations/" + out.org + "/tokens",
                R"({"name":"first","role":"owner"})", operator_token());
    EXPECT_EQ(made.status, 201) << made.body;
    out.owner = json::parse(made.body)["token"];
    out.token_id = json::parse(made.body)["id"];
    made = call("POST", "/v1/sessions", R"({"name":"phone"})", out.owner);
    EXPECT_EQ(made.status, 201) << made.body;
    out.session = json::parse(made.body)["id"];
    made = call("POST", "/v1/webhooks", R"({"url":"https://example.org/hook"})", out.owner);
    EXPECT_EQ(made.status, 201) << made.body;
    out.webhook = json::parse(made.body)["id"];
    made = call("POST", "/v1/sessions/" + out.session + "/messages",
                R"({"to":"15550100002","type":"text","text":{"body":"Hi"}})", out.owner);
    EXPECT_EQ(made.status, 202) << made.body;
    out.message = json::parse(made.body)["id"];
    return out;
  }
  void add_event(const std::string& org, const SessionId& session, uint64_t seq,
                 const std::string& body) {
    const auto scope = issuer.organization(*OrgId::parse(org));
    storage::Commit commit{storage::Scope(scope, session)};
    storage::EventRow row;
    row.session = session;
    row.seq = seq;
    row.id = "evt_" + std::to_string(seq);
    row.type = "message";
    row.body = to_bytes(body);
    commit.events.push_back(std::move(row));
    auto done = wait(store.commit(std::move(commit)));
    EXPECT_TRUE(done.has_value());
  }

  boost::asio::io_context loop{1};
  ManualClock clock;
  SeededRandom random;
  FakeStore store;
  storage::ScopeIssuer issuer = store.issuer();
  Config config;
  Auth auth;
  BlockingPool password;
  People people;
  Limits limits;
  PairingLinks pairing_links;
  Idempotency idempotency;
  FakeSessions sessions;
  std::vector<std::pair<EndpointId, bool>> told;
  EndpointDirectory endpoints;
  Quotas quotas;
  EventFeed events;
  Audit audit;
  App app;

 private:
  std::string operator_;
};

inline std::string code_of(const Answer& answer) {
  const auto parsed = json::parse(answer.body, nullptr, false);
  return parsed.is_object() ? parsed.value("code", "") : "";
}
inline std::string header_of(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace wab::bridge::test
