// Open streams end within a second with what let their reader in.
#include <future>

#include "bridge/stored.h"
#include "tests/bridge/loopback.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;
using wab::test::Table;

const std::string kPassword = "three green kettles";

struct Ended {
  Steady::time_point at;
  uint16_t code = 0;  // of the WebSocket
  std::string text;   // what came
  bool opened = false;
};

class Streams : public Loopback {
 protected:
  static Config quick() {
    auto config = default_config();
    config.limits.login_per_minute = 1000;
    return config;
  }
  // One thread: what pretends to be sessions is of one shard.
  Streams() : Loopback(quick(), {}, 1) {
    bench.sessions.show(*SessionId::parse(tenant.session), session::Status::starting, std::nullopt);
    std::string email = "ana@a.example", password = kPassword;
    auto made = bench.wait(bench.people.create_user(std::move(email), std::move(password),
                                                    Role::admin, OrgId::parse(tenant.org)));
    EXPECT_TRUE(made);
    user = made->text();
  }
  std::string ask(const std::string& method, const std::string& path, const std::string& proof,
                  const std::string& body = "") {
    std::string request = method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                          proof + "Sec-Fetch-Site: same-origin\r\n";
    if (!body.empty()) {
      request +=
          "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\n";
    }
    return raw(request + "\r\n" + body);
  }
  std::string browser() {
    const auto answer = ask("POST", "/v1/login", "",
                            json{{"email", "ana@a.example"}, {"password", kPassword}}.dump());
    const auto at = answer.find("__Host-wab=");
    EXPECT_NE(at, std::string::npos) << answer;
    return "Cookie: " + answer.substr(at, answer.find(';', at) - at) + "\r\n";
  }
  std::string token(const std::string& more, std::string* id = nullptr) {
    const auto made = ask("POST", "/v1/tokens", bearer(tenant.owner),
                          R"({"name":"x","role":"admin")" + more + "}");
    const auto body = json::parse(made.substr(made.find("\r\n\r\n") + 4), nullptr, false);
    EXPECT_TRUE(body.is_object()) << made;
    if (id) *id = body.value("id", "");
    return body.value("token", "");
  }
  // The rows as time would have them; the clock itself stands, for deadlines are made from it.
  void expire_token(const std::string& id) {
    const auto org = bench.issuer.organization(*OrgId::parse(tenant.org));
    auto found = bench.wait(bench.auth.find(org, *TokenId::parse(id)));
    ASSERT_TRUE(found.has_value());
    found->record.expires_at = bench.clock.now_ms();
    storage::Commit commit{storage::Scope(org)};
    commit.put.push_back(bench.auth.row_of(*found));
    ASSERT_TRUE(bench.wait(bench.store.commit(std::move(commit))).has_value());
  }
  void let_idle() {
    using storage::Kind;
    auto commit = bench.auth.users().commit();
    auto page =
        bench.wait(bench.store.scan(bench.issuer.deployment(), Kind::browser_session, "", 100));
    for (const auto& row : page->rows) {
      auto session = *parse_stored(row.value);
      session["seen_at"] = bench.clock.now_ms() - kBrowserIdleMs;
      commit.put.push_back(json_row(Kind::browser_session, row.key.name, session));
    }
    ASSERT_TRUE(bench.wait(bench.store.commit(std::move(commit))).has_value());
  }
  static std::string bearer(const std::string& token) {
    return "Authorization: Bearer " + token + "\r\n";
  }

  // Reads the log to its end.
  static awaitable<void> listen(uint16_t port, std::string name, std::string value, Ended& out,
                                std::promise<void>& open) {
    wire::Endpoint to{boost::asio::ip::make_address("127.0.0.1"), port};
    auto stream = co_await wire::tcp_connect(to, soon());
    if (!stream) co_return;
    wire::HttpFields headers;
    headers.set(name, value);
    headers.set("sec-fetch-site", "same-origin");
    const wire::WebSocketLimits limits;
    std::string host = "localhost", target = "/v1/events/stream";
    std::unique_ptr<wire::ByteStream> plain = std::move(*stream);
    auto ws = co_await wire::WebSocket::connect(
        std::move(plain), std::move(host), std::move(target), std::move(headers), limits, soon());
    if (ws) {
      auto first = co_await (*ws)->read(soon());
      out.opened = first.has_value();
    }
    open.set_value();
    if (!ws) co_return;
    for (;;) {
      auto more = co_await (*ws)->read(soon());
      if (!more) break;
      out.text += to_string(*more);
    }
    out.at = Steady::now();
    out.code = (*ws)->close_code();
  }
  static awaitable<void> watch(uint16_t port, std::string request, Ended& out,
                               std::promise<void>& open) {
    wire::Endpoint to{boost::asio::ip::make_address("127.0.0.1"), port};
    auto stream = co_await wire::tcp_connect(to, soon());
    if (!stream) co_return;
    auto written = co_await (*stream)->write(view(request), soon());
    bool told = false;
    if (!written) co_return;
    Bytes buffer(4096);
    for (;;) {
      auto size = co_await (*stream)->read_some(buffer, soon());
      if (!size || *size == 0) break;
      out.text += text(ByteView(buffer).first(*size));
      if (!told && out.text.find("\r\n\r\n") != std::string::npos) {
        out.opened = out.text.starts_with("HTTP/1.1 200");
        told = true;
        open.set_value();
      }
    }
    out.at = Steady::now();
    if (!told) open.set_value();
  }

