// The QR in its forms, waiting for it, and the stream of codes.
#include "storage/base/shards.h"
#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

using session::Status;

session::QrView shown(const std::string& code) {
  session::QrView view;
  view.code = code;
  view.expires_at = 1'795'000'020'000;
  return view;
}

class Recorder final : public EventSink {
 public:
  awaitable<Result<void>> send(std::string name, std::string data) override {
    got.emplace_back(std::move(name), std::move(data));
    co_return ok();
  }
  awaitable<Result<void>> beat() override {
    ++beats;
    co_return ok();
  }
  bool closed() const override { return gone; }
  std::vector<std::pair<std::string, std::string>> got;
  int beats = 0;
  bool gone = false;
};

awaitable<void> follow(Follower& follower, Recorder& recorder, bool& ended) {
  co_await follower.run(recorder);
  ended = true;
}

TEST(Qr, ComesInTheFormThatIsAskedFor) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto id = *SessionId::parse(a.session);
  const std::string path = "/v1/sessions/" + a.session + "/qr";
  EXPECT_EQ(code_of(bench.call("GET", path, "", a.owner)), "not_pairing");
  bench.sessions.show(id, Status::scan_qr_code, shown("2@code"));
  auto get = [&](const char* accept) {
    return bench.call("GET", path, "", a.owner, {{"Accept", accept}});
  };
  auto answer = get("application/json");
  EXPECT_EQ(json::parse(answer.body)["code"], "2@code");
  EXPECT_EQ(json::parse(answer.body)["expires_at"], to_iso8601(1'795'000'020'000));
  answer = get("image/png");
  EXPECT_EQ(answer.content_type, "image/png");
  EXPECT_TRUE(answer.body.starts_with("\x89PNG\r\n\x1a\n"));
  EXPECT_TRUE(get("image/svg+xml").body.starts_with("<svg "));
  EXPECT_NE(get("text/plain").body.find("\u2588"), std::string::npos);
  bench.sessions.show(id, Status::working, std::nullopt);
  EXPECT_EQ(bench.call("GET", path + "?wait=30", "", a.owner).status, 409);
}

TEST(Qr, WaitEndsWithTheCode) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto request =
      Bench::request("GET", "/v1/sessions/" + a.session + "/qr?wait=30", "", a.owner);
  Answer answer;
  answer.status = 0;
  spawn(bench.loop.get_executor(), Bench::run_handle(bench.app, request, answer), "test");
  bench.loop.restart();
  bench.loop.poll();
  EXPECT_EQ(answer.status, 0);
  const auto id = *SessionId::parse(a.session);
  bench.sessions.show(id, Status::starting, std::nullopt);
  bench.loop.poll();
  EXPECT_EQ(answer.status, 0);
  bench.sessions.show(id, Status::scan_qr_code, shown("2@late"));
  bench.loop.poll();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["code"], "2@late");
}

TEST(QrStream, EachCodeThenPaired) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto id = *SessionId::parse(a.session);
  auto answer = bench.call("GET", "/v1/sessions/" + a.session + "/qr/stream", "", a.owner);
  ASSERT_EQ(answer.kind, Answer::Kind::server_sent_events);
  Recorder recorder;
  bool ended = false;
  spawn(bench.loop.get_executor(), follow(*answer.follower, recorder, ended), "test");
  auto turn = [&] {
    bench.loop.restart();
    bench.loop.poll();
  };
  turn();
  bench.sessions.show(id, Status::scan_qr_code, shown("2@one"));
  turn();
  bench.sessions.show(id, Status::scan_qr_code, shown("2@one"));  // no news
  turn();
  bench.sessions.show(id, Status::scan_qr_code, shown("2@two"));
  turn();
  EXPECT_FALSE(ended);
  bench.sessions.show(id, Status::working, std::nullopt);
  turn();
  EXPECT_TRUE(ended);
  ASSERT_EQ(recorder.got.size(), 3u);
  EXPECT_EQ(recorder.got[0].first, "code");
  EXPECT_EQ(json::parse(recorder.got[1].second)["code"], "2@two");
  EXPECT_EQ(recorder.got[2].first, "paired");
}

TEST(PairingCode, TakesThePhoneAsDigits) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto answer = bench.call("POST", "/v1/sessions/" + a.session + "/pairing-code",
                                 R"({"phone":"+15550100002"})", a.owner);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["code"], "ABCD-EFGH");
  EXPECT_EQ(bench.sessions.last_phone, "15550100002");
}

