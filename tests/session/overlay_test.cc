#include "session/overlay.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "storage/base/shards.h"
#include "tests/support/fake_session_context.h"
#include "tests/support/run.h"

namespace wab::session {
namespace {

using storage::Kind;

constexpr Kind kKept = Kind::signal_session;  // stays in memory once written
constexpr Kind kNotKept = Kind::message;

class OverlayTest : public testing::Test {
 public:
  OverlayTest() { spawn(loop.get_executor(), pump(), "test.pump"); }

  awaitable<void> pump() {
    auto result = co_await overlay.pump();
    if (!result) pump_error = result.error();
    pump_ended = true;
  }
  void put(Kind kind, std::string name, std::string value, std::function<void()> then = {}) {
    Change change(overlay);
    change.put(kind, std::move(name), to_bytes(view(value)));
    if (then) change.then(std::move(then));
    overlay.apply(std::move(change));
  }
  awaitable<std::string> get(Kind kind, std::string name) {
    storage::Key key{kind, std::move(name)};
    auto value = co_await overlay.get(std::move(key));
    if (!value) co_return "error";
    co_return *value ? to_string(**value) : "absent";
  }
  // Reads in the background; `into` outlives it.
  awaitable<void> get_into(Kind kind, std::string name, std::string& into) {
    into = co_await get(kind, std::move(name));
  }
  awaitable<void> settle() {
    for (int i = 0; i < 20; ++i) co_await yield_shard();
  }
  void run(std::function<awaitable<void>()> body) { test::run_on(loop, std::move(body)); }