  // Opens a stream, does `what`, and answers how long it took the stream to end.
  struct Outcome {
    bool opened = false;
    std::chrono::milliseconds took{0};
    uint16_t code = 0;
    std::string text;
  };
  Outcome ends(bool websocket, const std::string& proof, const std::function<void()>& what) {
    Ended out;
    std::promise<void> open;
    auto reading = std::async(std::launch::async, [&] {
      wab::test::run_async([&] {
        if (!websocket) {
          return watch(listener->port(),
                       "GET /v1/sessions/" + tenant.session +
                           "/qr/stream HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n" +
                           proof + "\r\n",
                       out, open);
        }
        const auto colon = proof.find(": ");
        return listen(listener->port(), proof.substr(0, colon),
                      proof.substr(colon + 2, proof.size() - colon - 4), out, open);
      });
    });
    open.get_future().wait();
    const auto begun = Steady::now();
    what();
    const auto done = Steady::now();
    reading.wait();
    Outcome result;
    result.opened = out.opened && out.at > begun;
    result.took = std::chrono::duration_cast<std::chrono::milliseconds>(out.at - done);
    result.code = out.code;
    result.text = out.text;
    return result;
  }
  std::string user;
  uint64_t seq = 1;
};

TEST_F(Streams, EndWithinASecondWithWhatLetTheReaderIn) {
  Table table("streams that lose their proof");
  const std::string owner = bearer(tenant.owner);
  for (const bool websocket : {true, false}) {
    auto look = [&](const std::string& name, const std::string& proof,
                    const std::function<void()>& what) {
      const auto outcome = ends(websocket, proof, what);
      table.row(outcome.opened && outcome.took < 1000ms && (!websocket || outcome.code == 1008),
                std::string(websocket ? "WebSocket" : "server-sent events") + ", " + name + ": " +
                    std::to_string(outcome.took.count()) + " ms, code " +
                    std::to_string(outcome.code) + " " + outcome.text);
    };
    std::string id;
    std::string made = token("", &id);
    look("token revoked", bearer(made), [&] { ask("DELETE", "/v1/tokens/" + id, owner); });
    made = token("", &id);
    look("token expired", bearer(made), [&] { expire_token(id); });
    auto cookie = browser();
    look("signed out", cookie, [&] { ask("POST", "/v1/logout", cookie); });
    cookie = browser();
    look("session idle", cookie, [&] { let_idle(); });
    cookie = browser();
    look("role taken", cookie, [&] {
      ask("PATCH", "/v1/users/" + user, owner, R"({"role":"viewer"})");
      // A viewer still reads events.
      if (websocket) ask("PATCH", "/v1/users/" + user, owner, R"({"disabled":true})");
    });
    ask("PATCH", "/v1/users/" + user, owner, R"({"role":"admin","disabled":false})");
    cookie = browser();
    look("user disabled", cookie,
         [&] { ask("PATCH", "/v1/users/" + user, owner, R"({"disabled":true})"); });
    ask("PATCH", "/v1/users/" + user, owner, R"({"disabled":false})");
  }
  EXPECT_EQ(table.rows(), 12u);
}

TEST_F(Streams, WhoeverWaitsForAnAnswerIsAskedAgainBeforeItIsGiven) {
  std::string id;
  const auto made = token("", &id);
  const std::string owner = bearer(tenant.owner);
  auto wait_for_event = [&](const std::string& proof, const std::function<void()>& meanwhile) {
    auto waiting = std::async(std::launch::async,
                              [&] { return ask("GET", "/v1/events?after=latest&wait=20", proof); });
    std::this_thread::sleep_for(50ms);  // so that it does wait
    meanwhile();
    bench.clock.advance(1s);
    bench.add_event(tenant.org, *SessionId::parse(tenant.session), ++seq, R"({"late":1})");
    events.grew(*OrgId::parse(tenant.org));
    return waiting.get();
  };
  const auto good = wait_for_event(owner, [] {});
  EXPECT_TRUE(good.starts_with("HTTP/1.1 200")) << good;
  const auto late = wait_for_event(bearer(made), [&] { ask("DELETE", "/v1/tokens/" + id, owner); });
  EXPECT_TRUE(late.starts_with("HTTP/1.1 401")) << late;
  EXPECT_EQ(late.find("late"), std::string::npos);
}

TEST_F(Streams, GoOnWhileTheProofHolds) {
  const auto made = token("");
  const auto outcome = ends(true, bearer(made), [&] {
    // Longer than it is asked for again, and something comes through meanwhile.
    std::this_thread::sleep_for(3 * kProofEvery);
    bench.add_event(tenant.org, *SessionId::parse(tenant.session), ++seq, R"({"seq":2})");
    events.grew(*OrgId::parse(tenant.org));
    std::this_thread::sleep_for(kProofEvery);
    events.close();
  });
  EXPECT_TRUE(outcome.opened);
  EXPECT_NE(outcome.text.find(R"({"seq":2})"), std::string::npos);
  EXPECT_EQ(outcome.code, 1001);
}

}  // namespace
}  // namespace wab::bridge::test