TEST(Events, PageThroughTheLog) {
  Bench bench;
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  const auto id = *SessionId::parse(a.session);
  for (uint64_t seq = 1; seq <= 5; ++seq) {
    bench.add_event(a.org, id, seq, json{{"seq", seq}}.dump());
  }
  bench.add_event(b.org, *SessionId::parse(b.session), 1, R"({"secret":"of B"})");
  auto page = json::parse(bench.call("GET", "/v1/events?limit=2", "", a.owner).body);
  EXPECT_EQ(page["data"], json::parse(R"([{"seq":1},{"seq":2}])"));
  std::string cursor = page["next_cursor"];
  page = json::parse(bench.call("GET", "/v1/events?after=" + cursor, "", a.owner).body);
  EXPECT_EQ(page["data"].size(), 3u);
  cursor = page["next_cursor"];
  page = json::parse(bench.call("GET", "/v1/events?after=" + cursor, "", a.owner).body);
  EXPECT_TRUE(page["data"].empty());
  EXPECT_EQ(page["next_cursor"], cursor);
  // From an envelope, and from the end.
  page = json::parse(bench.call("GET", "/v1/events?after=" + a.session + ":4", "", a.owner).body);
  EXPECT_EQ(page["data"], json::parse(R"([{"seq":5}])"));
  page = json::parse(bench.call("GET", "/v1/events?after=latest", "", a.owner).body);
  EXPECT_EQ(page["next_cursor"], cursor);
  for (const std::string& bad :
       {std::string("x"), a.session + ":9", b.session + ":1", std::string("-1"), a.session}) {
    EXPECT_EQ(code_of(bench.call("GET", "/v1/events?after=" + bad, "", a.owner)), "invalid_cursor")
        << bad;
  }
}

TEST(Events, WaitEndsWithTheNextOne) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto request = Bench::request("GET", "/v1/events?wait=30", "", a.owner);
  Answer answer;
  answer.status = 0;
  spawn(bench.loop.get_executor(), Bench::run_handle(bench.app, request, answer), "test");
  bench.loop.restart();
  bench.loop.poll();
  EXPECT_EQ(answer.status, 0);
  bench.events.grew(OrgId::random(bench.random));  // somebody else's
  bench.loop.poll();
  EXPECT_EQ(answer.status, 0);
  bench.add_event(a.org, *SessionId::parse(a.session), 1, R"({"seq":1})");
  bench.events.grew(*OrgId::parse(a.org));
  bench.loop.restart();
  bench.loop.poll();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json::parse(answer.body)["data"].size(), 1u);
}

TEST(Events, FollowerSendsBacklogThenLive) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto id = *SessionId::parse(a.session);
  for (uint64_t seq = 1; seq <= 3; ++seq) bench.add_event(a.org, id, seq, std::to_string(seq));
  auto request = Bench::request("GET", "/v1/events/stream?after=1", "", a.owner);
  request.upgrade = true;
  auto answer = bench.call(request);
  ASSERT_EQ(answer.kind, Answer::Kind::websocket);
  Recorder recorder;
  bool ended = false;
  spawn(bench.loop.get_executor(), follow(*answer.follower, recorder, ended), "test");
  bench.loop.restart();
  bench.loop.poll();
  EXPECT_EQ(recorder.got.size(), 2u);
  bench.add_event(a.org, id, 4, "4");
  bench.events.grew(*OrgId::parse(a.org));
  bench.loop.restart();
  bench.loop.poll();
  ASSERT_EQ(recorder.got.size(), 3u);
  EXPECT_EQ(recorder.got[2].second, "4");
  EXPECT_FALSE(ended);
  bench.events.close();
  bench.loop.restart();
  bench.loop.poll();
  EXPECT_TRUE(ended);
}

TEST(Events, ACursorIsMadeFromAnyEnvelope) {
  Bench bench;
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  const auto session = *SessionId::parse(a.session);
  const SessionId endpoint(EndpointId::parse(a.webhook)->bytes());
  const SessionId outbox(OrgId::parse(a.org)->bytes());
  bench.add_event(a.org, session, 1, "1");
  bench.add_event(a.org, endpoint, 1, "2");
  bench.add_event(a.org, outbox, 1, "3");
  bench.add_event(a.org, session, 2, "4");
  const std::pair<std::string, size_t> left[] = {
      {a.session + ":1", 3}, {a.webhook + ":1", 2}, {a.org + ":1", 1}, {a.session + ":2", 0}};
  for (const auto& [cursor, count] : left) {
    const auto answer = bench.call("GET", "/v1/events?after=" + cursor, "", a.owner);
    ASSERT_EQ(answer.status, 200) << cursor << answer.body;
    EXPECT_EQ(json::parse(answer.body)["data"].size(), count) << cursor;
  }
  for (const auto& cursor : {a.session + ":3", a.webhook + ":2", a.org + ":9", b.session + ":1",
                             b.webhook + ":1", b.org + ":1"}) {
    EXPECT_EQ(bench.call("GET", "/v1/events?after=" + cursor, "", a.owner).status, 400) << cursor;
  }
}

}  // namespace
}  // namespace wab::bridge::test