  boost::asio::io_context loop{1};
  test::FakeSessionContext context{loop.get_executor()};
  Overlay overlay{context};
  std::optional<Error> pump_error;
  bool pump_ended = false;
};

#define OVERLAY_TEST(name)                                                          \
  class name : public OverlayTest {                                                 \
   public:                                                                          \
    awaitable<void> body();                                                         \
    void TestBody() override {                                                      \
      run([this] { return body(); });                                               \
    }                                                                               \
  };                                                                                \
  const auto* const name##_registered =                                             \
      testing::RegisterTest("Overlay", #name, nullptr, nullptr, __FILE__, __LINE__, \
                            []() -> OverlayTest* { return new name; });             \
  awaitable<void> name::body()

OVERLAY_TEST(ReadsSeeWhatIsNotDurableYet) {
  context.commits.shut();
  put(kKept, "a", "1");
  const auto pending = co_await get(kKept, "a");
  EXPECT_EQ(pending, "1");
  co_await settle();  // it is on its way to the disk now
  const auto writing = co_await get(kKept, "a");
  EXPECT_EQ(writing, "1");
  put(kKept, "a", "2");
  const auto newer = co_await get(kKept, "a");
  EXPECT_EQ(newer, "2");
  Change change(overlay);
  change.erase(kKept, "a");
  overlay.apply(std::move(change));
  const auto erased = co_await get(kKept, "a");
  EXPECT_EQ(erased, "absent");
  EXPECT_EQ(context.written.size(), 0u);
}

OVERLAY_TEST(AChangeSeesItselfAndNobodyElseDoes) {
  put(kKept, "a", "old");
  Change change(overlay);
  change.put(kKept, "a", to_bytes(view("new")));
  storage::Key key{kKept, "a"};
  const auto own = co_await change.get(key);
  EXPECT_EQ(text(**own), "new");
  const auto others = co_await get(kKept, "a");
  EXPECT_EQ(others, "old");
}

OVERLAY_TEST(CommitsKeepTheOrderAndGatherWhatWaits) {
  context.commits.shut();
  put(kKept, "a", "1");
  co_await settle();
  put(kKept, "a", "2");
  put(kKept, "b", "3");
  context.commits.open();
  co_await overlay.drained();
  EXPECT_EQ(context.written.size(), 2u);
  EXPECT_EQ(text(context.written[0].put.at(0).value), "1");
  EXPECT_EQ(context.written[1].put.size(), 2u);
  EXPECT_EQ(text(context.written[1].put.at(0).value), "2");
}

OVERLAY_TEST(CallbacksRunOnlyOnceTheirChangeIsDurable) {
  context.commits.shut();
  std::vector<int> called;
  put(kKept, "a", "1", [&called] { called.push_back(1); });
  co_await settle();
  put(kKept, "a", "2", [&] {
    called.push_back(2);
    EXPECT_EQ(context.written.size(), 2u);
  });
  co_await settle();
  EXPECT_TRUE(called.empty());
  context.commits.open();
  co_await overlay.drained();
  EXPECT_EQ(called, (std::vector<int>{1, 2}));
}

// A read that asked the disk before a commit and is answered after it.
OVERLAY_TEST(AnAnswerOlderThanACommitIsNotBelieved) {
  for (const Kind kind : {kKept, kNotKept}) {
    put(kind, "a", "old");
    co_await overlay.drained();
    overlay.forget_clean();
    context.loads.shut();
    std::string seen;
    spawn(loop.get_executor(), get_into(kind, "a", seen), "test.get");
    co_await settle();
    put(kind, "a", "new");
    co_await overlay.drained();
    context.loads.open();
    co_await settle();
    EXPECT_EQ(seen, "new");
    const auto later = co_await get(kind, "a");
    EXPECT_EQ(later, "new");
  }
}

// The same, but the answer comes while the commit is still on its way.
OVERLAY_TEST(AnAnswerDuringACommitDoesNotOutliveIt) {
  for (const Kind kind : {kKept, kNotKept}) {
    put(kind, "a", "old");
    co_await overlay.drained();
    overlay.forget_clean();
    context.loads.shut();
    std::string seen;
    spawn(loop.get_executor(), get_into(kind, "a", seen), "test.get");
    co_await settle();
    context.commits.shut();
    put(kind, "a", "new");
    co_await settle();
    context.loads.open();
    co_await settle();
    EXPECT_EQ(seen, "new");
    context.commits.open();
    co_await overlay.drained();
    const auto later = co_await get(kind, "a");
    EXPECT_EQ(later, "new") << "the disk's old answer hid the commit";
  }
}

OVERLAY_TEST(TwoReadsThatAreOvertakenDoNotKeepEachOtherWaiting) {
  put(kNotKept, "a", "old");
  put(kNotKept, "b", "old");
  co_await overlay.drained();
  context.loads.shut();
  std::string a, b;
  spawn(loop.get_executor(), get_into(kNotKept, "a", a), "test.get");
  spawn(loop.get_executor(), get_into(kNotKept, "b", b), "test.get");
  co_await settle();
  put(kNotKept, "a", "new");
  put(kNotKept, "b", "new");
  co_await overlay.drained();
  context.loads.open();
  co_await settle();
  EXPECT_EQ(a, "new");
  EXPECT_EQ(b, "new");
}

OVERLAY_TEST(ReadersWaitForRoom) {
  context.commits.shut();
  for (size_t i = 0; i < Overlay::kMaxPending; ++i) put(kKept, "a", std::to_string(i));
  EXPECT_EQ(overlay.pending(), Overlay::kMaxPending);
  bool passed = false;
  struct Reader {
    static awaitable<void> run(Overlay& overlay, bool& passed) {
      co_await overlay.wait_for_room();
      passed = true;
    }
  };
  spawn(loop.get_executor(), Reader::run(overlay, passed), "test.reader");
  co_await settle();
  EXPECT_FALSE(passed);
  context.commits.open();
  co_await overlay.drained();
  co_await settle();
  EXPECT_TRUE(passed);
}

OVERLAY_TEST(AFailedCommitEndsThePumpAndFailsWhoWaits) {
  context.commit_failure = Error(storage::StoreError::fenced, "test");
  bool called = false;
  Change change(overlay);
  change.put(kKept, "a", to_bytes(view("1")));
  change.then([&called] { called = true; });
  auto result = co_await overlay.commit(std::move(change));
  EXPECT_FALSE(result);
  co_await settle();
  EXPECT_TRUE(pump_ended);
  EXPECT_TRUE(pump_error && pump_error->is(storage::StoreError::fenced));
  EXPECT_FALSE(called);
  co_await overlay.drained();  // nobody hangs
}

OVERLAY_TEST(ClosingWritesWhatIsLeft) {
  context.commits.shut();
  put(kKept, "a", "1");
  co_await settle();
  put(kKept, "b", "2");
  overlay.close();
  context.commits.open();
  co_await settle();
  EXPECT_TRUE(pump_ended);
  EXPECT_FALSE(pump_error);
  EXPECT_EQ(context.written.size(), 2u);
}

OVERLAY_TEST(EventsAreNumberedWithoutGapsInTheCommitOfTheirChange) {
  context.commits.shut();
  for (int i = 0; i < 3; ++i) {
    Change change(overlay);
    change.put(kKept, "row" + std::to_string(i), to_bytes(view("1")));
    EventDraft draft;
    draft.type = "message";
    draft.source.stanza_id = std::to_string(i);
    draft.data = "{}";
    change.emit(draft);
    change.mark("m" + std::to_string(i), context.time.now_s() + 60);
    overlay.apply(std::move(change));
    co_await settle();
  }
  context.commits.open();
  co_await overlay.drained();
  uint64_t seq = 0;
  for (const auto& commit : context.written) {
    EXPECT_EQ(commit.events.size(), commit.marks.size());
    for (const auto& event : commit.events) EXPECT_EQ(event.seq, ++seq);
    // The counter stands in the same write as the events that it counts.
    bool head = false;
    for (const auto& row : commit.put) {
      if (row.key.kind != Kind::head) continue;
      pb::StoredHead stored;
      EXPECT_TRUE(stored.ParseFromArray(row.value.data(), static_cast<int>(row.value.size())));
      EXPECT_EQ(stored.event_seq(), seq);
      head = true;
    }
    EXPECT_TRUE(head);
  }
  EXPECT_EQ(seq, 3u);
  Overlay again(context);
  auto opened = co_await again.open();
  EXPECT_TRUE(opened);
  EXPECT_EQ(again.head().event_seq(), 3u);
}

OVERLAY_TEST(MarksCountBeforeTheyAreDurable) {
  context.commits.shut();
  Change change(overlay);
  change.mark("seen", context.time.now_s() + 60);
  overlay.apply(std::move(change));
  std::vector<std::string> names{"seen", "unseen"};
  for (int round = 0; round < 3; ++round) {
    const auto marked = co_await overlay.marked(names);
    EXPECT_TRUE(marked && *marked == (std::vector<bool>{true, false})) << round;
    if (round == 0) co_await settle();
    if (round == 1) {
      context.commits.open();
      co_await overlay.drained();
    }
  }
  context.time.advance(std::chrono::seconds(61));
  const auto expired = co_await overlay.marked(names);
  EXPECT_TRUE(expired && !expired->at(0));
}

}  // namespace
}  // namespace wab::session
