// What is gone from the event log is told, never stepped over in silence: to pages, to long polls,
// to followers, to cursors of every form.
#include "bridge/event_stream.h"
#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

class Frames final : public EventSink {
 public:
  explicit Frames(size_t most) : most_(most) {}
  awaitable<Result<void>> send(std::string name, std::string text) override {
    names.push_back(std::move(name));
    texts.push_back(std::move(text));
    co_return ok();
  }
  awaitable<Result<void>> beat() override { co_return ok(); }
  bool closed() const override { return names.size() >= most_; }
  std::vector<std::string> names, texts;

 private:
  size_t most_;
};

struct EventGap : ::testing::Test {
  EventGap() {
    a = bench.tenant("A");
    session = *SessionId::parse(a.session);
    for (uint64_t seq = 1; seq <= 10; ++seq) {
      bench.add_event(a.org, session, seq, json{{"n", seq}, {"pad", std::string(90, 'x')}}.dump());
    }
  }
  storage::OrgScope scope() { return bench.issuer.organization(*OrgId::parse(a.org)); }
  void trim_to(uint64_t bytes) {
    storage::LogRetention keep;
    keep.bytes = bytes;
    EXPECT_TRUE(bench.wait(bench.store.trim_events(scope(), keep, 100)));
  }
  uint64_t cut() { return bench.wait(bench.store.event_log(scope()))->gaps.at(0).to; }
  json page(const std::string& query) {
    const auto answer = bench.call("GET", "/v1/events" + query, "", a.owner);
    json out = json::parse(answer.body);
    out["http"] = answer.status;
    return out;
  }

  Bench bench;
  Bench::Tenant a;
  SessionId session;
};

TEST_F(EventGap, ACursorBehindTheCutIsAnsweredWithTheGapAndWhereToGoOn) {
  const auto before = page("?after=0&limit=3");
  EXPECT_EQ(before["http"], 200);
  const std::string cursor = before["next_cursor"];
  EXPECT_EQ(cursor, "3");
  trim_to(500);
  ASSERT_EQ(cut(), 6u);
  const std::vector<std::string> queries{"?after=" + cursor, "?after=0", "?after=5",
                                         "?after=3&wait=1"};
  for (const auto& query : queries) {
    const auto gone = page(query);
    EXPECT_EQ(gone["http"], 410) << query;
    EXPECT_EQ(gone["code"], "cursor_expired");
    EXPECT_EQ(gone["oldest_cursor"], "6");
    EXPECT_EQ(gone["gap_to"], "6");
  }
  EXPECT_EQ(page("?after=3")["gap_from"], "4");
  const auto after = page("?after=6");
  EXPECT_EQ(after["http"], 200);
  EXPECT_EQ(after["data"].size(), 4u);
  EXPECT_EQ(after["data"][0]["n"], 7);
}

TEST_F(EventGap, WithoutACursorReadingBeginsAtTheOldestThereIs) {
  trim_to(500);
  const auto first = page("");
  EXPECT_EQ(first["http"], 200);
  EXPECT_EQ(first["data"].size(), 4u);
  EXPECT_EQ(page("?after=latest")["next_cursor"], "10");
  EXPECT_EQ(page("?after=10")["data"].size(), 0u);
}

TEST_F(EventGap, ACursorMadeOfAnEventIsToldToo) {
  trim_to(500);
  const auto gone = page("?after=" + session.text() + ":2");
  EXPECT_EQ(gone["http"], 410);
  EXPECT_EQ(gone["oldest_cursor"], "6");
  EXPECT_EQ(page("?after=" + session.text() + ":7")["data"].size(), 3u);
  // Where nothing was ever taken away it is only wrong.
  const auto b = bench.tenant("B");
  const auto wrong = bench.call("GET", "/v1/events?after=" + b.session + ":7", "", b.owner);
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(code_of(wrong), "invalid_cursor");
}

TEST_F(EventGap, TheStreamRefusesAnExpiredCursorAndFollowersGetOneFrame) {
  trim_to(500);
  auto request = Bench::request("GET", "/v1/events/stream?after=2", "", a.owner);
  request.upgrade = true;
  EXPECT_EQ(bench.call(request).status, 410);
  // One who fell behind while connected.
  const auto caller = bench.wait(bench.auth.by_token("Bearer " + a.owner));
  ASSERT_TRUE(caller);
  auto follower = follow_events(bench.app, *caller, 2);
  Frames sink(4);
  wab::test::run_on(bench.loop, [&] { return follower->run(sink); });
  ASSERT_EQ(sink.names.size(), 5u);
  EXPECT_EQ(sink.names[0], "log.gap");
  const auto told = json::parse(sink.texts[0]);
  EXPECT_EQ(told["type"], "log.gap");
  EXPECT_EQ(told["gap"], (json{{"from", "3"}, {"to", "6"}}));
  EXPECT_EQ(told["oldest_cursor"], "6");
  EXPECT_EQ(json::parse(sink.texts[1])["n"], 7);
  EXPECT_EQ(json::parse(sink.texts[4])["n"], 10);
}

// The same as after a restore: a gap in the middle.
TEST_F(EventGap, AHoleInTheMiddleEndsAPageBeforeIt) {
  const storage::LogGap hole{5, 1000};
  bench.store.hole(*OrgId::parse(a.org), hole);
  const auto up_to = page("?after=2");
  EXPECT_EQ(up_to["data"].size(), 3u);
  EXPECT_EQ(up_to["next_cursor"], "5");
  for (const std::string at : {"5", "7", "999"}) {
    const auto gone = page("?after=" + at);
    EXPECT_EQ(gone["http"], 410) << at;
    EXPECT_EQ(gone["oldest_cursor"], "1000");
  }
  EXPECT_EQ(page("?after=1000")["http"], 200);
}

}  // namespace
}  // namespace wab::bridge::test
